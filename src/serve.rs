//! Services mounted by feature: from a configuration and what its backends keep to a frame, and the server in force.

use crate::backends::Parts;
#[cfg(feature = "proxmox")]
use crate::config;
use crate::config::Config;
use crate::error::Error;
use ferrometer_http::{Frame, Limits, ServeError, Server};
use ferrometer_scrape::Scrape;
use std::sync::Arc;
use std::time::Instant;

/// A server, and what it was made of.
pub(crate) struct Serving {
    pub(crate) server: Server,
    frame: Frame,
}

impl Serving {
    fn begin(frame: Frame) -> Result<Serving, ServeError> {
        // The frame's threads take no signals of the program.
        let server = ferrometer_core::without_signals(|| frame.clone().serve())?;
        let frame = frame.address(server.local_addr());
        Ok(Serving { server, frame })
    }

    /// Stops serving, and waits for that until `deadline` at most.
    pub(crate) fn stop(self, deadline: Instant) -> Frame {
        self.server.stop(deadline.saturating_duration_since(Instant::now()));
        self.frame
    }
}

/// A server of a new configuration, and the frame whose port it has taken over.
#[derive(Default)]
pub(crate) struct Served {
    pub(crate) server: Option<Serving>,
    pub(crate) taken_over: Option<Frame>,
}

/// Serves what the configuration says. A port that the configuration in force serves already is taken over, and given back when that
/// fails.
pub(crate) fn serve(config: &Config, parts: &Parts, old: &mut Option<Serving>) -> Result<Served, Error> {
    let Some(frame) = frame(config, parts)? else { return Ok(Served::default()) };
    let wrong = |cause| Error::Serve { table: table(config), cause };
    // All that can be wrong is found before the one in force is let go.
    frame.check().map_err(wrong)?;
    // All addresses of this machine (`0.0.0.0`) and one of them cannot be bound both, whichever comes first.
    let port = config.pull_cache.address.port();
    let taken_over = old
        .take_if(|old| old.server.local_addr().port() == port)
        .map(|old| old.stop(crate::init::until(config.shutdown_deadline)));
    match Serving::begin(frame) {
        Ok(begun) => Ok(Served { server: Some(begun), taken_over }),
        Err(error) => {
            give_back(taken_over, old);
            Err(wrong(error))
        }
    }
}

/// Serves again what was taken over.
pub(crate) fn give_back(taken_over: Option<Frame>, old: &mut Option<Serving>) {
    if let Some(before) = taken_over {
        *old = Serving::begin(before).ok();
    }
}

/// The table of the configuration that the endpoint's keys are looked for in.
fn table(config: &Config) -> &'static str {
    let has_cache = config.backends().iter().any(|name| name == "pull-cache");
    if has_cache { "metrics.pull_cache" } else { "metrics.prometheus" }
}

/// The frame with everything that is to be served; `None` when nothing is.
fn frame(config: &Config, parts: &Parts) -> Result<Option<Frame>, Error> {
    let mut frame = secured(config, Frame::new())?;
    let mut served = false;
    #[cfg(feature = "http")]
    if let Some(cache) = parts.pull_cache.as_ref().filter(|_| config.pull_cache.http) {
        frame = with_cache(config, frame, cache)?;
        served = true;
    }
    let wanted = config.prometheus.http;
    #[cfg(feature = "http")]
    let wanted = wanted || crate::backends::cache_has_totals(config);
    if let Some(totals) = parts.totals.as_ref().filter(|_| wanted) {
        frame = frame.mount("/", Arc::new(Scrape::new(totals.clone())));
        served = true;
    }
    #[cfg(feature = "metric-servers")]
    if let Some(servers) = &parts.metric_servers {
        #[cfg(feature = "proxmox")]
        let has_index = config.pull_cache.proxmox && config.pull_cache.http && parts.pull_cache.is_some();
        #[cfg(not(feature = "proxmox"))]
        let has_index = false;
        frame = crate::metric_servers::mount(frame, servers, has_index);
        served = true;
    }
    #[cfg(feature = "archive-api")]
    if let Some(api) = &parts.gnocchi {
        frame = frame.mount(crate::push::GNOCCHI, Arc::<ferrometer_gnocchi::Gnocchi>::clone(api) as _);
        served = true;
    }
    #[cfg(all(feature = "page", feature = "archive-api"))]
    if config.pull_cache.page && parts.gnocchi.is_some() && !(config.pull_cache.http && parts.pull_cache.is_some()) {
        frame = frame.mount("/", Arc::new(ferrometer_page::Page::of_archive(crate::push::GNOCCHI)));
    }
    #[cfg(feature = "page")]
    if config.pull_cache.page && config.pull_cache.http && parts.pull_cache.is_some() {
        let page = ferrometer_page::Page::new();
        #[cfg(feature = "archive-api")]
        let page = if parts.gnocchi.is_some() { page.with_archive(crate::push::GNOCCHI) } else { page };
        #[cfg(feature = "metric-servers")]
        let page = if parts.metric_servers.is_some() { page.with_servers() } else { page };
        frame = frame.mount("/", Arc::new(page));
    }
    Ok(served.then_some(frame))
}

