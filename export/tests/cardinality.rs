//! The report of cardinality beside a count that was made another way.

use ferrometer_core::{get_logger, snapshot};
use ferrometer_export::Cardinality;
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn the_largest_names_and_labels_are_those_of_a_plain_count() {
    let log = get_logger("cardinal");
    for user in 0..40 {
        for zone in 0..3 {
            let _ = log.with("user", user).with("zone", zone).counter("clicks").series();
        }
        let _ = log.with("user", user).gauge("balance").series();
    }
    for disk in 0..7 {
        let _ = log.for_object(&format!("disk/{disk}")).timer("read").series();
    }
    // One name with two kinds, and at two rates.
    let _ = log.counter("both").series();
    let _ = log.gauge("both").series();
    let _ = log.counter("both").sampled(0.5).series();
    let snapshot = snapshot();
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut with: BTreeMap<&str, usize> = BTreeMap::new();
    for total in snapshot.totals().iter() {
        let series = total.series;
        *names.entry(format!("{}.{}", series.logger_name(), series.metric_name())).or_default() += 1;
        let object = series.object().map(|object| ("object", object));
        for (key, value) in series.labels().chain(object) {
            labels.entry(key).or_default().insert(value);
            *with.entry(key).or_default() += 1;
        }
    }
    let all = Cardinality::new(&snapshot, usize::MAX);
    assert_eq!(all.series, snapshot.totals().len());
    assert_eq!(all.names.iter().map(|n| n.series).sum::<usize>(), all.series);
    assert!(all.names.iter().all(|found| names[&found.name] == found.series) && all.names.len() == names.len());
    for found in &all.labels {
        assert_eq!((labels[found.label].len(), with[found.label]), (found.values, found.series), "{found:?}");
    }
    let ten = Cardinality::new(&snapshot, 2);
    let shown: Vec<_> = ten.names.iter().map(|n| (n.name.as_str(), n.series)).collect();
    assert_eq!(shown, [("cardinal.clicks", 120), ("cardinal.balance", 40)]);
    let shown: Vec<_> = ten.labels.iter().map(|l| (l.label, l.values, l.series)).collect();
    assert_eq!(shown, [("user", 40, 160), ("object", 7, 7)]);
    assert_eq!(names["cardinal.both"], 3);
    assert_eq!(Cardinality::new(&snapshot, 0).names, []);
}
