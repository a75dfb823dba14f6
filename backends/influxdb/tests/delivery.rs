//! Against a server of our own: what arrives, what each answer does to the account, and what is written where nothing should be.

mod support;

use ferrometer_core::{Cause, Ledger, flush, get_logger, install, ledgers, remove};
use ferrometer_influxdb::{InfluxDb, Protocol, Settings};
use ferrometer_push_testkit::http::{Answer, Server};
use ferrometer_push_testkit::{NEVER, SOON, alone, hard, wait_for, with_view};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{Line, lines, values};

fn http(server: &Server) -> Settings {
    Settings::new("127.0.0.1", server.address.port()).protocol(Protocol::Http)
}

fn start(settings: Settings) {
    install("influxdb", Box::new(InfluxDb::new(settings).unwrap()), NEVER).unwrap();
}

fn account() -> Ledger {
    ledgers().into_iter().find(|l| l.backend == "influxdb").unwrap()
}

fn all_lines(server: &Server) -> Vec<Line> {
    server.take().iter().flat_map(|request| lines(&request.body)).collect()
}

#[test]
fn what_arrives_is_what_was_recorded() {
    let _alone = alone();
    let server = Server::start(|_| Answer::status(204));
    start(http(&server).bucket("my org", "b").token("hush"));
    let truth = hard::record("id", 2);
    get_logger("id").sampled(1.0 / 3.0).send_counter("sampled", 0);
    let busy = get_logger("id").in_flight("busy").enter();
    assert!(flush(SOON).complete);
    drop(busy);
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(
        (requests[0].method.as_str(), requests[0].target.as_str()),
        ("POST", "/api/v2/write?org=my+org&bucket=b")
    );
    assert_eq!(requests[0].header("authorization"), Some("Token hush"));
    assert_eq!(requests[0].header("content-encoding"), Some("gzip"));
    assert!(requests[0].wire.len() < requests[0].body.len());
    let found = all_lines(&server);
    let hard: f64 = values(&found, "id.hard", "value").values().sum();
    assert_eq!(hard, truth.counted as f64);
    assert_eq!(values(&found, "id.hard", "value").len(), hard::VALUES.len());
    let one = |name: &str, field: &str| values(&found, name, field).values().next().copied();
    assert_eq!(
        (one("id.falls", "value"), one("id.falls", "decrements")),
        (Some(truth.up as f64), Some(truth.down as f64))
    );
    assert_eq!((one("id.took", "count"), one("id.took", "sum")), (Some(truth.timed as f64), Some(truth.millis as f64)));
    assert_eq!(one("id.busy", "value"), Some(1.0));
    for (name, value) in hard::GAUGES {
        assert_eq!(one(&format!("id.{name}"), "value"), Some(value), "{name}");
    }
    let ledger = remove("influxdb", SOON).unwrap();
    assert!(ledger.balances() && ledger.pending.is_zero(), "{ledger}");
    assert_eq!(ledger.dropped_in_all().recordings, 2 * hard::INVALID, "{ledger}");
    assert_eq!(ledger.dropped[Cause::Invalid].recordings, 2 * hard::INVALID);
}

#[test]
fn a_body_never_passes_its_limit_and_all_of_it_arrives() {
    let _alone = alone();
    let server = Server::start(|_| Answer::status(204));
    let mut settings = http(&server);
    settings.max_body_size = 2000;
    start(settings);
    let logger = get_logger("ib");
    (0..500u64).for_each(|i| logger.send_counter(format!("c{i}"), i));
    assert!(flush(SOON).complete);
    let requests = server.requests();
    assert!(
        requests.len() > 5
            && requests
                .iter()
                .all(|r| r.body.len() <= 2000 && r.body.len() > 1000 || r.body == requests.last().unwrap().body)
    );
    let found = all_lines(&server);
    let sum: f64 = (0..500).map(|i| values(&found, &format!("ib.c{i}"), "value").values().sum::<f64>()).sum();
    assert_eq!(sum, (0..500).sum::<u64>() as f64);
    assert!(account().balances() && account().packets == requests.len() as u64, "{}", account());
}

