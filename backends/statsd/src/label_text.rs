//! Labels as tags: each value keeps what the protocol can carry, and two values that differ never become one. Where a character has to be
//! replaced, the text gets a [mark](push_mark) at its end.

use ferrometer_core::name::push_part;
use ferrometer_core::{Naming, Series};
use ferrometer_export::{MARK, labels_with_object, push_mark};

/// The longest tag of DogStatsD, in characters: the server cuts longer ones.
const MAX_TAG: usize = 200;

/// The bytes that a label may grow by on its way to the wire: a mark, and a number behind its key.
pub(crate) const MAX_GROWTH: usize = MARK + 4;

/// Appends tags behind a line: `|#key:value,key:value`. A label without key or value is left out. Of keys that become alike the first keeps the
/// name, the others get `_2`, `_3`, …, as in records and Prometheus.
pub(crate) fn push_dogstatsd_tags(out: &mut String, naming: &Naming, series: &Series) {
    push_tags(out, labels_with_object(naming, series), ("|#", ':'), MAX_TAG, is_dogstatsd);
}

/// Appends tags behind a name: `,key=value,key=value`, otherwise as [`push_dogstatsd_tags`].
pub(crate) fn push_telegraf_tags(out: &mut String, naming: &Naming, series: &Series) {
    push_tags(out, labels_with_object(naming, series), (",", '='), usize::MAX, is_telegraf);
}

fn push_tags<'a>(
    out: &mut String,
    labels: impl Iterator<Item = (&'a str, &'a str)>,
    (first, between): (&str, char),
    max: usize,
    stays: fn(char) -> bool,
) {
    let (mut separator, mut keys) = (first, Vec::new());
    for (key, value) in labels {
        if key.is_empty() || value.is_empty() {
            continue;
        }
        out.push_str(separator);
        let key = unique_key(key, &keys);
        out.push_str(&key);
        out.push(between);
        push_value(out, value, max.saturating_sub(key.len() + 1), stays);
        keys.push(key);
        separator = ",";
    }
}

fn unique_key(key: &str, taken: &[String]) -> String {
    let mut gated = String::new();
    push_part(&mut gated, key);
    let mut unique = gated.clone();
    let mut number = 1;
    while taken.contains(&unique) {
        number += 1;
        unique = format!("{gated}_{number}");
    }
    unique
}

/// Tells the characters that Datadog documents for tags. Everything else becomes `_` at the server.
fn is_dogstatsd(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | ':' | '.' | '/')
}

/// Tells the characters that Telegraf's parser neither splits at nor trims.
fn is_telegraf(c: char) -> bool {
    !matches!(c, ',' | ':' | '|' | '=') && !c.is_whitespace() && !c.is_control()
}

fn push_value(out: &mut String, value: &str, max: usize, stays: fn(char) -> bool) {
    let length = value.chars().count();
    let is_whole = length <= max;
    if is_whole && value.chars().all(stays) {
        return out.push_str(value);
    }
    let room = max.saturating_sub(MARK).max(1);
    for c in value.chars().take(room) {
        out.push(if stays(c) { c } else { '_' });
    }
    push_mark(out, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferrometer_core::get_logger;

    type Push = fn(&mut String, &Naming, &Series);
    const DOGSTATSD: Push = push_dogstatsd_tags;
    const TELEGRAF: Push = push_telegraf_tags;

    fn tags(labels: &[(&str, &str)], push: Push) -> String {
        let mut out = String::new();
        push(&mut out, &Naming::default(), get_logger("tags").with_all(labels).counter("c").series());
        out
    }

    #[test]
    fn values_keep_what_the_protocol_carries() {
        assert_eq!(tags(&[("v", "1.2"), ("w", "北京")], DOGSTATSD), "|#v:1.2,w:北京");
        assert_eq!(tags(&[("v", "a:b/c-d_e")], DOGSTATSD), "|#v:a:b/c-d_e");
        assert_eq!(tags(&[("v", "/orders/{id}")], DOGSTATSD), "|#v:/orders/_id_-b63d99bb");
        assert_eq!(tags(&[("v", "/orders/{id}")], TELEGRAF), ",v=/orders/{id}");
        assert_eq!(tags(&[("v", "a=b")], TELEGRAF), ",v=a_b-0ab0bc73");
    }

    #[test]
    fn unequal_values_stay_apart() {
        let values =
            ["1.2", "1_2", "1:2", "北京", "上海", "__", "a,b", "a|b", "a b", "a\nb", "é", "ü", "a=b", "a\u{a0}b"];
        for push in [DOGSTATSD, TELEGRAF] {
            let mut all: Vec<_> = values.iter().map(|v| tags(&[("k", v)], push)).collect();
            all.sort();
            all.dedup();
            assert_eq!(all.len(), values.len(), "{all:?}");
        }
        // Longer than a server keeps.
        let (one, other) = ("x".repeat(300), "x".repeat(299));
        let (one, other) = (tags(&[("k", &one)], DOGSTATSD), tags(&[("k", &other)], DOGSTATSD));
        assert_ne!(one, other);
        assert_eq!(one.len(), "|#".len() + 200);
    }

    #[test]
    fn keys_that_become_alike_are_numbered() {
        let series = get_logger("tags").with_all(&[("a.b", "1"), ("a:b", "2")]).for_object("qemu/1").counter("c");
        let mut out = String::new();
        push_dogstatsd_tags(&mut out, &Naming::default(), series.series());
        assert_eq!(out, "|#object:qemu/1,a_b:1,a_b_2:2");
        let series = get_logger("tags").with("object", "mine").for_object("qemu/1").counter("c").series();
        out.clear();
        push_telegraf_tags(&mut out, &Naming::default(), series);
        assert_eq!(out, ",object=qemu/1,object_2=mine");
    }
}
