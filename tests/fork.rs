//! The child of a fork and the configuration of its parent: the guard it has a copy of does nothing there, and an `init` of its own starts over,
//! whatever the parent's threads were doing.
#![cfg(unix)]

use ferrometer::{Config, Logger, init, logger};
use ferrometer_testkit::{SOON, Scratch, alone, in_a_child};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

static METRICS: Logger = logger!("forks");

fn served() -> Config {
    let config = Config::new().backend("pull-cache").shutdown_deadline(SOON);
    config.pull_cache_http(true).pull_cache_address("127.0.0.1:0".parse().unwrap())
}

fn newest(address: std::net::SocketAddr) -> String {
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(SOON)).unwrap();
    write!(client, "GET /v1/metrics?name=forks.* HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_guard_that_is_dropped_in_a_child_does_nothing() {
    let _alone = alone();
    let metrics = init(served()).unwrap();
    let address = metrics.http_address().unwrap();
    METRICS.send_counter("kept", 3);
    let mut metrics = Some(metrics);
    let is_well = in_a_child(|| {
        drop(metrics.take());
        true
    });
    assert!(is_well, "the child ended badly");
    // The parent goes on as if nothing had been.
    METRICS.send_counter("kept", 4);
    let metrics = metrics.unwrap();
    assert!(metrics.flush(SOON).complete);
    let answer = newest(address);
    assert!(answer.contains(r#""metric":"forks.kept""#) && answer.contains(r#""value":7.0"#), "{answer}");
    assert!(metrics.shutdown(SOON).complete);
}

#[test]
fn an_init_in_a_child_begins_anew_and_outlives_the_guard_of_its_parent() {
    let _alone = alone();
    let metrics = init(served()).unwrap();
    METRICS.send_counter("of.the.parent", 1);
    assert!(metrics.flush(SOON).complete);
    let mut metrics = Some(metrics);
    let is_well = in_a_child(|| {
        let own = init(served()).unwrap();
        drop(metrics.take());
        assert!(own.pull_cache().unwrap().most_recent().is_none(), "the generations of another process");
        METRICS.send_counter("of.the.child", 2);
        assert!(own.flush(SOON).complete);
        let answer = newest(own.http_address().unwrap());
        assert!(answer.contains(r#""metric":"forks.of.the.child""#) && answer.contains(r#""value":2.0"#), "{answer}");
        own.shutdown(SOON).complete
    });
    assert!(is_well, "the child ended badly");
    let metrics = metrics.unwrap();
    assert!(metrics.flush(SOON).complete && newest(metrics.http_address().unwrap()).contains("forks.of.the.parent"));
    drop(metrics);
}

#[test]
fn a_child_need_not_wait_for_an_init_that_the_parent_was_in() {
    let _alone = alone();
    let scratch = Scratch::new("fork");
    let directory = scratch.path();
    let kept = |name: &str| Config::new().backend_list(["statsd", "pull-cache"]).pull_cache_path(directory.join(name));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                drop(init(kept("parent").shutdown_deadline(Duration::ZERO)).unwrap());
            }
        });
        let work = || init(kept("child")).is_ok_and(|metrics| metrics.pull_cache().is_some());
        let bad = (0..40).filter(|_| !in_a_child(work)).count();
        stop.store(true, Relaxed);
        assert_eq!(bad, 0, "number of 40 children that hung or failed");
    });
    // Not waited for when they were shut down, some may still write, and what is removed meanwhile is made again.
    scratch.remove();
}

#[test]
fn a_directory_and_a_port_are_free_when_the_parent_lets_go_of_them_though_a_child_lives_on() {
    let _alone = alone();
    let scratch = Scratch::new("fork-lock");
    let kept = || served().pull_cache_path(scratch.path());
    let metrics = init(kept()).unwrap();
    let address = metrics.http_address().unwrap();
    // SAFETY: the child waits for a signal, and does nothing else.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: ends the child should nobody do so, and waits.
        unsafe {
            libc::alarm(120);
            libc::pause();
            libc::_exit(0);
        }
    }
    assert!(child > 0, "no child");
    drop(metrics);
    let late = TcpStream::connect(address);
    let again = init(kept().pull_cache_address(address));
    // SAFETY: ends and awaits the child made above.
    unsafe {
        libc::kill(child, libc::SIGKILL);
        libc::waitpid(child, std::ptr::null_mut(), 0);
    }
    assert!(late.is_err(), "taken by nobody");
    drop(again.unwrap());
}

