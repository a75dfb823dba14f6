//! Starting, idling, and threads that come and go.

use super::work::{NEVER, counters, flush, roomy};
use super::{At, Row, at};
use crate::drive::{process_cpu_ns, thread_cpu_ns};
use crate::groups::receiver::Receiver;
use crate::ours::{self, count_of_all};
use crate::row::{Sample, expect};
use ferrometer::pull_cache::{PullCacheBackend, Settings};
use ferrometer::{Config, get_logger, init};
use std::cell::RefCell;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

pub const ROWS: &[Row] = &[
    Row {
        name: "idle",
        what: "statsd (1 s) and pull cache (10 s) on, nothing is recorded",
        points: &[at(10), at(1_000), at(100_000)],
        run: idle,
    },
    Row {
        name: "threads.floor",
        what: "floor: a thread born and gone that uses a bare `thread_local!` with a destructor",
        points: &[at(10)],
        run: |_| bare_threads(),
    },
    Row {
        name: "threads",
        what: "a thread born and gone that records once into a counter",
        points: &[at(10), at(100_000)],
        run: threads,
    },
    Row { name: "init", what: "`init` with statsd and pull cache, elapsed", points: &[at(10)], run: start },
    Row {
        name: "init.history",
        what: "`init` with half an hour of history on disk, 181 generations: CPU until it is there",
        points: &[at(1_000), at(100_000)],
        run: start_with_history,
    },
];

/// Voluntary switches of all threads but the one that asks: each is a wake-up that ended in sleep.
fn wake_ups() -> u64 {
    let own = fs::read_link("/proc/thread-self").ok().and_then(|p| p.file_name().map(|n| n.to_owned()));
    let tasks = fs::read_dir("/proc/self/task").expect("threads").flatten();
    let others = tasks.filter(|task| Some(task.file_name()) != own);
    let switches = others.filter_map(|task| {
        let status = fs::read_to_string(task.path().join("status")).ok()?;
        status.lines().find_map(|l| l.strip_prefix("voluntary_ctxt_switches:"))?.trim().parse::<u64>().ok()
    });
    switches.sum()
}

/// The receiver is a socket that nobody reads: it is to take no time of its own.
fn idle(at: &At) -> Sample {
    const WATCHED: Duration = Duration::from_secs(10);
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let config = Config::new()
        .backend_list(["statsd", "pull-cache"])
        .statsd_host("127.0.0.1")
        .statsd_port(socket.local_addr().expect("an address").port())
        .max_instruments(at.series as usize + 1000)
        .max_label_sets(at.series as usize + 1000);
    let metrics = init(config).expect("two backends");
    counters(at.series).iter().for_each(|counter| counter.increment());
    assert!(metrics.flush(Duration::from_secs(60)).complete);
    // The clock is calibrated, and own metrics have said what the first deliveries were.
    thread::sleep(Duration::from_millis(2500));
    let (cpu, woken, start) = (process_cpu_ns(), wake_ups(), Instant::now());
    thread::sleep(WATCHED);
    let (cpu, woken, passed) = (process_cpu_ns() - cpu, wake_ups() - woken, start.elapsed());
    Sample::default()
        .with("percent", cpu as f64 / passed.as_nanos() as f64 * 100.0)
        .with("wake_ups_per_second", woken as f64 / passed.as_secs_f64())
}

/// Each measures this many threads, one after the other, in rounds of which the least counts.
const BORN: u32 = 2_000;

fn born_and_gone(work: impl Fn() + Sync) -> f64 {
    let round = || {
        let start = process_cpu_ns();
        for _ in 0..BORN {
            thread::scope(|scope| drop(scope.spawn(&work).join()));
        }
        (process_cpu_ns() - start) as f64 / f64::from(BORN) / 1e3
    };
    (0..7).map(|_| round()).fold(f64::INFINITY, f64::min)
}

struct Last(RefCell<Vec<u64>>);

impl Drop for Last {
    fn drop(&mut self) {
        black_box(self.0.borrow_mut().pop());
    }
}

thread_local! {
    static LAST: Last = const { Last(RefCell::new(Vec::new())) };
}

fn bare_threads() -> Sample {
    let empty = born_and_gone(|| ());
    let bare = born_and_gone(|| LAST.with(|last| last.0.borrow_mut().push(black_box(1))));
    Sample::default().with("cpu_us", bare).with("empty_us", empty).with("added_us", bare - empty)
}

