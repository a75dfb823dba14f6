//! Random histories of the pipeline beside a model of it: bursts, swaps, flushes and removals with any deadline, threads that are born and die, a system
//! clock that jumps, and backends that refuse, panic, block or lie. After each step the accounts are what the model says; the truth is counted here, next to the calls,
//! and by the backends as they take things, never by the core.

mod support;
#[cfg(target_os = "linux")]
#[path = "support/wall.rs"]
mod wall;

use ferrometer_core::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
#[cfg(target_os = "linux")]
use std::time::UNIX_EPOCH;
use support::{NEVER, SOON, alone};

/// Moods of a backend: how it answers a call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    /// Takes everything, piece by piece.
    Takes,
    /// Takes everything at once, as a store does.
    Stores,
    /// Takes every second piece.
    Half,
    /// Takes some, then fails.
    Fails,
    /// Takes some, then panics.
    Panics,
    /// Takes its time.
    Blocks,
    /// Gives some up.
    Drops,
    /// Hands receipts in twice, as sent and as dropped, and those of views that are gone; and says it sent what it did not.
    Lies,
}

#[derive(Clone, Debug)]
enum Step {
    Record {
        what: u8,
        times: u16,
        threads: u8,
    },
    Install {
        slot: u8,
        manner: Manner,
        singles: bool,
        often: bool,
    },
    Replace {
        slot: u8,
        manner: Manner,
        singles: bool,
        often: bool,
    },
    Remove {
        slot: u8,
        hurry: bool,
    },
    Flush {
        hurry: bool,
    },
    Look,
    Wait,
    Configure {
        threads: bool,
        held: bool,
    },
    Shutdown {
        hurry: bool,
    },
    /// The system's clock is set to a number of seconds before or after the right time.
    Clock {
        off: i64,
    },
}

/// Some seconds, years, before 1970, and the ends of what the kernel's structure holds.
fn off() -> impl Strategy<Value = i64> {
    const YEAR: i64 = 365 * 24 * 3600;
    prop_oneof![
        -30..30i64,
        (-200..200i64).prop_map(|years| years * YEAR),
        Just(0),
        Just(i64::MIN / 2),
        Just(i64::MAX / 2)
    ]
}

fn manner() -> impl Strategy<Value = Manner> {
    use Manner::*;
    prop::sample::select(vec![Takes, Takes, Stores, Half, Fails, Panics, Blocks, Drops, Lies])
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (0..7u8, prop_oneof![1..20u16, Just(9000u16)], 0..4u8).prop_map(|(what, times, threads)| Step::Record { what, times, threads }),
        3 => (0..3u8, manner(), any::<bool>(), any::<bool>()).prop_map(|(slot, manner, singles, often)| Step::Install { slot, manner, singles, often }),
        3 => (0..3u8, manner(), any::<bool>(), any::<bool>()).prop_map(|(slot, manner, singles, often)| Step::Replace { slot, manner, singles, often }),
        2 => (0..3u8, any::<bool>()).prop_map(|(slot, hurry)| Step::Remove { slot, hurry }),
        3 => any::<bool>().prop_map(|hurry| Step::Flush { hurry }),
        1 => Just(Step::Look),
        1 => Just(Step::Wait),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(threads, held)| Step::Configure { threads, held }),
        1 => any::<bool>().prop_map(|hurry| Step::Shutdown { hurry }),
        2 => off().prop_map(|off| Step::Clock { off }),
    ]
}

/// Counts what a backend has taken, by the backend's own books.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Taken {
    sent: Amount,
    dropped: Amount,
}

struct Odd {
    manner: Manner,
    singles: bool,
    taken: Arc<Mutex<Taken>>,
    turn: usize,
    old: Vec<Receipt>,
}

