//! The keys of `[metrics.limits]`.

use crate::config::key::{Default, Key};
use crate::config::kind::Kind;
use crate::config::settings::Config;
use crate::config::value::Value;

use super::count;

/// In the order of the reference.
pub(super) static KEYS: &[Key<Config>] = &[
    Key {
        path: "metrics.limits.max_loggers",
        alias: None,
        kind: count(131_072),
        default: Default::Integer(4096),
        unit: "loggers",
        doc: "Loggers in all.",
        example: "100",
        get: |c| Some(Value::integer(c.limits.max_loggers)),
        set: |c, value| c.limits.max_loggers = value.into_integer(),
    },
    Key {
        path: "metrics.limits.max_instruments",
        alias: None,
        kind: count(131_072),
        default: Default::Integer(10_000),
        unit: "series",
        doc: "Series in all, at most 15,232 of them timers and histograms; past it, recordings go to one overflow series per kind.",
        example: "50000",
        get: |c| Some(Value::integer(c.limits.max_instruments)),
        set: |c, value| c.limits.max_instruments = value.into_integer(),
    },
    Key {
        path: "metrics.limits.max_label_sets",
        alias: None,
        kind: count(131_072),
        default: Default::Integer(8192),
        unit: "label sets",
        doc: "Distinct sets of labels in all.",
        example: "1000",
        get: |c| Some(Value::integer(c.limits.max_label_sets)),
        set: |c, value| c.limits.max_label_sets = value.into_integer(),
    },
    Key {
        path: "metrics.limits.max_threads",
        alias: None,
        kind: count(65_536),
        default: Default::Integer(512),
        unit: "threads",
        doc: "Threads with cells of their own; beyond it threads share.",
        example: "64",
        get: |c| Some(Value::integer(c.limits.max_threads)),
        set: |c, value| c.limits.max_threads = value.into_integer(),
    },
    Key {
        path: "metrics.limits.max_cell_bytes",
        alias: None,
        kind: Kind::Integer { min: 65_536, max: 1 << 40 },
        default: Default::Integer(64 << 20),
        unit: "bytes",
        doc: "Memory of the threads' own cells (the default is 64 MiB); beyond it threads share.",
        example: "16777216",
        get: |c| Some(Value::integer(c.limits.max_cell_bytes)),
        set: |c, value| c.limits.max_cell_bytes = value.into_integer(),
    },
    Key {
        path: "metrics.limits.timer_chunk",
        alias: None,
        kind: Kind::PowerOfTwo { min: 64, max: 65_536 },
        default: Default::Integer(8192),
        unit: "values",
        doc: "Single timer values that a thread holds between two collections, where a backend wants them singly.",
        example: "1024",
        get: |c| Some(Value::integer(c.limits.timer_chunk)),
        set: |c, value| c.limits.timer_chunk = value.into_integer(),
    },
    Key {
        path: "metrics.limits.max_held_values",
        alias: None,
        kind: Kind::Integer { min: 64, max: 1 << 26 },
        default: Default::Integer(262_144),
        unit: "values",
        doc: "Single timer values held for one backend.",
        example: "65536",
        get: |c| Some(Value::integer(c.limits.max_held_values)),
        set: |c, value| c.limits.max_held_values = value.into_integer(),
    },
];
