//! Exemplars as a configuration has them, with the trace from OpenTelemetry's current context.
#![cfg(all(feature = "opentelemetry-context", feature = "prometheus", feature = "config-file"))]

use ferrometer::exemplars::is_provided;
use ferrometer::prometheus::Format;
use ferrometer::{Config, Metrics, Series, get_logger, init, snapshot};
use ferrometer_testkit::{SOON, alone};
use opentelemetry::Context;
use opentelemetry::trace::{FutureExt, SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

/// A context with a span of this trace.
fn in_trace(trace: u128, is_sampled: bool) -> Context {
    let flags = if is_sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
    let span = SpanContext::new(TraceId::from(trace), SpanId::from(trace as u64), flags, true, TraceState::NONE);
    Context::new().with_remote_span_context(span)
}

fn begin(toml: &str) -> Metrics {
    let toml = format!("[metrics]\nbackend = \"prometheus\"\n{toml}\n[metrics.prometheus]\nhttp = false\n");
    init(Config::from_toml(&toml).unwrap()).unwrap()
}

fn of(series: &'static Series) -> Vec<(u128, f64)> {
    let snapshot = snapshot();
    let all = snapshot.totals().exemplars(series).iter();
    all.map(|exemplar| (exemplar.context.trace_id(), exemplar.value)).collect()
}

#[test]
fn a_configuration_has_them_for_all_or_for_some() {
    let _alone = alone();
    let [some, other] = ["some", "other"].map(|name| get_logger("excfg").counter(name));
    let record = |trace| {
        let _in = in_trace(trace, true).attach();
        some.increment();
        other.increment();
    };
    let metrics = begin("");
    record(1);
    assert_eq!((of(some.series()), of(other.series())), (vec![], vec![]), "they are off by default");
    drop(metrics);
    let metrics = begin("exemplars = true\n[[metrics.views]]\nmatch = \"excfg.some\"\nexemplars = false");
    assert!(is_provided());
    record(2);
    assert_eq!((of(some.series()), of(other.series())), (vec![], vec![(2, 1.0)]));
    drop(metrics);
    let metrics = begin("[[metrics.views]]\nmatch = \"excfg.some\"\nexemplars = true");
    record(3);
    assert_eq!((of(some.series()), of(other.series())), (vec![(3, 1.0)], vec![]));
    // A span that is not kept leads nowhere.
    let _ = in_trace(4, false).attach();
    some.increment();
    assert_eq!(of(some.series()), [(3, 1.0)]);
    assert!(metrics.flush(SOON).complete);
    let shown = metrics.prometheus().unwrap().exposition(Format::OpenMetrics, &Default::default()).collect_bytes();
    let line = format!("excfg_some_total 4 # {{trace_id=\"{:032x}\",span_id=\"{:016x}\"}} 1 ", 3, 3);
    let shown = String::from_utf8(shown).unwrap();
    assert!(shown.contains(&line), "{shown}");
}

#[test]
fn each_task_has_its_own_trace_across_await_points() {
    let _alone = alone();
    let _metrics = begin("exemplars = true");
    let timer = get_logger("extask").timer("t");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).build().unwrap();
    let tasks = 200u32;
    let running = AtomicU64::new(0);
    let mut shown = HashSet::new();
    runtime.block_on(async {
        let all = (1..=tasks).map(|task| {
            // The value says which task it is of; every fourth one is in a trace that is not kept.
            let work = async move {
                for _ in 0..50 {
                    tokio::task::yield_now().await;
                    timer.record(Duration::from_micros(u64::from(task)));
                }
            };
            tokio::spawn(work.with_context(in_trace(u128::from(task), task % 4 != 0)))
        });
        for task in all.collect::<Vec<_>>() {
            task.await.unwrap();
            running.fetch_add(1, SeqCst);
            for (trace, nanos) in of(timer.series()) {
                assert!(trace as f64 * 1000.0 == nanos && trace % 4 != 0, "{trace} {nanos}");
                shown.insert(trace);
            }
        }
    });
    assert_eq!(snapshot().totals().of_series(timer.series()).unwrap().recordings, u64::from(tasks) * 50);
    assert!(shown.len() > 5, "{shown:?}");
}

#[test]
fn a_thread_that_ends_may_record_until_the_last() {
    let _alone = alone();
    static PANICS: AtomicU64 = AtomicU64::new(0);
    struct AtEnd;
    impl Drop for AtEnd {
        fn drop(&mut self) {
            get_logger("exend").send_counter("ended", 1);
        }
    }
    thread_local! {
        static AT_END: RefCell<Option<AtEnd>> = const { RefCell::new(None) };
    }
    let _metrics = begin("exemplars = true");
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| _ = PANICS.fetch_add(1, SeqCst)));
    let thread = std::thread::spawn(|| {
        // Made before OpenTelemetry's thread-local, and so dropped after it.
        AT_END.with(|at_end| *at_end.borrow_mut() = Some(AtEnd));
        let _in = in_trace(1, true).attach();
        get_logger("exend").send_counter("began", 1);
    });
    thread.join().unwrap();
    std::panic::set_hook(before);
    let counter = |name| get_logger("exend").counter(name).series();
    assert_eq!((of(counter("began")), of(counter("ended"))), (vec![(1, 1.0)], vec![]));
    assert_eq!(snapshot().totals().of_series(counter("ended")).unwrap().recordings, 1);
    assert_eq!(PANICS.load(SeqCst), 0);
}
