//! A function that tells traces and panics is not asked again; the log says so once, and recordings do not notice.

#[path = "support/subscriber.rs"]
mod subscriber;
mod support;

use ferrometer_core::exemplars::{TraceContext, provide};
use ferrometer_core::*;
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use subscriber::Subscriber;
use support::{SOON, sink};

#[test]
fn one_that_panics_is_not_asked_again() {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let keep = Arc::clone(&told);
    tracing::subscriber::set_global_default(Subscriber(move |line| keep.lock().unwrap().push(line))).unwrap();
    /// Panics again when it is dropped.
    struct Worse;
    impl Drop for Worse {
        fn drop(&mut self) {
            panic!("again");
        }
    }
    provide(|| -> Option<TraceContext> {
        ASKED.fetch_add(1, SeqCst);
        std::panic::resume_unwind(Box::new(Worse));
    })
    .unwrap();
    configure_with_exemplars(Naming::default(), Limits::default(), vec![], vec![], true);
    install("a", sink(), Duration::from_millis(5)).unwrap();
    let counter = get_logger("panics").counter("c");
    let in_guard = get_logger("panics").timer("t");
    (0..100).for_each(|_| counter.increment());
    // Within a panic of the program's own, too.
    let caught = std::panic::catch_unwind(|| {
        let _timing = in_guard.start();
        std::panic::resume_unwind(Box::new(()));
    });
    assert!(caught.is_err());
    let about = |told: &[String]| told.iter().filter(|line| line.contains("exemplars")).count();
    ferrometer_testkit::wait_until("the log says so", || about(&told.lock().unwrap()) > 0);
    (0..100).for_each(|_| counter.increment());
    flush(SOON);
    assert_eq!((ASKED.load(SeqCst), about(&told.lock().unwrap())), (1, 1), "{told:?}");
    let snapshot = snapshot();
    let recordings = |series| snapshot.totals().of_series(series).unwrap().recordings;
    assert_eq!((recordings(counter.series()), recordings(in_guard.series())), (200, 1));
    assert!(snapshot.totals().exemplars(counter.series()).is_empty());
    assert!(remove("a", SOON).unwrap().balances());
}
