//! From a file to what is served: the archive, the cache, and the services over them, mounted into frames.
//!
//! A further service gets a table in `settings`, and a line in [`frames`].

use super::ingest::{Influx, RemoteWrite};
use super::settings::{self, Settings};
use crate::outcome::{Failure, Result};
use crate::remote::read_file;
use crate::text::meant;
use ferrometer::Metrics;
use ferrometer::agent;
use ferrometer::prometheus::{self, Prometheus, PrometheusHandle};
use ferrometer::services::cache_api::CacheApi;
use ferrometer::services::metric_servers::{self as managed, Core, Management, MetricServers, OpenError, Status};
use ferrometer::services::page::Page;
use ferrometer::services::proxmox::{Exports, Nodes, Peer, Proxmox, ProxmoxNode};
use ferrometer::services::scrape::Scrape;
use ferrometer_archive::{Archive, Options, ResourceType, Sync};
use ferrometer_gnocchi::{Auth, Gnocchi, StatsdAccounts};
use ferrometer_http::{Frame, Limits, ServeError};
use std::collections::HashSet;
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Services at one address.
pub(crate) struct Served {
    /// `http`, or `gnocchi`: the name of a socket that a service manager may hand over.
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) frame: Frame,
    /// Text that is printed when it is there, with the address before it.
    pub(crate) paths: Vec<String>,
}

/// Opens the archive, where the file asks for one.
pub(crate) fn archive(settings: &Settings) -> Result<Option<Arc<Archive>>> {
    if !settings.has_archive() {
        return Ok(None);
    }
    let given = settings.archive.clone().unwrap_or_default();
    let mut options = Options::default();
    options.sync = match given.sync {
        settings::Sync::Group => Sync::Group,
        settings::Sync::None => Sync::None,
    };
    options.workers = given.workers.unwrap_or(options.workers);
    options.memory = given.memory;
    options.default_policies = given.default_policies;
    let directory = settings.data.join("archive");
    std::fs::create_dir_all(&directory).map_err(|error| Failure::file(&directory, &error))?;
    let archive = Archive::open(&directory, options).map_err(|error| Failure::file(&directory, &error))?;
    Ok(Some(Arc::new(archive)))
}

/// Refuses a policy of `[statsd]` that the archive does not have: every line would be refused later.
pub(crate) fn has_policy(settings: &Settings, known: &[String]) -> Result {
    let Some(statsd) = settings.statsd.as_ref().filter(|statsd| statsd.archive) else { return Ok(()) };
    let fault = statsd.policy.as_ref().and_then(|policy| policy_fault("[statsd] policy", policy, known));
    fault.map_or(Ok(()), |fault| Err(Failure::Usage(fault)))
}

/// Says that an archive has no such policy, and which it has.
pub(crate) fn policy_fault(key: &str, policy: &str, known: &[String]) -> Option<String> {
    // An archive may have any number of them.
    const SHOWN: usize = 20;
    if known.iter().any(|known| known == policy) {
        return None;
    }
    let mut there = known.iter().take(SHOWN).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    match known.len() {
        0 => there.push_str("none"),
        count if count > SHOWN => there.push_str(&format!(" and {} more", count - SHOWN)),
        _ => {}
    }
    let hint = meant(policy, known.iter().map(String::as_str)).map(|word| format!("; did you mean {word:?}?"));
    Some(format!("{key} = {policy:?}: the archive's policies are {there}{}", hint.unwrap_or_default()))
}

/// Opens the file of metric servers, where the file of the server has their table. None is at work yet.
pub(crate) fn servers(settings: &Settings) -> Result<Option<Arc<MetricServers>>> {
    let Some(given) = &settings.metric_servers else { return Ok(None) };
    let own = managed::Settings::new(settings.data.join("metric-servers.cfg"))
        .interval(given.interval)
        .deadline(settings.drain.min(Duration::from_secs(2)))
        .allowed_destinations(&given.allowed_destinations)
        .max_servers(given.max_servers);
    let core = Core::new(own.interval, own.deadline);
    let opened = MetricServers::open(&own, Arc::new(core));
    opened.map(Some).map_err(|error| match error {
        OpenError::Setting { .. } => Failure::Usage(format!("[metric_servers]: {error}")),
        error => Failure::Io(error.to_string()),
    })
}

/// Keeps totals for `/metrics`, once in a process.
pub(crate) fn totals(settings: &Settings) -> Result<Option<PrometheusHandle>> {
    let Some(cache) = &settings.cache else { return Ok(None) };
    let exporter = Prometheus::new(prometheus::Settings::default());
    let handle = exporter.handle();
    let deadline = settings.drain;
    let installed = ferrometer::replace("prometheus", Box::new(exporter), cache.interval, deadline);
    installed.map_err(|error| Failure::Io(error.to_string()))?;
    Ok(Some(handle))
}

