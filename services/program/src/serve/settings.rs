//! The server's file: one TOML document, in which a table switches a part on.
//!
//! `[metrics]` in the same file is ferrometer's own configuration: where the server sends what it records and receives. It is read by the facade.

use crate::listener::Address;
use crate::text::{meant, read_duration, visible};
use serde::{Deserialize, Deserializer};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use uuid::Uuid;

/// The tables of the server.
pub(crate) const TABLES: [&str; 11] = [
    "http",
    "statsd",
    "remote_write",
    "influx",
    "archive",
    "gnocchi",
    "cache",
    "proxmox",
    "page",
    "lookup",
    "metric_servers",
];
/// The keys before the first table.
const ROOT: [&str; 2] = ["data", "drain"];

/// Where measures of the statsd listeners go in the archive, unless told otherwise.
const STATSD_RESOURCE: Uuid = Uuid::from_u128(0x6665_7272_6f6d_5465_8000_7374_6174_7364);

/// The whole file, without `[metrics]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// The directory of everything that is kept.
    pub(crate) data: PathBuf,
    /// How long the end may take.
    #[serde(deserialize_with = "duration")]
    pub(crate) drain: Duration,
    pub(crate) http: Option<Http>,
    pub(crate) statsd: Option<Statsd>,
    pub(crate) remote_write: Option<RemoteWrite>,
    pub(crate) influx: Option<Influx>,
    pub(crate) archive: Option<Archive>,
    pub(crate) gnocchi: Option<Gnocchi>,
    pub(crate) cache: Option<Cache>,
    pub(crate) proxmox: Option<Proxmox>,
    pub(crate) page: Option<Page>,
    pub(crate) metric_servers: Option<MetricServers>,
    pub(crate) lookup: Option<Lookup>,
    /// What agents are told: keys of `[metrics]` that begin with `agent_`.
    #[serde(skip)]
    pub(crate) agents: ferrometer::agent::Options,
    /// What is read by others.
    metrics: Option<toml::Table>,
}

/// `[http]`: where everything is served, and to whom.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Http {
    pub(crate) address: SocketAddr,
    pub(crate) tokens: Vec<String>,
    pub(crate) tokens_file: Option<PathBuf>,
    pub(crate) allowed_hosts: Vec<String>,
    pub(crate) tls_cert: Option<PathBuf>,
    pub(crate) tls_key: Option<PathBuf>,
    pub(crate) allow_plaintext: bool,
    pub(crate) allow_anonymous: bool,
}

/// `[statsd]`: sockets for lines, and where they go.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Statsd {
    #[serde(deserialize_with = "addresses")]
    pub(crate) listen: Vec<Address>,
    /// True if lines become measures of the archive.
    pub(crate) archive: bool,
    /// True if lines are recorded, for the cache and for the backends of `[metrics]`.
    pub(crate) record: bool,
    /// The resource of the archive that gets the measures.
    #[serde(deserialize_with = "uuid")]
    pub(crate) resource: Uuid,
    pub(crate) policy: Option<String>,
    /// Time between two measures of a counter in the archive.
    #[serde(deserialize_with = "duration")]
    pub(crate) flush: Duration,
}

/// `[remote_write]`: Prometheus' remote write into the archive.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RemoteWrite {
    pub(crate) path: String,
    pub(crate) max_body: usize,
}

/// `[influx]`: lines of InfluxDB into the archive.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Influx {
    /// The tag whose value names the resource.
    pub(crate) resource_tag: String,
    pub(crate) max_body: usize,
}

/// `[archive]`: how measures are kept.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Archive {
    /// Whether a measure is on disk when it is acknowledged (`group`), or soon after (`none`).
    pub(crate) sync: Sync,
    pub(crate) workers: Option<usize>,
    /// Bytes of raw points in memory.
    pub(crate) memory: usize,
    pub(crate) default_policies: bool,
}

/// When a measure is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sync {
    Group,
    None,
}

/// `[gnocchi]`: Gnocchi's API over the archive.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Gnocchi {
    /// The path that everything is below, at the address of `[http]`.
    pub(crate) prefix: String,
    /// An address of its own, without a prefix.
    pub(crate) address: Option<SocketAddr>,
    pub(crate) auth: Auth,
    pub(crate) max_limit: usize,
    pub(crate) max_body: usize,
    pub(crate) cors: Vec<String>,
}

