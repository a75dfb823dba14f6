//! Version 1.0 against a server of our own, read with `snap` and `prost`.

mod support;

use ferrometer_core::{
    Cause, Ledger, Limits, Naming, View, configure_with_views, flush, get_logger, install, ledgers, remove,
};
use ferrometer_push_testkit::http::{Answer, Server};
use ferrometer_push_testkit::{NEVER, SOON, alone, hard, with_view};
use ferrometer_remote_write::{Auth, Histograms, RemoteWrite, Settings, Version};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use support::{WriteRequest, decode, one, samples};

fn settings(server: &Server) -> Settings {
    Settings::new(format!("{}/api/v1/write", server.url()))
        .version(Version::V1)
        .label("job", "test")
        .label("instance", "here")
}

fn start(settings: Settings) {
    install("remote-write", Box::new(RemoteWrite::new(settings).unwrap()), NEVER).unwrap();
}

fn account() -> Ledger {
    ledgers().into_iter().find(|l| l.backend == "remote-write").unwrap()
}

fn decoded(server: &Server) -> Vec<WriteRequest> {
    server.take().iter().map(|request| decode(&request.wire)).collect()
}

#[test]
fn what_arrives_is_what_was_recorded() {
    let _alone = alone();
    let server = Server::start(|_| Answer::status(204));
    start(
        settings(&server).auth(Auth::Basic { user: "me".into(), password: "hush".into() }).header("X-Scope-OrgID", "t"),
    );
    let truth = hard::record("rd", 2);
    let _ = get_logger("rd").gauge("half").unit("bytes").description("Half of it.");
    get_logger("rd").with("Zone", "z").send_counter("upper", 1);
    assert!(flush(SOON).complete);
    let requests = server.requests();
    assert_eq!(requests[0].target, "/api/v1/write");
    for (name, value) in [
        ("content-type", "application/x-protobuf"),
        ("content-encoding", "snappy"),
        ("x-prometheus-remote-write-version", "0.1.0"),
        ("authorization", "Basic bWU6aHVzaA=="),
        ("x-scope-orgid", "t"),
    ] {
        assert_eq!(requests[0].header(name), Some(value));
    }
    let all = decoded(&server);
    let hard = samples(&all, "rd_hard_total");
    assert_eq!(hard.iter().map(|(_, value)| value).sum::<f64>(), truth.counted as f64);
    let kinds: BTreeSet<&str> = hard.iter().map(|(labels, _)| labels["kind"].as_str()).collect();
    assert_eq!(kinds, hard::VALUES.into_iter().collect(), "labels arrive as they were given");
    assert!(hard.iter().all(|(labels, _)| labels["job"] == "test" && labels["instance"] == "here"));
    assert_eq!(
        (one(&all, "rd_falls_total"), one(&all, "rd_falls_decrements_total")),
        (Some(truth.up as f64), Some(truth.down as f64))
    );
    assert_eq!(one(&all, "rd_took_seconds_count"), Some(truth.timed as f64));
    assert_eq!(one(&all, "rd_took_seconds_sum").map(|s| (s * 1000.0).round()), Some(truth.millis as f64));
    let buckets = samples(&all, "rd_took_seconds_bucket");
    let at = |le: &str| buckets.iter().find(|(labels, _)| labels["le"] == le).map(|(_, value)| *value);
    assert_eq!((at("+Inf"), at("10"), at("0.0001")), (Some(truth.timed as f64), Some(truth.timed as f64), Some(0.0)));
    assert_eq!(samples(&all, "rd_upper_total")[0].0["Zone"], "z");
    for (name, value) in hard::GAUGES {
        let name = if name == "half" { "half_bytes" } else { name };
        assert_eq!(one(&all, &format!("rd_{name}")), Some(value), "{name}");
    }
    let metadata: Vec<_> = all.iter().flat_map(|request| request.metadata.clone()).collect();
    let about = |family: &str| metadata.iter().find(|m| m.family == family).unwrap();
    assert_eq!(
        (about("rd_falls_total").kind, about("rd_took_seconds").kind, about("rd_took_seconds").unit.as_str()),
        (1, 3, "seconds")
    );
    assert_eq!((about("rd_half_bytes").kind, about("rd_half_bytes").help.as_str()), (2, "Half of it."));
    // Told once, until there is something new, as ferrometer's own metrics are after a first delivery.
    flush(SOON);
    flush(SOON);
    server.take();
    get_logger("rd").send_counter("falls", 1);
    flush(SOON);
    let again = decoded(&server);
    assert!(!again.is_empty() && again.iter().all(|request| request.metadata.is_empty()));
    let ledger = remove("remote-write", SOON).unwrap();
    assert!(ledger.balances() && ledger.pending.is_zero(), "{ledger}");
    assert_eq!(ledger.dropped_in_all().recordings, 2 * hard::INVALID, "{ledger}");
}

