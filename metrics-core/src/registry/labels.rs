//! Labels: from a logger to the same logger with more of them.

use super::refusals::{REFUSED, refuse};
use super::{DEAD_LOGGER, intern_logger, labels_hash, overflow_logger};
use crate::name::{MAX_LABELS, MAX_RAW_BYTES};
use crate::series::LoggerEntry;
use crate::sync::{AtomicPtr, Ordering::*};
use crate::table::AppendTable;
use crate::{busy, hash, limits};
use std::ptr;

/// Labels that were added to a logger at once, remembered in the order given.
pub(crate) struct Labelled {
    parent: *const LoggerEntry,
    labels: Vec<(String, String)>,
    logger: &'static LoggerEntry,
}
// SAFETY: the pointer is compared, never followed.
unsafe impl Send for Labelled {}
// SAFETY: as above.
unsafe impl Sync for Labelled {}

static LABELLED: AppendTable<Labelled> = AppendTable::new();

/// Locks out insertions while the guard lives.
pub(super) fn freeze() -> impl Sized {
    LABELLED.freeze()
}

/// The logger with more labels; the value of a key that is there already is replaced.
#[inline]
pub(crate) fn with_labels(parent: &'static LoggerEntry, labels: &[(&str, &str)]) -> &'static LoggerEntry {
    labelled(parent, labels).map_or_else(|logger| logger, |labelled| labelled.logger)
}

/// The same, remembered; past a bound only the logger.
fn labelled(
    parent: &'static LoggerEntry,
    labels: &[(&str, &str)],
) -> Result<&'static Labelled, &'static LoggerEntry> {
    if parent.overflow {
        return Err(parent);
    }
    let hash = labels_hash(hash::seed() ^ ptr::from_ref(parent) as u64, labels.iter().copied());
    let is_it = |l: &Labelled| {
        let same = |(had, given): (&(String, String), &(&str, &str))| had.0 == given.0 && had.1 == given.1;
        ptr::eq(l.parent, parent) && l.labels.len() == labels.len() && l.labels.iter().zip(labels).all(same)
    };
    if let Some(found) = LABELLED.get(hash, is_it) {
        return Ok(found);
    }
    let Some(_busy) = busy::enter() else { return Err(&DEAD_LOGGER) };
    let held: usize = parent.labels.iter().map(|(k, v)| k.len() + v.len()).sum();
    let more: usize = labels.iter().map(|(k, v)| k.len() + v.len()).sum();
    if held + more > MAX_RAW_BYTES || parent.labels.len() + labels.len() > MAX_LABELS {
        refuse(&REFUSED.long_names);
        return Err(overflow_logger());
    }
    let mut all = parent.labels.clone();
    for (key, value) in labels {
        match all.binary_search_by(|(k, _)| k.as_str().cmp(key)) {
            Ok(at) => all[at].1 = (*value).to_owned(),
            Err(at) => all.insert(at, ((*key).to_owned(), (*value).to_owned())),
        }
    }
    let logger = intern_logger(parent.name.clone(), all);
    if logger.overflow {
        return Err(logger);
    }
    let max = limits::in_force().max_label_sets.saturating_mul(2);
    // Past the bound the step is not remembered, only made again.
    let remembered = LABELLED.get_or_insert(hash, is_it, |len| {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        (len < max).then(|| &*Box::leak(Box::new(Labelled { parent, labels, logger })))
    });
    remembered.ok_or(logger)
}

/// What a call site with fixed label keys remembers: the loggers of a few values. It holds nothing of its own, so that values that are
/// never the same twice cost memory only until the registry's bound.
pub(crate) struct LabelMemory([AtomicPtr<Labelled>; 32]);

impl LabelMemory {
    pub(crate) const fn new() -> LabelMemory {
        LabelMemory([const { AtomicPtr::new(ptr::null_mut()) }; 32])
    }

    /// The logger with these labels. The keys are the same at each call.
    #[inline]
    pub(crate) fn logger(&self, parent: &'static LoggerEntry, labels: &[(&str, &str)]) -> &'static LoggerEntry {
        let digest = labels.iter().fold(hash::seed(), |hash, (_, value)| hash::text(hash, value));
        // Two places that values with the same digest share.
        let at = (digest >> 59) as usize;
        for place in [&self.0[at], &self.0[at ^ 1]] {
            // SAFETY: the pointer is null or was stored from a `&'static Labelled` in `look_up`.
            let Some(found) = (unsafe { place.load(Acquire).as_ref() }) else { break };
            if ptr::eq(found.parent, parent) && found.labels.iter().zip(labels).all(|(had, given)| had.1 == given.1) {
                return found.logger;
            }
        }
        self.look_up(at, parent, labels)
    }

    #[inline(never)]
    fn look_up(
        &self,
        at: usize,
        parent: &'static LoggerEntry,
        labels: &[(&str, &str)],
    ) -> &'static LoggerEntry {
        match labelled(parent, labels) {
            Ok(found) => {
                // The one that was here moves to the other place.
                let old = self.0[at].swap(ptr::from_ref(found).cast_mut(), AcqRel);
                self.0[at ^ 1].store(old, Release);
                found.logger
            }
            Err(logger) => logger,
        }
    }
}