/// How Gnocchi's API is told who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Auth {
    Basic,
    Remoteuser,
}

/// `[cache]`: generations of what is recorded, for those who ask.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Cache {
    #[serde(deserialize_with = "duration")]
    pub(crate) interval: Duration,
    pub(crate) generations: usize,
    #[serde(deserialize_with = "duration")]
    pub(crate) window: Duration,
    /// True if generations are kept on disk too.
    pub(crate) files: bool,
    /// True if this machine's own metrics are recorded.
    pub(crate) host_metrics: bool,
}

/// `[proxmox]`: the routes of Proxmox VE and Proxmox Backup Server over the cache.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Proxmox {
    /// The name of this node; this machine's when it is not given.
    pub(crate) node: Option<String>,
    pub(crate) peers: Vec<Peer>,
}

/// Another node.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) fingerprint: Option<String>,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) token_file: Option<PathBuf>,
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer").field("name", &self.name).field("url", &self.url).finish_non_exhaustive()
    }
}

/// `[metric_servers]`: servers that are created, tested and removed over HTTP, and sent to.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MetricServers {
    #[serde(deserialize_with = "duration")]
    pub(crate) interval: Duration,
    pub(crate) allowed_destinations: Vec<String>,
    pub(crate) max_servers: usize,
}

impl Default for MetricServers {
    fn default() -> MetricServers {
        MetricServers { interval: Duration::from_secs(10), allowed_destinations: Vec::new(), max_servers: 32 }
    }
}

/// `[page]`: a page for browsers over the cache. It has no keys.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Page {}

/// `[lookup]`: tells agents their configuration of metrics.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Lookup {
    /// The nodes that are known, each `UUID` or `UUID=MAC,MAC`; none for whatever UUID is asked for.
    pub(crate) nodes: Vec<String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            data: "ferrometer-data".into(),
            drain: Duration::from_secs(10),
            http: None,
            statsd: None,
            remote_write: None,
            influx: None,
            archive: None,
            gnocchi: None,
            cache: None,
            proxmox: None,
            page: None,
            metric_servers: None,
            lookup: None,
            agents: ferrometer::agent::Options::default(),
            metrics: None,
        }
    }
}

impl Default for Http {
    fn default() -> Http {
        Http {
            address: ferrometer_http::DEFAULT_ADDRESS,
            tokens: Vec::new(),
            tokens_file: None,
            allowed_hosts: Vec::new(),
            tls_cert: None,
            tls_key: None,
            allow_plaintext: false,
            allow_anonymous: false,
        }
    }
}

impl Default for Statsd {
    fn default() -> Statsd {
        Statsd {
            listen: vec![Address::Udp("127.0.0.1:8125".into()), Address::Tcp("127.0.0.1:8125".into())],
            archive: true,
            record: true,
            resource: STATSD_RESOURCE,
            policy: None,
            flush: Duration::from_secs(10),
        }
    }
}

impl Default for RemoteWrite {
    fn default() -> RemoteWrite {
        RemoteWrite { path: "/api/v1/write".into(), max_body: 16 << 20 }
    }
}

impl Default for Influx {
    fn default() -> Influx {
        Influx { resource_tag: "host".into(), max_body: 25_000_000 }
    }
}

impl Default for Archive {
    fn default() -> Archive {
        Archive { sync: Sync::Group, workers: None, memory: 256 << 20, default_policies: true }
    }
}

impl Default for Gnocchi {
    fn default() -> Gnocchi {
        Gnocchi {
            prefix: "/gnocchi".into(),
            address: None,
            auth: Auth::Basic,
            max_limit: 1000,
            max_body: 64 << 20,
            cors: Vec::new(),
        }
    }
}

impl Default for Cache {
    fn default() -> Cache {
        Cache {
            interval: Duration::from_secs(10),
            generations: 180,
            window: Duration::from_secs(1800),
            files: true,
            host_metrics: true,
        }
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    read_duration(&text).map_err(serde::de::Error::custom)
}

fn uuid<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = |_| serde::de::Error::custom(format!("{:?} is no UUID", visible(&text)));
    text.parse().map_err(wrong)
}

fn addresses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Address>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| Address::parse(text)).collect::<Result<_, _>>().map_err(serde::de::Error::custom)
}

/// Returns `true` for a document that has something of the server's.
pub(crate) fn is_meant(text: &str) -> bool {
    let Ok(document) = text.parse::<toml::Table>() else { return false };
    document.keys().any(|key| TABLES.contains(&key.as_str()) || ROOT.contains(&key.as_str()))
}

