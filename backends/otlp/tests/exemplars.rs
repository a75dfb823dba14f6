//! Exemplars in both encodings and both sorts of histograms: each is delivered once, with the point that it belongs to.

mod support;

use ferrometer_core::exemplars::{TraceContext, provide};
use ferrometer_core::{Limits, Naming, configure_with_exemplars, flush, get_logger, install, remove};
use ferrometer_otlp::{Encoding, Histograms, Otlp, Settings, Temporality};
use ferrometer_push_testkit::http::{Answer, Server};
use ferrometer_push_testkit::{NEVER, SOON, alone};
use std::cell::Cell;
use std::sync::atomic::{AtomicU16, Ordering::SeqCst};
use std::sync::{Arc, Once};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use support::{Exemplar, Metric, decode, metrics, numbers};

thread_local! {
    static TRACE: Cell<u128> = const { Cell::new(0) };
}

fn nanos() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
}

fn start(server: &Server, change: impl FnOnce(Settings) -> Settings) {
    static PROVIDE: Once = Once::new();
    // The span has the trace's number in its upper half.
    PROVIDE.call_once(|| provide(|| TraceContext::new(TRACE.get(), (TRACE.get() >> 64) as u64)).unwrap());
    configure_with_exemplars(Naming::default(), Limits::default(), vec![], vec![], true);
    let settings = change(Settings::new(format!("{}/v1/metrics", server.url())));
    install("otlp", Box::new(Otlp::new(settings).unwrap()), NEVER).unwrap();
}

fn in_trace(trace: u128, record: impl FnOnce()) {
    TRACE.set(trace);
    record();
    TRACE.set(0);
}

fn traces(found: &[Exemplar]) -> Vec<u128> {
    found.iter().map(|exemplar| u128::from_be_bytes(exemplar.trace_id.as_slice().try_into().unwrap())).collect()
}

/// Those of the points of a name, in whatever sort of point.
fn of(all: &[Metric], name: &str) -> Vec<Exemplar> {
    let metric = all.iter().find(|metric| metric.name == name).unwrap();
    let explicit = metric.histogram.iter().flat_map(|h| h.points.iter().flat_map(|p| p.exemplars.clone()));
    let exponential = metric.exponential.iter().flat_map(|h| h.points.iter().flat_map(|p| p.exemplars.clone()));
    numbers(all, name).into_iter().flat_map(|p| p.exemplars).chain(explicit).chain(exponential).collect()
}

#[test]
fn each_arrives_once_with_its_point() {
    let _alone = alone();
    let sorts = [
        (Histograms::Exponential, Temporality::Cumulative),
        (Histograms::Explicit, Temporality::Cumulative),
        (Histograms::Exponential, Temporality::Delta),
    ];
    for (number, (histograms, temporality)) in sorts.into_iter().enumerate() {
        let server = Server::start(|_| Answer::status(200));
        start(&server, |settings| settings.histograms(histograms).temporality(temporality));
        let name = format!("oex{number}");
        let logger = get_logger(&name).with("k", "v");
        let begun = nanos();
        in_trace(1, || logger.send_counter("c", 3));
        logger.send_counter("c", -1);
        in_trace(2 << 64 | 3, || logger.send_timer("t", Duration::from_millis(1)));
        in_trace(4, || logger.send_timer("t", Duration::from_secs(8)));
        in_trace(5, || logger.send_histogram("h", -2.5));
        in_trace(6, || logger.send_gauge("g", 2.5));
        flush(SOON);
        let take = || metrics(&server.take().iter().map(|request| decode(&request.body)).collect::<Vec<_>>());
        let all = take();
        let counter = of(&all, &format!("{name}.c"));
        assert_eq!((traces(&counter), counter[0].as_int, counter[0].as_double), (vec![1], Some(3), None));
        assert!(counter[0].span_id.is_empty() && (begun..=nanos()).contains(&counter[0].time));
        assert_eq!(of(&all, &format!("{name}.c.decrements")), []);
        let timer = of(&all, &format!("{name}.t"));
        let mut values: Vec<_> = timer.iter().map(|e| (e.as_double.unwrap(), e.as_int, e.span_id.clone())).collect();
        values.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert_eq!(values, [(0.001, None, 2u64.to_be_bytes().to_vec()), (8.0, None, vec![])]);
        let histogram = of(&all, &format!("{name}.h"));
        assert_eq!((traces(&histogram), histogram[0].as_double), (vec![5], Some(-2.5)));
        assert_eq!(of(&all, &format!("{name}.g")), []);
        // Exemplars that arrived do not come again; new ones do.
        in_trace(7, || logger.send_timer("t", Duration::from_millis(1)));
        logger.send_counter("c", 1);
        flush(SOON);
        let all = take();
        assert_eq!(traces(&of(&all, &format!("{name}.t"))), [7]);
        assert_eq!(of(&all, &format!("{name}.c")), []);
        assert!(remove("otlp", SOON).unwrap().balances());
    }
}

#[test]
fn json_has_ids_in_digits() {
    let _alone = alone();
    let server = Server::start(|_| Answer::status(200));
    start(&server, |settings| settings.encoding(Encoding::Json));
    let logger = get_logger("oexj");
    in_trace(0xab << 64 | 1, || {
        logger.send_counter("c", 3);
        logger.send_timer("t", Duration::from_millis(1));
        logger.send_timer("t", Duration::from_secs(1));
    });
    flush(SOON);
    let requests = server.take();
    let body: serde_json::Value = serde_json::from_slice(&requests[0].body).unwrap();
    let all = body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().unwrap().clone();
    let find = |name: &str| all.iter().find(|metric| metric["name"] == name).unwrap().clone();
    let counter = &find("oexj.c")["sum"]["dataPoints"][0]["exemplars"];
    assert_eq!((counter.as_array().unwrap().len(), &counter[0]["asInt"]), (1, &3.into()));
    assert_eq!(counter[0]["traceId"], "00000000000000ab0000000000000001");
    assert_eq!(counter[0]["spanId"], "00000000000000ab");
    assert!(counter[0]["timeUnixNano"].as_str().unwrap().parse::<u64>().unwrap() <= nanos());
    let timer = find("oexj.t")["exponentialHistogram"]["dataPoints"][0]["exemplars"].as_array().unwrap().clone();
    let mut values: Vec<f64> = timer.iter().map(|exemplar| exemplar["asDouble"].as_f64().unwrap()).collect();
    values.sort_by(f64::total_cmp);
    assert_eq!(values, [0.001, 1.0]);
    assert!(remove("otlp", SOON).unwrap().balances());
}

#[test]
fn a_server_that_was_away_gets_those_that_are_there_when_it_is_back() {
    let _alone = alone();
    let status = Arc::new(AtomicU16::new(503));
    let now = Arc::clone(&status);
    let server = Server::start(move |_| Answer::status(now.load(SeqCst)));
    start(&server, |settings| settings);
    in_trace(8, || get_logger("oexaway").send_counter("c", 1));
    flush(Duration::from_millis(50));
    server.take();
    status.store(200, SeqCst);
    flush(SOON);
    let requests = server.take();
    let all = metrics(&requests.iter().map(|request| decode(&request.body)).collect::<Vec<_>>());
    assert_eq!(traces(&of(&all, "oexaway.c")), [8]);
    assert!(remove("otlp", SOON).unwrap().balances());
}
