//! Capture scopes, the recording side: while one is in force on a thread, the thread has no slab, so every recording comes through
//! the cold path and from there to here. The hot path pays nothing. [`crate::testing`] is the side a test sees.

use crate::busy;
use crate::record;
use crate::series::{Kind, Series};
use crate::sync::{Mutex, lock};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ptr;
use std::sync::Arc;

/// Values of one series that are kept one by one.
const MAX_VALUES: usize = 1 << 16;

/// What one series recorded in a scope.
#[derive(Clone, Default)]
pub(crate) struct Captured {
    pub(crate) total: i64,
    pub(crate) gauge: f64,
    pub(crate) calls: u64,
    pub(crate) invalid: u64,
    /// Timers: nanoseconds. Histograms: the bits of a float.
    pub(crate) values: Vec<u64>,
}

/// What a scope recorded, by series.
#[derive(Default)]
pub(crate) struct Store {
    pub(crate) series: Mutex<BTreeMap<usize, (Option<&'static Series>, Captured)>>,
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<Store>>> = const { RefCell::new(None) };
}

/// A scope in force on this thread until it is dropped.
pub(crate) struct Entered {
    outer: Option<Arc<Store>>,
    slab: *const crate::cells::Slab,
}

pub(crate) fn enter(store: &Arc<Store>) -> Entered {
    record::captures(true);
    let slab = record::swap_slab(ptr::null());
    let outer = CURRENT.with_borrow_mut(|current| current.replace(Arc::clone(store)));
    Entered { outer, slab }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let outer = self.outer.take();
        // During the thread's end there is nothing left to put back.
        let _ = CURRENT.try_with(|current| *current.borrow_mut() = outer);
        record::swap_slab(self.slab);
        record::captures(false);
    }
}

pub(crate) fn is_active() -> bool {
    CURRENT.try_with(|current| current.try_borrow().is_ok_and(|c| c.is_some())).unwrap_or(false)
}

fn with(series: &'static Series, change: impl FnOnce(&mut Captured)) -> bool {
    let store = CURRENT.try_with(|current| current.try_borrow().ok().and_then(|c| c.clone()));
    let Ok(Some(store)) = store else { return false };
    // An allocator that records while this allocates would wait for its own lock.
    let Some(_busy) = busy::enter() else { return true };
    let mut all = lock(&store.series);
    let entry = all.entry(series.id()).or_default();
    entry.0 = Some(series);
    change(&mut entry.1);
    true
}

pub(crate) fn count(series: &'static Series, value: i64) -> bool {
    with(series, |c| {
        c.total = c.total.wrapping_add(value);
        c.calls += 1;
    })
}

pub(crate) fn set(series: &'static Series, next: impl FnOnce(f64) -> f64) -> bool {
    with(series, |c| {
        c.gauge = next(c.gauge);
        c.calls += 1;
    })
}

pub(crate) fn value(series: &'static Series, bits: u64) -> bool {
    with(series, |c| {
        c.calls += 1;
        if c.values.len() < MAX_VALUES {
            c.values.push(bits);
        }
    })
}

pub(crate) fn invalid(series: &'static Series) -> bool {
    with(series, |c| c.invalid += 1)
}

impl Captured {
    /// The values in the unit of the program: seconds for a timer.
    pub(crate) fn floats(&self, kind: Kind) -> Vec<f64> {
        let to_float = |bits: &u64| if kind == Kind::Timer { *bits as f64 / 1e9 } else { f64::from_bits(*bits) };
        self.values.iter().map(to_float).collect()
    }
}
