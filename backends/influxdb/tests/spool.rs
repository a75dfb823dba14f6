//! A server that is away, and a program that is killed meanwhile: what was spooled arrives in order, with its own time stamps.

use ferrometer_core::{flush, get_logger, install, ledgers, remove};
use ferrometer_influxdb::{InfluxDb, Protocol, Settings};
use ferrometer_push_testkit::http::{Answer, Request, Server};
use ferrometer_push_testkit::{SOON, Scratch, alone, wait_for};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering::Relaxed};
use std::time::Duration;

const INTERVAL: Duration = Duration::from_millis(50);

fn backend(port: u16, spool: &std::path::Path, max_bytes: u64) -> InfluxDb {
    let mut settings = Settings::new("127.0.0.1", port).protocol(Protocol::Http);
    settings.spool = Some(spool.to_owned());
    settings.spool_max_bytes = max_bytes;
    InfluxDb::new(settings).unwrap()
}

/// The time stamp and value of a measurement in each request that has it.
fn points(requests: &[Request], measurement: &str) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    for request in requests {
        let text = std::str::from_utf8(&request.body).unwrap();
        assert!(text.ends_with('\n'), "a body is whole");
        for line in text.lines().filter(|line| line.starts_with(&format!("{measurement} "))) {
            let (fields, nanos) = line[measurement.len() + 1..].split_once(' ').unwrap();
            let value = fields.strip_prefix("value=").unwrap().trim_end_matches('i');
            found.push((nanos.parse().unwrap(), value.parse().unwrap()));
        }
    }
    found
}

fn files(scratch: &Scratch) -> usize {
    std::fs::read_dir(scratch.path().join("spool")).map_or(0, |files| files.count())
}

#[test]
fn what_a_dead_server_missed_arrives_in_order_when_it_is_back() {
    let _alone = alone();
    let scratch = Scratch::new("influx-spool");
    let is_up = Arc::new(AtomicBool::new(false));
    let up = Arc::clone(&is_up);
    let server = Server::start(move |_| if up.load(Relaxed) { Answer::status(204) } else { Answer::status(503) });
    let spool = scratch.path().join("spool");
    install("influxdb", Box::new(backend(server.address.port(), &spool, 1 << 20)), INTERVAL).unwrap();
    for n in 1..=20 {
        get_logger("spooled").send_counter("c", 1);
        wait_for(|| (files(&scratch) >= n).then_some(()), || format!("{} files", files(&scratch)));
    }
    let account = || ledgers().into_iter().find(|l| l.backend == "influxdb").unwrap();
    // A file is there before its delivery is in the account, and one is written at every interval.
    let all_pending = || account().pending.increments == 20;
    wait_for(|| all_pending().then_some(()), || account().to_string());
    assert!(account().balances() && account().sent.is_zero(), "{}", account());
    server.take();
    is_up.store(true, Relaxed);
    assert!(flush(SOON).complete);
    let points = points(&server.take(), "spooled.c");
    assert!(points.len() >= 20, "{points:?}");
    assert!(points.is_sorted(), "in order: {points:?}");
    assert_eq!((points[0].1, points.last().unwrap().1), (1, 20), "{points:?}");
    let times: std::collections::BTreeSet<u64> = points.iter().map(|(nanos, _)| *nanos).collect();
    assert!(times.len() >= 20, "each has its own time");
    let ledger = remove("influxdb", SOON).unwrap();
    assert!(ledger.balances() && ledger.pending.is_zero() && ledger.sent.increments == 20, "{ledger}");
    assert_eq!(files(&scratch), 0);
}

#[test]
fn a_wrong_token_does_not_cost_what_was_kept() {
    let _alone = alone();
    let scratch = Scratch::new("influx-spool-token");
    let status = Arc::new(AtomicU16::new(503));
    let answers = Arc::clone(&status);
    let server = Server::start(move |_| Answer::status(answers.load(Relaxed)));
    let spool = scratch.path().join("spool");
    install("influxdb", Box::new(backend(server.address.port(), &spool, 1 << 20)), INTERVAL).unwrap();
    for n in 1..=5 {
        get_logger("token").send_counter("c", 1);
        wait_for(|| (files(&scratch) >= n).then_some(()), || format!("{} files", files(&scratch)));
    }
    status.store(401, Relaxed);
    server.take();
    flush(SOON);
    wait_for(|| (!server.take().is_empty()).then_some(()), || "no request".to_owned());
    assert!(files(&scratch) >= 5, "{}", files(&scratch));
    status.store(204, Relaxed);
    server.take();
    wait_for(
        || {
            flush(SOON);
            (files(&scratch) == 0).then_some(())
        },
        || format!("{} files", files(&scratch)),
    );
    let points = points(&server.take(), "token.c");
    assert!(points.len() >= 5 && points.is_sorted() && points[0].1 == 1, "{points:?}");
    assert!(remove("influxdb", SOON).unwrap().balances());
}

