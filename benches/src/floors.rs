//! The floors: what a goal's figure would be at the least that the machine allows, and why ours stands where it does. Shown for goals that are missed.

use crate::goals::{Goal, RECORD, SHARED, SHARED_OTEL, STATSD, TIMERS, Verdict, faster, throughput};
use crate::results::Results;
use std::fmt::Write;

struct Floor {
    /// Goals that it belongs to.
    goals: &'static [&'static str],
    /// The figure of a program that does nothing else; `None` where there is none.
    figure: Option<fn(&Results) -> Option<f64>>,
    why: &'static str,
}

const ATOMICS: &str = "The floor is this thread's cell found by the instrument's number. What a shared atomic costs, and loses between threads, is the \
    machine's: two hardware threads of one core hand a cache line over several times faster than two sockets do, so peers lose less here than elsewhere.";
const CALL: &str = "The row has the call of a function that is not inlined in it, which alone takes twice as long as the addition; the floor is that call and this \
    thread's cell. Ours tests the switch, and that the call site's series is of this logger, besides: 28 instructions, of which 6 are the call's.";
const RECORDING: &str = "The floor adds to a bucket of the logarithm and to a sum. Ours has eight buckets to each power of two, an exact maximum, and looks \
    up whether somebody wants single values, which cell is the series', and that it is at hand. The sum of a histogram is one of floats: an addition \
    that waits for the one before took half of the time until there were four sums.";
const CLOCK: &str = "Two reads of the CPU's counter are nearly all of it, and a peer pays two reads of the system's clock for the same: the floor itself is no farther ahead.";
const SINGLY: &str = "What has no place in the ring of its thread because the collector was not given a core in time travels merged, counted in the \
    account. Here the sender, the collector, the backend and the receiver share two cores.";
const PUSH: &str = "The floor has texts and numbers in one list, and knows nothing else. Ours finds each series' total by its place in the snapshot, notes which series a piece \
    is of, so that a server may refuse a part of a body, and hands in what became of each, those that were accepted in runs of 128.";
const MEMORY: &str = "[ADR 13](adr/0013-the-registry-in-blocks.md) has what a counter takes, byte by byte: 110 with a plain name, 175 with one label. \
    16 more could be had of the label; below 155 there is no way while label sets, series and rendered names are each found in a table of their own.";

