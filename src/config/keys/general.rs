//! The keys of `[metrics]` itself: which backends, how names begin, the statsd server's address.

use std::time::Duration;

use crate::config::key::{Default, Key};
use crate::config::kind::Kind;
use crate::config::settings::Config;
use crate::config::value::Value;

/// In the order of the reference.
pub(super) static KEYS: &[Key<Config>] = &[
    Key {
        path: "metrics.backend",
        alias: None,
        kind: Kind::Backends(&[
            "noop",
            "statsd",
            "prometheus",
            "pull-cache",
            "graphite",
            "influxdb",
            "otlp",
            "remote-write",
        ]),
        default: Default::Text("noop"),
        unit: "",
        doc: "Where recordings go. `noop` switches recording off and stands alone; in a list, no name comes twice.",
        example: r#"["statsd", "pull-cache"]"#,
        get: |c| Some(backend_value(&c.backend)),
        set: |c, value| c.backend = value.into_texts(),
    },
    Key {
        path: "metrics.statsd_host",
        alias: Some("metrics_statsd.statsd_host"),
        kind: Kind::Host,
        default: Default::Text("localhost"),
        unit: "",
        doc: "Host name or IP address of the statsd server.",
        example: r#""metrics.example.com""#,
        get: |c| Some(Value::text(&c.statsd_host)),
        set: |c, value| c.statsd_host = value.into_text(),
    },
    Key {
        path: "metrics.statsd_port",
        alias: Some("metrics_statsd.statsd_port"),
        kind: Kind::Integer { min: 1, max: 65535 },
        default: Default::Integer(8125),
        unit: "",
        doc: "UDP or TCP port of the statsd server.",
        example: "9125",
        get: |c| Some(Value::integer(c.statsd_port)),
        set: |c, value| c.statsd_port = value.into_integer(),
    },
    Key {
        path: "metrics.prepend_host",
        alias: None,
        kind: Kind::Bool,
        default: Default::Bool(false),
        unit: "",
        doc: "Whether names carry the host, after the global prefix.",
        example: "true",
        get: |c| Some(Value::Bool(c.prepend_host)),
        set: |c, value| c.prepend_host = value.into_bool(),
    },
    Key {
        path: "metrics.prepend_host_reverse",
        alias: None,
        kind: Kind::Bool,
        default: Default::Bool(false),
        unit: "",
        doc: "Whether that host is written with its parts reversed: `com.example.host`. IP addresses never are.",
        example: "true",
        get: |c| Some(Value::Bool(c.prepend_host_reverse)),
        set: |c, value| c.prepend_host_reverse = value.into_bool(),
    },
    Key {
        path: "metrics.global_prefix",
        alias: None,
        kind: Kind::Text { min: 0, max: 256 },
        default: Default::Text(""),
        unit: "",
        doc: "First part of every name; empty for none.",
        example: r#""prod""#,
        get: |c| Some(Value::text(&c.global_prefix)),
        set: |c, value| c.global_prefix = value.into_text(),
    },
    Key {
        path: "metrics.host",
        alias: None,
        kind: Kind::Text { min: 0, max: 253 },
        default: Default::Absent("the system's host name"),
        unit: "",
        doc: "The host that names carry with `prepend_host`; empty for the system's.",
        example: r#""web1.example.com""#,
        get: |c| c.host.as_deref().map(Value::text),
        set: |c, value| c.host = value.into_optional_text(),
    },
    Key {
        path: "metrics.prepend_uuid",
        alias: None,
        kind: Kind::Bool,
        default: Default::Bool(false),
        unit: "",
        doc: "Whether names carry the node's UUID, after the host. Needs `uuid`, but in an agent, which is told it.",
        example: "true",
        get: |c| Some(Value::Bool(c.prepend_uuid)),
        set: |c, value| c.prepend_uuid = value.into_bool(),
    },
    Key {
        path: "metrics.uuid",
        alias: None,
        kind: Kind::Uuid,
        default: Default::Absent("none"),
        unit: "",
        doc: "The UUID of the node that the program runs on, which names carry with `prepend_uuid`; empty for none.",
        example: r#""1be26c0b-03f2-4d2e-ae87-c02d7f33c123""#,
        get: |c| c.uuid.as_deref().map(Value::text),
        set: |c, value| c.uuid = value.into_optional_text(),
    },
    Key {
        path: "metrics.lookup_interval",
        alias: None,
        kind: Kind::Duration { min: Duration::from_secs(1) },
        default: Default::Text("60s"),
        unit: "seconds",
        doc: "How often an agent asks its conductor whether its configuration has changed; a tenth more or less.",
        example: r#""5m""#,
        get: |c| Some(Value::Duration(c.lookup_interval)),
        set: |c, value| c.lookup_interval = value.into_duration(),
    },
    Key {
        path: "metrics.shutdown_deadline",
        alias: None,
        kind: Kind::Duration { min: Duration::ZERO },
        default: Default::Text("2s"),
        unit: "seconds",
        doc: "How long the shutdown guard may deliver what is pending.",
        example: r#""500ms""#,
        get: |c| Some(Value::Duration(c.shutdown_deadline)),
        set: |c, value| c.shutdown_deadline = value.into_duration(),
    },
];

/// One name is shown as it is, several as a list.
fn backend_value(names: &[String]) -> Value {
    match names {
        [name] => Value::text(name),
        names => Value::texts(names),
    }
}
