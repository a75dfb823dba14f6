//! What holds for every row of the tables.

use super::{PEER_KEYS, RULE_KEYS, keys};
use crate::config::key::{Default, Key};
use crate::config::peer::Peer;
use crate::config::rule::Rule;
use crate::config::settings::Config;
use crate::config::value::Value;

fn sound<T>(key: &Key<T>, make: fn() -> T) {
    let path = key.path;
    let mut target = make();
    match key.default_value() {
        Some(value) => {
            (key.set)(&mut target, value.clone());
            let back = (key.get)(&target).expect("a key with a default has a value");
            assert_eq!(key.kind.check(&back).unwrap(), value, "{path}: default");
        }
        None => {
            assert!(matches!(key.default, Default::Absent(_)), "{path}: its default is refused");
            assert_eq!((key.get)(&target), None, "{path}: default");
        }
    }
    assert!(key.kind.check(&Value::Other("date")).is_err(), "{path}");
}

#[test]
fn kinds_readers_and_defaults_belong_together() {
    keys().for_each(|key| sound(key, Config::new));
    RULE_KEYS.iter().for_each(|key| sound(key, || Rule::new("a")));
    PEER_KEYS.iter().for_each(|key| sound(key, Peer::default));
}

/// Sets each key to its example through the environment and looks that this key alone has changed.
#[test]
fn each_key_sets_its_own_field() {
    for key in keys() {
        let text = key.example.trim_matches(['[', ']', '"']).replace("\", \"", ",");
        let text = if key.path == "metrics.pull_cache.address" { "[::1]:9620".to_owned() } else { text };
        let value = key.kind.check(&key.kind.read(&text)).unwrap_or_else(|why| panic!("{}: {why:?}", key.path));
        let mut config = Config::new();
        (key.set)(&mut config, value);
        for other in keys() {
            let changed = (other.get)(&config) != (other.get)(&Config::new());
            assert_eq!(changed, other.path == key.path, "{} set, {} looked at", key.path, other.path);
        }
        assert!(config.validate().is_ok(), "{}", key.path);
    }
}

/// The fields' documentation repeats key and default; it cannot go stale.
#[test]
fn fields_are_documented_with_key_and_default() {
    let fields = concat!(include_str!("../settings.rs"), include_str!("../push.rs"));
    let rule = include_str!("../rule.rs");
    let begins = |path: &str, default: Default| match default {
        Default::Bool(value) => format!("/// `{path}`; default `{value}`."),
        Default::Integer(value) => format!("/// `{path}`; default `{value}`."),
        Default::Text(value) => format!("/// `{path}`; default `{value:?}`."),
        Default::Absent(_) => format!("/// `{path}`; no default"),
    };
    for key in keys() {
        let line = begins(key.path, key.default);
        assert!(fields.contains(&line), "settings.rs lacks {line:?}");
    }
    for key in RULE_KEYS {
        let line = begins(&format!("metrics.loggers.*.{}", key.path), key.default);
        assert!(rule.contains(&line), "rule.rs lacks {line:?}");
    }
    for key in PEER_KEYS {
        let line = begins(&format!("metrics.pull_cache.peers.*.{}", key.path), key.default);
        assert!(include_str!("../peer.rs").contains(&line), "peer.rs lacks {line:?}");
    }
}
