//! Reads the wire: for any names, labels and values, every datagram is within its size and a strict parser of the dialect reads back exactly
//! what was recorded, with the names the gate lets through.
//!
//! One strict parser and its oracle judge every case here, so the file is longer than others.

mod support;

use ferrometer_core::{Cause, Limits, Logger, Naming, flush, get_logger, install, remove};
use ferrometer_statsd::{Dialect, Settings, Statsd};
use ferrometer_testkit::{NEVER, SOON};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::time::Duration;
use support::{Receiver, Sample, alone, counters, full};

fn install_to(receiver: &Receiver, max: usize) {
    // State that is told again is not what was recorded.
    let settings = Settings::udp("127.0.0.1", receiver.port()).state_interval(Duration::ZERO);
    let settings = settings.dialect(receiver.dialect).max_datagram(max);
    install("statsd", Box::new(Statsd::new(settings)), NEVER).unwrap();
}

/// Returns a dotted name after the gate, by an implementation of the tests' own.
fn gated(name: &str) -> String {
    let part =
        |p: &str| p.chars().map(|c| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '_' }).collect();
    name.split('.').filter(|p| !p.is_empty()).map(part).collect::<Vec<String>>().join(".")
}

/// A mark: the published hash FNV-1a, said a second time.
fn marked(replaced: String, value: &str) -> String {
    if replaced == value {
        return replaced;
    }
    let hash = value.bytes().fold(2_166_136_261u32, |hash, b| (hash ^ u32::from(b)).wrapping_mul(16_777_619));
    format!("{replaced}-{hash:08x}")
}

/// Returns a label's value on the wire, by the documents of the format.
fn label_value(dialect: Dialect, key: &str, value: &str) -> String {
    let replace = |max: usize, stays: &dyn Fn(char) -> bool| {
        let fits = value.chars().count() <= max && value.chars().all(stays);
        let room = if fits { max } else { max.saturating_sub(9) };
        let replaced = value.chars().take(room).map(|c| if stays(c) { c } else { '_' }).collect();
        marked(replaced, value)
    };
    match dialect {
        Dialect::DogStatsD | Dialect::Tagged => {
            replace(199 - key.len(), &|c| c.is_alphanumeric() || "_-:./".contains(c))
        }
        Dialect::Telegraf => replace(usize::MAX, &|c| !",:|=".contains(c) && !c.is_whitespace() && !c.is_control()),
        _ => replace(usize::MAX, &|c| c.is_ascii_alphanumeric() || "_-".contains(c)),
    }
}

#[derive(Clone, Debug)]
enum Op {
    Count(i64),
    Gauge(f64),
    Time(u64),
    Histogram(f64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        any::<i32>().prop_map(|v| Op::Count(v.into())),
        prop_oneof![-1e9..1e9, Just(-0.5), Just(0.0), Just(1e-9), Just(1e300)].prop_map(Op::Gauge),
        (0..100_000_000_000u64).prop_map(Op::Time),
        (-1e3..1e6f64).prop_map(Op::Histogram),
    ]
}

/// Names as an attacker would choose them.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z.]{1,12}",
        r"[a-z:|@#,=\n\r.; \x00/é-]{1,24}",
        any::<String>().prop_map(|s| s.chars().take(40).collect()),
        "x{490,530}",
    ]
}

fn dialect() -> impl Strategy<Value = Dialect> {
    prop::sample::select(vec![
        Dialect::Etsy,
        Dialect::DogStatsD,
        Dialect::Telegraf,
        Dialect::Gnocchi,
        Dialect::Collectd,
        Dialect::Plain,
        Dialect::Tagged,
    ])
}

#[derive(Default, Debug, PartialEq)]
struct Truth {
    counters: BTreeMap<String, i128>,
    gauges: BTreeMap<String, f64>,
    values: BTreeMap<String, Vec<f64>>,
}