#[test]
fn the_spool_stays_within_its_bound() {
    let _alone = alone();
    let scratch = Scratch::new("influx-spool-bound");
    let server = Server::start(|_| Answer::status(503));
    let spool = scratch.path().join("spool");
    install("influxdb", Box::new(backend(server.address.port(), &spool, 4000)), Duration::from_millis(10)).unwrap();
    let size = || {
        let files =
            std::fs::read_dir(&spool).map(|files| files.filter_map(|f| f.ok()?.metadata().ok()).map(|m| m.len()).sum());
        files.unwrap_or(0u64)
    };
    let (mut largest, mut rounds) = (0, 0);
    let mut go_on = || {
        get_logger("bounded").send_counter("c", 1);
        std::thread::sleep(Duration::from_millis(10));
        (largest, rounds) = (largest.max(size()), rounds + 1);
        (rounds >= 60 && largest > 500).then_some(())
    };
    wait_for(&mut go_on, || "nothing is kept".to_owned());
    remove("influxdb", Duration::from_millis(500));
    // The bound, and the file that is being written.
    assert!(largest <= 8000, "{largest}");
    wait_for(|| (size() <= 4000).then_some(()), || format!("{} bytes are kept", size()));
}

/// Not a test by itself: the program that is killed.
#[test]
#[ignore = "is the child of the test below"]
fn the_program_that_is_killed() {
    let Some(directory) = std::env::var_os("SPOOL_CHILD") else { return };
    // Nothing listens at the discard port.
    install("influxdb", Box::new(backend(9, directory.as_ref(), 1 << 20)), Duration::from_millis(10)).unwrap();
    loop {
        get_logger("killed").send_counter("c", 1);
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_program_that_is_killed_leaves_whole_bodies_to_the_next() {
    let _alone = alone();
    for round in 0..5u64 {
        let scratch = Scratch::new(&format!("influx-spool-kill-{round}"));
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_program_that_is_killed", "--ignored", "--nocapture"])
            .env("SPOOL_CHILD", scratch.path().join("spool"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for(|| (files(&scratch) > 5 + round as usize * 3).then_some(()), || format!("{} files", files(&scratch)));
        child.kill().unwrap();
        child.wait().unwrap();
        let left = files(&scratch);
        let server = Server::start(|_| Answer::status(204));
        let spool = scratch.path().join("spool");
        install("influxdb", Box::new(backend(server.address.port(), &spool, 1 << 20)), INTERVAL).unwrap();
        get_logger("next").send_counter("c", round + 1);
        assert!(flush(SOON).complete);
        let points = points(&server.take(), "killed.c");
        // One file may be the beginning of a body, under another name.
        assert!(points.len() + 2 >= left && points.len() <= left, "{} of {left}", points.len());
        assert!(points.is_sorted() && points.windows(2).all(|pair| pair[0].0 < pair[1].0), "{points:?}");
        let ledger = remove("influxdb", SOON).unwrap();
        assert!(ledger.balances() && ledger.sent.increments == round + 1, "{ledger}");
        assert_eq!(files(&scratch), 0);
    }
}

#[test]
fn a_spool_that_cannot_be_used_is_an_error_at_the_start() {
    let scratch = Scratch::new("influx-spool-bad");
    let file = scratch.file("file", "x");
    let mut settings = Settings::new("127.0.0.1", 1).protocol(Protocol::Http);
    settings.spool = Some(file);
    assert_eq!(InfluxDb::new(settings.clone()).unwrap_err().setting, "spool");
    settings.spool = Some(scratch.path().join("good"));
    settings.influxdbproto = Protocol::Udp;
    assert_eq!(InfluxDb::new(settings).unwrap_err().setting, "spool");
}
