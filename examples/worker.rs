//! A job queue and its workers, instrumented in every way there is: attributes, verb macros, handles, guards, labels, sampling.
//!
//! `cargo run --example worker` works through 300 jobs on three threads, then prints the account of what was recorded and the
//! records that a reader of the pull cache would get.

use ferrometer::{Config, Logger, count, counter, logger, set_gauge, time, timer};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

static METRICS: Logger = logger!("worker");

struct Job {
    kind: &'static str,
    payload: Vec<u8>,
}

#[derive(Debug)]
struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed payload")
    }
}

/// Every call is timed, with its outcome as a label, and the failed ones are counted.
#[timer(METRICS, "run.time", outcome)]
#[counter(METRICS, "run.errors", on = "err")]
fn run(job: &Job) -> Result<u32, Malformed> {
    let parsed = time!(METRICS, "parse.time", parse(&job.payload))?;
    thread::sleep(Duration::from_micros(if job.kind == "resize" { 900 } else { 250 }));
    Ok(parsed)
}

/// Called too often to time every call: one in ten is, and what is exported is scaled up again.
#[timer(METRICS, "checksum.time", sample_rate = 0.1)]
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(7, |sum, byte| sum.rotate_left(5) ^ u32::from(*byte))
}

fn parse(payload: &[u8]) -> Result<u32, Malformed> {
    if payload.is_empty() {
        return Err(Malformed);
    }
    Ok(payload.chunks(16).map(checksum).fold(0, u32::wrapping_add))
}

fn work(queue: &Mutex<VecDeque<Job>>, name: &str) {
    // Handles are looked up once and kept; they are `Copy` and never go stale.
    let busy = METRICS.in_flight("jobs.running");
    let sizes = METRICS.histogram("job.size").unit("bytes").description("Payload of a job");
    let done = METRICS.with("thread", name).counter("jobs.done");

    while let Some(job) = {
        let mut waiting = queue.lock().unwrap_or_else(PoisonError::into_inner);
        set_gauge!(METRICS, "queue.depth", waiting.len());
        waiting.pop_front()
    } {
        let _running = busy.enter(); // +1 now, -1 at the end of this turn, however it ends
        sizes.record(job.payload.len());
        let timing = METRICS.with("kind", job.kind).timer("job.time").start();
        match run(&job) {
            Ok(_) => done.increment(),
            Err(Malformed) => count!(METRICS, "jobs.refused", "kind" => job.kind),
        }
        // A guard records when it is dropped, or here; `discard` would record nothing.
        if timing.stop() > Duration::from_millis(20) {
            METRICS.send_counter("jobs.slow", 1);
        }
    }
}

fn main() -> Result<(), ferrometer::Error> {
    let metrics = ferrometer::init(Config::new().backend("pull-cache"))?;

    let queue: VecDeque<Job> = (0..300)
        .map(|i| {
            let kind = if i % 3 == 0 { "resize" } else { "mail" };
            Job { kind, payload: vec![i as u8; if i % 25 == 24 { 0 } else { 64 + i * 8 }] }
        })
        .collect();
    let queue = Mutex::new(queue);
    thread::scope(|scope| {
        for name in ["one", "two", "three"] {
            let queue = &queue;
            scope.spawn(move || work(queue, name));
        }
    });

    let report = metrics.flush(Duration::from_secs(2));
    println!("the account");
    for ledger in &report.ledgers {
        println!("  {ledger}");
    }

    println!("\nthe records");
    let newest = metrics.pull_cache().and_then(|cache| cache.most_recent());
    let mut lines: Vec<String> = newest
        .iter()
        .flat_map(|generation| generation.records())
        .filter_map(|record| {
            let labels: Vec<String> = record.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            // Those of ferrometer itself are there too.
            record
                .metric
                .starts_with("worker.")
                .then(|| format!("  {:<28}{:<28}{:>12.3}", record.metric, labels.join(" "), record.value))
        })
        .collect();
    lines.sort();
    println!("{}", lines.join("\n"));
    Ok(())
}
