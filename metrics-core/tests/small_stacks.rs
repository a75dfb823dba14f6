//! Threads with as small a stack as the system gives: the first recording, which makes the thread's cells, fits in 16 KiB, in builds without
//! optimisation too.
#![cfg(target_os = "linux")]

mod support;

use ferrometer_core::*;
use std::hint::black_box;
use std::process::Command;
use std::thread;
use std::time::Duration;
use support::{NEVER, SOON, alone, sink};

const STACK: usize = 16 << 10;
const CASE: &str = "FERROMETER_TEST_SMALL_STACK";

fn record(case: &str) {
    let logger = get_logger("small");
    match case {
        "counter" => logger.send_counter("c", 1),
        "many" => logger.send_counter("c", 5),
        "label" => logger.with("k", "v").send_counter("c", 1),
        "object" => logger.for_object("o").send_counter("c", 1),
        "sampled" => (0..64).for_each(|_| logger.sampled(0.5).send_counter("c", 1)),
        "gauge" => logger.send_gauge("g", 1.0),
        "added" => logger.gauge("g").add(1.0),
        "timer" => logger.send_timer("t", Duration::from_millis(1)),
        "guard" => drop(logger.timer("t").start()),
        "histogram" => logger.send_histogram("h", 1.0),
        "in_flight" => drop(logger.in_flight("f").enter()),
        "not finite" => logger.send_histogram("h", f64::NAN),
        "described" => drop(logger.counter("c").unit("rows").description("Rows.")),
        _ => panic!("{case}"),
    }
}

const CASES: [&str; 13] = [
    "counter",
    "many",
    "label",
    "object",
    "sampled",
    "gauge",
    "added",
    "timer",
    "guard",
    "histogram",
    "in_flight",
    "not finite",
    "described",
];

/// A process for each case, because an overflow ends the process.
#[test]
fn first_recordings_fit_in_sixteen_kibibytes() {
    let _alone = alone();
    if let Ok(case) = std::env::var(CASE) {
        install("a", sink(), NEVER).unwrap();
        let thread = thread::Builder::new().stack_size(STACK).spawn(move || record(black_box(&case)));
        thread.unwrap().join().unwrap();
        assert!(remove("a", SOON).unwrap().balances());
        return;
    }
    let mut failed = Vec::new();
    for case in CASES {
        let program = std::env::current_exe().unwrap();
        let mut run = Command::new(program);
        run.args(["--exact", "first_recordings_fit_in_sixteen_kibibytes"]).env(CASE, case);
        let output = run.output().unwrap();
        if !output.status.success() {
            failed.push((case, output.status));
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}
