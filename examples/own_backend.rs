//! A backend of one's own: writes one line `name value` for everything that changed, to anything that can be written to.
//!
//! `cargo run --example own_backend` installs it on standard output, records, flushes, removes it, and prints the account.

use ferrometer::backend::{Backend, BackendError, Change, Delivery, SnapshotView, folded_name};
use ferrometer::get_logger;
use std::io::Write;
use std::time::Duration;

struct Lines<W>(W);

impl<W: Write + Send + 'static> Backend for Lines<W> {
    /// Called at each interval, on this backend's thread. It may block, fail or panic: no recording waits for it.
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        let mut delivery = Delivery::default();
        // Changes since the last delivery. `ferrometer.…`, its own metrics about this backend, are left out.
        for delta in view.deltas().filter(|delta| !delta.series.is_internal()) {
            let value = match &delta.change {
                Change::Counter { increments, decrements } => format!("+{increments} -{decrements}"),
                Change::Gauge(value) => value.to_string(),
                Change::InFlight(value) => value.to_string(),
                Change::Values { total, .. } => {
                    format!("{} new, p50 {:.0}", delta.recordings, total.quantile(0.5).unwrap_or(0.0))
                }
                _ => continue, // a kind of a later version stays pending
            };
            let line = format!("{} {value}\n", folded_name(view.naming(), delta.series));
            // An error leaves here: what has no receipt yet is pending, and in the next delta.
            self.0.write_all(line.as_bytes())?;
            view.delta_sent(&delta);
            delivery.packets += 1;
            delivery.bytes += line.len() as u64;
        }
        self.0.flush()?;
        Ok(delivery)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    ferrometer::install("lines", Box::new(Lines(std::io::stdout())), Duration::from_secs(1))?;

    let shop = get_logger("shop");
    shop.send_counter("sold", 3);
    shop.with("city", "Oslo").send_counter("sold", 2);
    shop.send_gauge("queue", 4);
    shop.send_gauge("queue", 7);
    shop.send_timer("checkout", Duration::from_micros(1500));
    let paying = shop.in_flight("paying").enter();

    // Not waiting for the interval: everything recorded until now is delivered, or the report says what is not.
    let report = ferrometer::flush(Duration::from_secs(2));
    println!("-- flushed, complete: {}", report.complete);

    drop(paying);
    shop.send_counter("sold", -1);
    // A removal delivers what is pending first.
    let account = ferrometer::remove("lines", Duration::from_secs(2)).ok_or("it was installed")?;
    println!("-- removed\n{account}");
    shop.send_counter("sold", 100); // recorded nowhere, and costs next to nothing
    Ok(())
}
