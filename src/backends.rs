//! From a configuration to backends: the one place that knows which there are, and behind which cargo features.

use crate::config::{self, Config};
use crate::error::Error;
use ferrometer_core::Backend;
use std::time::Duration;

/// A backend that is ready to be installed.
pub(crate) struct Built {
    pub(crate) name: &'static str,
    pub(crate) backend: Box<dyn Backend>,
    pub(crate) interval: Duration,
}

/// Everything a configuration asks for, nothing of it running yet.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) backends: Vec<Built>,
    #[cfg(feature = "pull-cache")]
    pub(crate) pull_cache: Option<ferrometer_pull_cache::PullCacheHandle>,
}

/// The pull cache in force, if there is one.
#[cfg(feature = "pull-cache")]
pub(crate) type Cache = ferrometer_pull_cache::PullCacheHandle;
/// There is none.
#[cfg(not(feature = "pull-cache"))]
pub(crate) type Cache = std::convert::Infallible;

/// Builds what is configured, without starting anything. `earlier`: the cache that a new one goes on from.
///
/// # Errors
/// When something is configured that is not compiled in.
pub(crate) fn build(config: &Config, earlier: Option<&Cache>) -> Result<Parts, Error> {
    let mut parts = Parts::default();
    for name in config.backends() {
        match name.as_str() {
            "noop" => {}
            "statsd" => parts.add_statsd(config)?,
            "pull-cache" => parts.add_pull_cache(config, earlier)?,
            "graphite" => parts.backends.push(crate::push::graphite(config)?),
            "influxdb" => parts.backends.push(crate::push::influxdb(config)?),
            "otlp" => parts.backends.push(crate::push::otlp(config)?),
            "remote-write" => parts.backends.push(crate::push::remote_write(config)?),
            // The configuration's check knows the same names; a new one that is not built here is refused, not ignored.
            _ => return Err(missing(name, "an unknown one")),
        }
    }
    Ok(parts)
}

pub(crate) fn missing(backend: &str, feature: &'static str) -> Error {
    Error::Config(config::Error::BackendNotCompiled { backend: backend.to_owned(), feature })
}

impl Parts {
    #[cfg(feature = "statsd")]
    fn add_statsd(&mut self, config: &Config) -> Result<(), Error> {
        use config::{Dialect as Wanted, Transport as Way};
        use ferrometer_statsd::{Dialect, Settings, Statsd, Transport};

        let (host, port) = (config.statsd_host.clone(), config.statsd_port);
        let transport = match config.statsd.transport {
            Way::Udp => Transport::Udp { host, port },
            Way::Tcp => Transport::Tcp { host, port },
            Way::Unix => Transport::Unix { path: config.statsd.path.clone().unwrap_or_default() },
        };
        let dialect = match config.statsd.dialect {
            Wanted::Etsy => Dialect::Etsy,
            Wanted::Dogstatsd => Dialect::DogStatsD,
            Wanted::Telegraf => Dialect::Telegraf,
            Wanted::Gnocchi => Dialect::Gnocchi,
        };
        let settings = Settings::new(transport)
            .dialect(dialect)
            .max_datagram(config.statsd.max_datagram)
            .resolve_interval(config.statsd.resolve_interval);
        let backend = Box::new(Statsd::new(settings));
        self.backends.push(Built { name: "statsd", backend, interval: config.statsd.interval });
        Ok(())
    }

    #[cfg(not(feature = "statsd"))]
    fn add_statsd(&mut self, _: &Config) -> Result<(), Error> {
        Err(missing("statsd", "statsd"))
    }

    #[cfg(feature = "pull-cache")]
    fn add_pull_cache(&mut self, config: &Config, earlier: Option<&Cache>) -> Result<(), Error> {
        if config.pull_cache.http && cfg!(not(feature = "http")) {
            return Err(Error::NotCompiled { key: "metrics.pull_cache.http", feature: "http" });
        }
        if config.pull_cache.host_metrics && cfg!(not(feature = "host-metrics")) {
            return Err(Error::NotCompiled { key: "metrics.pull_cache.host_metrics", feature: "host-metrics" });
        }
        if config.pull_cache.proxmox && cfg!(not(feature = "proxmox")) {
            return Err(Error::NotCompiled { key: "metrics.pull_cache.proxmox", feature: "proxmox" });
        }
        let settings = pull_cache_settings(config);
        let interval = settings.interval;
        let mut backend = ferrometer_pull_cache::PullCacheBackend::open(settings).map_err(Error::CachePath)?;
        // A path has a history of its own; what is in memory alone would be lost.
        if let Some(earlier) = earlier.filter(|_| config.pull_cache.path.is_none()) {
            backend = backend.after(earlier);
        }
        let handle = backend.handle();
        self.pull_cache = Some(handle);
        self.backends.push(Built { name: "pull-cache", backend: Box::new(backend), interval });
        Ok(())
    }

