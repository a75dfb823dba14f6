//! Setting metrics up, and taking them down: one configuration in force at a time, and a guard that delivers what is pending.
//!
//! One type and the state behind it, with an example of each method; hence the length.

use crate::backends;
use crate::background::Background;
use crate::built::Built;
use crate::config::{self, Config};
use crate::error::Error;
use crate::limits::limits;
#[cfg(feature = "prometheus")]
use crate::serve::{self, Serving};
use ferrometer_core::{FlushReport, Limits, LoggerRule, Naming, Preview, PreviewError, View};
use ferrometer_fork::PerProcess;
#[cfg(feature = "prometheus")]
use ferrometer_fork::ancestor_is_running;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
#[cfg(any(feature = "prometheus", feature = "agent"))]
use std::time::Instant;

/// The moment so long from now, a year at most: the clock has an end, which a longer time may be beyond.
#[cfg(any(feature = "prometheus", feature = "agent"))]
pub(crate) fn until(time: Duration) -> Instant {
    Instant::now() + time.min(Duration::from_secs(365 * 24 * 3600))
}

/// Source of a configuration for [`init`]: a [`Config`], or (feature `config-file`) the path of a TOML file, which the environment overrides.
#[cfg_attr(
    feature = "config-file",
    diagnostic::on_unimplemented(
        message = "`init` takes a `Config` or the path of a TOML file, not `{Self}`",
        label = "no configuration"
    )
)]
#[cfg_attr(
    not(feature = "config-file"),
    diagnostic::on_unimplemented(
        message = "`init` takes a `Config`, not `{Self}`",
        label = "no configuration",
        note = "the path of a TOML file needs the cargo feature `config-file` of ferrometer, which is off"
    )
)]
pub trait ConfigSource {
    /// The configuration.
    ///
    /// # Errors
    /// [`config::Error`]: what is wrong, where, and what is allowed.
    fn config(self) -> Result<Config, config::Error>;
}

impl ConfigSource for Config {
    fn config(self) -> Result<Config, config::Error> {
        self.validate()?;
        Ok(self)
    }
}

macro_rules! paths {
    ($($path:ty)*) => {$(
        #[cfg(feature = "config-file")]
        impl ConfigSource for $path {
            fn config(self) -> Result<Config, config::Error> {
                Config::from_file(self)
            }
        }
    )*};
}
paths!(&str String &String &std::path::Path std::path::PathBuf &std::path::PathBuf &std::ffi::OsStr std::ffi::OsString);

/// State that the last successful call of [`init`] has set up.
#[derive(Default)]
struct InForce {
    /// Which call it was; 0: none is in force.
    call: u64,
    backends: Vec<&'static str>,
    settings: Option<Settings>,
    #[cfg(feature = "pull-cache")]
    pull_cache: Option<ferrometer_pull_cache::PullCacheHandle>,
    /// The reading end that guards give out: it follows from call to call.
    #[cfg(feature = "prometheus")]
    totals: Option<ferrometer_prometheus::PrometheusHandle>,
    #[cfg(feature = "prometheus")]
    server: Option<Serving>,
    #[cfg(feature = "process-metrics")]
    process: Option<ferrometer_process::ProcessMetrics>,
    #[cfg(feature = "metric-servers")]
    metric_servers: Option<std::sync::Arc<ferrometer_metric_servers::MetricServers>>,
}

/// State of this process. The child of a fork begins with one of its own: a server of its parent's that is dropped waits for nobody.
static IN_FORCE: PerProcess<Mutex<InForce>> = PerProcess::new();

/// How often `init` was successful, in this process and those it was forked from, whose guards it has copies of.
static CALLS: AtomicU64 = AtomicU64::new(0);

/// Returns the state of this process.
fn in_force() -> MutexGuard<'static, InForce> {
    IN_FORCE.get().lock().unwrap_or_else(PoisonError::into_inner)
}