impl Settings {
    /// Everything embedded, on loopback.
    pub(crate) fn everything() -> Settings {
        Settings {
            http: Some(Http::default()),
            statsd: Some(Statsd::default()),
            remote_write: Some(RemoteWrite::default()),
            influx: Some(Influx::default()),
            archive: Some(Archive::default()),
            gnocchi: Some(Gnocchi::default()),
            cache: Some(Cache::default()),
            proxmox: Some(Proxmox::default()),
            page: Some(Page::default()),
            metric_servers: Some(MetricServers::default()),
            ..Settings::default()
        }
    }

    /// Reads a document; `name` is how messages call it.
    ///
    /// # Errors
    /// The first thing that is wrong: where, what was found, what is allowed, and what was probably meant.
    pub(crate) fn parse(text: &str, name: &str) -> Result<Settings, String> {
        let name = visible(name);
        let document: toml::Table = text.parse().map_err(|error| format!("{name}: {error}"))?;
        for key in document.keys().filter(|key| *key != "metrics") {
            let known = || TABLES.iter().chain(&ROOT).copied();
            if !known().any(|known| known == key) {
                let hint = meant(key, known().chain(["metrics"])).map(|word| format!("; did you mean {word:?}?"));
                let list: Vec<&str> = TABLES.into_iter().chain(["metrics"]).collect();
                let all = format!("; the tables are {}, and the keys before them {}", list.join(", "), ROOT.join(", "));
                return Err(format!("{name}: {:?} is unknown{}", visible(key), hint.unwrap_or(all)));
            }
        }
        let settings: Settings = toml::from_str(text).map_err(|error| {
            let said = error.to_string();
            let hint = unknown_field(&said).map(|word| format!("did you mean {word:?}?\n")).unwrap_or_default();
            format!("{name}: {}\n{hint}", said.trim_end()).trim_end().to_owned()
        })?;
        settings.check().map_err(|why| format!("{name}: {why}"))?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), String> {
        let most = Duration::from_secs(3600);
        if self.drain > most {
            return Err(format!("drain = {:?}: expected at most 1h", self.drain));
        }
        if let Some(http) = &self.http
            && http.tls_cert.is_some() != http.tls_key.is_some()
        {
            return Err("http.tls_cert and http.tls_key belong together, and one is missing".to_owned());
        }
        if let Some(statsd) = &self.statsd {
            if statsd.listen.is_empty() {
                return Err("statsd.listen is empty: expected addresses such as \"udp://127.0.0.1:8125\"; without statsd, leave the table out".into());
            }
            if !statsd.archive && !statsd.record {
                return Err("statsd.archive and statsd.record are both false: lines would go nowhere".into());
            }
            if statsd.flush < Duration::from_millis(100) {
                return Err(format!("statsd.flush = {:?}: expected at least 100ms", statsd.flush));
            }
        }
        let body = |key: &str, bytes: usize| match (1024..=1 << 30).contains(&bytes) {
            true => Ok(()),
            false => Err(format!("{key} = {bytes}: expected bytes from 1024 to {}", 1 << 30)),
        };
        if let Some(remote_write) = &self.remote_write {
            body("remote_write.max_body", remote_write.max_body)?;
            path("remote_write.path", &remote_write.path)?;
        }
        if let Some(influx) = &self.influx {
            body("influx.max_body", influx.max_body)?;
            if influx.resource_tag.is_empty() || influx.resource_tag.contains(|c: char| c.is_control() || !c.is_ascii())
            {
                return Err("influx.resource_tag: expected the name of a tag, such as \"host\"".into());
            }
        }
        if let Some(gnocchi) = &self.gnocchi {
            body("gnocchi.max_body", gnocchi.max_body)?;
            if gnocchi.address.is_none() {
                path("gnocchi.prefix", &gnocchi.prefix)?;
            }
            if gnocchi.max_limit == 0 {
                return Err("gnocchi.max_limit = 0: expected at least 1".into());
            }
        }
        if let Some(archive) = &self.archive {
            if archive.workers.is_some_and(|workers| !(1..=64).contains(&workers)) {
                return Err("archive.workers: expected 1 to 64".into());
            }
            if archive.memory < 1 << 20 {
                return Err(format!("archive.memory = {}: expected at least {} bytes", archive.memory, 1 << 20));
            }
        }
        if let Some(cache) = &self.cache
            && (cache.interval < Duration::from_secs(1) || !(1..=100_000).contains(&cache.generations))
        {
            return Err("cache: expected an interval of at least 1s, and 1 to 100000 generations".into());
        }
        if let Some(servers) = &self.metric_servers {
            let http = self.http.clone().unwrap_or_default();
            let is_guarded = !http.tokens.is_empty() || http.tokens_file.is_some();
            if !is_guarded && !http.address.ip().to_canonical().is_loopback() {
                return Err("[metric_servers] needs tokens at an address that other machines can reach: whoever reaches it could send metrics anywhere".into());
            }
            if servers.interval < Duration::from_millis(10) {
                return Err(format!("metric_servers.interval = {:?}: expected at least 10ms", servers.interval));
            }
        }
        if self.page.is_some() && self.cache.is_none() {
            return Err("[page] shows what [cache] keeps, and that table is not there".into());
        }
        if self.proxmox.is_some() && self.cache.is_none() {
            return Err("[proxmox] shows what [cache] keeps, and that table is not there".into());
        }
        Ok(())
    }

