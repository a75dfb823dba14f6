//! Names that do not resolve are reported where the user wrote them.
use ferrometer::{Logger, count, logger, timer};

static METRICS: Logger = logger!();

#[timer(UNKNOWN, "x")]
fn unknown_logger() {}

#[timer(self.metrics)]
fn no_self() {}

fn main() {
    count!(crate = nowhere, METRICS, "x");
    count!(UNKNOWN, "x");
}
