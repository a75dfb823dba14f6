//! Loggers and series: the identities that names lead to.
//!
//! An *instrument* is a logger's name, a metric's name and a kind; it has one *series* for each label set and sample rate. A series is registered
//! once and lives as long as the program, so a handle is a plain reference that never goes stale.

use crate::record::sampling;
use crate::registry::append_table::Permit;
use crate::registry::descriptions;
use crate::registry::homes;
use crate::registry::kind::Kind;
use crate::registry::label_set::LabelSet;
use crate::registry::state_word::StateWord;
use crate::sync::{publish_once, reentrancy};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering::*};

/// The owner of a logger's metrics.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The program.
    Program,
    /// All that found no place.
    Overflow,
    /// Ferrometer itself. Its metrics are no part of the ledger.
    Internal,
}

/// The part that loggers which differ in labels alone share.
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
    pub(crate) labels: LabelSet,
    /// The literals used with this logger that are tried first. Never null; [`SENTINEL_RECENT`] until there are any.
    recent: AtomicPtr<Recent>,
}

/// Literals by some bits of their address.
pub(crate) type Recent = [AtomicPtr<StaticName>; RECENT];

const RECENT: usize = 16;

/// A literal at a place in memory, seen through one logger, and the series it leads to.
pub(crate) struct StaticName {
    pub(crate) name: *const u8,
    pub(crate) tag: u64,
    pub(crate) rate: u64,
    pub(crate) series: &'static Series,
    pub(crate) logger: *const LoggerEntry,
}
// SAFETY: the pointers are compared, never followed.
unsafe impl Send for StaticName {}
// SAFETY: as above.
unsafe impl Sync for StaticName {}

/// The series that a re-entrant call gets (a global allocator that records while a registration allocates). It is off.
static SENTINEL: Series =
    Series::new(u32::MAX, u32::MAX, Identity { logger: &SENTINEL_OWNER, name: "", kind: Kind::Counter, rate: 0.0 });
pub(crate) const SENTINEL_SERIES: &Series = &SENTINEL;
/// The logger of [`SENTINEL_SERIES`] alone. No call is made with it, so that the sentinel is never taken for the series of a call.
static SENTINEL_OWNER: LoggerEntry = LoggerEntry::new(&LoggerName::new("", "", Role::Overflow), LabelSet::EMPTY);
/// The logger that a re-entrant call gets. Recordings there are counted as turned away when their series is asked for.
pub(crate) static SENTINEL_LOGGER: LoggerEntry =
    LoggerEntry::new(&LoggerName::new("", "", Role::Overflow), LabelSet::EMPTY);
/// A name that no literal has: its tag holds a length that none has.
static SENTINEL_NAME: StaticName =
    StaticName { name: ptr::null(), tag: u64::MAX, rate: 0, series: SENTINEL_SERIES, logger: ptr::null() };
static SENTINEL_RECENT: Recent = no_recent();

const fn no_recent() -> Recent {
    [const { AtomicPtr::new(ptr::from_ref(&SENTINEL_NAME).cast_mut()) }; RECENT]
}

impl LoggerEntry {
    pub(crate) const fn new(named: &'static LoggerName, labels: LabelSet) -> LoggerEntry {
        LoggerEntry { named, labels, recent: AtomicPtr::new(ptr::from_ref(&SENTINEL_RECENT).cast_mut()) }
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

    /// Returns the memory of literals, made at the first use. `None` for a logger with labels that are not to be kept (there may be many of
    /// those), and for an allocator that records what is allocated here.
    pub(crate) fn remember_literals(&self, keep: bool) -> Option<&'static Recent> {
        let recent = self.recent();
        if !ptr::eq(recent, &SENTINEL_RECENT) {
            return Some(recent);
        }
        if !keep && !self.is_plain() {
            return None;
        }
        let _busy = reentrancy::try_enter()?;
        let made = publish_once::publish(&self.recent, ptr::from_ref(&SENTINEL_RECENT).cast_mut(), no_recent());
        // SAFETY: published pointers stay for ever.
        Some(unsafe { &*made })
    }

