//! Instruction counts under callgrind, net of the loop: the difference of two runs, for each iteration, of the measured loop
//! alone. They repeat exactly, so a ceiling can be set on them.
//!
//! A ceiling holds for the compiler it was counted with, and for a build without the peers' rows (`scripts/bench --instructions` makes
//! one): with another compiler the ceilings are wider, and it says so.

use crate::results::Results;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Rows that have a ceiling.
const OURS: &[&str] = &[
    "off.handle",
    "off.guard",
    "off.count",
    "off.set_gauge",
    "off.time",
    "off.attr_counter",
    "off.attr_timer",
    "counter.handle",
    "counter.send_literal",
    "counter.count",
    "counter.attribute",
    "counter.gauge_set",
    "labels.count",
    "labels.texts",
    "labels.fixed",
    "labels.with_all",
    "record.timer",
    "record.histogram",
    "timer.guard",
    "timer.time",
    "timer.attribute",
    "sampled.counter_out",
    "sampled.guard_out",
    "sampled.attribute_out",
    "sampled.attr_counter_out",
    "exemplars.counter",
    "exemplars.timer",
    "step.first_recording",
    "step.capture",
    "step.collect",
    "step.collect_changed",
    "step.deliver_statsd",
    "step.deliver_influxdb",
    "step.deliver_remote_write_1",
    "step.deliver_remote_write_2",
    "step.render",
];
/// For the table alone; those of peers where they are built in.
const BESIDE: &[&str] = &[
    "base.bare_call",
    "base.tls_block",
    "base.call_tls_block",
    "base.tls_log2",
    "base.clock_pair_cell",
    "off.log_debug",
    "off.metrics",
    "off.tracing_event",
    "off.tracing_instrument",
    "counter.prometheus_client",
    "counter.metrics_macro",
    "labels.measured",
    "record.prometheus_client",
];
/// Goals in instructions.
const GOALS: &[&str] = &[
    "base.bare_call",
    "off.handle",
    "off.guard",
    "off.count",
    "off.set_gauge",
    "off.attr_counter",
    "off.attr_timer",
    "off.log_debug",
    "off.metrics",
    "off.tracing_instrument",
];

/// A share of an instruction that comes from what happens once in a run, and is no change.
const NOISE: f64 = 0.01;

/// Iterations of the two runs; the difference is a multiple of every table's length.
const FEW: u64 = 1024;
const MANY: u64 = 1024 + 102_400;

pub fn available() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|o| o.status.success())
}

fn collected(row: &str, iterations: u64) -> Option<u64> {
    let bench = std::env::current_exe().expect("this program");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*measured_loop*", "--callgrind-out-file=/dev/null"])
        .arg(bench)
        .args(["run", row, "--iterations", &iterations.to_string()])
        .env("BENCH_SLOW_CLOCK", "1")
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find(|l| l.contains("Collected"))?;
    output.status.success().then(|| line.rsplit(' ').next()?.parse().ok())?
}

fn per_iteration(row: &str) -> Option<f64> {
    // A thread for each iteration.
    let (few, many) = if row == "step.first_recording" { (64, 64 + 256) } else { (FEW, MANY) };
    Some((collected(row, many)? - collected(row, few)?) as f64 / (many - few) as f64)
}

