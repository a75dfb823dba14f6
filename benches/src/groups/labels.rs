//! A counter with two labels whose values vary among a known few, looked up at each call.

use crate::drive::drive;
use crate::ours::{self, count_of_all};
use crate::row::{Row, Run, Sample, expect};
use ferrometer::{Counter, LabelValue, Logger, count, logger};
use std::hint::black_box;

#[cfg(feature = "peers")]
pub mod peers;

const GROUP: &str = "labels";
pub const ROWS: &[Row] = &[
    Row::floor(GROUP, "base.label_tables", "the loop and the two tables of values", tables).iterations(50_000_000),
    Row::ours(
        GROUP,
        "labels.count",
        "`count!(METRICS, \"x\", 1, \"method\" => \"GET\", \"status\" => \"2xx\")`: literals in the call",
        count_macro,
    )
    .threaded()
    .iterations(3_000_000),
    Row::ours(
        GROUP,
        "labels.texts",
        "`count!(METRICS, \"x\", 1, \"method\" => m, \"status\" => s)`: texts that vary",
        texts,
    )
    .threaded()
    .iterations(3_000_000),
    Row::ours(GROUP, "labels.fixed", "as before, `m` and `s` of types that are `LabelValue`", fixed)
        .threaded()
        .iterations(10_000_000),
    Row::ours(GROUP, "labels.with_all", "`METRICS.with_all(&[…]).send_counter(\"x\", 1)`", with_all)
        .threaded()
        .iterations(3_000_000),
    Row::ours(GROUP, "labels.handles", "handles kept in a table", handles).threaded().iterations(15_000_000),
];

static METRICS: Logger = logger!("on");

const METHODS: [&str; 4] = ["GET", "PUT", "POST", "DELETE"];
const STATUSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, LabelValue)]
#[cfg_attr(feature = "peers", derive(measured::FixedCardinalityLabel, prometheus_client::encoding::EncodeLabelValue))]
enum Method {
    Get,
    Put,
    Post,
    Delete,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, LabelValue)]
#[cfg_attr(feature = "peers", derive(measured::FixedCardinalityLabel, prometheus_client::encoding::EncodeLabelValue))]
enum Status {
    Ok,
    Moved,
    Wrong,
    Failed,
}
const METHOD: [Method; 4] = [Method::Get, Method::Put, Method::Post, Method::Delete];
const STATUS: [Status; 4] = [Status::Ok, Status::Moved, Status::Wrong, Status::Failed];

/// The values of an iteration: an order that repeats every 16, every pair once.
#[inline(always)]
fn pick<A: Copy, B: Copy>(methods: &[A; 4], statuses: &[B; 4], i: u64) -> (A, B) {
    let i = i as usize;
    (methods[i & 3], statuses[(i >> 2) & 3])
}

fn tables(run: &Run) -> Sample {
    drive(run, || {
        |i| {
            black_box(pick(&METHODS, &STATUSES, i));
        }
    })
    .into()
}

fn count_macro(run: &Run) -> Sample {
    ours::on();
    let timing = drive(run, || |_| count!(METRICS, "x", 1, "method" => "GET", "status" => "2xx"));
    expect("counted", count_of_all("on", "x"), run.total());
    timing.into()
}

fn texts(run: &Run) -> Sample {
    ours::on();
    let (methods, statuses) = (METHODS.map(str::to_owned), STATUSES.map(str::to_owned));
    let methods: [&str; 4] = std::array::from_fn(|at| methods[at].as_str());
    let statuses: [&str; 4] = std::array::from_fn(|at| statuses[at].as_str());
    let timing = drive(run, || {
        |i| {
            let (method, status) = pick(&methods, &statuses, i);
            count!(METRICS, "x", 1, "method" => method, "status" => status);
        }
    });
    expect("counted", count_of_all("on", "x"), run.total());
    timing.into()
}

fn fixed(run: &Run) -> Sample {
    ours::on();
    let timing = drive(run, || {
        |i| {
            let (method, status) = pick(&METHOD, &STATUS, i);
            count!(METRICS, "x", 1, "method" => method, "status" => status);
        }
    });
    expect("counted", count_of_all("on", "x"), run.total());
    timing.into()
}

fn with_all(run: &Run) -> Sample {
    ours::on();
    let timing = drive(run, || {
        |i| {
            let (method, status) = pick(&METHODS, &STATUSES, i);
            METRICS.with_all(&[("method", method), ("status", status)]).send_counter("x", 1);
        }
    });
    expect("counted", count_of_all("on", "x"), run.total());
    timing.into()
}

fn handles(run: &Run) -> Sample {
    ours::on();
    let handle = |m, s| METRICS.with_all(&[("method", m), ("status", s)]).counter("x");
    let table: [[Counter; 4]; 4] = METHODS.map(|m| STATUSES.map(|s| handle(m, s)));
    let timing = drive(run, || |i| table[i as usize & 3][(i >> 2) as usize & 3].increment());
    expect("counted", count_of_all("on", "x"), run.total());
    timing.into()
}