    /// Returns whether it has neither labels nor an object.
    pub(crate) fn is_plain(&self) -> bool {
        self.labels.is_empty() && self.object().is_empty()
    }

    pub(crate) fn is_overflow(&self) -> bool {
        self.named.role == Role::Overflow
    }

    pub(crate) const fn is_internal(&self) -> bool {
        matches!(self.named.role, Role::Internal)
    }

    pub(crate) fn is_programs(&self) -> bool {
        self.named.role == Role::Program
    }

    /// Returns whether a re-entrant call got this one. It must not be remembered.
    pub(crate) fn is_sentinel(&self) -> bool {
        ptr::eq(self, &SENTINEL_LOGGER)
    }
}

/// One stream of recordings: an instrument with one label set and one sample rate.
///
/// Backends read its names here; its values are in the [`Snapshot`](crate::Snapshot).
#[repr(C)]
pub struct Series {
    // The fields that a recording reads are the first, in one cache line.
    pub(crate) id: u32,
    pub(crate) slot: u32,
    state: AtomicU64,
    pub(crate) logger: &'static LoggerEntry,
    /// Gauges: the bits of the value, shared by all threads. Others: those of the rate they are sampled at now, their own or that
    /// of a logger rule.
    word: AtomicU64,
    /// The metric's name, with its length below: a `&str` would take 8 bytes more.
    name: *const u8,
    name_len: u16,
    kind: Kind,
    /// [`RATED`] and its like.
    bits: AtomicU8,
    /// The number of its note; 0 where it has none.
    pub(super) note: AtomicU32,
}

// There may be a million.
const _: () = assert!(size_of::<Series>() <= 48);

// SAFETY: `name` is a part of a `&'static str`; nothing else in it is a pointer that is not shareable.
unsafe impl Send for Series {}
// SAFETY: as above.
unsafe impl Sync for Series {}

/// Its `word` is a rate of its own. This bit never changes.
const RATED: u8 = 1;
/// It is one of ferrometer's own: its logger says so too, two cache lines away from what a delivery reads of each series. This bit never changes.
const INTERNAL: u8 = 1 << 1;
/// The program asked for the series. Others are there because rules or views lead to them.
const ASKED_FOR: u8 = 1 << 2;
/// Views keep its recordings: another series has them, its [home](homes), or none.
const REDIRECTED: u8 = 1 << 3;
/// Rules or views lead to it.
const LED_TO: u8 = 1 << 4;
/// Its recordings offer exemplars.
const WATCHED: u8 = 1 << 5;