impl Truth {
    fn of(samples: &[Sample]) -> Truth {
        let mut truth = Truth { counters: counters(samples), ..Truth::default() };
        truth.counters.retain(|_, v| *v != 0);
        for s in samples {
            let value: f64 = s.value.parse().unwrap();
            match s.kind.as_str() {
                "g" => drop(truth.gauges.insert(full(s), value)),
                "ms" | "h" => truth.values.entry(full(s)).or_default().push(value),
                _ => {}
            }
        }
        truth.values.values_mut().for_each(|v| v.sort_by(f64::total_cmp));
        truth
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_recorded_is_read_back_exactly(
        dialect in dialect(),
        max in 64usize..2000,
        metrics in prop::collection::vec((hostile(), prop::option::of(("[a-z]{1,8}", hostile())), prop::collection::vec(op(), 1..12)), 1..8),
    ) {
        static CASE: AtomicU64 = AtomicU64::new(0);
        let _alone = alone();
        let case = CASE.fetch_add(1, SeqCst);
        let mut receiver = Receiver::new(dialect);
        install_to(&receiver, max);
        let mut truth = Truth::default();
        let mut lost = 0u64;
        let mut recorded = 0u64;
        let has_tags = matches!(dialect, Dialect::DogStatsD | Dialect::Telegraf | Dialect::Tagged);
        for (i, (metric, label, ops)) in metrics.iter().enumerate() {
            // Unlike names stay unlike behind the gate, and unlike those of other cases.
            let base = get_logger(&format!("case{case}.m{i}"));
            let logger: Logger = label.as_ref().map_or(base.clone(), |(k, v)| base.with(k, v));
            let mut name = gated(&format!("case{case}.m{i}.{metric}"));
            if let Some((key, value)) = label {
                let value = label_value(dialect, key, value);
                match dialect {
                    _ if value.is_empty() && has_tags => {}
                    _ if has_tags => name = format!("{name} {key}={value}"),
                    _ if value.is_empty() => name = format!("{name}.{key}"),
                    _ => name = format!("{name}.{key}.{value}"),
                }
            }
            // Kinds get names of their own: `x` as timer and as histogram is a collision.
            for op in ops {
                recorded += 1;
                let kind = match op { Op::Count(_) => "c", Op::Gauge(_) => "g", Op::Time(_) => "t", Op::Histogram(_) => "h" };
                let logger = logger.child(kind);
                let name = name.replacen(&format!(".m{i}"), &format!(".m{i}.{kind}"), 1);
                let room = |value: String, pair: bool| {
                    let (plain, tags) = name.split_once(' ').map_or((name.as_str(), None), |(n, t)| (n, Some(t)));
                    let tagged = match (tags, dialect) {
                        (Some(t), Dialect::DogStatsD | Dialect::Tagged) => t.len() + 2,
                        (Some(t), _) => t.len() + 1,
                        (None, _) => 0,
                    };
                    let kind = match (kind, dialect) { ("t", _) => 2, ("h", Dialect::Etsy | Dialect::Gnocchi | Dialect::Collectd | Dialect::Plain) => 2, _ => 1 };
                    let line = plain.len() + tagged + 1 + value.len() + 1 + kind;
                    let line = if pair { 2 * line + 1 - (value.len() - 1) } else { line };
                    let named = plain.len() + if dialect == Dialect::Telegraf { tagged } else { 0 };
                    named <= 512 && line <= max
                };
                match op {
                    Op::Count(v) => {
                        logger.send_counter(metric.clone(), *v);
                        *truth.counters.entry(name.clone()).or_default() += i128::from(*v);
                    }
                    Op::Gauge(v) => {
                        logger.send_gauge(metric.clone(), *v);
                        let pair = *v < 0.0 && !matches!(dialect, Dialect::DogStatsD | Dialect::Gnocchi);
                        if room(format!("{v}"), pair) { truth.gauges.insert(name, *v); } else { truth.gauges.remove(&name); }
                    }
                    Op::Time(v) => {
                        logger.send_timer(metric.clone(), Duration::from_nanos(*v));
                        let millis = format!("{}.{:06}", v / 1_000_000, v % 1_000_000);
                        let shown = millis.trim_end_matches('0').trim_end_matches('.').to_owned();
                        if room(shown, false) { truth.values.entry(name).or_default().push(millis.parse().unwrap()); } else { lost += 1; }
                    }
                    Op::Histogram(v) => {
                        logger.send_histogram(metric.clone(), *v);
                        let negative = *v < 0.0 && matches!(dialect, Dialect::Etsy | Dialect::Collectd | Dialect::Plain | Dialect::Telegraf);
                        if room(format!("{v}"), false) && !negative { truth.values.entry(name).or_default().push(*v); } else { lost += 1; }
                    }
                }
            }
        }
        let report = flush(SOON);
        let samples = receiver.samples();
        let ledger = remove("statsd", SOON).unwrap();
        prop_assert!(receiver.largest <= max, "{} > {max}", receiver.largest);
        prop_assert!(ledger.balances(), "{ledger}");
        prop_assert_eq!(ledger.recorded.recordings, recorded);
        prop_assert!(report.complete, "{ledger}");
        let mut found = Truth::of(&samples);
        // A sum that does not fit its datagram is dropped as too large, and so is a name that is too long: both are in the account.
        let fits = |name: &String| found.counters.contains_key(name);
        truth.counters.retain(|name, sum| *sum != 0 && (fits(name) || name.len() + 14 < max.min(512)));
        truth.values.values_mut().for_each(|v| v.sort_by(f64::total_cmp));
        truth.values.retain(|_, v| !v.is_empty());
        found.values.retain(|_, v| !v.is_empty());
        prop_assert_eq!(&found, &truth);
        let refused = [Cause::TooLarge, Cause::Name, Cause::Invalid].iter().map(|c| ledger.dropped[*c].recordings).sum::<u64>();
        prop_assert!(refused >= lost, "{refused} {lost} {ledger}");
        prop_assert_eq!(ledger.dropped_in_all().recordings, refused);
    }
}

fn send_and_read(dialect: Dialect, max: usize, record: impl FnOnce(&Logger)) -> String {
    let _alone = alone();
    let receiver = Receiver::new(dialect);
    install_to(&receiver, max);
    record(&get_logger("app"));
    assert!(flush(SOON).complete);
    let ledger = remove("statsd", SOON).unwrap();
    assert!(ledger.balances(), "{ledger}");
    let mut buffer = [0; 65536];
    let mut all = Vec::new();
    while let Ok(len) = receiver.socket.recv(&mut buffer) {
        let text = std::str::from_utf8(&buffer[..len]).unwrap();
        support::parse(dialect, &buffer[..len]).unwrap();
        let lines: Vec<&str> = text.lines().filter(|l| !l.starts_with("ferrometer.")).collect();
        if !lines.is_empty() {
            all.push(lines.join("\n"));
        }
    }
    all.join("\n--\n")
}

#[test]
fn an_object_is_the_first_of_the_labels() {
    let record = |suffix: &str| {
        let suffix = suffix.to_owned();
        move |app: &Logger| app.child(&suffix).with("a", "b").for_object("qemu/100").send_counter("hits", 3)
    };
    for (dialect, suffix, expected) in [
        (Dialect::Etsy, "oe", "app.oe.hits.object.qemu_100.a.b:3|c"),
        (Dialect::DogStatsD, "od", "app.od.hits:3|c|#object:qemu/100,a:b"),
        (Dialect::Telegraf, "ot", "app.ot.hits,object=qemu/100,a=b:3|c"),
        (Dialect::Gnocchi, "on", "app.on.hits.object.qemu_100.a.b:3|c"),
    ] {
        assert_eq!(send_and_read(dialect, 1432, record(suffix)), expected);
    }
}

#[test]
fn each_dialect_byte_by_byte() {
    let record = |suffix: &str| {
        let suffix = suffix.to_owned();
        move |app: &Logger| {
            let app = app.child(&suffix).with("method", "GET").with("code", "4.04");
            app.send_counter("hits", 3);
            app.send_counter("hits", -5);
            app.send_gauge("depth", 1.5);
            app.send_gauge("below", -7);
            app.send_timer("took", Duration::from_nanos(125_400_001));
            app.send_timer("took", Duration::from_millis(2));
            app.send_histogram("rows", 12);
        }
    };
    assert_eq!(
        send_and_read(Dialect::Etsy, 1432, record("e")),
        "app.e.hits.code.4_04-b6e6b523.method.GET:-2|c\n\
         app.e.depth.code.4_04-b6e6b523.method.GET:1.5|g\n\
         app.e.below.code.4_04-b6e6b523.method.GET:0|g\napp.e.below.code.4_04-b6e6b523.method.GET:-7|g\n\
         app.e.took.code.4_04-b6e6b523.method.GET:125.400001|ms:2|ms\n\
         app.e.rows.code.4_04-b6e6b523.method.GET:12|ms"
    );
    assert_eq!(
        send_and_read(Dialect::DogStatsD, 1432, record("d")),
        "app.d.hits:-2|c|#code:4.04,method:GET\n\
         app.d.depth:1.5|g|#code:4.04,method:GET\n\
         app.d.below:-7|g|#code:4.04,method:GET\n\
         app.d.took:125.400001:2|ms|#code:4.04,method:GET\n\
         app.d.rows:12|h|#code:4.04,method:GET"
    );
    assert_eq!(
        send_and_read(Dialect::Telegraf, 1432, record("t")),
        "app.t.hits,code=4.04,method=GET:-2|c\n\
         app.t.depth,code=4.04,method=GET:1.5|g\n\
         app.t.below,code=4.04,method=GET:0|g\napp.t.below,code=4.04,method=GET:-7|g\n\
         app.t.took,code=4.04,method=GET:125.400001|ms:2|ms\n\
         app.t.rows,code=4.04,method=GET:12|h"
    );
    assert_eq!(
        send_and_read(Dialect::Gnocchi, 1432, record("n")),
        "app.n.hits.code.4_04-b6e6b523.method.GET:-2|c\n\
         app.n.depth.code.4_04-b6e6b523.method.GET:1.5|g\n\
         app.n.below.code.4_04-b6e6b523.method.GET:-7|g\n\
         app.n.took.code.4_04-b6e6b523.method.GET:125.400001|ms\napp.n.took.code.4_04-b6e6b523.method.GET:2|ms\n\
         app.n.rows.code.4_04-b6e6b523.method.GET:12|ms"
    );
}

#[test]
fn sampled_values_carry_their_rate_in_the_protocols_form() {
    // Rates so near to 1 that a hit is all but certain: what matters here is what is written.
    let near = 1.0 - 1e-9;
    let record = |name: &'static str| {
        move |app: &Logger| {
            app.sampled(near).send_counter(name, 2);
            app.sampled(near).send_timer(name, Duration::from_millis(1));
            app.sampled(near).send_timer(name, Duration::from_millis(3));
        }
    };
    assert_eq!(
        send_and_read(Dialect::Etsy, 1432, record("se")),
        "app.se:2|c|@0.999999999\napp.se:1|ms|@0.999999999:3|ms|@0.999999999"
    );
    assert_eq!(
        send_and_read(Dialect::DogStatsD, 1432, record("sd")),
        "app.sd:2|c|@0.999999999\napp.sd:1:3|ms|@0.999999999"
    );
    // gnocchi-statsd loses a timer that has a rate.
    assert_eq!(
        send_and_read(Dialect::Gnocchi, 1432, record("sg")),
        "app.sg:2|c|@0.999999999\napp.sg:1|ms\napp.sg:3|ms"
    );
    // collectd would divide a duration by its rate.
    assert_eq!(
        send_and_read(Dialect::Collectd, 1432, record("sc")),
        "app.sc:2|c|@0.999999999\napp.sc:1|ms\napp.sc:3|ms"
    );
    assert_eq!(
        send_and_read(Dialect::Plain, 1432, record("sp")),
        "app.sp:2|c|@0.999999999\napp.sp:1|ms|@0.999999999\napp.sp:3|ms|@0.999999999"
    );
}

