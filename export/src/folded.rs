//! Labels folded into a name, and the mark by which values stay apart that a name cannot hold as they are.

use crate::full_name::labels;
use ferrometer_core::name::{is_name_char, push_part};
use ferrometer_core::{Naming, Series};

/// The length of a [mark](push_mark), in characters.
pub const MARK: usize = 9;

/// Appends the labels of a series to its name: `.key.value` for each, the [object](Series::object) first. A value of which a character has to be
/// replaced gets a [mark](push_mark), so that two values that differ never become one. An object's id has none if it holds neither `_` nor `.`:
/// `qemu/100` becomes `qemu_100`, and no other such id does.
///
/// ```
/// use ferrometer_core::{Naming, get_logger};
///
/// let mut out = String::from("app.starts");
/// let series = get_logger("app").with("version", "1.2").counter("starts").series();
/// ferrometer_export::push_folded_labels(&mut out, &Naming::default(), series);
/// assert_eq!(out, "app.starts.version.1_2-e94218cc");
/// ```
pub fn push_folded_labels(out: &mut String, naming: &Naming, series: &Series) {
    if let Some(object) = series.object() {
        push_part(out, "object");
        match object.contains(['_', '.']) {
            true => push_value(out, object),
            false => push_part(out, object),
        }
    }
    for (key, value) in labels(naming, series) {
        push_folded_label(out, key, value);
    }
}

/// Appends one label to a name, as [`push_folded_labels`] does.
pub fn push_folded_label(out: &mut String, key: &str, value: &str) {
    push_part(out, key);
    push_value(out, value);
}

fn push_value(out: &mut String, value: &str) {
    push_part(out, value);
    if !value.bytes().all(|b| is_name_char(b as char)) {
        push_mark(out, value);
    }
}

/// Appends a hyphen and the 32-bit FNV-1a hash of a text, in eight hexadecimal digits: told behind a value of which characters were replaced. The
/// hash is the same in every program and every version.
///
/// ```
/// let mut out = String::from("1_2");
/// ferrometer_export::push_mark(&mut out, "1.2");
/// assert_eq!(out, "1_2-e94218cc");
/// ```
pub fn push_mark(out: &mut String, text: &str) {
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

    fn folded(value: &str) -> String {
        let mut out = String::new();
        push_folded_labels(&mut out, &Naming::default(), get_logger("folded").with("k", value).counter("c").series());
        out
    }

    #[test]
    fn unequal_values_stay_apart() {
        assert_eq!(folded("GET"), "k.GET");
        assert_eq!(folded("a_b-c"), "k.a_b-c");
        let values =
            ["1.2", "1_2", "1:2", "北京", "上海", "__", "a,b", "a|b", "a b", "a\nb", "é", "ü", "a=b", "a\u{a0}b"];
        let mut all: Vec<_> = values.iter().map(|value| folded(value)).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), values.len(), "{all:?}");
    }

    /// The hash is the published one: <http://www.isthe.com/chongo/tech/comp/fnv/>.
    #[test]
    fn marks_are_fnv_1a() {
        for (text, mark) in [("", "-811c9dc5"), ("a", "-e40c292c"), ("foobar", "-bf9cf968")] {
            let mut out = String::new();
            push_mark(&mut out, text);
            assert_eq!(out, mark);
            assert_eq!(out.len(), MARK);
        }
    }
}
