//! A shared library with a ferrometer of its own in it.

use ferrometer::backend::{Backend, BackendError, Delivery, SnapshotView};
use ferrometer::get_logger;
use std::time::Duration;

struct All;

impl Backend for All {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        view.all_sent();
        Ok(Delivery::default())
    }
}

/// Switches recording on. 0: done.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_begin() -> i32 {
    i32::from(ferrometer::install("all", Box::new(All), Duration::from_millis(1)).is_err())
}

/// Records this many ones, on this thread and on another.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_record(times: u64) {
    let record = move || {
        // Literals of the library, which are remembered by where they stand.
        let logger = get_logger("plugin").with("kind", "plugin");
        (0..times).for_each(|_| logger.send_counter("c", 1));
        logger.send_timer("t", Duration::from_millis(1));
    };
    record();
    let _ = std::thread::spawn(record).join();
}

/// Switches recording off. How many recordings were sent; the largest number when the account is wrong.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_end() -> u64 {
    match ferrometer::remove("all", Duration::from_secs(5)) {
        Some(ledger) if ledger.balances() => ledger.sent.recordings,
        _ => u64::MAX,
    }
}

/// Returns whether anything is recorded.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_is_on() -> i32 {
    i32::from(ferrometer::is_on())
}
