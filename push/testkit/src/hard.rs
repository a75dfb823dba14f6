//! Recordings that are hard to deliver, and what they come to.

use ferrometer_core::{Logger, get_logger};
use std::time::Duration;

/// Label values that a format must escape or replace, each another one.
pub const VALUES: [&str; 14] = [
    "plain",
    "two words",
    "a,b=c",
    "semi;colon",
    "quo\"te",
    "back\\slash",
    "end\\",
    "new\nline",
    "tab\there",
    "~tilde",
    "é€😀",
    "nul\0",
    "{brace}",
    "a:b|c#d",
];

/// The recordings of [`record`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Truth {
    /// The sum of the counters `hard.<kind>` over all labels.
    pub counted: u64,
    /// The increments of `falls`.
    pub up: u64,
    /// The decrements of `falls`, as a positive number.
    pub down: u64,
    /// How often `took` was timed; each time 1 to 100 ms.
    pub timed: u64,
    /// The sum of `took` in milliseconds.
    pub millis: u64,
}

/// Records counters with every hard label, a counter that falls, gauges of every size, timers, in-flight counts, a sampled counter at a rate that makes
/// whole numbers, and numbers that are none. `name` tells tests apart.
pub fn record(name: &str, rounds: u64) -> Truth {
    let logger = get_logger(name);
    let mut truth = Truth::default();
    for round in 1..=rounds {
        for (at, value) in VALUES.iter().enumerate() {
            let n = round * 1000 + at as u64;
            logger.with("kind", value).send_counter("hard", n);
            truth.counted += n;
        }
        logger.send_counter("falls", 10);
        logger.send_counter("falls", -4);
        truth.up += 10;
        truth.down += 4;
        for ms in 1..=100u64 {
            logger.send_timer("took", Duration::from_millis(ms));
            truth.timed += 1;
            truth.millis += ms;
        }
        gauges(&logger);
    }
    truth
}

/// Gauges and their values.
pub const GAUGES: [(&str, f64); 8] = [
    ("zero", 0.0),
    ("half", 0.5),
    ("negative", -17.25),
    ("large", 9_007_199_254_740_993.0),
    ("huge", 1e300),
    ("tiny", 1e-300),
    ("third", 1.0 / 3.0),
    ("small", 0.000_001_5),
];

fn gauges(logger: &Logger) {
    for (name, value) in GAUGES {
        logger.send_gauge(name, value);
    }
    logger.send_gauge("nan", f64::NAN);
    logger.send_gauge("infinite", f64::NEG_INFINITY);
    logger.send_gauge("half", f64::INFINITY);
}

/// How many recordings of [`record`] are refused in one round, because they are no numbers.
pub const INVALID: u64 = 3;
