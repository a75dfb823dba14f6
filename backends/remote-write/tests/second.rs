//! Remote write 2.0 against servers of our own, read with `snap` and `prost`; and 1.0 where a server takes nothing newer.

mod support;

use ferrometer_core::{Cause, Ledger, flush, get_logger, install, ledgers, remove};
use ferrometer_push_testkit::http::{Answer, Request, Server};
use ferrometer_push_testkit::{NEVER, SOON, Scratch, alone, hard};
use ferrometer_remote_write::{Histograms, RemoteWrite, Settings, Version};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use support::second::{Found, decode};
use support::{one, samples};

const SECOND: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

fn is_second(request: &Request) -> bool {
    request.header("content-type") == Some(SECOND)
}

/// The answer of a receiver of 2.0 that wrote this many samples and histograms.
fn wrote(status: u16, samples: usize, histograms: usize) -> Answer {
    let headers = format!(
        "X-Prometheus-Remote-Write-Samples-Written: {samples}\r\nX-Prometheus-Remote-Write-Histograms-Written: {histograms}\r\n\
         X-Prometheus-Remote-Write-Exemplars-Written: 0\r\n"
    );
    Answer::Status(status, headers.leak(), b"said so\n".to_vec())
}

/// Takes 2.0, all of it.
fn takes_all(request: &Request) -> Answer {
    if !is_second(request) {
        return Answer::status(204);
    }
    let all = decode(&request.wire);
    let samples = all.iter().filter(|found| found.sample.is_some()).count();
    wrote(200, samples, all.len() - samples)
}

fn settings(server: &Server) -> Settings {
    Settings::new(format!("{}/api/v1/write", server.url())).label("job", "test").label("instance", "here")
}

fn start(settings: Settings) {
    install("remote-write", Box::new(RemoteWrite::new(settings).unwrap()), NEVER).unwrap();
}

fn account() -> Ledger {
    ledgers().into_iter().find(|l| l.backend == "remote-write").unwrap()
}

/// Makes one delivery, by which the backend learns what the server takes.
fn learn() {
    get_logger("learn").send_counter("c", 1);
    assert!(flush(SOON).complete);
}

fn found(server: &Server) -> Vec<Found> {
    server.take().iter().filter(|request| is_second(request)).flat_map(|request| decode(&request.wire)).collect()
}

fn value(all: &[Found], name: &str) -> Option<f64> {
    let mut of_name = all.iter().filter(|found| found.name == name);
    let (first, more) = (of_name.next(), of_name.count());
    assert_eq!(more, 0, "{name}");
    first?.sample.map(|(value, _)| value)
}

