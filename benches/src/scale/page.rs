//! The curves and goals as tables, and the charts and the page that keep them.

use super::goals::Judged;
use super::{At, Measured, Row, goals, size};
use crate::chart::{self, number};
use crate::report;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

fn shown(at: &At) -> String {
    let count = |n: u64| match n {
        1_000_000 => "1,000,000".to_owned(),
        n if n >= 1000 => format!("{},{:03}", n / 1000, n % 1000),
        n => n.to_string(),
    };
    let mut text = count(at.series);
    if at.threads != 1 {
        let _ = write!(text, " on {} threads", count(at.threads as u64));
    }
    if at.changed != 10 {
        let _ = write!(text, ", {} % changed", at.changed as f64 / 10.0);
    }
    text
}

/// Title of the programs' table.
const SIZES: &str = "### Stripped programs and their clean builds";

/// One table for each row: a line for each point, a column for each figure.
pub fn curves(rows: &[Row], all: &[Measured]) -> String {
    let mut text = String::new();
    for row in rows {
        let points: Vec<&Measured> = all.iter().filter(|measured| measured.row == row.name).collect();
        let Some(first) = points.first() else { continue };
        let names: Vec<&String> =
            first.figures.as_object().map(|o| o.keys().filter(|k| *k != "ok").collect()).unwrap_or_default();
        let heads: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
        let line = "|---:".repeat(heads.len());
        let _ = writeln!(text, "### `{}`: {}\n\n| series | {} |\n|---|{line}|", row.name, row.what, heads.join(" | "));
        let line = text.len() - line.len() - 3;
        text.replace_range(line..line + 1, "");
        for point in points {
            let cells: Vec<String> = names.iter().map(|n| point.get(n).map_or("–".into(), number)).collect();
            let _ = writeln!(text, "| {} | {} |", shown(&point.at), cells.join(" | "));
        }
        text.push('\n');
    }
    let sizes: Vec<&Measured> = all.iter().filter(|measured| measured.row.starts_with("size.")).collect();
    if !sizes.is_empty() {
        let _ = writeln!(text, "{SIZES}\n\n| program | bytes | CPU s | elapsed s |\n|---|---:|---:|---:|");
        for size in sizes {
            let of = |figure: &str, digits| size.get(figure).map_or("–".into(), |f| format!("{f:.digits$}"));
            let (bytes, cpu, elapsed) = (of("bytes", 0), of("cpu_s", 1), of("elapsed_s", 1));
            let _ = writeln!(text, "| `{}` | {bytes} | {cpu} | {elapsed} |", size.row);
        }
    }
    text
}

pub fn goals(goals: &[Judged]) -> String {
    let mut text = String::from("| work | goal | before | measured | floor | |\n|---|---|---:|---:|---:|---|\n");
    for goal in goals {
        let show = |figure: Option<f64>| figure.map_or("–".into(), |f| format!("{}{}", number(f), goal.unit));
        let (mut figure, floor) = (show(goal.figure), show(goal.floor));
        if goal.elapsed.is_some() {
            let _ = write!(figure, " (elapsed {})", show(goal.elapsed));
        }
        let (work, before) = (goal.work, goal.before);
        let _ = writeln!(text, "| {work} | {} | {before} | {figure} | {floor} | {} |", goal.goal, goal.verdict());
    }
    text
}

/// Returns the points that the page shows, with their figures as it shows them: for what is not measured again.
pub fn kept(rows: &[Row]) -> Vec<Measured> {
    let page = fs::read_to_string(page()).unwrap_or_default();
    let section = |title: &str| page.split_once(title).map_or("", |(_, rest)| rest.split("\n#").next().unwrap_or(""));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let mut all = Vec::new();
    for row in rows {
        let lines: Vec<Vec<String>> = section(&format!("\n### `{}`:", row.name))
            .lines()
            .filter(|line| line.starts_with('|'))
            .map(cells)
            .collect();
        for at in row.points {
            let Some(line) = lines.iter().find(|line| line[0] == shown(at)) else { continue };
            let figures = lines[0]
                .iter()
                .zip(line)
                .skip(1)
                .filter_map(|(name, cell)| Some((name.clone(), cell.parse::<f64>().ok()?.into())));
            all.push(Measured {
                row: row.name,
                at: *at,
                figures: figures.collect::<serde_json::Map<String, serde_json::Value>>().into(),
            });
        }
    }
    for line in section(SIZES).lines().filter(|line| line.starts_with("| `")).map(cells) {
        let Some(row) = size::NAMES.iter().copied().find(|name| line[0] == format!("`{name}`")) else { continue };
        let of = |at: usize| line.get(at).and_then(|cell| cell.parse::<f64>().ok());
        all.push(Measured {
            row,
            at: super::at(0),
            figures: serde_json::json!({ "bytes": of(1), "cpu_s": of(2), "elapsed_s": of(3) }),
        });
    }
    all
}

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/performance-scale.md")
}