/// The part of a series that never changes.
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
    pub(crate) const fn new(id: u32, slot: u32, identity: Identity) -> Series {
        let Identity { logger, name, kind, rate } = identity;
        let name = match name.len() <= u16::MAX as usize {
            true => name,
            false => "",
        };
        let rated = if rate.to_bits() == 0 { 0 } else { RATED };
        let internal = if logger.is_internal() { INTERNAL } else { 0 };
        Series {
            id,
            slot,
            state: AtomicU64::new(StateWord::OFF.0),
            word: AtomicU64::new(rate.to_bits()),
            logger,
            name: name.as_ptr(),
            name_len: name.len() as u16,
            kind,
            bits: AtomicU8::new(rated | internal),
            note: AtomicU32::new(0),
        }
    }

    /// Returns whether it was given a rate, which no rule changes.
    #[inline(always)]
    pub(crate) fn is_rated(&self) -> bool {
        self.bits.load(Relaxed) & RATED != 0
    }

    /// The rate it was given; 0.0: none.
    pub(crate) fn given_rate(&self) -> f64 {
        if self.is_rated() { self.route_rate() } else { 0.0 }
    }

    /// Returns whether the program asked for it.
    #[inline(always)]
    pub(crate) fn is_asked_for(&self) -> bool {
        self.bits.load(Relaxed) & ASKED_FOR != 0
    }

    /// Notes that the program asked for it, or else that rules or views lead to it. Under the registry's lock, as all that follows.
    pub(crate) fn mark(&self, is_asked_for: bool) {
        self.bits.fetch_or(if is_asked_for { ASKED_FOR } else { LED_TO }, Relaxed);
    }

    /// Returns whether rules or views lead to it.
    pub(crate) fn is_led_to(&self) -> bool {
        self.bits.load(Relaxed) & LED_TO != 0
    }

    /// Forgets that rules or views lead to it, and that it offers exemplars.
    pub(crate) fn forget_leads(&self) {
        self.bits.fetch_and(!(LED_TO | WATCHED), Relaxed);
    }

    /// Has recordings offer exemplars from the next [route](Series::route) on.
    pub(crate) fn watch(&self) {
        self.bits.fetch_or(WATCHED, Relaxed);
    }

    /// Has recordings offer exemplars from now on, if those of a series that leads here are to.
    pub(crate) fn watch_with(&self, other: &Series) {
        if other.bits.load(Relaxed) & WATCHED != 0 {
            self.watch();
            let state = self.state();
            self.state.store(if state.is_off() { state } else { state.watched() }.0, Relaxed);
        }
    }

    /// Returns the id of the series that has its recordings, if it is another one.
    #[inline]
    pub(crate) fn home(&self) -> Option<u32> {
        let is_redirected = self.bits.load(Relaxed) & REDIRECTED != 0;
        is_redirected.then(|| homes::of(self.id)).flatten().filter(|home| *home != self.id)
    }

    /// Has views keep its recordings for the series of an id, for none at its own, or no longer.
    pub(crate) fn redirect(&self, permit: &mut Permit, to: Option<u32>) {
        match to {
            Some(to) => {
                homes::set(permit, self.id, to);
                self.bits.fetch_or(REDIRECTED, Relaxed);
            }
            None => _ = self.bits.fetch_and(!REDIRECTED, Relaxed),
        }
    }

    /// Returns whether nothing is recorded here under the configuration in force: views have the recordings in another series, with another name or fewer
    /// labels, or have none made; or the rule that led here is gone. What was recorded before stays in the totals. An exporter that begins does not show
    /// such a series.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// assert!(!ferrometer::get_logger("shop").counter("sales").series().is_retired());
    /// ```
    #[must_use]
    pub fn is_retired(&self) -> bool {
        let flags = self.bits.load(Relaxed);
        flags & LED_TO == 0 && flags & (ASKED_FOR | REDIRECTED) != ASKED_FOR
    }

    #[inline(always)]
    pub(crate) fn state(&self) -> StateWord {
        StateWord(self.state.load(Relaxed))
    }

    /// Sends recordings to the cell of `slot`, sampled at `rate`. One that has a rate of its own keeps it.
    pub(crate) fn route(&self, slot: u32, rate: f64) {
        if self.kind() != Kind::Gauge && !self.is_rated() {
            self.word.store(rate.to_bits(), Relaxed);
        }
        // A counter knows its misses, if it has a countdown of its own.
        let number = if self.kind == Kind::Counter { sampling::own_number } else { |_, rate| sampling::number(rate) };
        let sampled = || StateWord::sampled(slot, number(slot, rate));
        let state = match rate < 1.0 {
            true => sampled(),
            // Its value is not beside its cell: who sets it has to ask for its home.
            false if self.kind == Kind::Gauge && slot != self.slot => StateWord::elsewhere(slot),
            false => StateWord::new(self.kind, slot),
        };
        let is_watched = self.bits.load(Relaxed) & WATCHED != 0;
        self.state.store(if is_watched { state.watched() } else { state }.0, Relaxed);
    }

    pub(crate) fn switch_off(&self) {
        self.state.store(StateWord::OFF.0, Relaxed);
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

    /// Returns the kind of the instrument.
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

    /// Returns the object that the metric belongs to, such as `qemu/100`, as [`Logger::for_object`](crate::Logger::for_object) gated it; `None` for
    /// the program itself.
    #[must_use]
    pub fn object(&self) -> Option<&'static str> {
        Some(self.logger.object()).filter(|object| !object.is_empty())
    }

    /// The labels, and before them the object as a label `object` where there is one: for formats that have no other place for it.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// let logger = ferrometer::get_logger("vm").for_object("qemu/100").with("disk", "0");
    /// let series = logger.gauge("size").series();
    /// assert_eq!(series.labels().collect::<Vec<_>>(), [("disk", "0")]);
    /// assert_eq!(series.labels_with_object().collect::<Vec<_>>(), [("object", "qemu/100"), ("disk", "0")]);
    /// ```
    pub fn labels_with_object(&self) -> impl Iterator<Item = (&'static str, &'static str)> + Clone {
        self.object().map(|object| ("object", object)).into_iter().chain(self.labels())
    }

    /// The labels, sorted by key, as given; not gated. The [object](Series::object) is none of them.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = (&'static str, &'static str)> + Clone {
        self.logger.labels.iter()
    }

    /// Returns the sample rate of the recordings in this series, in (0, 1].
    #[must_use]
    pub fn rate(&self) -> f64 {
        if self.is_rated() { self.route_rate() } else { 1.0 }
    }

    /// The unit that a view gives the metric, or that the program declared, such as `bytes`.
    #[must_use]
    pub fn unit(&self) -> Option<&'static str> {
        descriptions::find(self.logger_name(), self.metric_name())?.unit()
    }

    /// Returns the sentence that a view gives the metric, or that the program declared about it.
    #[must_use]
    pub fn description(&self) -> Option<&'static str> {
        descriptions::find(self.logger_name(), self.metric_name())?.text()
    }

    /// Returns the upper bounds that a view gives the buckets of a timer, in seconds, or of a histogram: finite, in rising order. A backend that has such
    /// buckets takes them instead of those of its settings.
    #[must_use]
    pub fn buckets(&self) -> Option<&'static [f64]> {
        self.kind.scheme()?;
        descriptions::find(self.logger_name(), self.metric_name())?.buckets()
    }

    /// Returns whether this is one of ferrometer's own metrics, which are no part of the ledger.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.bits.load(Relaxed) & INTERNAL != 0
    }

    /// Returns whether two series differ in nothing but their sample rate.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// let hits = ferrometer::get_logger("cache").counter("hits");
    /// assert!(hits.series().same_instrument(hits.sampled(0.1).series()));
    /// assert_ne!(hits, hits.sampled(0.1));
    /// ```
    #[must_use]
    pub fn same_instrument(&self, other: &Series) -> bool {
        ptr::eq(self.logger, other.logger) && self.kind == other.kind && self.metric_name() == other.metric_name()
    }
}

/// Two are equal when they are the same one: an identity has one series for the program's life.
impl PartialEq for Series {
    fn eq(&self, other: &Series) -> bool {
        ptr::eq(self, other)
    }
}

impl Eq for Series {}

impl Hash for Series {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl Series {
    /// Writes the logger's name and the metric's, which stands alone where the logger has none. It is a part of lines of logs: names come from outside
    /// too, and must not end them.
    fn fmt_name(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.logger_name().is_empty() {
            write!(f, "{}.", self.logger_name().escape_debug())?;
        }
        write!(f, "{}", self.metric_name().escape_debug())
    }
}

/// The logger's and the metric's name, and the labels: `shop.sold city=Oslo`. Control characters are escaped.
impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_name(f)?;
        for (key, value) in self.labels_with_object() {
            write!(f, " {}={}", key.escape_debug(), value.escape_debug())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind())?;
        self.fmt_name(f)?;
        for (key, value) in self.labels_with_object() {
            write!(f, " {}={value:?}", key.escape_debug())?;
        }
        if self.rate() < 1.0 {
            write!(f, " @{}", self.rate())?;
        }
        Ok(())
    }
}
