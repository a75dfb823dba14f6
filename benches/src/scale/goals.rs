//! Goals of scale: what is set beside what.

use super::{At, Measured};

/// A goal, and how it stands.
pub struct Judged {
    pub work: &'static str,
    pub goal: &'static str,
    /// The figure; `None` when its points were not measured.
    pub figure: Option<f64>,
    pub bound: f64,
    pub unit: &'static str,
    /// The floor of a minimal program in the same unit, where there is one.
    pub floor: Option<f64>,
    /// The figure by the clock on the wall instead of by CPU time, where that is shown too.
    pub elapsed: Option<f64>,
    /// The figure before names, labels and tables were shared, where it was measured.
    pub before: &'static str,
}

impl Judged {
    fn was(self, before: &'static str) -> Judged {
        Judged { before, ..self }
    }

    pub fn verdict(&self) -> &'static str {
        match self.figure {
            None => "not measured",
            Some(figure) if figure <= self.bound => "met",
            Some(_) => "missed",
        }
    }
}

const K100: At = At { series: 100_000, threads: 1, changed: 10 };
const MILLION: At = At { series: 1_000_000, threads: 1, changed: 10 };
const K1: At = At { series: 1_000, threads: 1, changed: 10 };
const FEW: At = At { series: 10, threads: 1, changed: 10 };
const NONE: At = At { series: 0, threads: 1, changed: 10 };