/// Writes `docs/performance-scale.md` with its charts.
pub fn write(rows: &[Row], all: &[Measured]) {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let mut text = format!(
        "<!-- scripts/bench --scale writes this page. -->\n\n# Performance: scale\n\n{METHOD}\n\nMachine: {}. {}. Points may have been taken one by one (`--only`), on a machine that was busy with other work.\n\n## Goals\n\n\"Before\" is the same bench before names, labels and tables were shared, with the same limits.\n\n{}\n## Where a goal is missed\n\n{WHY}\n\n## Curves\n\n",
        report::machine(),
        report::toolchain(),
        goals(&goals::judge(all))
    );
    for (file, title, unit, figure, names) in CHARTS {
        let curve = |name: &&'static str| {
            let of = |m: &&Measured| m.row == *name && m.at.threads == 1 && m.at.changed == 10;
            let points = all.iter().filter(of).filter_map(|m| Some((m.at.series as f64, m.get(figure)?)));
            (*name, points.collect::<Vec<_>>())
        };
        let curves: Vec<_> = names.iter().map(curve).filter(|(_, points)| points.len() > 1).collect();
        if !curves.is_empty() {
            let svg = chart::curves(title, unit, &curves);
            fs::write(docs.join("performance").join(file), svg).expect("a chart");
            let _ = writeln!(text, "![{title}](performance/{file})\n");
        }
    }
    text.push_str(&curves(rows, all));
    text.truncate(text.trim_end().len());
    text.push('\n');
    fs::write(page(), text).expect("docs/performance-scale.md");
}

type Chart = (&'static str, &'static str, &'static str, &'static str, &'static [&'static str]);

const CHARTS: &[Chart] = &[
    (
        "scale-memory.svg",
        "Memory over series",
        "MB resident",
        "resident",
        &["memory.statsd", "memory.cache", "memory.totals", "memory.both"],
    ),
    (
        "scale-cpu.svg",
        "CPU over series, 1 % changed",
        "ms",
        "cpu_ms",
        &["floor.collect", "collect", "deliver.statsd", "deliver.cache", "deliver.totals"],
    ),
    ("scale-scrape.svg", "A scrape over series", "ms of CPU", "cpu_ms", &["floor.scrape", "scrape", "scrape.64"]),
];

const METHOD: &str = "Memory and time as series and threads become many. Every point is a process of its own. Series are counters with one label, `app.requests{id=\"0000001\"}`; \
those that change are spread evenly over all, which is the worst case: hardly a block of 128 series stays as it was. `cpu_ms` is CPU time of the thread that does the work, the least of five rounds; `resident` is the resident memory \
above that before the first counter, `allocated` what the allocator has given out above that, its own share included. `recorded` is the latter before anything was collected. \
A program's threads each record into a part of the series of their own.

To repeat: `scripts/bench --scale`, with `--builds` for sizes and builds too, `--quick` for points of at most 100,000 series and 64 threads.";

const WHY: &str = "- **A collection.** The floor reads one word of each series. A recording leaves no other trace, so that it takes no more instructions: a collection reads all cells. \
What is beyond the floor are new blocks: with changes spread evenly over the series every block of 128 has one or two, and snapshots share only blocks that did not change.\n\
- **A statsd delivery.** Blocks that nothing changed in cost one comparison (`still_ms`). With changes spread evenly, all blocks are set beside the last ones, and 10,000 lines are \
put together from texts that each stand elsewhere in memory, and sent with a system call for each datagram.\n\
- **64 scrapes at once.** One of them renders half a megabyte at a time, and the others wait for it. The floor is one rendering by one thread, and 64 threads that are woken once and look at all pieces. \
Between the two stand the waiting, and memory: text that many threads render comes from many parts of the allocator, which has each page cleared once more.\n\
- **Sizes.** The floors are `size.floor.lean` (a thread that sends a line over UDP to where the environment says), and `size.floor.http` (a thread that reads requests with `httparse` and answers one of them). \
`size.floor.axum` is that endpoint on the libraries that ferrometer serves with: what is above it is our own code, and TLS is in none of them. In the lean program, a quarter is the core, a ninth the facade \
with what of the configuration is compiled in, a tenth statsd; the rest are the standard library's functions for their types, tables for unwinding, and relocations. No part stands out: with the \
least inlining that LLVM does (`-Cllvm-args=-inline-threshold=45`) it is 0.04 MB smaller. The program with HTTP begins with those libraries, 0.72 MB, and the lean one without statsd, about 0.56: 1.5 MB leave 0.2 \
for the frame, the exporter and the keys of both, whose functions alone, without tables and texts, are 0.28. The rows that end with `.lto` are the same programs built with `lto = true` and one codegen unit, as one \
builds who counts bytes: the linker's optimizer drops copies of functions that each crate makes of its own.\n\
- **A clean build.** CPU seconds of both processors, in release; elapsed seconds stand beside them and say less, because a busy machine changes them. The floors are the minimal programs of the table below, on the same \
libraries and as many crates of their own, all empty: `syn` and `quote`, `tracing`, and with a file `toml`, are there before a line of ours. Two thirds of what the core takes is the optimizer, over functions none of which stands out: \
the largest is 2 % of the code before it is optimized. The facade has the keys of the backends that are compiled in. Of what `otlp` adds more than half is TLS (`rustls`, `ring` and their like, 49 s) and a quarter \
the HTTP client; so each exporter is built without TLS and with it, and compared with the other one that is built so.";