/// Returns what `begin` says in a daemon: in a process whose parent has done `before`, left it to its end, and is gone or about to go.
#[cfg(target_os = "linux")]
fn in_a_daemon(before: impl FnOnce(), begin: impl FnOnce(u32) -> String) -> String {
    let (mut said, mut say) = std::io::pipe().unwrap();
    // The process that becomes a daemon is a child of the test's, so that it can end.
    let is_well = in_a_child(|| {
        let parent = std::process::id();
        before();
        // SAFETY: as daemon(3) does it; the child goes on, its parent leaves.
        if unsafe { libc::fork() } > 0 {
            return true;
        }
        // SAFETY: ends the daemon should it hang.
        unsafe { libc::alarm(120) };
        write!(say, "{}", begin(parent)).unwrap();
        // SAFETY: ends the daemon without the test harness's exit.
        unsafe { libc::_exit(0) };
    });
    assert!(is_well, "the child ended badly");
    drop(say);
    let mut begun = String::new();
    said.read_to_string(&mut begun).unwrap();
    begun
}

#[cfg(target_os = "linux")]
#[test]
fn a_daemon_takes_over_the_directory_and_the_port_of_its_parent() {
    let _alone = alone();
    let scratch = Scratch::new("fork-daemon");
    // A port that is free now.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let kept = || served().pull_cache_path(scratch.path()).pull_cache_address(address);
    let before = || {
        let metrics = init(kept()).unwrap();
        METRICS.send_counter("before", 1);
        assert!(metrics.flush(SOON).complete);
        std::mem::forget(metrics);
    };
    let begun = in_a_daemon(before, |_| match init(kept()) {
        Ok(metrics) => {
            METRICS.send_counter("after", 2);
            let complete = metrics.flush(SOON).complete;
            format!("{complete} {}", newest(address).contains("forks.after"))
        }
        Err(error) => error.to_string(),
    });
    assert_eq!(begun, "true true");
}

#[test]
fn a_child_is_told_that_its_parent_has_the_directory() {
    let _alone = alone();
    let scratch = Scratch::new("fork-parent");
    let kept = || served().pull_cache_path(scratch.path());
    let metrics = init(kept()).unwrap();
    let parent = format!("is written by process {}, which this one was forked from", std::process::id());
    let is_well = in_a_child(|| init(kept()).is_err_and(|error| error.to_string().contains(&parent)));
    assert!(is_well, "the child was told something else");
    assert!(metrics.shutdown(SOON).complete);
}

#[cfg(feature = "archive-embedded")]
fn archived(directory: &std::path::Path) -> Config {
    Config::from_toml(&format!("[metrics]\nbackend = 'archive'\narchive.path = {directory:?}\n")).unwrap()
}

#[cfg(feature = "archive-embedded")]
#[test]
fn a_child_does_not_write_the_archive_of_its_parent() {
    let _alone = alone();
    let scratch = Scratch::new("fork-archive");
    let metrics = init(archived(scratch.path())).unwrap();
    METRICS.send_counter("archived", 1);
    assert!(metrics.flush(SOON).complete);
    let parent = format!("is open in process {}, which this one was forked from", std::process::id());
    let is_well = in_a_child(|| init(archived(scratch.path())).is_err_and(|error| error.to_string().contains(&parent)));
    assert!(is_well, "the child was told something else");
    METRICS.send_counter("archived", 1);
    assert!(metrics.shutdown(SOON).complete);
    assert!(init(archived(scratch.path())).unwrap().shutdown(SOON).complete);
}

#[cfg(all(target_os = "linux", feature = "archive-embedded"))]
#[test]
fn a_daemon_goes_on_with_the_archive_of_its_parent() {
    let _alone = alone();
    let scratch = Scratch::new("fork-archive-daemon");
    let before = || std::mem::forget(init(archived(scratch.path())).unwrap());
    let begun = in_a_daemon(before, |parent| {
        while ferrometer_fork::ancestor_is_running(parent) {
            thread::yield_now();
        }
        match init(archived(scratch.path())) {
            Ok(metrics) => {
                METRICS.send_counter("after", 2);
                metrics.shutdown(SOON).complete.to_string()
            }
            Err(error) => error.to_string(),
        }
    });
    assert_eq!(begun, "true");
}
