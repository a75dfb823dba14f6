//! How long answers take, and how many bytes they have, with a thousand and a hundred thousand series and on the kept recording: the tables
//! of `docs/performance-pull-cache.md`. Series are recorded through the real instruments, generations are made with a made-up clock, and
//! a client on this machine asks a real endpoint through a socket and throws away what it reads.
//!
//! ```console
//! $ cargo run --release -p ferrometer-cache-api --example answers                  # all of it
//! $ cargo run --release -p ferrometer-cache-api --example answers -- 100000 181    # this many series, generations
//! ```

#[path = "../../../backends/pull-cache/examples/support/mod.rs"]
mod support;

use ferrometer_cache_api::CacheApi;
use ferrometer_core::{Counter, Gauge, Limits, Naming, Timer, configure, get_logger, install, snapshot};
use ferrometer_http::{Frame, Server};
use ferrometer_prometheus::{Prometheus, PrometheusHandle};
use ferrometer_pull_cache::{PullCacheBackend, PullCacheHandle, Settings};
use ferrometer_scrape::Scrape;
use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use support::{On, Random};

const INTERVAL: u64 = 10;
const BEGIN: u64 = 1_767_225_600;
/// Each answer is asked for so often; the fastest counts.
const TIMES: usize = 3;
/// An answer that is larger is asked for once.
const LARGE: usize = 256 << 20;
const ENCODINGS: [&str; 3] = ["identity", "gzip", "zstd"];

enum Series {
    Counter(Counter),
    Gauge(Gauge),
    Timer(Timer),
}

/// Makes series: one of seven is a timer, three are counters and three gauges.
fn series(count: usize) -> Vec<Series> {
    let one = |n: usize| {
        let logger = get_logger("shop").with("route", &format!("/v1/resource{}", n / 7)).with("till", "3");
        match n % 7 {
            0 => Series::Timer(logger.timer("http.time")),
            at @ 1..=3 => {
                Series::Counter(logger.with("status", ["2xx", "4xx", "5xx"][at - 1]).counter("http.requests"))
            }
            at => Series::Gauge(logger.with("part", ["in", "out", "work"][at - 4]).gauge("queue.depth")),
        }
    };
    (0..count).map(one).collect()
}

/// Records on about half of the series.
fn record(all: &[Series], random: &mut Random) {
    for one in all {
        let bits = random.bits();
        match one {
            _ if bits & 1 == 0 => {}
            Series::Counter(counter) => counter.add((bits >> 60) as i64 + 1),
            Series::Gauge(gauge) => gauge.set((bits >> 56) as f64),
            Series::Timer(timer) => {
                (0..3).for_each(|n| timer.record(Duration::from_nanos((bits >> (32 + n)) + 100_000)))
            }
        }
    }
}

/// The memory of this process, in MB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok())
        .map_or(f64::NAN, |kb| kb * 1024.0 / 1e6)
}

/// Asks, and returns how many bytes the answer had, its head included, and the seconds until the last.
fn ask(server: &Server, target: &str, headers: &str) -> Result<(usize, f64), Box<dyn Error>> {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(server.local_addr())?;
    write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")?;
    let mut buffer = vec![0; 1 << 18];
    let (mut bytes, mut tail) = (0, Vec::new());
    loop {
        let read = stream.read(&mut buffer)?;
        if bytes == 0 && !buffer.starts_with(b"HTTP/1.1 200") {
            return Err(String::from_utf8_lossy(&buffer[..read]).into_owned().into());
        }
        if read == 0 {
            break;
        }
        bytes += read;
        tail.extend_from_slice(&buffer[read.saturating_sub(5)..read]);
        tail.drain(..tail.len().saturating_sub(5));
    }
    // The end of a chunked body: what was broken off has none.
    if tail != b"0\r\n\r\n" {
        return Err(format!("the answer to {target} is not whole after {bytes} bytes").into());
    }
    Ok((bytes, begun.elapsed().as_secs_f64()))
}

fn size(bytes: usize) -> String {
    let bytes = bytes as f64;
    match bytes {
        _ if bytes < 1e6 => format!("{:.1} kB", bytes / 1e3),
        _ if bytes < 1e9 => format!("{:.1} MB", bytes / 1e6),
        _ => format!("{:.2} GB", bytes / 1e9),
    }
}

fn time(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.1} ms", seconds * 1e3) } else { format!("{seconds:.1} s") }
}

/// A row: what one answer costs in each encoding. `anew` is called before each request.
fn row(what: &str, server: &Server, target: &str, accept: &str, mut anew: impl FnMut()) -> Result<(), Box<dyn Error>> {
    print!("| {what} |");
    for encoding in ENCODINGS {
        let headers = format!("Accept-Encoding: {encoding}\r\n{accept}");
        let mut best = (0, f64::MAX);
        for _ in 0..TIMES {
            anew();
            let (bytes, taken) = ask(server, target, &headers)?;
            best = (bytes, taken.min(best.1));
            if bytes > LARGE || taken > 10.0 {
                break;
            }
        }
        print!(" {} | {} |", size(best.0), time(best.1));
        std::io::stdout().flush()?;
    }
    println!();
    Ok(())
}

fn serve(cache: PullCacheHandle, totals: PrometheusHandle) -> Result<Server, Box<dyn Error>> {
    let limits = ferrometer_http::Limits {
        answer_timeout: Duration::from_secs(3600),
        write_timeout: Duration::from_secs(60),
        ..Default::default()
    };
    let frame = Frame::new().address("127.0.0.1:0".parse()?).limits(limits);
    Ok(frame.mount("/", Arc::new(CacheApi::new(cache))).mount("/", Arc::new(Scrape::new(totals))).serve()?)
}