/// Frees a port that a process listened on which this one was forked from, and which has ended: a daemon has the socket that its parent had. One that
/// is just ending is waited for.
#[cfg(feature = "prometheus")]
fn free_inherited_port(port: u16) {
    const ENDING: Duration = Duration::from_millis(500);
    for (process, state) in IN_FORCE.ancestors() {
        if let Ok(inherited) = state.try_lock()
            && let Some(serving) =
                inherited.server.as_ref().filter(|serving| serving.server.local_addr().port() == port)
        {
            let begun = Instant::now();
            while ancestor_is_running(process) && begun.elapsed() < ENDING {
                std::thread::sleep(ENDING / 50);
            }
            if !ancestor_is_running(process) {
                serving.server.shut_inherited();
            }
        }
    }
}

/// Settings of the core.
#[derive(Clone, Default)]
struct Settings {
    naming: Naming,
    limits: Limits,
    rules: Vec<LoggerRule>,
    views: Vec<View>,
    exemplars: bool,
}

impl Settings {
    fn apply(&self) {
        let (naming, rules, views) = (self.naming.clone(), self.rules.clone(), self.views.clone());
        ferrometer_core::configure_with_exemplars(naming, self.limits, rules, views, self.exemplars);
    }
}

/// Sets metrics up: checks the configuration, installs its backends, and switches recording on. Loggers and handles made before
/// follow at once.
///
/// Called again, it replaces the configuration: backends of the same name hand over at one snapshot, so nothing is lost or
/// counted twice, a pull cache goes on with the generations of the one before, and the guard of the call before no longer does
/// anything. With `backend = "noop"`, or no configuration at all, no thread is started and no socket opened.
///
/// A backend of the program's own ([`install`](crate::install)) stays through `init`, with the names of its installation, until the guard ends;
/// [`replace`](crate::replace) gives it the new ones.
///
/// It says through `tracing`, at level info, what is in force and from which file and variables; tables and variables that were probably meant for
/// it and are not looked at are warnings.
///
/// In the child of a fork, recording is off until it calls `init`, which starts over; guards from before the fork do nothing there. Totals go on from
/// where they stood at the fork, as those of the parent do. The child needs a port and a directory of its own: those of the parent are taken, unless it
/// has ended (Linux): a daemon that calls `init` again takes over what its parent had. `_Fork` and the bare system call run no fork handlers: recording is
/// off in such a child too (Linux), and it must not call `init`.
///
/// While a process forks, its handlers may take long, or wait for a thread of the program's. The first recording of a name waits for them a tenth of a second,
/// and is then turned away, counted, and reported in the log; known names are recorded as always.
///
/// It returns when the threads that it starts have begun to run, so a program may fork next. The program's own threads must have begun as well: the standard
/// library holds locks while a thread is being born, and a child that is forked at that moment waits for them for ever when it starts a thread. Fork
/// first and start threads then, or wait for the first line of each.
///
/// No thread of ferrometer's takes a signal: the program may block a signal after `init`, and wait for it with `sigwait`.
///
/// ```
/// use ferrometer::{Config, init};
///
/// let metrics = init(Config::new().backend("noop"))?;
/// # Ok::<(), ferrometer::Error>(())
/// ```
///
/// # Errors
/// [`Error`], and then nothing has changed. (Should the system have no thread left for one of several backends, those before it are
/// removed again; one that has taken another's place stays.)
pub fn init(source: impl ConfigSource) -> Result<Metrics, Error> {
    begin(&source.config()?)
}

// Compiled once, and not in the user's crate.
fn begin(config: &Config) -> Result<Metrics, Error> {
    let metrics = put_in_force(config).map_err(|error| error.explained(config))?;
    crate::report::in_force(config);
    Ok(metrics)
}

pub(crate) fn put_in_force(config: &Config) -> Result<Metrics, Error> {
    replace(config, in_force())
}

