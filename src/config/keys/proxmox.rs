//! The keys of `[metrics.pull_cache]` for the routes of Proxmox, and those of other nodes under `[[metrics.pull_cache.peers]]`.

use std::time::Duration;

use crate::config::key::{Default, Key};
use crate::config::kind::Kind;
use crate::config::peer::Peer;
use crate::config::settings::Config;
use crate::config::value::Value;

/// In the order of the reference.
pub(super) static KEYS: &[Key<Config>] = &[
    Key {
        path: "metrics.pull_cache.proxmox",
        alias: None,
        kind: Kind::Bool,
        default: Default::Bool(false),
        unit: "",
        doc: "Whether the endpoint serves the routes of Proxmox VE and Proxmox Backup Server too. Needs the cargo feature `proxmox`.",
        example: "true",
        get: |c| Some(Value::Bool(c.pull_cache.proxmox)),
        set: |c, value| c.pull_cache.proxmox = value.into_bool(),
    },
    Key {
        path: "metrics.pull_cache.node",
        alias: None,
        kind: Kind::Text { min: 0, max: 63 },
        default: Default::Absent("the system's host name, up to its first dot"),
        unit: "",
        doc: "The name of this node on the routes of Proxmox: letters, digits and hyphens.",
        example: r#""node1""#,
        get: |c| c.pull_cache.node.as_deref().map(Value::text),
        set: |c, value| c.pull_cache.node = value.into_optional_text(),
    },
    Key {
        path: "metrics.pull_cache.peer_timeout",
        alias: None,
        kind: Kind::Duration { min: Duration::from_millis(10) },
        default: Default::Text("5s"),
        unit: "seconds",
        doc: "How long each of the `peers` may take to answer; at most a minute.",
        example: r#""20s""#,
        get: |c| Some(Value::Duration(c.pull_cache.peer_timeout)),
        set: |c, value| c.pull_cache.peer_timeout = value.into_duration(),
    },
    Key {
        path: "metrics.pull_cache.max_peer_bytes",
        alias: None,
        kind: Kind::Integer { min: 65_536, max: 4 << 30 },
        default: Default::Integer(64 << 20),
        unit: "bytes",
        doc: "How much all `peers` together may answer to one question (the default is 64 MiB), each an equal part; whoever goes beyond is left out.",
        example: "16777216",
        get: |c| Some(Value::integer(c.pull_cache.max_peer_bytes)),
        set: |c, value| c.pull_cache.max_peer_bytes = value.into_integer(),
    },
];

/// The keys of another node.
pub(in crate::config) static PEER_KEYS: &[Key<Peer>] = &[
    Key {
        path: "name",
        alias: None,
        kind: Kind::Text { min: 1, max: 63 },
        default: Default::Absent("none; it is needed"),
        unit: "",
        doc: "The node's name, as `node-list` calls it: letters, digits and hyphens.",
        example: r#""node2""#,
        get: |p| Some(Value::text(&p.name)).filter(|_| !p.name.is_empty()),
        set: |p, value| p.name = value.into_text(),
    },
    Key {
        path: "url",
        alias: None,
        kind: Kind::Text { min: 1, max: 1024 },
        default: Default::Absent("none; it is needed"),
        unit: "",
        doc: "Where it is: `https://<host>:<port>`, or `http://` for an address of this machine.",
        example: r#""https://10.0.0.2:9620""#,
        get: |p| Some(Value::text(&p.url)).filter(|_| !p.url.is_empty()),
        set: |p, value| p.url = value.into_text(),
    },
    Key {
        path: "fingerprint",
        alias: None,
        kind: Kind::Text { min: 64, max: 95 },
        default: Default::Absent("`ca` is needed"),
        unit: "",
        doc: "The SHA-256 of the only certificate it may show: 64 hex digits, with or without colons.",
        example: r#""2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae""#,
        get: |p| p.fingerprint.as_deref().map(Value::text),
        set: |p, value| p.fingerprint = value.into_optional_text(),
    },
    Key {
        path: "ca",
        alias: None,
        kind: Kind::Text { min: 1, max: 4096 },
        default: Default::Absent("`fingerprint` is needed"),
        unit: "",
        doc: "PEM file of the authorities that its certificate may come from; read again when it changes.",
        example: r#""/etc/shop/ca.pem""#,
        get: |p| p.ca.as_ref().map(|path| Value::text(path.to_string_lossy())),
        set: |p, value| p.ca = value.into_optional_text().map(Into::into),
    },
    Key {
        path: "token",
        alias: None,
        kind: Kind::Secret,
        default: Default::Absent("that of the caller"),
        unit: "",
        doc: "The token it is asked with: `PVEAPIToken=…` and `PBSAPIToken=…` as they are, anything else as `Bearer`.",
        example: r#""a-long-random-token""#,
        get: |p| p.token.as_deref().map(Value::text),
        set: |p, value| p.token = value.into_optional_text(),
    },
];
