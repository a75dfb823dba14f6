//! An instrumented program that does real work: it walks a directory, and reads and hashes every file on several threads.
//!
//! ```text
//! cargo run --release -p ferrometer --example quickstart -- [DIR] [--serve] [--config FILE]
//! ```
//!
//! Without `--config` it keeps its metrics in the embedded pull cache, and prints a table of what was recorded and one generation as
//! JSON. `--serve` stays up until Ctrl-C, keeps working, and prints the address to look at. `--config examples/statsd.toml` sends the same to
//! statsd; nothing else changes.

use ferrometer::{
    Config, Error, Kind, Ledger, Logger, Metrics, Snapshot, Unit, Value, count, counter, logger, set_gauge, timer,
};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// The logger of this program. In a library: `logger!()`, which is named after the module.
static METRICS: Logger = logger!("quickstart");

const THREADS: usize = 4;

/// Times each walk, whether it succeeds or not; counts those that fail.
#[timer(METRICS, "walk.time")]
#[counter(METRICS, "walk.errors", on = "err")]
fn walk(directory: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let skipped = [".git", "target", "node_modules"].iter().any(|name| entry.file_name() == *name);
        if kind.is_dir() && !skipped {
            walk(&entry.path(), found)?;
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    set_gauge!(METRICS, "walk.found", found.len());
    Ok(())
}

/// Counts every call, and times each one by its outcome.
#[counter(METRICS, "files")]
#[timer(METRICS, "file.time", outcome)]
fn hash_file(path: &Path) -> io::Result<[u8; 32]> {
    // One more in progress until the end of the function.
    let _busy = METRICS.in_flight("files.open").enter();
    // Blocks are many and alike: a tenth of them is measured, and the clock is read for that tenth alone.
    let read_time = METRICS.timer("block.time").sampled(0.1);
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut block = vec![0; 64 * 1024];
    let mut size = 0u64;
    loop {
        let timing = read_time.start();
        let read = file.read(&mut block)?;
        if read == 0 {
            timing.discard();
            break;
        }
        hash.update(&block[..read]);
        timing.stop();
        size += read as u64;
        count!(METRICS, "bytes", read);
    }
    METRICS.histogram("file.size").unit("bytes").description("sizes of the files that were hashed").record(size);
    // Labels travel as tags where the server knows them. Keep their values few.
    let kind = if size == 0 {
        "empty"
    } else if size < 64 * 1024 {
        "small"
    } else {
        "large"
    };
    METRICS.with("size", kind).send_counter("files.by_size", 1);
    Ok(hash.finalize().into())
}

/// One round of work: returns how many files were hashed.
fn work(directory: &Path) -> io::Result<usize> {
    let mut found = Vec::new();
    walk(directory, &mut found)?;
    let (give, take) = mpsc::sync_channel::<PathBuf>(64);
    let take = Mutex::new(take);
    let hashed = thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let mut hashed = 0;
                    loop {
                        let next = take.lock().expect("no worker panics").recv();
                        let Ok(path) = next else { return hashed };
                        METRICS.gauge("queue.depth").add(-1);
                        // A file that cannot be read is counted by its outcome, and the others go on.
                        hashed += usize::from(hash_file(&path).is_ok());
                    }
                })
            })
            .collect();
        for path in found {
            METRICS.gauge("queue.depth").add(1);
            give.send(path).expect("the workers wait for more");
        }
        drop(give);
        workers.into_iter().map(|w| w.join().expect("no worker panics")).sum()
    });
    Ok(hashed)
}

/// Describes the metrics for their readers; where they are shown, so is this.
fn describe() {
    METRICS.describe("bytes", Unit::Bytes, "Bytes that were read and hashed.");
    METRICS.describe("files", Unit::None, "Files that were looked at.");
    METRICS.describe("file.time", Unit::None, "How long a file takes, by its outcome.");
    METRICS.describe("files.open", Unit::None, "Files that are read at this moment.");
    METRICS.describe("queue.depth", Unit::None, "Files that wait for a worker.");
}

struct Options {
    directory: PathBuf,
    serve: bool,
    config: Option<PathBuf>,
}

fn options() -> Result<Options, String> {
    let mut options = Options { directory: env!("CARGO_MANIFEST_DIR").into(), serve: false, config: None };
    let mut directory = None;
    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--serve") => options.serve = true,
            Some("--config") => options.config = Some(arguments.next().ok_or("--config needs a file")?.into()),
            Some("--help" | "-h") => return Err("usage: quickstart [DIR] [--serve] [--config FILE]".into()),
            Some(other) if other.starts_with('-') => {
                return Err(format!("unknown option {other}; there are --serve and --config FILE"));
            }
            _ if directory.is_some() => return Err("one directory at most".into()),
            _ => directory = Some(argument.into()),
        }
    }
    options.directory = directory.unwrap_or(options.directory);
    Ok(options)
}