#[test]
fn what_arrives_in_the_second_version_is_what_was_recorded() {
    let _alone = alone();
    let server = Server::start(takes_all);
    start(settings(&server).header("X-Scope-OrgID", "t"));
    learn();
    let first = server.take();
    // The question, and then what the first body was made for.
    assert!(is_second(&first[0]) && decode(&first[0].wire).is_empty());
    assert!(first.len() > 1 && first[1..].iter().all(|request| !is_second(request)));
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let truth = hard::record("rv2", 2);
    let _ = get_logger("rv2").gauge("half").unit("bytes").description("Half of it.");
    assert!(flush(SOON).complete);
    let requests = server.requests();
    for request in &requests {
        for (name, value) in [
            ("content-type", SECOND),
            ("content-encoding", "snappy"),
            ("x-prometheus-remote-write-version", "2.0.0"),
            ("x-scope-orgid", "t"),
        ] {
            assert_eq!(request.header(name), Some(value));
        }
    }
    let all = found(&server);
    let hard: Vec<&Found> = all.iter().filter(|found| found.name == "rv2_hard_total").collect();
    assert_eq!(hard.iter().map(|f| f.sample.unwrap().0).sum::<f64>(), truth.counted as f64);
    let kinds: BTreeSet<&str> = hard.iter().map(|f| f.labels["kind"].as_str()).collect();
    assert_eq!(kinds, hard::VALUES.into_iter().collect(), "labels arrive as they were given");
    assert!(hard.iter().all(|f| f.labels["job"] == "test" && f.labels["instance"] == "here" && f.kind == 1));
    assert!(hard.iter().all(|f| f.started <= before && f.started <= f.sample.unwrap().1));
    assert_eq!(
        (value(&all, "rv2_falls_total"), value(&all, "rv2_falls_decrements_total")),
        (Some(truth.up as f64), Some(truth.down as f64))
    );
    assert_eq!(value(&all, "rv2_took_seconds_count"), Some(truth.timed as f64));
    assert_eq!(value(&all, "rv2_took_seconds_sum").map(|s| (s * 1000.0).round()), Some(truth.millis as f64));
    let bucket = all.iter().find(|f| f.name == "rv2_took_seconds_bucket" && f.labels["le"] == "+Inf").unwrap();
    assert_eq!((bucket.sample.unwrap().0, bucket.kind, bucket.unit.as_str()), (truth.timed as f64, 3, "seconds"));
    for (name, expected) in hard::GAUGES {
        let name = if name == "half" { "half_bytes" } else { name };
        assert_eq!(value(&all, &format!("rv2_{name}")), Some(expected), "{name}");
    }
    let half = all.iter().find(|f| f.name == "rv2_half_bytes").unwrap();
    assert_eq!((half.kind, half.help.as_str(), half.unit.as_str()), (2, "Half of it.", "bytes"));
    let ledger = remove("remote-write", SOON).unwrap();
    assert!(ledger.balances() && ledger.pending.is_zero(), "{ledger}");
    assert_eq!(ledger.dropped_in_all().recordings, 2 * hard::INVALID, "{ledger}");
    // Every series ends.
    let is_stale = |f: &Found| f.sample.is_some_and(|(value, _)| value.to_bits() == 0x7ff0_0000_0000_0002);
    let ends = found(&server);
    let own = |all: &[Found]| all.iter().filter(|f| f.name.starts_with("rv2_")).count();
    let stale: Vec<Found> = ends.into_iter().filter(is_stale).collect();
    assert_eq!(own(&stale), own(&all));
}

#[test]
fn native_histograms_of_both_versions_are_the_same() {
    let _alone = alone();
    let record = || {
        let logger = get_logger("rv2native");
        [0.0, 1.0, 2.0, 3.0, 1000.0, -1.0, -64.5].iter().for_each(|v| logger.send_histogram("h", *v));
    };
    let server = Server::start(takes_all);
    start(settings(&server).histograms(Histograms::Native));
    learn();
    server.take();
    record();
    assert!(flush(SOON).complete);
    let all = found(&server);
    let second = all.iter().find(|f| f.name == "rv2native_h").unwrap();
    let histogram = second.histogram.as_ref().unwrap();
    assert!(second.kind == 3 && histogram.start_timestamp > 0);
    assert_eq!((histogram.count, histogram.zero_count, histogram.sum), (Some(7), Some(1), 940.5));
    assert!(remove("remote-write", SOON).unwrap().balances());
    // Told to speak 1.0, it asks nothing.
    start(settings(&server).histograms(Histograms::Native).version(Version::V1));
    server.take();
    record();
    assert!(flush(SOON).complete);
    let requests = server.take();
    assert!(!requests.is_empty() && requests.iter().all(|request| !is_second(request)));
    let series = requests.iter().flat_map(|request| support::decode(&request.wire).timeseries);
    let first =
        series.into_iter().find(|s| s.labels.iter().any(|label| label.value == "rv2native_h")).unwrap().histograms[0]
            .clone();
    assert_eq!(first.positive_spans, histogram.positive_spans);
    assert_eq!(first.negative_spans, histogram.negative_spans);
    assert_eq!((first.schema, first.zero_threshold), (histogram.schema, histogram.zero_threshold));
    // Twice as much was recorded by then.
    let doubled = |deltas: &[i64]| deltas.iter().map(|delta| 2 * delta).collect::<Vec<_>>();
    assert_eq!(first.positive_deltas, doubled(&histogram.positive_deltas));
    assert_eq!(first.negative_deltas, doubled(&histogram.negative_deltas));
    assert!(remove("remote-write", SOON).unwrap().balances());
}

