//! Reads equal totals in every format back, by strict parsers.

mod common;

use common::nasty::NASTY;
use common::protobuf::MetricFamily;
use common::{Cache, Labels, NEVER, Sample, openmetrics, parse, protobuf};
use ferrometer_core::{Unit, get_logger};
use ferrometer_prometheus::{Filter, Format, Prometheus, PrometheusHandle, Scrape, Settings};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn text(handle: &PrometheusHandle, format: Format) -> String {
    String::from_utf8(handle.exposition(format, &Filter::default()).collect_bytes()).unwrap()
}

fn messages(handle: &PrometheusHandle) -> Vec<MetricFamily> {
    protobuf::parse(&handle.exposition(Format::Protobuf, &Filter::default()).collect_bytes()).unwrap()
}

/// Samples by name and labels, `le` as a number.
fn by_key<'s>(samples: impl Iterator<Item = &'s Sample>) -> BTreeMap<(String, Labels), f64> {
    let key = |sample: &Sample| {
        let le = |(k, v): &(String, String)| {
            let is_bound = k == "le" && v != "+Inf";
            (k.clone(), if is_bound { format!("{:?}", v.parse::<f64>().unwrap()) } else { v.clone() })
        };
        let mut labels: Labels = sample.labels.iter().map(le).collect();
        labels.sort();
        (sample.name.clone(), labels)
    };
    samples.map(|sample| (key(sample), sample.value)).collect()
}

/// The samples that a message stands for.
fn samples(family: &MetricFamily) -> Vec<Sample> {
    let name = family.name.clone().unwrap();
    let mut out = Vec::new();
    for metric in &family.metric {
        let labels: Labels = metric.label.iter().map(|l| (l.name.clone().unwrap(), l.value.clone().unwrap())).collect();
        let mut push = |suffix: &str, le: Option<String>, value: f64| {
            let mut labels = labels.clone();
            labels.extend(le.map(|le| ("le".to_owned(), le)));
            out.push(Sample { name: format!("{name}{suffix}"), labels, value });
        };
        if let Some(counter) = &metric.counter {
            push("", None, counter.value.unwrap());
        } else if let Some(gauge) = &metric.gauge {
            push("", None, gauge.value.unwrap());
        } else {
            let histogram = metric.histogram.as_ref().unwrap();
            for bucket in &histogram.bucket {
                push("_bucket", Some(bucket.upper_bound.unwrap().to_string()), bucket.cumulative_count.unwrap() as f64);
            }
            push("_bucket", Some("+Inf".into()), histogram.sample_count.unwrap() as f64);
            push("_count", None, histogram.sample_count.unwrap() as f64);
            histogram.sample_sum.into_iter().for_each(|sum| push("_sum", None, sum));
        }
    }
    out
}

/// All formats say the same, as far as they can say it.
fn agree(handle: &PrometheusHandle) -> Result<(), String> {
    let plain = parse(&text(handle, Format::Text))?;
    let open = openmetrics::parse(&text(handle, Format::OpenMetrics))?;
    let decoded = protobuf::parse(&handle.exposition(Format::Protobuf, &Filter::default()).collect_bytes())?;

    let all_plain = by_key(plain.values().flat_map(|f| &f.samples));
    let all_open = by_key(open.values().flat_map(|f| &f.samples).filter(|s| !s.name.ends_with("_created")));
    for (key, value) in &all_open {
        if all_plain.get(key) != Some(value) {
            return Err(format!("{key:?} {value} in OpenMetrics, {:?} in the text", all_plain.get(key)));
        }
    }
    // OpenMetrics has no count without a sum, and no sum beside negative bounds.
    for key in all_plain.keys().filter(|key| !all_open.contains_key(*key) && !key.0.ends_with("_created")) {
        if !key.0.ends_with("_count") && !key.0.ends_with("_sum") {
            return Err(format!("{key:?} is not in OpenMetrics"));
        }
    }
    let in_messages: Vec<Sample> = decoded.iter().flat_map(samples).collect();
    let in_messages = by_key(in_messages.iter());
    for (key, value) in &all_plain {
        // Floats have 53 bits, text has all digits.
        if in_messages.get(key) != Some(value) {
            return Err(format!("{key:?} {value} in the text, {:?} in protobuf", in_messages.get(key)));
        }
    }
    if decoded.len() != plain.len() || in_messages.keys().any(|k| !all_plain.contains_key(k) && !k.0.ends_with("_sum"))
    {
        return Err("protobuf has something that the text has not".into());
    }
    for family in &decoded {
        let name = family.name.as_deref().unwrap();
        if family.help.as_deref() != Some(plain[name].help.as_str()) {
            return Err(format!("{name}: {:?} and {:?}", family.help, plain[name].help));
        }
        for histogram in family.metric.iter().filter_map(|m| m.histogram.as_ref()) {
            let counts = histogram.native_counts();
            if counts.iter().map(|(_, n)| n).sum::<u64>() != histogram.sample_count.unwrap() {
                return Err(format!("{name}: {histogram:?}"));
            }
        }
    }
    Ok(())
}