const FLOORS: &[Floor] = &[
    Floor {
        goals: &["off.attr_timer"],
        figure: None,
        why: "Test of the switch (its address, its value, test, branch), and of the guard behind the body (a register saved for it, test, branch; the \
            word that was tested first is the guard): what is left above that is saving and restoring. `tracing::instrument` stands in the table of \
            instructions.",
    },
    Floor { goals: &["counter.1"], figure: Some(|r| faster(r, "base.tls_block", SHARED)), why: ATOMICS },
    Floor { goals: &["counter.2"], figure: Some(|r| throughput(r, "base.tls_block", SHARED_OTEL, 2)), why: ATOMICS },
    Floor { goals: &["counter.4"], figure: Some(|r| throughput(r, "base.tls_block", SHARED_OTEL, 4)), why: ATOMICS },
    Floor {
        goals: &["counter.attribute.2"],
        figure: Some(|r| throughput(r, "base.call_tls_block", SHARED_OTEL, 2)),
        why: CALL,
    },
    Floor {
        goals: &["counter.attribute.4"],
        figure: Some(|r| throughput(r, "base.call_tls_block", SHARED_OTEL, 4)),
        why: CALL,
    },
    Floor {
        goals: &["counter.scale.2"],
        figure: Some(|r| Some(r.max("base.tls_block", 2, "mops")? / r.max("base.tls_block", 1, "mops")?)),
        why: "The two threads share nothing that is written. Where the machine is a virtual one, its cores may be two threads of one, and \
            what its neighbours do slows two of them more than one; the floor, which waits for its memory and leaves most of a core idle, \
            loses less by that than 13 instructions that do not.",
    },
    Floor {
        goals: &["send"],
        figure: Some(|r| faster(r, "base.tls_block", &["counter.metrics_macro"])),
        why: "The floor knows its counter. Ours is told a name, finds it by where the literal stands, and asks whether anything is recorded and \
            whether it has the literal's counter and its length: 25 instructions, 13 of them those of a stored handle.",
    },
    Floor {
        goals: &["statsd.1"],
        figure: Some(|r| Some(r.max("base.tls_block", 1, "mops")? / r.most(STATSD, 1, "mops")?)),
        why: "The best peer's handle is one shared atomic, which on one thread takes what the machine takes for it: the row is that of the \
            counter by handle, with a delivery each 100 ms beside it on the same two cores.",
    },
    Floor {
        goals: &["labels.measured"],
        figure: None,
        why: "measured finds one shared atomic in a table of its own, known by two numbers. Ours asks whether anything is recorded and whether the \
            table is this logger's and of these types, and then finds this thread's cell: 31 instructions. On two threads the shared atomic \
            loses three quarters of what it does on one, and ours gains.",
    },
    Floor {
        goals: &["build.lean", "build.default"],
        figure: None,
        why: "The empty program's `syn` and `quote` are built in either case, on one of two cores, one after the other: what is left of 1.4 \
            times that time is less than the core alone takes. Where programs that record to the like of it stand, see the table of \
            builds: `metrics` with its exporter for DogStatsD takes longer than ours with statsd.",
    },
    Floor {
        goals: &["labels.family"],
        figure: None,
        why: "Labels that vary are read and compared as words of their texts, in 83 instructions, of which 17 are the counter's. `Family` with texts reads and \
            compares them; `IntCounterVec` tells label sets apart by a hash of 64 bits without a key and compares nothing, so that an attacker who chooses labels \
            can make two sets one; it is the best here.",
    },
    Floor {
        goals: &["record.1", "record.histogram.1"],
        figure: Some(|r| faster(r, "base.tls_log2", RECORD)),
        why: RECORDING,
    },
    Floor {
        goals: &["record.2", "record.histogram.2"],
        figure: Some(|r| throughput(r, "base.tls_log2", RECORD, 2)),
        why: RECORDING,
    },
    Floor {
        goals: &["sampled"],
        figure: None,
        why: "The floor counts down in a thread-local of its own, and its blocks that are timed come at even distances. Ours finds whether anything is \
            recorded, the call site's series and the countdown of its rate: 30 instructions, of which 6 are the call's. A block that is timed comes when the processor did not expect it, and draws the distance to the next.",
    },
    Floor { goals: &["timer.1"], figure: Some(|r| faster(r, "base.clock_pair_cell", TIMERS)), why: CLOCK },
    Floor { goals: &["timer.2"], figure: Some(|r| throughput(r, "base.clock_pair_cell", TIMERS, 2)), why: CLOCK },
    Floor {
        goals: &["timers.etsy.arrived", "timers.dogstatsd.arrived", "timers.gnocchi.arrived"],
        figure: None,
        why: SINGLY,
    },
    Floor { goals: &["memory.plain", "memory.label"], figure: None, why: MEMORY },
    Floor { goals: &["push.influxdb", "push.remote_write_1", "push.remote_write_2"], figure: None, why: PUSH },
];

/// The section on goals that are missed; empty when none is.
pub fn section(goals: &[&Goal], results: &Results) -> String {
    let missed: Vec<&&Goal> = goals.iter().filter(|g| g.verdict(results) == Verdict::Missed).collect();
    if missed.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "## What is missed, and where the floor is\n\nThe floor's figure is that of a minimal program in ours' stead, in this run.\n\n\
         | work | goal | figure | the floor's | why |\n|---|---:|---:|---:|---|\n",
    );
    for goal in missed {
        let floor = FLOORS.iter().find(|f| f.goals.contains(&goal.id));
        let figure = floor.and_then(|f| f.figure?(results));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            goal.work,
            goal.bound(),
            goal.shown(results),
            goal.show(figure),
            floor.map_or("not examined", |f| f.why)
        );
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goals::GOALS;

    #[test]
    fn every_floor_is_of_a_goal() {
        for id in FLOORS.iter().flat_map(|f| f.goals) {
            assert!(GOALS.iter().any(|g| g.id == *id), "{id}");
        }
    }
}
