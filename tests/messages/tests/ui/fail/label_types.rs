//! A label's type has to be known where the call stands.

use ferrometer::{Logger, count, logger};

static METRICS: Logger = logger!();

fn main() {
    let record = |status| count!(METRICS, "requests", "status" => status);
    record("ok");
}
