//! Statsd lines become measures of one resource.

mod common;

use common::Api;
use ferrometer_archive::SECOND;
use ferrometer_gnocchi::{Settings, Statsd, StatsdSettings};
use serde_json::{Value, json};
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

fn settings(exact: bool) -> StatsdSettings {
    StatsdSettings {
        resource: Uuid::from_u128(7),
        creator: "admin".into(),
        policy: Some("high".into()),
        flush: Duration::from_millis(10),
        exact,
    }
}

/// Returns aggregates of a metric of the resource, at a granularity of a minute.
fn measured(api: &Api, name: &str, method: &str) -> Vec<f64> {
    let path = format!(
        "/v1/resource/generic/{}/metric/{name}/measures?granularity=60&aggregation={method}",
        Uuid::from_u128(7)
    );
    let rows = api.get(&path).is(200);
    rows.as_array().unwrap().iter().map(|row: &Value| row[2].as_f64().unwrap()).collect()
}

#[test]
fn each_type_becomes_its_measures_and_each_bad_line_is_counted() {
    let api = Api::new(Settings::default());
    let statsd = Statsd::new(api.archive(), settings(false));
    statsd.receive(b"c:1|c\nc:2|c|@0.5\n\nt:5|ms\nt:7:9|ms|#tag:x\ng:333|g\ng:-10|g\ng:+1|g", 60 * SECOND);
    statsd.receive(
        b"nothing\nx:1\nx:y|c\nx:nan|g\nx:1|s\nx:1|c|@0\nx:1|c|@2\n:1|c\na/b:1|c\nx:1|c|\n\xff:1|c",
        60 * SECOND,
    );
    statsd.flush(61 * SECOND).unwrap();
    assert_eq!(measured(&api, "c%7Cc", "sum"), [5.0]);
    assert_eq!(measured(&api, "g%7Cg", "mean"), [324.0]);
    assert_eq!((measured(&api, "t%7Cms", "count"), measured(&api, "t%7Cms", "max")), (vec![3.0], vec![9.0]));
    let counts = statsd.counts();
    assert_eq!((counts.taken, counts.unreadable, counts.unknown_type, counts.refused), (7, 10, 1, 0));
    // A counter begins anew, a gauge that nobody changed says nothing.
    statsd.receive(b"c:1|c", 130 * SECOND);
    statsd.flush(131 * SECOND).unwrap();
    assert_eq!(measured(&api, "c%7Cc", "sum"), [5.0, 1.0]);
    assert_eq!(measured(&api, "g%7Cg", "count"), [1.0]);
}

#[test]
fn exact_behaviour_is_that_of_gnocchi_statsd() {
    let api = Api::new(Settings::default());
    let statsd = Statsd::new(api.archive(), settings(true));
    statsd.receive(b"g1:333|g\ng1:-10|g\nt:5|ms\nt:7|ms", 60 * SECOND);
    statsd.flush(61 * SECOND).unwrap();
    assert_eq!(measured(&api, "g1%7Cg", "mean"), [-10.0]);
    assert_eq!((measured(&api, "t%7Cms", "count"), measured(&api, "t%7Cms", "sum")), (vec![1.0], vec![7.0]));
}

#[test]
fn datagrams_of_a_socket_arrive() {
    let api = Api::new(Settings::default());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let statsd = Arc::new(Statsd::new(api.archive(), settings(false)));
    let listening = Arc::clone(&statsd).listen(socket).unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..100 {
        client.send_to(b"n:1|c\nn:1|c", address).unwrap();
    }
    while statsd.counts().taken < 200 {
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(listening);
    assert_eq!(measured(&api, "n%7Cc", "sum").iter().sum::<f64>(), 200.0);
    assert_eq!(api.get("/v1/status?details=false").is(200)["storage"]["summary"], json!({"metrics": 0, "measures": 0}));
}
