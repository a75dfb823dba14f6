//! The tables of the server's file: their keys, and what is meant where a key is not given.

use crate::address::Address;
use crate::text::{read_duration, visible};
use serde::{Deserialize, Deserializer};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use uuid::Uuid;

/// Where measures of the statsd listeners go in the archive, unless told otherwise.
const STATSD_RESOURCE: Uuid = Uuid::from_u128(0x6665_7272_6f6d_5465_8000_7374_6174_7364);

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
    /// Says if a measure is on disk when it is acknowledged (`group`), or soon after (`none`).
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

pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
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
