//! Shows the deliveries of a configuration's backends for some recordings, and sends nothing.
//!
//! ```
//! use ferrometer::{Config, dry_run};
//!
//! # #[cfg(feature = "statsd")] {
//! let config = Config::new().backend("statsd").global_prefix("prod");
//! let shown = dry_run::dry_run(&config, || ferrometer::get_logger("shop").send_counter("sales", 2))?;
//! assert_eq!(shown[0].backend, "statsd");
//! assert_eq!(shown[0].bodies[0].wire, b"prod.shop.sales:2|c");
//! # }
//! # Ok::<(), ferrometer::Error>(())
//! ```

// `#[inline]` stands here so that a function is compiled in the program that uses it: most use none.

use crate::backends;
use crate::config::{Config, Transport};
use crate::error::Error;
use crate::init::{naming, rules, views};
use crate::limits::limits;
use ferrometer_core::{Backend, BackendError, Delivery, SnapshotView, Wants};
use std::net::UdpSocket;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Bodies of one backend.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DryRun {
    /// The backend's name, as in `metrics.backend`.
    pub backend: &'static str,
    /// The first delivery that it would make: datagrams, bodies of requests, or what it keeps for those who ask.
    pub bodies: Vec<Body>,
}

/// One datagram, or one body of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Body {
    /// The bytes on the wire.
    pub wire: Vec<u8>,
    /// The bytes before they are compressed; empty where they are not.
    pub plain: Vec<u8>,
}

/// How long the recordings may take to come to the backends.
const WITHIN: Duration = Duration::from_secs(10);
/// Nothing is delivered by itself.
const NEVER: Duration = Duration::from_secs(24 * 3600);
/// Bytes of the largest datagram.
const DATAGRAM: usize = 65_536;

/// Shows what the backends of a configuration would deliver for what `record` records. It is for a tool: nothing else may be installed, and when it
/// returns, recording is off, with the names and limits of this configuration.
///
/// No server is asked, and no file is written: a spool and the path of a pull cache are left out. Lines of statsd are sent to a socket of this
/// process, over UDP whatever the transport.
///
/// # Errors
/// [`Error`] as of [`init`](crate::init()), and [`Error::Install`] while metrics are in force.
pub fn dry_run(config: &Config, record: impl FnOnce()) -> Result<Vec<DryRun>, Error> {
    config.validate().map_err(Error::Config)?;
    let own = UdpSocket::bind("127.0.0.1:0").map_err(|cause| Error::Setting {
        key: "metrics.statsd".to_owned(),
        found: format!("(no socket to show its lines: {cause})"),
        allowed: "a UDP socket at 127.0.0.1".to_owned(),
    })?;
    let config = without_places(config, &own);
    let mut installed: Vec<&'static str> = Vec::new();
    let shown = Arc::new(Mutex::new(Vec::new()));
    ferrometer_core::configure_with_views(naming(&config), limits(&config), rules(&config), views(&config));
    let result = install(&config, &shown, &mut installed);
    if result.is_ok() {
        record();
        ferrometer_core::flush(WITHIN);
    }
    let runs = result.map(|readers| {
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
        shown.extend(readers.into_iter().map(|(backend, read)| DryRun { backend, bodies: read(&own) }));
        // In the order of the configuration.
        shown.sort_by_key(|run| installed.iter().position(|name| *name == run.backend));
        shown
    });
    for name in installed {
        ferrometer_core::remove(name, Duration::ZERO);
    }
    runs
}

/// Returns what in a configuration's file and variables was probably meant for ferrometer and is not looked at, as [`init`](crate::init()) warns of it.
///
/// ```
/// use ferrometer::Config;
///
/// # #[cfg(feature = "config-file")] {
/// let config = Config::from_toml("[server]\nport = 80\n")?;
/// assert_eq!(ferrometer::dry_run::doubts(&config).len(), 1);
/// # }
/// # Ok::<(), ferrometer::config::Error>(())
/// ```
#[must_use]
#[inline]
pub fn doubts(config: &Config) -> Vec<String> {
    let origin = &config.origin;
    origin.strange_tables.iter().chain(&origin.strange_variables).cloned().collect()
}

impl Config {
    /// Returns it without the [doubts] about the file: the program `ferrometer` has tables of its own in it, and looks at them itself. Not public API.
    #[doc(hidden)]
    #[must_use]
    #[inline]
    pub fn without_doubts(mut self) -> Config {
        self.origin.strange_tables.clear();
        self
    }
}

/// Reads what a backend that is not asked has delivered.
type Reader = Box<dyn FnOnce(&UdpSocket) -> Vec<Body>>;

/// Leaves out what a configuration would write to, and sends statsd's lines here.
#[inline]
fn without_places(config: &Config, own: &UdpSocket) -> Config {
    let mut config = config.clone();
    #[cfg(feature = "pull-cache")]
    {
        config.pull_cache.path = None;
        config.pull_cache.http = false;
        config.pull_cache.proxmox = false;
        config.pull_cache.peers.clear();
        config.pull_cache.host_metrics = false;
    }
    #[cfg(feature = "influxdb")]
    {
        config.influxdb.spool = None;
    }
    #[cfg(feature = "otlp")]
    {
        config.otlp.spool = None;
    }
    #[cfg(feature = "remote-write")]
    {
        config.remote_write.spool = None;
    }
    #[cfg(feature = "archive")]
    {
        config.archive.spool = None;
        // A generation that would be kept here is shown as a server would be sent it.
        config.archive.path = None;
        config.archive.api = false;
    }
    config.statsd_host = "127.0.0.1".to_owned();
    config.statsd_port = own.local_addr().map_or(0, |address| address.port());
    config.statsd.transport = Transport::Udp;
    config
}

