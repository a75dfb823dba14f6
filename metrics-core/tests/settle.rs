//! Recordings that are handed in at once leave the account that receipts leave, one by one.

use ferrometer_core::*;
use ferrometer_testkit::SOON;
use std::time::Duration;

const NEVER: Duration = Duration::from_secs(3600);

/// Decides by the name: each end of one has its fate.
fn fate(series: &Series, round: u64) -> Option<Result<(), Cause>> {
    let name = series.metric_name();
    if name.ends_with("refused") {
        return Some(Err(Cause::Refused));
    }
    // Pending at first, and sent with a later delivery.
    if name.ends_with("late") && round < 3 {
        return None;
    }
    Some(Ok(()))
}

struct OneByOne(u64);

impl Backend for OneByOne {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        self.0 += 1;
        for delta in view.deltas() {
            match fate(delta.series, self.0) {
                None => {}
                Some(Ok(())) => view.delta_sent(&delta),
                Some(Err(cause)) => view.delta_dropped(&delta, cause),
            }
        }
        Ok(Delivery::default())
    }
}

struct AtOnce(u64);

impl Backend for AtOnce {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        self.0 += 1;
        view.settle(|series| {
            // The view may be used within.
            assert!(view.deltas().any(|delta| delta.series.id() == series.id()));
            fate(series, self.0)
        });
        Ok(Delivery::default())
    }
}

fn record(round: u64) {
    let logger = get_logger("settle");
    for end in ["sent", "refused", "late"] {
        for at in 0..3u64 {
            let logger = logger.with("at", &at.to_string());
            logger.send_counter(format!("counter.{end}"), (round + at) as i64);
            logger.send_counter(format!("counter.{end}"), -1);
            (0..=round).for_each(|value| logger.send_gauge(format!("gauge.{end}"), value as f64));
            logger.send_timer(format!("timer.{end}"), Duration::from_millis(round + at));
            logger.send_timer(format!("timer.{end}"), Duration::from_millis(1));
            let guard = logger.in_flight(format!("flight.{end}")).enter();
            drop(guard);
        }
        logger.send_gauge(format!("gauge.{end}"), f64::NAN);
        logger.sampled(0.5).send_counter(format!("sampled.{end}"), 2);
    }
}

#[test]
fn both_ways_leave_the_same_account() {
    let _alone = ferrometer_testkit::alone();
    install("one by one", Box::new(OneByOne(0)), NEVER).unwrap();
    install("at once", Box::new(AtOnce(0)), NEVER).unwrap();
    let ledger = |name: &str| ledgers().into_iter().find(|ledger| ledger.backend == name).unwrap();
    let mut was_pending = false;
    for round in 1..=4 {
        record(round);
        flush(SOON);
        let [slow, fast] = ["one by one", "at once"].map(ledger);
        assert_eq!(
            (fast.recorded, fast.sent, fast.pending, fast.superseded),
            (slow.recorded, slow.sent, slow.pending, slow.superseded),
            "round {round}"
        );
        assert_eq!(fast.dropped, slow.dropped, "round {round}");
        assert!(fast.balances() && slow.balances());
        was_pending |= !fast.pending.is_zero();
    }
    assert!(was_pending);
    let last = ["one by one", "at once"].map(|name| remove(name, SOON).unwrap());
    assert!(last.iter().all(|ledger| ledger.pending.is_zero() && ledger.dropped[Cause::Refused].recordings > 0));
}