    /// Returns `true` when something goes into the archive, or is asked of it.
    pub(crate) fn has_archive(&self) -> bool {
        let statsd = self.statsd.as_ref().is_some_and(|statsd| statsd.archive);
        statsd
            || self.archive.is_some()
            || self.gnocchi.is_some()
            || self.remote_write.is_some()
            || self.influx.is_some()
    }

    /// Returns `true` when something is served at the address of `[http]`.
    pub(crate) fn has_http(&self) -> bool {
        let gnocchi = self.gnocchi.as_ref().is_some_and(|gnocchi| gnocchi.address.is_none());
        gnocchi
            || self.cache.is_some()
            || self.metric_servers.is_some()
            || self.remote_write.is_some()
            || self.influx.is_some()
            || self.lookup.is_some()
    }

    /// Returns what the document means: a part, and what it does.
    pub(crate) fn meaning(&self) -> Vec<(String, String)> {
        let mut out = Vec::new();
        let mut say = |what: &str, how: String| out.push((what.to_owned(), how));
        say("data", self.data.display().to_string());
        let http = self.http.clone().unwrap_or_default();
        let scheme = if http.tls_cert.is_some() { "https" } else { "http" };
        let at = format!("{scheme}://{}", http.address);
        if self.has_http() {
            let tokens = http.tokens.len();
            let who = match (tokens, &http.tokens_file) {
                (0, None) => "without tokens".to_owned(),
                (_, None) => format!("{tokens} tokens"),
                (_, Some(path)) => format!("{tokens} tokens, and those of {}", path.display()),
            };
            say("http", format!("{at}, {who}"));
        }
        if let Some(statsd) = &self.statsd {
            let places: Vec<String> = statsd.listen.iter().map(ToString::to_string).collect();
            let to = match (statsd.archive, statsd.record) {
                (true, true) => "into the archive, and recorded",
                (true, false) => "into the archive",
                _ => "recorded",
            };
            say("statsd", format!("{}, {to}", places.join(", ")));
        }
        if let Some(remote_write) = &self.remote_write {
            say("remote write", format!("{at}{}", remote_write.path));
        }
        if self.influx.is_some() {
            say("influx", format!("{at}/write and {at}/api/v2/write"));
        }
        if self.has_archive() {
            say("archive", self.data.join("archive").display().to_string());
        }
        if let Some(gnocchi) = &self.gnocchi {
            let place = gnocchi
                .address
                .map_or_else(|| format!("{at}{}", gnocchi.prefix), |address| format!("{scheme}://{address}"));
            say("gnocchi", place);
        }
        if let Some(cache) = &self.cache {
            let Cache { interval, generations, .. } = cache;
            say("cache", format!("{at}/v1/metrics, {} generations, one every {interval:?}", generations + 1));
        }
        if self.proxmox.is_some() {
            say("proxmox", format!("{at}/api2/json/…"));
        }
        if self.metric_servers.is_some() {
            say("metric servers", format!("{at}/api2/json/cluster/metrics/server"));
        }
        if self.page.is_some() {
            say("page", format!("{at}/"));
        }
        if let Some(lookup) = &self.lookup {
            let who = match lookup.nodes.len() {
                0 => "any node".to_owned(),
                known => format!("{known} nodes"),
            };
            say("lookup", format!("{at}/v1/lookup, for {who}"));
        }
        say("the end", format!("takes at most {:?}", self.drain));
        out
    }