#[test]
fn a_view_gives_the_buckets() {
    let _alone = alone();
    let views = |views: Vec<View>| configure_with_views(Naming::default(), Limits::default(), vec![], views);
    views(vec![View::new("rviewed.took").buckets([0.01, 0.1]), View::new("rviewed.rows").buckets([10.0, 1000.0])]);
    let server = Server::start(|_| Answer::status(204));
    start(settings(&server));
    [1, 50, 500].into_iter().for_each(|millis| get_logger("rviewed").send_timer("took", Duration::from_millis(millis)));
    [1.0, 2.0, 500.0].into_iter().for_each(|rows| get_logger("rviewed").send_histogram("rows", rows));
    assert!(flush(SOON).complete);
    let all = decoded(&server);
    let buckets = |name: &str| {
        let of = |(labels, value): &(BTreeMap<String, String>, f64)| (labels["le"].clone(), *value);
        samples(&all, name).iter().map(of).collect::<Vec<_>>()
    };
    let le = |bounds: [(&str, f64); 3]| bounds.map(|(le, count)| (le.to_owned(), count)).to_vec();
    assert_eq!(buckets("rviewed_took_seconds_bucket"), le([("0.01", 1.0), ("0.1", 2.0), ("+Inf", 3.0)]));
    assert_eq!(buckets("rviewed_rows_bucket"), le([("10", 2.0), ("1000", 3.0), ("+Inf", 3.0)]));
    remove("remote-write", SOON).unwrap();
    views(vec![]);
}

#[test]
fn series_end_with_a_stale_marker_when_the_backend_does_and_not_before() {
    let _alone = alone();
    for histograms in [Histograms::Classic, Histograms::Native] {
        let server = Server::start(|_| Answer::status(204));
        start(settings(&server).histograms(histograms));
        let name = format!("rstale{histograms:?}");
        get_logger(&name).send_counter("c", 3);
        get_logger(&name).send_timer("t", Duration::from_millis(1));
        flush(SOON);
        let is_stale = |value: f64| value.to_bits() == 0x7ff0_0000_0000_0002;
        let ends = |all: &[WriteRequest]| {
            let series: Vec<_> = all.iter().flat_map(|request| request.timeseries.clone()).collect();
            let own = series.into_iter().filter(|s| s.labels.iter().any(|l| l.value.starts_with(&name)));
            own.map(|s| {
                let sample = s.samples.first().map(|s| (is_stale(s.value), s.timestamp));
                let histogram = s.histograms.first().map(|h| (is_stale(h.sum), h.timestamp));
                (s.labels, sample.or(histogram).unwrap())
            })
            .collect::<Vec<_>>()
        };
        let before = ends(&decoded(&server));
        assert!(!before.is_empty() && before.iter().all(|(_, (stale, _))| !stale));
        remove("remote-write", SOON).unwrap();
        let after = ends(&decoded(&server));
        let stale: Vec<_> = after.iter().filter(|(_, (stale, _))| *stale).collect();
        assert_eq!(stale.len(), before.len(), "each series ends");
        for (labels, (_, time)) in &before {
            assert!(stale.iter().any(|(own, (_, end))| own == labels && end > time));
        }
    }
}

#[test]
fn no_request_has_more_samples_than_it_may() {
    let _alone = alone();
    let server = Server::start(|_| Answer::status(204));
    let mut settings = settings(&server);
    settings.max_samples = 25;
    start(settings);
    let logger = get_logger("rmany");
    (0..100u64).for_each(|i| logger.send_counter(format!("c{i}"), i));
    (0..10u64).for_each(|i| logger.send_timer(format!("t{i}"), Duration::from_millis(i)));
    (0..10).for_each(|i| logger.send_histogram("h", 2f64.powi(i * 3) - 50.0));
    flush(SOON);
    let all = decoded(&server);
    assert!(all.len() > 10 && all.iter().all(|request| request.timeseries.len() + request.metadata.len() <= 25));
    let sum: f64 = (0..100).map(|i| one(&all, &format!("rmany_c{i}_total")).unwrap()).sum();
    assert_eq!(sum, (0..100).sum::<u64>() as f64);
    // Many bounds: those are there that say something.
    let buckets = samples(&all, "rmany_h_bucket");
    let counts: Vec<f64> = buckets.iter().map(|(_, value)| *value).collect();
    assert!(counts.len() < 60 && counts.is_sorted() && counts[0] > 0.0 && counts.last() == Some(&10.0), "{counts:?}");
    assert_eq!(one(&all, "rmany_h_sum"), None);
    let ledger = remove("remote-write", SOON).unwrap();
    assert!(ledger.balances() && ledger.dropped_in_all().is_zero(), "{ledger}");
}

