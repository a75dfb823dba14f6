//! The Prometheus text of 100,000 series: counters with one label, `requests_total{id="000123"} 7`.

use crate::drive::thread_cpu_ns;
use crate::row::{Row, Run, Sample, expect};
use ferrometer::{Config, get_logger};
use ferrometer_prometheus::{Filter, Format, Prometheus};
use std::time::Duration;

#[cfg(feature = "peers")]
pub mod peers;

const GROUP: &str = "exposition";
/// Here `iterations` is how many series.
pub const SERIES: u64 = 100_000;
pub const ROWS: &[Row] = &[
    Row::floor(
        GROUP,
        "base.prefix_copy",
        "a prefix copied and a number written, into a buffer that is kept",
        prefix_copy,
    )
    .exactly(SERIES),
    Row::ours(
        GROUP,
        "exposition.pull_cache",
        "pull cache: the text of a new generation, in the pieces that are served",
        pull_cache,
    )
    .exactly(SERIES)
    .samples(5),
];

/// The text is right when its samples add up: each series counted its own number plus one.
fn expected(series: u64) -> u64 {
    series * (series + 1) / 2
}

/// The sum of the samples of a name in a Prometheus text.
pub fn text_sum(text: &str, name: &str) -> u64 {
    let samples = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        (rest.starts_with('{') || rest.starts_with(' ')).then(|| rest.rsplit(' ').next())?
    });
    samples.map(|n| n.parse::<f64>().expect("a number") as u64).sum()
}

/// The CPU time of the fastest of five renderings, each of them real.
fn best(series: u64, name: &str, mut render: impl FnMut(&mut dyn FnMut(&str))) -> Sample {
    let (mut best, mut bytes) = (u64::MAX, 0);
    for _ in 0..5 {
        let mut took = 0;
        let start = thread_cpu_ns();
        render(&mut |text| {
            took = thread_cpu_ns() - start;
            bytes = text.len();
            expect("the sum of the text", text_sum(text, name), expected(series));
        });
        best = best.min(took);
    }
    Sample::default().with("render_ms", best as f64 / 1e6).with("bytes", bytes as f64)
}

fn prefix_copy(run: &Run) -> Sample {
    let lines: Vec<(String, u64)> =
        (0..run.iterations).map(|i| (format!("requests_total{{id=\"{i:06}\"}} "), i + 1)).collect();
    let mut text = String::new();
    best(run.iterations, "requests_total", |done| {
        text.clear();
        for (prefix, value) in &lines {
            text.push_str(prefix);
            push_number(&mut text, *value);
            text.push('\n');
        }
        done(&text);
    })
}

fn push_number(text: &mut String, mut value: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    text.push_str(std::str::from_utf8(&digits[at..]).expect("digits"));
}

/// A cache for that many series, with none old and no interval that comes by itself.
pub fn roomy() -> Config {
    Config::new()
        .backend("pull-cache")
        .pull_cache_generations(1)
        .pull_cache_interval(Duration::from_secs(3600))
        .max_instruments(110_000)
        .max_label_sets(110_000)
        .max_cell_bytes(1 << 30)
}

/// The text is kept until the next generation, so that each rendering is preceded by a flush, outside of the clock.
fn pull_cache(run: &Run) -> Sample {
    let metrics = ferrometer::init(roomy()).expect("the pull cache");
    let exporter = Prometheus::new(Default::default());
    let cache = exporter.handle();
    ferrometer::install("prometheus", Box::new(exporter), Duration::from_secs(3600)).expect("the exporter");
    let logger = get_logger("app");
    for i in 0..run.iterations {
        logger.with("id", &format!("{i:06}")).send_counter("requests", i + 1);
    }
    let flush = || {
        let start = std::time::Instant::now();
        assert!(metrics.flush(Duration::from_secs(30)).complete, "a generation");
        start.elapsed().as_secs_f64() * 1e3
    };
    let (mut best, mut cached, mut publish, mut bytes) = (u64::MAX, u64::MAX, f64::MAX, 0);
    for _ in 0..5 {
        publish = publish.min(flush());
        let start = thread_cpu_ns();
        let pieces: Vec<_> = cache.exposition(Format::Text, &Filter::default()).collect();
        let took = thread_cpu_ns() - start;
        let text = pieces.iter().map(|piece| std::str::from_utf8(piece).expect("text")).collect::<String>();
        expect("the sum of the text", text_sum(&text, "app_requests_total"), expected(run.iterations));
        bytes = text.len();
        best = best.min(took);
        let start = thread_cpu_ns();
        assert!(cache.exposition(Format::Text, &Filter::default()).map(|piece| piece.len()).sum::<usize>() == bytes);
        cached = cached.min(thread_cpu_ns() - start);
    }
    Sample::default()
        .with("render_ms", best as f64 / 1e6)
        .with("again_ms", cached as f64 / 1e6)
        .with("generation_ms", publish)
        .with("bytes", bytes as f64)
}
