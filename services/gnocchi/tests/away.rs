//! Servers of an archive that are away, or may only be read: 503 with `Retry-After`, and nothing that was acknowledged is lost.

#![cfg(all(feature = "postgresql", feature = "redis", feature = "s3"))]

mod common;
#[path = "../../archive/tests/common/mod.rs"]
mod places;

use ferrometer_archive::{Cluster, Options, Servers, connect};
use ferrometer_gnocchi::{Gnocchi, Settings};
use ferrometer_http::{Frame, Server};
use places::servers;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An API over servers, which aggregates by itself unless told not to.
struct Api(Server);

impl Api {
    fn new(servers: &Servers, workers: usize, memory: usize) -> Api {
        let cluster = Cluster { every: Duration::from_millis(10), ..Cluster::default() };
        let options = Options { workers, memory, ..Options::default() };
        let archive = connect(&servers.clone().cluster(cluster), options).unwrap();
        let frame = Frame::new().address("127.0.0.1:0".parse().unwrap()).limits(Gnocchi::limits());
        Api(Arc::new(Gnocchi::new(archive.into(), Settings::default())).mount(frame).serve().unwrap())
    }

    /// Returns the status, the seconds after which to come again, and the body.
    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Option<u64>, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let told = common::ask(self.0.local_addr(), method, path, &body);
        (told.status, told.header("retry-after").parse().ok(), told.value())
    }

    fn metric(&self) -> String {
        let (status, _, made) = self.ask("POST", "/v1/metric", &json!({"archive_policy_name": "medium"}));
        assert_eq!(status, 201, "{made}");
        format!("/v1/metric/{}/measures", made["id"].as_str().unwrap())
    }

    #[track_caller]
    fn is_away(&self, method: &str, path: &str, body: &Value) {
        let (status, after, told) = self.ask(method, path, body);
        assert_eq!((status, after), (503, Some(5)), "{method} {path}: {told}");
        assert!(told["description"].as_str().is_some_and(|words| words.contains("away")), "{told}");
    }

    /// Asks whether it is ready, which has an answer of its own form.
    #[track_caller]
    fn is_not_ready(&self) {
        let (status, after, told) = self.ask("GET", "/readyz", &json!(null));
        assert_eq!((status, after), (503, Some(5)), "{told}");
        assert!(told["reason"].as_str().is_some_and(|words| words.contains("the archive")), "{told}");
    }

    fn count(&self, path: &str) -> f64 {
        let (status, _, rows) = self.ask("GET", &format!("{path}?aggregation=count&granularity=3600"), &json!(null));
        assert_eq!(status, 200, "{rows}");
        rows.as_array().unwrap().iter().map(|row| row[2].as_f64().unwrap()).sum()
    }

    /// Waits until nothing waits.
    fn drain(&self) {
        let begun = Instant::now();
        loop {
            let (_, _, status) = self.ask("GET", "/v1/status?details=false", &json!(null));
            if status["storage"]["summary"]["measures"] == 0 {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{status}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn measure(at: i64) -> Value {
    json!([{"timestamp": at, "value": 1}])
}

#[test]
#[ignore = "needs PostgreSQL, Redis, s3rver"]
fn what_was_acknowledged_before_and_while_a_server_was_away_is_there_once() {
    let (postgres, mut redis, mut s3) =
        (servers::Postgres::start("away"), servers::Server::redis(), servers::Server::s3());
    let places = Servers::new(&postgres.address)
        .incoming(format!("redis://127.0.0.1:{}/0", redis.port))
        .storage(format!("s3://S3RVER:S3RVER@archive/a?endpoint=http://127.0.0.1:{}", s3.port));
    // One that aggregates, and one that answers and remembers nothing.
    let (works, answers) = (Api::new(&places, 1, 64 << 20), Api::new(&places, 0, 0));
    let path = works.metric();
    let mut sent = 0;
    let mut send = |api: &Api| {
        assert_eq!(api.ask("POST", &path, &measure(sent)).0, 202);
        sent += 1;
        sent as f64
    };
    send(&works);
    works.drain();

    // Storage: measures are taken all the same, and queries say that they cannot be answered.
    s3.stop();
    let count = (0..5).map(|_| send(&answers)).last().unwrap();
    answers.is_away("GET", &path, &json!(null));
    s3.again();
    assert_eq!(answers.count(&path), count);
    works.drain();
    assert_eq!(answers.count(&path), count);

    // Incoming: no measure is taken.
    redis.stop();
    for api in [&works, &answers] {
        api.is_not_ready();
        // The backlog is not known, which is not nothing.
        api.is_away("GET", "/v1/status", &json!(null));
        api.is_away("GET", "/v1/status?details=false", &json!(null));
        api.is_away("POST", &path, &measure(1_000_000));
        api.is_away("GET", &path, &json!(null));
    }
    redis.again();
    assert_eq!(answers.count(&path), count, "a refused measure was taken");
    send(&answers);

    // Index: nothing is made, and who asks is told.
    postgres.stop();
    for api in [&works, &answers] {
        api.is_not_ready();
        api.is_away("POST", "/v1/metric", &json!({"archive_policy_name": "low"}));
        api.is_away("GET", &path, &json!(null));
        api.is_away("POST", &path, &measure(1_000_000));
    }
    postgres.again();
    let count = send(&works);
    works.drain();
    for api in [&works, &answers] {
        assert_eq!(api.count(&path), count);
    }

    // An index that may only be read, as a standby: what is asked is answered, what is to be changed is not.
    let mut database = postgres::Client::connect(&postgres.address, postgres::NoTls).unwrap();
    database.batch_execute("ALTER DATABASE postgres SET default_transaction_read_only = on").unwrap();
    let close =
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = 'postgres'";
    database.execute(close, &[]).unwrap();
    answers.is_away("POST", "/v1/metric", &json!({"archive_policy_name": "low"}));
    assert_eq!(answers.count(&path), count);
    let count = send(&answers);
    assert_eq!(answers.count(&path), count);
    database.batch_execute("SET default_transaction_read_only = off").unwrap();
    database.batch_execute("ALTER DATABASE postgres SET default_transaction_read_only = off").unwrap();
    database.execute(close, &[]).unwrap();
    works.drain();
    assert_eq!(answers.count(&path), count);
    answers.metric();
    assert!(ferrometer_archive::fsck::check_servers(&places, false).unwrap().is_sound());
}

/// Whichever server is away for a minute: what was acknowledged before, meanwhile and afterwards is there once, and what was not got 503 with
/// `Retry-After`.
#[test]
#[ignore = "needs PostgreSQL, Redis, s3rver; takes minutes"]
fn a_minute_without_a_server_loses_nothing() {
    let (postgres, redis, s3) = (servers::Postgres::start("minute"), servers::Server::redis(), servers::Server::s3());
    let (redis, s3) = (RefCell::new(redis), RefCell::new(s3));
    let places = Servers::new(&postgres.address)
        .incoming(format!("redis://127.0.0.1:{}/0", redis.borrow().port))
        .storage(format!("s3://S3RVER:S3RVER@archive/a?endpoint=http://127.0.0.1:{}", s3.borrow().port));
    let (works, answers) = (Api::new(&places, 1, 64 << 20), Api::new(&places, 0, 0));
    let (status, _, made) = works.ask("POST", "/v1/metric", &json!({"archive_policy_name": "high"}));
    assert_eq!(status, 201, "{made}");
    let path = format!("/v1/metric/{}/measures", made["id"].as_str().unwrap());
    // Each attempt is a second of its own, so that one that comes twice or not at all is told from the others.
    let (mut taken, mut refused, mut next) = (Vec::new(), 0, 0);
    let mut send = || {
        for api in [&works, &answers] {
            let (status, after, told) = api.ask("POST", &path, &measure(next));
            match (status, after) {
                (202, _) => taken.push(next),
                (503, Some(5)) => refused += 1,
                other => panic!("{other:?} {told}"),
            }
            next += 1;
        }
    };
    let stop: [&dyn Fn(); 3] = [&|| postgres.stop(), &|| redis.borrow_mut().stop(), &|| s3.borrow_mut().stop()];
    let again: [&dyn Fn(); 3] = [&|| postgres.again(), &|| redis.borrow_mut().again(), &|| s3.borrow_mut().again()];
    for (stop, again) in stop.into_iter().zip(again) {
        send();
        stop();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(60) {
            send();
            std::thread::sleep(Duration::from_millis(200));
        }
        again();
        send();
    }
    works.drain();
    let ask = format!("{path}?aggregation=count&granularity=1");
    for api in [&works, &answers] {
        let (status, _, rows) = api.ask("GET", &ask, &json!(null));
        assert_eq!(status, 200, "{rows}");
        let counts: Vec<f64> = rows.as_array().unwrap().iter().map(|row| row[2].as_f64().unwrap()).collect();
        assert!(counts.iter().all(|count| *count == 1.0), "one came twice: {rows}");
        let at = |row: &Value| row[0].as_str().unwrap().to_owned();
        let there: HashSet<String> = rows.as_array().unwrap().iter().map(at).collect();
        for second in &taken {
            let second = ferrometer_archive::time::timestamp(*second * ferrometer_archive::SECOND);
            assert!(there.contains(&second), "{second} was acknowledged and is not there");
        }
    }
    assert!(taken.len() > 6 && refused > 0, "{} taken, {refused} refused", taken.len());
    let report = ferrometer_archive::fsck::check_servers(&places, false).unwrap();
    assert!(report.is_sound(), "{report:?}");
}
