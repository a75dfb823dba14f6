//! ferrometer's own metrics: the account of each backend, and how much of the limits is taken. They stand outside the account, and stay
//! unchanged while nothing else changes, so that an idle program sends nothing.
//!
//! | name, behind `ferrometer.` | kind | |
//! |---|---|---|
//! | `backend.<name>.sent`, `merged`, `superseded`, `dropped.<cause>` | counter | recordings, as in the [`Ledger`] |
//! | `backend.<name>.errors` | counter | deliveries that ended with an error or a panic |
//! | `backend.<name>.pending` | gauge | recordings not yet sent, after the last delivery |
//! | `backend.<name>.held` | gauge | single values that waited for the last delivery, of at most `limits.held_values.max` |
//! | `backend.<name>.last_success.timestamp_seconds` | gauge | when something was last sent without an error, in seconds since 1970; the time of the first delivery until then |
//! | `limits.<what>.used`, `max`, `refused` | gauge, gauge, counter | for `loggers`, `instruments`, `label_sets`, and where `max_instruments` is larger than the table of `distributions` for those, and where there are exemplars for their places (`exemplars`): how many there are, how many there may be, how often one found no place |

use crate::collect::ledger::{Cause, Ledger};
use crate::record::scalars;
use crate::registry::descriptions;
use crate::registry::kind::Kind;
use crate::registry::limits::{self, Limits};
use crate::registry::overflow::refused;
use crate::registry::series::{SENTINEL_SERIES, Series};
use crate::registry::series_table;
use crate::storage::exemplar_slots;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

/// The own metrics of one backend.
#[derive(Default)]
pub(crate) struct SelfMetrics {
    all: Exported,
    /// Recordings sent, and errors, when last exported.
    before: Option<(u64, u64)>,
}

/// The limits are the same for all backends.
static LIMITS: Mutex<Exported> = Mutex::new(Exported { all: Vec::new() });

impl SelfMetrics {
    pub(crate) fn export(&mut self, backend: &str, ledger: &Ledger, held: usize) {
        let (sent, errors) = (ledger.sent.recordings, ledger.errors + ledger.panics);
        let name = |what: &str| format!("backend.{backend}.{what}");
        for (what, now, help) in [
            ("sent", sent, "Recordings that this backend has delivered: accepted by the system, or kept in the cache."),
            ("merged", ledger.merged, "Recordings delivered as one value with others; they are among those sent."),
            (
                "superseded",
                ledger.superseded.recordings,
                "Recordings of gauges that a later value replaced before they were delivered.",
            ),
            ("errors", errors, "Deliveries that ended with an error or a panic."),
        ] {
            self.all.count(name(what), now, help);
        }
        for (cause, amount) in ledger.dropped.iter() {
            self.all.count(name(&format!("dropped.{cause}")), amount.recordings, not_delivered(cause));
        }
        let help = "Recordings that were not delivered yet after the last delivery.";
        self.all.set(name("pending"), ledger.pending.recordings, help);
        let holds = held > 0 || self.all.has(&name("held"));
        if holds {
            self.all.set(name("held"), held as u64, "Number of single values that waited for the last delivery.");
        }
        if self.before.is_none_or(|(was_sent, had_errors)| sent > was_sent && errors == had_errors) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            let help =
                "Time of the last delivery without an error, in seconds since 1970; of the first delivery until then.";
            self.all.set(name("last_success.timestamp_seconds"), now, help);
        }
        self.before = Some((sent, errors));
        export_limits(holds);
    }
}

/// Returns the sentence about recordings that were dropped for a cause.
fn not_delivered(cause: Cause) -> &'static str {
    match cause {
        Cause::Invalid => "Recordings not delivered: the value is not finite, or the format cannot hold it.",
        Cause::Name => "Recordings not delivered: the name is empty or longer than 512 bytes.",
        Cause::Collision => "Recordings not delivered: the name belongs to another instrument.",
        Cause::TooLarge => "Recordings not delivered: one line is larger than a datagram may be.",
        Cause::Transport => "Recordings not delivered: the transport refused them for good.",
        Cause::Refused => "Recordings not delivered: the server refused them for good.",
        Cause::Removed => "Recordings not delivered: the backend was removed, or the program ended, before.",
    }
}

