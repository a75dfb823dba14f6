#[macro_use]
extern crate ferrometer;

use ferrometer::{LabelValue, Logger, timer};

static METRICS: Logger = logger!();

#[timer(sampel_rate = 0.1)]
fn slip() {}

#[derive(LabelValue)]
enum Nothing {}

fn main() {
    slip();
    count!(METRICS, "a b");
}
