//! Names, labels, hosts, prefixes and values as an attacker chooses them, recorded, and delivered to a receiver of each statsd dialect and to the pull
//! cache: what strict parsers read back is what was recorded, to the line, the type and the tag; and what could not be delivered is in the
//! account under the right cause.
//!
//! One truth, and one judge for each reader of it, make this file longer than others.

#![no_main]

use arbitrary::Arbitrary;
use ferrometer_core::{Cause, Kind, Ledger, Limits, Logger, Naming, Series, configure, flush, get_logger, replace};
use ferrometer_fuzz::statsd::{Sample, parse};
use ferrometer_fuzz::{process, prometheus};
use ferrometer_prometheus::{Filter, Format, Prometheus, PrometheusHandle};
use ferrometer_pull_cache::{PullCacheBackend, PullCacheHandle, Settings};
use ferrometer_statsd::{Dialect, Statsd};
use libfuzzer_sys::fuzz_target;
use std::collections::{BTreeMap, BTreeSet};
use std::net::UdpSocket;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);
const NEVER: Duration = Duration::from_secs(3600);
/// Names after which the process has enough of them: each is looked at in each delivery, of eight backends.
const ENOUGH: usize = 1500;
/// One input in this many, the first of a process included, may have the backends installed again, with other prefixes.
const ANEW: u64 = 16;
const DIALECTS: [(&str, Dialect); 7] = [
    ("etsy", Dialect::Etsy),
    ("dogstatsd", Dialect::DogStatsD),
    ("telegraf", Dialect::Telegraf),
    ("gnocchi", Dialect::Gnocchi),
    ("collectd", Dialect::Collectd),
    ("plain", Dialect::Plain),
    ("tagged", Dialect::Tagged),
];

#[derive(Arbitrary, Debug)]
struct Input {
    /// Needs backends of its own, so it is not always looked at.
    naming: Option<Prefix>,
    metrics: Vec<Metric>,
}

#[derive(Arbitrary, Debug)]
struct Prefix {
    global: String,
    host: Option<String>,
    reverse: bool,
}

#[derive(Arbitrary, Debug)]
struct Metric {
    logger: String,
    labels: Vec<(String, String)>,
    name: String,
    unit: Option<String>,
    description: Option<String>,
    /// How often the last label's value is repeated: long ones are rare otherwise.
    repeat: u8,
    ops: Vec<Op>,
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Op {
    Count(i64),
    Gauge(f64),
    Add(f64),
    InFlight,
    Time(u64),
    Histogram(f64),
}

impl Op {
    fn kind(self) -> Kind {
        match self {
            Op::Count(_) => Kind::Counter,
            Op::Gauge(_) | Op::Add(_) => Kind::Gauge,
            Op::InFlight => Kind::InFlight,
            Op::Time(_) => Kind::Timer,
            Op::Histogram(_) => Kind::Histogram,
        }
    }
}

/// Recordings of one series.
#[derive(Default, Debug)]
struct Truth {
    /// A counter's; past 2^64 they wrap, as is promised.
    up: u64,
    down: u64,
    calls: u64,
    invalid: u64,
    gauge: f64,
    in_flight: i64,
    values: Vec<f64>,
}

struct House {
    sockets: Vec<UdpSocket>,
    cache: Option<PullCacheHandle>,
    totals: Option<PrometheusHandle>,
    naming: Naming,
    before: BTreeMap<String, Ledger>,
    series: usize,
}

static HOUSE: Mutex<Option<House>> = Mutex::new(None);

impl House {
    fn new() -> House {
        let socket = || {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            socket.set_nonblocking(true).expect("nonblocking");
            socket
        };
        let sockets = (0..DIALECTS.len()).map(|_| socket()).collect();
        let mut house =
            House { sockets, cache: None, totals: None, naming: Naming::default(), before: BTreeMap::new(), series: 0 };
        house.install(Naming::default());
        house
    }

