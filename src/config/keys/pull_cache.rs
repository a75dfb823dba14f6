//! The keys of `[metrics.pull_cache]` that say what is kept and what is shown of it.

use std::time::Duration;

use crate::config::key::{Default, Key};
use crate::config::kind::Kind;
use crate::config::settings::{Config, Scrape};
use crate::config::value::Value;

use super::count;

/// What is kept, for how long and where.
pub(super) static KEPT: &[Key<Config>] = &[
    Key {
        path: "metrics.pull_cache.interval",
        alias: Some("metrics.prometheus.interval"),
        kind: Kind::Duration { min: Duration::from_secs(1) },
        default: Default::Text("10s"),
        unit: "seconds",
        doc: "Time between two generations.",
        example: r#"30"#,
        get: |c| Some(Value::Duration(c.pull_cache.interval)),
        set: |c, value| c.pull_cache.interval = value.into_duration(),
    },
    Key {
        path: "metrics.pull_cache.generations",
        alias: None,
        kind: count(100_000),
        default: Default::Integer(180),
        unit: "generations",
        doc: "Old generations kept.",
        example: "360",
        get: |c| Some(Value::integer(c.pull_cache.generations)),
        set: |c, value| c.pull_cache.generations = value.into_integer(),
    },
    Key {
        path: "metrics.pull_cache.window",
        alias: None,
        kind: Kind::Duration { min: Duration::from_secs(1) },
        default: Default::Text("30m"),
        unit: "seconds",
        doc: "How much older than the newest a generation may be; older ones fall out, whatever `generations` says.",
        example: r#""2h""#,
        get: |c| Some(Value::Duration(c.pull_cache.window)),
        set: |c, value| c.pull_cache.window = value.into_duration(),
    },
    Key {
        path: "metrics.pull_cache.idle_after",
        alias: Some("metrics.prometheus.idle_after"),
        kind: Kind::Duration { min: Duration::ZERO },
        default: Default::Absent("the window"),
        unit: "seconds",
        doc: "Time without a recording after which a series is no longer in new generations, until its next recording; 0 for never.",
        example: r#""10m""#,
        get: |c| c.pull_cache.idle_after.map(Value::Duration),
        set: |c, value| c.pull_cache.idle_after = Some(value.into_duration()),
    },
    Key {
        path: "metrics.pull_cache.path",
        alias: None,
        kind: Kind::Text { min: 0, max: 4095 },
        default: Default::Absent("none"),
        unit: "",
        doc: "A directory in which generations are kept too: for other processes, and for after the end of this one. Empty for none.",
        example: r#""/var/lib/shop/metrics""#,
        get: |c| c.pull_cache.path.as_ref().map(|path| Value::text(path.to_string_lossy())),
        set: |c, value| c.pull_cache.path = value.into_optional_text().map(Into::into),
    },
];

/// What is shown.
pub(super) static SHOWN: &[Key<Config>] = &[
    Key {
        path: "metrics.pull_cache.scrape",
        alias: Some("metrics.prometheus.scrape"),
        kind: Kind::Choice(Scrape::NAMES),
        default: Default::Text("generation"),
        unit: "",
        doc: "What Prometheus gets: the totals of the newest generation, or those of the moment of the scrape.",
        example: r#""fresh""#,
        get: |c| Some(Value::text(c.pull_cache.scrape.as_str())),
        set: |c, value| c.pull_cache.scrape = Scrape::from_name(&value.into_text()).unwrap_or(Scrape::Generation),
    },
    Key {
        path: "metrics.pull_cache.process_metrics",
        alias: Some("metrics.prometheus.process_metrics"),
        kind: Kind::Bool,
        default: Default::Bool(true),
        unit: "",
        doc: "Whether Prometheus gets the process' own metrics too (`process_cpu_seconds_total`, …); on Linux.",
        example: "false",
        get: |c| Some(Value::Bool(c.pull_cache.process_metrics)),
        set: |c, value| c.pull_cache.process_metrics = value.into_bool(),
    },
    Key {
        path: "metrics.pull_cache.host_metrics",
        alias: None,
        kind: Kind::Bool,
        default: Default::Bool(false),
        unit: "",
        doc: "Whether the node's own metrics are recorded, under the names that Proxmox gives them (`cpu_current`, `mem_used`, …); on Linux. Needs the cargo feature `host-metrics`.",
        example: "true",
        get: |c| Some(Value::Bool(c.pull_cache.host_metrics)),
        set: |c, value| c.pull_cache.host_metrics = value.into_bool(),
    },
];
