//! The call sites of a program are found in its file, whether they ran or not, with all that is known while compiling.

#![forbid(unsafe_code)]

use ferrometer::{CallSite, Kind, LabelValue, Logger, Unit, call_sites, count, counter, describe, gauge, logger};
use ferrometer::{get_logger, set_gauge, time, timer};
use std::hint::black_box;
use std::sync::{LazyLock, OnceLock};

static METRICS: Logger = logger!("shop::till");
static LONG: Logger =
    logger!("a.name.of.more.than.sixty-four.bytes.which.is.what.is.kept.of.a.loggers.name.in.a.record");
static LAZY: LazyLock<Logger> = LazyLock::new(|| get_logger("lazy"));
static BORROWED: &Logger = &METRICS;

mod elsewhere {
    pub static METRICS: ferrometer::Logger = ferrometer::logger!();
}

trait Metered {
    const METRICS: &'static Logger;
}

struct Program {
    metrics: Logger,
}

impl Metered for Program {
    const METRICS: &'static Logger = &METRICS;
}

#[derive(Clone, Copy, LabelValue)]
enum Method {
    Get,
}

#[timer]
#[counter(METRICS, "save.errors", on = "err", "shelf" => 7)]
#[counter(METRICS, "save.ends", outcome, sample_rate = 0.25)]
fn save(works: bool) -> Result<u64, String> {
    if works { Ok(1) } else { Err("no".into()) }
}

#[timer(METRICS, "refuse.time", error = String::as_str)]
fn refuse(why: &str) -> Result<(), String> {
    Err(why.to_owned())
}

#[gauge(elsewhere::METRICS, prefix = "Queue")]
fn depth() -> u64 {
    2
}

impl Program {
    #[counter(self.metrics, "calls")]
    fn call(&self) {}

    fn generic<T: Metered>(&self, metrics: &Logger) {
        count!(T::METRICS, "of.a.type");
        count!(metrics, "of.a.local");
        count!(self.metrics.child("deeper"), "of.an.expression");
    }
}

/// Never called, but in the program.
#[inline(never)]
fn all(program: &Program) {
    count!(METRICS, "sold");
    count!(METRICS, "sold", 3, sample_rate = 0.5, "method" => Method::Get, "till" => program.metrics.name());
    set_gauge!(METRICS, "queue.depth", 7);
    time!(METRICS, "pay", { black_box(()) });
    count!(LONG, "long");
    count!(LAZY, "lazy");
    count!(*BORROWED, "borrowed");
    count!(BORROWED, "borrowed.too");
    count!(elsewhere::METRICS, "elsewhere");
    describe!(METRICS, "sold", Unit::Other("pieces"), "Pieces that went over the counter.");
    let _ = (save(true), depth());
    program.call();
    program.generic::<Program>(&program.metrics);
}

/// Nothing refers to it.
#[allow(dead_code)]
fn nobody_calls_this() {
    count!(METRICS, "in.dead.code");
}

fn found() -> &'static [CallSite] {
    static FOUND: OnceLock<Vec<CallSite>> = OnceLock::new();
    black_box(all as fn(&Program));
    FOUND.get_or_init(|| call_sites(&std::fs::read(std::env::current_exe().unwrap()).unwrap()))
}

/// The only site of a metric.
fn site(name: &str) -> &'static CallSite {
    let named: Vec<_> = found().iter().filter(|site| site.name == name).collect();
    assert_eq!(named.len(), 1, "{name}: {named:?}");
    named[0]
}

#[test]
fn a_site_tells_its_kind_labels_rate_and_place() {
    let ends = site("save.ends");
    assert_eq!((ends.kind, ends.rate, &ends.labels[..]), (Kind::Counter, Some(0.25), &["outcome".to_owned()][..]));
    assert_eq!((ends.module.as_str(), ends.file.as_str()), ("catalogue", "tests/catalogue.rs"));
    let errors = site("save.errors");
    assert_eq!((errors.kind, errors.rate, &errors.labels[..]), (Kind::Counter, None, &["shelf".to_owned()][..]));
    assert_eq!((site("save.time").kind, site("pay").kind), (Kind::Timer, Kind::Timer));
    assert_eq!((site("Queue.depth").kind, site("queue.depth").kind), (Kind::Gauge, Kind::Gauge));
    let lines = include_str!("catalogue.rs").lines();
    let line = lines.zip(1..).find(|(line, _)| line.contains("\"queue.depth\", 7")).unwrap().1;
    assert_eq!(site("queue.depth").line, line);
}