/// Puts a configuration in the place of the one that a guard is of; `None` when another call of `init` has taken over.
#[cfg(feature = "agent")]
pub(crate) fn put_in_force_after(before: &Metrics, config: &Config) -> Result<Option<Metrics>, Error> {
    let in_force = in_force();
    if in_force.call != before.call {
        return Ok(None);
    }
    replace(config, in_force).map(Some)
}

fn replace(config: &Config, mut in_force: MutexGuard<'static, InForce>) -> Result<Metrics, Error> {
    let is_off = config.backends().iter().all(|name| name == "noop");
    if config.prepend_uuid && !is_off && config.uuid.as_ref().is_none_or(String::is_empty) {
        return Err(Error::Incomplete { key: "metrics.prepend_uuid", missing: "metrics.uuid" });
    }
    let deadline = config.shutdown_deadline;
    let settings = Settings {
        naming: naming(config),
        limits: limits(config),
        rules: rules(config),
        views: views(config),
        exemplars: config.exemplars,
    };
    crate::exemplars::provide_default(config);
    #[cfg(feature = "prometheus")]
    free_inherited_port(config.pull_cache.address.port());
    #[cfg(feature = "pull-cache")]
    let earlier = in_force.pull_cache.clone();
    #[cfg(not(feature = "pull-cache"))]
    let earlier: Option<backends::Cache> = None;
    let parts = backends::build(config, earlier.as_ref())?;
    #[cfg(feature = "prometheus")]
    let serve::Served { server, taken_over } = serve::serve(config, &parts, &mut in_force.server)?;
    settings.apply();
    if let Err(error) = put_in_place(parts.backends, &mut in_force.backends, deadline) {
        in_force.settings.clone().unwrap_or_default().apply();
        #[cfg(feature = "prometheus")]
        {
            // The port first.
            if let Some(begun) = server {
                drop(begun.stop(until(deadline)));
            }
            serve::give_back(taken_over, &mut in_force.server);
        }
        return Err(error);
    }
    // Backends are there: what was held for them they have.
    #[cfg(feature = "agent")]
    ferrometer_core::release();
    #[cfg(feature = "metric-servers")]
    {
        let old = std::mem::replace(&mut in_force.metric_servers, parts.metric_servers);
        crate::metric_servers::take_over(old, in_force.metric_servers.as_ref(), deadline);
    }
    #[cfg(feature = "process-metrics")]
    {
        let interval = config.process_interval.filter(|_| !is_off);
        in_force.process = interval.map(ferrometer_process::ProcessMetrics::start);
    }
    in_force.settings = Some(settings);
    in_force.call = CALLS.fetch_add(1, Relaxed) + 1;
    let metrics = Metrics {
        call: in_force.call,
        deadline,
        #[cfg(feature = "pull-cache")]
        pull_cache: followed(&in_force.pull_cache, parts.pull_cache, ferrometer_pull_cache::PullCacheHandle::follow),
        #[cfg(feature = "prometheus")]
        totals: followed(&in_force.totals, parts.totals, ferrometer_prometheus::PrometheusHandle::follow),
        #[cfg(feature = "prometheus")]
        address: server.as_ref().map(|serving| serving.server.local_addr()),
        #[cfg(feature = "archive-embedded")]
        archive: parts.archive.as_ref().map(std::sync::Arc::downgrade).unwrap_or_default(),
    };
    #[cfg(feature = "pull-cache")]
    in_force.pull_cache.clone_from(&metrics.pull_cache);
    #[cfg(feature = "prometheus")]
    in_force.totals.clone_from(&metrics.totals);
    #[cfg(feature = "prometheus")]
    if let Some(old) = std::mem::replace(&mut in_force.server, server) {
        drop(old.stop(until(deadline)));
    }
    Ok(metrics)
}

/// Returns the reading end that a new guard gives out: the one that programs have already, turned to what is new.
#[cfg(any(feature = "pull-cache", feature = "prometheus"))]
fn followed<H: Clone>(old: &Option<H>, new: Option<H>, follow: fn(&H, &H)) -> Option<H> {
    let new = new?;
    let Some(old) = old else { return Some(new) };
    follow(old, &new);
    Some(old.clone())
}

