//! What is recorded into: an instrument (logger, name, kind) and its series (one for each label set and sample rate).
//!
//! A series is registered once and lives as long as the program, so a handle is a plain reference that never goes stale.
//! Its `state` word is what a recording reads: where its cell is, or that a logger rule switched it off.

use crate::record::sampling;
use crate::registry::descriptions;
use crate::registry::interner::Label;
use crate::registry::literal_cache::{SENTINEL_NAME, StaticName};
use crate::storage::bucket::Scheme;
use crate::storage::cell_address::CellAddress;
use crate::sync::{publish_once, reentrancy};
use std::fmt;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering::*};

/// What an instrument measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// A sum of whole numbers, negative ones too.
    Counter,
    /// A value that is set.
    Gauge,
    /// How many are in progress: a count that goes up and down.
    InFlight,
    /// A distribution of durations.
    Timer,
    /// A distribution of values that are no durations.
    Histogram,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 5] = [Kind::Counter, Kind::Gauge, Kind::InFlight, Kind::Timer, Kind::Histogram];

    /// The kind's name in messages and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::InFlight => "in_flight",
            Kind::Timer => "timer",
            Kind::Histogram => "histogram",
        }
    }

    /// The buckets of a distribution's kind; `None` for the others.
    #[must_use]
    pub const fn scheme(self) -> Option<Scheme> {
        match self {
            Kind::Timer => Some(Scheme::Nanos),
            Kind::Histogram => Some(Scheme::Float),
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whose metrics a logger's are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The program's.
    Program,
    /// Those of all that found no place.
    Overflow,
    /// Ferrometer's own, which stand outside the ledger.
    Internal,
}

/// What loggers that differ in labels alone share.
pub(crate) struct LoggerName {
    pub(crate) name: &'static str,
    /// Gated; empty for the program itself.
    pub(crate) object: &'static str,
    role: Role,
}

impl LoggerName {
    pub(crate) const fn new(name: &'static str, object: &'static str, role: Role) -> LoggerName {
        LoggerName { name, object, role }
    }
}

/// A logger's identity: its name, the object its metrics belong to, and its labels, sorted by key.
pub(crate) struct LoggerEntry {
    pub(crate) named: &'static LoggerName,
    pub(crate) labels: &'static [Label],
    /// Literals used with this logger: what to look at first. Never null; [`SENTINEL_RECENT`] until there are any.
    recent: AtomicPtr<Recent>,
}

/// Literals by some bits of their address.
pub(crate) type Recent = [AtomicPtr<StaticName>; RECENT];

const RECENT: usize = 16;

static SENTINEL_RECENT: Recent = no_recent();

const fn no_recent() -> Recent {
    [const { AtomicPtr::new(std::ptr::from_ref(&SENTINEL_NAME).cast_mut()) }; RECENT]
}

impl LoggerEntry {
    pub(crate) const fn new(named: &'static LoggerName, labels: &'static [Label]) -> LoggerEntry {
        let recent = AtomicPtr::new(std::ptr::from_ref(&SENTINEL_RECENT).cast_mut());
        LoggerEntry { named, labels, recent }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.named.name
    }

    pub(crate) fn object(&self) -> &'static str {
        self.named.object
    }

    #[inline(always)]
    pub(crate) fn recent(&self) -> &'static Recent {
        // SAFETY: made from a `&'static Recent` in `new`, or published in `remember_literals`; it stays for ever.
        unsafe { &*self.recent.load(Acquire) }
    }

    /// Where literals are remembered, made at the first use. `None`: it has labels, and they are not to be kept; or an allocator
    /// records what is allocated here.
    pub(crate) fn remember_literals(&self, keep: bool) -> Option<&'static Recent> {
        let recent = self.recent();
        if !std::ptr::eq(recent, &SENTINEL_RECENT) {
            return Some(recent);
        }
        if !keep && !self.is_plain() {
            return None;
        }
        let _busy = reentrancy::try_enter()?;
        let made = publish_once::publish(&self.recent, std::ptr::from_ref(&SENTINEL_RECENT).cast_mut(), no_recent());
        // SAFETY: what was published stays for ever.
        Some(unsafe { &*made })
    }

    /// Whether it has neither labels nor an object.
    pub(crate) fn is_plain(&self) -> bool {
        self.labels.is_empty() && self.object().is_empty()
    }

    pub(crate) fn is_overflow(&self) -> bool {
        self.named.role == Role::Overflow
    }

    pub(crate) fn is_internal(&self) -> bool {
        self.named.role == Role::Internal
    }

    pub(crate) fn is_programs(&self) -> bool {
        self.named.role == Role::Program
    }
}

