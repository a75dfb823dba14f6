//! Exemplars, the recording side: after a recording of a series that wants them, the place of its value is offered the trace that the recording belongs to.
//!
//! A series that wants exemplars has a word without the place of its cell, so its recordings come by the slow ways, and those of all others pay nothing. A place
//! that is full, or has asked often enough, costs three loads. Nothing here allocates, waits, or lets a panic out.

use crate::record::capture;
use crate::record::trace_context::Question;
use crate::storage::bucket::Scheme;
use crate::storage::exemplar_slot::{ExemplarSlot, Written};
use crate::storage::exemplar_slots;
use std::time::{SystemTime, UNIX_EPOCH};

/// Offers a recording of a counter. A decrement is none.
#[inline]
pub(crate) fn offer_count(slot: u32, value: i64) {
    if let Ok(bits @ 1..) = u64::try_from(value) {
        offer(exemplar_slots::of_counter(slot), bits);
    }
}

/// Offers a recording of a timer or histogram.
#[inline]
pub(crate) fn offer_value(scheme: Scheme, slot: u32, bits: u64) {
    offer(exemplar_slots::of_value(scheme, slot, bits), bits);
}

#[inline]
fn offer(slot: Option<&'static ExemplarSlot>, bits: u64) {
    if let Some(slot) = slot.filter(|slot| slot.is_open()) {
        fill(slot, bits);
    }
}

#[cold]
#[inline(never)]
fn fill(slot: &'static ExemplarSlot, bits: u64) {
    // A recording that a scope took is in no cell.
    if capture::is_active() {
        return;
    }
    let Some(question) = Question::new() else { return };
    slot.offer(|| {
        let context = question.ask()?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let time = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        Some(Written { bits, time, trace: context.trace_id(), span: context.span_id() })
    });
}
