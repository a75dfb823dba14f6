//! Capture scopes, the recording side: while one is in force on a thread, the thread has no slab, so every recording comes through
//! the cold path and from there to here. The hot path pays nothing. The facade's `testing` is the side a test sees; the public names here
//! are for it alone.

use crate::record::{enabled, skipped};
use crate::registry::kind::Kind;
use crate::registry::series::Series;
use crate::sync::reentrancy;
use crate::sync::{Mutex, lock};
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Values of one series that are kept one by one.
const MAX_VALUES: usize = 1 << 16;

/// The recordings of one series in a scope.
#[derive(Clone, Default)]
pub struct Captured {
    /// The sum of a counter or an in-flight count.
    pub total: i64,
    /// The value of a gauge.
    pub gauge: f64,
    /// Number of recordings.
    pub calls: u64,
    /// Number of recordings that were NaN or infinite.
    pub invalid: u64,
    /// Timers: nanoseconds. Histograms: the bits of a float.
    pub values: Vec<u64>,
    /// The largest total that a counter was given, if it mirrors another.
    pub absolute: u64,
}

/// The recordings of a scope.
#[derive(Default)]
pub struct Store {
    /// In the order of registration.
    series: Mutex<Vec<(&'static Series, Captured)>>,
}

impl Store {
    /// Returns a copy of the recordings so far, in the order of registration.
    #[inline]
    pub fn recorded(&self) -> Vec<(&'static Series, Captured)> {
        lock(&self.series).clone()
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

thread_local! {
    /// The scopes this thread is in, the innermost last.
    static SCOPES: RefCell<Vec<(u64, Arc<Store>)>> = const { RefCell::new(Vec::new()) };
    /// How many these are. Without a destructor, so that asking is harmless anywhere, an allocator included.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// A scope in force on this thread until it is dropped, in whatever order scopes are.
pub struct Entered {
    /// `None`: the thread is ending, and nothing was entered.
    number: Option<u64>,
}

/// Has this thread record into a store until the guard is dropped.
pub fn enter(store: &Arc<Store>) -> Entered {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    let number = NUMBERS.fetch_add(1, Relaxed);
    let entered = SCOPES.try_with(|scopes| scopes.borrow_mut().push((number, Arc::clone(store))));
    if entered.is_err() {
        return Entered { number: None };
    }
    DEPTH.set(DEPTH.get() + 1);
    enabled::captures(true);
    skipped::count();
    crate::storage::thread_slab::put_slab_aside();
    // In a scope every call is taken, and none is counted down.
    crate::record::sampling::forget();
    Entered { number: Some(number) }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        DEPTH.set(DEPTH.get().saturating_sub(1));
        enabled::captures(false);
        let left = SCOPES.try_with(|scopes| {
            let mut scopes = scopes.borrow_mut();
            let at = scopes.iter().position(|(n, _)| *n == number);
            at.map(|at| scopes.remove(at))
        });
        // The captured values are freed only now, with nothing borrowed.
        drop(left);
    }
}

/// Returns whether this thread is in a scope.
pub(crate) fn is_active() -> bool {
    DEPTH.get() > 0
}

fn with(series: &'static Series, change: &mut dyn FnMut(&mut Captured)) -> bool {
    if !is_active() {
        return false;
    }
    // An allocator that records while this allocates would wait for its own lock.
    let Some(_busy) = reentrancy::enter() else { return true };
    let Some(store) = last_scope() else { return false };
    change_in(&store, series, change);
    true
}

/// Returns the scope that this thread records into, if it is in one.
pub(crate) fn innermost() -> Option<Arc<Store>> {
    if is_active() { last_scope() } else { None }
}

fn last_scope() -> Option<Arc<Store>> {
    SCOPES.try_with(|scopes| scopes.borrow().last().map(|(_, store)| Arc::clone(store))).ok().flatten()
}

fn change_in(store: &Store, series: &'static Series, change: &mut dyn FnMut(&mut Captured)) {
    let mut all = lock(&store.series);
    let at = all.binary_search_by_key(&series.id(), |(s, _)| s.id()).unwrap_or_else(|at| {
        all.insert(at, (series, Captured::default()));
        at
    });
    change(&mut all[at].1);
}

/// Moves an in-flight count of a scope, which need not be this thread's. Returns `false` when that was turned away.
pub(crate) fn move_in(store: &Store, series: &'static Series, value: i64) -> bool {
    let Some(_busy) = reentrancy::enter() else { return false };
    change_in(store, series, &mut |c| {
        c.total = c.total.wrapping_add(value);
        c.calls += 1;
    });
    true
}

pub(crate) fn count(series: &'static Series, value: i64) -> bool {
    with(series, &mut |c| {
        c.total = c.total.wrapping_add(value);
        c.calls += 1;
    })
}

/// Raises a counter of the scope by what a total has more than the largest before it.
pub(crate) fn raise(series: &'static Series, total: u64) -> bool {
    with(series, &mut |c| {
        if let Some(more) = total.checked_sub(c.absolute).filter(|more| *more > 0) {
            c.absolute = total;
            c.total = c.total.wrapping_add_unsigned(more);
            c.calls += 1;
        }
    })
}

pub(crate) fn set(series: &'static Series, next: impl Fn(f64) -> f64) -> bool {
    with(series, &mut |c| {
        c.gauge = next(c.gauge);
        c.calls += 1;
    })
}

/// Takes a value that was recorded `count` times.
pub(crate) fn values(series: &'static Series, bits: u64, count: u64) -> bool {
    with(series, &mut |c| {
        c.calls = c.calls.wrapping_add(count);
        let room = (MAX_VALUES - c.values.len()) as u64;
        c.values.extend(std::iter::repeat_n(bits, count.min(room) as usize));
    })
}

pub(crate) fn invalid(series: &'static Series, times: u64) -> bool {
    with(series, &mut |c| c.invalid = c.invalid.wrapping_add(times))
}

impl Captured {
    /// Returns the values in the unit of the program: seconds for a timer.
    #[inline]
    pub fn floats(&self, kind: Kind) -> Vec<f64> {
        let to_float = |bits: &u64| if kind == Kind::Timer { *bits as f64 / 1e9 } else { f64::from_bits(*bits) };
        self.values.iter().map(to_float).collect()
    }
}