#[test]
fn a_server_of_the_first_version_is_asked_once_and_gets_all_in_it() {
    let _alone = alone();
    // 415 is what the specification asks for; others refuse with 400, do not know better than 404, or pass over what they do not know.
    for status in [415, 400, 204] {
        let server = Server::start(move |request| Answer::status(if is_second(request) { status } else { 204 }));
        start(settings(&server));
        let name = format!("rfirst{status}");
        for n in [3, 4] {
            get_logger(&name).send_counter("c", n);
            assert!(flush(SOON).complete, "{status}");
        }
        let ledger = remove("remote-write", SOON).unwrap();
        assert!(
            ledger.balances() && ledger.pending.is_zero() && ledger.dropped_in_all().is_zero(),
            "{status}: {ledger}"
        );
        let requests = server.take();
        let asked: Vec<bool> = requests.iter().map(is_second).collect();
        assert!(asked[0] && !asked[1..].contains(&true), "{status}: {asked:?}");
        let all: Vec<_> = requests[1..].iter().map(|request| support::decode(&request.wire)).collect();
        let values: Vec<f64> = samples(&all, &format!("{name}_c_total")).iter().map(|(_, value)| *value).collect();
        assert_eq!(values[..2], [3.0, 7.0], "{status}");
    }
}

#[test]
fn what_is_not_written_is_refused_and_the_rest_is_sent() {
    let _alone = alone();
    // By the specification the status says so; by others the count alone does.
    for status in [400, 200] {
        let server = Server::start(move |request| {
            if !is_second(request) {
                return Answer::status(204);
            }
            let all = decode(&request.wire);
            let written = all.iter().filter(|found| !found.name.ends_with("_bad_total")).count();
            wrote(if written == all.len() { 200 } else { status }, written, 0)
        });
        start(settings(&server));
        learn();
        let logger = get_logger(&format!("rpart{status}"));
        (1..=40u64).for_each(|i| logger.send_counter(format!("good{i}"), i));
        logger.send_counter("bad", 1000);
        flush(SOON);
        let ledger = account();
        assert!(ledger.balances(), "{status}: {ledger}");
        assert_eq!(ledger.dropped[Cause::Refused].increments, 1000, "{status}: {ledger}");
        assert_eq!(ledger.sent.increments, 1 + (1..=40).sum::<u64>(), "{status}: {ledger}");
        remove("remote-write", SOON).unwrap();
    }
}

#[test]
fn a_server_that_goes_back_to_the_first_version_misses_nothing() {
    let _alone = alone();
    for status in [415, 204] {
        // 0: it takes 2.0.
        let now = Arc::new(AtomicU16::new(0));
        let seen = Arc::clone(&now);
        let server = Server::start(move |request| match seen.load(Ordering::Relaxed) {
            0 => takes_all(request),
            status => Answer::status(if is_second(request) { status } else { 204 }),
        });
        start(settings(&server));
        learn();
        get_logger("rback").send_counter("c", 1);
        assert!(flush(SOON).complete);
        assert!(server.take().iter().any(is_second));
        now.store(status, Ordering::Relaxed);
        get_logger("rback").send_counter("c", 2);
        flush(SOON);
        flush(SOON);
        let ledger = account();
        assert!(ledger.balances() && ledger.pending.is_zero(), "{status}: {ledger}");
        assert!(ledger.dropped_in_all().is_zero(), "{status}: {ledger}");
        let requests = server.take();
        let first: Vec<_> = requests.iter().filter(|r| !is_second(r)).map(|r| support::decode(&r.wire)).collect();
        assert!(samples(&first, "rback_c_total").iter().any(|(_, value)| value % 3.0 == 0.0), "{status}");
        remove("remote-write", SOON).unwrap();
    }
}