/// Replaces the backends in force by these.
fn put_in_place(new: Vec<Built>, in_force: &mut Vec<&'static str>, deadline: Duration) -> Result<(), Error> {
    let (mut names, mut fresh): (Vec<&'static str>, Vec<&'static str>) = (Vec::new(), Vec::new());
    for built in new {
        if let Err(error) = ferrometer_core::replace(built.name, built.backend, built.interval, deadline) {
            for name in fresh {
                ferrometer_core::remove(name, deadline);
            }
            return Err(error.into());
        }
        if !in_force.contains(&built.name) {
            fresh.push(built.name);
        }
        names.push(built.name);
    }
    for old in &*in_force {
        if !names.contains(old) {
            ferrometer_core::remove(old, deadline);
        }
    }
    *in_force = names;
    Ok(())
}

/// The guard of a configuration in force. Dropping it delivers what is pending, within `shutdown_deadline` (2 s unless configured), removes the
/// backends and switches recording off; what could not be delivered is told through `tracing`. Keep it until the end of `main`. Dropping it, and
/// [`flush`](Metrics::flush), wait for the backends' own threads: in an async program do it outside of the runtime, or on a thread where waiting
/// is allowed (`spawn_blocking`).
#[must_use = "recording ends when this is dropped; `let _ = …` drops it at once"]
pub struct Metrics {
    call: u64,
    deadline: Duration,
    #[cfg(feature = "pull-cache")]
    pull_cache: Option<ferrometer_pull_cache::PullCacheHandle>,
    #[cfg(feature = "prometheus")]
    totals: Option<ferrometer_prometheus::PrometheusHandle>,
    #[cfg(feature = "prometheus")]
    address: Option<std::net::SocketAddr>,
    /// The backend holds it open.
    #[cfg(feature = "archive-embedded")]
    archive: std::sync::Weak<ferrometer_archive_backend::engine::Archive>,
}

impl Metrics {
    /// Delivers everything recorded before the call, within `timeout`, and says whether that was achieved.
    ///
    /// ```
    /// use ferrometer::{Config, get_logger, init};
    /// use std::time::Duration;
    ///
    /// let metrics = init(Config::new().backend("noop"))?;
    /// get_logger("job").send_counter("rows", 17);
    /// let report = metrics.flush(Duration::from_secs(2));
    /// if !report.complete {
    ///     report.ledgers.iter().for_each(|ledger| eprintln!("{ledger}"));
    /// }
    /// # Ok::<(), ferrometer::Error>(())
    /// ```
    // Compiled in the program that calls it: most do not.
    #[inline]
    pub fn flush(&self, timeout: Duration) -> FlushReport {
        ferrometer_core::flush(timeout)
    }

    /// Ends recording like dropping the guard, within `timeout`, and says what was delivered and what was not.
    ///
    /// ```
    /// use ferrometer::{Config, init};
    /// use std::time::Duration;
    ///
    /// let metrics = init(Config::new().backend("noop"))?;
    /// let report = metrics.shutdown(Duration::from_secs(5));
    /// assert!(report.ledgers.iter().all(|ledger| ledger.dropped.is_empty()));
    /// # Ok::<(), ferrometer::Error>(())
    /// ```
    // Compiled in the program that calls it: most do not.
    #[inline]
    pub fn shutdown(mut self, timeout: Duration) -> FlushReport {
        self.end(timeout).unwrap_or_else(|| ferrometer_core::flush(Duration::ZERO))
    }

