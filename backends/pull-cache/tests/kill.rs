//! A program that is killed at any moment leaves whole generations, and the next goes on behind them.
//!
//! The child is this test binary itself. Its generations hold many counters that are counted up together, so a generation that is
//! mixed of two snapshots, or decoded against the wrong past, shows.

#![cfg(unix)]

use ferrometer_core::{Naming, get_logger, install, snapshot};
use ferrometer_pull_cache::{DamageKind, Generation, PullCacheBackend, Settings, read};
use ferrometer_testkit::{NEVER, sink};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, UNIX_EPOCH};

const COUNTERS: usize = 60;
const NOISE: usize = 800;
const KEEP: usize = 40;
const BEGIN: u64 = 1_700_000_000;
const DIRECTORY: &str = "PULL_CACHE_KILL_TEST";

/// The child: makes generations ten made-up seconds apart until it is killed, and says when one is made.
#[test]
#[ignore = "is the child of the tests below"]
fn child() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    install("on", sink(), NEVER).unwrap();
    let mut backend = PullCacheBackend::open(Settings::default().generations(KEEP).path(directory)).unwrap();
    let cache = backend.handle();
    let mut second = cache.window().map_or(BEGIN, |(_, newest)| newest as u64 + 10);
    println!("restored {}", cache.history(None).count());
    let logger = get_logger("kill");
    let counters: Vec<_> = (0..COUNTERS).map(|n| logger.with("n", &n.to_string()).counter("c")).collect();
    // Values that cannot be compressed: writes of several pages, which a kill may cut.
    let noise: Vec<_> = (0..NOISE).map(|n| logger.with("n", &n.to_string()).gauge("noise")).collect();
    let mut bits = 1u64;
    let (gauge, timer) = (logger.gauge("second"), logger.timer("t"));
    loop {
        counters.iter().for_each(|counter| counter.add(1));
        for gauge in &noise {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            gauge.set((bits >> 11) as f64 / (1u64 << 53) as f64);
        }
        gauge.set(second as f64);
        timer.record(Duration::from_nanos(second));
        backend.make(UNIX_EPOCH + Duration::from_secs(second), snapshot().totals(), &Naming::default());
        let failed = cache.persistence().map_or(0, |state| state.failed);
        println!("made {second}");
        println!("failed {failed}");
        std::io::stdout().flush().unwrap();
        second += 10;
    }
}

/// That all of a generation is of one snapshot; returns the number that its counters have.
fn check(generation: &Generation) -> u64 {
    let values = |metric: &str| {
        let of_metric = generation.records().filter(|r| r.metric == metric);
        of_metric.map(|r| r.value).collect::<Vec<_>>()
    };
    let counters = values("kill.c");
    assert_eq!(counters.len(), COUNTERS);
    assert!(counters.iter().all(|count| *count == counters[0]), "{counters:?}");
    assert_eq!(values("kill.noise").len(), NOISE);
    assert_eq!(values("kill.second"), [generation.timestamp() as f64]);
    assert_eq!(values("kill.t.count"), [counters[0]]);
    counters[0] as u64
}

/// Starts a child, lets it make this many generations, and kills it so much later. Returns how many generations it took over, and the
/// last it made.
fn run(directory: &Path, generations: u64, later: Duration) -> (usize, i64) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let restored = lines.find_map(|line| Some(line.split("restored ").nth(1)?.parse().unwrap())).unwrap();
    let number = |line: String| line.strip_prefix("made ").and_then(|n| n.parse::<i64>().ok());
    let mut made = lines.filter_map(number);
    let seen = (0..generations).filter_map(|_| made.next()).last();
    std::thread::sleep(later);
    // Unix sends SIGKILL.
    child.kill().unwrap();
    child.wait().unwrap();
    (restored, made.last().or(seen).unwrap_or(0))
}

