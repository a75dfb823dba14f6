//! Exemplars in both versions: behind the counter, the native histogram or the bucket that they belong to, each once.

mod support;

use ferrometer_core::exemplars::{TraceContext, provide};
use ferrometer_core::{Limits, Naming, View, configure_with_exemplars, flush, get_logger, install, remove};
use ferrometer_push_testkit::http::{Answer, Request, Server};
use ferrometer_push_testkit::{NEVER, SOON, alone};
use ferrometer_remote_write::{Histograms, RemoteWrite, Settings, Version};
use std::cell::Cell;
use std::sync::Once;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use support::Exemplar;

thread_local! {
    static TRACE: Cell<u128> = const { Cell::new(0) };
}

fn millis() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

fn in_trace(trace: u128, record: impl FnOnce()) {
    TRACE.set(trace);
    record();
    TRACE.set(0);
}

fn is_second(request: &Request) -> bool {
    request.header("content-type").is_some_and(|kind| kind.contains("v2.Request"))
}

/// Takes either version, all of it.
fn takes_all(request: &Request) -> Answer {
    if !is_second(request) {
        return Answer::status(204);
    }
    let all = support::second::decode(&request.wire);
    let samples = all.iter().filter(|found| found.sample.is_some()).count();
    let headers = format!(
        "X-Prometheus-Remote-Write-Samples-Written: {samples}\r\nX-Prometheus-Remote-Write-Histograms-Written: {}\r\n",
        all.len() - samples
    );
    Answer::Status(200, headers.leak(), Vec::new())
}

/// Exemplars as (name of the series, `le`, trace, value).
fn found(server: &Server) -> Vec<(String, String, u128, f64)> {
    let mut all = Vec::new();
    let mut add = |name: &str, le: &str, exemplar: &Exemplar| {
        let label =
            |name: &str| exemplar.labels.iter().find(|label| label.name == name).map(|label| label.value.as_str());
        let trace = u128::from_str_radix(label("trace_id").unwrap(), 16).unwrap();
        let span = label("span_id").map(|span| u64::from_str_radix(span, 16).unwrap());
        // The span has the trace's number in its upper half.
        assert_eq!(span, Some((trace >> 64) as u64).filter(|span| *span > 0));
        assert!(exemplar.timestamp > 1_600_000_000_000 && exemplar.timestamp <= millis());
        all.push((name.to_owned(), le.to_owned(), trace, exemplar.value));
    };
    for request in server.take() {
        if is_second(&request) {
            for series in support::second::decode(&request.wire) {
                let le = series.labels.get("le").map_or("", String::as_str);
                series.exemplars.iter().for_each(|exemplar| add(&series.name, le, exemplar));
            }
            continue;
        }
        for series in support::decode(&request.wire).timeseries {
            let label = |name: &str| series.labels.iter().find(|label| label.name == name);
            let (name, le) = (&label("__name__").unwrap().value, label("le").map_or("", |label| label.value.as_str()));
            series.exemplars.iter().for_each(|exemplar| add(name, le, exemplar));
        }
    }
    all.sort_by(|a, b| a.partial_cmp(b).unwrap());
    all
}

#[test]
fn each_arrives_once_with_its_series_in_both_versions() {
    static PROVIDE: Once = Once::new();
    let _alone = alone();
    PROVIDE.call_once(|| provide(|| TraceContext::new(TRACE.get(), (TRACE.get() >> 64) as u64)).unwrap());
    configure_with_exemplars(
        Naming::default(),
        Limits::default(),
        vec![],
        vec![View::new("*.few").buckets([0.5])],
        true,
    );
    let long = 9u128 << 64 | 1;
    for (number, version) in [Version::V1, Version::Auto].into_iter().enumerate() {
        for histograms in [Histograms::Classic, Histograms::Native] {
            let server = Server::start(takes_all);
            let settings =
                Settings::new(format!("{}/api/v1/write", server.url())).version(version).histograms(histograms);
            install("remote-write", Box::new(RemoteWrite::new(settings).unwrap()), NEVER).unwrap();
            // The server says which version it takes.
            get_logger("rexlearn").send_counter("c", 1);
            flush(SOON);
            server.take();
            let name = format!("rex{number}{histograms:?}").to_lowercase();
            let logger = get_logger(&name).with("le_label", "v");
            in_trace(1, || logger.send_counter("c", 3));
            logger.send_counter("c", -1);
            in_trace(2, || logger.send_timer("t", Duration::from_micros(1)));
            in_trace(long, || logger.send_timer("t", Duration::from_millis(5)));
            in_trace(4, || logger.send_timer("t", Duration::from_secs(20)));
            // A value below its bucket's bounds, of which those without values are left out.
            in_trace(5, || logger.send_histogram("h", 1.9));
            in_trace(6, || logger.send_histogram("few", -3.0));
            in_trace(7, || logger.send_histogram("few", 0.75));
            in_trace(8, || logger.send_gauge("g", 0.75));
            assert!(flush(SOON).complete);
            let mut expected = match histograms {
                Histograms::Classic => vec![
                    ("t_seconds_bucket", "0.0001", 2, 1e-6),
                    ("t_seconds_bucket", "0.005", long, 0.005),
                    ("t_seconds_bucket", "+Inf", 4, 20.0),
                    ("h_bucket", "4", 5, 1.9),
                    ("few_bucket", "0.5", 6, -3.0),
                    ("few_bucket", "+Inf", 7, 0.75),
                ],
                _ => vec![
                    ("t_seconds", "", 2, 1e-6),
                    ("t_seconds", "", long, 0.005),
                    ("t_seconds", "", 4, 20.0),
                    ("h", "", 5, 1.9),
                    ("few", "", 6, -3.0),
                    ("few", "", 7, 0.75),
                ],
            };
            expected.push(("c_total", "", 1, 3.0));
            let full = |(metric, le, trace, value): (&str, &str, u128, f64)| {
                (format!("{name}_{metric}"), le.to_owned(), trace, value)
            };
            let mut expected: Vec<_> = expected.into_iter().map(full).collect();
            expected.sort_by(|a, b| a.partial_cmp(b).unwrap());
            assert_eq!(found(&server), expected, "{version:?}");
            // Only what is new comes again.
            in_trace(10, || logger.send_counter("c", 1));
            logger.send_timer("t", Duration::from_millis(5));
            assert!(flush(SOON).complete);
            assert_eq!(found(&server), [full(("c_total", "", 10, 1.0))]);
            assert!(remove("remote-write", SOON).unwrap().balances());
        }
    }
}
