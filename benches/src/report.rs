//! Printed report, and `docs/performance.md` with its charts.

use crate::build_time;
use crate::chart::{self, Bar, number};
use crate::drive::PARALLEL;
use crate::goals::{Goal, beyond_pace};
use crate::results::Results;
use crate::row::Row;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

fn said(command: &str, args: &[&str]) -> String {
    let output = Command::new(command).args(args).output();
    output.map_or_else(|_| "unknown".into(), |o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
}

pub fn toolchain() -> String {
    said("rustc", &["-V"])
}

pub fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|l| l.strip_prefix("model name"))
        .map_or("unknown", |l| l.trim_start_matches([' ', '\t', ':']));
    let hypervisor = if info.contains(" hypervisor") { ", a virtual machine" } else { "" };
    format!("{model}, {} cores{hypervisor}, {}", crate::drive::cores().len(), said("uname", &["-sr"]))
}

/// The pinned versions of what is compared.
fn versions() -> String {
    let manifest = include_str!("../Cargo.toml");
    let pinned = manifest.lines().filter_map(|l| {
        let (name, rest) = l.split_once(" = ")?;
        let version = rest.split_once("\"=")?.1.split('"').next()?;
        Some(format!("{name} {version}"))
    });
    pinned.collect::<Vec<_>>().join(", ")
}

fn goal_table(goals: &[&Goal], results: &Results) -> String {
    let mut text = String::from("| work | beside | goal | figure | |\n|---|---|---:|---:|---|\n");
    for goal in goals {
        let verdict = goal.verdict(results).as_str();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {verdict} |",
            goal.work,
            goal.beside,
            goal.bound(),
            goal.shown(results)
        );
    }
    text
}

fn cell(figure: Option<f64>) -> String {
    figure.map_or("–".into(), number)
}

fn threaded_table(rows: &[&Row], r: &Results) -> String {
    let mut text = String::from(
        "| row | whose | what | ns, best | ns, median | M/s on 1 | on 2 | on 4 | samples | left out |\n|---|---|---|---:|---:|---:|---:|---:|---|---:|\n",
    );
    for row in rows {
        let mops = [1, 2, 4].map(|t| cell(r.max(row.name, t, "mops"))).join(" | ");
        let samples: Vec<String> = row.threads.iter().map(|t| r.count(row.name, *t).to_string()).collect();
        let rejected: usize = row.threads.iter().filter_map(|t| r.rejected.get(&(row.name.to_owned(), *t))).sum();
        let (best, median) = (cell(r.min(row.name, 1, "cpu_ns")), cell(r.median(row.name, 1, "cpu_ns")));
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {best} | {median} | {mops} | {} | {rejected} |",
            row.name,
            row.kind.as_str(),
            row.what,
            samples.join("/")
        );
    }
    text
}

/// Not of a sample: what a row takes more than the row of the pace alone.
const BEYOND_PACE: &str = "beyond_pace";