/// Mounts everything.
pub(crate) fn frames(
    settings: &Settings,
    archive: Option<&Arc<Archive>>,
    metrics: &Metrics,
    totals: Option<&PrometheusHandle>,
    servers: Option<&Arc<MetricServers>>,
    daemons: &StatsdAccounts,
) -> Result<Vec<Served>> {
    let http = settings.http.clone().unwrap_or_default();
    let mut all = Vec::new();
    let mut frame = secured(&http, Frame::new().title("ferrometer"), settings);
    let mut paths: Vec<String> = Vec::new();
    if let (Some(gnocchi), Some(archive)) = (&settings.gnocchi, archive) {
        let service = |prefix: &str| {
            let own = Gnocchi::new(Arc::clone(archive), api(&http, gnocchi, prefix));
            Arc::new(own.with_statsd(daemons.clone()))
        };
        match gnocchi.address {
            None => {
                frame = frame.mount(&gnocchi.prefix, service(&gnocchi.prefix));
                paths.push(format!("{}/v1", gnocchi.prefix));
            }
            Some(address) => {
                let own = secured(&http, Frame::new().without_index(), settings).address(address);
                let frame = own.mount("", service(""));
                all.push(Served { name: "gnocchi", address, frame, paths: vec!["/v1".to_owned()] });
            }
        }
    }
    if let Some(archive) = archive {
        // Measures that are pushed need no API to be mounted.
        let gnocchi = || {
            Arc::new(Gnocchi::new(
                Arc::clone(archive),
                ferrometer_gnocchi::Settings { max_body: 1 << 30, ..Default::default() },
            ))
        };
        if let Some(remote_write) = &settings.remote_write {
            let service = RemoteWrite {
                gnocchi: gnocchi(),
                is_usual: *remote_write
                    == settings::RemoteWrite { max_body: remote_write.max_body, ..Default::default() },
                max_body: remote_write.max_body,
            };
            frame = frame.mount(&remote_write.path, Arc::new(service));
            paths.push(remote_write.path.clone());
        }
        if let Some(influx) = &settings.influx {
            // Lines that come have a type of their own, as a database that was created over Gnocchi's API.
            let kind = ResourceType { name: "influxdb".to_owned(), attributes: Default::default() };
            match archive.add_resource_type(&kind) {
                Ok(()) | Err(ferrometer_archive::Error::ResourceTypeExists(_)) => {}
                Err(error) => return Err(Failure::Io(format!("the archive: {error}"))),
            }
            let (resource_tag, max_body) = (influx.resource_tag.clone(), influx.max_body);
            frame = frame.mount("/", Arc::new(Influx { gnocchi: gnocchi(), resource_tag, max_body }));
            paths.extend(["/write".to_owned(), "/api/v2/write".to_owned()]);
        }
    }
    if let Some(cache) = metrics.pull_cache().filter(|_| settings.cache.is_some()) {
        paths.extend(["/v1/metrics", "/v1/instruments", "/v1/cardinality"].map(str::to_owned));
        let api = CacheApi::new(cache.clone());
        match &settings.proxmox {
            Some(proxmox) => {
                let node =
                    ProxmoxNode::open(&node(proxmox)?, cache.clone()).map_err(|error| wrong("proxmox", &error))?;
                frame = frame
                    .mount("/", Arc::new(api.without_nodes()))
                    .mount("/", Arc::new(Nodes::new(Arc::clone(&node))))
                    .mount("/api2", Arc::new(Exports::new(node)));
                paths.push("/api2/json/cluster/metrics/export".to_owned());
            }
            None => frame = frame.mount("/", Arc::new(api)),
        }
        if let Some(totals) = totals {
            frame = frame.mount("/", Arc::new(Scrape::new(totals.clone())));
            paths.push("/metrics".to_owned());
        }
        if settings.page.is_some() {
            let page = Page::new();
            let page = if servers.is_some() { page.with_servers() } else { page };
            // An API at an address of its own is none that a page of this one may ask.
            let page = match &settings.gnocchi {
                Some(gnocchi) if gnocchi.address.is_none() && archive.is_some() => {
                    paths.push("/archive".to_owned());
                    page.with_archive(&gnocchi.prefix)
                }
                _ => page,
            };
            frame = frame.mount("/", Arc::new(page));
            paths.push("/".to_owned());
        }
    }
    if let Some(servers) = servers {
        let management = Management::new(Arc::clone(servers));
        // Where both are, the index is that of the exports.
        let management = if settings.proxmox.is_some() { management.without_index() } else { management };
        frame = frame.mount("/api2", Arc::new(management)).mount("/", Arc::new(Status::new(Arc::clone(servers))));
        paths.push("/api2/json/cluster/metrics/server".to_owned());
    }
    if let Some(given) = &settings.lookup {
        frame = frame.mount("/", lookup(given, &settings.agents)?);
        paths.push("/v1/lookup".to_owned());
    }
    if settings.has_http() {
        all.insert(0, Served { name: "http", address: http.address, frame, paths });
    }
    for served in &all {
        served.frame.check().map_err(|error| wrong("http", &error))?;
    }
    Ok(all)
}

