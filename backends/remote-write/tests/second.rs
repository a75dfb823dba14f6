//! Remote write 2.0 against servers of our own, read with `snap` and `prost`; and 1.0 where a server takes nothing newer.

mod support;

use ferrometer_core::{Cause, Ledger, flush, get_logger, install, ledgers, remove};
use ferrometer_push_testkit::http::{Answer, Request, Server};
use ferrometer_push_testkit::{NEVER, SOON, Scratch, alone, hard, wait_for};
use ferrometer_remote_write::{Histograms, RemoteWrite, Settings, Version};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use support::samples;
use support::second::{Found, decode, decode_kept};

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
    // The question, and what was written when it was answered.
    assert!(decode(&first[0].wire).is_empty());
    assert!(first.len() > 1 && first.iter().all(is_second));
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

const AWAY: u16 = 0;
const ONLY_FIRST: u16 = 1;
const ONLY_SECOND: u16 = 2;

/// A server that is away, or takes one version alone, and changes.
fn changing(now: &Arc<AtomicU16>) -> Server {
    let seen = Arc::clone(now);
    Server::start(move |request| match (seen.load(Ordering::Relaxed), is_second(request)) {
        (AWAY, _) => Answer::status(503),
        (ONLY_SECOND, true) => wrote(200, decode_kept(&request.wire).len(), 0),
        (ONLY_FIRST, false) => Answer::status(204),
        _ => Answer::status(415),
    })
}

/// How many bodies are kept.
fn kept(scratch: &Scratch) -> usize {
    let files = std::fs::read_dir(scratch.path().join("spool")).unwrap();
    files.filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().ends_with(".remote-write")).count()
}

/// The values of a counter with their times, and whether it has a type, in bodies of either version, in the order in which they came.
fn values(requests: &[Request], name: &str) -> Vec<(i64, f64, bool)> {
    let mut all = Vec::new();
    for request in requests {
        if is_second(request) {
            let found = decode_kept(&request.wire).into_iter().filter(|found| found.name == name);
            all.extend(found.map(|found| (found.sample.unwrap().1, found.sample.unwrap().0, found.kind == 1)));
            continue;
        }
        for series in support::decode(&request.wire).timeseries {
            if series.labels.iter().any(|label| label.name == "__name__" && label.value == name) {
                assert!(series.labels.iter().any(|label| label.name == "city" && label.value == "Oslo"));
                all.push((series.samples[0].timestamp, series.samples[0].value, false));
            }
        }
    }
    all
}

#[test]
fn what_a_spool_keeps_becomes_what_the_server_takes_when_it_is_back() {
    let _alone = alone();
    // Nothing is known of a server that is away from the start: bodies that are kept for it are of 1.0.
    for (before, after) in
        [(ONLY_SECOND, ONLY_FIRST), (ONLY_SECOND, ONLY_SECOND), (ONLY_FIRST, ONLY_SECOND), (AWAY, ONLY_SECOND)]
    {
        let scratch = Scratch::new("remote-write-second-spool");
        let now = Arc::new(AtomicU16::new(before));
        let server = changing(&now);
        let mut settings = settings(&server);
        settings.spool = Some(scratch.path().join("spool"));
        let interval = Duration::from_millis(50);
        install("remote-write", Box::new(RemoteWrite::new(settings).unwrap()), interval).unwrap();
        let logger = format!("rspooled{before}{after}");
        let add = || get_logger(&logger).with("city", "Oslo").send_counter("c", 1);
        if before != AWAY {
            get_logger(&logger).send_counter("first", 1);
            assert!(flush(SOON).complete);
        }
        now.store(AWAY, Ordering::Relaxed);
        for n in 1..=2 {
            let had = kept(&scratch);
            add();
            // One may have begun before.
            wait_for(|| (kept(&scratch) > had + 1).then_some(()), || format!("{n}: {} bodies", kept(&scratch)));
        }
        server.take();
        now.store(after, Ordering::Relaxed);
        wait_for(|| (kept(&scratch) == 0).then_some(()), || format!("{} bodies are left", kept(&scratch)));
        assert!(flush(SOON).complete);
        let ledger = remove("remote-write", SOON).unwrap();
        assert!(ledger.balances() && ledger.pending.is_zero() && ledger.dropped_in_all().is_zero(), "{ledger}");
        let requests = server.take();
        // It learns once that the server takes another version now.
        let taken = |request: &&Request| is_second(request) == (after == ONLY_SECOND);
        let not_taken = requests.iter().filter(|request| !taken(request) && request.wire.len() > 10).count();
        assert!(not_taken <= usize::from(before != after), "{before} {after}: {not_taken}");
        let taken: Vec<Request> = requests.iter().filter(taken).cloned().collect();
        let found: Vec<_> =
            values(&taken, &format!("{logger}_c_total")).into_iter().filter(|v| !v.1.is_nan()).collect();
        assert!(found.is_sorted_by(|a, b| a.0 <= b.0 && a.1 <= b.1), "in order: {found:?}");
        assert!((1..=2).all(|n| found.iter().any(|(_, value, _)| *value == f64::from(n))), "{found:?}");
        // A body that was written as 2.0 has its type all the way.
        if (before, after) == (ONLY_SECOND, ONLY_SECOND) {
            assert!(found.iter().all(|(_, _, has_type)| *has_type), "{found:?}");
        }
    }
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
    // A flush with little time may end before all is counted.
    let ledger = wait_for(|| Some(account()).filter(|ledger| ledger.errors > 0), || account().to_string());
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
fn halves_of_a_body_that_is_too_large_are_of_the_second_version() {
    let _alone = alone();
    let server = Server::start(|request| match (is_second(request), snap::raw::decompress_len(&request.wire)) {
        (false, _) => Answer::status(415),
        (_, Ok(len)) if len > 2000 => Answer::status(413),
        _ => takes_all(request),
    });
    start(settings(&server));
    let logger = get_logger("rhalves");
    (0..200u64).for_each(|i| logger.with("i", &i.to_string()).send_counter("n", i));
    assert!(flush(SOON).complete);
    let taken: Vec<Request> = server.take();
    assert!(taken.iter().all(is_second));
    let fits = taken.iter().filter(|request| snap::raw::decompress_len(&request.wire).unwrap() <= 2000);
    let all: Vec<Found> = fits.flat_map(|request| decode(&request.wire)).collect();
    let of_name = all.iter().filter(|found| found.name == "rhalves_n_total");
    let sum: f64 = of_name.map(|found| found.sample.unwrap().0).sum();
    assert_eq!(sum, (0..200).sum::<u64>() as f64);
    let ledger = remove("remote-write", SOON).unwrap();
    assert!(ledger.balances() && ledger.dropped_in_all().is_zero(), "{ledger}");
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
        assert!(size <= 8192 && is_second(&request), "{size}");
        let all = decode(&request.wire);
        sum += all.iter().filter(|f| f.name == "rlarge_n_total").map(|f| f.sample.unwrap().0).sum::<f64>();
    }
    assert_eq!(sum, (0..300).sum::<u64>() as f64);
    assert!(remove("remote-write", SOON).unwrap().balances());
}