#[inline]
fn install(
    config: &Config,
    shown: &Arc<Mutex<Vec<DryRun>>>,
    installed: &mut Vec<&'static str>,
) -> Result<Vec<(&'static str, Reader)>, Error> {
    let mut readers: Vec<(&'static str, Reader)> = Vec::new();
    for name in config.backends() {
        let one = Config { backend: vec![name.clone()], ..config.clone() };
        if let Some((name, backend)) = asked(&one, name, shown)? {
            ferrometer_core::install(name, backend, NEVER)?;
            installed.push(name);
            continue;
        }
        let parts = backends::build(&one, None)?;
        #[cfg(feature = "pull-cache")]
        let cache = parts.pull_cache.clone();
        #[cfg(feature = "prometheus")]
        let totals = parts.totals.clone();
        for built in parts.backends {
            ferrometer_core::install(built.name, built.backend, NEVER)?;
            installed.push(built.name);
            let reader: Option<Reader> = match built.name {
                "statsd" => Some(Box::new(datagrams)),
                #[cfg(feature = "pull-cache")]
                "pull-cache" => cache.clone().map(|cache| -> Reader { Box::new(move |_| records(&cache)) }),
                #[cfg(feature = "prometheus")]
                "prometheus" => totals.clone().map(|totals| -> Reader {
                    Box::new(move |_| vec![Body { wire: totals.text().into_bytes(), plain: Vec::new() }])
                }),
                _ => None,
            };
            readers.extend(reader.map(|reader| (built.name, reader)));
        }
    }
    Ok(readers)
}

/// Reads what has come to a socket of this process: everything is there already.
#[inline]
fn datagrams(own: &UdpSocket) -> Vec<Body> {
    let mut bodies = Vec::new();
    let mut datagram = vec![0; DATAGRAM];
    if own.set_nonblocking(true).is_ok() {
        while let Ok(length) = own.recv(&mut datagram) {
            bodies.push(Body { wire: datagram[..length].to_vec(), plain: Vec::new() });
        }
    }
    bodies
}

/// The records of the newest generation, as a reader gets them, one a line.
#[cfg(feature = "pull-cache")]
#[inline]
fn records(cache: &ferrometer_pull_cache::PullCacheHandle) -> Vec<Body> {
    use std::fmt::Write;

    let mut text = String::new();
    if let Some(newest) = cache.most_recent() {
        for record in newest.records() {
            let labels: Vec<String> = record.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let (id, labels) = (record.id, labels.join(","));
            let _ = writeln!(text, "{id} {} {labels} {:?} {}", record.metric, record.kind, record.value);
        }
    }
    vec![Body { wire: text.into_bytes(), plain: Vec::new() }]
}

/// A backend that pushes, asked in the place of being told to deliver.
#[cfg_attr(
    not(any(
        feature = "graphite",
        feature = "influxdb",
        feature = "otlp",
        feature = "remote-write",
        feature = "archive"
    )),
    expect(dead_code, reason = "no backend that pushes is compiled in")
)]
struct Asked<B> {
    name: &'static str,
    backend: B,
    ask: fn(&mut B, &SnapshotView<'_>) -> Vec<Body>,
    shown: Arc<Mutex<Vec<DryRun>>>,
}

impl<B: Backend> Backend for Asked<B> {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        let bodies = (self.ask)(&mut self.backend, view);
        view.all_sent();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if !bodies.is_empty() {
            shown.retain(|run| run.backend != self.name);
            shown.push(DryRun { backend: self.name, bodies });
        }
        Ok(Delivery::default())
    }

    fn wants(&self) -> Wants {
        self.backend.wants()
    }
}

/// A backend, and its name.
type Named = (&'static str, Box<dyn Backend>);

/// Makes a backend that pushes; `None` for what is none.
#[inline]
fn asked(config: &Config, name: &str, shown: &Arc<Mutex<Vec<DryRun>>>) -> Result<Option<Named>, Error> {
    let _ = (config, shown);
    /// Makes a backend of one kind.
    #[cfg(any(
        feature = "graphite",
        feature = "influxdb",
        feature = "otlp",
        feature = "remote-write",
        feature = "archive"
    ))]
    macro_rules! ask {
        ($name:literal, $make:path) => {{
            let ask = |backend: &mut _, view: &SnapshotView<'_>| {
                let bodies = shows(backend, $make).preview(view).into_iter();
                bodies.map(|body| Body { wire: body.wire, plain: body.plain }).collect()
            };
            let backend = Asked { name: $name, backend: $make(config)?, ask, shown: Arc::clone(shown) };
            Ok(Some(($name, Box::new(backend))))
        }};
    }
    match name {
        #[cfg(feature = "graphite")]
        "graphite" => ask!("graphite", crate::push::graphite_backend),
        #[cfg(feature = "influxdb")]
        "influxdb" => ask!("influxdb", crate::push::influxdb_backend),
        #[cfg(feature = "otlp")]
        "otlp" => ask!("otlp", crate::push::otlp_backend),
        #[cfg(feature = "remote-write")]
        "remote-write" => ask!("remote-write", crate::push::remote_write_backend),
        #[cfg(feature = "archive")]
        "archive" => ask!("archive", crate::push::archive_backend),
        _ => Ok(None),
    }
}

/// Says which type a closure's argument has: that of what `_make` makes.
#[cfg(any(
    feature = "graphite",
    feature = "influxdb",
    feature = "otlp",
    feature = "remote-write",
    feature = "archive"
))]
fn shows<B>(backend: &mut B, _make: fn(&Config) -> Result<B, Error>) -> &mut B {
    backend
}