#[test]
fn a_server_that_takes_less_gets_halves() {
    let _alone = alone();
    let server = Server::start(|request| Answer::status(if lines(&request.body).len() > 7 { 413 } else { 204 }));
    start(http(&server));
    let logger = get_logger("ih");
    (0..100u64).for_each(|i| logger.send_counter(format!("c{i}"), 1));
    flush(SOON);
    let ledger = account();
    assert!(ledger.balances() && ledger.sent.increments == 100, "{ledger}");
    // The size that it takes is known now.
    server.take();
    logger.send_counter("c1", 1);
    flush(SOON);
    let requests = server.take();
    assert!(requests.iter().filter(|r| lines(&r.body).len() > 7).count() <= 1, "{}", requests.len());
    assert!(remove("influxdb", SOON).unwrap().balances());
}

#[test]
fn a_server_that_finds_everything_too_large_is_not_asked_for_each_line() {
    let _alone = alone();
    let server = Server::start(|_| Answer::status(413));
    start(http(&server));
    let logger = get_logger("it");
    (0..2000u64).for_each(|i| logger.send_counter(format!("c{i}"), 1));
    for _ in 0..2 {
        logger.send_counter("c1", 1);
        flush(SOON);
        let requests = server.take().len();
        assert!(requests < 400, "{requests}");
        let ledger = account();
        assert!(ledger.balances() && ledger.sent.is_zero() && ledger.pending.is_zero(), "{ledger}");
        assert!(ledger.dropped[Cause::TooLarge].recordings > 0, "{ledger}");
    }
    assert!(remove("influxdb", SOON).unwrap().balances());
}

#[test]
fn one_line_that_is_refused_costs_only_itself() {
    let _alone = alone();
    let refuse = |request: &ferrometer_push_testkit::http::Request| {
        let is_bad = String::from_utf8_lossy(&request.body).contains("ir.bad");
        if is_bad { Answer::Status(400, "", b"bad: token hush\nsecond line".to_vec()) } else { Answer::status(204) }
    };
    let server = Server::start(refuse);
    start(http(&server).token("hush"));
    let logger = get_logger("ir");
    (0..100u64).for_each(|i| logger.send_counter(format!("c{i}"), 1));
    logger.send_counter("bad", 1000);
    (100..200u64).for_each(|i| logger.send_counter(format!("c{i}"), 1));
    flush(SOON);
    let ledger = account();
    assert!(ledger.balances() && ledger.sent.increments == 200, "{ledger}");
    assert_eq!((ledger.dropped[Cause::Refused].recordings, ledger.dropped[Cause::Refused].increments), (1, 1000));
    // It is known now, and costs no further requests.
    server.take();
    logger.send_counter("bad", 1);
    logger.send_counter("c1", 1);
    flush(SOON);
    assert_eq!(server.take().len(), 1);
    let ledger = remove("influxdb", SOON).unwrap();
    assert!(ledger.balances() && ledger.sent.increments == 201, "{ledger}");
    assert_eq!(ledger.dropped[Cause::Refused].increments, 1001);
}

#[test]
fn each_answer_has_its_place_in_the_account() {
    let _alone = alone();
    let answer = Arc::new(Mutex::new(Answer::status(204)));
    let says = Arc::clone(&answer);
    let server = Server::start(move |_| says.lock().unwrap().clone());
    let moved = Answer::Status(307, "Location: http://127.0.0.1:9/\r\n", Vec::new());
    for (said, is_sent, is_refused) in [
        (Answer::status(200), true, false),
        (Answer::Endless, true, false),
        (Answer::status(401), false, true),
        (Answer::status(404), false, true),
        (Answer::status(429), false, false),
        (Answer::status(500), false, false),
        (Answer::status(503), false, false),
        (moved, false, false),
        (Answer::Cut, false, false),
        (Answer::Garbage, false, false),
        (Answer::Slow(Duration::from_millis(1500)), false, false),
    ] {
        *answer.lock().unwrap() = said.clone();
        let mut settings = http(&server);
        // So that an answer in time is that on any machine.
        settings.timeout = if matches!(said, Answer::Slow(_)) { Duration::from_millis(400) } else { SOON };
        start(settings);
        get_logger("ia").send_counter("c", 3);
        flush(SOON);
        let ledger = account();
        assert!(ledger.balances(), "{said:?}: {ledger}");
        assert_eq!(ledger.sent.increments == 3, is_sent, "{said:?}: {ledger}");
        assert_eq!(ledger.dropped[Cause::Refused].increments == 3, is_refused, "{said:?}: {ledger}");
        assert_eq!(ledger.pending.increments == 3, !is_sent && !is_refused, "{said:?}: {ledger}");
        *answer.lock().unwrap() = Answer::status(204);
        let ledger = remove("influxdb", SOON).unwrap();
        // A flush tries again: what was pending is sent.
        assert!(ledger.balances() && ledger.pending.is_zero(), "{said:?}: {ledger}");
        assert_eq!(ledger.sent.increments == 3, !is_refused, "{said:?}: {ledger}");
    }
}

