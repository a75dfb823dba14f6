//! Resident memory of 100,000 counters, each incremented on two threads, names rendered.

use super::exposition::{SERIES, roomy};
use super::receiver::Receiver;
use crate::drive::resident_bytes;
use crate::ours::count_of_all;
use crate::row::{Row, Run, Sample, expect};
use ferrometer::{Config, Counter, get_logger};
use std::thread;
use std::time::Duration;

#[cfg(feature = "peers")]
pub mod peers;

const GROUP: &str = "memory";
pub const ROWS: &[Row] = &[
    Row::ours(GROUP, "memory.statsd", "statsd: plain names, sent once", statsd_plain).exactly(SERIES).samples(3),
    Row::ours(GROUP, "memory.statsd_label", "statsd: one label, as the peers below, sent once", statsd_label)
        .exactly(SERIES)
        .samples(3),
    Row::ours(GROUP, "memory.pull_cache", "pull cache: one label, one generation, not rendered", pull_cache)
        .exactly(SERIES)
        .samples(3),
];

fn sample(before: f64, then: f64) -> Sample {
    Sample::default().with("megabytes", (then - before) / 1e6)
}

fn on_two_threads(counters: &[Counter]) {
    for _ in 0..2 {
        thread::scope(|scope| {
            let threads: Vec<_> = (0..2).map(|_| scope.spawn(|| counters.iter().for_each(|c| c.increment()))).collect();
            threads.into_iter().for_each(|t| t.join().expect("a thread"));
        });
    }
}

/// The handles are made, used and dropped; what stays is what ferrometer keeps.
fn ours(run: &Run, config: Config, labelled: bool) -> Sample {
    let metrics = ferrometer::init(config).expect("a backend");
    let logger = get_logger("app");
    let before = resident_bytes();
    let counters: Vec<Counter> = (0..run.iterations)
        .map(|i| match labelled {
            true => logger.with("id", &format!("{i:06}")).counter("requests"),
            false => logger.counter(format!("requests.{i:06}")),
        })
        .collect();
    on_two_threads(&counters);
    drop(counters);
    let recorded = resident_bytes();
    assert!(metrics.flush(Duration::from_secs(30)).complete, "all is delivered");
    let then = resident_bytes();
    let total: u64 = match labelled {
        true => count_of_all("app", "requests"),
        false => ferrometer::snapshot()
            .totals()
            .iter()
            .filter(|t| !t.series.is_internal())
            .filter_map(|t| t.value.net())
            .sum::<i64>() as u64,
    };
    expect("counted", total, 4 * run.iterations);
    sample(before, then).with("before_delivery_megabytes", (recorded - before) / 1e6)
}

fn to(receiver: &Receiver) -> Config {
    roomy()
        .backend("statsd")
        .statsd_host("127.0.0.1")
        .statsd_port(receiver.address.port())
        .statsd_interval(Duration::from_secs(3600))
}

fn statsd_plain(run: &Run) -> Sample {
    let receiver = Receiver::start(":");
    ours(run, to(&receiver), false)
}

fn statsd_label(run: &Run) -> Sample {
    let receiver = Receiver::start(":");
    ours(run, to(&receiver), true)
}

fn pull_cache(run: &Run) -> Sample {
    ours(run, roomy(), true)
}