#[test]
fn what_a_spool_keeps_can_be_read_by_a_server_of_either_version() {
    let _alone = alone();
    let scratch = Scratch::new("remote-write-second-spool");
    // 0: it takes 2.0. 503: it is away. 415: it is back, as an older one.
    let now = Arc::new(AtomicU16::new(0));
    let seen = Arc::clone(&now);
    let server = Server::start(move |request| match seen.load(Ordering::Relaxed) {
        0 => takes_all(request),
        503 => Answer::status(503),
        _ => Answer::status(if is_second(request) { 415 } else { 204 }),
    });
    let mut settings = settings(&server);
    settings.spool = Some(scratch.path().join("spool"));
    start(settings);
    learn();
    now.store(503, Ordering::Relaxed);
    let name = "rspooled";
    get_logger(name).send_counter("c", 1);
    let kept = || {
        let files = std::fs::read_dir(scratch.path().join("spool")).unwrap();
        files.filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().ends_with(".remote-write-1")).count()
    };
    // Pending, and kept as it is now.
    ferrometer_core::flush(Duration::from_millis(200));
    assert!(kept() > 0);
    get_logger(name).send_counter("c", 1);
    let shown = ledgers();
    assert!(shown.iter().all(Ledger::balances));
    server.take();
    now.store(415, Ordering::Relaxed);
    flush(SOON);
    flush(SOON);
    let ledger = remove("remote-write", SOON).unwrap();
    assert!(ledger.balances() && ledger.pending.is_zero() && ledger.dropped_in_all().is_zero(), "{ledger}");
    let first: Vec<_> =
        server.take().iter().filter(|r| !is_second(r)).map(|request| support::decode(&request.wire)).collect();
    let values: Vec<f64> = samples(&first, "rspooled_c_total").iter().map(|(_, value)| *value).collect();
    assert!(values.contains(&1.0) && values.contains(&2.0), "{values:?}");
    assert_eq!(kept(), 0);
}

#[test]
fn a_server_that_cannot_say_yet_is_asked_again() {
    let _alone = alone();
    let now = Arc::new(AtomicU16::new(500));
    let seen = Arc::clone(&now);
    let server = Server::start(move |request| match seen.load(Ordering::Relaxed) {
        0 => takes_all(request),
        status => Answer::status(status),
    });
    start(settings(&server));
    get_logger("rlater").send_counter("c", 1);
    flush(Duration::from_millis(300));
    let ledger = account();
    assert_eq!((ledger.pending.increments, ledger.sent.increments), (1, 0), "{ledger}");
    assert!(server.take().iter().all(is_second), "a body that nobody asked about");
    now.store(0, Ordering::Relaxed);
    flush(SOON);
    server.take();
    get_logger("rlater").send_counter("c", 1);
    assert!(flush(SOON).complete);
    assert_eq!(value(&found(&server), "rlater_c_total"), Some(2.0));
    assert!(remove("remote-write", SOON).unwrap().balances());
}

#[test]
fn no_body_is_larger_than_it_may_be() {
    let _alone = alone();
    let server = Server::start(takes_all);
    let mut settings = settings(&server);
    settings.max_body_size = 8192;
    start(settings);
    learn();
    server.take();
    let logger = get_logger("rlarge");
    // Labels that occur once: 2.0 saves nothing, and what it has besides may be more than fits.
    (0..300u64).for_each(|i| {
        let [a, b, c] = ["x", "y", "z"].map(|end| format!("{i}{end}"));
        logger.with("a", &a).with("b", &b).with("c", &c).send_counter("n", i);
    });
    assert!(flush(SOON).complete);
    let mut sum = 0.0;
    for request in server.take() {
        let size = snap::raw::decompress_len(&request.wire).unwrap();
        assert!(size <= 8192, "{size}");
        if is_second(&request) {
            let all = decode(&request.wire);
            sum += all.iter().filter(|f| f.name == "rlarge_n_total").map(|f| f.sample.unwrap().0).sum::<f64>();
        } else {
            let all = [support::decode(&request.wire)];
            assert_eq!(one(&all, "rlarge_none"), None);
            sum += samples(&all, "rlarge_n_total").iter().map(|(_, value)| value).sum::<f64>();
        }
    }
    assert_eq!(sum, (0..300).sum::<u64>() as f64);
    assert!(remove("remote-write", SOON).unwrap().balances());
}