#[test]
fn a_server_that_asks_for_a_pause_gets_it() {
    let _alone = alone();
    let first = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&first);
    let server = Server::start(move |_| {
        let mut seen = seen.lock().unwrap();
        if seen.is_none() {
            *seen = Some(Instant::now());
            return Answer::Status(429, "Retry-After: 2\r\n", Vec::new());
        }
        assert!(seen.unwrap().elapsed() > Duration::from_millis(1900), "asked again too early");
        Answer::status(204)
    });
    install("influxdb", Box::new(InfluxDb::new(http(&server)).unwrap()), Duration::from_millis(100)).unwrap();
    get_logger("ip").send_counter("c", 1);
    wait_for(|| (account().sent.increments == 1).then_some(()), || account().to_string());
    assert_eq!(server.requests()[0].target, server.requests()[1].target);
    assert!(remove("influxdb", SOON).unwrap().balances());
}

#[test]
fn three_servers_of_which_one_is_dead_one_slow_and_one_refuses_do_not_touch_the_fourth() {
    let _alone = alone();
    let (good, refusing) = (Server::start(|_| Answer::status(204)), Server::start(|_| Answer::status(403)));
    let slow = Server::start(|_| Answer::Slow(Duration::from_secs(3)));
    let dead = Server::start(|_| Answer::Cut);
    for (name, server) in [("slow", &slow), ("refusing", &refusing), ("good", &good)] {
        install(name, Box::new(InfluxDb::new(http(server)).unwrap()), Duration::from_millis(50)).unwrap();
    }
    let port = dead.address.port();
    drop(dead);
    let nobody = Settings::new("127.0.0.1", port).protocol(Protocol::Http);
    install("dead", Box::new(InfluxDb::new(nobody).unwrap()), Duration::from_millis(50)).unwrap();
    let truth = hard::record("i3", 20);
    let get = |name: &str| ledgers().into_iter().find(|l| l.backend == name).unwrap();
    let has_all = || get("good").sent.increments == truth.counted + truth.up;
    wait_for(|| has_all().then_some(()), || get("good").to_string());
    let is_refused = || get("refusing").dropped[Cause::Refused].increments == truth.counted + truth.up;
    wait_for(|| is_refused().then_some(()), || get("refusing").to_string());
    let found = all_lines(&good);
    assert_eq!(values(&found, "i3.hard", "value").values().sum::<f64>(), truth.counted as f64);
    let report = ferrometer_core::shutdown(Duration::from_secs(2));
    assert!(report.ledgers.iter().all(Ledger::balances), "{report:?}");
    let of = |name: &str| report.ledgers.iter().find(|l| l.backend == name).unwrap();
    assert!(of("good").pending.is_zero() && of("good").dropped[Cause::Removed].is_zero());
    assert!(of("dead").sent.is_zero() && of("slow").sent.is_zero());
    assert_eq!(of("refusing").dropped[Cause::Refused].increments, truth.counted + truth.up);
}

#[test]
fn types_of_one_measurement_do_not_meet() {
    let _alone = alone();
    let server = Server::start(|_| Answer::status(204));
    start(http(&server));
    get_logger("it").with("a", "1").send_counter("x", 1);
    get_logger("it").with("b", "1").send_gauge("x", 2.5);
    flush(SOON);
    let ledger = remove("influxdb", SOON).unwrap();
    assert!(ledger.balances() && ledger.sent.recordings == 1, "{ledger}");
    assert_eq!(ledger.dropped[Cause::Collision].recordings, 1);
}

#[test]
fn the_preview_has_the_bytes_on_the_wire_and_before() {
    let _alone = alone();
    let server = Server::start(|_| Answer::status(204));
    let mut backend = InfluxDb::new(http(&server)).unwrap();
    let shown = with_view(
        || {
            hard::record("iv", 1);
        },
        move |view| backend.preview(view),
    );
    assert!(server.requests().is_empty() && shown.len() == 1);
    assert!(shown[0].wire.starts_with(&[0x1f, 0x8b]) && shown[0].wire.len() < shown[0].plain.len());
    assert_eq!(values(&lines(&shown[0].plain), "iv.falls", "value").len(), 1);
}
