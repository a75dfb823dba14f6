//! Properties of names: whatever is given, what is rendered holds nothing but the gate's characters, and nothing is lost that could stay.

use ferrometer_core::name::{MAX_NAME_BYTES, check, is_name_char, push_labels};
use ferrometer_core::{Naming, get_logger};
use proptest::prelude::*;

fn well_formed(name: &str) -> bool {
    name.is_empty() || name.split('.').all(|part| !part.is_empty() && part.chars().all(is_name_char))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn anything_renders_well_formed(
        prefix in any::<String>(), host in any::<String>(), uuid in any::<String>(), logger in any::<String>(), metric in any::<String>(),
        labels in prop::collection::vec(any::<(String, String)>(), 0..4),
        prepend_host: bool, prepend_host_reverse: bool,
    ) {
        let naming = Naming::default().global_prefix(prefix).prepend_host(prepend_host).prepend_host_reverse(prepend_host_reverse).host(host).uuid(uuid).labels(Vec::new());
        let mut name = naming.render(&logger, &metric);
        prop_assert!(well_formed(&name), "{name:?}");
        push_labels(&mut name, labels.iter().map(|(k, v)| (k.as_str(), v.as_str())));
        prop_assert!(well_formed(&name), "{name:?}");
        prop_assert_eq!(check(&name).is_ok(), (1..=MAX_NAME_BYTES).contains(&name.len()));
    }

    #[test]
    fn clean_names_stay_as_they_are(parts in prop::collection::vec("[A-Za-z0-9_-]{1,8}", 2..6)) {
        let (metric, logger) = parts.split_last().unwrap();
        prop_assert_eq!(Naming::default().render(&logger.join("."), metric), parts.join("."));
    }

    #[test]
    fn each_character_becomes_one(part in "[^.]{1,20}") {
        let rendered = Naming::default().render("", &part);
        prop_assert_eq!(rendered.chars().count(), part.chars().count());
        for (given, got) in part.chars().zip(rendered.chars()) {
            prop_assert_eq!(got, if is_name_char(given) { given } else { '_' });
        }
    }

    #[test]
    fn reversing_a_host_twice_gives_it_back(parts in prop::collection::vec("[a-z][a-z0-9-]{0,5}", 1..5)) {
        let host = parts.join(".");
        let reversed = Naming::default().host(host).prepend_host(true).prepend_host_reverse(true).prefix();
        let back = Naming::default().host(reversed).prepend_host(true).prepend_host_reverse(true).prefix();
        prop_assert_eq!(back, parts.join("."));
    }
}

#[test]
fn what_is_said_of_a_series_is_one_line() {
    let series = get_logger("a\nb").with("k\r\n", "v\n").counter("c\nERROR all is lost\u{1b}[31m").series();
    let said = format!("{series:?}");
    assert!(!said.contains(char::is_control) && said.contains("ERROR"), "{said}");
}
