//! A hostile program: as many names, labels and descriptions as may be, as long as they may be, every bucket of every distribution in use, a statsd
//! server that takes connections and reads nothing; then a million more names, a million label values, a million loggers and ten thousand threads.
//! Its peak beyond that of the same program without recording is below the bound that `Config::max_bytes` gave before it began,
//! and the bound is less than twice the peak. What found no place is in the overflow series, to the unit; what was known goes on at full speed.

use ferrometer::Kind;
use ferrometer::{Config, Dynamic, Ledger};
use ferrometer_attacks::{number, option, peak};
use ferrometer_testkit::Random;
use std::hint::black_box;
use std::net::TcpListener;
use std::process::{Command, exit};
use std::thread;
use std::time::{Duration, Instant};

const SERIES: usize = 1500;
const LOGGERS: usize = 400;
const LABEL_SETS: usize = 600;
const THREADS: usize = 64;

fn config(port: u16, backends: &[&str]) -> Config {
    Config::new()
        .backend_list(backends.iter().copied())
        .statsd_host("127.0.0.1")
        .statsd_port(port)
        .statsd_transport(ferrometer::config::Transport::Tcp)
        .statsd_interval(Duration::from_millis(10))
        .pull_cache_interval(Duration::from_secs(1))
        .pull_cache_generations(5)
        .pull_cache_http(false)
        .shutdown_deadline(Duration::from_millis(200))
        .max_instruments(SERIES)
        .max_loggers(LOGGERS)
        .max_label_sets(LABEL_SETS)
        .max_threads(THREADS)
        .max_cell_bytes(24 << 20)
        .max_held_values(1 << 18)
}

/// A text of this many bytes that begins with `text`.
fn long(text: &str, bytes: usize) -> String {
    let mut out = String::with_capacity(bytes);
    out.push_str(text);
    while out.len() < bytes {
        out.push('x');
    }
    out
}

/// The shortest of many rounds of increments on a handle that was there before, in nanoseconds for each.
fn speed(counter: ferrometer::Counter) -> f64 {
    let round = |_| {
        let begin = Instant::now();
        (0..10_000).for_each(|_| black_box(counter).increment());
        begin.elapsed().as_nanos() as f64 / 10_000.0
    };
    (0..200).map(round).fold(f64::INFINITY, f64::min)
}

fn child(record: bool, port: u16, backends: &[&str], extra: usize) {
    let config = config(port, backends);
    let bound = config.max_bytes();
    let metrics = record.then(|| ferrometer::init(config).unwrap_or_else(|e| panic!("{e}")));
    let known_logger = ferrometer::get_logger("known");
    let known = known_logger.counter("known");
    known.increment();
    let before = speed(known);

    // As large as may be.
    let description = "\u{10ffff}".repeat(1024);
    let mut histograms = Vec::new();
    let labels: Vec<(String, String)> = (0..32).map(|i| (format!("k{i:02}"), long("", 59))).collect();
    for i in 0..SERIES {
        let logger = ferrometer::get_logger(&long(&format!("l{}.", i % (LOGGERS - 8)), 2040));
        let logger = if i < LABEL_SETS - 8 {
            let mut own = labels.clone();
            own[0].1 = long(&format!("{i}."), 59);
            let pairs: Vec<(&str, &str)> = own.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            // Labels in another order are remembered too.
            let reversed: Vec<(&str, &str)> = pairs.iter().rev().copied().collect();
            let _ = logger.with_all(&reversed);
            logger.with_all(&pairs)
        } else {
            logger
        };
        let name = long(&format!("n{i}."), 2040);
        if record {
            let histogram = logger.histogram(Dynamic(&name));
            histograms.push(histogram.description(&description).unit("bytes"));
        }
        black_box(name);
    }
    let buckets: Vec<f64> = {
        let scheme = Kind::Histogram.scheme().expect("a scheme");
        (0..scheme.len()).map(|b| scheme.middle(b)).collect()
    };
    let use_all = |histograms: &[ferrometer::Histogram]| {
        for histogram in histograms {
            buckets.iter().for_each(|value| histogram.record(*value));
        }
    };
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(4) {
        // From several threads, so that the budget of cells is used too.
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| use_all(&histograms));
            }
        });
        if !record {
            break;
        }
    }

    // And then the attack.
    let refused = ferrometer::refused();
    let before_overflow = overflow();
    let during = std::cell::Cell::new(f64::INFINITY);
    for i in 0..extra {
        known_logger.send_counter(format!("attack.{i}"), 1);
        known_logger.with("user", &i.to_string()).send_counter("by.user", 1);
        ferrometer::get_logger(&format!("attack{i}")).send_counter("c", 1);
        if i % (extra / 20).max(1) == 0 {
            during.set(during.get().min(speed(known)));
        }
    }
    if record {
        // Some of the first may have found a place that was left.
        let more = ferrometer::refused();
        let turned_away = (more.instruments - refused.instruments)
            + (more.label_sets - refused.label_sets)
            + (more.loggers - refused.loggers);
        assert!(turned_away as usize > 3 * extra - 100, "{turned_away} of {}", 3 * extra);
        let found = overflow() - before_overflow;
        assert_eq!(found, turned_away, "in the overflow series");
        let ledgers = ferrometer::flush(Duration::from_millis(500)).ledgers;
        assert!(ledgers.iter().all(Ledger::balances), "{ledgers:?}");
    }
    let mut random = Random::new(7);
    for _ in 0..20 {
        let threads: Vec<_> = (0..500)
            .map(|_| {
                let (name, known_logger) = (format!("thread.{}", random.draw()), known_logger.clone());
                thread::Builder::new().stack_size(64 << 10).spawn(move || {
                    known.increment();
                    known_logger.send_counter(name, 1);
                })
            })
            .collect();
        threads.into_iter().flatten().for_each(|t| drop(t.join()));
    }
    let after = speed(known);
    println!("{bound} {} {before:.2} {:.2} {after:.2}", peak(), during.get());
    drop(metrics);
}

