//! Messages about recordings that found no place: a recording cannot say so itself.

use crate::record::trace_context;
use crate::registry::descriptions::MAX_WORDS;
use crate::registry::limits::Limits;
use crate::registry::overflow::Refused;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Returns a cause and a message for each sort of refusal that has come since `before`.
pub(super) fn messages(before: &Refused, now: &Refused) -> Vec<(&'static str, String)> {
    let mut messages = Vec::new();
    for (limit, more) in [
        ("max_loggers", now.loggers > before.loggers),
        ("max_instruments", now.instruments > before.instruments),
        ("max_label_sets", now.label_sets > before.label_sets),
    ] {
        if more {
            let what = "is reached: what is new is recorded in ferrometer.overflow";
            messages.push((limit, format!("the limit {limit} {what}")));
        }
    }
    if now.distributions > before.distributions {
        let what =
            "timers and histograms, which no key sets, is reached: what is new is recorded in ferrometer.overflow";
        messages.push(("distributions", format!("the limit of {} {what}", Limits::MAX_DISTRIBUTIONS)));
    }
    if now.long_names > before.long_names {
        let what = "names longer than 2048 bytes, ids of objects longer than 128, and more or longer labels than a logger can have";
        messages.push(("long names", format!("{what}, are recorded in ferrometer.overflow")));
    }
    if now.view_words > before.view_words {
        let what = "different units, descriptions and sets of buckets of views were in force since the start: further ones are left out";
        messages.push(("words of views", format!("{MAX_WORDS} {what}")));
    }
    if now.exemplars > before.exemplars {
        let what = "is reached: further series have no exemplars";
        messages.push(("max_exemplars", format!("the limit max_exemplars {what}")));
    }
    if now.reentrant > before.reentrant {
        let what = "recordings from within a registration (a global allocator that records?), or of new names during a fork that takes \
                    long, are turned away";
        messages.push(("reentrant", what.to_owned()));
    }
    if now.bad_rates > before.bad_rates {
        let rate = now.bad_rate_example;
        let what = "is not in (0, 1]; such calls are recorded unsampled";
        messages.push(("bad rates", format!("a sample rate of {rate} {what}")));
    }
    messages
}

/// Returns a message when the function that tells traces has panicked, once.
pub(super) fn of_traces() -> Option<(&'static str, String)> {
    static TOLD: AtomicBool = AtomicBool::new(false);
    let is_news = trace_context::is_broken() && !TOLD.swap(true, Relaxed);
    is_news.then(|| {
        (
            "exemplars",
            "the function that tells the trace of a recording panicked; there are no more exemplars".to_owned(),
        )
    })
}
