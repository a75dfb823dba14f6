//! The attributes of the resource, which describe this process.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::OnceLock;

/// Returns the attributes that are known without being told.
pub(crate) fn defaults() -> Vec<(String, String)> {
    let program = std::env::current_exe().ok();
    let program = program.as_deref().and_then(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned());
    let name = program.map_or_else(|| "unknown_service".to_owned(), |name| format!("unknown_service:{name}"));
    [
        ("service.name", name.as_str()),
        ("service.instance.id", instance()),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.name", "ferrometer"),
        ("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .to_vec()
}

/// A random UUID of this process.
fn instance() -> &'static str {
    static INSTANCE: OnceLock<String> = OnceLock::new();
    INSTANCE.get_or_init(|| {
        let random = || RandomState::new().build_hasher().finish();
        // Version 4, variant 10.
        let (high, low) = (random() & !0xf000 | 0x4000, random() >> 2 | 1 << 63);
        let (a, b, c) = (high >> 32, high >> 16 & 0xffff, high & 0xffff);
        format!("{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
    })
}

/// Returns the last attribute of each key, sorted by key.
pub(crate) fn unique(pairs: &[(String, String)]) -> Vec<(String, String)> {
    let mut last = std::collections::BTreeMap::new();
    for (key, value) in pairs {
        last.insert(key.clone(), value.clone());
    }
    last.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instance_is_a_uuid_and_stays() {
        let id = instance();
        assert_eq!(id, instance());
        let parts: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{id}");
        assert!(id.as_bytes()[14] == b'4' && b"89ab".contains(&id.as_bytes()[19]), "{id}");
    }

    #[test]
    fn the_last_of_a_key_counts() {
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        let pairs = [pair("b", "1"), pair("a", "2"), pair("b", "3")];
        assert_eq!(unique(&pairs), [pair("a", "2"), pair("b", "3")]);
    }
}
