//! The thread that asks for the values of observed gauges. The program's functions may be slow, hang or panic, so no thread that collects or delivers
//! calls them: it has this one begin a round, and waits for its end for a moment.

use crate::instrument::observed;
use crate::pipeline::threads;
use crate::registry::series::Series;
use crate::sync::diagnostics;
use std::cell::Cell;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The longest that a collection waits for a round. Values that come later are in the next one.
const PATIENCE: Duration = Duration::from_millis(100);

struct Rounds {
    /// How many rounds were asked for, and how many have ended. At most two more: one that runs, and one that begins after it.
    asked: u64,
    ended: u64,
    /// The gauge that is asked for now, and since when.
    at: Option<(&'static Series, Instant)>,
    has_thread: bool,
}

static ROUNDS: Mutex<Rounds> = Mutex::new(Rounds { asked: 0, ended: 0, at: None, has_thread: false });
static BEGIN: Condvar = Condvar::new();
static END: Condvar = Condvar::new();

thread_local! {
    /// `true` on the thread that asks.
    static ASKS: Cell<bool> = const { Cell::new(false) };
}

fn lock() -> MutexGuard<'static, Rounds> {
    ROUNDS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has every observed gauge asked for, and waits until `deadline` or for [`PATIENCE`], whichever is shorter. Behind a function that hangs it waits once.
pub(super) fn round(deadline: Duration) {
    // A function that is asked may itself want a snapshot.
    if ASKS.get() {
        return;
    }
    let begun = Instant::now();
    let patience = deadline.min(PATIENCE);
    let mut rounds = lock();
    if let Some((gauge, _)) = rounds.at.filter(|(_, since)| since.elapsed() > PATIENCE) {
        drop(rounds);
        return is_slow(gauge);
    }
    // The reading that runs may have asked some before this moment.
    let number = rounds.ended + if rounds.at.is_some() { 2 } else { 1 };
    rounds.asked = rounds.asked.max(number);
    if !std::mem::replace(&mut rounds.has_thread, true) {
        drop(rounds);
        // Not with the lock in hand: a fork takes the threads' lock first.
        if let Err(error) = threads::spawn("gauges", ask_for_ever) {
            lock().has_thread = false;
            return diagnostics::warn("no thread", &format!("no thread to ask for the values of gauges: {error}"));
        }
        rounds = lock();
    }
    BEGIN.notify_one();
    while rounds.ended < number {
        let left = patience.saturating_sub(begun.elapsed());
        if left.is_zero() {
            let slow = rounds.at.filter(|_| patience == PATIENCE).map(|(gauge, _)| gauge);
            drop(rounds);
            return slow.map_or((), is_slow);
        }
        rounds = END.wait_timeout(rounds, left).unwrap_or_else(PoisonError::into_inner).0;
    }
}

#[cold]
fn is_slow(gauge: &Series) {
    let millis = PATIENCE.as_millis() as u64;
    let message = format!(
        "the function that is asked for the gauge {gauge} takes longer than {millis} ms; this gauge and those behind it have older values"
    );
    diagnostics::warn("a function that is asked for a gauge is slow", &message);
}

fn ask_for_ever() {
    ASKS.set(true);
    let mut rounds = lock();
    loop {
        if rounds.ended >= rounds.asked {
            rounds = BEGIN.wait(rounds).unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        drop(rounds);
        for observer in observed::all() {
            lock().at = Some((observer.gauge, Instant::now()));
            observer.read();
        }
        rounds = lock();
        rounds.at = None;
        rounds.ended += 1;
        END.notify_all();
    }
}

/// Lets no round begin or end while the guard lives: for `fork`.
#[cfg(unix)]
pub(super) fn freeze() -> impl Sized {
    lock()
}

/// Forgets the thread of the parent process.
pub(super) fn forget() {
    let mut rounds = lock();
    *rounds = Rounds { asked: rounds.ended, ended: rounds.ended, at: None, has_thread: false };
}
