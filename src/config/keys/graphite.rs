//! The keys of `[metrics.graphite]`.

use std::time::Duration;

use crate::config::key::{Default, Key};
use crate::config::kind::Kind;
use crate::config::push::Proto;
use crate::config::settings::Config;
use crate::config::value::Value;

/// In the order of the reference.
pub(super) static KEYS: &[Key<Config>] = &[
    Key {
        path: "metrics.graphite.server",
        alias: None,
        kind: Kind::Host,
        default: Default::Text("localhost"),
        unit: "",
        doc: "Host name or IP address of the server.",
        example: r#""metrics.example.com""#,
        get: |c| Some(Value::text(&c.graphite.server)),
        set: |c, value| c.graphite.server = value.into_text(),
    },
    Key {
        path: "metrics.graphite.port",
        alias: None,
        kind: Kind::Integer { min: 1, max: 65535 },
        default: Default::Integer(2003),
        unit: "",
        doc: "UDP or TCP port of the server.",
        example: "2004",
        get: |c| Some(Value::integer(c.graphite.port)),
        set: |c, value| c.graphite.port = value.into_integer(),
    },
    Key {
        path: "metrics.graphite.proto",
        alias: None,
        kind: Kind::Choice(Proto::NAMES),
        default: Default::Text("udp"),
        unit: "",
        doc: "How lines travel.",
        example: r#""tcp""#,
        get: |c| Some(Value::text(c.graphite.proto.as_str())),
        set: |c, value| c.graphite.proto = Proto::from_name(&value.into_text()).unwrap_or(Proto::Udp),
    },
    Key {
        path: "metrics.graphite.timeout",
        alias: None,
        kind: Kind::Duration { min: Duration::from_millis(10) },
        default: Default::Text("1s"),
        unit: "seconds",
        doc: "How long a connection over TCP, or a write to it, may take.",
        example: r#""7s""#,
        get: |c| Some(Value::Duration(c.graphite.timeout)),
        set: |c, value| c.graphite.timeout = value.into_duration(),
    },
    Key {
        path: "metrics.graphite.mtu",
        alias: None,
        kind: Kind::Integer { min: 512, max: 65536 },
        default: Default::Integer(1500),
        unit: "bytes",
        doc: "The largest packet of the network; datagrams have 50 bytes less.",
        example: "9000",
        get: |c| Some(Value::integer(c.graphite.mtu)),
        set: |c, value| c.graphite.mtu = value.into_integer(),
    },
    Key {
        path: "metrics.graphite.path",
        alias: None,
        kind: Kind::Text { min: 0, max: 256 },
        default: Default::Text("proxmox"),
        unit: "",
        doc: "What stands before each name: labels of letters, digits and `-`, joined with dots; empty for nothing.",
        example: r#""prod.web""#,
        get: |c| Some(Value::text(&c.graphite.path)),
        set: |c, value| c.graphite.path = value.into_text(),
    },
    Key {
        path: "metrics.graphite.tags",
        alias: None,
        kind: Kind::Bool,
        default: Default::Bool(false),
        unit: "",
        doc: "Whether labels travel as Graphite's tags, and not folded into the name.",
        example: "true",
        get: |c| Some(Value::Bool(c.graphite.tags)),
        set: |c, value| c.graphite.tags = value.into_bool(),
    },
    Key {
        path: "metrics.graphite.interval",
        alias: None,
        kind: Kind::Duration { min: Duration::from_millis(10) },
        default: Default::Text("10s"),
        unit: "seconds",
        doc: "Time between two deliveries.",
        example: r#""30s""#,
        get: |c| Some(Value::Duration(c.graphite.interval)),
        set: |c, value| c.graphite.interval = value.into_duration(),
    },
];