/// Exports the use of the limits. A caller that finds the lock taken leaves it to the holder: another backend's thread, or one that a fork left behind.
fn export_limits(held: bool) {
    let Ok(mut all) = LIMITS.try_lock() else { return };
    let (limits, used, refused) = (limits::current(), series_table::used(), refused());
    for (what, used, max, refused) in [
        ("loggers", used.loggers, limits.max_loggers, refused.loggers),
        ("instruments", used.instruments, limits.max_instruments, refused.instruments),
        ("label_sets", used.label_sets, limits.max_label_sets, refused.label_sets),
    ] {
        all.set(format!("limits.{what}.used"), used as u64, "Number in use, of the largest number allowed.");
        all.set(format!("limits.{what}.max"), max as u64, "Largest number allowed; metrics.limits.max_… sets it.");
        let help = "Number of times that one more was refused, and was recorded in the overflow series.";
        all.count(format!("limits.{what}.refused"), refused, help);
    }
    // A limit that the configuration keeps out of reach is not told.
    if limits.max_instruments > Limits::MAX_DISTRIBUTIONS {
        let help = "Number of timers and histograms, of the largest number there can be.";
        all.set("limits.distributions.used".to_owned(), used.distributions as u64, help);
        let help = "Largest number of timers and histograms there can be; no key sets it.";
        all.set("limits.distributions.max".to_owned(), Limits::MAX_DISTRIBUTIONS as u64, help);
        let help =
            "Number of times that one more timer or histogram was refused, and was recorded in the overflow series.";
        all.count("limits.distributions.refused".to_owned(), refused.distributions, help);
    }
    let places = exemplar_slots::used();
    if places > 0 || refused.exemplars > 0 {
        all.set(
            "limits.exemplars.used".to_owned(),
            places as u64,
            "Number of places in use, of the largest number allowed.",
        );
        let help = "Largest number of places for exemplars; metrics.limits.max_exemplars sets it.";
        all.set("limits.exemplars.max".to_owned(), limits.max_exemplars as u64, help);
        let help = "Number of times that a series was to have exemplars and found no place.";
        all.count("limits.exemplars.refused".to_owned(), refused.exemplars, help);
    }
    if held {
        let help =
            "Largest number of single values that may wait for a delivery; metrics.limits.max_held_values sets it.";
        all.set("limits.held_values.max".to_owned(), limits.max_held_values as u64, help);
    }
}

/// Exported metrics by name: the last value, and the series once there was a value.
#[derive(Default)]
struct Exported {
    /// Few enough to be looked through.
    all: Vec<(String, u64, Option<&'static Series>)>,
}

impl Exported {
    fn has(&self, name: &str) -> bool {
        self.all.iter().any(|(n, ..)| n == name)
    }

    /// Returns the entry of a name, made at the first time.
    fn entry(&mut self, name: &str) -> (&mut u64, &mut Option<&'static Series>) {
        let at = self.all.iter().position(|(n, ..)| n == name).unwrap_or_else(|| {
            self.all.push((name.to_owned(), 0, None));
            self.all.len() - 1
        });
        let (_, last, series) = &mut self.all[at];
        (last, series)
    }

    /// Sets a gauge; it is there from the first time on.
    fn set(&mut self, name: String, now: u64, help: &str) {
        let (last, series) = self.entry(&name);
        if series.is_none() || *last != now {
            scalars::set_internal(described(series, &name, Kind::Gauge, help), now as f64);
            *last = now;
        }
    }

    /// Brings a counter to `now`; it is there once it is more than 0.
    fn count(&mut self, name: String, now: u64, help: &str) {
        let (last, series) = self.entry(&name);
        if now > *last {
            scalars::count_internal(described(series, &name, Kind::Counter, help), now - *last);
            *last = now;
        }
    }
}

/// Returns the series, made at the first time. A unit would become a part of its name in Prometheus, so the sentence has it.
fn described(known: &mut Option<&'static Series>, name: &str, kind: Kind, help: &str) -> &'static Series {
    known.get_or_insert_with(|| {
        let series = series_table::internal_series(name, kind);
        if !std::ptr::eq(series, SENTINEL_SERIES) {
            descriptions::of_handle(series.logger_name(), series.metric_name(), "", help);
        }
        series
    })
}
