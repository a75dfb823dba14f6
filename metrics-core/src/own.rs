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

use crate::describe;
use crate::ledger::{Cause, Ledger};
use crate::limits;
use crate::record;
use crate::registry::{self, refused};
use crate::series::{Kind, Series};
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

/// The own metrics of one backend.
#[derive(Default)]
pub(crate) struct OwnMetrics {
    all: Exported,
    /// Recordings sent, and errors, when last exported.
    before: Option<(u64, u64)>,
}

/// The limits are the same for all backends.
static LIMITS: Mutex<Exported> = Mutex::new(Exported { all: Vec::new() });

impl OwnMetrics {
    pub(crate) fn export(&mut self, backend: &str, ledger: &Ledger, held: usize) {
        let name = |what: &str| format!("backend.{backend}.{what}");
        let (sent, errors) = (ledger.sent.recordings, ledger.errors + ledger.panics);
        self.all.count(name("sent"), sent, &|| {
            format!("Recordings that {backend} has delivered: accepted by the system, or kept in the cache.")
        });
        self.all.count(name("merged"), ledger.merged, &|| {
            format!("Recordings that {backend} has delivered as one value with others; they are among those sent.")
        });
        self.all.count(name("superseded"), ledger.superseded.recordings, &|| {
            format!("Recordings of gauges whose place a later value took before {backend} delivered them.")
        });
        self.all.count(name("errors"), errors, &|| format!("Deliveries of {backend} that ended with an error or a panic."));
        for (cause, amount) in ledger.dropped.iter() {
            self.all.count(name(&format!("dropped.{cause}")), amount.recordings, &|| {
                format!("Recordings that {backend} did not deliver: {}.", why(cause))
            });
        }
        self.all.set(name("pending"), ledger.pending.recordings, &|| {
            format!("Recordings that {backend} had not delivered yet after its last delivery.")
        });
        let holds = held > 0 || self.all.has(&name("held"));
        if holds {
            self.all.set(name("held"), held as u64, &|| {
                format!("Number of single values that waited for the last delivery of {backend}.")
            });
        }
        if self.before.is_none_or(|(was_sent, had_errors)| sent > was_sent && errors == had_errors) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            self.all.set(name("last_success.timestamp_seconds"), now, &|| {
                format!("When {backend} last delivered something without an error, in seconds since 1970; its first delivery until then.")
            });
        }
        self.before = Some((sent, errors));
        export_limits(holds);
    }
}

/// Why recordings are not delivered, within a sentence.
fn why(cause: Cause) -> &'static str {
    match cause {
        Cause::Invalid => "the value is not finite, or the format cannot hold it",
        Cause::Name => "the name is empty or longer than 512 bytes",
        Cause::Collision => "the name belongs to another instrument",
        Cause::TooLarge => "one line is larger than a datagram may be",
        Cause::Transport => "the transport refused them for good",
        Cause::Removed => "it was removed, or the program ended, before",
    }
}

/// Whoever finds the lock taken leaves it to whoever has it: another backend's thread, or one that a fork left behind.
fn export_limits(held: bool) {
    let Ok(mut all) = LIMITS.try_lock() else { return };
    let (limits, used, refused) = (limits::in_force(), registry::used(), refused());
    for (what, used, max, refused) in [
        ("loggers", used.loggers, limits.max_loggers, refused.loggers),
        ("instruments", used.instruments, limits.max_instruments, refused.instruments),
        ("label_sets", used.label_sets, limits.max_label_sets, refused.label_sets),
    ] {
        let words = what.replace('_', " ");
        all.set(format!("limits.{what}.used"), used as u64, &|| format!("Number of {words} that there are."));
        all.set(format!("limits.{what}.max"), max as u64, &|| {
            format!("Number of {words} that there may be; metrics.limits.max_{what} sets it.")
        });
        all.count(format!("limits.{what}.refused"), refused, &|| {
            format!("How often one of the {words} found no place, and was recorded in the overflow series.")
        });
    }
    if held {
        all.set("limits.held_values.max".into(), limits.max_held_values as u64, &|| {
            "Number of single values that may wait for a delivery; metrics.limits.max_held_values sets it.".into()
        });
    }
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
    fn set(&mut self, name: String, now: u64, help: &dyn Fn() -> String) {
        let (last, series) = self.entry(&name);
        if series.is_none() || *last != now {
            let series = series.get_or_insert_with(|| described(&name, Kind::Gauge, help));
            record::set_internal(series, now as f64);
            *last = now;
        }
    }

    /// A counter that has reached `now`; it is there once it is more than 0.
    fn count(&mut self, name: String, now: u64, help: &dyn Fn() -> String) {
        let (last, series) = self.entry(&name);
        if now > *last {
            let series = series.get_or_insert_with(|| described(&name, Kind::Counter, help));
            record::count_internal(series, now - *last);
            *last = now;
        }
    }
}

/// The series, with a sentence for whoever reads it. A unit would become a part of its name in Prometheus, so the sentence has it.
fn described(name: &str, kind: Kind, help: &dyn Fn() -> String) -> &'static Series {
    let series = registry::internal_series(name, kind);
    if !std::ptr::eq(series, registry::NONE) {
        describe::of_handle(series, "", &help());
    }
    series
}