#[test]
fn lines_are_whole_and_a_negative_gauges_pair_is_never_parted() {
    let text = send_and_read(Dialect::Etsy, 64, |app| {
        for i in 0..20 {
            app.send_gauge(format!("pair{i}"), -1);
        }
        for i in 0..50u64 {
            app.send_timer("many", Duration::from_millis(100 + i));
        }
    });
    let datagrams: Vec<&str> = text.split("\n--\n").collect();
    assert!(datagrams.iter().all(|d| d.len() <= 64));
    for i in 0..20 {
        let pair = format!("app.pair{i}:0|g\napp.pair{i}:-1|g");
        assert_eq!(datagrams.iter().filter(|d| d.contains(&pair)).count(), 1, "{pair} in {text}");
    }
    let values = text.matches("|ms").count();
    assert_eq!(values, 50);
}

/// Enough for many full datagrams, which are handed over at once where the system can.
#[test]
fn thousands_of_values_arrive_one_by_one_and_unchanged() {
    for (dialect, max) in [
        (Dialect::Etsy, 1432),
        (Dialect::DogStatsD, 1432),
        (Dialect::Telegraf, 700),
        (Dialect::Gnocchi, 1432),
        (Dialect::Gnocchi, 64),
        (Dialect::Etsy, 40_000),
    ] {
        // A receiver that does not come to read loses datagrams, which its kernel counts: such a round says nothing.
        assert!((0..10).any(|_| thousands_arrive(dialect, max)), "{dialect:?} {max}: the receiver never came to read");
    }
}

