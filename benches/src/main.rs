//! The benchmark suite: ferrometer's rows through its public API, the peers' and the floors', in one table.
//!
//! `bench all` runs every row several times, each in a process of its own and in random order, sets the results against the
//! goals, and writes `docs/performance.md`. `bench instructions` counts instructions and compares them with the ceilings in
//! `instructions.toml`. `bench run ROW` is one sample.

mod all;
mod assembly;
mod build_time;
mod chart;
mod drive;
mod floors;
mod goals;
mod groups;
mod instructions;
mod ours;
#[cfg(feature = "peers")]
mod peers;
mod report;
mod results;
mod row;
mod run;
mod scale;

use row::{Row, Run};
use std::process::ExitCode;

const USAGE: &str = "usage:
  bench list
  bench run ROW [--threads N] [--iterations N]
  bench all [--quick [--builds]] [--only GROUP]
  bench instructions [--bless | --only ROW]
  bench scale [--quick] [--builds] [--only ROW]
  bench point ROW [--series N] [--threads N] [--changed THOUSANDTHS]";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| args.iter().any(|a| a == name);
    let value = |name: &str| args.iter().position(|a| a == name).and_then(|at| args.get(at + 1)).cloned();
    match args.first().map(String::as_str) {
        Some("list") => {
            for row in groups::rows().iter().chain(groups::step::ROWS) {
                println!("{:<28} {:<6} {:<10} {}", row.name, row.kind.as_str(), row.group, row.what);
            }
            ExitCode::SUCCESS
        }
        Some("run") => {
            let Some(row) = args.get(1).and_then(|name| {
                groups::rows().into_iter().chain(groups::step::ROWS.iter().copied()).find(|r| r.name == name)
            }) else {
                eprintln!("no such row; `bench list` shows them");
                return ExitCode::FAILURE;
            };
            let number = |name: &str| value(name).and_then(|n| n.parse::<u64>().ok());
            let threads = number("--threads").map_or(row.threads[0], |n| n as usize);
            let run = Run { threads, iterations: number("--iterations").unwrap_or(row.iterations) };
            println!("{}", sample(&row, &run));
            ExitCode::SUCCESS
        }
        Some("all") if !cfg!(feature = "peers") => {
            eprintln!(
                "`bench all` sets ours beside the peers', which are not in this build: build it with the feature `peers`"
            );
            ExitCode::FAILURE
        }
        Some("all") => {
            exit(all::run(flag("--quick"), !flag("--quick") || flag("--builds"), value("--only").as_deref()))
        }
        Some("scale") => exit(scale::run(flag("--quick"), flag("--builds"), value("--only").as_deref())),
        Some("point") => {
            let number = |name: &str, other: u64| value(name).and_then(|n| n.parse().ok()).unwrap_or(other);
            let (series, threads) = (number("--series", 1000), number("--threads", 1) as usize);
            exit(scale::point(args.get(1).map_or("", String::as_str), series, threads, number("--changed", 10)))
        }
        Some("instructions") => exit(instructions::check(flag("--bless"), value("--only").as_deref())),
        _ => {
            eprintln!("{USAGE}");
            ExitCode::FAILURE
        }
    }
}

fn exit(fine: bool) -> ExitCode {
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one row here; its line of JSON. A total that is wrong ends the process instead.
fn sample(row: &Row, run: &Run) -> serde_json::Value {
    let mut line = serde_json::json!({ "row": row.name, "threads": run.threads, "iterations": run.iterations });
    for (name, value) in (row.run)(run).figures {
        line[name] = value.into();
    }
    line["ok"] = true.into();
    line
}
