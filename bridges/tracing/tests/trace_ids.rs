//! Exemplars with the traces that spans name in their fields.

use ferrometer_core::exemplars::{TraceContext, provide};
use ferrometer_core::{Limits, Naming, Series, configure_with_exemplars, get_logger, hold, snapshot};
use ferrometer_tracing_layer::{Layer, TraceIds, current_trace};
use tracing::{Instrument, info_span};
use tracing_subscriber::layer::SubscriberExt;

fn trace(number: u128) -> String {
    format!("{number:x}")
}

fn of(series: &'static Series) -> Vec<(u128, u64)> {
    let snapshot = snapshot();
    // The layer gives its timers a rate, if only that of 1.
    let rates = snapshot.totals().iter().filter(|total| total.series.same_instrument(series));
    let all = rates.flat_map(|total| snapshot.totals().exemplars(total.series));
    all.map(|exemplar| (exemplar.context.trace_id(), exemplar.context.span_id())).collect()
}

#[test]
fn spans_have_the_trace_that_they_or_those_around_them_name() {
    hold();
    provide(current_trace).unwrap();
    configure_with_exemplars(Naming::default(), Limits::default(), vec![], vec![], true);
    let layers = tracing_subscriber::registry().with(Layer::new()).with(TraceIds::new());
    let _default = tracing::subscriber::set_default(layers);
    let now = || current_trace().map(|context| (context.trace_id(), context.span_id()));
    assert_eq!(now(), None);
    {
        let outer = info_span!("outer", trace_id = trace(7), span_id = "b").entered();
        assert_eq!(now(), Some((7, 11)));
        let inner = info_span!("inner", other = 1).entered();
        assert_eq!(now(), Some((7, 11)));
        get_logger("spans").send_counter("c", 1);
        let own = info_span!("own", trace_id = %trace(8)).entered();
        assert_eq!(now(), Some((8, 0)));
        // Left in another order than entered.
        drop(inner);
        assert_eq!(now(), Some((8, 0)));
        drop(own);
        assert_eq!(now(), Some((7, 11)));
        drop(outer);
    }
    assert_eq!((now(), of(get_logger("spans").counter("c").series())), (None, vec![(7, 11)]));
    // A span's own time belongs to its trace, though nobody is in it any more.
    let timer = get_logger("trace_ids").timer("outer.time").series();
    assert_eq!(of(timer), [(7, 11)]);
    for nonsense in ["", "0", "xyz", &"1".repeat(33), "7 # {a=\"b\"}\n"] {
        let _span = info_span!("nonsense", trace_id = nonsense, span_id = "1").entered();
        assert_eq!(now(), None, "{nonsense:?}");
    }
    // A field that comes later counts from then on.
    let late = info_span!("late", trace_id = tracing::field::Empty);
    let entered = late.clone().entered();
    assert_eq!(now(), None);
    late.record("trace_id", trace(9));
    assert_eq!(now(), Some((9, 0)));
    drop(entered);
    let other = tracing_subscriber::registry().with(TraceIds::new().fields("ray", "hop"));
    tracing::subscriber::with_default(other, || {
        let _ray = info_span!("ray", ray = trace(10), trace_id = trace(11)).entered();
        assert_eq!(now(), Some((10, 0)), "the fields of the other layer");
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_task_is_in_its_trace_on_whichever_thread() {
    let layers = tracing_subscriber::registry().with(TraceIds::new());
    let dispatch = tracing::Dispatch::new(layers);
    let tasks = (1..=100u128).map(|number| {
        let span = tracing::dispatcher::with_default(&dispatch, || info_span!("task", trace_id = trace(number)));
        let work = async move {
            for _ in 0..20 {
                tokio::task::yield_now().await;
                assert_eq!(current_trace(), TraceContext::new(number, 0));
            }
        };
        tokio::spawn(work.instrument(span))
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}
