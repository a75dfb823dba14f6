//! Against Ferrometer's own archive server, in a process that is killed and started again; and against answers of every kind.

mod support;

use ferrometer_archive::{Archive, Options};
use ferrometer_archive_backend::{ArchiveBackend, Auth, Counters, Settings};
use ferrometer_core::{Cause, Ledger, flush, get_logger, install, ledgers, remove};
use ferrometer_gnocchi::Gnocchi;
use ferrometer_http::Frame;
use ferrometer_push_testkit::http::{Answer, Server};
use ferrometer_push_testkit::program::{Program, low_port};
use ferrometer_push_testkit::{NEVER, SOON, Scratch, alone, hard, wait_for, with_view};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{metrics, total};

const DIRECTORY: &str = "FERROMETER_ARCHIVE_BACKEND_DIRECTORY";
const PORT: &str = "FERROMETER_ARCHIVE_BACKEND_PORT";

/// Runs in a process of its own: serves an archive until it is killed.
#[test]
#[ignore = "the child of the tests below"]
fn child() {
    let (Ok(directory), Ok(port)) = (std::env::var(DIRECTORY), std::env::var(PORT)) else { return };
    let archive = Archive::open(Path::new(&directory), Options::default()).unwrap();
    let api = Arc::new(Gnocchi::new(archive.into(), ferrometer_gnocchi::Settings::default()));
    let address: SocketAddr = format!("127.0.0.1:{port}").parse().unwrap();
    let _server = api.mount(Frame::new().address(address).limits(Gnocchi::limits())).serve().unwrap();
    loop {
        std::thread::park();
    }
}

fn serve(directory: &Path, port: u16) -> Program {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--ignored", "--nocapture"]);
    command.env(DIRECTORY, directory).env(PORT, port.to_string());
    Program::start(Scratch::new(&format!("archive-log-{port}")), &mut command, port)
}

fn start(settings: Settings) {
    install("archive", Box::new(ArchiveBackend::new(settings).unwrap()), NEVER).unwrap();
}

fn account() -> Ledger {
    ledgers().into_iter().find(|ledger| ledger.backend == "archive").unwrap()
}

#[test]
fn what_arrives_is_what_was_recorded() {
    let _alone = alone();
    let scratch = Scratch::new("archive-remote");
    let port = low_port();
    let server = serve(scratch.path(), port);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let settings = Settings::remote(format!("http://{address}/")).resource("my shop");
    ArchiveBackend::test_connection(&settings).unwrap();
    start(settings);
    let truth = hard::record("ra", 2);
    assert!(flush(SOON).complete, "{}", account());
    let sum = |name: &str, method: &str| total(address, "my%20shop", name, method);
    assert_eq!(sum("ra.falls", "sum"), (truth.up - truth.down) as f64);
    assert_eq!((sum("ra.took.count", "sum"), sum("ra.took.sum", "sum")), (truth.timed as f64, truth.millis as f64));
    for (name, value) in hard::GAUGES {
        assert_eq!(sum(&format!("ra.{name}"), "max"), value, "{name}");
    }
    let all = metrics(address, "my%20shop");
    let hard = all.iter().filter(|(name, _)| name.starts_with("ra.hard.")).map(|(name, _)| sum(name, "sum"));
    assert_eq!(hard.sum::<f64>(), truth.counted as f64);
    assert!(all.iter().any(|(name, unit)| name == "ra.took.p95" && unit == "ms"), "{all:?}");
    let ledger = remove("archive", SOON).unwrap();
    assert!(ledger.balances() && ledger.pending.is_zero(), "{ledger}");
    assert_eq!(ledger.dropped_in_all().recordings, 2 * hard::INVALID, "{ledger}");
    drop(server);
}

#[test]
fn a_server_that_is_killed_misses_nothing() {
    let _alone = alone();
    let scratch = Scratch::new("archive-killed");
    let port = low_port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut server = Some(serve(scratch.path(), port));
    start(Settings::remote(format!("http://{address}")).resource("killed"));
    let logger = get_logger("rk");
    let mut counted = 0;
    for round in 1..=10u64 {
        logger.send_counter("c", round);
        logger.send_timer("t", Duration::from_millis(round));
        counted += round;
        if round % 3 == 0 {
            drop(server.take());
            assert!(!flush(Duration::from_millis(100)).complete);
            // A flush with little time may end before all is counted.
            wait_for(|| (!account().pending.is_zero()).then_some(()), || account().to_string());
            assert!(account().balances(), "{}", account());
        }
        server.get_or_insert_with(|| serve(scratch.path(), port));
        assert!(flush(SOON).complete, "{}", account());
    }
    assert_eq!(total(address, "killed", "rk.c", "sum"), counted as f64);
    assert_eq!(total(address, "killed", "rk.t.count", "sum"), 10.0);
    let ledger = remove("archive", SOON).unwrap();
    assert!(ledger.balances() && ledger.pending.is_zero() && ledger.dropped_in_all().is_zero(), "{ledger}");
}

