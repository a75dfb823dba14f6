//! The Prometheus text, read back by a strict parser.

mod common;

use common::{Cache, NEVER, parse};
use ferrometer_core::get_logger;
use ferrometer_core::{Amount, Cause};
use ferrometer_prometheus::{Filter, Format};
use proptest::prelude::*;
use std::time::Duration;

#[test]
fn each_kind_has_its_family() {
    let cache = Cache::install(NEVER);
    // Before the first generation it is the moment's totals.
    get_logger("prom.early").send_counter("c", 1);
    assert!(cache.handle.text().contains("\nprom_early_c_total 1\n"));
    let logger = get_logger("prom.kinds");
    logger.counter("only-up").description("Goes up.\nBack\\slash").add(5);
    logger.with("way", "both").send_counter("both", 5);
    logger.with("way", "both").send_counter("both", -7);
    logger.with("way", "up").send_counter("both", 1);
    logger.send_gauge("g", 0.25);
    get_logger("").send_gauge("prom.kinds.without_logger", 1);
    let _in_flight = logger.in_flight("busy").enter();
    logger.send_timer("t", Duration::from_millis(3));
    logger.send_timer("t", Duration::from_secs(20));
    logger.histogram("size").unit("bytes").record(1000);
    logger.send_histogram("signed", -3);
    logger.send_histogram("signed", 0);
    logger.send_histogram("signed", 3);
    cache.flush();
    let text = cache.handle.text();
    let families = parse(&text).unwrap();

    let up = &families["prom_kinds_only_up_total"];
    assert_eq!((up.kind.as_str(), up.help.as_str()), ("counter", "Goes up.\nBack\\slash"));
    assert_eq!(up.value("prom_kinds_only_up_total", &[]), Some(5.0));
    assert!(!families.contains_key("prom_kinds_only_up_decrements_total"));
    assert_eq!(families["prom_kinds_both_total"].value("prom_kinds_both_total", &[("way", "both")]), Some(5.0));
    let down = &families["prom_kinds_both_decrements_total"];
    assert_eq!(down.value("prom_kinds_both_decrements_total", &[("way", "both")]), Some(7.0));
    assert_eq!(down.samples.len(), 1);
    assert_eq!(families["prom_kinds_g"].help, "The gauge prom.kinds.g.");
    assert_eq!(families["prom_kinds_g"].value("prom_kinds_g", &[]), Some(0.25));
    assert_eq!(families["prom_kinds_without_logger"].help, "The gauge prom.kinds.without_logger.");
    assert_eq!(families["prom_kinds_busy"].value("prom_kinds_busy", &[]), Some(1.0));

    let timer = &families["prom_kinds_t_seconds"];
    let bucket = |le| timer.value("prom_kinds_t_seconds_bucket", &[("le", le)]);
    assert_eq!(
        (bucket("0.0025"), bucket("0.005"), bucket("10"), bucket("+Inf")),
        (Some(0.0), Some(1.0), Some(1.0), Some(2.0))
    );
    assert_eq!(timer.value("prom_kinds_t_seconds_count", &[]), Some(2.0));
    let sum = timer.value("prom_kinds_t_seconds_sum", &[]).unwrap();
    assert!((sum - 20.003).abs() < 1e-9);

    let size = &families["prom_kinds_size_bytes"];
    assert_eq!(size.value("prom_kinds_size_bytes_bucket", &[("le", "512")]), Some(0.0));
    assert_eq!(size.value("prom_kinds_size_bytes_bucket", &[("le", "1024")]), Some(1.0));
    assert_eq!(size.value("prom_kinds_size_bytes_sum", &[]), Some(1000.0));
    let signed = &families["prom_kinds_signed"];
    assert_eq!(signed.value("prom_kinds_signed_sum", &[]), None);
    let buckets: Vec<_> = signed.samples.iter().filter(|s| s.name.ends_with("_bucket")).collect();
    let got: Vec<_> = buckets.iter().map(|s| (s.labels[0].1.as_str(), s.value)).collect();
    assert_eq!(got, [("-2", 1.0), ("2", 2.0), ("4", 3.0), ("+Inf", 3.0)]);

    // Rendered once for each generation, however many ask.
    let first = |cache: &Cache| cache.handle.exposition(Format::Text, &Filter::default()).next().unwrap();
    let (one, two) = (first(&cache), first(&cache));
    assert_eq!(one.as_ptr(), two.as_ptr());
    cache.flush();
    assert_ne!(one.as_ptr(), first(&cache).as_ptr());
    let names: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("# TYPE ")).collect();
    assert!(names.len() >= 8);
}

