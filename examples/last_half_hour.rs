//! Reads the recordings of a program before it crashed: the pull cache's generations outlive it, `kill -9` included.
//!
//! `cargo run --example last_half_hour -- /var/lib/shop/metrics` prints the half hour before the last generation in the directory that is a
//! program's `metrics.pull_cache.path`, whether it still runs or not. Without a directory, the example starts a program of its own
//! (itself, with `--crash`), which works for some seconds and crashes, and then shows what is left of it.

use ferrometer::pull_cache::{PersistedHistory, RecordType, read};
use ferrometer::{Config, Logger, logger, set_gauge, time};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

static METRICS: Logger = logger!("crash");

const HALF_AN_HOUR: i64 = 30 * 60;

/// The program that crashes: each round it holds on to a little more.
fn crash(directory: &Path) -> Result<(), Box<dyn Error>> {
    let config =
        Config::new().backend("pull-cache").pull_cache_interval(Duration::from_secs(1)).pull_cache_path(directory);
    let metrics = ferrometer::init(config)?;
    let mut held: Vec<Vec<u8>> = Vec::new();
    // Until there are three generations, one a second.
    while metrics.pull_cache().is_some_and(|cache| cache.history(None).count() < 3) {
        time!(METRICS, "round.time", held.push(vec![1; 10_000]));
        METRICS.send_counter("rounds", 1);
        set_gauge!(METRICS, "held.bytes", held.iter().map(Vec::len).sum::<usize>() as f64);
        std::thread::sleep(Duration::from_millis(5));
    }
    // Nothing is flushed, no guard is dropped, no destructor runs.
    std::process::abort()
}

/// Values of one metric.
struct Seen {
    kind: RecordType,
    first: f64,
    last: f64,
    generations: usize,
    /// How much was added to what is cumulative.
    added: f64,
    life: usize,
}

/// The first and the last value of each metric, and in how many generations it was.
fn show(history: PersistedHistory) {
    for damage in history.damage() {
        println!("not read: {damage}");
    }
    let Some((_, newest)) = history.window() else { return println!("there are no generations") };
    let mut metrics: BTreeMap<String, Seen> = BTreeMap::new();
    let (mut generations, mut from) = (0, newest);
    // With each start of the program, what is cumulative begins at 0 again. So does what the cache says of itself.
    let (mut life, mut sent) = (0, 0.0);
    for generation in history.filter(|generation| generation.timestamp() >= newest - HALF_AN_HOUR) {
        generations += 1;
        from = from.min(generation.timestamp());
        let own = generation.records().find(|record| record.metric.ends_with("ferrometer.backend.pull-cache.sent"));
        let sent_before = std::mem::replace(&mut sent, own.map_or(0.0, |record| record.value));
        life += usize::from(sent < sent_before);
        for record in generation.records() {
            let labels: Vec<String> = record.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let name = format!("{} {}", record.metric, labels.join(","));
            let (kind, value) = (record.kind, record.value);
            let new = Seen { kind, first: value, last: value, generations: 0, added: 0.0, life };
            let seen = metrics.entry(name).or_insert(new);
            seen.added += if seen.life == life { value - seen.last } else { value };
            (seen.last, seen.life) = (value, life);
            seen.generations += 1;
        }
    }
    println!("{generations} generations from {from} to {newest}, {} s, {life} new starts in it\n", newest - from);
    println!("{:<45} {:>14} {:>14} {:>6}", "metric", "first", "last", "in");
    for (name, Seen { kind, first, last, generations, added, .. }) in metrics {
        // A cumulative metric shows how much there was; one that goes up and down, where it stood.
        let change = if kind == RecordType::Derive { format!("  {added:+}") } else { String::new() };
        println!("{name:<45} {first:>14.3} {last:>14.3} {generations:>6}{change}");
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--crash", directory] => crash(Path::new(directory)),
        [directory] => {
            show(read(directory)?);
            Ok(())
        }
        [] => {
            let directory: PathBuf = std::env::temp_dir().join(format!("last-half-hour-{}", std::process::id()));
            let status = Command::new(std::env::current_exe()?).arg("--crash").arg(&directory).status()?;
            println!("the program has crashed ({status}); before that:\n");
            let history = read(&directory)?;
            std::fs::remove_dir_all(&directory)?;
            show(history);
            Ok(())
        }
        _ => Err("give the directory of one cache".into()),
    }
}
