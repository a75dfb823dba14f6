//! Literals: a metric's name that lives for ever is found by its address and length, without being read. A heap address is never a key: only a
//! `&'static str` comes here.

use crate::registry::append_table::{AppendTable, Hashed};
use crate::registry::kind::Kind;
use crate::registry::series::{LoggerEntry, SENTINEL_SERIES, Series, StaticName};
use crate::registry::series_table::series;
use crate::registry::{Writer, hash, limits};
use crate::sync::Ordering::*;
use crate::sync::reentrancy;
use std::ptr;

/// Length, kind and whether there is a rate, in one word: where a name is a constant, this is one too.
#[inline(always)]
fn tag(name: &'static str, kind: Kind, rate: f64) -> u64 {
    (name.len() as u64) << 4 | (kind as u64) << 1 | u64::from(rate.to_bits() != 0)
}

fn hash_of(logger: *const LoggerEntry, (name, len): (*const u8, usize), tag: u64, rate: u64) -> u64 {
    hash::mix(logger as u64 ^ rate.rotate_left(32) ^ tag << 48, name as u64 ^ (len as u64).rotate_left(48))
}

impl Hashed for StaticName {
    fn hash(&self) -> u64 {
        hash_of(self.logger, (self.name, (self.tag >> 4) as usize), self.tag, self.rate)
    }
}

static STATIC_NAMES: AppendTable<StaticName> = AppendTable::new();

/// The series of a literal: found by its address and length, without reading it. `keep`: a logger with labels remembers it too; there may be
/// many of those, so only for what is looked up at each recording.
#[inline(always)]
pub(crate) fn static_series(
    logger: &'static LoggerEntry,
    name: &'static str,
    kind: Kind,
    rate: f64,
    keep: bool,
) -> &'static Series {
    // The logger remembers a few literals by the low bits of their address and length, which a call site knows before it runs.
    let recent = logger.recent();
    let at = (name.as_ptr() as usize / 4 + name.len() * 5 + kind as usize) % recent.len();
    // SAFETY: the pointer was made from a `&'static StaticName`, of `SENTINEL_NAME` or in `look_up`.
    let found: &'static StaticName = unsafe { &*recent[at].load(Acquire) };
    // Whose literal it is need not be asked: a logger's memory holds its own.
    let is_it = ptr::eq(found.name, name.as_ptr()) && found.tag == tag(name, kind, rate);
    if is_it && (rate.to_bits() == 0 || found.rate == rate.to_bits()) {
        return found.series;
    }
    look_up(at, logger, name, kind, rate, keep)
}

#[inline(never)]
fn look_up(
    at: usize,
    logger: &'static LoggerEntry,
    name: &'static str,
    kind: Kind,
    rate: f64,
    keep: bool,
) -> &'static Series {
    let Some(recent) = logger.remember_literals(keep) else { return series(logger, name, kind, rate) };
    let tag = tag(name, kind, rate);
    let hash = hash_of(logger, (name.as_ptr(), name.len()), tag, rate.to_bits());
    let is_it = |s: &StaticName| {
        ptr::eq(s.name, name.as_ptr()) && s.tag == tag && s.rate == rate.to_bits() && ptr::eq(s.logger, logger)
    };
    match STATIC_NAMES.get(hash, is_it) {
        Some(found) => {
            // The last one stays; two that share a place take turns.
            recent[at].store(ptr::from_ref(found).cast_mut(), Release);
            found.series
        }
        None => remember(hash, &mut { is_it }, logger, name, kind, rate),
    }
}

#[cold]
fn remember(
    hash: u64,
    is_it: &mut dyn FnMut(&StaticName) -> bool,
    logger: &'static LoggerEntry,
    name: &'static str,
    kind: Kind,
    rate: f64,
) -> &'static Series {
    let series = series(logger, name, kind, rate);
    if ptr::eq(series, SENTINEL_SERIES) {
        return series;
    }
    let Some(mut writer) = reentrancy::try_enter().and_then(Writer::new) else { return series };
    let max = limits::current().max_instruments.saturating_mul(2);
    // Past the bound the literal is looked up by its text each time.
    if STATIC_NAMES.len() < max && STATIC_NAMES.find(hash, is_it).is_none() {
        let (tag, rate) = (tag(name, kind, rate), rate.to_bits());
        STATIC_NAMES.push(&mut writer.permit, hash, StaticName { name: name.as_ptr(), tag, rate, series, logger });
    }
    series
}
