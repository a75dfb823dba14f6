//! The goals: for each, what is set beside what, and whether it is met.
//!
//! One table of all goals; hence the length.

use crate::results::Results;

/// Outcome of a goal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Met,
    Missed,
    /// There is no sample that can be used: neither.
    Unknown,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Met => "met",
            Verdict::Missed => "missed",
            Verdict::Unknown => "not measured",
        }
    }
}

type Figure = fn(&Results) -> Option<f64>;

pub struct Goal {
    /// For `met.txt`.
    pub id: &'static str,
    pub group: &'static str,
    pub work: &'static str,
    pub beside: &'static str,
    /// The figure must be at least this (`true`), or at most.
    at_least: bool,
    bound: f64,
    unit: &'static str,
    /// Outside of `--quick` alone.
    pub slow: bool,
    figure: Figure,
    /// A further figure to be shown beside it, and what it is.
    also: Option<(&'static str, Figure)>,
}

impl Goal {
    pub fn figure(&self, results: &Results) -> Option<f64> {
        (self.figure)(results).filter(|f| f.is_finite())
    }

    pub fn verdict(&self, results: &Results) -> Verdict {
        match self.figure(results) {
            None => Verdict::Unknown,
            Some(f) if (self.at_least && f >= self.bound) || (!self.at_least && f <= self.bound) => Verdict::Met,
            Some(_) => Verdict::Missed,
        }
    }

    pub fn bound(&self) -> String {
        format!("{} {}{}", if self.at_least { "≥" } else { "≤" }, self.bound, self.unit)
    }

    pub fn shown(&self, results: &Results) -> String {
        let also = self.also.map(|(what, figure)| format!(" ({what}: {})", self.show(figure(results))));
        self.show(self.figure(results)) + &also.unwrap_or_default()
    }

