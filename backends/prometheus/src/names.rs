//! Names and labels for Prometheus: which characters, which suffixes, which samples a family has.

use ferrometer_core::{Kind, Naming, Series};
use ferrometer_export::prometheus_names::label;
pub(crate) use ferrometer_export::prometheus_names::{family, unit};
use ferrometer_export::{gated_labels, labels_with_object};
use std::borrow::Cow;

/// Every name that stands at the beginning of a line of the family, or names it. The last is the longest.
pub(crate) fn samples(family: &str, kind: Kind) -> Vec<String> {
    let suffixes: &[&str] = match kind {
        Kind::Counter => &["_total", "_decrements_total"],
        Kind::Timer | Kind::Histogram => &["", "_sum", "_count", "_bucket", "_created"],
        _ => &[""],
    };
    suffixes.iter().map(|suffix| format!("{family}{suffix}")).collect()
}

/// The labels as both text formats write them, without braces: `a="1",b="2"`. A label without a value is none to Prometheus, and left out.
pub(crate) fn labels(naming: &Naming, series: &Series) -> String {
    let given = labels_with_object(naming, series).filter(|(_, value)| !value.is_empty());
    let mut out = String::new();
    for (name, value) in gated_labels(given, label) {
        if !out.is_empty() {
            out.push(',');
        }
        out.push_str(&name);
        out.push_str("=\"");
        for c in value.chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '"' => out.push_str("\\\""),
                '\n' => out.push_str("\\n"),
                c => out.push(c),
            }
        }
        out.push('"');
    }
    out
}

/// Undoes [`labels`]: the pairs of name and value.
pub(crate) fn pairs(labels: &str) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
    let mut rest = labels;
    std::iter::from_fn(move || {
        let (name, after) = rest.split_once("=\"")?;
        let end = after.find(['"', '\\'])?;
        if after[end..].starts_with('"') {
            rest = after[end + 1..].strip_prefix(',').unwrap_or("");
            return Some((name, Cow::Borrowed(&after[..end])));
        }
        let mut value = String::new();
        let mut chars = after.char_indices();
        loop {
            match chars.next()? {
                (at, '"') => {
                    rest = after[at + 1..].strip_prefix(',').unwrap_or("");
                    return Some((name, Cow::Owned(value)));
                }
                (_, '\\') => value.push(match chars.next()?.1 {
                    'n' => '\n',
                    c => c,
                }),
                (_, c) => value.push(c),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferrometer_core::{Naming, get_logger};

    #[test]
    fn family_names() {
        let prefix = |global: &str| Naming::default().global_prefix(global);
        let log = get_logger("pn.a-b");
        for (naming, series, expected) in [
            (prefix("9p"), log.counter("x").series(), "_9p_pn_a_b_x"),
            (prefix(""), log.counter("x.total").series(), "pn_a_b_x"),
            (prefix(""), log.gauge("x:y z").series(), "pn_a_b_x_y_z"),
            (prefix(""), log.timer("t").series(), "pn_a_b_t_seconds"),
            (prefix(""), log.timer("t.seconds").series(), "pn_a_b_t_seconds"),
            (prefix(""), log.timer("tseconds").series(), "pn_a_b_tseconds_seconds"),
            (prefix(""), log.histogram("h").unit("bytes").series(), "pn_a_b_h_bytes"),
            (prefix(""), log.histogram("h2").unit("m/s²").series(), "pn_a_b_h2_m_s"),
            (prefix(""), log.histogram("h3").unit("°").series(), "pn_a_b_h3"),
            (prefix(""), log.gauge("g.depth").unit("bytes").series(), "pn_a_b_g_depth_bytes"),
            (prefix(""), log.gauge("g.bytes").unit("bytes").series(), "pn_a_b_g_bytes"),
            (prefix(""), log.counter("c.total").unit("bytes").series(), "pn_a_b_c_bytes"),
            (prefix(""), log.timer("t2").unit("bytes").series(), "pn_a_b_t2_seconds"),
            (prefix(""), get_logger("").timer("").series(), ""),
        ] {
            assert_eq!(family(&naming, series), expected);
        }
    }

    #[test]
    fn label_names() {
        for (key, expected) in [
            ("le", "le_"),
            ("__name__", "_name__"),
            ("", "_label"),
            ("9", "_9"),
            ("é", "_label"),
            ("a.b", "a_b"),
            ("__", "_label"),
        ] {
            assert_eq!(label(key), expected);
        }
        let logger = get_logger("pn").with("le", "1").with("le_", "2").with("none", "").with("v", "a\\\"\n\t");
        let written = labels(&Naming::default(), logger.gauge("g").series());
        assert_eq!(written, r#"le_="1",le__2="2",v="a\\\"\n	""#);
        let read: Vec<_> = pairs(&written).collect();
        assert_eq!(read, [("le_", "1".into()), ("le__2", "2".into()), ("v", "a\\\"\n\t".into())]);
        assert_eq!(pairs("").count(), 0);
        // An object keeps its name, whatever a label is called.
        let object = get_logger("pn").with("object", "x").for_object("qemu/1");
        assert_eq!(labels(&Naming::default(), object.gauge("g").series()), r#"object="qemu/1",object_2="x""#);
    }
}
