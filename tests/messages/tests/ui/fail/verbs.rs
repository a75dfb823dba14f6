//! Mistakes in a verb macro.
use ferrometer::{Logger, count, logger, set_gauge, time};

static METRICS: Logger = logger!();

fn main() {
    count!();
    count!("name");
    count!(METRICS);
    count!(METRICS "name");
    count!(METRICS, "name", 1, 2);
    count!(METRICS, "name" 1);
    count!(METRICS, "name", value = 1);
    count!(METRICS, "name", sampel_rate = 0.1);
    count!(METRICS, "name", sample_rate = 0.1, sample_rate = 0.1);
    count!(METRICS, "name", crate = ferrometer);
    count!(logger = METRICS, "name");

    set_gauge!(METRICS, "name");
    set_gauge!(METRICS, "name", 1, sample_rate = 0.1);
    set_gauge!(METRICS, "name", 1, rate = 0.1);

    time!(METRICS, "name");
    time!(METRICS, "name", sample_rate = 0.1);
    time!(METRICS, "name", { 1 }, sample_rate = 0.1);
    time!(METRICS, "name", sampel_rate = 0.1, { 1 });

    count!(METRICS, "name", "" => "x");
    count!(METRICS, "name", "a.b" => "x");
    count!(METRICS, "name", "a" => "x", "a" => "y");
    count!(METRICS, "name", key => "x");
    count!(METRICS, "name", "key" =>);
    count!(METRICS, "name", "key" = "x");
}