    #[cfg(not(feature = "pull-cache"))]
    fn add_pull_cache(&mut self, _: &Config, _: Option<&Cache>) -> Result<(), Error> {
        Err(missing("pull-cache", "pull-cache"))
    }
}

/// What the pull cache is made of, as configured.
#[cfg(feature = "pull-cache")]
pub(crate) fn pull_cache_settings(config: &Config) -> ferrometer_pull_cache::Settings {
    use ferrometer_pull_cache::{Scrape, Settings};

    let c = &config.pull_cache;
    let mut settings = Settings::default()
        .generations(c.generations)
        .interval(c.interval)
        .window(c.window)
        .idle_after(c.idle_after.unwrap_or(c.window));
    settings.path = c.path.clone();
    settings.process_metrics = c.process_metrics;
    #[cfg(feature = "host-metrics")]
    {
        settings.host_metrics = c.host_metrics;
    }
    settings.scrape = match c.scrape {
        config::Scrape::Generation => Scrape::Generation,
        config::Scrape::Fresh => Scrape::Fresh,
    };
    settings
}

/// The endpoint of the pull cache, as configured; nothing of it is read or bound yet.
#[cfg(feature = "http")]
pub(crate) fn endpoint(
    config: &Config,
    cache: &ferrometer_pull_cache::PullCacheHandle,
) -> Result<ferrometer_pull_cache::Endpoint, Error> {
    use ferrometer_pull_cache::{Endpoint, Limits};

    const CERT: &str = "metrics.pull_cache.tls_cert";
    const KEY: &str = "metrics.pull_cache.tls_key";
    let c = &config.pull_cache;
    let limits = Limits {
        max_connections: c.max_connections,
        max_requests: c.max_requests,
        max_query_bytes: c.max_query_bytes,
        max_header_bytes: c.max_header_bytes,
        header_timeout: c.header_timeout,
        write_timeout: c.write_timeout,
        answer_timeout: c.answer_timeout,
    };
    let mut endpoint = Endpoint::new(cache.clone())
        .address(c.address)
        .limits(limits)
        .tokens(c.tokens.texts())
        .allowed_hosts(&c.allowed_hosts)
        .allow_plaintext(c.allow_plaintext)
        .allow_anonymous(c.allow_anonymous);
    #[cfg(feature = "page")]
    {
        endpoint = endpoint.page(c.page);
    }
    if let Some(path) = &c.tokens_file {
        endpoint = endpoint.tokens_file(path);
    }
    #[cfg(feature = "proxmox")]
    if c.proxmox {
        endpoint = endpoint.proxmox(proxmox(c));
    }
    match (&c.tls_cert, &c.tls_key) {
        (None, None) => Ok(endpoint),
        (Some(_), None) => Err(Error::Incomplete { key: CERT, missing: KEY }),
        (None, Some(_)) => Err(Error::Incomplete { key: KEY, missing: CERT }),
        #[cfg(feature = "tls")]
        (Some(cert), Some(key)) => Ok(endpoint.tls(cert, key)),
        #[cfg(not(feature = "tls"))]
        (Some(_), Some(_)) => Err(Error::NotCompiled { key: CERT, feature: "tls" }),
    }
}

/// The routes of Proxmox, as configured.
#[cfg(feature = "proxmox")]
fn proxmox(config: &config::PullCache) -> ferrometer_pull_cache::Proxmox {
    use ferrometer_pull_cache::{Peer, Proxmox};

    let node = config.node.clone().filter(|node| !node.is_empty()).unwrap_or_else(|| {
        let name = crate::host::name();
        name.split('.').next().unwrap_or_default().to_owned()
    });
    let proxmox = Proxmox::new(node).peer_timeout(config.peer_timeout).max_peer_bytes(config.max_peer_bytes);
    config.peers.iter().fold(proxmox, |proxmox, given| {
        let mut peer = Peer::new(&given.name, &given.url);
        if let Some(fingerprint) = &given.fingerprint {
            peer = peer.fingerprint(fingerprint);
        }
        if let Some(path) = &given.ca {
            peer = peer.ca(path);
        }
        if let Some(token) = &given.token {
            peer = peer.token(token);
        }
        proxmox.peer(peer)
    })
}
