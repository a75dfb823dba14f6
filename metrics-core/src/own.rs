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

use crate::ledger::Ledger;
use crate::limits;
use crate::record;
use crate::registry::{self, refused};
use crate::series::{Kind, Series};
use std::collections::BTreeMap;
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
static LIMITS: Mutex<Exported> = Mutex::new(Exported { all: BTreeMap::new() });

impl OwnMetrics {
    pub(crate) fn export(&mut self, backend: &str, ledger: &Ledger, held: usize) {
        let name = |what: &str| format!("backend.{backend}.{what}");
        let (sent, errors) = (ledger.sent.recordings, ledger.errors + ledger.panics);
        self.all.count(name("sent"), sent);
        self.all.count(name("merged"), ledger.merged);
        self.all.count(name("superseded"), ledger.superseded.recordings);
        self.all.count(name("errors"), errors);
        for (cause, amount) in &ledger.dropped {
            self.all.count(name(&format!("dropped.{cause}")), amount.recordings);
        }
        self.all.set(name("pending"), ledger.pending.recordings);
        let holds = held > 0 || self.all.has(&name("held"));
        if holds {
            self.all.set(name("held"), held as u64);
        }
        if self.before.is_none_or(|(was_sent, had_errors)| sent > was_sent && errors == had_errors) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            self.all.set(name("last_success.timestamp_seconds"), now);
        }
        self.before = Some((sent, errors));
        export_limits(holds);
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
        all.set(format!("limits.{what}.used"), used as u64);
        all.set(format!("limits.{what}.max"), max as u64);
        all.count(format!("limits.{what}.refused"), refused);
    }
    if held {
        all.set("limits.held_values.max".into(), limits.max_held_values as u64);
    }
}

/// What was exported, by name: the value, and the series once there was something to say.
struct Exported {
    all: BTreeMap<String, (u64, Option<&'static Series>)>,
}

impl Default for Exported {
    fn default() -> Exported {
        Exported { all: BTreeMap::new() }
    }
}

impl Exported {
    fn has(&self, name: &str) -> bool {
        self.all.contains_key(name)
    }

    /// A gauge; it is there from the first time on.
    fn set(&mut self, name: String, now: u64) {
        let (last, series) = self.all.entry(name.clone()).or_default();
        if series.is_none() || *last != now {
            let series = series.get_or_insert_with(|| registry::internal_series(&name, Kind::Gauge));
            record::set_internal(series, now as f64);
            *last = now;
        }
    }

    /// A counter that has reached `now`; it is there once it is more than 0.
    fn count(&mut self, name: String, now: u64) {
        let (last, series) = self.all.entry(name.clone()).or_default();
        if now > *last {
            let series = series.get_or_insert_with(|| registry::internal_series(&name, Kind::Counter));
            record::count_internal(series, now - *last);
            *last = now;
        }
    }
}
