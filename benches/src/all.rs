//! The whole suite: every row several times, in random order, and the verdict on each goal.

use crate::goals::{GOALS, Goal, Verdict};
use crate::results::Results;
use crate::row::{Kind, Row};
use crate::{build_time, groups, instructions, report};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Runs it; whether no goal is missed that was met before.
pub fn run(quick: bool, builds: bool, only: Option<&str>) -> bool {
    let rows: Vec<Row> = groups::rows().into_iter().filter(|r| only.is_none_or(|o| r.group == o)).collect();
    let mut results = Results::default();
    if only.is_none_or(|o| o == "off") && instructions::available() {
        instructions::for_goals(&mut results);
    }
    take(&rows, quick, &mut results);
    if builds && only.is_none_or(|o| o == "build") {
        build_time::measure(&mut results);
    }
    let goals: Vec<&Goal> = GOALS.iter().filter(|g| only.is_none_or(|o| g.group == o) && (builds || !g.slow)).collect();
    report::print(&goals, &rows, &results);
    if only.is_none() {
        report::write(&goals, &rows, &results, quick);
    }
    let before = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("met.txt")).unwrap_or_default();
    let lost = goals.iter().filter(|g| g.verdict(&results) == Verdict::Missed && before.lines().any(|id| id == g.id));
    let lost: Vec<&str> = lost.map(|g| g.id).collect();
    if !lost.is_empty() {
        println!("\nmissed, and met before: {}", lost.join(", "));
    }
    if !results.failed.is_empty() {
        println!("\nrows that FAILED: {:#?}", results.failed);
    }
    // A peer that loses recordings is told, and is no fault of ours.
    let ours = |failed: &String| rows.iter().any(|r| r.kind != Kind::Peer && failed.starts_with(r.name));
    lost.is_empty() && !results.failed.keys().any(ours)
}

/// Rounds of all rows; each round in an order of its own.
fn take(rows: &[Row], quick: bool, results: &mut Results) {
    let (rounds, factor) = if quick { (5, 1) } else { (9, 3) };
    let mut seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |d| d.as_nanos() as u64) | 1;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    for round in 0..rounds {
        let mut turns: Vec<(&Row, usize)> = rows.iter().flat_map(|r| r.threads.iter().map(move |t| (r, *t))).collect();
        turns.retain(|(row, _)| row.samples == 0 || round < row.samples);
        for at in (1..turns.len()).rev() {
            turns.swap(at, random(at + 1));
        }
        for (row, threads) in turns {
            let iterations = if row.scales { row.iterations * factor } else { row.iterations };
            // Several threads that did not have their cores are asked again.
            for _ in 0..if threads > 1 { 3 } else { 1 } {
                if results.sample(row, threads, iterations) {
                    break;
                }
            }
        }
        eprintln!("round {} of {rounds}", round + 1);
    }
}
