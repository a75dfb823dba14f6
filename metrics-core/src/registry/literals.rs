//! Literals: a metric's name that lives for ever is found by its address and length, without being read. A heap address is never a key: only a
//! `&'static str` comes here.

use super::{DEAD, series};
use crate::series::{Kind, LoggerEntry, Series};
use crate::sync::{AtomicPtr, Ordering::*};
use crate::table::AppendTable;
use crate::{busy, hash, limits};
use std::ptr;

/// A literal at a place in memory, seen through one logger.
pub(crate) struct StaticName {
    logger: *const LoggerEntry,
    name: *const u8,
    len: usize,
    kind: Kind,
    rate: u64,
    series: &'static Series,
}
// SAFETY: the pointers are compared, never followed.
unsafe impl Send for StaticName {}
// SAFETY: as above.
unsafe impl Sync for StaticName {}

static STATIC_NAMES: AppendTable<StaticName> = AppendTable::new();

/// Locks out insertions while the guard lives.
pub(super) fn freeze() -> impl Sized {
    STATIC_NAMES.freeze()
}

/// The series of a literal: found by its address and length, without reading it.
#[inline]
pub(crate) fn static_series(logger: &'static LoggerEntry, name: &'static str, kind: Kind, rate: f64) -> &'static Series {
    let rate_bits = rate.to_bits();
    let is_it = |s: &StaticName| {
        ptr::eq(s.name, name.as_ptr())
            && s.len == name.len()
            && s.kind == kind
            && s.rate == rate_bits
            && ptr::eq(s.logger, logger)
    };
    // The logger remembers a few literals by the low bits of their address and length, which a call site knows before it runs.
    let place = &logger.recent[(name.as_ptr() as usize / 4 + name.len() * 5 + kind as usize) % logger.recent.len()];
    // SAFETY: the pointer is null or was stored from a `&'static StaticName` in `look_up`.
    match unsafe { place.load(Acquire).as_ref() } {
        Some(found) if is_it(found) => found.series,
        _ => look_up(place, is_it, logger, name, kind, rate),
    }
}

#[inline(never)]
fn look_up(
    place: &AtomicPtr<StaticName>,
    is_it: impl Fn(&StaticName) -> bool,
    logger: &'static LoggerEntry,
    name: &'static str,
    kind: Kind,
    rate: f64,
) -> &'static Series {
    let hash = hash::mix(
        ptr::from_ref(logger) as u64 ^ rate.to_bits().rotate_left(32) ^ (kind as u64) << 56,
        name.as_ptr() as u64 ^ (name.len() as u64).rotate_left(48),
    );
    match STATIC_NAMES.get(hash, &is_it) {
        Some(found) => {
            // The last one stays; two that share a place take turns.
            place.store(ptr::from_ref(found).cast_mut(), Release);
            found.series
        }
        None => remember(hash, is_it, logger, name, kind, rate),
    }
}

#[cold]
fn remember(
    hash: u64,
    is_it: impl FnMut(&StaticName) -> bool,
    logger: &'static LoggerEntry,
    name: &'static str,
    kind: Kind,
    rate: f64,
) -> &'static Series {
    let series = series(logger, name, kind, rate);
    if ptr::eq(series, &DEAD) {
        return series;
    }
    let Some(_busy) = busy::enter() else { return series };
    let max = limits::in_force().max_instruments.saturating_mul(2);
    // Past the bound the literal is looked up by its text each time.
    STATIC_NAMES.get_or_insert(hash, is_it, |len| {
        (len < max).then(|| {
            &*Box::leak(Box::new(StaticName {
                logger,
                name: name.as_ptr(),
                len: name.len(),
                kind,
                rate: rate.to_bits(),
                series,
            }))
        })
    });
    series
}