/// `false` when the receiver's kernel dropped some.
fn thousands_arrive(dialect: Dialect, max: usize) -> bool {
    let _alone = alone();
    let receiver = Receiver::new(dialect);
    receiver.socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    install_to(&receiver, max);
    let (port, done) = (receiver.port(), std::sync::atomic::AtomicBool::new(false));
    let logger = get_logger("many").with("a", "b");
    let mut truth: Vec<String> = Vec::new();
    let samples = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut all, mut sizes, mut buffer) = (Vec::new(), Vec::new(), vec![0; 65536]);
            loop {
                match receiver.socket.recv(&mut buffer) {
                    Ok(len) => {
                        sizes.push(len);
                        all.extend(support::parse(dialect, &buffer[..len]).unwrap());
                    }
                    Err(_) if done.load(SeqCst) => return (all, sizes),
                    Err(_) => {}
                }
            }
        });
        // A first delivery finds the server there.
        logger.send_counter("before", 1);
        assert!(flush(SOON).complete);
        let (timer, histogram) = (logger.timer("t"), logger.histogram("h"));
        for i in 0..4000u64 {
            // With and without decimals, long and short.
            let nanos = [i * 1_000_000, i * 1000, i * 7_777_777, i][i as usize % 4];
            timer.record(Duration::from_nanos(nanos));
            let millis = format!("{}.{:06}", nanos / 1_000_000, nanos % 1_000_000);
            truth.push(millis.trim_end_matches('0').trim_end_matches('.').to_owned());
            if i % 5 == 0 {
                let value = i as f64 / 8.0;
                histogram.record(value);
                truth.push(value.to_string());
            }
            if i % 1000 == 999 {
                assert!(flush(SOON).complete, "{:?}", ferrometer_core::ledgers());
            }
        }
        done.store(true, SeqCst);
        reader.join().unwrap()
    });
    let ledger = remove("statsd", SOON).unwrap();
    assert!(ledger.balances() && ledger.merged == 0 && ledger.dropped.is_empty(), "port {port}: {ledger}");
    let (samples, sizes) = samples;
    assert!(sizes.iter().all(|size| *size <= max), "{sizes:?}");
    // Zeros at the end of a number mean nothing.
    let plain = |v: &str| {
        if v.contains('.') { v.trim_end_matches('0').trim_end_matches('.').to_owned() } else { v.to_owned() }
    };
    let values = samples.iter().filter(|s| s.name.starts_with("many") && s.kind != "c");
    let mut found: Vec<String> = values.map(|s| plain(&s.value)).collect();
    assert!(samples.iter().all(|s| s.rate.is_none()));
    found.sort();
    truth.sort();
    if found != truth && support::dropped_by_kernel(port) > 0 {
        return false;
    }
    assert!(found == truth, "{dialect:?} {max}: {} values instead of {}", found.len(), truth.len());
    let sent_bytes: usize = sizes.iter().sum();
    assert!(sent_bytes as u64 <= ledger.bytes, "{sent_bytes} {}", ledger.bytes);
    true
}