/// Address, limits, tokens and TLS.
fn secured(config: &Config, frame: Frame) -> Result<Frame, Error> {
    const CERT: &str = "metrics.pull_cache.tls_cert";
    const KEY: &str = "metrics.pull_cache.tls_key";
    let c = &config.pull_cache;
    #[cfg(feature = "archive-api")]
    let mut limits = if config.archive.api { ferrometer_gnocchi::Gnocchi::limits() } else { Limits::default() };
    #[cfg(not(feature = "archive-api"))]
    let mut limits = Limits::default();
    c.fill(&mut limits);
    let mut frame = frame
        .address(c.address)
        .limits(limits)
        .tokens(c.tokens.texts())
        .allowed_hosts(&c.allowed_hosts)
        .allow_plaintext(c.allow_plaintext)
        .allow_anonymous(c.allow_anonymous);
    if let Some(path) = &c.tokens_file {
        frame = frame.tokens_file(path);
    }
    match (&c.tls_cert, &c.tls_key) {
        (None, None) => Ok(frame),
        (Some(_), None) => Err(Error::Incomplete { key: CERT, missing: KEY }),
        (None, Some(_)) => Err(Error::Incomplete { key: KEY, missing: CERT }),
        #[cfg(feature = "tls")]
        (Some(cert), Some(key)) => Ok(frame.tls(cert, key)),
        #[cfg(not(feature = "tls"))]
        (Some(_), Some(_)) => Err(Error::NotCompiled { key: CERT, feature: "tls" }),
    }
}

/// The routes of the cache, and those of Proxmox where they are wanted.
#[cfg(feature = "http")]
fn with_cache(config: &Config, frame: Frame, cache: &ferrometer_pull_cache::PullCacheHandle) -> Result<Frame, Error> {
    use ferrometer_cache_api::CacheApi;

    let frame = frame.title("ferrometer pull cache");
    let api = CacheApi::new(cache.clone());
    #[cfg(feature = "proxmox")]
    if config.pull_cache.proxmox {
        use ferrometer_proxmox::{Exports, Nodes, ProxmoxNode};

        let node = ProxmoxNode::open(&proxmox(&config.pull_cache), cache.clone());
        let node = node.map_err(|cause| Error::Serve { table: table(config), cause })?;
        return Ok(frame
            .mount("/", Arc::new(api.without_nodes()))
            .mount("/", Arc::new(Nodes::new(Arc::clone(&node))))
            .mount("/api2", Arc::new(Exports::new(node))));
    }
    let _ = config;
    Ok(frame.mount("/", Arc::new(api)))
}

/// This node and its peers.
#[cfg(feature = "proxmox")]
fn proxmox(config: &config::PullCache) -> ferrometer_proxmox::Proxmox {
    use ferrometer_proxmox::{Peer, Proxmox};

    let node = config.node.clone().filter(|node| !node.is_empty()).unwrap_or_else(|| {
        let name = crate::host::name();
        name.split('.').next().unwrap_or_default().to_owned()
    });
    let proxmox = Proxmox::new(node)
        .peer_timeout(config.peer_timeout)
        .max_peer_bytes(config.max_peer_bytes)
        .max_forwarded(config.max_requests / 2);
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