#[test]
fn every_place_of_a_metric_is_found_with_what_is_said_of_it() {
    let sold: Vec<_> = found().iter().filter(|site| site.name == "sold").collect();
    assert_eq!(sold.len(), 2);
    assert_eq!((sold[0].rate, sold[0].labels.len(), sold[0].line + 1), (None, 0, sold[1].line));
    assert_eq!((sold[1].rate, sold[1].labels.join(" ")), (Some(0.5), "method till".to_owned()));
    for site in sold {
        let text = "Pieces that went over the counter.";
        assert_eq!((site.unit.as_deref(), site.description.as_deref()), (Some("pieces"), Some(text)));
    }
    assert_eq!((&site("pay").unit, &site("pay").description), (&None, &None));
}

#[test]
fn what_the_program_does_not_hold_is_not_listed() {
    assert!(found().iter().all(|site| site.name != "in.dead.code"));
}

#[test]
fn the_name_of_a_logger_in_a_static_is_known() {
    for (name, logger, source) in [
        ("save.time", Some("catalogue"), ""),
        ("pay", Some("shop.till"), "METRICS"),
        ("elsewhere", Some("catalogue.elsewhere"), "elsewhere::METRICS"),
        ("Queue.depth", Some("catalogue.elsewhere"), "elsewhere::METRICS"),
        ("long", Some("a.name.of.more.than.sixty-four.bytes.which.is.what.is.kept.of.a.…"), "LONG"),
        // Those that are known only while the program runs.
        ("lazy", None, "LAZY"),
        ("borrowed", None, "*BORROWED"),
        ("borrowed.too", None, "BORROWED"),
        ("calls", None, "self.metrics"),
        ("of.a.type", None, "T::METRICS"),
        ("of.a.local", None, "metrics"),
        ("of.an.expression", None, "self.metrics.child(\"deeper\")"),
    ] {
        let site = site(name);
        assert_eq!((site.logger.as_deref(), site.logger_source.as_str()), (logger, source), "{name}");
    }
}

#[test]
fn a_series_knows_the_place_that_recorded_it_first() {
    let capture = ferrometer::testing::Capture::start();
    count!(METRICS, "first", "a" => "b");
    count!(METRICS, "first", "a" => "b");
    drop(capture);
    let logger = METRICS.with("a", "b");
    let first = found().iter().find(|site| site.name == "first").unwrap();
    assert_eq!(logger.counter("first").series().call_site().as_ref(), Some(first));
    assert_eq!(METRICS.counter("made by a handle").series().call_site(), None);
}

#[test]
fn a_series_of_an_error_knows_its_place_too() {
    let capture = ferrometer::testing::Capture::start();
    refuse("closed").unwrap_err();
    drop(capture);
    let site = METRICS.with("error", "closed").timer("refuse.time").series().call_site().unwrap();
    assert_eq!((site.name.as_str(), &*site.labels), ("refuse.time", &["error".to_owned()][..]));
}

#[test]
fn bytes_that_are_no_record_are_passed_over() {
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let at = program.windows(2).position(|two| two == b"\xf5f").unwrap();
    let record = &program[at..at + 4096];
    let whole = call_sites(record).len();
    for cut in 0..record.len() {
        assert!(call_sites(&record[..cut]).len() <= whole);
    }
    // Each bit of the head and of the lengths may be another.
    for at in 0..1024 {
        for bit in 0..8 {
            let mut other = record.to_vec();
            other[at] ^= 1 << bit;
            assert!(call_sites(&other).iter().all(|site| !site.name.contains('\u{fffd}')));
        }
    }
}
