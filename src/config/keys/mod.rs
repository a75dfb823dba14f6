//! The tables of keys: the one place that knows them, a file for each part of the configuration.
//!
//! Reading, checking, messages, names in the environment, defaults and the reference (`docs/configuration.md`) all come
//! from here. A new key is a row here, a field in [`super::settings`], its blank in [`super::defaults`] and a setter in [`super::builder`].

mod endpoint;
mod general;
mod limits;
mod proxmox;
mod pull_cache;
mod rule;
mod statsd;
#[cfg(test)]
mod tests;

pub(super) use proxmox::PEER_KEYS;
pub(super) use rule::RULE_KEYS;

use super::key::Key;
use super::kind::Kind;
use super::settings::Config;

/// The tables, in the order of the reference.
static TABLES: [&[Key<Config>]; 7] =
    [general::KEYS, statsd::KEYS, pull_cache::KEPT, endpoint::KEYS, pull_cache::SHOWN, proxmox::KEYS, limits::KEYS];

/// The keys of the configuration, in the order of the reference.
pub(super) fn keys() -> impl Iterator<Item = &'static Key<Config>> {
    // As one list, so that each of many searches is one over a list.
    let mut keys = Vec::new();
    for table in &TABLES {
        for key in *table {
            keys.push(key);
        }
    }
    keys.into_iter()
}

/// A number of things, at least one.
const fn count(max: i128) -> Kind {
    Kind::Integer { min: 1, max }
}
