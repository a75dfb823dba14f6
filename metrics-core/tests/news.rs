//! News: a delivery looks at the series that have some, in the order of registration, and a backend that may rest is left alone while there are none.

use ferrometer_core::*;
use ferrometer_testkit::{Alone, NEVER, SOON, wait_until};
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The pipeline is one for the process; each test has it alone, and leaves it empty.
fn alone() -> Alone {
    ferrometer_testkit::alone().then(|| {
        shutdown(Duration::from_secs(1));
    })
}

/// Notes the ids of the series with news, and takes only the pieces that it is told to.
struct Ids(Arc<Mutex<Vec<usize>>>, Arc<AtomicU64>);

impl Backend for Ids {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        let each = self.1.load(Relaxed);
        for (at, delta) in view.deltas().filter(|delta| !delta.series.is_internal()).enumerate() {
            self.0.lock().unwrap().push(delta.series.id());
            if (at as u64).is_multiple_of(each) {
                delta.receipts().for_each(|receipt| view.sent(&receipt));
            }
        }
        Ok(Delivery::default())
    }
}

#[test]
fn news_come_in_the_order_of_registration_whatever_stands_between() {
    let _alone = alone();
    let (seen, each) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU64::new(1)));
    install("ids", Box::new(Ids(Arc::clone(&seen), Arc::clone(&each))), NEVER).unwrap();
    let logger = get_logger("walk");
    // Stretches of counters that begin anywhere, with timers and gauges between them, and a last one that is not whole.
    let mut counters = Vec::new();
    for (part, len) in [300, 1, 129, 500, 3, 77].into_iter().enumerate() {
        counters.extend((0..len).map(|n| logger.counter(format!("c{part}.{n}"))));
        logger.timer(format!("t{part}")).record(Duration::from_millis(1));
        logger.gauge(format!("g{part}")).set(1.0);
    }
    let take = || {
        assert!(flush(SOON).complete || each.load(Relaxed) > 1);
        std::mem::take(&mut *seen.lock().unwrap())
    };
    assert_eq!(take().len(), 12);
    assert_eq!(take(), []);
    for step in [1, 2, 7, 100, 127, 128, 129, 400] {
        let expected: Vec<usize> = counters.iter().step_by(step).map(|counter| counter.series().id()).collect();
        counters.iter().step_by(step).for_each(|counter| counter.increment());
        assert_eq!(take(), expected, "every {step}th");
        assert_eq!(take(), [], "every {step}th, again");
    }
    // Increments by more than one are kept in another form; half of the pieces stay pending.
    each.store(2, Relaxed);
    counters.iter().step_by(3).for_each(|counter| counter.add(5));
    let expected: Vec<usize> = counters.iter().step_by(3).map(|counter| counter.series().id()).collect();
    assert_eq!(take(), expected);
    let left: Vec<usize> = expected.into_iter().skip(1).step_by(2).collect();
    each.store(1, Relaxed);
    assert_eq!(take(), left);
    assert_eq!(take(), []);
    assert!(ledgers().iter().all(Ledger::balances));
}

/// Counts its calls; may rest.
struct Calls(Arc<AtomicU64>, bool);

impl Backend for Calls {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        view.all_sent();
        self.0.fetch_add(1, SeqCst);
        Ok(Delivery::default())
    }

    fn rests_until(&self) -> Option<Instant> {
        self.1.then(|| Instant::now() + NEVER)
    }
}

#[test]
fn a_backend_that_rests_is_called_when_something_is_recorded() {
    let _alone = alone();
    let (rests, works) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let interval = Duration::from_millis(10);
    install("rests", Box::new(Calls(Arc::clone(&rests), true)), interval).unwrap();
    install("works", Box::new(Calls(Arc::clone(&works), false)), interval).unwrap();
    let counter = get_logger("rest").counter("recorded");
    for round in 0..3 {
        // Both have told of themselves, and then only one is called.
        let mut begin = (rests.load(SeqCst), works.load(SeqCst));
        wait_until("the backend rests", || {
            let now = (rests.load(SeqCst), works.load(SeqCst));
            if now.0 != begin.0 {
                begin = now;
            }
            now.1 >= begin.1 + 20
        });
        let before = rests.load(SeqCst);
        counter.increment();
        wait_until("the recording ends the rest", || rests.load(SeqCst) > before);
        assert!(flush(SOON).complete, "round {round}");
        let ledger = ledgers().into_iter().find(|ledger| ledger.backend == "rests").unwrap();
        assert_eq!((ledger.sent.recordings, ledger.pending.recordings), (round + 1, 0));
    }
}
