//! The keys of `[metrics.statsd]`.

use std::time::Duration;

use crate::config::key::{Default, Key};
use crate::config::kind::Kind;
use crate::config::settings::{Config, Dialect, Transport};
use crate::config::value::Value;

/// In the order of the reference.
pub(super) static KEYS: &[Key<Config>] = &[
    Key {
        path: "metrics.statsd.dialect",
        alias: None,
        kind: Kind::Choice(Dialect::NAMES),
        default: Default::Text("etsy"),
        unit: "",
        doc: "What the statsd server understands beyond the common lines.",
        example: r#""dogstatsd""#,
        get: |c| Some(Value::text(c.statsd.dialect.as_str())),
        set: |c, value| c.statsd.dialect = Dialect::from_name(&value.into_text()).unwrap_or(Dialect::Etsy),
    },
    Key {
        path: "metrics.statsd.transport",
        alias: None,
        kind: Kind::Choice(Transport::NAMES),
        default: Default::Text("udp"),
        unit: "",
        doc: "How lines travel. `unix` (datagrams to a local socket) needs `path`.",
        example: r#""tcp""#,
        get: |c| Some(Value::text(c.statsd.transport.as_str())),
        set: |c, value| c.statsd.transport = Transport::from_name(&value.into_text()).unwrap_or(Transport::Udp),
    },
    Key {
        path: "metrics.statsd.path",
        alias: None,
        kind: Kind::Text { min: 0, max: 107 },
        default: Default::Absent("none"),
        unit: "",
        doc: "The socket of the transport `unix`; not looked at with another transport. Empty for none.",
        example: r#""/run/statsd.sock""#,
        get: |c| c.statsd.path.as_ref().map(|path| Value::text(path.to_string_lossy())),
        set: |c, value| c.statsd.path = value.into_optional_text().map(Into::into),
    },
    Key {
        path: "metrics.statsd.max_datagram",
        alias: None,
        kind: Kind::Integer { min: 64, max: 65507 },
        default: Default::Integer(1432),
        unit: "bytes",
        doc: "Payload of one datagram. 1432 fits any Ethernet, 8932 jumbo frames, 512 the open internet.",
        example: "8932",
        get: |c| Some(Value::integer(c.statsd.max_datagram)),
        set: |c, value| c.statsd.max_datagram = value.into_integer(),
    },
    Key {
        path: "metrics.statsd.interval",
        alias: None,
        kind: Kind::Duration { min: Duration::from_millis(10) },
        default: Default::Text("1s"),
        unit: "seconds",
        doc: "Time between two deliveries.",
        example: r#""10s""#,
        get: |c| Some(Value::Duration(c.statsd.interval)),
        set: |c, value| c.statsd.interval = value.into_duration(),
    },
    Key {
        path: "metrics.statsd.resolve_interval",
        alias: None,
        kind: Kind::Duration { min: Duration::from_secs(1) },
        default: Default::Text("30s"),
        unit: "seconds",
        doc: "Time after which the address of `statsd_host` is looked up again.",
        example: r#""5m""#,
        get: |c| Some(Value::Duration(c.statsd.resolve_interval)),
        set: |c, value| c.statsd.resolve_interval = value.into_duration(),
    },
];
