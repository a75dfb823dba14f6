//! Lines through `tracing` at both ends: what a configuration has put in force, and from which file and variables, with a warning for what in
//! them was probably meant for us; and what was not delivered when a guard was dropped. Without the first a program whose recording is off by
//! mistake would be silent, without the last one whose server was away.
//!
//! A subscriber may wait for ever, say for a pipe that nobody reads. The lines are therefore told on a thread made for them, which
//! is waited for only a moment; it is made only when there is something to tell.

use crate::config::{Config, joined};
use ferrometer_core::{Cause, FlushReport};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use tracing::Level;

/// How long a subscriber is waited for.
const MOMENT: Duration = Duration::from_millis(500);

/// Says at its end, also by a panic, that a thread has told its lines.
struct End(Arc<(Mutex<bool>, Condvar)>);

impl Drop for End {
    fn drop(&mut self) {
        let (is_over, changed) = &*self.0;
        *is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }
}

/// Tells lines on a thread of their own, to the subscriber of this one.
fn told(tell: impl FnOnce() + Send + 'static) {
    // Setting one keeps `tracing` from handing lines to `log`, so none is set where there was none.
    let subscriber = tracing::dispatcher::has_been_set().then(|| tracing::dispatcher::get_default(Clone::clone));
    let ended = Arc::new((Mutex::new(false), Condvar::new()));
    let end = End(Arc::clone(&ended));
    let work = move || {
        let _end = end;
        match subscriber {
            Some(subscriber) => tracing::dispatcher::with_default(&subscriber, tell),
            None => tell(),
        }
    };
    if ferrometer_core::spawn("report", work).is_ok() {
        let (is_over, changed) = &*ended;
        let is_over = is_over.lock().unwrap_or_else(PoisonError::into_inner);
        drop(changed.wait_timeout_while(is_over, MOMENT, |is_over| !*is_over));
    }
}

/// Tells what was not delivered by a guard that was dropped.
pub(crate) fn undelivered(report: &FlushReport) {
    let lost = report.ledgers.iter().filter(|ledger| !ledger.dropped[Cause::Removed].is_zero());
    let lost: Vec<String> = lost.map(ToString::to_string).collect();
    if lost.is_empty() {
        return;
    }
    told(move || {
        for ledger in &lost {
            tracing::warn!(target: "ferrometer", %ledger, "not everything was delivered in time when the metrics ended");
        }
    });
}

/// Tells what is in force now.
pub(crate) fn in_force(config: &Config) {
    let is_off = config.backends().iter().all(|name| name == "noop");
    let warns = tracing::enabled!(target: "ferrometer", Level::WARN);
    let warnings = if warns { config.warnings() } else { Vec::new() };
    // A program may say it later, but hardly does.
    let has_no_traces = warns && !is_off && crate::exemplars::are_wanted(config) && !crate::exemplars::is_provided();
    let tells = tracing::enabled!(target: "ferrometer", Level::INFO);
    if !tells && warnings.is_empty() && !has_no_traces {
        return;
    }
    let names = |names: &[String]| joined(&mut names.iter().map(String::as_str), ", ");
    let (backends, from) = (names(config.backends()), config.origin.in_words());
    // Backends that the program installed go on, whatever the configuration says.
    let installed = joined(&mut ferrometer_core::ledgers().iter().map(|ledger| ledger.backend.as_str()), ", ");
    told(move || {
        for hint in &warnings {
            tracing::warn!(target: "ferrometer", %hint, "the configuration is probably not what was meant");
        }
        if has_no_traces {
            tracing::warn!(
                target: "ferrometer",
                "exemplars are on, and nothing tells the trace of a recording: take the cargo feature opentelemetry-context, or call \
                 ferrometer::exemplars::provide before init"
            );
        }
        match is_off {
            true if installed.is_empty() => tracing::info!(target: "ferrometer", %from, "recording is off"),
            true => {
                tracing::info!(target: "ferrometer", %installed, %from, "the configuration has no backend; those that the program installed go on")
            }
            false => tracing::info!(target: "ferrometer", %backends, %from, "metrics are in force"),
        }
    });
}
