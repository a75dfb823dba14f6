//! An archive as the sink: what is collected is there as measures, each once, whatever is killed or sent again.

#![cfg(unix)]

#[path = "support/archive.rs"]
mod archive;
#[path = "support/collecting.rs"]
mod collecting;
#[path = "../../tests/support/instant.rs"]
mod instant;
#[path = "../../tests/support/mod.rs"]
mod support;

use archive::Archive as Process;
use collecting::{BEGIN, collect, done, everything_once, files};
use ferrometer_collector::client::{Client, Limits};
use ferrometer_collector::run::{Task, run};
use ferrometer_collector::sink::ArchiveSink;
use ferrometer_collector::{Archive, Collector, Config, Secret};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;
use support::Folder;

const HOURS: i64 = 48;

/// The archive, as a process.
#[test]
#[ignore = "is the archive of the tests below"]
fn archive() {
    archive::run();
}

#[test]
#[ignore = "is the collector of the tests below"]
fn child() {
    collecting::run();
}

#[test]
fn every_period_is_a_measure() {
    let folder = Folder::new("archive-plain");
    let archive = Process::start(&folder);
    files(&folder, &format!("url = http://127.0.0.1:{}\nuser = admin", archive.port), Duration::ZERO);
    done(collect(&folder, HOURS, "state"));
    everything_once(&|path| archive.get(path), HOURS);
    // Sent again without checkpoints, nothing is there twice.
    done(collect(&folder, HOURS, "another"));
    everything_once(&|path| archive.get(path), HOURS);
}

#[test]
fn whatever_is_killed_every_period_is_a_measure_once() {
    let folder = Folder::new("archive-kill");
    let mut archive = Process::start(&folder);
    files(&folder, &format!("url = http://admin@127.0.0.1:{}/", archive.port), Duration::from_millis(2));
    let mut random = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos() as u64 | 1;
    let mut draw = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    let (mut hours, mut killed_at_work) = (0, 0);
    for n in 0..6 {
        hours += HOURS;
        let mut child = collect(&folder, hours, "state");
        std::thread::sleep(Duration::from_millis(20 + draw(250)));
        if n % 2 == 0 {
            killed_at_work += i64::from(child.try_wait().unwrap().is_none());
            let _ = child.kill();
            let _ = child.wait();
        } else {
            // The collector tries again until the archive is back.
            archive.kill_and_start();
            let _ = child.wait();
        }
    }
    done(collect(&folder, hours, "state"));
    assert!(killed_at_work > 0, "none was killed at work");
    everything_once(&|path| archive.get(path), hours);
}

fn opened(folder: &Folder, archive: &Archive) -> Result<ArchiveSink, String> {
    let config = Config::load(&folder.0.join("cloudkitty.conf"), None).unwrap();
    let mut limits = Limits::default();
    limits.retries = 1;
    limits.first_wait = Duration::from_millis(2);
    ArchiveSink::open(archive, &config, limits).map_err(|e| e.to_string())
}

/// A server that gives every request this answer.
fn fixed(status: u16, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 65_536]);
            let head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    url
}

#[test]
fn archives_that_cannot_be_used_are_told() {
    let folder = Folder::new("archive-wrong");
    files(&folder, "url = http://127.0.0.1:9", Duration::ZERO);
    for (url, says) in [
        ("http://127.0.0.1:9".to_owned(), "refused"),
        (
            fixed(401, "Unauthorized"),
            "it answered 401: Unauthorized; user and password are those of [ferrometer_archive]",
        ),
        (fixed(404, "<h1>not found</h1>"), "it answered 404: <h1>not found</h1>; url stands before /v1"),
        (fixed(200, "<h1>Sign in</h1>"), "its answer is not one of Gnocchi's API"),
        (fixed(503, "busy"), "the server answered 503: \"busy\" (2 attempts)"),
        (fixed(302, ""), "the server answered 302: nothing"),
        (
            fixed(403, r#"{"code": 403, "title": "Forbidden", "description": "no"}"#),
            "it answered 403: no; a user that may not create",
        ),
    ] {
        let message = opened(&folder, &Archive::new(&url)).unwrap_err();
        assert!(message.starts_with(&format!("the archive at {url}: ")) && message.contains(says), "{message}");
    }
    let mut secret = Archive::new(fixed(418, "YWRtaW46aHVudGVyMg== is what you said, hunter2"));
    secret.server.user = Some("admin".into());
    secret.server.password = Some(Secret::new("hunter2"));
    let message = opened(&folder, &secret).unwrap_err();
    assert!(message.contains("*** is what you said, ***") && !message.contains("hunter2"), "{message}");

    let process = Process::start(&folder);
    let url = format!("http://admin@127.0.0.1:{}", process.port);
    let mut archive = Archive::new(&url);
    archive.policy = Some("absent".into());
    assert_eq!(
        opened(&folder, &archive).unwrap_err(),
        "ferrometer_archive.policy: the archive has no policy \"absent\""
    );
    archive.policy = Some("low".into());
    assert!(opened(&folder, &archive).is_ok());
    // A type of that name which lacks the labels gets them.
    assert!(process.get("resource_type/ferrometer_usage")["attributes"]["label_flavor"].is_object());
    folder.write("metrics.yml", "metrics: {cpu: {unit: x, groupby: [zone]}}");
    assert!(opened(&folder, &archive).is_ok());
    assert!(process.get("resource_type/ferrometer_usage")["attributes"]["label_zone"].is_object());
    for (yaml, says) in [
        (
            "metrics: {m: {unit: '01234567890123456789012345678901'}}",
            "metrics.m.unit: found \"01234567890123456789012345678901\", expected at most 31 characters",
        ),
        (
            "metrics: {m: {unit: x, alt_name: z, groupby: [a]}, n: {unit: x, alt_name: z, metadata: [a]}}",
            "metrics.n and metrics.m have the name \"z\" and the same labels",
        ),
    ] {
        folder.write("metrics.yml", yaml);
        let message = opened(&folder, &archive).unwrap_err();
        assert!(message.starts_with(says), "{message}");
    }
}

#[test]
fn an_archive_that_goes_for_good_ends_the_run_and_nothing_counts() {
    let folder = Folder::new("archive-gone");
    let process = Process::start(&folder);
    files(&folder, &format!("url = http://admin@127.0.0.1:{}", process.port), Duration::ZERO);
    let mut sink = opened(&folder, &Archive::new(format!("http://admin@127.0.0.1:{}", process.port))).unwrap();
    let config = Config::load(&folder.0.join("cloudkitty.conf"), None).unwrap();
    let collector = Collector::new(Client::new(&config.server, Limits::default()).unwrap(), config);
    drop(process);
    let tasks = [Task { scope: "a".into(), from: BEGIN, to: BEGIN + 36_000 }];
    let mut told = 0;
    let failed = run(&collector, &tasks, &mut sink, None, &mut |periods| told += periods).unwrap_err().to_string();
    assert!(failed.starts_with("the archive at http://127.0.0.1:") && told == 0, "{failed} {told}");
}
