//! Many readers at once, slow ones among them, cost little more memory than one. In a process of its own, whose size is looked at.

#![cfg(target_os = "linux")]

mod common;

use common::{Cache, SOON};
use ferrometer_core::{Limits, Naming, configure, flush, get_logger};
use ferrometer_prometheus::{Filter, Format, Prometheus, Scrape, Settings};
use std::time::Duration;

/// The memory of this process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[test]
fn a_hundred_readers_hold_one_text() {
    let cache = Cache::install(Duration::from_secs(3600));
    let limits = Limits::default().max_instruments(30_000).max_label_sets(30_000);
    configure(Naming::default(), limits, Vec::new());
    const SERIES: usize = 20_000;
    let logger = get_logger("memory");
    for i in 0..SERIES {
        logger.with("id", &format!("{i:05}{}", "x".repeat(100))).send_counter("c", 1);
    }
    cache.flush();
    let fresh = Prometheus::new(Settings::default().scrape(Scrape::Fresh)).handle();
    let all = Filter::default();
    let size = cache.handle.exposition(Format::OpenMetrics, &all).map(|piece| piece.len()).sum::<usize>();
    assert!(size > SERIES * 200, "{size}");
    assert!(fresh.exposition(Format::OpenMetrics, &all).count() > 0);

    // A hundred that read the same, half-way.
    let before = resident();
    let readers = |handle: &ferrometer_prometheus::PrometheusHandle| -> Vec<_> {
        (0..100)
            .map(|_| {
                let mut pieces = handle.exposition(Format::OpenMetrics, &all);
                let read: Vec<_> = pieces.by_ref().take(size / (64 << 10) / 2).collect();
                (read.len(), pieces)
            })
            .collect()
    };
    let same = readers(&cache.handle);
    let grown = resident().saturating_sub(before);
    assert!(grown < 2 * size, "{grown} bytes for 100 readers of {size}");

    // A hundred that each began at another moment.
    let before = resident();
    let moments = readers(&fresh);
    let grown = resident().saturating_sub(before);
    assert!(grown < 4 * size + 8 * SERIES * 100, "{grown} bytes for 100 readers of {size} at different moments");

    // Readers of generations that are long gone keep numbers, and not their text.
    let before = resident();
    let old: Vec<_> = (0..20)
        .map(|_| {
            assert!(flush(SOON).complete);
            let mut pieces = cache.handle.exposition(Format::OpenMetrics, &all);
            let read = pieces.by_ref().take(size / (64 << 10) / 2).count();
            (read, pieces)
        })
        .collect();
    let grown = resident().saturating_sub(before);
    assert!(grown < 4 * size + 20 * SERIES * 100, "{grown} bytes for readers of 20 generations of {size}");
    // And they read on to the end.
    for (_, pieces) in same.into_iter().chain(moments).chain(old) {
        assert!(pieces.last().unwrap().ends_with(b"# EOF\n"));
    }
}