/// The configuration built in: the pull cache, a generation each second. The environment goes over a file alone, not over this.
fn built_in(serve: bool) -> Config {
    let config = Config::new().backend("pull-cache").pull_cache_http(serve);
    // Half an hour, to be looked at while it grows.
    config.pull_cache_interval(Duration::from_secs(1)).pull_cache_generations(1800)
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("quickstart: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let metrics: Metrics = match &options.config {
        Some(file) => ferrometer::init(file),
        None => ferrometer::init(built_in(options.serve)),
    }
    .map_err(|error: Error| error.to_string())?;
    describe();
    let begin = Instant::now();
    let in_directory = |e| format!("{}: {e}", options.directory.display());
    let hashed = work(&options.directory).map_err(in_directory)?;
    println!("hashed {hashed} files in {:.1} ms on {THREADS} threads", begin.elapsed().as_secs_f64() * 1e3);
    let report = metrics.flush(Duration::from_secs(2));
    print_table(&ferrometer::snapshot());
    report.ledgers.iter().for_each(print_ledger);
    print_generation(&metrics);
    if options.serve {
        match metrics.http_address() {
            Some(address) => {
                println!("\nlook at http://{address}/ with a browser; Ctrl-C ends")
            }
            None => println!("\nworking on; the configuration serves nothing to look at; Ctrl-C ends"),
        }
        stop_at_ctrl_c().map_err(|error| error.to_string())?;
        while !STOPPED.load(Relaxed) {
            work(&options.directory).map_err(in_directory)?;
            thread::sleep(Duration::from_millis(500));
        }
    }
    let report = metrics.shutdown(Duration::from_secs(2));
    if !report.complete {
        eprintln!("not everything could be delivered:");
    }
    if options.serve || !report.complete {
        report.ledgers.iter().for_each(|ledger| eprintln!("{ledger}"));
    }
    Ok(())
}

static STOPPED: AtomicBool = AtomicBool::new(false);

/// Has the program end in order at Ctrl-C, with what it has recorded delivered.
fn stop_at_ctrl_c() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    thread::spawn(move || {
        let _ = runtime.block_on(tokio::signal::ctrl_c());
        STOPPED.store(true, Relaxed);
    });
    Ok(())
}

fn print_table(snapshot: &Snapshot) {
    println!("\n{:<44} {:<10} {:>12}  value", "metric", "kind", "recordings");
    let mut rows: Vec<String> = Vec::new();
    for total in snapshot.totals().iter().filter(|t| t.recordings > 0 && !t.series.is_internal()) {
        let mut name = format!("{}.{}", total.series.logger_name(), total.series.metric_name());
        for (key, value) in total.series.labels() {
            name.push_str(&format!(" {key}={value}"));
        }
        if total.series.rate() < 1.0 {
            name.push_str(&format!(" @{}", total.series.rate()));
        }
        let value = match &total.value {
            Value::Counter { .. } => total.value.net().unwrap_or(0).to_string(),
            Value::Gauge(value) => value.to_string(),
            Value::InFlight(now) => now.to_string(),
            Value::Distribution(d) => {
                let show = |v: f64| match total.series.kind() {
                    Kind::Timer => format!("{:.3} ms", v / 1e6),
                    _ => format!("{v:.0} {}", total.series.unit().unwrap_or_default()),
                };
                let quantile = |q| show(d.quantile(q).unwrap_or(0.0));
                format!("p50 {}, p99 {}, max {}", quantile(0.5), quantile(0.99), show(d.max()))
            }
            _ => String::from("?"),
        };
        rows.push(format!("{name:<44} {:<10} {:>12}  {value}", total.series.kind().as_str(), total.recordings));
    }
    rows.sort();
    rows.iter().for_each(|row| println!("{row}"));
}

fn print_ledger(ledger: &Ledger) {
    println!("\n{ledger}");
}

fn print_generation(metrics: &Metrics) {
    let Some(generation) = metrics.pull_cache().and_then(|cache| cache.most_recent()) else { return };
    println!("\nthe newest generation, as JSON:");
    let records: Vec<_> = generation.records().collect();
    let lines: Vec<String> = records.iter().map(|r| serde_json::to_string(r).expect("records are plain")).collect();
    println!("[\n  {}\n]", lines.join(",\n  "));
}
