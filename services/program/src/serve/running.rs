//! Everything that runs: sockets, the archive, metrics, servers. A changed file replaces it, and the end drains it.
//!
//! A socket whose address stays is kept, so that nothing that comes meanwhile is refused.
//!
//! Start, change and end of one state; hence the length.

use super::mount::{self, Served};
use super::relay::Relay;
use super::settings::Settings;
use super::sockets::Given;
use crate::address::{Address, Bound, Hearing, hear};
use crate::control::Control;
use crate::outcome::{Failure, Result};
use ferrometer::agent::Options;
use ferrometer::prometheus::PrometheusHandle;
use ferrometer::services::metric_servers::MetricServers;
use ferrometer::{Config, Metrics};
use ferrometer_archive::Archive;
use ferrometer_archive::time::now;
use ferrometer_gnocchi::{Statsd, StatsdAccounts, StatsdSettings};
use ferrometer_http::Server;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often a failing flush of the same measures is told at most.
const FLUSH_LOOK: Duration = Duration::from_secs(60);

/// See the [module](self).
pub(crate) struct Running {
    settings: Settings,
    metrics: Metrics,
    totals: Option<PrometheusHandle>,
    archive: Option<Arc<Archive>>,
    /// Hears those who want a copy of the archive.
    control: Option<Control>,
    managed: Option<Arc<MetricServers>>,
    /// Accounts of statsd, which the archive's status tells.
    daemons: StatsdAccounts,
    lines: Option<Lines>,
    servers: Vec<Serving>,
    given: Given,
}

/// A server, and the socket that it shares with us.
struct Serving {
    server: Server,
    name: &'static str,
    /// As it was asked for; its port may be 0.
    address: std::net::SocketAddr,
    socket: TcpListener,
    paths: Vec<String>,
    scheme: &'static str,
}

/// The listeners of statsd.
struct Lines {
    listening: Vec<Hearing>,
    sockets: Vec<(Option<Address>, Bound)>,
    flushing: Option<Flushing>,
}

