//! A name made at run time, given by a reference.

use ferrometer::{Logger, logger};

static METRICS: Logger = logger!();

fn main() {
    let text = String::from("made");
    METRICS.send_counter(text.as_str(), 1);
}