#[test]
fn each_kind_in_each_format() {
    let cache = Cache::install(NEVER);
    let logger = get_logger("fmt.kinds");
    logger.describe("depth", Unit::Bytes, "Bytes \"waiting\",\\ in\nlines.");
    logger.describe("sent", Unit::Bytes, "");
    logger.send_gauge("depth", 12.5);
    logger.with("to", "a\"b\\c\nd").send_counter("sent", 5);
    logger.with("to", "b").send_counter("sent", -2);
    logger.with("to", "c").sampled(0.5).send_counter("rate", 0);
    [0, 1, 7, 1_000_000, 3_000_000_000].iter().for_each(|n| logger.send_timer("t", Duration::from_nanos(*n)));
    [-5.0, 0.0, 3.0].iter().for_each(|v| logger.with("sign", "both").send_histogram("h", *v));
    logger.with("sign", "plus").send_histogram("h", 4);
    cache.flush();
    agree(&cache.handle).unwrap();

    let open = openmetrics::parse(&text(&cache.handle, Format::OpenMetrics)).unwrap();
    let depth = &open["fmt_kinds_depth_bytes"];
    assert_eq!((depth.kind.as_str(), depth.unit.as_str()), ("gauge", "bytes"));
    assert_eq!(depth.help.as_deref(), Some("Bytes \"waiting\",\\ in\nlines."));
    let sent = &open["fmt_kinds_sent_bytes"];
    assert_eq!((sent.kind.as_str(), sent.unit.as_str()), ("counter", "bytes"));
    assert_eq!(open["fmt_kinds_sent_bytes_decrements"].samples[0].value, 2.0);
    assert_eq!(open["fmt_kinds_t_seconds"].unit, "seconds");

    let decoded = messages(&cache.handle);
    let family = |name: &str| decoded.iter().find(|f| f.name.as_deref() == Some(name)).unwrap();
    let sent = family("fmt_kinds_sent_bytes_total");
    assert_eq!((sent.r#type, sent.unit.as_deref()), (Some(0), Some("bytes")));
    assert_eq!(sent.metric[0].label[0].value.as_deref(), Some("a\"b\\c\nd"));
    let timer = family("fmt_kinds_t_seconds").metric[0].histogram.as_ref().unwrap();
    assert_eq!((timer.schema, timer.zero_count, timer.sample_count), (Some(5), Some(1), Some(5)));
    assert!((timer.sample_sum.unwrap() - 3.001000008).abs() < 1e-9);
    let counted: Vec<(f64, u64)> = timer.native_counts().into_iter().filter(|(_, n)| *n > 0).collect();
    assert_eq!(counted.len(), 5);
    for ((upper, n), value) in counted.into_iter().zip([0.0, 1e-9, 7e-9, 1e-3, 3.0]) {
        assert!(n == 1 && upper >= value * 0.92 && upper <= value * 1.086, "{upper} {value}");
    }
    let both = &family("fmt_kinds_h").metric[0].histogram.as_ref().unwrap();
    assert_eq!(both.native_counts().iter().filter(|(upper, n)| *upper < 0.0 && *n > 0).count(), 1);
    cache.remove();
}

#[test]
fn times_of_creation_lie_before_what_was_counted_and_stay() {
    let cache = Cache::install(NEVER);
    let created = |name: &str| -> f64 {
        let open = openmetrics::parse(&text(&cache.handle, Format::OpenMetrics)).unwrap();
        open[name].samples.iter().find(|s| s.name.ends_with("_created")).unwrap().value
    };
    get_logger("born").send_counter("early", 1);
    cache.flush();
    let early = created("born_early");
    std::thread::sleep(Duration::from_millis(20));
    cache.flush();
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    get_logger("born").send_counter("late", 1);
    get_logger("born").send_timer("timer", Duration::from_millis(1));
    cache.flush();
    cache.flush();
    let late = created("born_late");
    assert!(early < late && late <= before && late > before - 60.0, "{early} {late} {before}");
    assert_eq!((created("born_early"), created("born_timer_seconds")), (early, late));
    let decoded = messages(&cache.handle);
    let family = decoded.iter().find(|f| f.name.as_deref() == Some("born_late_total")).unwrap();
    let stamp = family.metric[0].counter.as_ref().unwrap().created_timestamp.as_ref().unwrap();
    assert!((stamp.seconds as f64 + f64::from(stamp.nanos) / 1e9 - late).abs() < 1e-6);
}

#[test]
fn a_counter_whose_names_are_taken_in_openmetrics_is_still_there() {
    let cache = Cache::install(NEVER);
    let logger = get_logger("clash");
    logger.send_counter("user", 1);
    logger.send_counter("user.created", 2); // `user_created` is of the counter `user`
    logger.send_counter("queue", 3);
    logger.send_gauge("queue", 4); // the family `queue` is the gauge's
    logger.send_timer("t", Duration::from_millis(1));
    logger.send_counter("t.seconds.count", 5); // of the histogram
    cache.flush();
    agree(&cache.handle).unwrap();
    let open = openmetrics::parse(&text(&cache.handle, Format::OpenMetrics)).unwrap();
    for (family, kind, value) in [
        ("clash_user", "counter", 1.0),
        ("clash_user_created_total", "unknown", 2.0),
        ("clash_queue_total", "unknown", 3.0),
        ("clash_queue", "gauge", 4.0),
        ("clash_t_seconds_count_total", "unknown", 5.0),
    ] {
        assert_eq!((open[family].kind.as_str(), open[family].samples[0].value), (kind, value), "{family}");
    }
    // In the text they all have their types.
    let plain = parse(&text(&cache.handle, Format::Text)).unwrap();
    assert_eq!((plain["clash_queue_total"].kind.as_str(), plain["clash_queue"].kind.as_str()), ("counter", "gauge"));
}

#[test]
fn a_filter_leaves_whole_families() {
    let cache = Cache::install(NEVER);
    let logger = get_logger("filter");
    logger.with("l", "1").send_counter("c", 3);
    logger.with("l", "2").send_counter("c", -1);
    logger.send_timer("t", Duration::from_millis(1));
    logger.send_gauge("g", 1);
    cache.flush();
    let names = |filter: &[&str]| -> Vec<String> {
        let filter: Filter = filter.iter().copied().collect();
        let of = |format| cache.handle.exposition(format, &filter).collect_bytes();
        let open = openmetrics::parse(std::str::from_utf8(&of(Format::OpenMetrics)).unwrap()).unwrap();
        let decoded = protobuf::parse(&of(Format::Protobuf)).unwrap();
        let plain = parse(std::str::from_utf8(&of(Format::Text)).unwrap()).unwrap();
        assert_eq!((decoded.len(), plain.len()), (open.len(), open.len()));
        open.into_keys().collect()
    };
    assert_eq!(names(&["filter_c_total"]), ["filter_c"]);
    assert_eq!(names(&["filter_c", "filter_g"]), ["filter_c", "filter_g"]);
    assert_eq!(names(&["filter_c_decrements_total"]), ["filter_c_decrements"]);
    assert_eq!(names(&["filter_t_seconds_count"]), ["filter_t_seconds"]);
    assert_eq!(names(&["filter_t_seconds", "filter_t"]), ["filter_t_seconds"]);
    assert!(names(&["filter", "filter_c_tot", "FILTER_G"]).is_empty());
    if cfg!(target_os = "linux") {
        assert_eq!(names(&["process_cpu_seconds_total"]), ["process_cpu_seconds"]);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn the_process_shows_itself_unless_told_not_to_and_gives_way() {
    let cache = Cache::install(NEVER);
    cache.flush();
    let shown = |handle: &PrometheusHandle| {
        let plain = parse(&text(handle, Format::Text)).unwrap();
        plain.into_iter().filter(|(_, f)| f.help.contains("process") || f.help.contains(" CPU time ")).count()
    };
    let plain = parse(&text(&cache.handle, Format::Text)).unwrap();
    for name in ["cpu_seconds_total", "open_fds", "max_fds", "virtual_memory_bytes", "virtual_memory_max_bytes"] {
        assert!(plain[&format!("process_{name}")].samples[0].value >= 0.0);
    }
    for name in ["resident_memory_bytes", "start_time_seconds", "threads"] {
        assert!(plain[&format!("process_{name}")].samples[0].value >= 1.0);
    }
    let quiet = Prometheus::new(Settings::default().process_metrics(false));
    assert_eq!(shown(&quiet.handle()), 0);

    // A program's own metric of such a name is the one that is shown.
    let left_out = cache.handle.left_out();
    get_logger("process").send_gauge("open.fds", -7);
    get_logger("process").send_counter("cpu", 3);
    get_logger("process").send_timer("cpu", Duration::from_secs(3)); // process_cpu_seconds, whose names the other would need
    cache.flush();
    agree(&cache.handle).unwrap();
    let plain = parse(&text(&cache.handle, Format::Text)).unwrap();
    assert_eq!(plain["process_open_fds"].samples[0].value, -7.0);
    assert!(!plain.contains_key("process_cpu_seconds_total") && plain["process_cpu_seconds"].kind == "histogram");
    assert!(plain.contains_key("process_threads") && cache.handle.left_out() == left_out);
}

#[test]
fn a_fresh_scrape_needs_no_generation_and_nothing_falls() {
    let cache = Cache::install(NEVER);
    let fresh = Prometheus::new(Settings::default().scrape(Scrape::Fresh)).handle();
    let counter = get_logger("fresh").counter("c");
    let value = |handle: &PrometheusHandle| {
        parse(&text(handle, Format::Text)).unwrap()["fresh_c_total"].value("fresh_c_total", &[]).unwrap()
    };
    for n in 1..=20 {
        counter.increment();
        assert_eq!(value(&fresh), f64::from(n));
    }
    // Before the first generation it is the moment's totals; then those of the generation.
    assert_eq!(value(&cache.handle), 20.0);
    cache.flush();
    counter.increment();
    assert_eq!((value(&cache.handle), value(&fresh)), (20.0, 21.0));

    // Slow readers, each with an exposition of its own: no more than eight.
    let slow: Vec<_> = (0..50)
        .map(|_| {
            counter.increment();
            let mut pieces = fresh.exposition(Format::Text, &Filter::default());
            (pieces.next().unwrap(), pieces)
        })
        .collect();
    assert!(value(&fresh) < 40.0);
    drop(slow);
    assert_eq!(value(&fresh), 71.0);
}

#[test]
fn readers_share_what_is_rendered_and_a_slow_one_reads_on() {
    let cache = Cache::install(NEVER);
    let logger = get_logger("shared");
    for i in 0..5000 {
        logger.with("id", &format!("{i:05}{}", "x".repeat(60))).send_counter("c", 1);
    }
    cache.flush();
    for format in [Format::Text, Format::OpenMetrics, Format::Protobuf] {
        let all = |handle: &PrometheusHandle| handle.exposition(format, &Filter::default()).collect::<Vec<_>>();
        let (one, two) = (all(&cache.handle), all(&cache.handle));
        assert!(one.len() > 5 && one.iter().all(|piece| !piece.is_empty() && piece.len() < 300_000), "{format}");
        let same = one.iter().zip(&two).filter(|(a, b)| a.as_ptr() == b.as_ptr()).count();
        assert!(same + 1 >= one.len(), "{format}: {same} of {}", one.len());

        // The reader that began before gets the totals it began with.
        let mut slow = cache.handle.exposition(format, &Filter::default());
        let first = slow.next().unwrap().to_vec();
        logger.send_counter("c", 1);
        cache.flush();
        let rest = slow.fold(first, |mut all, piece| {
            all.extend_from_slice(&piece);
            all
        });
        let before: Vec<u8> = one.iter().flat_map(|piece| piece.to_vec()).collect();
        assert!(rest == before, "{format}");
    }
    agree(&cache.handle).unwrap();
    cache.remove();
}

/// Names and texts with everything that means something to some format.
fn hostile() -> impl Strategy<Value = String> {
    let nasty = prop::sample::select(NASTY);
    prop::collection::vec(prop_oneof![4 => nasty.prop_map(str::to_owned), 1 => any::<String>()], 0..3)
        .prop_map(|parts| parts.concat())
}

#[test]
fn whatever_names_labels_and_texts_hold_all_formats_hold_and_agree() {
    let cache = Cache::install(NEVER);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 50,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let labels = prop::collection::btree_map(hostile(), hostile(), 0..4);
    let values = prop::collection::vec(any::<f64>(), 1..6);
    let rate = prop::sample::select(vec![1.0, 0.3]);
    let input = (hostile(), hostile(), labels, hostile(), hostile(), values, any::<i16>(), rate);
    let checked = runner.run(&input, |(logger, name, labels, unit, help, values, count, rate)| {
        let plain = get_logger(&logger);
        let unit: &'static str = Box::leak(unit.into_boxed_str());
        plain.describe(&name, Unit::Other(unit), &help);
        let logger = labels.iter().fold(plain, |l, (k, v)| l.with(k, v));
        logger.send_counter(name.clone(), count);
        logger.send_gauge(name.clone(), values[0]);
        logger.send_timer(name.clone(), Duration::from_nanos(values[0].to_bits() >> 20));
        (0..20).for_each(|_| {
            logger.sampled(rate).send_timer(name.clone(), Duration::from_micros(count.unsigned_abs().into()))
        });
        values.iter().for_each(|v| logger.send_histogram(name.clone(), *v));
        ferrometer_core::flush(common::SOON);
        agree(&cache.handle).map_err(TestCaseError::fail)
    });
    checked.unwrap();
    cache.remove();
}

#[test]
fn the_parser_of_openmetrics_is_strict() {
    for bad in [
        "",
        "# EOF",
        "# HELP x y\n# TYPE x gauge\nx 1\n",
        "# HELP x y\n# TYPE x gauge\nx 1\n\n# EOF\n",
        "# TYPE x gauge\nx 1\n# EOF\n",
        "# HELP x a\"b\n# TYPE x gauge\nx 1\n# EOF\n",
        "# HELP x y\n# TYPE x gauge\nx 1\nx 1\n# EOF\n",
        "# HELP x y\n# TYPE x counter\nx 1\n# EOF\n",
        "# HELP x y\n# TYPE x counter\nx_total 1\n# EOF\n",
        "# HELP x y\n# TYPE x gauge\n# UNIT x bytes\nx 1\n# EOF\n",
        "# HELP x y\n# TYPE x counter\nx_total 1\nx_created 1700000000\n# HELP x_total y\n# TYPE x_total gauge\nx_total 1\n# EOF\n",
        "# HELP x y\n# TYPE x histogram\nx_bucket{le=\"1\"} 1\nx_bucket{le=\"+Inf\"} 1\nx_created 1700000000\n# EOF\n",
        "# HELP x y\n# TYPE x histogram\nx_bucket{le=\"+Inf\"} 1\nx_count 1\nx_created 1700000000\n# EOF\n",
    ] {
        assert!(openmetrics::parse(bad).is_err(), "{bad}");
    }
}
