//! Properties of every row of the table.

use super::peer::Peer;
use super::rule::Rule;
use super::settings::{Config, keys};
use super::table::{Fallback, Key};
use super::value::Value;
use super::view::View;

fn sound<T>(key: &Key<T>, make: fn() -> T) {
    let path = key.path;
    let mut target = make();
    match key.default.value(&key.kind) {
        Some(value) => {
            key.set(&mut target, value.clone());
            let back = key.get(&target).expect("a key with a default has a value");
            assert_eq!(key.kind.check(&back).unwrap(), value, "{path}: default");
        }
        None => {
            assert!(matches!(key.default, Fallback::Absent(_)), "{path}: its default is refused");
            assert_eq!(key.get(&target), None, "{path}: default");
        }
    }
    assert!(key.kind.check(&Value::Other("date")).is_err(), "{path}");
}

#[test]
fn kinds_readers_and_defaults_belong_together() {
    keys().for_each(|key| sound(key, Config::new));
    Rule::KEYS.iter().for_each(|key| sound(key, || Rule::new("a")));
    Peer::KEYS.iter().for_each(|key| sound(key, Peer::default));
    View::KEYS.iter().for_each(|key| sound(key, || View::new("")));
}

/// Sets each key to its example through the environment and looks that this key alone has changed.
#[test]
fn each_key_sets_its_own_field() {
    for key in keys() {
        let text = key.example.trim_matches(['[', ']', '"']).replace("\", \"", ",");
        let text = if key.path == "metrics.pull_cache.address" { "[::1]:9620".to_owned() } else { text };
        let value = key.kind.check(&key.kind.read(&text)).unwrap_or_else(|why| panic!("{}: {why:?}", key.path));
        let mut config = Config::new();
        key.set(&mut config, value);
        for other in keys() {
            let changed = other.get(&config) != other.get(&Config::new());
            assert_eq!(changed, other.path == key.path, "{} set, {} looked at", key.path, other.path);
        }
        assert!(config.validate().is_ok(), "{}", key.path);
    }
}

/// A new configuration is what a file without keys is.
#[test]
fn defaults_are_those_of_the_rows() {
    for key in keys() {
        let value = key.get(&Config::new()).map(|value| key.kind.check(&value).unwrap());
        assert_eq!(value, key.default.value(&key.kind), "{}", key.path);
    }
}