    /// Puts the data somewhere else.
    pub(crate) fn in_directory(mut self, data: &Path) -> Settings {
        self.data = data.to_owned();
        self
    }
}

/// Checks a path of a route.
fn path(key: &str, text: &str) -> Result<(), String> {
    let letter = |b: u8| b.is_ascii_alphanumeric() || b"/-_.".contains(&b);
    let parts = text.strip_prefix('/').unwrap_or_default();
    match !parts.is_empty() && !parts.ends_with('/') && !parts.contains("//") && text.bytes().all(letter) {
        true => Ok(()),
        false => {
            Err(format!("{key} = {:?}: expected a path such as \"/gnocchi\", of letters, digits, - _ .", visible(text)))
        }
    }
}

/// What was probably meant, of a message such as: unknown field `adress`, expected one of `address`, `tokens`.
fn unknown_field(said: &str) -> Option<String> {
    let (_, rest) = said.split_once("unknown field `")?;
    let (found, rest) = rest.split_once('`')?;
    let known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
    meant(found, known).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_with_what_was_meant() {
        for (text, says) in [
            ("[htpp]\n", "\"htpp\" is unknown; did you mean \"http\"?"),
            ("[something]\n", "the tables are http, statsd,"),
            ("[http]\nadress = \"1\"\n", "did you mean \"address\"?"),
            ("[http]\naddress = \"here\"\n", "invalid socket address"),
            ("[http]\naddress = 5\n", "expected"),
            ("[http]\ntls_cert = \"c\"\n", "http.tls_cert and http.tls_key belong together"),
            ("[statsd]\nlisten = []\n", "statsd.listen is empty"),
            ("[statsd]\nlisten = [\"here\"]\n", "\"here\" is no address"),
            ("[statsd]\narchive = false\nrecord = false\n", "go nowhere"),
            ("[statsd]\nflush = \"1\"\n", "is no time"),
            ("[statsd]\nflush = \"1ms\"\n", "at least 100ms"),
            ("[statsd]\nresource = \"x\"\n", "UUID"),
            ("[remote_write]\npath = \"write\"\n", "expected a path"),
            ("[influx]\nmax_body = 1\n", "influx.max_body = 1"),
            ("[influx]\nresource_tag = \"\"\n", "influx.resource_tag"),
            ("[gnocchi]\nprefix = \"\"\n", "gnocchi.prefix"),
            ("[gnocchi]\nauth = \"basik\"\n", "unknown variant `basik`, expected `basic` or `remoteuser`"),
            ("[archive]\nworkers = 0\n", "archive.workers"),
            ("[archive]\nsync = \"sometimes\"\n", "expected `group` or `none`"),
            ("[cache]\ngenerations = 0\n", "1 to 100000 generations"),
            ("[page]\n", "[page] shows what [cache] keeps"),
            ("[proxmox]\n", "[proxmox] shows what [cache] keeps"),
            ("[metric_servers]\nmax_server = 1\n", "did you mean \"max_servers\"?"),
            ("drain = \"2h\"\n", "at most 1h"),
            ("drain = 5\n", "drain"),
            ("[http\n", "line 1"),
        ] {
            let said = Settings::parse(text, "serve.toml").unwrap_err();
            assert!(said.starts_with("serve.toml: ") && said.contains(says), "{text}: {said}");
        }
    }

    #[test]
    fn a_table_switches_its_part_on() {
        let settings = Settings::parse("[cache]\n[metrics]\nbackend = \"noop\"\n", "f").unwrap();
        assert!(
            settings.cache.is_some() && settings.gnocchi.is_none() && settings.has_http() && !settings.has_archive()
        );
        let settings = Settings::parse("[statsd]\n", "f").unwrap();
        assert!(settings.has_archive() && !settings.has_http());
        assert!(is_meant("[cache]\n") && !is_meant("[metrics]\n[cach]\n") && !is_meant("[["));
    }

    #[test]
    fn the_example_says_the_defaults() {
        let example = Settings::parse(super::super::EXAMPLE, "example").unwrap();
        let metrics = example.metrics.clone();
        assert_eq!(example, Settings { metrics, ..Settings::everything() });
    }
}