#[test]
fn values_merged_past_the_chunk_are_sent_with_their_weight() {
    let mut receiver = Receiver::new(Dialect::Etsy);
    let samples = {
        let _alone = alone();
        // The size of a thread's chunk depends on who had its cells before; the number of values held for the backend does not.
        ferrometer_core::configure(Naming::default(), Limits::default().max_held_values(1), vec![]);
        install_to(&receiver, 1432);
        std::thread::spawn(|| {
            let timer = get_logger("weights").timer("t");
            (0..10_000u64).for_each(|i| timer.record(Duration::from_micros(i)));
        })
        .join()
        .unwrap();
        assert!(flush(SOON).complete);
        let samples = receiver.samples();
        let ledger = remove("statsd", SOON).unwrap();
        assert!(ledger.balances() && ledger.merged > 0, "{ledger}");
        ferrometer_core::configure(Naming::default(), Limits::default(), vec![]);
        samples
    };
    // Etsy's statsd computes this: every value counts 1 ÷ rate.
    let count: f64 = samples.iter().map(|s| 1.0 / s.rate.as_deref().map_or(1.0, |r| r.parse::<f64>().unwrap())).sum();
    assert_eq!(count, 10_000.0);
    let weighted: f64 = samples
        .iter()
        .map(|s| s.value.parse::<f64>().unwrap() / s.rate.as_deref().map_or(1.0, |r| r.parse::<f64>().unwrap()))
        .sum();
    let truth: f64 = (0..10_000).map(|i| f64::from(i) / 1000.0).sum();
    assert!((weighted - truth).abs() < truth * 0.0625, "{weighted} {truth}");
}

