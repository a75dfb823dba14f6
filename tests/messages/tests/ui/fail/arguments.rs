//! Unknown, repeated and misplaced arguments of the attributes.
use ferrometer::{Logger, counter, gauge, logger, timer};

static METRICS: Logger = logger!();

#[timer(sampel_rate = 0.1)]
fn slip() {}

#[counter(rate = 0.1)]
fn part() {}

#[timer(METRICS, "x", outcom)]
fn flag() {}

#[timer(frequency = 3)]
fn nothing_like_it() {}

#[timer("a", "b")]
fn two_names() {}

#[timer("a", name = "b")]
fn two_ways_to_name() {}

#[timer(sample_rate = 0.1, sample_rate = 0.1)]
fn two_rates() {}

#[counter(outcome, outcome)]
fn two_flags() {}

#[timer(METRICS, logger = METRICS)]
fn two_loggers() {}

#[timer("a", METRICS)]
fn logger_last() {}

#[timer("a", self.metrics)]
fn expression_last() {}

#[timer("a" sample_rate = 0.1)]
fn comma() {}

#[timer(5)]
fn number() {}

#[counter(outcome = true)]
fn flag_with_a_value() {}

#[counter(on = "error")]
fn on_error() {}

#[counter(on = err)]
fn on_ident() {}

#[timer(on = "entry")]
fn timer_on_entry() {}

#[counter(on = "sometimes")]
fn on_sometimes() {}

#[counter(on = "entry", outcome)]
fn outcome_on_entry() {}

#[gauge(sample_rate = 0.1)]
fn sampled_gauge() -> u32 {
    1
}

#[gauge(outcome)]
fn gauge_outcome() -> u32 {
    1
}

#[gauge(on = "ok")]
fn gauge_on() -> u32 {
    1
}

#[timer(crate = "ferrometer")]
fn crate_string() {}

#[timer = "x"]
fn name_value() {}

// Both are reported, and the function stays.
#[timer(nmae = "x")]
#[counter(sample_rate = 7)]
fn two_mistakes() {}

#[timer]
#[counter]
#[timer(sample_rate = 0.5)]
fn twice() {}

fn main() {
    slip();
    two_mistakes();
    twice();
    let _: u32 = sampled_gauge();
}