/// Returns the value of the overflow series of counters.
fn overflow() -> u64 {
    let snapshot = ferrometer::snapshot();
    let of =
        |t: &ferrometer::Total<'_>| t.series.logger_name() == "ferrometer.overflow" && t.series.kind() == Kind::Counter;
    snapshot.totals().iter().filter(of).map(|t| t.recordings).sum()
}

/// Runs this program again as a child; returns what it printed.
fn run(record: bool, port: u16, backends: &str, extra: usize) -> Vec<f64> {
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(program);
    command.args(["--child", if record { "on" } else { "off" }, "--port", &port.to_string(), "--backends", backends]);
    command.args(["--extra", &extra.to_string()]);
    let output = command.stderr(std::process::Stdio::inherit()).output().expect("a child");
    if !output.status.success() {
        eprintln!("the child failed: {}", output.status);
        exit(1);
    }
    String::from_utf8_lossy(&output.stdout).split_whitespace().map(|n| n.parse().expect("numbers")).collect()
}

fn main() {
    let extra = number("--extra", 1e6) as usize;
    if let Some(mode) = option("--child") {
        let backends = option("--backends").unwrap_or_default();
        let backends: Vec<&str> = backends.split(',').collect();
        return child(mode == "on", number("--port", 0.0) as u16, &backends, extra);
    }
    // Takes connections and reads nothing.
    let server = TcpListener::bind("127.0.0.1:0").expect("a server");
    let port = server.local_addr().expect("an address").port();
    thread::spawn(move || server.incoming().flatten().collect::<Vec<_>>());
    let mut good = true;
    for backends in ["statsd", "statsd,pull-cache"] {
        let off = run(false, port, backends, extra);
        let on = run(true, port, backends, extra);
        let (bound, used) = (on[0], on[1] - off[1]);
        let (mega, ratio) = (1e6, bound / used);
        println!(
            "memory: {backends}: bound {:.1} MB, peak {:.1} MB beyond {:.1} MB without recording; bound/peak {ratio:.2}",
            bound / mega,
            used / mega,
            off[1] / mega
        );
        println!(
            "memory: {backends}: a known counter takes {:.2} ns before, {:.2} ns during, {:.2} ns after the attack",
            on[2], on[3], on[4]
        );
        if used > bound {
            eprintln!("!! more memory than the bound");
            good = false;
        }
        // A machine that is busy reads the server's queues later or earlier, and the peak moves with it: a low peak says nothing of the bound.
        if ratio >= 2.0 {
            eprintln!("!! NOT SHOWN: that the bound is less than twice the peak; this run reached too little of it");
        }
    }
    exit(i32::from(!good));
}