fn threads(at: &At) -> Sample {
    roomy(at.series, at.threads);
    ours::on();
    let counters = counters(at.series);
    counters.iter().for_each(|counter| counter.increment());
    let counter = get_logger("app").counter("born");
    let empty = born_and_gone(|| ());
    let recording = born_and_gone(|| counter.increment());
    expect("counted", count_of_all("app", "born"), 7 * u64::from(BORN));
    Sample::default().with("cpu_us", recording).with("empty_us", empty).with("added_us", recording - empty)
}

fn config(receiver: &Receiver) -> Config {
    let both = Config::new().backend_list(["statsd", "pull-cache"]);
    both.statsd_host("127.0.0.1").statsd_port(receiver.address.port())
}

fn start(_: &At) -> Sample {
    let receiver = Receiver::start(":");
    let (start, cpu) = (Instant::now(), thread_cpu_ns());
    let metrics = init(config(&receiver)).expect("two backends");
    let (elapsed, cpu) = (start.elapsed(), thread_cpu_ns() - cpu);
    drop(metrics);
    Sample::default().with("elapsed_ms", elapsed.as_secs_f64() * 1e3).with("cpu_ms", cpu as f64 / 1e6)
}

struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const GENERATIONS: u64 = 181;

/// Writes a history in which one series of a hundred changes from one generation to the next. In a process of its own: it leaves nothing in this one's
/// memory.
fn write_history(at: &At, path: &Path) {
    roomy(at.series, at.threads);
    let mut cache = PullCacheBackend::new(Settings::default().path(path).restored_series(at.series as usize + 1000));
    ferrometer::install("sink", Box::new(Nothing), NEVER).expect("a sink");
    let counters = counters(at.series);
    counters.iter().for_each(|counter| counter.increment());
    let now = SystemTime::now();
    for n in 0..GENERATIONS {
        counters.iter().step_by(100).for_each(|counter| counter.add(n));
        let time = now - Duration::from_secs(10 * (GENERATIONS - n));
        cache.make(time, ferrometer::snapshot().totals(), &Default::default());
    }
    flush();
}

struct Nothing;

impl ferrometer::backend::Backend for Nothing {
    fn publish(
        &mut self,
        view: &mut ferrometer::backend::SnapshotView<'_>,
    ) -> Result<ferrometer::backend::Delivery, ferrometer::backend::BackendError> {
        view.all_sent();
        Ok(ferrometer::backend::Delivery::default())
    }
}

/// Names the directory of the process that begins where this one ends.
const HISTORY: &str = "BENCH_HISTORY";

fn start_with_history(at: &At) -> Sample {
    let Some(path) = std::env::var_os(HISTORY) else {
        let scratch = Scratch(std::env::temp_dir().join(format!("ferrometer-scale-{}", std::process::id())));
        fs::create_dir_all(&scratch.0).expect("a directory");
        write_history(at, &scratch.0);
        return again(at, &scratch.0);
    };
    let receiver = Receiver::start(":");
    let config = config(&receiver)
        .pull_cache_path(PathBuf::from(path))
        .pull_cache_interval(Duration::from_secs(1))
        .max_instruments(at.series as usize + 1000);
    let (start, cpu, all) = (Instant::now(), thread_cpu_ns(), process_cpu_ns());
    let metrics = init(config).expect("two backends");
    let (elapsed, cpu) = (start.elapsed(), thread_cpu_ns() - cpu);
    let cache = metrics.pull_cache().expect("a cache").clone();
    while cache.is_loading() {
        thread::sleep(Duration::from_millis(5));
    }
    let there = process_cpu_ns() - all;
    let kept = cache.history(None).count() as f64;
    assert!(kept >= GENERATIONS as f64 - 5.0, "{kept} generations of {GENERATIONS}");
    Sample::default()
        .with("there_cpu_s", there as f64 / 1e9)
        .with("elapsed_ms", elapsed.as_secs_f64() * 1e3)
        .with("cpu_ms", cpu as f64 / 1e6)
        .with("generations", kept)
}

/// Measures the start in a new process, which finds what this one wrote.
fn again(at: &At, path: &Path) -> Sample {
    let mut command = std::process::Command::new(std::env::current_exe().expect("this program"));
    command.args(["point", "init.history", "--series", &at.series.to_string()]).env(HISTORY, path);
    let output = command.output().expect("a process");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let line: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a line of figures");
    let figure = |name: &'static str| (name, line[name].as_f64().unwrap_or(f64::NAN));
    Sample { figures: ["there_cpu_s", "elapsed_ms", "cpu_ms", "generations"].map(figure).to_vec() }
}
