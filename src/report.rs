//! One line through `tracing` that says what a configuration has put in force, and from which file and variables; and a warning for what in
//! them was probably meant for us. Without it a program whose recording is off by mistake would be silent.
//!
//! A subscriber may wait for ever, say for a pipe that nobody reads. The lines are therefore told on a thread made for them, which
//! [`init`](crate::init()) waits for only a moment; it is made only when somebody listens.

use crate::config::{Config, joined};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use tracing::Level;

/// How long a subscriber is waited for.
const MOMENT: Duration = Duration::from_millis(500);

/// Tells what is in force now.
/// Says at its end, also by a panic, that a thread has told its lines.
struct End(Arc<(Mutex<bool>, Condvar)>);

impl Drop for End {
    fn drop(&mut self) {
        let (is_over, changed) = &*self.0;
        *is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }
}

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
    let subscriber = tracing::dispatcher::get_default(Clone::clone);
    let ended = Arc::new((Mutex::new(false), Condvar::new()));
    let end = End(Arc::clone(&ended));
    let tell = move || {
        let _end = end;
        tracing::dispatcher::with_default(&subscriber, || {
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
    };
    if ferrometer_core::spawn("init", tell).is_ok() {
        let (is_over, changed) = &*ended;
        let is_over = is_over.lock().unwrap_or_else(PoisonError::into_inner);
        drop(changed.wait_timeout_while(is_over, MOMENT, |is_over| !*is_over));
    }
}
