//! Exemplars in the formats that have them: behind the counter or the bucket that they belong to, read back by strict parsers.

mod common;

use common::openmetrics::{self, Exemplar};
use common::protobuf::{self, Exemplar as Message};
use ferrometer_core::exemplars::{TraceContext, provide};
use ferrometer_core::{Limits, Naming, View, configure_with_exemplars, get_logger, hold, snapshot};
use ferrometer_prometheus::{Filter, Format, Prometheus, Settings};
use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

thread_local! {
    static TRACE: Cell<(u128, u64)> = const { Cell::new((0, 0)) };
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

#[test]
fn each_stands_where_it_belongs_in_each_format() {
    hold();
    provide(|| TraceContext::new(TRACE.get().0, TRACE.get().1)).unwrap();
    let views = vec![View::new("ex.few").buckets([0.5])];
    configure_with_exemplars(Naming::default(), Limits::default(), vec![], views, true);
    let begun = seconds(SystemTime::now());
    let logger = get_logger("ex").with("path", "/ # {a=\"b\"} 1");
    let in_trace = |trace: u128, span: u64, record: &dyn Fn()| {
        TRACE.set((trace, span));
        record();
        TRACE.set((0, 0));
    };
    in_trace(1, 2, &|| logger.send_counter("c", 3));
    // Two places, one bucket: the later one is shown.
    in_trace(3, 0, &|| logger.send_timer("t", Duration::from_micros(1)));
    std::thread::sleep(Duration::from_millis(2));
    in_trace(4, 0, &|| logger.send_timer("t", Duration::from_micros(50)));
    // One at a bound, and one beyond the last.
    in_trace(5, 0, &|| logger.send_timer("t", Duration::from_millis(5)));
    in_trace(6, 6, &|| logger.send_timer("t", Duration::from_secs(20)));
    in_trace(7, 0, &|| logger.send_histogram("h", -6.0));
    in_trace(u128::MAX, u64::MAX, &|| logger.send_histogram("few", 0.25));
    in_trace(9, 0, &|| logger.send_counter("down", -1));
    in_trace(10, 0, &|| logger.send_gauge("g", 1.0));
    logger.send_counter("outside", 1);

    let mut exporter = Prometheus::new(Settings::default().process_metrics(false));
    exporter.make(SystemTime::now(), snapshot().totals(), &Naming::default());
    let handle = exporter.handle();
    let bytes = |format| handle.exposition(format, &Filter::default()).collect_bytes();
    let plain = String::from_utf8(bytes(Format::Text)).unwrap();
    assert!(!plain.contains("trace_id"), "0.0.4 has none");

    let id = |trace: u128, span: u64| {
        let trace = ("trace_id".to_owned(), format!("{trace:032x}"));
        let span = (span > 0).then(|| ("span_id".to_owned(), format!("{span:016x}")));
        [Some(trace), span].into_iter().flatten().collect::<Vec<_>>()
    };
    let is = |found: &Exemplar, (trace, span, value): (u128, u64, f64)| {
        found.labels == id(trace, span)
            && found.value == value
            && (begun - 0.001..=seconds(SystemTime::now())).contains(&found.seconds)
    };
    let open = openmetrics::parse(&String::from_utf8(bytes(Format::OpenMetrics)).unwrap()).unwrap();
    let shown = |family: &str, expected: &[(&str, (u128, u64, f64))]| {
        let family = &open[family];
        let le = |at: usize| {
            let found = family.samples[at].labels.iter().find(|(key, _)| key == "le");
            found.map_or("", |(_, le)| le.as_str())
        };
        let found: Vec<_> = family.exemplars.iter().map(|(at, exemplar)| (le(*at), exemplar)).collect();
        let fits = found.iter().zip(expected).all(|(found, expected)| found.0 == expected.0 && is(found.1, expected.1));
        assert!(found.len() == expected.len() && fits, "{found:?} {expected:?}");
    };
    shown("ex_c", &[("", (1, 2, 3.0))]);
    shown("ex_t_seconds", &[("0.0001", (4, 0, 5e-5)), ("0.005", (5, 0, 0.005)), ("+Inf", (6, 6, 20.0))]);
    shown("ex_h", &[("-4.0", (7, 0, -6.0))]);
    shown("ex_few", &[("0.5", (u128::MAX, u64::MAX, 0.25))]);
    for family in ["ex_down", "ex_g", "ex_outside"] {
        shown(family, &[]);
    }

    let families = protobuf::parse(&bytes(Format::Protobuf)).unwrap();
    let metric = |name: &str| &families.iter().find(|f| f.name.as_deref() == Some(name)).unwrap().metric[0];
    let read = |message: &Message| {
        let text = |text: &Option<String>| text.clone().unwrap();
        let time = message.timestamp.clone().unwrap();
        let labels = message.label.iter().map(|pair| (text(&pair.name), text(&pair.value))).collect();
        let seconds = time.seconds as f64 + f64::from(time.nanos) / 1e9;
        Exemplar { labels, value: message.value.unwrap(), seconds }
    };
    let counter = metric("ex_c_total").counter.as_ref().unwrap();
    assert!(is(&read(counter.exemplar.as_ref().unwrap()), (1, 2, 3.0)));
    assert!(metric("ex_outside_total").counter.as_ref().unwrap().exemplar.is_none());
    let timer = metric("ex_t_seconds").histogram.as_ref().unwrap();
    let classic: Vec<_> =
        timer.bucket.iter().filter_map(|b| Some((b.upper_bound?, read(b.exemplar.as_ref()?)))).collect();
    let expected = [(1e-4, (4, 0, 5e-5)), (0.005, (5, 0, 0.005)), (f64::INFINITY, (6, 6, 20.0))];
    assert!(
        classic.len() == 3 && classic.iter().zip(expected).all(|(a, b)| a.0 == b.0 && is(&a.1, b.1)),
        "{classic:?}"
    );
    assert_eq!(timer.bucket.last().unwrap().cumulative_count, timer.sample_count);
    // A native histogram has all of them, the oldest first.
    let native: Vec<_> = timer.exemplars.iter().map(read).collect();
    let expected = [(3, 0, 1e-6), (4, 0, 5e-5), (5, 0, 0.005), (6, 6, 20.0)];
    assert!(native.len() == 4 && native.iter().zip(expected).all(|(a, b)| is(a, b)), "{native:?}");
    assert!(native.is_sorted_by_key(|exemplar| exemplar.seconds));
}
