//! Gauges whose values are asked for: functions that the program leaves here, and that are called before each collection.

use crate::instrument::recordable::GaugeReturn;
use crate::record::enabled::enabled;
use crate::record::scalars;
use crate::registry::series::Series;
use crate::sync::{Mutex, diagnostics, lock};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

type Read = dyn Fn() -> Option<f64> + Send + Sync;

/// A gauge and the function that is asked for its value.
#[derive(Clone)]
pub(crate) struct Observer {
    number: u64,
    pub(crate) gauge: &'static Series,
    read: Arc<Read>,
}

/// One for each gauge, in the order of registration.
static ALL: Mutex<Vec<Observer>> = Mutex::new(Vec::new());
/// How many these are, to be asked without the lock.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// The end of asking for a gauge's value, when it is dropped; see [`Gauge::observe`](crate::Gauge::observe).
#[must_use = "the function is asked until this is dropped; `let _ = …` drops it at once, and `forever` keeps it"]
pub struct Observed {
    number: u64,
    gauge: &'static Series,
}

impl Observed {
    /// Lets the function be asked for the rest of the program's life.
    pub fn forever(self) {
        std::mem::forget(self);
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        let removed = change(|all| all.iter().position(|o| o.number == self.number).map(|at| all.remove(at)));
        // The program's function is dropped here, with nothing locked.
        drop(removed);
    }
}

impl fmt::Debug for Observed {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observed").field(&self.gauge).finish()
    }
}

/// Has a gauge's value asked for from now on, by this function alone.
pub(crate) fn observe<V: GaugeReturn>(
    gauge: &'static Series,
    read: impl Fn() -> V + Send + Sync + 'static,
) -> Observed {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    let number = NUMBERS.fetch_add(1, Relaxed);
    let observer = Observer { number, gauge, read: Arc::new(move || read().gauge_return()) };
    let before = change(|all| {
        let before = all.iter().position(|o| o.gauge == gauge).map(|at| all.remove(at));
        all.push(observer);
        before
    });
    drop(before);
    Observed { number, gauge }
}

fn change<T>(work: impl FnOnce(&mut Vec<Observer>) -> T) -> T {
    let mut all = lock(&ALL);
    let result = work(&mut all);
    COUNT.store(all.len(), Relaxed);
    result
}

/// Returns whether there is any.
pub(crate) fn any() -> bool {
    COUNT.load(Relaxed) > 0
}

/// Returns all of them.
pub(crate) fn all() -> Vec<Observer> {
    lock(&ALL).clone()
}

/// Lets nobody register or leave while the guard lives: for `fork`.
#[cfg(unix)]
pub(crate) fn freeze() -> impl Sized {
    lock(&ALL)
}

impl Observer {
    /// Asks, and sets the gauge. A panic is told, and leaves the gauge as it is.
    pub(crate) fn read(&self) {
        if !enabled() || self.gauge.state().is_off() {
            return;
        }
        match catch_unwind(AssertUnwindSafe(|| (self.read)())) {
            Ok(Some(value)) => scalars::set(self.gauge, value),
            Ok(None) => {}
            Err(_) => {
                let message =
                    format!("the function that is asked for the gauge {} panicked; it keeps its value", self.gauge);
                diagnostics::warn("a function that is asked for a gauge panicked", &message);
            }
        }
    }
}