#[test]
fn two_instruments_with_one_name_are_told_apart_by_the_account() {
    let _alone = alone();
    let mut receiver = Receiver::new(Dialect::Etsy);
    install_to(&receiver, 1432);
    let logger = get_logger("collide");
    logger.send_counter("a:b", 1);
    logger.send_counter("a|b", 10);
    // A rate makes no other instrument, and a counter and a timer may share a name.
    logger.counter("a:b").sampled(1.0).add(5);
    logger.send_timer("a_b", Duration::from_millis(1));
    assert!(flush(SOON).complete);
    let ledger = remove("statsd", SOON).unwrap();
    assert!(ledger.balances());
    assert_eq!(ledger.dropped[Cause::Collision].increments, 10);
    assert_eq!(counters(&receiver.samples())["collide.a_b"], 6);
}

#[test]
fn a_counter_whose_changes_cancel_is_sent_as_0() {
    let text = send_and_read(Dialect::Etsy, 1432, |app| {
        app.send_counter("cancels", 5);
        app.send_counter("cancels", -5);
        app.send_counter("nothing", 0);
    });
    assert_eq!(text, "app.cancels:0|c\napp.nothing:0|c");
}

/// A sign costs Telegraf the rest of the line; Etsy and collectd refuse it; gnocchi-statsd and those that know `h` take it.
#[test]
fn negative_histogram_values_go_where_they_are_read() {
    for (dialect, name, expected, dropped) in [
        (Dialect::Telegraf, "nt", "app.nt:21.5|h\napp.nt:22|h", 1),
        (Dialect::Etsy, "ne", "app.ne:21.5|ms\napp.ne:22|ms", 1),
        (Dialect::Plain, "np", "app.np:21.5|ms\napp.np:22|ms", 1),
        (Dialect::Gnocchi, "ng", "app.ng:21.5|ms\napp.ng:-3|ms\napp.ng:22|ms", 0),
        (Dialect::DogStatsD, "nd", "app.nd:21.5:-3:22|h", 0),
        (Dialect::Tagged, "nx", "app.nx:21.5|h\napp.nx:-3|h\napp.nx:22|h", 0),
    ] {
        let ledger = std::cell::RefCell::new(None);
        let text = send_and_read(dialect, 1432, |app| {
            for value in [21.5, -3.0, 22.0] {
                app.send_histogram(name, value);
            }
            *ledger.borrow_mut() = Some(flush(SOON).ledgers.remove(0));
        });
        assert_eq!(text, expected, "{dialect:?}");
        assert_eq!(ledger.take().unwrap().dropped[Cause::Invalid].recordings, dropped, "{dialect:?}");
    }
}