/// Groups whose figures are their own: which, in which order, and how each is called.
fn own_table(rows: &[&Row], r: &Results) -> String {
    const FIGURES: &[(&str, &str)] = &[
        ("mops", "accepted M/s"),
        ("cpu_ms_per_million", "CPU ms per million"),
        (BEYOND_PACE, "beyond the pace"),
        ("per_second", "per second"),
        ("sent", "sent"),
        ("merged", "of it merged"),
        ("received", "received"),
        ("datagrams", "datagrams"),
        ("render_ms", "ms"),
        ("again_ms", "again, ms"),
        ("generation_ms", "generation, wall ms"),
        ("cpu_ms", "CPU ms of the delivering thread"),
        ("write_ms", "of it writing"),
        ("first_ms", "first delivery, CPU ms"),
        ("process_ms", "with the collection, of all threads"),
        ("bytes", "bytes"),
        ("megabytes", "MB"),
        ("before_delivery_megabytes", "MB before delivery"),
    ];
    let paced = rows.iter().any(|row| row.name == "base.paced");
    let has = |f: &str| {
        (f == BEYOND_PACE && paced)
            || rows.iter().any(|row| row.threads.iter().any(|t| r.min(row.name, *t, f).is_some()))
    };
    let figures: Vec<_> = FIGURES.iter().filter(|(f, _)| has(f)).collect();
    let heads: Vec<&str> = figures.iter().map(|(_, name)| *name).collect();
    let mut text = format!(
        "| row | whose | what | threads | {} |\n|---|---|---|---:{}|\n",
        heads.join(" | "),
        "|---:".repeat(heads.len())
    );
    for row in rows {
        for threads in row.threads {
            let best = |f: &str| match f {
                "mops" | "received" | "per_second" => r.max(row.name, *threads, f),
                BEYOND_PACE => beyond_pace(r, row.name),
                _ => r.min(row.name, *threads, f),
            };
            let whole = |v: f64| if v >= 1e4 { format!("{v:.0}") } else { number(v) };
            let cells: Vec<String> = figures.iter().map(|(f, _)| best(f).map_or("–".into(), whole)).collect();
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {threads} | {} |",
                row.name,
                row.kind.as_str(),
                row.what,
                cells.join(" | ")
            );
        }
    }
    text
}

fn group_table(rows: &[&Row], r: &Results) -> String {
    let timed = rows.iter().any(|row| r.min(row.name, 1, "cpu_ns").is_some());
    if timed { threaded_table(rows, r) } else { own_table(rows, r) }
}

fn builds(results: &Results) -> String {
    let mut text = String::from("| row | whose | what | seconds |\n|---|---|---|---:|\n");
    for (name, whose, what) in build_time::WHAT {
        if let Some(seconds) = results.other.get(*name) {
            let _ = writeln!(text, "| `{name}` | {whose} | {what} | {seconds:.1} |");
        }
    }
    text
}