fn kill(times: u64) {
    let directory = std::env::temp_dir().join(format!("ferrometer-kill-{}-{times}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    let (mut newest, mut torn) = (0, 0);
    for time in 0..times {
        // At any moment before, during and after a generation, which takes some milliseconds.
        let (generations, later) = (time * 7 % 5, Duration::from_micros(time * 7_919 % 20_000));
        let kept = read(&directory).map_or(0, |history| history.count().min(KEEP + 1));
        let (restored, made) = run(&directory, generations, later);
        assert_eq!(restored, kept, "kill {time}");
        let history = read(&directory).unwrap_or_else(|why| panic!("kill {time}: {why}"));
        // At most the end of the file that was being written.
        torn += history.damage().len();
        assert!(history.damage().len() <= 1, "kill {time}: {:?}", history.damage());
        let generations: Vec<_> = history.collect();
        let counts: Vec<u64> = generations.iter().map(|generation| check(generation)).collect();
        for (pair, count) in generations.windows(2).zip(counts.windows(2)) {
            assert_eq!(pair[1].timestamp(), pair[0].timestamp() + 10, "kill {time}: nothing is missing between");
            assert!(count[1] == count[0] + 1 || count[1] == 1, "kill {time}: {counts:?}");
        }
        let last = generations.last().map_or(0, |generation| generation.timestamp());
        // Each announced generation is there; one more may be that was not announced yet.
        assert!(last >= made.max(newest), "kill {time}: {last} {made}");
        assert!(made == 0 || last <= made + 10, "kill {time}: {last} {made}");
        newest = last;
    }
    assert!(newest >= (BEGIN + 10 * times) as i64, "the children got to nothing: {newest}");
    println!("{times} kills, {torn} torn ends, {} generations", (newest - BEGIN as i64) / 10 + 1);
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn twenty_kills_leave_whole_generations() {
    kill(20);
}

#[test]
#[ignore = "takes long; scripts/test runs it"]
fn two_hundred_kills_leave_whole_generations() {
    kill(200);
}

#[test]
fn a_second_process_is_refused() {
    let directory: PathBuf = std::env::temp_dir().join(format!("ferrometer-second-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    let mut first = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--ignored", "--nocapture"])
        .env(DIRECTORY, &directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(first.stdout.take().unwrap()).lines().map(Result::unwrap);
    lines.find(|line| line.starts_with("made ")).unwrap();
    let drain = std::thread::spawn(move || lines.for_each(drop));
    let settings = Settings::default().path(&directory);
    let refused = PullCacheBackend::open(settings.clone()).unwrap_err();
    assert!(refused.to_string().contains("is written by another process"), "{refused}");
    // Who does without says so.
    let memory = PullCacheBackend::new(settings.clone());
    let state = memory.handle().persistence().unwrap();
    assert!(state.last_error.unwrap().contains("another process"));
    // Reading needs no lock, and sees whole generations, whatever is written, begun and deleted meanwhile.
    let (mut newest, begun) = (0, Instant::now());
    // Until segments have been begun and deleted meanwhile, however seldom the other process comes to it.
    for round in 0.. {
        if round >= 8 && newest > BEGIN as i64 + 10 * KEEP as i64 {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "the other process is at {newest}");
        let history = read(&directory).unwrap();
        let torn = history.damage().iter().all(|damage| damage.kind == DamageKind::Torn);
        assert!(torn && history.damage().len() <= 1, "{:?}", history.damage());
        let stamps: Vec<i64> =
            history.inspect(|generation| assert!(check(generation) > 0)).map(|g| g.timestamp()).collect();
        assert!(stamps.windows(2).all(|w| w[1] == w[0] + 10), "{stamps:?}");
        assert!(stamps[stamps.len() - 1] >= newest);
        newest = stamps[stamps.len() - 1];
    }
    first.kill().unwrap();
    first.wait().unwrap();
    drain.join().unwrap();
    let second = PullCacheBackend::open(settings).unwrap();
    assert!(second.handle().most_recent().is_some());
    drop(second);
    std::fs::remove_dir_all(&directory).unwrap();
}

/// A limit of the size of files stands for a full disk: a write fails in its middle.
#[test]
fn a_write_that_fails_in_its_middle_costs_one_generation() {
    let directory: PathBuf = std::env::temp_dir().join(format!("ferrometer-full-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    let mut child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" child --exact --ignored --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .env(DIRECTORY, &directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    // It goes on after the first that fails, and after the second.
    let mut failed = lines.by_ref().filter_map(|line| line.strip_prefix("failed ")?.parse::<u64>().ok());
    assert!(failed.any(|failed| failed >= 3));
    failed.nth(2).unwrap();
    let drain = std::thread::spawn(move || lines.for_each(drop));
    child.kill().unwrap();
    child.wait().unwrap();
    drain.join().unwrap();
    let history = read(&directory).unwrap();
    assert!(history.damage().len() <= 1, "{:?}", history.damage());
    let stamps: Vec<i64> =
        history.inspect(|generation| assert!(check(generation) > 0)).map(|g| g.timestamp()).collect();
    let gaps: Vec<i64> = stamps.windows(2).map(|w| w[1] - w[0]).filter(|gap| *gap != 10).collect();
    assert!(!gaps.is_empty() && gaps.iter().all(|gap| *gap == 20), "{stamps:?}");
    std::fs::remove_dir_all(&directory).unwrap();
}
