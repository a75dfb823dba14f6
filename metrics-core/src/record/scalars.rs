//! Recordings of counters, gauges and in-flight counts: from a series to this thread's cell.

use crate::record::enabled::enabled;
use crate::record::{capture, decision, exemplars, non_finite, sampling, skipped};
use crate::registry::kind::Kind;
use crate::registry::series::Series;
use crate::registry::series_table;
use crate::registry::state_word::StateWord;
use crate::storage::scalar_cell::{self, ScalarCell, Writer};
use crate::storage::thread_slab::{Cells, Unlimited, own_slab, shared, slab};
use crate::sync::reentrancy;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};

/// Adds to a counter, from a function of this crate that is out of line itself.
pub(crate) fn add_out_of_line(series: &'static Series, value: i64) {
    // Not `HERE`: the copy made for this crate would serve all others too.
    match value {
        _ if !enabled() => {}
        1 if try_increment(series) => {}
        1 => increment_slow::<false>(series),
        _ => add_slow::<false>(series, value),
    }
}

/// Adds to a counter when the caller knows that something is recorded. Nearly always `value` is a constant, and only one path is compiled.
#[inline(always)]
pub(crate) fn add(series: &'static Series, value: i64) {
    match value {
        1 if try_increment(series) => {}
        1 => increment_slow::<true>(series),
        _ => add_slow::<true>(series, value),
    }
}

/// Adds 1 to a counter if its word is there. Returns `false` where nothing was done.
#[inline(always)]
pub(crate) fn try_increment(series: &'static Series) -> bool {
    let ones = slab().unit_count(series.state().place());
    if let Some(ones) = ones {
        scalar_cell::increment_unit(ones);
    }
    ones.is_some()
}

/// Adds 1 to a counter that is sampled, or whose word does not exist yet.
#[inline(never)]
pub(crate) fn increment_slow<const HERE: bool>(series: &'static Series) {
    let state = series.state();
    if !state.is_sampled() {
        count_cold(series, 1, state);
    } else if !sampling::is_miss(state.rate()) {
        sampled_count(series, 1, state, state.rate());
    }
}

/// Adds another number than 1.
#[inline(never)]
pub(crate) fn add_slow<const HERE: bool>(series: &'static Series, value: i64) {
    let state = series.state();
    if state.is_sampled() {
        return sampled_add(series, value, state);
    }
    match slab().scalar(state.slot()) {
        Some(cell) if state.is_plain() => cell.count(value, Writer::Single),
        _ => count_cold(series, value, state),
    }
}

/// Adds another number than 1 to a sampled counter. Its own countdown knows how many calls it let pass, not of which numbers they were, so it is
/// counted down with others of its rate.
#[inline(never)]
fn sampled_add(series: &'static Series, value: i64, state: StateWord) {
    let number = sampling::shared(state.rate());
    if !sampling::is_miss(number) {
        sampled_count(series, value, state, number);
    }
}

/// Adds 1 to a counter that is probably sampled: a miss is told in place.
#[inline(always)]
pub(crate) fn increment_rated(series: &'static Series) {
    let state = series.state();
    if !state.is_sampled() {
        add_out_of_line(series, 1);
    } else if !sampling::is_miss(state.rate()) {
        sampled_count(series, 1, state, state.rate());
    }
}

/// Counts a call of a sampled series that may be a hit. It has the weight of the rate it was sampled at: the state is read once.
#[inline(never)]
fn sampled_count(series: &'static Series, value: i64, state: StateWord, number: u8) {
    if sampling::is_own(number) {
        // A thread that has no hit at all has misses to tell.
        skipped::count_at_end();
    }
    if decision::is_hit_of(series, state, number) {
        let is_recorded = match slab().scalar(state.slot()) {
            _ if sampling::is_own(number) && !capture::is_active() => hit_of_one(state.slot(), number),
            Some(cell) => {
                cell.count(value, Writer::Single);
                true
            }
            None => return scalar_cold(series, state, ScalarOp::Count(value)),
        };
        if state.is_watched() && is_recorded {
            exemplars::offer_count(state.slot(), value);
        }
    }
}

/// Counts a hit of a counter that has a countdown of its own, and the misses before it. Such hits are counted as units, so that what is known of all
/// calls stands apart from what is a sample. Returns `false` when the recording was turned away.
fn hit_of_one(slot: u32, number: u8) -> bool {
    let skipped = sampling::take_skipped(number);
    let Some(_busy) = reentrancy::enter() else { return false };
    if let Some(own) = own_slab()
        && let Some((ones, cell)) = own.ensure_unit_count(slot, &Cells).zip(own.ensure_scalar(slot, &Cells))
    {
        scalar_cell::add(&cell.skipped, skipped, Writer::Single);
        scalar_cell::increment_unit(ones);
    } else if let Some(ones) = shared().ensure_unit_count(slot, &Unlimited)
        && let Some(cell) = shared().ensure_scalar(slot, &Unlimited)
    {
        scalar_cell::add(&cell.skipped, skipped, Writer::Shared);
        ones.fetch_add(1, Release);
    }
    true
}

