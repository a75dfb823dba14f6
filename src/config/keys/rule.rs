//! The keys of a rule for loggers, under `[metrics.loggers."<name>"]`.

use crate::config::key::{Default, Key};
use crate::config::kind::Kind;
use crate::config::rule::Rule;
use crate::config::value::Value;

/// In the order of the reference.
pub(in crate::config) static RULE_KEYS: &[Key<Rule>] = &[
    Key {
        path: "enabled",
        alias: None,
        kind: Kind::Bool,
        default: Default::Bool(true),
        unit: "",
        doc: "Whether these loggers record.",
        example: "false",
        get: |r| Some(Value::Bool(r.enabled)),
        set: |r, value| r.enabled = value.into_bool(),
    },
    Key {
        path: "sample_rate",
        alias: None,
        kind: Kind::Rate,
        default: Default::Absent("1"),
        unit: "",
        doc: "The rate for calls that give none of their own.",
        example: "0.1",
        get: |r| r.sample_rate.map(Value::Float),
        set: |r, value| r.sample_rate = Some(value.into_float()),
    },
];
