//! Labels as text: each value keeps what the protocol can carry, and two values that differ never become one.
//!
//! Where a character has to be replaced, the text gets a mark at its end: a hyphen and the 32-bit FNV-1a hash of the value as the program gave
//! it, in eight hexadecimal digits. `1.2` in a name becomes `1_2-` and such digits, and `1_2` stays `1_2`. The hash is part of what is sent: it
//! is the same in every program and every version.

use ferrometer_core::name::{is_name_char, push_part};
use ferrometer_core::{Naming, Series};
use ferrometer_export::{labels, labels_with_object};

/// The longest tag of DogStatsD, in characters: the server cuts longer ones.
const MAX_TAG: usize = 200;

/// Characters of a mark.
const MARK: usize = 9;

/// The bytes that a label may grow by on its way to the wire: a mark, and a number behind its key.
pub(crate) const MAX_GROWTH: usize = MARK + 4;

/// Appends labels to a name: `.key.value` for each.
pub(crate) fn push_folded_labels(out: &mut String, naming: &Naming, series: &Series) {
    if let Some(object) = series.object() {
        push_part(out, "object");
        push_folded(out, object, is_plain_object(object));
    }
    for (key, value) in labels(naming, series) {
        push_part(out, key);
        push_folded(out, value, false);
    }
}

/// An object's id that is told from all others without a mark: `qemu/100` becomes `qemu_100`, and no id without `_` and `.` becomes the same.
fn is_plain_object(object: &str) -> bool {
    !object.contains(['_', '.'])
}

fn push_folded(out: &mut String, value: &str, is_unmarked: bool) {
    push_part(out, value);
    if !is_unmarked && !value.bytes().all(|b| is_name_char(b as char)) {
        push_mark(out, value);
    }
}

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

/// Appends a hyphen and the FNV-1a hash of a text, in eight hexadecimal digits.
fn push_mark(out: &mut String, text: &str) {
    let mut hash: u32 = 0x811c_9dc5;
    for byte in text.bytes() {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    out.push('-');
    for shift in (0..8).rev() {
        let digit = (hash >> (4 * shift) & 15) as u8;
        out.push(char::from(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }));
    }
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

    fn folded(value: &str) -> String {
        let mut out = String::new();
        push_folded_labels(&mut out, &Naming::default(), get_logger("folded").with("k", value).counter("c").series());
        out
    }

    #[test]
    fn values_keep_what_the_protocol_carries() {
        assert_eq!(tags(&[("v", "1.2"), ("w", "北京")], DOGSTATSD), "|#v:1.2,w:北京");
        assert_eq!(tags(&[("v", "a:b/c-d_e")], DOGSTATSD), "|#v:a:b/c-d_e");
        assert_eq!(tags(&[("v", "/orders/{id}")], DOGSTATSD), "|#v:/orders/_id_-b63d99bb");
        assert_eq!(tags(&[("v", "/orders/{id}")], TELEGRAF), ",v=/orders/{id}");
        assert_eq!(tags(&[("v", "a=b")], TELEGRAF), ",v=a_b-0ab0bc73");
        assert_eq!(folded("GET"), "k.GET");
        assert_eq!(folded("a_b-c"), "k.a_b-c");
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
        let mut all: Vec<_> = values.iter().map(|v| folded(v)).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), values.len(), "{all:?}");
        // Longer than a server keeps.
        let (one, other) = ("x".repeat(300), "x".repeat(299));
        let (one, other) = (tags(&[("k", &one)], DOGSTATSD), tags(&[("k", &other)], DOGSTATSD));
        assert_ne!(one, other);
        assert_eq!(one.len(), "|#".len() + 200);
    }

    /// The hash is the published one: <http://www.isthe.com/chongo/tech/comp/fnv/>.
    #[test]
    fn marks_are_fnv_1a() {
        for (text, mark) in [("", "-811c9dc5"), ("a", "-e40c292c"), ("foobar", "-bf9cf968")] {
            let mut out = String::new();
            push_mark(&mut out, text);
            assert_eq!(out, mark);
        }
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
