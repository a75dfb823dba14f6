//! Names and labels by Prometheus' rules: the same as a scrape of this program shows.

use ferrometer_core::{Kind, Naming, Series};
use ferrometer_export::prometheus_names::label;
pub(crate) use ferrometer_export::prometheus_names::{family, unit};
use ferrometer_export::{gated_labels, labels_with_object};

/// Every name that a sample of the family has; and the family's own, which its metadata has.
pub(crate) fn samples(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Counter => &["_total", "_decrements_total"],
        Kind::Timer | Kind::Histogram => &["", "_sum", "_count", "_bucket"],
        _ => &[""],
    }
}

/// Returns `true` when a text is a label's name as a program may give it.
pub(crate) fn is_label(text: &str) -> bool {
    !text.is_empty() && label(text) == text
}

/// The labels of a series and those of all series that it has none of its own for, sorted. A label without a value is none.
pub(crate) fn labels(naming: &Naming, series: &Series, common: &[(String, String)]) -> Vec<(String, String)> {
    let given = labels_with_object(naming, series).filter(|(_, value)| !value.is_empty());
    let mut all: Vec<(String, String)> =
        gated_labels(given, label).into_iter().map(|(name, value)| (name, value.to_owned())).collect();
    for (name, value) in common {
        if !all.iter().any(|(own, _)| own == name) {
            all.push((name.clone(), value.clone()));
        }
    }
    all.sort();
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferrometer_core::{Naming, get_logger};

    #[test]
    fn names_are_those_of_a_scrape() {
        let naming = Naming::default().global_prefix("9p");
        let log = get_logger("rn.a-b");
        for (series, expected) in [
            (log.counter("x").series(), "_9p_rn_a_b_x"),
            (log.counter("x.total").series(), "_9p_rn_a_b_x"),
            (log.timer("t").series(), "_9p_rn_a_b_t_seconds"),
            (log.timer("t.seconds").series(), "_9p_rn_a_b_t_seconds"),
            (log.histogram("h").unit("m/s²").series(), "_9p_rn_a_b_h_m_s"),
            (log.gauge("g.bytes").unit("bytes").series(), "_9p_rn_a_b_g_bytes"),
        ] {
            assert_eq!(family(&naming, series), expected);
        }
        assert_eq!(family(&Naming::default(), get_logger("").timer("").series()), "");
        for (key, expected) in [("le", "le_"), ("__name__", "_name__"), ("", "_label"), ("9", "_9"), ("é", "_label")] {
            assert_eq!(label(key), expected);
        }
    }

    #[test]
    fn labels_are_sorted_and_own_ones_count_more() {
        let series = get_logger("rl").with("instance", "mine").with("Z", "1").with("a b", "2").counter("c").series();
        let common = [("job".to_owned(), "j".to_owned()), ("instance".to_owned(), "i".to_owned())];
        let pairs = labels(&Naming::default(), series, &common);
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("Z", "1"), ("a_b", "2"), ("instance", "mine"), ("job", "j")]);
    }
}
