//! A system that has no thread left for a new configuration: the one in force stays, all of it.
#![cfg(target_os = "linux")]

use ferrometer::{Config, get_logger, init, is_on, ledgers};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Duration;

/// The address space this process may take; `None` for no limit.
fn limit(bytes: Option<u64>) {
    let limit = libc::rlimit { rlim_cur: bytes.unwrap_or(libc::RLIM_INFINITY), rlim_max: libc::RLIM_INFINITY };
    // SAFETY: reads a struct that lives.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) }, 0);
}

fn taken() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').next().unwrap().parse::<u64>().unwrap() * 4096
}

#[test]
#[ignore = "run by the test below, in a process of its own"]
fn without_threads() {
    let config = |port: u16| {
        Config::new()
            .backend_list(["statsd", "pull-cache"])
            .statsd_host("127.0.0.1")
            .pull_cache_http(true)
            .pull_cache_address(([127, 0, 0, 1], port).into())
    };
    let metrics = init(config(0)).unwrap();
    let address = metrics.http_address().unwrap();
    get_logger("exhausted").send_counter("c", 3);
    assert!(metrics.pull_cache().is_some());
    // Enough for all that is allocated, and too little for the stack of one more thread. The new server gets that of the old.
    limit(Some(taken() + (1500 << 10)));
    let refused = init(config(address.port()));
    limit(None);
    let refused = refused.map(drop).expect_err("a thread fits into 1.5 MB").to_string();
    assert!(refused.contains("no thread"), "{refused}");
    assert!(is_on());
    assert_eq!(ledgers().len(), 2);
    metrics.flush(Duration::from_secs(60));
    let mut client = TcpStream::connect(address).expect("the endpoint is served as before");
    write!(client, "GET /v1/metrics?name=exhausted.c HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(r#""value":3.0"#), "{answer}");
    assert!(metrics.http_counts().is_some());
}

#[test]
fn what_is_in_force_stays_when_there_is_no_thread_for_what_is_to_come() {
    // Where a thread's stack still fits and its signal stack does not, the standard library ends the process, and nothing is said of ours.
    for _ in 0..20 {
        let program = std::env::current_exe().unwrap();
        let child = Command::new(program).args(["--ignored", "--exact", "without_threads"]).output().unwrap();
        let said = String::from_utf8_lossy(&child.stdout).into_owned() + &String::from_utf8_lossy(&child.stderr);
        if child.status.signal() == Some(libc::SIGABRT) && said.contains("failed to allocate an alternative stack") {
            continue;
        }
        assert!(child.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    panic!("the standard library ended each of 20 processes");
}