    /// Returns the datagrams or bodies that a backend would send if it delivered now, byte for byte: `metrics.preview("influxdb")`. Nothing is sent, and no
    /// account changes. Waits for a delivery in progress, for `shutdown_deadline` at most.
    ///
    /// # Errors
    /// [`PreviewError`]: there is no such backend, it sends nothing, or it was at work until then.
    ///
    /// ```
    /// use ferrometer::{Config, get_logger, init};
    ///
    /// let metrics = init(Config::new().backend("statsd").statsd_interval(std::time::Duration::from_secs(60)))?;
    /// get_logger("shop").send_counter("sold", 3);
    /// let shown = metrics.preview("statsd").unwrap();
    /// assert_eq!(shown[0].wire, b"shop.sold:3|c");
    /// # Ok::<(), ferrometer::Error>(())
    /// ```
    // Compiled in the program that calls it: most do not.
    #[inline]
    pub fn preview(&self, backend: &str) -> Result<Vec<Preview>, PreviewError> {
        ferrometer_core::preview(backend, self.deadline)
    }

    /// Does what [`flush`](Metrics::flush) does without blocking the thread: the waiting is done on another, begun at once. For async programs, on any runtime.
    ///
    /// ```no_run
    /// # async fn example(metrics: ferrometer::Metrics) {
    /// let report = metrics.flush_async(std::time::Duration::from_secs(2)).await;
    /// assert!(report.complete);
    /// # }
    /// ```
    // Compiled in the program that calls it: most do not.
    #[inline]
    pub fn flush_async(&self, timeout: Duration) -> impl Future<Output = FlushReport> + Send + 'static {
        Background::start("flush", move || ferrometer_core::flush(timeout))
    }

    /// Does what [`shutdown`](Metrics::shutdown) does without blocking the thread: the last line of an async `main`. It has begun when the future is made, and
    /// goes on when that is dropped.
    ///
    /// ```no_run
    /// # async fn example(metrics: ferrometer::Metrics) {
    /// let report = metrics.shutdown_async(std::time::Duration::from_secs(2)).await;
    /// # }
    /// ```
    // Compiled in the program that calls it: most do not.
    #[inline]
    pub fn shutdown_async(self, timeout: Duration) -> impl Future<Output = FlushReport> + Send + 'static {
        Background::start("shutdown", move || self.shutdown(timeout))
    }

    /// The pull cache, when it is configured. When another call of [`init`] takes over whose configuration has one too, this handle and its clones turn to that.
    #[cfg(feature = "pull-cache")]
    #[must_use]
    pub fn pull_cache(&self) -> Option<&ferrometer_pull_cache::PullCacheHandle> {
        self.pull_cache.as_ref()
    }

    /// The totals for Prometheus, when they are kept: by the backend `prometheus`, or for a pull cache that is served. `services::scrape::Scrape`
    /// serves them in a frame of the program's own. When another call of [`init`] takes over whose configuration keeps them too, this handle and its clones
    /// turn to the new ones, so a frame that serves one follows.
    #[cfg(feature = "prometheus")]
    #[must_use]
    pub fn prometheus(&self) -> Option<&ferrometer_prometheus::PrometheusHandle> {
        self.totals.as_ref()
    }

    /// The archive of this process, when the backend `archive` has one in a `path`: to be asked, or to be served in a frame of the program's own.
    /// Its directory stays open as long as what is returned. `None` when a later [`init`] has taken over, whose guard has it then.
    ///
    /// ```
    /// use ferrometer::archive::engine::{Range, search::Page};
    /// use ferrometer::{Config, get_logger, init};
    /// use std::time::Duration;
    ///
    /// let directory = std::env::temp_dir().join(format!("ferrometer-archive-asked-{}", std::process::id()));
    /// let config = Config::new().backend("archive").archive(|archive| archive.path = Some(directory.clone()));
    /// let metrics = init(config)?;
    /// get_logger("shop").send_counter("sold", 3);
    /// metrics.flush(Duration::from_secs(10));
    ///
    /// let archive = metrics.archive().expect("a backend with a path");
    /// let all = archive.metrics(None, &Page::default())?;
    /// let sold = all.iter().find(|metric| metric.name.as_deref() == Some("shop.sold")).expect("delivered");
    /// let five_minutes = Duration::from_secs(300).as_nanos() as i64;
    /// let sums = archive.measures(sold.id, "sum".parse()?, five_minutes, Range::default())?;
    /// assert_eq!(sums[0].value, 3.0);
    /// # drop((archive, metrics));
    /// # std::fs::remove_dir_all(&directory)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "archive-embedded")]
    #[must_use]
    pub fn archive(&self) -> Option<std::sync::Arc<ferrometer_archive_backend::engine::Archive>> {
        let is_in_force = in_force().call == self.call;
        self.archive.upgrade().filter(|_| is_in_force)
    }

    /// Where the endpoint is, when something is served.
    #[cfg(feature = "prometheus")]
    #[must_use]
    pub fn http_address(&self) -> Option<std::net::SocketAddr> {
        self.address
    }

    /// Returns the counts of the endpoint since it was started, refused requests by cause; `None` when it is not served, or a later
    /// `init` has taken over.
    #[cfg(feature = "prometheus")]
    #[must_use]
    pub fn http_counts(&self) -> Option<ferrometer_http::ServerCounts> {
        let in_force = in_force();
        let serving = in_force.server.as_ref().filter(|_| in_force.call == self.call);
        serving.map(|serving| serving.server.counts())
    }

    fn end(&mut self, deadline: Duration) -> Option<FlushReport> {
        let mut in_force = in_force();
        // A later `init` has taken over.
        if in_force.call != self.call {
            return None;
        }
        #[cfg(feature = "prometheus")]
        let end = until(deadline);
        #[cfg(feature = "metric-servers")]
        let servers = in_force.metric_servers.take().inspect(|servers| servers.retire());
        #[cfg(feature = "process-metrics")]
        drop(in_force.process.take());
        let report = ferrometer_core::shutdown(deadline);
        in_force.call = 0;
        in_force.backends.clear();
        #[cfg(feature = "pull-cache")]
        drop(in_force.pull_cache.take());
        #[cfg(feature = "prometheus")]
        drop(in_force.totals.take());
        #[cfg(feature = "prometheus")]
        if let Some(serving) = in_force.server.take() {
            drop(serving.stop(end));
        }
        // A request that was under way may have installed one more.
        #[cfg(feature = "metric-servers")]
        if let Some(servers) = servers {
            servers.stop();
        }
        Some(report)
    }
}