/// The routes at which agents ask.
pub(crate) fn lookup(given: &settings::Lookup, options: &agent::Options) -> Result<Arc<agent::LookupRoutes>> {
    if options.is_empty() {
        let why = "[lookup] tells agents what [metrics] has for them, and it has no key that begins with agent_";
        return Err(Failure::Usage(why.to_owned()));
    }
    let nodes = agent::NodeList::default();
    let mut known = HashSet::new();
    for text in &given.nodes {
        let wrong = |why: &dyn Display| Failure::Usage(format!("lookup.nodes: {text:?}: {why}"));
        let node: agent::Node = text.parse().map_err(|error| wrong(&error))?;
        // An agent would be told what is another's, or nothing.
        for name in [node.uuid()].into_iter().chain(node.addresses().iter().map(String::as_str)) {
            if !known.insert(name.to_owned()) {
                return Err(wrong(&format!("{name} is there twice")));
            }
        }
        nodes.put(node);
    }
    let routes = match given.nodes.is_empty() {
        true => agent::lookup_routes(options.clone(), agent::AnyNode),
        false => agent::lookup_routes(options.clone(), nodes),
    };
    routes.map_err(|error| Failure::Usage(error.to_string()))
}

/// An error of the frame, with the table in which its key stands.
pub(crate) fn wrong(table: &str, error: &ServeError) -> Failure {
    match error {
        ServeError::Bind { .. } | ServeError::Thread(_) => Failure::Io(error.to_string()),
        error => Failure::Usage(format!("[{table}]: {}", error.describe(str::to_owned))),
    }
}

/// Address, tokens, TLS and limits.
pub(crate) fn secured(http: &settings::Http, frame: Frame, settings: &Settings) -> Frame {
    let mut frame = frame
        .address(http.address)
        .limits(limits(settings))
        .tokens(http.tokens.clone())
        .allowed_hosts(http.allowed_hosts.clone())
        .allow_plaintext(http.allow_plaintext)
        .allow_anonymous(http.allow_anonymous);
    if let Some(path) = &http.tokens_file {
        frame = frame.tokens_file(path);
    }
    match (&http.tls_cert, &http.tls_key) {
        (Some(cert), Some(key)) => frame.tls(cert, key),
        _ => frame,
    }
}

fn limits(settings: &Settings) -> Limits {
    let mut limits = Gnocchi::limits();
    let gnocchi = settings.gnocchi.as_ref().map_or(0, |gnocchi| gnocchi.max_body);
    let influx = settings.influx.as_ref().map_or(0, |influx| influx.max_body);
    let remote_write = settings.remote_write.as_ref().map_or(0, |remote_write| remote_write.max_body);
    // One body as large as it may be, and others beside it.
    let largest = gnocchi.max(influx).max(remote_write).saturating_mul(2);
    limits.max_bodies_bytes = limits.max_bodies_bytes.max(largest);
    limits
}

fn api(http: &settings::Http, gnocchi: &settings::Gnocchi, prefix: &str) -> ferrometer_gnocchi::Settings {
    ferrometer_gnocchi::Settings {
        prefix: prefix.to_owned(),
        max_limit: gnocchi.max_limit,
        auth: match gnocchi.auth {
            // Upstream's way names users and keeps nobody out: where there are tokens, they are asked for.
            settings::Auth::Basic if http.tokens.is_empty() && http.tokens_file.is_none() => Auth::Basic,
            settings::Auth::Basic => Auth::Tokens,
            settings::Auth::Remoteuser => Auth::RemoteUser,
        },
        cors: gnocchi.cors.clone(),
        max_body: gnocchi.max_body,
    }
}

pub(crate) fn node(settings: &settings::Proxmox) -> Result<Proxmox> {
    let own = || {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        name.trim().split('.').next().filter(|name| !name.is_empty()).unwrap_or("localhost").to_owned()
    };
    let mut proxmox = Proxmox::new(settings.node.clone().unwrap_or_else(own));
    for given in &settings.peers {
        let mut peer = Peer::new(&given.name, &given.url);
        if let Some(fingerprint) = &given.fingerprint {
            peer = peer.fingerprint(fingerprint);
        }
        if let Some(ca) = &given.ca {
            peer = peer.ca(ca);
        }
        if let Some(path) = &given.token_file {
            let token = String::from_utf8(read_file(path)?).map_err(|_| Failure::file(path, &"is no text"))?;
            peer = peer.token(token.trim());
        }
        proxmox = proxmox.peer(peer);
    }
    Ok(proxmox)
}