pub fn judge(all: &[Measured]) -> Vec<Judged> {
    let get = |row: &str, at: At, figure: &str| {
        all.iter().find(|m| m.row == row && m.at == at).and_then(|measured| measured.get(figure))
    };
    let ratio = |a: Option<f64>, b: Option<f64>| Some(a? / b?);
    let above = |row: &str, empty: &str| Some((get(row, NONE, "bytes")? - get(empty, NONE, "bytes")?) / 1e6);
    let above_empty = |row: &str| above(row, "size.empty");
    let above_empty_lto = |row: &str| above(row, "size.empty.lto");
    let added = |row: &str, to: &str, figure: &str| Some(get(row, NONE, figure)? - get(to, NONE, figure)?);
    // In percent of what the other exporter adds to nothing.
    let otlp = |figure: &str, (row, to): (&str, &str), other: &str| {
        ratio(added(row, to, figure), added(other, "size.empty", figure)).map(|share| share * 100.0)
    };
    let judged = |work, goal, figure, bound, unit| Judged {
        work,
        goal,
        figure,
        bound,
        unit,
        floor: None,
        elapsed: None,
        before: "–",
    };
    let floored = |floor, judged: Judged| Judged { floor, ..judged };
    let times_syn = |figure: &str, row: &str| ratio(get(row, NONE, figure), get("size.syn", NONE, figure));
    let build = |work, goal, row: &str, floor: &str, bound| Judged {
        floor: times_syn("cpu_s", floor),
        elapsed: times_syn("elapsed_s", row),
        ..judged(work, goal, times_syn("cpu_s", row), bound, " ×")
    };
    // One rendering, and what 64 threads take that are woken once and look at all pieces.
    let woken = ratio(get("floor.scrape.64", MILLION, "cpu_ms"), get("scrape", MILLION, "cpu_ms"));
    let collected = get("collect", MILLION, "cpu_ms");
    vec![
        judged(
            "memory of the pull cache, 100,000 labelled counters",
            "≤ 40 MB",
            get("memory.cache", K100, "resident"),
            40.0,
            " MB",
        )
        .was("73.6 MB"),
        judged(
            "memory of the pull cache, 1,000,000 labelled counters",
            "≤ 400 MB",
            get("memory.cache", MILLION, "resident"),
            400.0,
            " MB",
        ),
        judged(
            "memory of statsd, 100,000 counters with one label",
            "≤ 14 MB",
            get("memory.statsd", K100, "resident"),
            14.0,
            " MB",
        )
        .was("24.4 MB"),
        floored(
            get("floor.collect", MILLION, "cpu_ms"),
            judged("collection of 1,000,000 series, 1 % changed", "≤ 5 ms of CPU", collected, 5.0, " ms")
                .was("9.56 ms"),
        ),
        judged("statsd delivery of the same", "≤ 10 ms of CPU", get("deliver.statsd", MILLION, "cpu_ms"), 10.0, " ms")
            .was("17.1 ms"),
        floored(
            Some(1.0),
            judged(
                "scrape of 1,000,000 series",
                "≤ 1.3 × its floor",
                ratio(get("scrape", MILLION, "cpu_ms"), get("floor.scrape", MILLION, "cpu_ms")),
                1.3,
                " ×",
            )
            .was("0.59 ×"),
        ),
        floored(
            woken.map(|woken| 1.0 + woken),
            judged(
                "64 scrapes at once of 1,000,000 series",
                "≤ 2 × one rendering",
                ratio(get("scrape.64", MILLION, "cpu_ms"), get("scrape", MILLION, "cpu_ms")),
                2.0,
                " ×",
            ),
        ),
        judged("idle, 1,000 series", "≤ 0.05 % of a core", get("idle", K1, "percent"), 0.05, " %"),
        judged("idle, 1,000 series", "≤ 2 wake-ups a second", get("idle", K1, "wake_ups_per_second"), 2.0, ""),
        judged(
            "a thread born and gone that records",
            "≤ 3 × one with a bare `thread_local!`",
            ratio(get("threads", FEW, "cpu_us"), get("threads.floor", FEW, "cpu_us")),
            3.0,
            " ×",
        )
        .was("0.79 ×"),
        judged("`init`", "≤ 20 ms to return", get("init", FEW, "elapsed_ms"), 20.0, " ms"),
        judged(
            "`init` with a history of 100,000 series, elapsed",
            "≤ 20 ms to return",
            get("init.history", K100, "elapsed_ms"),
            20.0,
            " ms",
        )
        .was("182 ms"),
        judged(
            "the history of 100,000 series is there",
            "within 2 s of CPU",
            get("init.history", K100, "there_cpu_s"),
            2.0,
            " s",
        )
        .was("14.5 s"),
        floored(
            above_empty("size.floor.lean"),
            judged("stripped lean program above an empty one", "≤ 0.5 MB", above_empty("size.lean"), 0.5, " MB"),
        ),
        floored(
            above_empty("size.floor.http"),
            judged("stripped program with HTTP above an empty one", "≤ 1.5 MB", above_empty("size.http"), 1.5, " MB"),
        ),
        judged("lean program, both with `lto = true`", "≤ 0.5 MB", above_empty_lto("size.lean.lto"), 0.5, " MB"),
        judged("program with HTTP, both with `lto = true`", "≤ 1.5 MB", above_empty_lto("size.http.lto"), 1.5, " MB"),
        build("clean build, lean, CPU", "≤ 1.8 × syn and quote", "size.lean", "size.floor.lean", 1.8),
        build("clean build, default features, CPU", "≤ 2.5 × syn and quote", "size.default", "size.floor.default", 2.5),
        Judged {
            elapsed: otlp("elapsed_s", ("size.otlp_plain", "size.off"), "size.opentelemetry"),
            ..judged(
                "clean build, what `ferrometer-otlp` adds, CPU",
                "≤ 40 % of `opentelemetry-otlp`, both without TLS",
                otlp("cpu_s", ("size.otlp_plain", "size.off"), "size.opentelemetry"),
                40.0,
                " %",
            )
        },
        Judged {
            floor: otlp("cpu_s", ("size.floor.otlp", "size.floor.lean"), "size.opentelemetry_tls"),
            elapsed: otlp("elapsed_s", ("size.otlp", "size.off"), "size.opentelemetry_tls"),
            ..judged(
                "clean build, what `otlp` adds, CPU",
                "≤ 40 % of `opentelemetry-otlp`, both with TLS",
                otlp("cpu_s", ("size.otlp", "size.off"), "size.opentelemetry_tls"),
                40.0,
                " %",
            )
        },
    ]
}