#[test]
fn a_resource_that_is_missing_is_made_once() {
    let _alone = alone();
    let made = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&made);
    let server = Server::start(move |request| match request.target.as_str() {
        "/g/v1/resource/my%20kind" => {
            count.fetch_add(1, Relaxed);
            // Another process was first.
            Answer::status(409)
        }
        "/g/v1/batch/resources/metrics/measures?create_metrics=true" if count.load(Relaxed) == 0 => {
            let body = br#"{"code": 400, "description": {"cause": "Unknown resources", "detail": []}}"#;
            Answer::Status(400, "Content-Type: application/json\r\n", body.to_vec())
        }
        "/g/v1/batch/resources/metrics/measures?create_metrics=true" => Answer::status(202),
        other => panic!("{other}"),
    });
    let mut settings = Settings::remote(format!("{}/g", server.url())).resource("a \"quoted\" one").policy("p\"q");
    settings.resource_type = "my kind".to_owned();
    settings.gzip = true;
    start(settings.auth(Auth::Bearer("hush".into())));
    for round in 0..2 {
        get_logger("rm").send_counter("c", 3 + round);
        (0..100).for_each(|i| get_logger("rm").send_gauge(format!("g{i}"), 0.5));
        assert!(flush(SOON).complete);
    }
    let requests = server.requests();
    assert_eq!((made.load(Relaxed), requests.len()), (1, 4));
    assert_eq!(requests[0].header("authorization"), Some("Bearer hush"));
    assert_eq!(requests[0].header("content-encoding"), Some("gzip"));
    assert_eq!(requests[1].body, br#"{"id":"a \"quoted\" one"}"#);
    let body: Value = serde_json::from_slice(&requests[3].body).unwrap();
    let entry = &body["a \"quoted\" one"]["rm.c"];
    assert_eq!((&entry["archive_policy_name"], &entry["measures"][0]["value"]), (&"p\"q".into(), &4.into()));
    let own = body["a \"quoted\" one"].as_object().unwrap().keys().filter(|name| name.starts_with("rm."));
    assert_eq!(own.count(), 101);
    remove("archive", SOON);
}

#[test]
fn each_answer_has_its_place_in_the_account() {
    let _alone = alone();
    let answer = Arc::new(Mutex::new(Answer::status(503)));
    let said = Arc::clone(&answer);
    let server = Server::start(move |_| said.lock().unwrap().clone());
    start(Settings::remote(server.url()));
    let logger = get_logger("rv");
    logger.send_counter("c", 1);
    for retry in [Answer::status(503), Answer::status(500), Answer::Cut, Answer::Garbage, Answer::status(302)] {
        *answer.lock().unwrap() = retry.clone();
        assert!(!flush(Duration::from_millis(100)).complete, "{retry:?}");
        let counted = || Some(account()).filter(|ledger| !ledger.pending.is_zero());
        let ledger = wait_for(counted, || account().to_string());
        assert!(ledger.balances() && ledger.dropped_in_all().is_zero(), "{ledger}");
    }
    *answer.lock().unwrap() = Answer::status(202);
    server.take();
    assert!(flush(SOON).complete, "{}", account());
    let body = |server: &Server| -> Value { serde_json::from_slice(&server.take().last().unwrap().body).unwrap() };
    let value =
        |body: &Value| body.as_object().unwrap().values().next().unwrap()["rv.c"]["measures"][0]["value"].clone();
    assert_eq!(value(&body(&server)), 1, "what was missed comes once");
    // Refused measures are given up, and no later delta has them.
    logger.send_counter("c", 10);
    *answer.lock().unwrap() = Answer::status(400);
    flush(SOON);
    assert_eq!(account().dropped[Cause::Refused].recordings, 1, "{}", account());
    *answer.lock().unwrap() = Answer::status(202);
    server.take();
    // A piece that was refused alone is not tried for a while: another instrument shows that deliveries go on.
    logger.send_counter("d", 7);
    assert!(flush(SOON).complete, "{}", account());
    let last = body(&server);
    assert_eq!(last.as_object().unwrap().values().next().unwrap()["rv.d"]["measures"][0]["value"], 7);
    *answer.lock().unwrap() = Answer::Status(429, "Retry-After: 3600\r\n", Vec::new());
    logger.send_counter("d", 8);
    let errors = account().errors;
    assert!(!flush(Duration::from_millis(200)).complete);
    wait_for(|| (account().errors > errors).then_some(()), || account().to_string());
    server.take();
    assert!(!flush(Duration::from_millis(200)).complete);
    assert!(server.requests().is_empty(), "the server asked to be left alone");
    let ledger = remove("archive", Duration::from_millis(100)).unwrap();
    assert!(ledger.balances(), "{ledger}");
    assert_eq!(ledger.dropped[Cause::Removed].recordings, 1, "{ledger}");
}

#[test]
fn a_body_never_passes_its_limit_and_a_preview_sends_nothing() {
    let _alone = alone();
    let server = Server::start(|_| Answer::status(202));
    let mut settings = Settings::remote(server.url()).counters(Counters::Total);
    settings.max_body_size = 8192;
    let mut backend = ArchiveBackend::new(settings.clone()).unwrap();
    let logger = get_logger("rl");
    let preview = with_view(
        move || (0..500u64).for_each(|i| logger.send_counter(format!("c{i}"), i)),
        move |view| backend.preview(view),
    );
    assert!(server.requests().is_empty() && preview.len() >= 5, "{}", preview.len());
    assert!(preview.iter().all(|body| body.wire.len() <= 8192));
    start(settings);
    (0..500u64).for_each(|i| get_logger("rl").send_counter(format!("c{i}"), i));
    assert!(flush(SOON).complete);
    let mut values = 0.0;
    for request in server.take() {
        assert!(request.body.len() <= 8192);
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        for (name, entry) in body.as_object().unwrap().values().next().unwrap().as_object().unwrap() {
            if name.starts_with("rl.c") {
                values += entry["measures"][0]["value"].as_f64().unwrap();
            }
        }
    }
    assert_eq!(values, 2.0 * (0..500).sum::<u32>() as f64);
    remove("archive", SOON);
}