/// The word a recording reads first. Its lower half is the place of the cell, and none when the series is off or sampled: the common case
/// is then one lookup that succeeds, without a test of either. The upper half says what is the matter.
#[derive(Clone, Copy)]
pub(crate) struct State(u64);

impl State {
    pub(crate) const OFF: State = State(CellAddress::NONE.0 as u64);
    const SLOT: u64 = 32;
    const ON: u64 = 1 << 62;
    const SAMPLED: u64 = 1 << 63;

    /// Of a series that is not sampled.
    pub(crate) const fn new(kind: Kind, slot: u32) -> State {
        let place = match kind.scheme() {
            Some(_) => CellAddress::dist(slot),
            None => CellAddress::scalar(slot),
        };
        // Slots are far below 2^30.
        State(place.0 as u64 | (slot as u64) << State::SLOT | State::ON)
    }
    /// Of one that is, at the rate of this [number](sampling::number).
    const fn sampled(slot: u32, rate: u8) -> State {
        State(CellAddress::none_with(rate).0 as u64 | (slot as u64) << State::SLOT | State::ON | State::SAMPLED)
    }
    #[inline(always)]
    pub(crate) fn place(self) -> CellAddress {
        CellAddress(self.0 as u32)
    }
    /// Of a distribution, where the thread may have its cell at hand.
    #[inline(always)]
    pub(crate) fn near(self) -> u8 {
        self.place().near()
    }
    #[inline(always)]
    pub(crate) fn is_off(self) -> bool {
        self.0 & State::ON == 0
    }
    #[inline(always)]
    pub(crate) fn slot(self) -> u32 {
        (self.0 >> State::SLOT) as u32 & (u32::MAX >> 2)
    }
    /// The number of the rate, if it is sampled.
    #[inline(always)]
    pub(crate) fn rate(self) -> u8 {
        self.0 as u8
    }
    #[inline(always)]
    pub(crate) fn is_sampled(self) -> bool {
        self.0 & State::SAMPLED != 0
    }
}

/// One stream of recordings: an instrument with one label set and one sample rate.
///
/// Backends read what it is called; what was recorded stands in the [`Snapshot`](crate::Snapshot).
#[repr(C)]
pub struct Series {
    // What a recording reads stands first, in one cache line.
    pub(crate) id: u32,
    pub(crate) slot: u32,
    state: AtomicU64,
    pub(crate) logger: &'static LoggerEntry,
    /// Gauges: the bits of the value, shared by all threads. Others: those of the rate they are sampled at now, their own or that
    /// of a logger rule.
    word: AtomicU64,
    /// The metric's name, with its length below: a `&str` would take as much as the two, and what stands behind them.
    name: *const u8,
    /// The id of the series of this name and kind, whatever its labels and rate, that came first: what they share is known by it.
    pub(crate) instrument: u32,
    name_len: u16,
    kind: Kind,
    /// Whether `word` is a rate of its own.
    is_rated: bool,
}

// SAFETY: `name` is a part of a `&'static str`; nothing else in it is a pointer that is not shareable.
unsafe impl Send for Series {}
// SAFETY: as above.
unsafe impl Sync for Series {}

/// What a series is, which never changes.
#[derive(Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) logger: &'static LoggerEntry,
    /// At most 65,535 bytes.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// 0.0: none given.
    pub(crate) rate: f64,
}

impl Series {
    pub(crate) const fn new(id: u32, slot: u32, instrument: u32, identity: Identity) -> Series {
        let Identity { logger, name, kind, rate } = identity;
        let name = match name.len() <= u16::MAX as usize {
            true => name,
            false => "",
        };
        Series {
            id,
            slot,
            state: AtomicU64::new(State::OFF.0),
            word: AtomicU64::new(rate.to_bits()),
            logger,
            name: name.as_ptr(),
            instrument,
            name_len: name.len() as u16,
            kind,
            is_rated: rate.to_bits() != 0,
        }
    }

    /// Whether it was given a rate: then no rule says another.
    #[inline(always)]
    pub(crate) fn is_rated(&self) -> bool {
        self.is_rated
    }

    /// The rate it was given; 0.0: none.
    pub(crate) fn given_rate(&self) -> f64 {
        if self.is_rated { self.route_rate() } else { 0.0 }
    }

