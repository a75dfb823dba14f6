//! Signals are the program's: no thread that a configuration starts takes one.
#![cfg(all(target_os = "linux", feature = "http", feature = "statsd"))]

use ferrometer::{Config, init};
use ferrometer_testkit::{Scratch, alone};
use std::fs;
use std::time::Duration;

#[test]
fn every_thread_of_a_configuration_blocks_the_signals_of_the_program() {
    let _alone = alone();
    let scratch = Scratch::new("signals");
    let config = Config::new()
        .backend_list(["pull-cache", "statsd"])
        // A name, which is looked up on a thread.
        .statsd_host("localhost")
        .pull_cache_interval(Duration::from_secs(1))
        .pull_cache_http(true)
        .pull_cache_address("127.0.0.1:0".parse().unwrap())
        .pull_cache_path(scratch.path());
    let metrics = init(config).unwrap();
    let mut names = Vec::new();
    for task in fs::read_dir("/proc/self/task").unwrap().flatten() {
        // A thread may end while it is read.
        let Ok(status) = fs::read_to_string(task.path().join("status")) else { continue };
        let field =
            |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("").trim().to_owned();
        let name = field("Name:");
        if !name.starts_with("ferrometer-") {
            continue;
        }
        let mask = u64::from_str_radix(&field("SigBlk:"), 16).unwrap();
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGTERM, libc::SIGCHLD, libc::SIGUSR1, libc::SIGALRM] {
            assert!(mask >> (signal - 1) & 1 == 1, "{name} takes signal {signal}: {mask:x}");
        }
        names.push(name);
    }
    // The kernel keeps 15 bytes of a name.
    for started in ["ferrometer-coll", "ferrometer-pull", "ferrometer-stat", "ferrometer-http", "ferrometer-reso"] {
        assert!(names.iter().any(|name| name == started), "no {started} among {names:?}");
    }
    drop(metrics);
}