#[test]
fn the_first_family_keeps_its_name() {
    let cache = Cache::install(NEVER);
    cache.flush();
    let before = cache.handle.left_out();
    let logger = get_logger("first");
    logger.send_counter("a.b", 1);
    logger.send_counter("a_b", 2); // a.b in Prometheus
    logger.send_gauge("a.b.total", 3); // a sample of the counter
    logger.send_timer("t", Duration::from_millis(1));
    logger.send_gauge("t.seconds.count", 4); // a sample of the timer
    logger.send_gauge("z.count", 5);
    logger.send_histogram("z", 1); // would have a sample like the gauge
    logger.with("le", "1").send_histogram("le", 1);
    logger.with("x", "").send_gauge("empty", 6);
    logger.send_gauge("empty", 7); // the same to Prometheus
    cache.flush();
    let families = parse(&cache.handle.text()).unwrap();
    assert_eq!(families["first_a_b_total"].value("first_a_b_total", &[]), Some(1.0));
    assert_eq!(families["first_a_b_total"].samples.len(), 1);
    assert_eq!(families["first_t_seconds"].kind, "histogram");
    assert_eq!(families["first_z_count"].value("first_z_count", &[]), Some(5.0));
    assert!(!families.contains_key("first_z"));
    assert_eq!(families["first_le"].value("first_le_count", &[("le_", "1")]), Some(1.0));
    assert_eq!(families["first_empty"].value("first_empty", &[]), Some(6.0));
    assert_eq!(cache.handle.left_out().refused - before.refused, 5);
    // Each stands in the account.
    let ledger = cache.remove();
    assert_eq!(ledger.dropped[Cause::Collision], Amount::new(5).with_value(2, 0));
}

#[test]
fn buckets_hold_what_was_recorded() {
    let cache = Cache::install(NEVER);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 100,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let case = std::cell::Cell::new(0);
    let value = prop_oneof![
        -100.0..100.0f64,
        prop::sample::select(vec![0.0, 1.0, -1.0, 2.0, 1e300, -1e300, f64::MIN_POSITIVE, 1e13, 2f64.powi(44)]),
        any::<f64>().prop_filter("finite", |v| v.is_finite()),
    ];
    let input = (prop::collection::vec(value, 1..40), prop::collection::vec(0..40_000_000_000u64, 1..40));
    let checked = runner.run(&input, |(values, nanos)| {
        case.set(case.get() + 1);
        let logger = get_logger(&format!("b{}", case.get()));
        values.iter().for_each(|v| logger.send_histogram("h", *v));
        nanos.iter().for_each(|n| logger.send_timer("t", Duration::from_nanos(*n)));
        ferrometer_core::flush(common::SOON);
        let families = parse(&cache.handle.text()).map_err(TestCaseError::fail)?;
        let seconds: Vec<f64> = nanos.iter().map(|n| *n as f64 / 1e9).collect();
        for (name, values) in [("h", &values), ("t_seconds", &seconds)] {
            let name = format!("b{}_{name}", case.get());
            for sample in families[&name].samples.iter().filter(|s| s.name.ends_with("_bucket")) {
                let le: f64 = sample.labels[0].1.replace("+Inf", "inf").parse().unwrap();
                // Never more than there are, and at most the 12.5 % below the bound less.
                let margin = le.abs() / 8.0 + 1e-6;
                let most = values.iter().filter(|v| **v <= le).count() as f64;
                let least = values.iter().filter(|v| **v < le - margin).count() as f64;
                prop_assert!(sample.value <= most, "{le}: {} of {most}", sample.value);
                prop_assert!(le > 1e13 && le.is_finite() || sample.value >= least, "{le}: {} of {least}", sample.value);
            }
        }
        Ok(())
    });
    checked.unwrap();
}

#[test]
fn the_parser_is_strict() {
    for bad in [
        "x 1",
        "x 1\n",
        "# TYPE x gauge\nx 1\n",
        "# HELP x y\n# TYPE x gauge\n",
        "# HELP x y\n# TYPE x gauge\nx{a=\"1\",a=\"2\"} 1\n",
        "# HELP x y\n# TYPE x gauge\nx 1\nx 1\n",
        "# HELP x y\n# TYPE x gauge\nx{a=\"\\t\"} 1\n",
        "# HELP x y\n# TYPE x gauge\nx NaN\n",
        "# HELP x y\n# TYPE x histogram\nx_bucket{le=\"1\"} 2\nx_bucket{le=\"+Inf\"} 1\nx_count 1\n",
        "# HELP x y\n# TYPE x histogram\nx_bucket{le=\"+Inf\"} 1\nx_count 2\n",
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}
