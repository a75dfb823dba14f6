//! Bytes on disk of metrics that are full, against the goals: `cargo test -p ferrometer-archive --test size -- --nocapture` prints them.

mod common;

use common::Scratch;
use ferrometer_archive::{Archive, Definition, Kind, Method, Metric, Options, Point, Policy, SECOND, Sync};
use std::time::Duration;

/// A generator of numbers that look random (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Nearly a normal distribution of deviation 1.
    fn bell(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

const DAY: i64 = 86_400;
const BASE: i64 = 16_000 * DAY;

/// A gauge of two decimals: a day's wave with noise.
fn gauge() -> impl FnMut(i64) -> f64 {
    let mut random = Random(88_172_645_463_325_252);
    move |second| {
        let wave = 50.0 + 30.0 * (second as f64 / DAY as f64 * std::f64::consts::TAU).sin() + 3.0 * random.bell();
        (wave * 100.0).round() / 100.0
    }
}

/// 0 or 1, changing about every ten minutes of seconds.
fn flip() -> impl FnMut(i64) -> f64 {
    let mut random = Random(1234);
    let mut state = 1.0;
    move |_| {
        if random.next() < 1.0 / 600.0 {
            state = 1.0 - state;
        }
        state
    }
}

/// Fills a metric, and returns bytes on disk and aggregates kept.
fn fill(policy: &Policy, spans: &[(i64, i64)], mut value: impl FnMut(i64) -> f64) -> (u64, u64) {
    let scratch = Scratch::new("size");
    let options = Options {
        sync: Sync::None,
        store_every: Duration::from_secs(3600),
        default_policies: false,
        ..Options::default()
    };
    let archive = Archive::open(scratch.path(), options).unwrap();
    archive.add_policy(policy).unwrap();
    archive
        .add_rule(&ferrometer_archive::Rule { name: "all".into(), pattern: "*".into(), policy: policy.name.clone() })
        .unwrap();
    let metric = archive.new_metric("", Some("x")).unwrap();
    archive.add_metrics(std::slice::from_ref(&metric)).unwrap();
    // Each span is this many seconds before the end, in steps of milliseconds, up to the next one.
    let end = BASE * 1000;
    for (at, (back, step)) in spans.iter().enumerate() {
        let until = spans.get(at + 1).map_or(end, |(next, _)| end - next * 1000);
        let stamps: Vec<i64> = (0..).map(|i| end - back * 1000 + i * step).take_while(|at| *at < until).collect();
        for chunk in stamps.chunks(50_000) {
            let points = chunk.iter().map(|at| Point { at: at * 1_000_000, value: value(at / 1000) }).collect();
            archive.append(vec![(metric.id, points)]).unwrap();
            archive.store().unwrap();
        }
    }
    let kept = policy.definitions().iter().map(|definition| {
        let asked = policy.methods().into_iter().map(|method| {
            archive.measures(metric.id, method, definition.granularity, Default::default()).unwrap().len()
        });
        asked.sum::<usize>() as u64
    });
    let kept = kept.sum();
    let usage = archive.state().unwrap().storage;
    assert!(
        policy.cost().bytes.is_none_or(|most| usage.live < most + 100_000),
        "{usage:?} is more than was told before"
    );
    (usage.live, kept)
}

fn show(name: &str, policy: &Policy, (bytes, kept): (u64, u64), ceiling: u64) {
    println!(
        "{name}: {bytes} bytes for {kept} aggregates, {:.3} each; told before: at most {:?}; the document's ceiling: {ceiling}, {:.1} times as much",
        bytes as f64 / kept as f64,
        policy.cost().bytes,
        ceiling as f64 / bytes as f64
    );
}

fn named(name: &str) -> Policy {
    Policy::defaults().into_iter().find(|policy| policy.name == name).unwrap()
}

#[test]
fn gauges_of_two_decimals_take_a_third_of_the_documents_ceilings_and_three_bytes_at_most() {
    for (name, spans, ceiling) in [
        ("low", &[(30 * DAY, 30_000)][..], 406_000),
        ("medium", &[(365 * DAY, 120_000), (7 * DAY, 20_000)][..], 887_000),
        ("high", &[(365 * DAY, 120_000), (7 * DAY, 20_000), (3600, 250)][..], 1_057_000),
    ] {
        let policy = named(name);
        let (bytes, kept) = fill(&policy, spans, gauge());
        show(name, &policy, (bytes, kept), ceiling);
        assert!(bytes * 3 <= ceiling && bytes <= kept * 3, "{name}: {bytes} bytes for {kept} aggregates");
    }
}

#[test]
fn values_of_full_precision_take_no_more_than_in_gnocchi() {
    // Its bytes in files for the same: measured with Gnocchi 4.7.1, policies filled with random values.
    for (name, spans, gnocchi) in [
        ("low", &[(30 * DAY, 30_000)][..], 348_000),
        ("high", &[(365 * DAY, 120_000), (7 * DAY, 20_000), (3600, 250)][..], 962_000),
    ] {
        let (policy, mut random) = (named(name), Random(88_172_645_463_325_252));
        let (bytes, kept) = fill(&policy, spans, |_| random.next());
        println!("{name}, random: {bytes} bytes for {kept} aggregates; Gnocchi takes {gnocchi}");
        assert!(bytes <= gnocchi, "{name}: {bytes} bytes for {kept} aggregates, {gnocchi} in Gnocchi");
    }
}

fn days_of_bool(days: i64) {
    let second = Definition::new(Some(SECOND), None, Some(365 * DAY * SECOND)).unwrap();
    let policy = Policy::new("bool", 0, vec![second], &[Method::of(Kind::Last)]).unwrap();
    for (name, filled) in [
        ("bool, 0 and 1", fill(&policy, &[(days * DAY, 1000)], flip())),
        ("bool, 1", fill(&policy, &[(days * DAY, 1000)], |_| 1.0)),
    ] {
        let ceiling = 1_539_000 * days as u64 / 365;
        show(name, &policy, filled, ceiling);
        assert!(filled.0 * 3 <= ceiling && filled.0 * 10 <= filled.1, "{name}: {filled:?}");
    }
}

#[test]
fn states_take_a_third_of_the_documents_ceiling_in_proportion() {
    days_of_bool(9);
}

#[test]
#[ignore = "slow: a year of seconds, twice"]
fn states_of_a_year_take_a_third_of_the_documents_ceiling() {
    days_of_bool(365);
}

/// The form repeats: 0 and 1 that change at the same places of every stretch, so that all stretches take the same bytes. What three of them take
/// more than two is what each of a year takes.
#[test]
fn states_of_a_year_that_repeats_take_a_third_of_the_documents_ceiling_exactly() {
    const STRETCH: i64 = 32_768;
    let second = Definition::new(Some(SECOND), None, Some(365 * DAY * SECOND)).unwrap();
    let policy = Policy::new("bool", 0, vec![second], &[Method::of(Kind::Last)]).unwrap();
    // Changes are about ten minutes apart, at seconds of a stretch that a generator chose.
    let mut value = flip();
    let form: Vec<f64> = (0..STRETCH).map(&mut value).collect();
    let of = |stretches: i64| {
        let scratch = Scratch::new("size-repeats");
        let options = Options { sync: Sync::None, default_policies: false, ..Options::default() };
        let archive = Archive::open(scratch.path(), options).unwrap();
        archive.add_policy(&policy).unwrap();
        let metric = Metric {
            id: uuid::Uuid::from_u128(1),
            creator: String::new(),
            name: None,
            unit: None,
            policy: "bool".into(),
            resource: None,
        };
        archive.add_metrics(std::slice::from_ref(&metric)).unwrap();
        let first = BASE / STRETCH * STRETCH;
        for stretch in 0..stretches {
            let at = |i: i64| (first + stretch * STRETCH + i) * SECOND;
            let points = form.iter().zip(0..).map(|(value, i)| Point { at: at(i), value: *value }).collect();
            archive.append(vec![(metric.id, points)]).unwrap();
            archive.store().unwrap();
        }
        let usage = archive.state().unwrap().storage;
        // The window of raw points, and the stretches.
        assert_eq!(usage.objects, stretches as u64 + 1);
        usage.live
    };
    let (two, three, four) = (of(2), of(3), of(4));
    assert_eq!(three - two, four - three, "a stretch takes what any other takes");
    let year = two + (three - two) * (365 * DAY as u64).div_ceil(STRETCH as u64);
    println!("a stretch of {STRETCH} states: {} bytes; a year: {year}", three - two);
    assert!(year * 3 <= 1_539_000, "{year}");
}
