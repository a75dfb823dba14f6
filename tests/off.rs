//! Off is off: with nothing configured, or `noop`, no thread is started, no socket opened, nothing recorded, no value evaluated.
//! In a test program of its own, because it counts what the process has.

use ferrometer::{Config, Logger, count, counter, get_logger, init, logger, set_gauge, time, timer};
use ferrometer_testkit::wait_until;
use std::cell::Cell;
use std::time::Duration;

static METRICS: Logger = logger!("off");

/// Names of this process's threads, and how many files and sockets it has.
#[cfg(target_os = "linux")]
fn process() -> (Vec<String>, usize) {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    // A thread may end between the listing and the look at its name.
    let name = |t: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(t.unwrap().path().join("comm")).ok();
    let mut names: Vec<String> = tasks.filter_map(name).filter(|n| n.starts_with("ferrometer")).collect();
    names.sort();
    (names, std::fs::read_dir("/proc/self/fd").unwrap().count())
}

#[counter(METRICS, "counted")]
#[timer(METRICS, "timed", outcome)]
fn instrumented() -> Result<u32, ()> {
    Ok(7)
}

fn use_everything(evaluated: &Cell<u32>) {
    let value = || {
        evaluated.set(evaluated.get() + 1);
        1
    };
    count!(METRICS, "macro", value());
    set_gauge!(METRICS, "macro", value());
    count!(METRICS, "macro", value(), "label" => value().to_string());
    assert_eq!(time!(METRICS, "macro", { 3 }), 3);
    assert_eq!(instrumented(), Ok(7));
    METRICS.send_counter("c", 1);
    METRICS.send_gauge("g", 1);
    METRICS.send_timer("t", Duration::from_secs(1));
    let timing = METRICS.timer("t").start();
    let _busy = METRICS.in_flight("busy").enter();
    assert_eq!(timing.stop().is_zero(), evaluated.get() == 0);
    get_logger("off").with("a", "b").child("c").histogram("h").record(1.5);
}

#[cfg(target_os = "linux")]
#[test]
fn an_empty_configuration_starts_no_thread_and_opens_no_socket() {
    let evaluated = Cell::new(0);
    let before = process();
    use_everything(&evaluated);
    for config in [Config::new(), Config::new().backend("noop"), Config::from_toml("").unwrap()] {
        let metrics = init(config).unwrap();
        use_everything(&evaluated);
        assert_eq!(process(), before);
        let report = metrics.shutdown(Duration::from_secs(1));
        assert!(report.complete && report.ledgers.is_empty());
    }
    assert_eq!(evaluated.get(), 0, "value expressions ran while recording was off");
    assert!(ferrometer::snapshot().totals().iter().all(|t| t.recordings == 0), "something was recorded");
    // And the same program with a backend: threads come, and go when the guard is dropped.
    let config = Config::new().backend("statsd").statsd_host("127.0.0.1");
    let metrics = init(config).unwrap();
    use_everything(&evaluated);
    assert!(evaluated.get() > 0);
    // A thread names itself a moment after it has begun, and ends a moment after it was told to.
    wait_until("both threads", || process().0 == ["ferrometer-coll\n", "ferrometer-stat\n"]);
    drop(metrics);
    wait_until("both threads to end", || process() == before);
}