#[test]
fn native_histograms_count_each_value_once() {
    let _alone = alone();
    let mut backend = RemoteWrite::new(Settings::new("http://localhost/").histograms(Histograms::Native)).unwrap();
    let shown = with_view(
        || {
            let logger = get_logger("rnative");
            [0.0, 1.0, 2.0, 3.0, 1000.0, -1.0, -64.5].iter().for_each(|v| logger.send_histogram("h", *v));
        },
        move |view| backend.preview(view),
    );
    let all: Vec<WriteRequest> = shown.iter().map(|body| decode(&body.wire)).collect();
    let series =
        all.iter().flat_map(|r| &r.timeseries).find(|s| s.labels.iter().any(|l| l.value == "rnative_h")).unwrap();
    let h = &series.histograms[0];
    assert_eq!((h.count, h.zero_count, h.sum, h.schema), (Some(7), Some(1), 940.5, 4));
    let unpack = |spans: &[support::Span], deltas: &[i64]| {
        let (mut at, mut count, mut deltas, mut out) = (0, 0, deltas.iter(), Vec::new());
        for span in spans {
            at += span.offset;
            for _ in 0..span.length {
                count += deltas.next().unwrap();
                if count > 0 {
                    out.push((at, count));
                }
                at += 1;
            }
        }
        assert!(deltas.next().is_none());
        out
    };
    let positive = unpack(&h.positive_spans, &h.positive_deltas);
    assert_eq!(positive.iter().map(|(_, n)| n).sum::<i64>(), 4);
    for (value, (at, _)) in [1.0f64, 2.0, 3.0, 1000.0].iter().zip(&positive) {
        let high = 2f64.powf(f64::from(*at) / 16.0);
        assert!(*value <= high * 1.065 && *value > high / 1.045 * 0.935, "{value} in {at}");
    }
    assert_eq!(unpack(&h.negative_spans, &h.negative_deltas).len(), 2);
}

#[test]
fn names_that_are_alike_are_kept_apart() {
    let _alone = alone();
    let server = Server::start(|_| Answer::status(204));
    start(settings(&server));
    let logger = get_logger("ralike");
    logger.send_counter("a.b", 1);
    logger.send_counter("a_b", 20);
    logger.send_gauge("x.count", 3);
    logger.with("k.l", "1").send_counter("y", 1);
    logger.with("k_l", "1").send_counter("y", 2);
    logger.send_counter("job", 5);
    flush(SOON);
    let all = decoded(&server);
    assert_eq!(one(&all, "ralike_a_b_total"), Some(1.0));
    let ledger = remove("remote-write", SOON).unwrap();
    assert!(ledger.balances(), "{ledger}");
    assert_eq!(ledger.dropped[Cause::Collision].increments, 22, "{ledger}");
}

#[test]
fn each_answer_has_its_place_in_the_account() {
    let _alone = alone();
    for (status, is_sent, is_refused) in
        [(200, true, false), (400, false, true), (401, false, true), (429, false, false), (500, false, false)]
    {
        let server = Server::start(move |_| Answer::status(status));
        start(settings(&server));
        get_logger("rs").send_counter("c", 3);
        flush(SOON);
        let ledger = account();
        assert!(ledger.balances(), "{status}: {ledger}");
        assert_eq!(
            (ledger.sent.increments == 3, ledger.dropped[Cause::Refused].increments == 3),
            (is_sent, is_refused),
            "{status}: {ledger}"
        );
        assert_eq!(ledger.pending.increments == 3, !is_sent && !is_refused, "{status}: {ledger}");
        let ledger = remove("remote-write", Duration::from_secs(2)).unwrap();
        assert!(ledger.balances() && ledger.pending.is_zero(), "{status}: {ledger}");
    }
}