/// The rows whose counts differ from one process to the next; those that have a ceiling have one with room for that.
fn varying(rows: &[&'static str], results: &mut Results) -> Vec<&'static str> {
    let first = results.instructions.clone();
    count(rows, results);
    let again = std::mem::replace(&mut results.instructions, first);
    let differ = |a: Option<&f64>, b: Option<&f64>| a.zip(b).is_none_or(|(a, b)| (a - b).abs() > NOISE);
    rows.iter().copied().filter(|r| differ(again.get(*r), results.instructions.get(*r))).collect()
}

/// Counts, net of the loop.
fn count(rows: &[&str], results: &mut Results) {
    let Some(empty) = per_iteration("base.empty_loop") else {
        results.failed.insert("instructions".into(), "callgrind gave no count".into());
        return;
    };
    for row in rows {
        match per_iteration(row) {
            Some(n) => drop(results.instructions.insert((*row).to_owned(), n - empty)),
            None => drop(results.failed.insert(format!("{row}, instructions"), "callgrind gave no count".into())),
        }
    }
}

/// Counts the instructions that `bench all` shows.
pub fn for_goals(results: &mut Results) {
    count(GOALS, results);
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.toml")
}

fn ceilings() -> BTreeMap<String, f64> {
    let text = std::fs::read_to_string(path()).unwrap_or_default();
    let lines = text.lines().filter_map(|l| l.split_once('='));
    lines.filter_map(|(row, n)| Some((row.trim().trim_matches('"').to_owned(), n.trim().parse().ok()?))).collect()
}

/// The compiler that the ceilings were counted with: the comment's line that names one.
fn counted_with() -> Option<String> {
    let text = std::fs::read_to_string(path()).ok()?;
    text.lines().find_map(|l| l.strip_prefix("# rustc ").map(|version| format!("rustc {version}")))
}

/// The ceiling for another compiler: a tenth more, and two instructions at least.
fn wider(ceiling: f64) -> f64 {
    (ceiling * 1.1).floor().max(ceiling + 2.0)
}

/// The ceiling of a count: itself, to the next whole instruction, or 2 % more where that is more.
fn ceiling(count: f64) -> f64 {
    (count * 1.02).floor().max(count.ceil())
}

/// Counts, prints, and compares; whether all is at or below its ceiling. `only`: rows whose names begin so.
pub fn check(bless: bool, only: Option<&str>) -> bool {
    let is_chosen = |row: &str| only.is_none_or(|only| row.starts_with(only));
    if bless && only.is_some() {
        eprintln!("--bless writes all ceilings, so it goes without --only");
        return false;
    }
    if !available() {
        eprintln!("valgrind is needed to count instructions");
        return false;
    }
    let here = crate::report::toolchain();
    let other = counted_with().filter(|pinned| *pinned != here);
    if let Some(pinned) = &other {
        eprintln!("!! {here}; the ceilings were counted with {pinned}, and are a tenth wider here");
    }
    let mut results = Results::default();
    let built: Vec<&str> = crate::groups::rows().iter().chain(crate::groups::step::ROWS).map(|row| row.name).collect();
    let rows: Vec<&str> =
        [OURS, BESIDE].concat().into_iter().filter(|row| built.contains(row) && is_chosen(row)).collect();
    count(&rows, &mut results);
    let ours: Vec<&'static str> = OURS.iter().copied().filter(|row| is_chosen(row)).collect();
    let varying = varying(&ours, &mut results);
    let (ceilings, mut fine) = (ceilings(), true);
    println!("{:<28} {:>12} {:>8}", "row", "instructions", "ceiling");
    for (row, n) in &results.instructions {
        let ours = OURS.contains(&row.as_str());
        let ceiling = ceilings.get(row).map(|limit| if other.is_some() { wider(*limit) } else { *limit });
        let (limit, said) = match ceiling {
            _ if !ours => (String::new(), ""),
            None if varying.contains(&row.as_str()) => {
                println!("{row:<28} {n:>12.2} {:>8} varies from process to process: no ceiling", "");
                continue;
            }
            Some(limit) if *n <= limit + NOISE => (limit.to_string(), ""),
            Some(limit) => (limit.to_string(), "EXCEEDED"),
            None => ("none".into(), "NO CEILING"),
        };
        fine &= said.is_empty();
        println!("{row:<28} {n:>12.2} {limit:>8} {said}");
    }
    for (row, error) in &results.failed {
        fine = false;
        println!("{row}: {error}");
    }
    for row in ceilings.keys().filter(|row| is_chosen(row) && !results.instructions.contains_key(*row)) {
        fine &= bless;
        println!("{row:<28} has a ceiling and was not counted");
    }
    if !bless {
        return fine;
    }
    let mut text = String::from(
        "# Most instructions of a call, net of the loop. `bench instructions --bless` rewrites it; counted with the toolchain in use then:\n",
    );
    let _ = writeln!(text, "# {}", crate::report::toolchain());
    for (row, n) in
        results.instructions.iter().filter(|(row, _)| OURS.contains(&row.as_str()) && !varying.contains(&row.as_str()))
    {
        let _ = writeln!(text, "\"{row}\" = {}", ceiling(*n));
    }
    std::fs::write(path(), text).expect("instructions.toml");
    results.failed.is_empty()
}