/// Counts a call of a series that is not sampled, by the state that said so. The next state may be a sampled one, where this call would count for
/// many.
#[cold]
#[inline(never)]
fn count_cold(series: &'static Series, value: i64, state: StateWord) {
    if state.is_watched() {
        count_watched(series, value, state);
    } else if !state.is_off() {
        scalar_cold(series, state, ScalarOp::Count(value));
    }
}

/// Counts a call of a series that offers exemplars. Out of line, so that other calls save no registers for it.
#[inline(never)]
fn count_watched(series: &'static Series, value: i64, state: StateWord) {
    match capture::is_active() {
        true => scalar_cold(series, state, ScalarOp::Count(value)),
        false => count_and_offer(series, value, state),
    }
}

/// Counts a call of a series that offers exemplars, by a thread that is in no capture scope: its word leads to no cell, and most often there is one.
#[inline(never)]
fn count_and_offer(series: &'static Series, value: i64, state: StateWord) {
    let slot = state.slot();
    if value == 1
        && !state.is_sampled()
        && let Some(ones) = slab().unit_count_of(slot)
    {
        scalar_cell::increment_unit(ones);
    } else if value != 1
        && let Some(cell) = slab().scalar(slot)
    {
        cell.count(value, Writer::Single);
    } else if !into_cells(series, state, ScalarOp::Count(value)) {
        return;
    }
    exemplars::offer_count(slot, value);
}

/// Where an in-flight count went up, and goes down.
#[derive(Debug)]
pub(crate) enum Side {
    /// In the cells of threads.
    Cells,
    /// In a capture scope, which the thread may have left since, or another thread is in.
    Scope(Arc<capture::Store>),
}

/// Lets an in-flight count go up. Returns the series that it went up in; `None`: it was turned away, and must not go down.
#[inline]
pub(crate) fn go_up(series: &'static Series) -> Option<(&'static Series, Side)> {
    let home = series_table::home(series);
    match slab().scalar(home.slot) {
        Some(cell) => {
            cell.count(1, Writer::Single);
            Some((home, Side::Cells))
        }
        None => go_up_elsewhere(series, home),
    }
}

#[cold]
#[inline(never)]
fn go_up_elsewhere(series: &'static Series, home: &'static Series) -> Option<(&'static Series, Side)> {
    match capture::innermost() {
        Some(scope) => capture::move_in(&scope, series, 1).then_some((series, Side::Scope(scope))),
        None => move_in_cells(home, 1).then_some((home, Side::Cells)),
    }
}

/// Lets it go down where it went up, whatever has been switched off or redirected since, and whatever scope the thread is in now.
#[inline]
pub(crate) fn go_down(series: &'static Series, side: &Side) {
    match (side, slab().scalar(series.slot)) {
        (Side::Cells, Some(cell)) => cell.count(-1, Writer::Single),
        _ => go_down_elsewhere(series, side),
    }
}

#[cold]
#[inline(never)]
fn go_down_elsewhere(series: &'static Series, side: &Side) {
    match side {
        Side::Scope(scope) => capture::move_in(scope, series, -1),
        Side::Cells => move_in_cells(series, -1),
    };
}

/// Adds to a counter's own cell, whatever rate it is sampled at. Returns `false` when the recording was turned away.
pub(crate) fn add_unsampled(series: &'static Series, value: i64) -> bool {
    let series = series_table::home(series);
    match slab().scalar(series.slot) {
        Some(cell) => {
            cell.count(value, Writer::Single);
            true
        }
        None => into_cells(series, StateWord::new(Kind::Counter, series.slot), ScalarOp::Count(value)),
    }
}

fn move_in_cells(series: &'static Series, value: i64) -> bool {
    into_cells(series, StateWord::new(Kind::InFlight, series.slot), ScalarOp::Move(value))
}

/// Sets a gauge.
#[inline(always)]
pub(crate) fn set(series: &'static Series, value: f64) {
    if enabled() {
        set_enabled(series, value);
    }
}

#[inline]
pub(crate) fn set_enabled(series: &'static Series, value: f64) {
    match slab().unit_count(series.state().place()) {
        Some(ones) if value.is_finite() => {
            series.value().store(value.to_bits(), Relaxed);
            scalar_cell::increment_unit(ones);
        }
        _ => set_elsewhere(series, value),
    }
}