/// Each part of a line's form is a setting of its own.
#[test]
fn the_parts_of_a_form_are_set_one_by_one() {
    use ferrometer_statsd::{Histograms, Labels, NegativeGauges, Rates, Timers, Values};
    let near = 1.0 - 1e-9;
    let read = |name: &'static str, change: fn(Settings) -> Settings| {
        let _alone = alone();
        let receiver = Receiver::new(Dialect::Etsy);
        let settings = change(Settings::udp("127.0.0.1", receiver.port()).state_interval(Duration::ZERO));
        install("statsd", Box::new(Statsd::new(settings)), NEVER).unwrap();
        let app = get_logger(name).with("k", "v");
        app.send_gauge("g", -7);
        app.sampled(near).send_timer("t", Duration::from_millis(1));
        app.sampled(near).send_timer("t", Duration::from_millis(2));
        app.send_histogram("h", 3);
        assert!(flush(SOON).complete);
        remove("statsd", SOON).unwrap();
        let mut buffer = [0; 65536];
        let mut text = String::new();
        while let Ok(len) = receiver.socket.recv(&mut buffer) {
            let lines = std::str::from_utf8(&buffer[..len]).unwrap().lines();
            lines.filter(|l| l.starts_with(name)).for_each(|l| text += &format!("{l}\n"));
        }
        text
    };
    assert_eq!(
        read("p1", |s| s.labels(Labels::DogStatsD).values(Values::Packed)),
        "p1.g:0|g|#k:v\np1.g:-7|g|#k:v\np1.t:1:2|ms|@0.999999999|#k:v\np1.h:3|ms|#k:v\n"
    );
    assert_eq!(
        read("p2", |s| s.labels(Labels::Telegraf).negative_gauges(NegativeGauges::Signed).values(Values::Single)),
        "p2.g,k=v:-7|g\np2.t,k=v:1|ms|@0.999999999\np2.t,k=v:2|ms|@0.999999999\np2.h,k=v:3|ms\n"
    );
    assert_eq!(
        read("p3", |s| s.rates(Rates::Counters).histograms(Histograms::H)),
        "p3.g.k.v:0|g\np3.g.k.v:-7|g\np3.t.k.v:1|ms:2|ms\np3.h.k.v:3|h\n"
    );
    assert_eq!(
        read("p4", |s| s.dialect(Dialect::DogStatsD).labels(Labels::Folded).values(Values::Repeated)),
        "p4.g.k.v:-7|g\np4.t.k.v:1|ms|@0.999999999:2|ms|@0.999999999\np4.h.k.v:3|h\n"
    );
    assert_eq!(
        read("p5", |s| s.dialect(Dialect::DogStatsD).timers(Timers::D).histograms(Histograms::D)),
        "p5.g:-7|g|#k:v\np5.t:1:2|d|@0.999999999|#k:v\np5.h:3|d|#k:v\n"
    );
}