fn table() {
    println!(
        "| answer | bytes | time | gzip: bytes | time | zstd: bytes | time |\n|---|---:|---:|---:|---:|---:|---:|"
    );
}

/// This many series, in a process that has no others.
fn measure(count: usize, generations: u64) -> Result<(), Box<dyn Error>> {
    let limits = Limits::default().max_instruments(129_000).max_label_sets(300_000).max_cell_bytes(1 << 30);
    configure(Naming::default(), limits, Vec::new());
    install("on", Box::new(On), Duration::from_secs(36_000))?;
    let mut random = Random(2026);
    let all = series(count);
    record(&all, &mut random);
    drop(snapshot());
    let before = resident();

    let mut backend = (PullCacheBackend::new(Settings::default()), Prometheus::new(Default::default()));
    let (mut longest, mut sum, mut collecting) = (0.0f64, 0.0, 0.0);
    let naming = Naming::default();
    let mut second = BEGIN;
    let mut generation = |backend: &mut (PullCacheBackend, Prometheus)| {
        record(&all, &mut random);
        second += INTERVAL;
        let at: SystemTime = UNIX_EPOCH + Duration::from_secs(second);
        let begun = Instant::now();
        let snapshot = snapshot();
        let collected = begun.elapsed().as_secs_f64();
        backend.1.make(at, snapshot.totals(), &naming);
        backend.0.make(at, snapshot.totals(), &naming);
        (collected, begun.elapsed().as_secs_f64() - collected)
    };
    let (_, first) = generation(&mut backend);
    for _ in 1..generations {
        let (collected, made) = generation(&mut backend);
        (longest, sum, collecting) = (longest.max(made), sum + made, collecting + collected);
    }
    let cache = backend.0.handle();
    let records = cache.most_recent().map_or(0, |newest| newest.len());
    let mean = sum / (generations - 1).max(1) as f64;
    println!("\n{count} series, {records} records, {generations} generations:\n");
    println!("| what | |\n|---|---:|");
    println!("| memory before the cache: instruments, cells, one snapshot | {before:.0} MB |");
    println!(
        "| memory that the cache adds, names for records and Prometheus included | {:.0} MB |",
        resident() - before
    );
    println!("| a generation: the first, with all names | {} |", time(first));
    println!("| a generation: mean, longest | {}, {} |", time(mean), time(longest));
    println!("| collecting a snapshot for it: mean | {} |\n", time(collecting / (generations - 1).max(1) as f64));

    let server = serve(cache.clone(), backend.1.handle())?;
    let (_, newest) = cache.window().ok_or("no generation")?;
    const TEXT: &str = "";
    const OPEN: &str = "Accept: application/openmetrics-text\r\n";
    const PROTOBUF: &str =
        "Accept: application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited\r\n";
    table();
    let nothing = || {};
    row("`/v1/metrics`", &server, "/v1/metrics", "", nothing)?;
    let target = format!("/v1/metrics?history=1&start-time={}", newest - 3 * INTERVAL as i64);
    row("`/v1/metrics?history=1&start-time=…`, three generations", &server, &target, "", nothing)?;
    row("`/v1/metrics?history=1`", &server, "/v1/metrics?history=1", "", nothing)?;
    for (name, accept) in [("text", TEXT), ("OpenMetrics", OPEN), ("protobuf", PROTOBUF)] {
        let anew = || {
            generation(&mut backend);
        };
        row(&format!("`/metrics`, {name}: the first scrape of a generation"), &server, "/metrics", accept, anew)?;
        row(&format!("`/metrics`, {name}: a further one"), &server, "/metrics", accept, nothing)?;
    }
    println!("\nMemory in the end, with what was rendered in three formats: {:.0} MB.", resident());
    Ok(())
}

/// The kept recording.
fn recording() -> Result<(), Box<dyn Error>> {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../backends/pull-cache/recordings/service");
    let copy = std::env::temp_dir().join(format!("ferrometer-answers-{}", std::process::id()));
    std::fs::create_dir(&copy)?;
    for file in std::fs::read_dir(kept)? {
        let file = file?;
        std::fs::copy(file.path(), copy.join(file.file_name()))?;
    }
    let backend = PullCacheBackend::open(Settings::default().window(Duration::from_secs(1 << 20)).path(&copy))?;
    let cache = backend.handle();
    let (generations, records) = cache.history(None).fold((0, 0), |(n, all), one| (n + 1, all + one.len()));
    println!("\nThe kept recording, {generations} generations, {records} records:\n");
    let server = serve(cache, Prometheus::new(Default::default()).handle())?;
    table();
    row("`/v1/metrics`", &server, "/v1/metrics", "", || {})?;
    row("`/v1/metrics?history=1`", &server, "/v1/metrics?history=1", "", || {})?;
    row("the same as lines", &server, "/v1/metrics?history=1", "Accept: application/x-ndjson\r\n", || {})?;
    drop(backend);
    std::fs::remove_dir_all(copy)?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let number = |at: usize| std::env::args().nth(at).map(|text| text.parse::<usize>()).transpose();
    if let Some(count) = number(1)? {
        return measure(count, number(2)?.unwrap_or(181) as u64);
    }
    recording()?;
    // All 181 generations of the larger would be some gigabytes in each encoding; an answer grows evenly with them.
    for (count, generations) in [("1000", "181"), ("100000", "11")] {
        let status = Command::new(std::env::current_exe()?).args([count, generations]).status()?;
        if !status.success() {
            return Err(format!("{count} series: {status}").into());
        }
    }
    Ok(())
}