#[inline(never)]
fn set_elsewhere(series: &'static Series, value: f64) {
    let state = series.state();
    if state.is_off() {
        return;
    }
    if !value.is_finite() {
        return non_finite::refuse(series);
    }
    scalar_cold(series, state, ScalarOp::Set(value));
}

/// Adds to a gauge: lock-free, a compare-and-swap on the shared value.
pub(crate) fn add_to_gauge(series: &'static Series, value: f64) {
    if !enabled() {
        return;
    }
    let state = series.state();
    if state.is_off() {
        return;
    }
    if !value.is_finite() {
        return non_finite::refuse(series);
    }
    let home = series_table::home(series);
    match slab().scalar(home.slot) {
        Some(cell) => apply(home, cell, ScalarOp::Add(value), Writer::Single),
        None => scalar_cold(series, state, ScalarOp::Add(value)),
    }
}

#[derive(Clone, Copy)]
enum ScalarOp {
    /// Into a counter.
    Count(i64),
    /// Into an in-flight count.
    Move(i64),
    Set(f64),
    Add(f64),
}

fn apply(series: &'static Series, cell: &ScalarCell, op: ScalarOp, writer: Writer) {
    match op {
        ScalarOp::Count(value) | ScalarOp::Move(value) => return cell.count(value, writer),
        ScalarOp::Set(value) => series.value().store(value.to_bits(), Relaxed),
        ScalarOp::Add(by) => {
            let mut overflowed = false;
            scalar_cell::float_update(series.value(), |now| {
                overflowed = !(now + by).is_finite();
                (!overflowed).then_some(now + by)
            });
            if overflowed {
                return non_finite::refuse(series);
            }
        }
    }
    cell.called(writer);
}

/// Records into a cell that was not found where it is looked for first. A call of a sampled series is a hit here.
#[cold]
fn scalar_cold(series: &'static Series, state: StateWord, op: ScalarOp) {
    let captured = match op {
        ScalarOp::Count(value) | ScalarOp::Move(value) => capture::count(series, value),
        ScalarOp::Set(value) => capture::set(series, |_| value),
        ScalarOp::Add(by) => capture::set(series, |now| now + by),
    };
    if !captured {
        scalar_uncaptured(series, state, op);
    }
}

/// The rest of [`scalar_cold`]. Out of line, so that a recording in a scope saves no registers for it.
#[cold]
#[inline(never)]
fn scalar_uncaptured(series: &'static Series, state: StateWord, op: ScalarOp) {
    if let ScalarOp::Count(value) = op
        && state.is_watched()
    {
        return count_and_offer(series, value, state);
    }
    if series.kind() == Kind::Gauge {
        // The value and the cell of one series, whatever a view has done since the state was read.
        let home = series_table::home(series);
        into_cells(home, StateWord::new(Kind::Gauge, home.slot), op);
    } else {
        into_cells(series, state, op);
    }
}

/// Records into a cell that may have to be made. Returns `false` when the recording was turned away.
fn into_cells(series: &'static Series, state: StateWord, op: ScalarOp) -> bool {
    let Some(_busy) = reentrancy::enter() else { return false };
    // A thread in a capture scope has put its own aside.
    let own = if capture::is_active() { None } else { own_slab() };
    // Makes the word that unit increments are counted in, so that the next one finds it.
    if !state.is_sampled()
        && matches!(op, ScalarOp::Count(1) | ScalarOp::Set(_))
        && let Some(ones) = own.and_then(|s| s.ensure_unit_count(state.slot(), &Cells))
    {
        if let ScalarOp::Set(value) = op {
            series.value().store(value.to_bits(), Relaxed);
        }
        scalar_cell::increment_unit(ones);
        return true;
    }
    if let Some(cell) = own.and_then(|s| s.ensure_scalar(state.slot(), &Cells)) {
        apply(series, cell, op, Writer::Single);
    } else if let Some(cell) = shared().ensure_scalar(state.slot(), &Unlimited) {
        apply(series, cell, op, Writer::Shared);
    }
    true
}

/// Adds to one of ferrometer's own counters, from any thread, whatever is switched.
pub(crate) fn count_internal(series: &'static Series, value: u64) {
    debug_assert!(series.is_internal() && series.kind() == Kind::Counter);
    if let Some(cell) = shared().ensure_scalar(series.slot, &Unlimited) {
        scalar_cell::add(&cell.inc, value, Writer::Shared);
        cell.called(Writer::Shared);
    }
}

/// Sets one of ferrometer's own gauges.
pub(crate) fn set_internal(series: &'static Series, value: f64) {
    if let Some(cell) = shared().ensure_scalar(series.slot, &Unlimited) {
        series.value().store(value.to_bits(), Relaxed);
        cell.called(Writer::Shared);
    }
}
