//! Memory of other libraries.

use super::{GROUP, sample};
use crate::drive::resident_bytes;
use crate::groups::exposition::SERIES;
use crate::groups::exposition::peers::measured_counters;
use crate::groups::exposition::text_sum;
use crate::peers;
use crate::row::{Row, Run, Sample, expect};
use measured::text::BufferedTextEncoder;
use std::hint::black_box;

pub const ROWS: &[Row] = &[
    Row::peer(GROUP, "memory.measured", "measured, one label", measured_memory).exactly(SERIES).samples(3),
    Row::peer(GROUP, "memory.metrics", "metrics + prometheus recorder, one label", metrics_memory)
        .exactly(SERIES)
        .samples(3),
];

fn measured_memory(run: &Run) -> Sample {
    let before = resident_bytes();
    let collect = measured_counters(run.iterations, |_| 1);
    let then = resident_bytes();
    let mut encoder = BufferedTextEncoder::new();
    collect(&mut encoder);
    let text = encoder.finish();
    expect("counted", text_sum(std::str::from_utf8(&text).expect("text"), "requests_total"), run.iterations);
    sample(before, then)
}

fn metrics_memory(run: &Run) -> Sample {
    let handle = peers::metrics_prometheus();
    let before = resident_bytes();
    for i in 0..run.iterations {
        black_box(metrics::counter!("requests_total", "id" => format!("{i:06}"))).increment(1);
    }
    let then = resident_bytes();
    expect("counted", text_sum(&handle.render(), "requests_total"), run.iterations);
    sample(before, then)
}
