//! Cost of other libraries while they are off.

use super::{GROUP, nothing_happened, value};
use crate::drive::drive;
use crate::row::{Row, Run, Sample};
use std::hint::black_box;

pub const ROWS: &[Row] = &[
    Row::peer(GROUP, "off.log_debug", "`log::debug!`", log_debug).iterations(100_000_000),
    Row::peer(GROUP, "off.metrics", "`metrics::counter!(\"x\").increment(1)`, no recorder", metrics_macro)
        .iterations(20_000_000),
    Row::peer(GROUP, "off.tracing_event", "`tracing::debug!`, no subscriber", tracing_event).iterations(50_000_000),
    Row::peer(
        GROUP,
        "off.tracing_instrument",
        "`#[tracing::instrument(skip_all)]`, the call included",
        tracing_instrument,
    )
    .iterations(40_000_000),
];

fn log_debug(run: &Run) -> Sample {
    nothing_happened(drive(run, || |_| log::debug!("x {}", value())))
}

fn metrics_macro(run: &Run) -> Sample {
    nothing_happened(drive(run, || |_| metrics::counter!("x").increment(1)))
}

fn tracing_event(run: &Run) -> Sample {
    nothing_happened(drive(run, || |_| tracing::debug!("x {}", value())))
}

#[tracing::instrument(skip_all)]
#[inline(never)]
fn instrumented(x: u64) -> u64 {
    black_box(x)
}

fn tracing_instrument(run: &Run) -> Sample {
    nothing_happened(drive(run, || {
        |i| {
            instrumented(i);
        }
    }))
}