    /// A figure in the goal's unit.
    pub fn show(&self, figure: Option<f64>) -> String {
        figure.map_or("–".into(), |f| format!("{f:.2}{}", self.unit))
    }
}

#[expect(clippy::too_many_arguments, reason = "the columns of a table")]
const fn goal(
    id: &'static str,
    group: &'static str,
    work: &'static str,
    beside: &'static str,
    at_least: bool,
    bound: f64,
    unit: &'static str,
    figure: Figure,
) -> Goal {
    Goal { id, group, work, beside, at_least, bound, unit, slow: false, figure, also: None }
}

pub const SHARED: &[&str] = &["counter.prometheus_client", "counter.prometheus"];
pub const SHARED_OTEL: &[&str] = &["counter.prometheus_client", "counter.prometheus", "counter.otel_bound"];
const LOOKUPS: &[&str] =
    &["labels.family_str", "labels.family_enum", "labels.prometheus_vec", "labels.otel", "labels.metrics"];
pub const RECORD: &[&str] =
    &["record.prometheus_client", "record.prometheus", "record.otel_bound", "record.measured", "record.metrics"];
pub const TIMERS: &[&str] = &[
    "timer.prometheus_client",
    "timer.prometheus",
    "timer.measured",
    "timer.metered",
    "timer.autometrics",
    "timer.tracing",
];
pub const STATSD: &[&str] = &["statsd.dogstatsd_handle", "statsd.cadence", "statsd.dipstick"];
const UNSENT: &str = "beside the writing alone";
const WITH_PACE: &str = "the pace included";
const TEXT: &[&str] = &["exposition.measured", "exposition.prometheus_client"];

pub fn faster(r: &Results, ours: &str, peers: &[&str]) -> Option<f64> {
    Some(r.least(peers, 1, "cpu_ns")? / r.min(ours, 1, "cpu_ns")?)
}

fn slower(r: &Results, ours: &str, beside: &str) -> Option<f64> {
    Some(r.min(ours, 1, "cpu_ns")? / r.min(beside, 1, "cpu_ns")?)
}

pub fn throughput(r: &Results, ours: &str, peers: &[&str], threads: usize) -> Option<f64> {
    Some(r.max(ours, threads, "mops")? / r.most(peers, threads, "mops")?)
}

/// A delivery beside its floor, both sent.
fn slower_delivery(r: &Results, ours: &str, floor: &str) -> Option<f64> {
    Some(r.min(ours, 1, "cpu_ms")? / r.min(floor, 1, "cpu_ms")?)
}

/// A delivery that was sent beside the writing of its floor alone.
fn unsent(r: &Results, ours: &str, floor: &str) -> Option<f64> {
    Some(r.min(ours, 1, "cpu_ms")? / r.min(floor, 1, "write_ms")?)
}

fn instructions(r: &Results, row: &str) -> Option<f64> {
    r.instructions.get(row).copied()
}

fn of_call(r: &Results, row: &str) -> Option<f64> {
    Some(instructions(r, row)? - instructions(r, "base.bare_call")?)
}

/// The CPU time of a paced row beyond that of the pace alone, in milliseconds for a million values.
pub fn beyond_pace(r: &Results, row: &str) -> Option<f64> {
    Some(r.min(row, 1, "cpu_ms_per_million")? - r.min("base.paced", 1, "cpu_ms_per_million")?)
}

/// Less CPU beyond the pace, which is the same for both.
fn timers(r: &Results, ours: &str) -> Option<f64> {
    Some(beyond_pace(r, "statsd.timer_cadence")? / beyond_pace(r, ours)?)
}

/// Less CPU, that of the pace included on both sides.
fn timers_with_pace(r: &Results, ours: &str) -> Option<f64> {
    Some(r.min("statsd.timer_cadence", 1, "cpu_ms_per_million")? / r.min(ours, 1, "cpu_ms_per_million")?)
}

/// The share of values that arrived singly, at worst.
fn arrived(r: &Results, ours: &str) -> Option<f64> {
    Some(r.min(ours, 1, "received")? / r.max(ours, 1, "sent")? * 100.0)
}

fn less_cpu(r: &Results, threads: usize) -> Option<f64> {
    Some(r.least(STATSD, threads, "cpu_ms_per_million")? / r.min("statsd.counter", threads, "cpu_ms_per_million")?)
}

fn other(r: &Results, ours: &str, beside: &str) -> Option<f64> {
    Some(r.other.get(ours)? / r.other.get(beside)?)
}

pub const GOALS: &[Goal] = &[
    goal("off.handle", "off", "off: stored handle", "instructions", false, 5.0, "", |r| instructions(r, "off.handle")),
    goal("off.guard", "off", "off: bare guard", "instructions", false, 5.0, "", |r| instructions(r, "off.guard")),
    goal("off.count", "off", "off: `count!`", "instructions", false, 5.0, "", |r| instructions(r, "off.count")),
    goal("off.set_gauge", "off", "off: `set_gauge!`", "instructions", false, 5.0, "", |r| {
        instructions(r, "off.set_gauge")
    }),
    goal(
        "off.attr_counter",
        "off",
        "off: `#[counter]`",
        "instructions above those of the bare call",
        false,
        8.0,
        "",
        |r| of_call(r, "off.attr_counter"),
    ),
    goal(
        "off.attr_timer",
        "off",
        "off: `#[timer]`",
        "instructions above those of the bare call",
        false,
        12.0,
        "",
        |r| of_call(r, "off.attr_timer"),
    ),
    goal(
        "counter.1",
        "counter",
        "counter by handle, 1 thread",
        "prometheus-client, prometheus",
        true,
        2.4,
        "×",
        |r| faster(r, "counter.handle", SHARED),
    ),
    goal(
        "counter.2",
        "counter",
        "counter by handle, 2 threads",
        "the same two, opentelemetry bound",
        true,
        10.0,
        "×",
        |r| throughput(r, "counter.handle", SHARED_OTEL, 2),
    ),
    goal("counter.4", "counter", "counter by handle, 4 threads", "the same three", true, 10.0, "×", |r| {
        throughput(r, "counter.handle", SHARED_OTEL, 4)
    }),
    goal("counter.attribute.2", "counter", "`#[counter]`, 2 threads", "the same three", true, 8.0, "×", |r| {
        throughput(r, "counter.attribute", SHARED_OTEL, 2)
    }),
    goal("counter.attribute.4", "counter", "`#[counter]`, 4 threads", "the same three", true, 8.0, "×", |r| {
        throughput(r, "counter.attribute", SHARED_OTEL, 4)
    }),
    goal("counter.scale.2", "counter", "counter by handle, 2 threads", "itself on 1", true, 1.8, "×", |r| {
        Some(r.max("counter.handle", 2, "mops")? / r.max("counter.handle", 1, "mops")?)
    }),
    goal("counter.scale.4", "counter", "counter by handle, 4 threads", "itself on 2", true, 0.9, "×", |r| {
        Some(r.max("counter.handle", 4, "mops")? / r.max("counter.handle", 2, "mops")?)
    }),
    goal(
        "send",
        "counter",
        "`send_counter(\"literal\", 1)`",
        "metrics + prometheus recorder, static name",
        true,
        25.0,
        "×",
        |r| faster(r, "counter.send_literal", &["counter.metrics_macro"]),
    ),
    goal(
        "bridge.counter",
        "bridge",
        "`metrics::counter!(\"x\")` through the bridge",
        "metrics + prometheus recorder, static name",
        true,
        3.0,
        "×",
        |r| faster(r, "bridge.counter", &["counter.metrics_macro"]),
    ),
    goal("bridge.labels", "bridge", "the same with one label", "metrics + prometheus recorder", true, 3.0, "×", |r| {
        faster(r, "bridge.labels", &["labels.metrics"])
    }),
    goal(
        "bridge.histogram",
        "bridge",
        "`metrics::histogram!(\"x\")` through the bridge",
        "metrics + prometheus recorder",
        true,
        3.0,
        "×",
        |r| faster(r, "bridge.histogram", &["bridge.metrics_histogram"]),
    ),
    goal(
        "labels.family",
        "labels",
        "two labels, looked up by their texts",
        "the best run-time lookup of a peer",
        true,
        2.3,
        "×",
        |r| faster(r, "labels.texts", LOOKUPS),
    ),
    goal(
        "labels.measured",
        "labels",
        "two labels, values known when compiling",
        "time of measured, dense",
        false,
        1.4,
        "×",
        |r| slower(r, "labels.fixed", "labels.measured"),
    ),
    goal("record.1", "record", "recording a duration, 1 thread", "the best shareable", true, 4.0, "×", |r| {
        faster(r, "record.timer", RECORD)
    }),
    goal("record.2", "record", "recording a duration, 2 threads", "the best shareable", true, 15.0, "×", |r| {
        throughput(r, "record.timer", RECORD, 2)
    }),
    goal("record.histogram.1", "record", "recording a value, 1 thread", "the best shareable", true, 4.0, "×", |r| {
        faster(r, "record.histogram", RECORD)
    }),
    goal("record.histogram.2", "record", "recording a value, 2 threads", "the best shareable", true, 15.0, "×", |r| {
        throughput(r, "record.histogram", RECORD, 2)
    }),
    goal("timer.floor", "timer", "timed block", "time of a clock pair and a cell", false, 1.2, "×", |r| {
        slower(r, "timer.guard", "base.clock_pair_cell")
    }),
    goal("timer.1", "timer", "timed block, 1 thread", "the best peer", true, 2.5, "×", |r| {
        faster(r, "timer.guard", TIMERS)
    }),
    goal("timer.2", "timer", "timed block, 2 threads", "the best peer", true, 10.0, "×", |r| {
        throughput(r, "timer.guard", TIMERS, 2)
    }),
    goal(
        "sampled",
        "sampled",
        "`#[timer(sample_rate = 0.01)]`",
        "time of a countdown and 1 % of a timed block",
        false,
        2.0,
        "×",
        |r| slower(r, "sampled.attribute", "base.countdown"),
    ),
    goal("statsd.1", "statsd", "counters to statsd, 1 thread, accepted", "the best peer", true, 5.0, "×", |r| {
        throughput(r, "statsd.counter", STATSD, 1)
    }),
    goal("statsd.2", "statsd", "counters to statsd, 2 threads, accepted", "the best peer", true, 5.0, "×", |r| {
        throughput(r, "statsd.counter", STATSD, 2)
    }),
    goal("statsd.cpu.1", "statsd", "counters to statsd, 1 thread, less CPU", "the best peer", true, 1.0, "×", |r| {
        less_cpu(r, 1)
    }),
    goal("statsd.cpu.2", "statsd", "counters to statsd, 2 threads, less CPU", "the best peer", true, 1.0, "×", |r| {
        less_cpu(r, 2)
    }),
    Goal {
        also: Some((WITH_PACE, |r| timers_with_pace(r, "statsd.timer_etsy"))),
        ..goal(
            "timers.etsy",
            "statsd-timers",
            "timer values to statsd, etsy, less CPU beyond the pace",
            "cadence",
            true,
            3.0,
            "×",
            |r| timers(r, "statsd.timer_etsy"),
        )
    },
    Goal {
        also: Some((WITH_PACE, |r| timers_with_pace(r, "statsd.timer_dogstatsd"))),
        ..goal(
            "timers.dogstatsd",
            "statsd-timers",
            "timer values to statsd, dogstatsd, less CPU beyond the pace",
            "cadence",
            true,
            3.0,
            "×",
            |r| timers(r, "statsd.timer_dogstatsd"),
        )
    },
    Goal {
        also: Some((WITH_PACE, |r| timers_with_pace(r, "statsd.timer_gnocchi"))),
        ..goal(
            "timers.gnocchi",
            "statsd-timers",
            "timer values to statsd, one a line, less CPU beyond the pace",
            "cadence",
            true,
            1.5,
            "×",
            |r| timers(r, "statsd.timer_gnocchi"),
        )
    },
    goal(
        "timers.etsy.arrived",
        "statsd-timers",
        "timer values to statsd, etsy, all received singly",
        "500,000 a second",
        true,
        100.0,
        " %",
        |r| arrived(r, "statsd.timer_etsy"),
    ),
    goal(
        "timers.dogstatsd.arrived",
        "statsd-timers",
        "timer values to statsd, dogstatsd, all received singly",
        "500,000 a second",
        true,
        100.0,
        " %",
        |r| arrived(r, "statsd.timer_dogstatsd"),
    ),
    goal(
        "timers.gnocchi.arrived",
        "statsd-timers",
        "timer values to statsd, one a line, all received singly",
        "500,000 a second",
        true,
        100.0,
        " %",
        |r| arrived(r, "statsd.timer_gnocchi"),
    ),
    goal(
        "exposition",
        "exposition",
        "Prometheus text of 100,000 series",
        "measured, prometheus-client",
        true,
        4.0,
        "×",
        |r| Some(r.least(TEXT, 1, "render_ms")? / r.min("exposition.pull_cache", 1, "render_ms")?),
    ),
    goal(
        "exposition.floor",
        "exposition",
        "Prometheus text of 100,000 series",
        "time of a prefix copy",
        false,
        2.5,
        "×",
        |r| Some(r.min("exposition.pull_cache", 1, "render_ms")? / r.min("base.prefix_copy", 1, "render_ms")?),
    ),
    Goal {
        also: Some((UNSENT, |r| unsent(r, "push.influxdb", "base.push_lines"))),
        ..goal(
            "push.influxdb",
            "push",
            "influx lines of 100,000 series",
            "time of a prefix copy, sent",
            false,
            2.5,
            "×",
            |r| slower_delivery(r, "push.influxdb", "base.push_lines"),
        )
    },
    Goal {
        also: Some((UNSENT, |r| unsent(r, "push.remote_write_1", "base.push_labels"))),
        ..goal(
            "push.remote_write_1",
            "push",
            "remote write 1.0 of 100,000 series",
            "time of a label copy, with snappy, sent",
            false,
            2.5,
            "×",
            |r| slower_delivery(r, "push.remote_write_1", "base.push_labels"),
        )
    },
    Goal {
        also: Some((UNSENT, |r| unsent(r, "push.remote_write_2", "base.push_symbols"))),
        ..goal(
            "push.remote_write_2",
            "push",
            "remote write 2.0 of 100,000 series",
            "time of a symbol copy, with snappy, sent",
            false,
            2.5,
            "×",
            |r| slower_delivery(r, "push.remote_write_2", "base.push_symbols"),
        )
    },
    goal("push.otlp", "push", "OTLP of 100,000 series, less CPU", "opentelemetry-otlp", true, 3.0, "×", |r| {
        Some(r.min("push.otel", 1, "process_ms")? / r.min("push.otlp", 1, "process_ms")?)
    }),
    goal("memory.plain", "memory", "100,000 counters on 2 threads, plain names", "resident", false, 12.0, " MB", |r| {
        r.min("memory.statsd", 1, "megabytes")
    }),
    goal("memory.label", "memory", "100,000 counters on 2 threads, one label", "resident", false, 12.0, " MB", |r| {
        r.min("memory.statsd_label", 1, "megabytes")
    }),
    Goal {
        slow: true,
        ..goal(
            "build.lean",
            "build",
            "clean release build, core + macros + statsd",
            "an empty program on syn and quote",
            false,
            1.4,
            "×",
            |r| other(r, "build.lean", "build.empty"),
        )
    },
    Goal {
        slow: true,
        ..goal(
            "build.default",
            "build",
            "clean release build, default features",
            "an empty program on syn and quote",
            false,
            2.0,
            "×",
            |r| other(r, "build.default", "build.empty"),
        )
    },
    Goal {
        slow: true,
        ..goal(
            "build.async",
            "build",
            "compiling 1,000 `#[timer]` async functions",
            "`#[tracing::instrument]`",
            false,
            1.0,
            "×",
            |r| other(r, "build.timer", "build.instrument"),
        )
    },
];