fn groups(rows: &[Row]) -> Vec<(&'static str, Vec<&Row>)> {
    let mut groups: Vec<(&'static str, Vec<&Row>)> = Vec::new();
    for row in rows {
        match groups.iter_mut().find(|(g, _)| *g == row.group) {
            Some((_, list)) => list.push(row),
            None => groups.push((row.group, vec![row])),
        }
    }
    groups
}

pub fn print(goals: &[&Goal], rows: &[Row], results: &Results) {
    println!("{}, {}\n", machine(), toolchain());
    for (group, rows) in groups(rows) {
        println!("{group}\n{}", group_table(&rows, results));
    }
    for (row, n) in &results.instructions {
        println!("{row}: {n:.2} instructions");
    }
    if !results.other.is_empty() {
        println!("build\n{}", builds(results));
    }
    println!("\n{}", goal_table(goals, results));
}

/// The charts of a group: (file, title, unit, figure, threads).
fn charts(group: &str) -> Vec<(String, &'static str, &'static str, usize)> {
    let one = |unit, figure, threads: usize| (format!("{group}-{threads}.svg"), unit, figure, threads);
    match group {
        "counter" | "record" | "timer" | "labels" => {
            vec![one("ns of CPU, less is better", "cpu_ns", 1), one("million a second, more is better", "mops", 2)]
        }
        "off" | "sampled" => vec![one("ns of CPU, less is better", "cpu_ns", 1)],
        "statsd" => vec![
            one("million accepted a second, more is better", "mops", 1),
            one("million accepted a second, more is better", "mops", 2),
        ],
        "statsd-timers" => vec![one("CPU ms per million, less is better", "cpu_ms_per_million", 1)],
        "exposition" => vec![one("ms, less is better", "render_ms", 1)],
        "push" => vec![one("ms of CPU of all threads, less is better", "process_ms", 1)],
        "memory" => vec![one("MB, less is better", "megabytes", 1)],
        _ => Vec::new(),
    }
}

pub fn write(goals: &[&Goal], rows: &[Row], results: &Results, quick: bool) {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    fs::create_dir_all(docs.join("performance")).expect("docs/performance");
    let how = if quick { "a short run" } else { "a full run" };
    let mut text = format!(
        "<!-- Generated by scripts/bench. -->\n\n# Performance\n\n{}\n\nMachine: {}. {}. Peers: {}. Figures of {how}.\n\n## Goals\n\n{}\n",
        METHOD.replace("{PARALLEL}", &format!("{:.0} %", PARALLEL * 100.0)),
        machine(),
        toolchain(),
        versions(),
        goal_table(goals, results)
    );
    text.push_str(&crate::floors::section(goals, results));
    if !results.instructions.is_empty() {
        text.push_str("## Instructions\n\nNet of the loop; rows with a call include it. The ceilings stand in `benches/instructions.toml`.\n\n| row | instructions |\n|---|---:|\n");
        for (row, n) in &results.instructions {
            let _ = writeln!(text, "| `{row}` | {n:.2} |");
        }
        text.push('\n');
    }
    for (group, rows) in groups(rows) {
        let _ = writeln!(text, "## {group}\n\n{}", group_table(&rows, results));
        for (file, unit, figure, threads) in charts(group) {
            let value = |row: &Row| {
                if figure == "mops" {
                    results.max(row.name, threads, figure)
                } else {
                    results.min(row.name, threads, figure)
                }
            };
            let bars: Vec<Bar> = rows
                .iter()
                .filter(|r| !r.name.contains("empty_loop"))
                .filter_map(|row| Some(Bar { name: row.name.to_owned(), kind: row.kind, value: value(row)? }))
                .collect();
            if bars.is_empty() {
                continue;
            }
            let plural = if threads == 1 { "" } else { "s" };
            let title = format!("{group}, {threads} thread{plural}");
            fs::write(docs.join("performance").join(&file), chart::bars(&title, unit, &bars)).expect("a chart");
            let _ = writeln!(text, "![{title}](performance/{file})\n");
        }
    }
    if !results.other.is_empty() {
        let _ = writeln!(text, "## build\n\n{}", builds(results));
    }
    if !results.failed.is_empty() {
        text.push_str("## Rows that FAILED\n\n");
        for (row, error) in &results.failed {
            let _ = writeln!(text, "- `{row}`: {error}");
        }
    }
    text.push_str(&crate::assembly::section());
    fs::write(docs.join("performance.md"), text).expect("docs/performance.md");
}

const METHOD: &str = "Every row runs in a process of its own, several times, rows in random order, ours and peers interleaved, and ends with an error unless its totals are right. \
The loop is the same for all; its own time is included (`base.empty_loop`). A run is timed in four parts, and the best part is the sample: what others do with the machine comes and goes within a run. ns are CPU time of the thread, the best of the samples with the median beside it; a goal sets the best of ours beside the best sample of the best peer. \
M/s is wall time, all threads together, on one instrument that they share unless the row says otherwise.

Several threads are pinned to the cores in turn, and a sample in which they had less than {PARALLEL} of the cores' time is left out, of ours and of peers alike: \
threads that take turns on one core never contend, and a shared atomic then looks several times faster than it is. Where no sample is left, a goal is *not measured*, which is neither met nor missed. \
The rows `statsd.timer_*` record at a stated pace, and the loop that keeps the pace takes CPU time of its own (`base.paced`), the same in each: their goals compare what a row takes beyond that, and show the ratio with the pace included beside it. \
Figures of a virtual machine that shares its cores move by 15 % and more: look at ratios within one run, and take other machines' figures for other figures.

Release profile without LTO, default codegen units. To repeat: `scripts/bench`, or `scripts/bench --quick`; `scripts/bench --instructions` counts instructions alone.

Bytes a point and seconds an answer of the pull cache: [performance of the pull cache](performance-pull-cache.md). From ten series to a million, threads, starting and idling: [performance: scale](performance-scale.md).";