impl Odd {
    /// Hands a piece in, and counts what it is.
    fn take(&mut self, view: &SnapshotView<'_>, receipt: &Receipt, amount: Amount) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        self.turn += 1;
        match self.manner {
            Manner::Half if self.turn.is_multiple_of(2) => {}
            Manner::Drops if self.turn.is_multiple_of(3) => {
                view.dropped(receipt, Cause::Transport);
                taken.dropped += amount;
            }
            Manner::Lies => {
                match self.turn % 5 {
                    0 => {
                        view.sent(receipt);
                        view.sent(receipt);
                        view.dropped(receipt, Cause::TooLarge);
                    }
                    1 => {
                        view.dropped(receipt, Cause::Transport);
                        view.sent(&receipt.part(0..usize::MAX));
                    }
                    2 => self.old.iter().for_each(|old| view.sent(old)),
                    3 => self.old.iter().for_each(|old| view.dropped(&old.part(1..7), Cause::Collision)),
                    _ => {}
                }
                self.old.push(*receipt);
                if self.old.len() > 50 {
                    self.old.clear();
                }
            }
            _ => {
                view.sent(receipt);
                taken.sent += amount;
            }
        }
    }
}

impl Backend for Odd {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        if self.manner == Manner::Blocks {
            thread::sleep(Duration::from_millis(30));
        }
        if self.manner == Manner::Stores {
            let mut all = Amount::default();
            for delta in view.deltas().filter(|d| !d.series.is_internal()) {
                let mut amount = Amount::new(delta.recordings);
                match &delta.change {
                    Change::Counter { increments, decrements } => {
                        (amount.increments, amount.decrements) = (*increments, *decrements);
                    }
                    // The others are superseded.
                    Change::Gauge(_) | Change::InFlight(_) => amount = Amount::new(1),
                    _ => {}
                }
                all += amount;
            }
            view.all_sent();
            self.taken.lock().unwrap_or_else(PoisonError::into_inner).sent += all;
            return Ok(Delivery::default());
        }
        let view = &*view;
        let mut pieces = 0;
        for delta in view.deltas() {
            let internal = delta.series.is_internal();
            let amount = |amount: Amount| if internal { Amount::default() } else { amount };
            match &delta.change {
                Change::Counter { increments, decrements } => {
                    let all = Amount::new(delta.recordings).with_value(*increments, *decrements);
                    self.take(view, &delta.receipt(), amount(all));
                }
                Change::Values { singles, merged, .. } => {
                    for at in (0..singles.len()).step_by(7) {
                        let end = (at + 7).min(singles.len());
                        self.take(view, &delta.singles_receipt(at..end), amount(Amount::new((end - at) as u64)));
                    }
                    for (bucket, count) in merged {
                        self.take(view, &delta.merged_receipt(*bucket, *count), amount(Amount::new(*count)));
                    }
                }
                _ => self.take(view, &delta.receipt(), amount(Amount::new(1))),
            }
            pieces += 1;
            if pieces % 3 == 2 && self.turn.is_multiple_of(2) {
                match self.manner {
                    Manner::Panics => std::panic::panic_any("told to"),
                    Manner::Fails => return Err(BackendError::new("told to")),
                    _ => {}
                }
            }
        }
        Ok(Delivery::new(if self.manner == Manner::Lies { u64::MAX / 1000 } else { 1 }, 1))
    }

    fn flush(&mut self, view: &mut SnapshotView<'_>, _: std::time::Instant) -> Result<Delivery, BackendError> {
        self.publish(view)
    }

    fn wants(&self) -> Wants {
        if self.singles { Wants::SINGLES } else { Wants::TOTALS }
    }
}

/// A backend as the model knows it.
struct Known {
    manner: Manner,
    recorded: Amount,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Model {
    installed: BTreeMap<u8, Known>,
}

const NAMES: [&str; 3] = ["a", "b", "c"];

impl Model {
    fn new_backend(&self, manner: Manner, singles: bool) -> (Box<dyn Backend>, Known) {
        let taken = Arc::<Mutex<Taken>>::default();
        let odd = Odd { manner, singles, taken: Arc::clone(&taken), turn: 0, old: Vec::new() };
        (Box::new(odd), Known { manner, recorded: Amount::default(), taken })
    }

    fn recorded(&mut self, amount: Amount) {
        self.installed.values_mut().for_each(|known| known.recorded += amount);
    }

    /// A last account: everything that was recorded is in it, and nothing is left.
    fn check_last(&self, known: &Known, ledger: &Ledger, hurry: bool) -> Result<(), TestCaseError> {
        prop_assert!(ledger.balances(), "{ledger}");
        prop_assert_eq!(ledger.recorded, known.recorded, "{}", ledger);
        prop_assert!(ledger.pending.is_zero(), "{ledger}");
        self.check_taken(known, ledger, hurry)
    }