    #[inline(always)]
    pub(crate) fn state(&self) -> State {
        State(self.state.load(Relaxed))
    }

    /// Sends recordings to the cell of `slot`, sampled at `rate`. One that has a rate of its own keeps it.
    pub(crate) fn route(&self, slot: u32, rate: f64) {
        if self.kind() != Kind::Gauge && !self.is_rated {
            self.word.store(rate.to_bits(), Relaxed);
        }
        let sampled = || State::sampled(slot, sampling::number(rate));
        let state = if rate < 1.0 { sampled() } else { State::new(self.kind, slot) };
        self.state.store(state.0, Relaxed);
    }

    pub(crate) fn switch_off(&self) {
        self.state.store(State::OFF.0, Relaxed);
    }

    /// The rate recordings through this series are sampled at now.
    pub(crate) fn route_rate(&self) -> f64 {
        f64::from_bits(self.word.load(Relaxed))
    }

    /// The value of a gauge.
    #[inline(always)]
    pub(crate) fn value(&self) -> &AtomicU64 {
        debug_assert!(self.kind() == Kind::Gauge);
        &self.word
    }

    /// A dense number, from 0 in the order of registration.
    #[must_use]
    pub fn id(&self) -> usize {
        self.id as usize
    }

    /// What is measured.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The logger's name as given, `::` replaced by `.`; not gated.
    #[must_use]
    pub fn logger_name(&self) -> &'static str {
        self.logger.name()
    }

    /// The metric's name as given; not gated.
    #[must_use]
    pub fn metric_name(&self) -> &'static str {
        // SAFETY: pointer and length are those of a `&'static str`, put here by `new` and never changed.
        unsafe { std::str::from_utf8_unchecked(std::slice::from_raw_parts(self.name, usize::from(self.name_len))) }
    }

    /// What the metric belongs to, such as `qemu/100`, as [`Logger::for_object`](crate::Logger::for_object) gated it; `None` for
    /// the program itself.
    #[must_use]
    pub fn object(&self) -> Option<&'static str> {
        Some(self.logger.object()).filter(|object| !object.is_empty())
    }

    /// The labels, and before them the object as a label `object` where there is one: for formats that have no other place for it.
    ///
    /// ```
    /// let logger = ferrometer_core::get_logger("vm").for_object("qemu/100").with("disk", "0");
    /// let series = logger.gauge("size").series();
    /// assert_eq!(series.labels().collect::<Vec<_>>(), [("disk", "0")]);
    /// assert_eq!(series.labels_with_object().collect::<Vec<_>>(), [("object", "qemu/100"), ("disk", "0")]);
    /// ```
    pub fn labels_with_object(&self) -> impl Iterator<Item = (&'static str, &'static str)> + Clone {
        self.object().map(|object| ("object", object)).into_iter().chain(self.labels())
    }

    /// The labels, sorted by key, as given; not gated. The [object](Series::object) is none of them.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = (&'static str, &'static str)> + Clone {
        self.logger.labels.iter().copied()
    }

    /// The sample rate of what stands in this series, in (0, 1].
    #[must_use]
    pub fn rate(&self) -> f64 {
        if self.is_rated { self.route_rate() } else { 1.0 }
    }

    /// The unit the program declared, such as `bytes`.
    #[must_use]
    pub fn unit(&self) -> Option<&'static str> {
        descriptions::told(self.instrument)?.unit.get().copied()
    }

    /// What the program said the instrument means.
    #[must_use]
    pub fn description(&self) -> Option<&'static str> {
        descriptions::told(self.instrument)?.description.get().copied()
    }

    /// Whether this is one of ferrometer's own metrics, which stand outside the ledger.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.logger.is_internal()
    }

    /// Whether two series differ in nothing but their sample rate.
    #[must_use]
    pub fn same_instrument(&self, other: &Series) -> bool {
        self.instrument == other.instrument && std::ptr::eq(self.logger, other.logger)
    }
}

impl fmt::Debug for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It stands in lines of logs: names come from outside too, and must not end them.
        let (logger, name) = (self.logger_name().escape_debug(), self.metric_name().escape_debug());
        write!(f, "{} {logger}.{name}", self.kind())?;
        for (key, value) in self.labels_with_object() {
            write!(f, " {}={value:?}", key.escape_debug())?;
        }
        if self.rate() < 1.0 {
            write!(f, " @{}", self.rate())?;
        }
        Ok(())
    }
}
