//! Recordings that are handed in at once leave the account that receipts leave, one by one.

use ferrometer_core::*;
use ferrometer_testkit::SOON;
use std::ops::Range;
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

/// Hands in runs where every series of one is sent, and some of it by receipts before.
struct InRuns(u64);

impl Backend for InRuns {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        self.0 += 1;
        let of = |id: usize| fate(Series::of_id(id).unwrap(), self.0);
        for delta in view.deltas().filter(|delta| delta.series.id() % 7 == 0 && of(delta.series.id()) == Some(Ok(()))) {
            view.delta_sent(&delta);
        }
        // The view may be used within.
        let all_sent = |mut ids: Range<usize>| view.deltas().count() > 0 && ids.all(|id| of(id) == Some(Ok(())));
        view.settle_runs(all_sent, |series| of(series.id()));
        Ok(Delivery::default())
    }
}

/// Makes stretches of nothing but counters: of some all are sent, and in others one is late or refused.
fn record_many(round: u64) {
    let logger = get_logger("settle.many");
    for at in 0..1500u64 {
        let end = match at {
            700 => "late",
            1200 => "refused",
            _ => "sent",
        };
        // Some change with each delivery, some seldom, and those of one stretch by more than one.
        if at % 3 > 0 || round == 2 {
            let by = if (400..500).contains(&at) { -(at as i64) } else { 1 };
            logger.send_counter(format!("{at:04}.{end}"), by);
        }
    }
}

fn record(round: u64) {
    record_many(round);
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
    install("in runs", Box::new(InRuns(0)), NEVER).unwrap();
    let ledger = |name: &str| ledgers().into_iter().find(|ledger| ledger.backend == name).unwrap();
    let mut was_pending = false;
    for round in 1..=4 {
        record(round);
        flush(SOON);
        let slow = ledger("one by one");
        for fast in ["at once", "in runs"].map(ledger) {
            assert_eq!(
                (fast.recorded, fast.sent, fast.pending, fast.superseded),
                (slow.recorded, slow.sent, slow.pending, slow.superseded),
                "round {round}"
            );
            assert_eq!(fast.dropped, slow.dropped, "round {round}");
            assert!(fast.balances() && slow.balances());
            was_pending |= !fast.pending.is_zero();
        }
    }
    assert!(was_pending);
    let last = ["one by one", "at once", "in runs"].map(|name| remove(name, SOON).unwrap());
    assert!(last.iter().all(|ledger| ledger.pending.is_zero() && ledger.dropped[Cause::Refused].recordings > 0));
}