    fn install(&mut self, naming: Naming) {
        let limits = Limits::DEFAULT.max_instruments(100_000).max_loggers(100_000).max_label_sets(100_000);
        configure(naming.clone(), limits, Vec::new());
        self.naming = naming;
        self.before.clear();
        for ((name, dialect), socket) in DIALECTS.iter().zip(&self.sockets) {
            let port = socket.local_addr().expect("an address").port();
            let settings = ferrometer_statsd::Settings::udp("127.0.0.1", port).dialect(*dialect).max_datagram(8192);
            // State that is told again is not a new recording.
            let settings = settings.state_interval(Duration::ZERO);
            replace(name, Box::new(Statsd::new(settings)), NEVER, SOON).expect("installed");
        }
        let backend = PullCacheBackend::new(Settings::default().generations(1));
        self.cache = Some(backend.handle());
        replace("pull-cache", Box::new(backend), NEVER, SOON).expect("installed");
        let backend = Prometheus::new(Default::default());
        self.totals = Some(backend.handle());
        replace("prometheus", Box::new(backend), NEVER, SOON).expect("installed");
        // Datagrams of the backends before are left over.
        for socket in &self.sockets {
            while socket.recv(&mut [0; 65536]).is_ok() {}
        }
    }
}

/// The gate, said a second time.
fn part(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' }).collect()
}

fn dotted(text: &str) -> Vec<String> {
    text.split('.').filter(|p| !p.is_empty()).map(part).collect()
}

/// A text in which something was replaced, with the hash FNV-1a of what it was.
fn marked(replaced: String, given: &str) -> String {
    if replaced == given {
        return replaced;
    }
    let hash = given.bytes().fold(2_166_136_261u32, |hash, b| (hash ^ u32::from(b)).wrapping_mul(16_777_619));
    format!("{replaced}-{hash:08x}")
}

/// The value of a tag, by the documents of the format.
fn tag_value(dialect: Dialect, key: &str, given: &str) -> String {
    let (max, stays): (usize, fn(char) -> bool) = match dialect {
        Dialect::Telegraf => (usize::MAX, |c| !",:|=".contains(c) && !c.is_whitespace() && !c.is_control()),
        _ => (199usize.saturating_sub(key.len()), |c| c.is_alphanumeric() || "_-:./".contains(c)),
    };
    let fits = given.chars().count() <= max && given.chars().all(stays);
    let room = if fits { max } else { max.saturating_sub(9).max(1) };
    let replaced = given.chars().take(room).map(|c| if stays(c) { c } else { '_' }).collect();
    marked(replaced, given)
}

/// Returns the name of a series, its tags, and the key that no other series may have.
fn called(dialect: Dialect, naming: &Naming, series: &Series) -> (String, Vec<(String, String)>, String) {
    let mut parts: Vec<String> = dotted(&naming.prefix());
    parts.extend(dotted(series.logger_name()));
    parts.extend(dotted(series.metric_name()));
    let mut tags = Vec::new();
    for (key, value) in series.labels() {
        let gated = part(key);
        if matches!(dialect, Dialect::Etsy | Dialect::Gnocchi | Dialect::Collectd | Dialect::Plain) {
            let value = marked(part(value), value);
            parts.extend([gated, value].into_iter().filter(|p| !p.is_empty()));
        } else if !key.is_empty() && !value.is_empty() {
            let taken = |key: &str| tags.iter().any(|(k, _): &(String, String)| k == key);
            let mut numbered = (2..).map(|n| format!("{gated}_{n}"));
            let key =
                if taken(&gated) { numbered.find(|key| !taken(key)).expect("one is free") } else { gated.clone() };
            let value = tag_value(dialect, &key, value);
            tags.push((key, value));
        }
    }
    let class = match series.kind() {
        Kind::Counter => "c",
        Kind::Gauge | Kind::InFlight => "g",
        _ => "d",
    };
    let name = parts.join(".");
    let unique = format!("{class} {name} {tags:?}");
    (name, tags, unique)
}

fn record(logger: &Logger, metric: &Metric, op: Op) -> (&'static Series, Truth) {
    let mut truth = Truth { calls: 1, ..Truth::default() };
    let name = metric.name.clone();
    let series = match op {
        Op::Count(value) => {
            let counter = logger.counter(name);
            if let Some(text) = &metric.description {
                let _ = counter.description(text);
            }
            counter.add(value);
            (truth.up, truth.down) = if value < 0 { (0, value.unsigned_abs()) } else { (value.unsigned_abs(), 0) };
            counter.series()
        }
        Op::Gauge(value) | Op::Add(value) => {
            let gauge = logger.gauge(name);
            let is_set = matches!(op, Op::Gauge(_));
            if is_set {
                gauge.set(value)
            } else {
                gauge.add(value)
            }
            if value.is_finite() {
                truth.gauge = value
            } else {
                (truth.calls, truth.invalid) = (0, 1)
            }
            gauge.series()
        }
        Op::InFlight => {
            let in_flight = logger.in_flight(name);
            std::mem::forget(in_flight.enter());
            truth.in_flight = 1;
            in_flight.series()
        }
        Op::Time(nanos) => {
            // Up to a month: beyond it a float has no nanoseconds.
            let nanos = nanos % (1 << 51);
            let timer = logger.timer(name);
            timer.record(Duration::from_nanos(nanos));
            truth.values.push(nanos as f64 / 1e6);
            timer.series()
        }
        Op::Histogram(value) => {
            let histogram = logger.histogram(name);
            if let Some(unit) = &metric.unit {
                // A unit lives as long as the program; so do the few of this process.
                let _ = histogram.unit(&*Box::leak(unit.clone().into_boxed_str()));
            }
            histogram.record(value);
            if value.is_finite() {
                truth.values.push(value)
            } else {
                (truth.calls, truth.invalid) = (0, 1)
            }
            histogram.series()
        }
    };
    (series, truth)
}

fn close(a: f64, b: f64) -> bool {
    a == b || (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

fn samples(socket: &UdpSocket, dialect: Dialect) -> Vec<Sample> {
    let mut all = Vec::new();
    let mut buffer = [0; 65536];
    while let Ok(len) = socket.recv(&mut buffer) {
        assert!(len <= 8192);
        all.extend(parse(dialect, &buffer[..len]).unwrap_or_else(|e| panic!("{dialect:?}: {e}")));
    }
    all
}

/// Checks that one dialect received what was recorded.
fn judge(
    dialect: Dialect,
    naming: &Naming,
    truths: &BTreeMap<usize, (&'static Series, Truth)>,
    all: &[Sample],
) -> BTreeMap<Cause, u64> {
    let mut dropped: BTreeMap<Cause, u64> = BTreeMap::new();
    let mut owners = BTreeMap::new();
    let mut expected: BTreeMap<String, Vec<(&'static str, Vec<f64>)>> = BTreeMap::new();
    for (series, truth) in truths.values() {
        *dropped.entry(Cause::Invalid).or_default() += truth.invalid;
        if truth.calls == 0 {
            continue;
        }
        let (name, tags, unique) = called(dialect, naming, series);
        let whole = if dialect == Dialect::Telegraf && !tags.is_empty() {
            let tags: Vec<String> = tags.iter().map(|(k, v)| format!("{k}={v}")).collect();
            format!("{name},{}", tags.join(","))
        } else {
            name.clone()
        };
        // A gauge has one value; any value before it is superseded.
        let lost = if matches!(series.kind(), Kind::Gauge | Kind::InFlight) { 1 } else { truth.calls };
        if name.is_empty() || whole.len() > 512 {
            *dropped.entry(Cause::Name).or_default() += lost;
            continue;
        }
        if owners.insert(unique.clone(), *series).is_some_and(|owner| {
            let stays = !owner.same_instrument(series);
            if stays {
                owners.insert(unique, owner);
            }
            stays
        }) {
            *dropped.entry(Cause::Collision).or_default() += lost;
            continue;
        }
        let key = format!("{name} {tags:?}");
        let ms = matches!(dialect, Dialect::Etsy | Dialect::Gnocchi | Dialect::Collectd | Dialect::Plain);
        let line = match series.kind() {
            Kind::Counter => ("c", vec![(i128::from(truth.up) - i128::from(truth.down)) as f64]),
            Kind::Gauge | Kind::InFlight => {
                let value = if series.kind() == Kind::Gauge { truth.gauge } else { truth.in_flight as f64 };
                let signed = value < 0.0 && !matches!(dialect, Dialect::DogStatsD | Dialect::Gnocchi);
                ("g", if signed { vec![0.0, value] } else { vec![value] })
            }
            kind => {
                let takes_sign = matches!(dialect, Dialect::Gnocchi | Dialect::DogStatsD | Dialect::Tagged);
                let (good, bad): (Vec<f64>, Vec<f64>) = truth.values.iter().partition(|v| takes_sign || !(**v < 0.0));
                *dropped.entry(Cause::Invalid).or_default() += bad.len() as u64;
                if good.is_empty() {
                    continue;
                }
                (if kind == Kind::Histogram && !ms { "h" } else { "ms" }, good)
            }
        };
        expected.entry(key).or_default().push(line);
    }
    let mut found: BTreeMap<String, BTreeMap<&str, Vec<f64>>> = BTreeMap::new();
    for sample in all {
        assert_eq!(sample.rate, None, "{sample:?}");
        let key = format!("{} {:?}", sample.name, sample.tags);
        let value = sample.value.parse().expect("a number");
        found.entry(key).or_default().entry(&sample.kind).or_default().push(value);
    }
    for (key, lines) in &expected {
        let mut got = found.remove(key).unwrap_or_default();
        for (kind, values) in lines {
            let mut got = got.remove(kind).unwrap_or_else(|| panic!("{dialect:?}: {key} has no {kind}: {values:?}"));
            let mut values = values.clone();
            if *kind != "g" {
                got.sort_by(f64::total_cmp);
                values.sort_by(f64::total_cmp);
            }
            assert!(
                got.len() == values.len() && got.iter().zip(&values).all(|(a, b)| close(*a, *b)),
                "{dialect:?}: {key}|{kind}: {got:?} for {values:?}"
            );
        }
        assert!(got.is_empty(), "{dialect:?}: {key}: {got:?}");
    }
    assert!(found.is_empty(), "{dialect:?}: nobody recorded {found:?}");
    dropped
}

/// Records of the newest generation, as JSON read back.
fn judge_records(cache: &PullCacheHandle, root: &str, truths: &BTreeMap<usize, (&'static Series, Truth)>) {
    let Some(newest) = cache.most_recent() else { return };
    let mut seen = BTreeSet::new();
    let mut shown = 0;
    for record in newest.records().filter(|r| r.metric.contains(root)) {
        let json = serde_json::to_string(&record).expect("JSON");
        assert!(!json.contains('\n'));
        let back: serde_json::Value = serde_json::from_str(&json).unwrap_or_else(|e| panic!("{e}: {json}"));
        assert_eq!(back["metric"].as_str(), Some(record.metric));
        assert!(
            record.metric.len() <= 512 && record.metric.split('.').all(|p| !p.is_empty() && part(p) == p),
            "{json}"
        );
        assert!(record.value.is_finite());
        let labels = back["labels"].as_object().cloned().unwrap_or_default();
        assert_eq!(labels.len(), record.labels.len());
        for (key, value) in &labels {
            assert!(!key.is_empty() && part(key) == *key, "{json}");
            assert_eq!(value.as_str(), record.labels.get(key));
        }
        assert!(seen.insert((record.metric.to_owned(), format!("{labels:?}"))), "twice: {json}");
        shown += 1;
    }
    let most: usize =
        truths.values().map(|(s, _)| if matches!(s.kind(), Kind::Timer | Kind::Histogram) { 6 } else { 1 }).sum();
    assert!(shown <= most, "{shown} records of at most {most}");
}

/// The totals in each of Prometheus' formats.
fn judge_expositions(totals: &PrometheusHandle) {
    let bytes = |format| totals.exposition(format, &Filter::default()).collect_bytes();
    let text = |format| String::from_utf8(bytes(format)).expect("UTF-8");
    let plain = prometheus::parse(&text(Format::Text)).unwrap_or_else(|e| panic!("{e}"));
    prometheus::openmetrics::parse(&text(Format::OpenMetrics)).unwrap_or_else(|e| panic!("{e}"));
    let messages = prometheus::protobuf::parse(&bytes(Format::Protobuf)).unwrap_or_else(|e| panic!("{e}"));
    let names: BTreeSet<&str> = messages.iter().filter_map(|m| m.name.as_deref()).collect();
    assert_eq!(names.len(), messages.len());
    assert_eq!(names, plain.keys().map(String::as_str).collect());
}

fn run(input: &Input) {
    let mut house = HOUSE.lock().unwrap_or_else(PoisonError::into_inner);
    let house = house.get_or_insert_with(House::new);
    if house.series > ENOUGH {
        process::end();
    }
    let at = process::count();
    if let Some(prefix) = input.naming.as_ref().filter(|_| at % ANEW == 0) {
        house.install(
            Naming::default()
                .global_prefix(prefix.global.clone())
                .prepend_host(prefix.host.is_some())
                .prepend_host_reverse(prefix.reverse)
                .host(prefix.host.clone().unwrap_or_default()),
        );
    }
    let root = format!("f{at}z");
    let mut truths: BTreeMap<usize, (&'static Series, Truth)> = BTreeMap::new();
    for metric in input.metrics.iter().take(5) {
        let mut labels: Vec<(String, String)> = metric.labels.iter().take(5).cloned().collect();
        if let Some((_, value)) = labels.last_mut() {
            *value = value.repeat(1 + usize::from(metric.repeat) / 16);
        }
        let pairs: Vec<(&str, &str)> = labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let logger = get_logger(&root).child(&metric.logger).with_all(&pairs);
        for op in metric.ops.iter().take(8) {
            let (series, one) = record(&logger, metric, *op);
            if !series.logger_name().starts_with(&root) {
                // Longer than what is kept: the overflow series has it.
                assert!(series.logger_name().starts_with("ferrometer"), "{series:?}");
                let long = metric.name.len()
                    + metric.logger.len()
                    + labels.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>();
                assert!(long + root.len() + 1 > 2048, "{series:?} has what {metric:?} recorded");
            } else {
                assert_eq!(series.metric_name(), metric.name);
                let wanted: BTreeMap<String, String> = labels.iter().cloned().collect();
                let kept: BTreeMap<String, String> =
                    series.labels().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
                assert_eq!(kept, wanted, "{series:?}");
                assert_eq!(series.kind(), op.kind());
            }
            let (_, truth) = truths.entry(series.id()).or_insert_with(|| {
                house.series += 1;
                (series, Truth::default())
            });
            truth.up = truth.up.wrapping_add(one.up);
            truth.down = truth.down.wrapping_add(one.down);
            truth.calls += one.calls;
            truth.invalid += one.invalid;
            truth.in_flight += one.in_flight;
            truth.values.extend(one.values);
            match op {
                Op::Gauge(v) if v.is_finite() => truth.gauge = *v,
                Op::Add(v) if v.is_finite() => {
                    if (truth.gauge + v).is_finite() {
                        truth.gauge += v;
                    } else {
                        truth.calls -= 1;
                        truth.invalid += 1;
                    }
                }
                _ => {}
            }
        }
    }
    // The overflow series live on from input to input, and so do their gauges; they are looked at elsewhere.
    let overflowed = truths.values().any(|(s, _)| !s.logger_name().starts_with(&root));
    let report = flush(SOON);
    assert!(report.complete, "{:?}", report.ledgers);
    for ledger in &report.ledgers {
        assert!(ledger.balances(), "{ledger}");
        assert_eq!((ledger.errors, ledger.panics), (0, 0), "{ledger}");
    }
    let prefix = dotted(&house.naming.prefix()).join(".");
    let own = if prefix.is_empty() { "ferrometer.".to_owned() } else { format!("{prefix}.ferrometer.") };
    for ((name, dialect), socket) in DIALECTS.iter().zip(&house.sockets) {
        let mut all = samples(socket, *dialect);
        all.retain(|s| !s.name.starts_with(&own));
        let Some(ledger) = report.ledgers.iter().find(|l| l.backend == *name) else { panic!("no account of {name}") };
        let before = house.before.insert((*name).to_owned(), ledger.clone()).unwrap_or_default();
        if overflowed {
            continue;
        }
        let dropped = judge(*dialect, &house.naming, &truths, &all);
        for cause in Cause::ALL {
            let of = |l: &Ledger| l.dropped[*cause].recordings;
            let expected = dropped.get(&cause).copied().unwrap_or(0);
            assert_eq!(of(ledger) - of(&before), expected, "{dialect:?} {cause}: {ledger}");
        }
        let calls: u64 = truths.values().map(|(_, t)| t.calls + t.invalid).sum();
        assert_eq!(ledger.recorded.recordings - before.recorded.recordings, calls, "{ledger}");
    }
    if let Some(cache) = &house.cache {
        judge_records(cache, &root, &truths);
        if at % 32 == 0 {
            house.totals.iter().for_each(judge_expositions);
        }
    }
}

fuzz_target!(|input: Input| run(&input));