/// Hands what statsd gathered to the archive, now and then, and once more when it is dropped.
struct Flushing {
    statsd: Arc<Statsd>,
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Flushing {
    fn start(statsd: Arc<Statsd>, every: Duration) -> Result<Flushing> {
        let (stop, stopped) = mpsc::channel();
        let own = Arc::clone(&statsd);
        let thread = thread::Builder::new().name("statsd-flush".into()).spawn(move || {
            let mut told: Option<Instant> = None;
            let mut before = own.counts();
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                let result = own.flush(now());
                let counts = own.counts();
                let is_quiet = told.is_some_and(|told| told.elapsed() < FLUSH_LOOK);
                let dropped = (counts.unreadable, counts.unknown_type, counts.beyond_limits);
                let is_worse = dropped != (before.unreadable, before.unknown_type, before.beyond_limits);
                if (result.is_err() || is_worse) && !is_quiet {
                    told = Some(Instant::now());
                    before = counts;
                    match result {
                        Err(error) => {
                            tracing::warn!(%error, ?counts, "the archive did not take the measures of a flush")
                        }
                        Ok(()) => tracing::warn!(?counts, "lines of statsd were dropped"),
                    }
                }
            }
        });
        let thread = thread.map_err(|error| Failure::Io(format!("no thread for statsd: {error}")))?;
        Ok(Flushing { statsd, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Flushing {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        if let Err(error) = self.statsd.flush(now()) {
            tracing::warn!(%error, "the archive did not take the last measures of statsd");
        }
    }
}

/// Adds the cache to what `[metrics]` says.
pub(crate) fn with_cache(settings: &Settings, config: Config) -> Result<Config> {
    let mut config = config;
    let own: Vec<String> = config.backends().iter().map(ToString::to_string).filter(|name| name != "noop").collect();
    if let Some(name) = own.iter().find(|name| ["pull-cache", "prometheus"].contains(&name.as_str())) {
        let why = format!(
            "metrics.backend has {name:?}: the server has its own; [cache] says how it is kept, and [http] where it is served"
        );
        return Err(Failure::Usage(why));
    }
    if let Some(statsd) =
        settings.statsd.as_ref().filter(|statsd| statsd.record && own.iter().any(|name| name == "statsd"))
    {
        let is_here = ["localhost", "127.0.0.1", "::1"].contains(&config.statsd_host.as_str());
        let port = format!(":{}", config.statsd_port);
        let hears =
            |address: &Address| matches!(address, Address::Udp(place) | Address::Tcp(place) if place.ends_with(&port));
        if is_here && statsd.listen.iter().any(hears) {
            let why = "metrics.statsd_port is the port of [statsd]: the server would send to itself what it receives, for ever";
            return Err(Failure::Usage(why.to_owned()));
        }
    }
    if config.metric_servers.path.is_some() {
        let why = "metrics.metric_servers.path: the server has a table [metric_servers] of its own";
        return Err(Failure::Usage(why.to_owned()));
    }
    config.backend = own;
    match &settings.cache {
        Some(cache) => {
            config.backend.push("pull-cache".to_owned());
            let pull_cache = &mut config.pull_cache;
            (pull_cache.interval, pull_cache.generations, pull_cache.window) =
                (cache.interval, cache.generations, cache.window);
            pull_cache.path = cache.files.then(|| settings.data.join("cache"));
            pull_cache.host_metrics = cache.host_metrics;
            pull_cache.http = false;
            pull_cache.proxmox = false;
        }
        None if config.backend.is_empty() && !settings.asks() => {
            let why = "the file asks for nothing: [cache], [gnocchi], [archive], [statsd], [influx], [remote_write], [metric_servers], [lookup] or \
                       metrics.backend says what the server does";
            return Err(Failure::Usage(why.to_owned()));
        }
        None if config.backend.is_empty() => config.backend.push("noop".to_owned()),
        None => {}
    }
    Ok(config)
}

impl Running {
    /// Starts everything; what was started before something failed is ended again.
    pub(crate) fn start(mut settings: Settings, config: Config, mut given: Given) -> Result<Running> {
        settings.agents = Options::from(&config);
        std::fs::create_dir_all(&settings.data).map_err(|error| Failure::file(&settings.data, &error))?;
        let config = with_cache(&settings, config)?;
        let archive = mount::archive(&settings)?;
        look_for_policy(&settings, archive.as_ref())?;
        let control = archive.clone().and_then(|archive| control(&settings, archive));
        let metrics = init(config)?;
        let totals = mount::totals(&settings)?;
        let managed = mount::servers(&settings)?;
        let daemons = StatsdAccounts::default();
        let frames = mount::frames(&settings, archive.as_ref(), &metrics, totals.as_ref(), managed.as_ref(), &daemons)?;
        let mut sockets = Vec::new();
        for served in &frames {
            sockets.push(match given.http(served.name) {
                Some(socket) => socket,
                None => listen(served)?,
            });
        }
        let own = archive.as_ref().map(|archive| (archive, &daemons));
        let lines = lines(&settings, own, std::mem::take(&mut given.statsd), Vec::new())?;
        let scheme = scheme(&settings);
        let servers = frames.into_iter().zip(sockets).map(|(served, socket)| Serving::start(served, socket, scheme));
        let servers = servers.collect::<Result<Vec<_>>>()?;
        if let Some(managed) = &managed {
            managed.start();
        }
        Ok(Running { settings, metrics, totals, archive, control, managed, daemons, lines, servers, given })
    }

    /// Replaces what a changed file says. On an error everything is as before.
    pub(crate) fn replace(&mut self, mut settings: Settings, config: Config) -> Result {
        settings.agents = Options::from(&config);
        if (&settings.data, &settings.archive, settings.has_archive())
            != (&self.settings.data, &self.settings.archive, self.settings.has_archive())
        {
            let why = "data and [archive] have changed: the archive is opened once, so restart the server";
            return Err(Failure::Usage(why.to_owned()));
        }
        if settings.metric_servers != self.settings.metric_servers {
            let why = "[metric_servers] has changed: its file is opened once, so restart the server";
            return Err(Failure::Usage(why.to_owned()));
        }
        look_for_policy(&settings, self.archive.as_ref())?;
        let config = with_cache(&settings, config)?;
        config.validate().map_err(|error| Failure::Usage(error.to_string()))?;
        // All that can be wrong is found before anything is let go: the frames with the cache in force, and new addresses.
        let probes = mount::frames(
            &settings,
            self.archive.as_ref(),
            &self.metrics,
            self.totals.as_ref(),
            self.managed.as_ref(),
            &self.daemons,
        )?;
        let mut sockets = Vec::new();
        for served in &probes {
            let kept =
                self.servers.iter().find(|serving| (serving.name, serving.address) == (served.name, served.address));
            sockets.push(match kept {
                Some(serving) => serving.socket.try_clone().map_err(|error| Failure::Io(error.to_string()))?,
                None => listen(served)?,
            });
        }
        let mut known = Vec::new();
        if let Some(lines) = &self.lines {
            for (address, socket) in &lines.sockets {
                known.push((address.clone(), socket.again().map_err(|error| Failure::Io(error.to_string()))?));
            }
        }
        let bound = statsd_sockets(&settings, known)?;
        self.metrics = init(config)?;
        if self.totals.is_none()
            || settings.cache.as_ref().map(|c| c.interval) != self.settings.cache.as_ref().map(|c| c.interval)
        {
            self.totals = mount::totals(&settings)?;
        }
        let frames = mount::frames(
            &settings,
            self.archive.as_ref(),
            &self.metrics,
            self.totals.as_ref(),
            self.managed.as_ref(),
            &self.daemons,
        )?;
        let paths = self.lines.take().map(Lines::own_paths).unwrap_or_default();
        let own = self.archive.as_ref().map(|archive| (archive, &self.daemons));
        self.lines = start_lines(&settings, own, bound, paths)?;
        let deadline = settings.drain;
        for serving in self.servers.drain(..) {
            serving.server.finish(deadline);
        }
        let scheme = scheme(&settings);
        let servers = frames.into_iter().zip(sockets).map(|(served, socket)| Serving::start(served, socket, scheme));
        self.servers = servers.collect::<Result<Vec<_>>>()?;
        self.settings = settings;
        Ok(())
    }

    /// Returns where everything is, one place a line.
    pub(crate) fn places(&self) -> Vec<String> {
        let mut out = Vec::new();
        for serving in &self.servers {
            let base = format!("{}://{}", serving.scheme, serving.server.local_addr());
            out.extend(serving.paths.iter().map(|path| format!("{base}{path}")));
        }
        if let Some(lines) = &self.lines {
            out.extend(lines.sockets.iter().map(|(_, socket)| format!("statsd {}", socket.place())));
        }
        out
    }

    /// Takes nothing more, lets what is in progress come to its end, keeps what was accepted, and ends within the deadline.
    pub(crate) fn end(self) -> Result {
        let deadline = self.settings.drain;
        let until = Instant::now() + deadline;
        // Whatever holds one of the following steps up, the process ends.
        let late = move || {
            thread::sleep(deadline + Duration::from_millis(500));
            eprintln!("error: the end took longer than {deadline:?}; what was acknowledged is kept");
            std::process::exit(i32::from(crate::outcome::IO));
        };
        let _ = thread::Builder::new().name("deadline".into()).spawn(late);
        let left = || until.saturating_duration_since(Instant::now());
        drop(self.control);
        drop(self.lines);
        for serving in self.servers {
            serving.server.finish(left() / 2);
        }
        if let Some(managed) = &self.managed {
            managed.stop();
        }
        let report = self.metrics.shutdown(left() / 2);
        if !report.complete {
            tracing::warn!("not everything that was recorded could be delivered in time");
        }
        if let Some(archive) = self.archive
            && let Err(error) = archive.store()
        {
            tracing::warn!(%error, "the archive could not store its aggregates; they are made again of its log");
        }
        drop(self.given);
        tracing::info!("ended");
        Ok(())
    }
}

impl Serving {
    fn start(served: Served, socket: TcpListener, scheme: &'static str) -> Result<Serving> {
        let again = socket.try_clone().map_err(|error| Failure::Io(error.to_string()))?;
        let server = served.frame.serve_on(again).map_err(|error| mount::wrong("http", &error))?;
        Ok(Serving { server, name: served.name, address: served.address, socket, paths: served.paths, scheme })
    }
}

impl Lines {
    /// Ends the listeners and the flushing, and returns the paths of sockets that are to stay.
    fn own_paths(self) -> Vec<(Option<Address>, Bound)> {
        let Lines { listening, sockets, flushing } = self;
        drop(listening);
        drop(flushing);
        sockets
    }
}

/// Hears those who want a copy of the archive. Without it the server does everything else.
fn control(settings: &Settings, archive: Arc<Archive>) -> Option<Control> {
    let started = Control::start(&settings.data, archive);
    let tell = |error: &std::io::Error| {
        let directory = settings.data.display();
        tracing::warn!(%error, %directory, "no socket there: `archive backup` has to wait for the server's end");
    };
    started.inspect_err(tell).ok()
}

fn look_for_policy(settings: &Settings, archive: Option<&Arc<Archive>>) -> Result {
    let known = archive.map(|archive| archive.policies()).unwrap_or_default();
    mount::has_policy(settings, &known.iter().map(|policy| policy.name.clone()).collect::<Vec<_>>())
}

fn scheme(settings: &Settings) -> &'static str {
    let is_encrypted = settings.http.as_ref().is_some_and(|http| http.tls_cert.is_some());
    if is_encrypted { "https" } else { "http" }
}

fn init(config: Config) -> Result<Metrics> {
    ferrometer::init(config).map_err(|error| match error {
        ferrometer::Error::Install(_) => Failure::Io(error.to_string()),
        error => Failure::Usage(error.to_string()),
    })
}

fn listen(served: &Served) -> Result<TcpListener> {
    let cannot = |error| Failure::Io(format!("[{}] address = \"{}\": {error}", served.name, served.address));
    TcpListener::bind(served.address).map_err(cannot)
}

/// Opens the sockets of the file; those that are open already are taken from `known`.
fn statsd_sockets(
    settings: &Settings,
    mut known: Vec<(Option<Address>, Bound)>,
) -> Result<Vec<(Option<Address>, Bound)>> {
    let Some(statsd) = &settings.statsd else { return Ok(Vec::new()) };
    // Sockets of a service manager take the place of the file's.
    if known.iter().any(|(address, _)| address.is_none()) {
        return Ok(known);
    }
    let mut out = Vec::new();
    for address in &statsd.listen {
        if let Some(at) = known.iter().position(|(known, _)| known.as_ref() == Some(address)) {
            out.push(known.swap_remove(at));
            continue;
        }
        let bound = address.bind().map_err(|error| Failure::Io(format!("[statsd] listen = \"{address}\": {error}")))?;
        out.push((Some(address.clone()), bound));
    }
    Ok(out)
}

fn lines(
    settings: &Settings,
    archive: Option<(&Arc<Archive>, &StatsdAccounts)>,
    given: Vec<Bound>,
    known: Vec<(Option<Address>, Bound)>,
) -> Result<Option<Lines>> {
    let known = given.into_iter().map(|bound| (None, bound)).chain(known).collect();
    start_lines(settings, archive, statsd_sockets(settings, known)?, Vec::new())
}

/// Hears sockets. `old` holds the paths of sockets until the new ones have them.
fn start_lines(
    settings: &Settings,
    archive: Option<(&Arc<Archive>, &StatsdAccounts)>,
    mut sockets: Vec<(Option<Address>, Bound)>,
    old: Vec<(Option<Address>, Bound)>,
) -> Result<Option<Lines>> {
    let Some(statsd) = settings.statsd.as_ref().filter(|_| !sockets.is_empty()) else { return Ok(None) };
    // A socket of a path that stays keeps its file.
    for (address, bound) in old {
        if let Some(slot) = sockets.iter_mut().find(|(new, _)| *new == address && address.is_some()) {
            slot.1 = bound;
        }
    }
    let daemon = archive.filter(|_| statsd.archive).map(|(archive, daemons)| {
        let mut own = StatsdSettings::new(statsd.resource);
        (own.policy, own.flush) = (statsd.policy.clone(), statsd.flush);
        let daemon = Arc::new(Statsd::new(Arc::clone(archive), own));
        daemons.add(&daemon);
        daemon
    });
    let relay = Arc::new(Relay::new(daemon.clone(), statsd.record));
    let flushing = daemon.map(|daemon| Flushing::start(daemon, statsd.flush)).transpose()?;
    let mut listening = Vec::new();
    for (_, socket) in &sockets {
        let again = socket.again().map_err(|error| Failure::Io(error.to_string()))?;
        let heard = hear(again, Arc::<Relay>::clone(&relay) as _);
        listening.push(heard.map_err(|error| Failure::Io(format!("no thread for statsd: {error}")))?);
    }
    Ok(Some(Lines { listening, sockets, flushing }))
}