impl Drop for Metrics {
    fn drop(&mut self) {
        if let Some(report) = self.end(self.deadline) {
            crate::report::undelivered(&report);
        }
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

pub(crate) fn naming(config: &Config) -> Naming {
    let host = match config.host.as_deref() {
        Some(host) if !host.is_empty() => host.to_owned(),
        // Read once, here, and only when names carry it. A system without a name gives names without a host.
        _ if config.prepend_host => crate::host::name(),
        _ => String::new(),
    };
    let mut labels = Vec::new();
    for (key, value) in config.labels.iter() {
        labels.push((key.to_owned(), value.to_owned()));
    }
    Naming::default()
        .global_prefix(config.global_prefix.clone())
        .prepend_host(config.prepend_host)
        .prepend_host_reverse(config.prepend_host_reverse)
        .host(host)
        .labels(labels)
        .uuid(config.uuid.clone().filter(|_| config.prepend_uuid).unwrap_or_default())
}

pub(crate) fn views(config: &Config) -> Vec<View> {
    let mut views = Vec::with_capacity(config.views().len());
    for view in config.views() {
        views.push(view.into());
    }
    views
}

pub(crate) fn rules(config: &Config) -> Vec<LoggerRule> {
    let mut rules = Vec::with_capacity(config.rules().len());
    for rule in config.rules() {
        rules.push(LoggerRule::new(rule.logger.clone()).enabled(rule.enabled).sample_rate(rule.sample_rate));
    }
    rules
}