    fn check_taken(&self, known: &Known, ledger: &Ledger, hurry: bool) -> Result<(), TestCaseError> {
        // Who was not waited for, or lies, may have taken other than the account says.
        if hurry || known.manner == Manner::Lies {
            return Ok(());
        }
        let taken = *known.taken.lock().unwrap_or_else(PoisonError::into_inner);
        prop_assert_eq!(ledger.sent, taken.sent, "{:?}: {}", known.manner, ledger);
        let given_up = ledger.dropped[Cause::Transport];
        prop_assert_eq!(given_up, taken.dropped, "{:?}: {}", known.manner, ledger);
        Ok(())
    }

    fn check_flush(&self, report: &FlushReport, hurry: bool) -> Result<(), TestCaseError> {
        prop_assert_eq!(report.ledgers.len(), self.installed.len());
        for ledger in &report.ledgers {
            let slot = NAMES.iter().position(|n| *n == ledger.backend).unwrap_or(9) as u8;
            let known = &self.installed[&slot];
            prop_assert!(ledger.balances(), "{ledger}");
            if !hurry {
                prop_assert_eq!(ledger.recorded, known.recorded, "{:?}: {}", known.manner, ledger);
                // Those with a short interval go on while we look.
                if ledger.pending.is_zero() {
                    self.check_taken(known, ledger, false)?;
                }
            }
            if report.complete {
                prop_assert!(ledger.pending.is_zero(), "{ledger}");
                prop_assert_eq!(ledger.recorded, known.recorded, "{:?}: {}", known.manner, ledger);
            }
        }
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Record { what, times, threads } => {
                let (what, times, threads) = (*what, u64::from(*times), u64::from(*threads));
                if threads == 0 {
                    record(what, times);
                } else {
                    let all: Vec<_> = (0..threads).map(|_| thread::spawn(move || record(what, times))).collect();
                    for one in all {
                        prop_assert!(one.join().is_ok(), "a thread that recorded has panicked");
                    }
                }
                (0..threads.max(1)).for_each(|_| self.recorded(amount(what, times)));
            }
            Step::Install { slot, manner, singles, often } => {
                let (backend, known) = self.new_backend(*manner, *singles);
                let result = install(NAMES[usize::from(*slot)], backend, interval(*often));
                prop_assert_eq!(result.is_ok(), !self.installed.contains_key(slot));
                if result.is_ok() {
                    self.installed.insert(*slot, known);
                }
            }
            Step::Replace { slot, manner, singles, often } => {
                let (backend, known) = self.new_backend(*manner, *singles);
                let old = replace(NAMES[usize::from(*slot)], backend, interval(*often), SOON);
                let old = old.map_err(|e| TestCaseError::fail(e.to_string()))?;
                let before = self.installed.insert(*slot, known);
                prop_assert_eq!(old.is_some(), before.is_some());
                if let Some((known, ledger)) = before.zip(old) {
                    self.check_last(&known, &ledger, false)?;
                }
            }
            Step::Remove { slot, hurry } => {
                let ledger = remove(NAMES[usize::from(*slot)], if *hurry { Duration::ZERO } else { SOON });
                let before = self.installed.remove(slot);
                prop_assert_eq!(ledger.is_some(), before.is_some());
                if let Some((known, ledger)) = before.zip(ledger) {
                    self.check_last(&known, &ledger, *hurry)?;
                }
            }
            Step::Flush { hurry } => {
                let report = flush(if *hurry { Duration::ZERO } else { SOON });
                self.check_flush(&report, *hurry)?;
            }
            Step::Look => {
                let _ = snapshot();
                prop_assert!(ledgers().iter().all(Ledger::balances));
                prop_assert_eq!(is_on(), !self.installed.is_empty());
            }
            Step::Wait => thread::sleep(Duration::from_millis(3)),
            Step::Clock { off } => set_clock(*off)?,
            Step::Configure { threads, held } => {
                let max_threads = if *threads { 512 } else { 1 };
                let max_held_values = if *held { 262_144 } else { 64 };
                configure(
                    Naming::default(),
                    Limits::default().max_threads(max_threads).max_held_values(max_held_values),
                    Vec::new(),
                );
            }
            Step::Shutdown { hurry } => {
                let report = shutdown(if *hurry { Duration::ZERO } else { SOON });
                let before = std::mem::take(&mut self.installed);
                prop_assert_eq!(report.ledgers.len(), before.len());
                for ledger in &report.ledgers {
                    let slot = NAMES.iter().position(|n| *n == ledger.backend).unwrap_or(9) as u8;
                    self.check_last(&before[&slot], ledger, *hurry)?;
                }
            }
        }
        Ok(())
    }
}

