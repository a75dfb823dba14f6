//! statsd end to end: a program that records and sends, and a receiver in the same process that counts what arrives.
//!
//! `iterations` is for each thread. CPU is that of the process without the receiver's thread.

use super::receiver::{Received, Receiver};
use crate::drive::{cores, drive_whole, pin, process_cpu_ns};
use crate::row::{Row, Run, Sample, expect};
use ferrometer::config::Dialect;
use ferrometer::{Config, Logger, logger};
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

#[cfg(feature = "peers")]
pub mod peers;

const GROUP: &str = "statsd";
const TIMERS: &str = "statsd-timers";
pub const ROWS: &[Row] = &[
    Row::ours(GROUP, "statsd.counter", "`counter.increment()`, sent each 100 ms", ours_counter)
        .on(&[1, 2])
        .exactly(100_000_000),
    Row::floor(TIMERS, "base.paced", "the pace alone", paced_alone).exactly(VALUES),
    Row::ours(TIMERS, "statsd.timer_etsy", "`timer.record(d)`, dialect etsy", |run| ours_timer(run, Dialect::Etsy))
        .exactly(VALUES),
    Row::ours(TIMERS, "statsd.timer_dogstatsd", "`timer.record(d)`, dialect dogstatsd", |run| {
        ours_timer(run, Dialect::Dogstatsd)
    })
    .exactly(VALUES),
    Row::ours(TIMERS, "statsd.timer_gnocchi", "`timer.record(d)`, one value a line", |run| {
        ours_timer(run, Dialect::Gnocchi)
    })
    .exactly(VALUES),
];

static METRICS: Logger = logger!("app");

/// Values of a paced row, and how many come at once, and each how long: 500,000 a second.
const VALUES: u64 = 600_000;
const BURST: u64 = 2000;
const PACE: Duration = Duration::from_millis(4);

/// Work of a program before `finish`, which sends the rest.
struct Span {
    cpu: u64,
    start: Instant,
}

impl Span {
    fn start() -> Span {
        Span { cpu: process_cpu_ns(), start: Instant::now() }
    }
    /// CPU time so far, in milliseconds, without the receiver's, and what had arrived.
    fn end(self, receiver: Receiver) -> (f64, Duration, Received) {
        let took = self.start.elapsed();
        receiver.settle();
        let cpu = process_cpu_ns() - self.cpu;
        let received = receiver.stop();
        ((cpu - received.cpu_ns) as f64 / 1e6, took, received)
    }
}

fn counted(run: &Run, receiver: Receiver, span: Span, mops: f64, parallel: f64) -> Sample {
    let (cpu, _, received) = span.end(receiver);
    expect("received", received.sum, run.total());
    Sample::default()
        .with("mops", mops)
        .with("parallel", parallel)
        .with("cpu_ms_per_million", cpu * 1e6 / run.total() as f64)
        .with("received", received.sum as f64)
        .with("datagrams", received.datagrams as f64)
}

fn config(to: SocketAddr, dialect: Dialect) -> Config {
    Config::new()
        .backend("statsd")
        .statsd_host(to.ip().to_string())
        .statsd_port(to.port())
        .statsd_dialect(dialect)
        .statsd_interval(Duration::from_millis(100))
}

/// Returns the sent and the merged recordings of the ledger, which must balance.
fn ledger() -> (u64, u64) {
    let ledgers = ferrometer::ledgers();
    let ledger = ledgers.iter().find(|l| l.backend == "statsd").expect("an account");
    assert!(ledger.balances(), "the account balances: {ledger:?}");
    (ledger.sent.recordings, ledger.merged)
}

fn ours_counter(run: &Run) -> Sample {
    let receiver = Receiver::start("x:");
    let span = Span::start();
    let metrics = ferrometer::init(config(receiver.address, Dialect::Etsy)).expect("statsd");
    let counter = METRICS.counter("x");
    let timing = drive_whole(run, || move |_| counter.increment());
    assert!(metrics.flush(Duration::from_secs(5)).complete, "all is sent");
    let (sent, _) = ledger();
    let sample = counted(run, receiver, span, timing.mops, timing.parallel);
    expect("sent", sent, run.total());
    sample.with("sent", sent as f64)
}

/// Records at the stated pace on a core of its own: `op` gets each duration.
fn paced(run: &Run, mut op: impl FnMut(Duration)) {
    let cores = cores();
    pin(cores[0]);
    let start = Instant::now();
    for burst in 0..run.iterations / BURST {
        for i in 0..BURST {
            op(Duration::from_micros(1250 + (i & 1023)));
        }
        let due = start + PACE * (burst as u32 + 1);
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

fn paced_alone(run: &Run) -> Sample {
    let cpu = process_cpu_ns();
    paced(run, |d| {
        std::hint::black_box(d);
    });
    Sample::default().with("cpu_ms_per_million", (process_cpu_ns() - cpu) as f64 / run.iterations as f64)
}

fn timed(run: &Run, receiver: Receiver, span: Span, sent: u64, merged: u64) -> Sample {
    let (cpu, took, received) = span.end(receiver);
    Sample::default()
        .with("cpu_ms_per_million", cpu * 1e6 / run.iterations as f64)
        .with("per_second", run.iterations as f64 / took.as_secs_f64())
        .with("sent", sent as f64)
        .with("merged", merged as f64)
        .with("received", received.values as f64)
        .with("datagrams", received.datagrams as f64)
}

fn ours_timer(run: &Run, dialect: Dialect) -> Sample {
    let receiver = Receiver::start("x:");
    let metrics = ferrometer::init(config(receiver.address, dialect)).expect("statsd");
    let timer = METRICS.timer("x");
    thread::sleep(Duration::from_millis(300));
    let span = Span::start();
    paced(run, |d| timer.record(d));
    assert!(metrics.flush(Duration::from_secs(5)).complete, "all is sent");
    let (sent, merged) = ledger();
    expect("sent", sent, run.iterations);
    timed(run, receiver, span, sent, merged)
}
