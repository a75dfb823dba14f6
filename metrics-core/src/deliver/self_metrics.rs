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
//! | `limits.<what>.used`, `max`, `refused` | gauge, gauge, counter | for `loggers`, `instruments`, `label_sets`: how many there are, how many there may be, how often one found no place |

use crate::collect::ledger::{Cause, Ledger};
use crate::record::scalars;
use crate::registry::descriptions;
use crate::registry::kind::Kind;
use crate::registry::limits;
use crate::registry::overflow::refused;
use crate::registry::series::{SENTINEL_SERIES, Series};
use crate::registry::series_table;
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
        for (what, now, help) in [
            ("sent", sent, "Recordings that * has delivered: accepted by the system, or kept in the cache."),
            (
                "merged",
                ledger.merged,
                "Recordings that * has delivered as one value with others; they are among those sent.",
            ),
            (
                "superseded",
                ledger.superseded.recordings,
                "Recordings of gauges whose place a later value took before * delivered them.",
            ),
            ("errors", errors, "Deliveries of * that ended with an error or a panic."),
        ] {
            self.all.count(name(backend, what), now, Help { text: help, of: backend });
        }
        for (cause, amount) in ledger.dropped.iter() {
            let (what, help) = (format!("dropped.{cause}"), not_delivered(cause));
            self.all.count(name(backend, &what), amount.recordings, Help { text: help, of: backend });
        }
        let pending = "Recordings that * had not delivered yet after its last delivery.";
        self.all.set(name(backend, "pending"), ledger.pending.recordings, Help { text: pending, of: backend });
        let holds = held > 0 || self.all.has(&name(backend, "held"));
        if holds {
            let waiting = "Number of single values that waited for the last delivery of *.";
            self.all.set(name(backend, "held"), held as u64, Help { text: waiting, of: backend });
        }
        if self.before.is_none_or(|(was_sent, had_errors)| sent > was_sent && errors == had_errors) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            let when = "When * last delivered something without an error, in seconds since 1970; its first delivery until then.";
            self.all.set(name(backend, "last_success.timestamp_seconds"), now, Help { text: when, of: backend });
        }
        self.before = Some((sent, errors));
        export_limits(holds);
    }
}

fn name(backend: &str, what: &str) -> String {
    format!("backend.{backend}.{what}")
}

/// What is said of recordings that are not delivered.
fn not_delivered(cause: Cause) -> &'static str {
    match cause {
        Cause::Invalid => "Recordings that * did not deliver: the value is not finite, or the format cannot hold it.",
        Cause::Name => "Recordings that * did not deliver: the name is empty or longer than 512 bytes.",
        Cause::Collision => "Recordings that * did not deliver: the name belongs to another instrument.",
        Cause::TooLarge => "Recordings that * did not deliver: one line is larger than a datagram may be.",
        Cause::Transport => "Recordings that * did not deliver: the transport refused them for good.",
        Cause::Removed => "Recordings that * did not deliver: it was removed, or the program ended, before.",
    }
}

/// Whoever finds the lock taken leaves it to whoever has it: another backend's thread, or one that a fork left behind.
fn export_limits(held: bool) {
    let Ok(mut all) = LIMITS.try_lock() else { return };
    let (limits, used, refused) = (limits::current(), series_table::used(), refused());
    for (what, words, used, max, refused) in [
        ("loggers", "loggers", used.loggers, limits.max_loggers, refused.loggers),
        ("instruments", "instruments", used.instruments, limits.max_instruments, refused.instruments),
        ("label_sets", "label sets", used.label_sets, limits.max_label_sets, refused.label_sets),
    ] {
        let there = Help { text: "Number of * that there are.", of: words };
        all.set(format!("limits.{what}.used"), used as u64, there);
        let text = "Number of * that there may be; metrics.limits.max_";
        all.set(format!("limits.{what}.max"), max as u64, Help { text: &format!("{text}{what} sets it."), of: words });
        let text = "How often one of the * found no place, and was recorded in the overflow series.";
        all.count(format!("limits.{what}.refused"), refused, Help { text, of: words });
    }
    if held {
        let text = "Number of single values that may wait for a delivery; metrics.limits.max_held_values sets it.";
        all.set("limits.held_values.max".to_owned(), limits.max_held_values as u64, Help { text, of: "" });
    }
}

/// A sentence for whoever reads a metric: `*` in it stands for what it is about. Put together once, when there is a series.
#[derive(Clone, Copy)]
struct Help<'t> {
    text: &'t str,
    of: &'t str,
}

/// What was exported, by name: the value, and the series once there was something to say.
#[derive(Default)]
struct Exported {
    /// Few enough to be looked through.
    all: Vec<(String, u64, Option<&'static Series>)>,
}

impl Exported {
    fn has(&self, name: &str) -> bool {
        self.all.iter().any(|(n, ..)| n == name)
    }

    /// What is known of this one, made at the first time.
    fn entry(&mut self, name: &str) -> (&mut u64, &mut Option<&'static Series>) {
        let at = self.all.iter().position(|(n, ..)| n == name).unwrap_or_else(|| {
            self.all.push((name.to_owned(), 0, None));
            self.all.len() - 1
        });
        let (_, last, series) = &mut self.all[at];
        (last, series)
    }

    /// A gauge; it is there from the first time on.
    fn set(&mut self, name: String, now: u64, help: Help<'_>) {
        let (last, series) = self.entry(&name);
        if series.is_none() || *last != now {
            scalars::set_internal(described(series, &name, Kind::Gauge, help), now as f64);
            *last = now;
        }
    }

    /// A counter that has reached `now`; it is there once it is more than 0.
    fn count(&mut self, name: String, now: u64, help: Help<'_>) {
        let (last, series) = self.entry(&name);
        if now > *last {
            scalars::count_internal(described(series, &name, Kind::Counter, help), now - *last);
            *last = now;
        }
    }
}

/// The series, made at the first time. A unit would become a part of its name in Prometheus, so the sentence has it.
fn described(known: &mut Option<&'static Series>, name: &str, kind: Kind, help: Help<'_>) -> &'static Series {
    if let Some(series) = *known {
        return series;
    }
    let series = series_table::internal_series(name, kind);
    if !std::ptr::eq(series, SENTINEL_SERIES) {
        let text = match help.text.split_once('*') {
            Some((before, after)) => format!("{before}{}{after}", help.of),
            None => help.text.to_owned(),
        };
        descriptions::of_handle(series.logger_name(), series.metric_name(), "", &text);
    }
    *known = Some(series);
    series
}