/// Sets the system's clock, and sees that the core reads it, and orders snapshots without it.
#[cfg(target_os = "linux")]
fn set_clock(off: i64) -> Result<(), TestCaseError> {
    let before = snapshot();
    wall::set_off(off);
    let (now, after) = (wall::seconds(), snapshot());
    // The library read this clock and no other.
    let read = after
        .time()
        .duration_since(UNIX_EPOCH)
        .map_or_else(|before| -i128::from(before.duration().as_secs()), |since| i128::from(since.as_secs()));
    prop_assert!((read - i128::from(now)).abs() <= 60, "{read} at {now}");
    prop_assert!(after.sequence() > before.sequence() && after.instant() >= before.instant());
    prop_assert!(after.instant().duration_since(before.instant()) < Duration::from_secs(60), "an interval of years");
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn set_clock(_: i64) -> Result<(), TestCaseError> {
    Ok(())
}

fn interval(often: bool) -> Duration {
    if often { Duration::from_millis(1) } else { NEVER }
}

/// Recordings of one kind.
fn record(what: u8, times: u64) {
    let logger = get_logger("conservation");
    match what {
        0 => (0..times).for_each(|_| logger.counter("ones").increment()),
        1 => (0..times).for_each(|i| logger.send_counter("both", if i % 2 == 0 { 5 } else { -3 })),
        2 => (0..times).for_each(|i| logger.send_gauge("gauge", i as f64)),
        3 => (0..times).for_each(|i| logger.send_timer("timer", Duration::from_nanos(i * 1000))),
        4 => (0..times).for_each(|i| logger.send_histogram("histogram", i as f64 - 100.0)),
        5 => (0..times).for_each(|_| drop(logger.in_flight("busy").enter())),
        _ => (0..times).for_each(|i| {
            logger.send_histogram("histogram", f64::NAN);
            logger.with("n", &(i % 3).to_string()).gauge("moved").add(if i % 2 == 0 { f64::INFINITY } else { 1.0 });
        }),
    }
}

/// Returns what [`record`] records, when anything is installed.
fn amount(what: u8, times: u64) -> Amount {
    match what {
        0 => Amount::new(times).with_value(times, 0),
        1 => Amount::new(times).with_value(times.div_ceil(2) * 5, times / 2 * 3),
        5 | 6 => Amount::new(2 * times),
        _ => Amount::new(times),
    }
}

#[test]
fn whatever_happens_everything_is_accounted_for() {
    let _alone = alone();
    // Those that are told to.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref::<&str>() != Some(&"told to") {
            hook(info);
        }
    }));
    let cases = std::env::var("CONSERVATION_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(80);
    let config =
        ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 400, ..ProptestConfig::default() };
    let mut runner = prop::test_runner::TestRunner::new(config);
    let steps = std::cell::Cell::new(0);
    let result = runner.run(&prop::collection::vec(step(), 1..40), |history| {
        shutdown(Duration::from_secs(1));
        set_clock(0)?;
        configure(Naming::default(), Limits::default(), Vec::new());
        let mut model = Model::default();
        for (at, one) in history.iter().enumerate() {
            model.step(one).map_err(|e| TestCaseError::fail(format!("step {at}, {one:?}: {e}")))?;
            steps.set(steps.get() + 1);
        }
        model.step(&Step::Shutdown { hurry: false })
    });
    println!("{} steps", steps.get());
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn receipts_of_other_views_leave_nothing_pending() {
    let _alone = alone();
    for round in 0..60 {
        shutdown(Duration::from_secs(1));
        let mut model = Model::default();
        let liar = Step::Install { slot: 1, manner: Manner::Lies, singles: true, often: true };
        let burst = |threads| Step::Record { what: 3, times: 9000, threads };
        let remove = Step::Remove { slot: 1, hurry: false };
        for step in [liar, burst(2), Step::Flush { hurry: true }, burst(0), Step::Wait, burst(1), remove] {
            model.step(&step).unwrap_or_else(|e| panic!("round {round}, {step:?}: {e}"));
        }
    }
}
