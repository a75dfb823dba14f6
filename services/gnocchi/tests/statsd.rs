//! Statsd lines become measures of one resource.

mod common;

use common::Api;
use ferrometer_archive::{Error, SECOND};
use ferrometer_gnocchi::{
    Gnocchi, Settings, Statsd, StatsdAccounts, StatsdCause, StatsdSettings, StatsdSocket, StatsdTags, StatsdTimers,
};
use http::{Method, header};
use serde_json::{Value, json};
use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

fn settings(exact: bool) -> StatsdSettings {
    let mut settings = StatsdSettings::new(Uuid::from_u128(7));
    settings.policy = Some("high".into());
    settings.flush = Duration::from_millis(10);
    settings.exact = exact;
    settings
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
        b"nothing\nx:1\nx:y|c\nx:nan|g\nx:1|q\nx:1|c|@0\nx:1|c|@2\n:1|c\na/b:1|c\nx:1|c|\n\xff:1|c",
        60 * SECOND,
    );
    statsd.flush(61 * SECOND).unwrap();
    assert_eq!(measured(&api, "c%7Cc", "sum"), [5.0]);
    assert_eq!(measured(&api, "g%7Cg", "mean"), [324.0]);
    assert_eq!((measured(&api, "t%7Cms", "count"), measured(&api, "t%7Cms", "max")), (vec![3.0], vec![9.0]));
    let counts = statsd.counts();
    assert_eq!((counts.taken, counts.unreadable, counts.unknown_type, counts.refused), (7, 10, 1, 0));
    // A counter starts over, a gauge that nobody changed says nothing.
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

#[test]
fn each_cause_is_counted_by_itself() {
    let api = Api::new(Settings::default());
    let statsd = Statsd::new(api.archive(), settings(false));
    let lines = "n\nn:1\nn:x|c\nn:1|c|@9\nn:1|g|Tx\nn:1|c|?\n:1|c\nn:1|q\n_e{1,1}:a|b\n_sc|a|0\nok:1|c";
    statsd.receive(lines.as_bytes(), SECOND);
    statsd.receive(b"\xff:1|c", SECOND);
    let counts = statsd.counts();
    for cause in StatsdCause::ALL {
        let expected = match cause {
            StatsdCause::Long | StatsdCause::Bars | StatsdCause::Fatal | StatsdCause::Behind | StatsdCause::Limit => 0,
            _ => 1,
        };
        assert_eq!(counts.of(cause), expected, "{cause:?}");
    }
    assert_eq!((counts.taken, counts.unreadable, counts.unknown_type), (1, 8, 3));
}

#[test]
fn the_status_tells_the_account_of_each_daemon_that_runs() {
    let (api, accounts) = (Api::new(Settings::default()), StatsdAccounts::default());
    let told = Gnocchi::new(api.archive(), Settings::default()).with_statsd(accounts.clone());
    let ask = || {
        let headers = [(header::AUTHORIZATION, "basic YWRtaW46".parse().unwrap())].into_iter().collect();
        let answer = told.handle(Method::GET, &"/v1/status".parse().unwrap(), headers, Default::default());
        serde_json::from_slice::<serde_json::Value>(answer.body()).unwrap()
    };
    assert!(ask().get("statsd").is_none(), "as Gnocchi's, where there is no daemon");
    let daemon = Arc::new(Statsd::new(api.archive(), settings(false)));
    accounts.add(&daemon);
    daemon.receive(b"n:1|c\nn:1|c\nn:x|c\nn:1\nn:1", SECOND);
    let account = json!({
        "resource_id": Uuid::from_u128(7).to_string(), "lines_taken": 2, "datagrams_lost": 0, "measures_refused": 0, "measures_waiting": 0, "connections_refused": 0,
        "lines_dropped": {"a value that is no finite number": 1, "no type behind the value": 2},
    });
    assert_eq!(ask()["statsd"], json!([account]));
    drop(daemon);
    assert!(ask().get("statsd").is_none(), "one that ended is not told");
}

#[test]
fn rates_sets_tags_and_moments_of_every_dialect() {
    let api = Api::new(Settings::default());
    let mut with_tags = settings(false);
    with_tags.tags = StatsdTags::InName;
    let statsd = Statsd::new(api.archive(), with_tags);
    // A timer with a rate stands for this many calls, so that count, sum and percentiles are those of the calls.
    statsd.receive(b"t:10|ms|@0.1:20|ms\nu:joe|s\nu:ann|s\nu:joe|s", 60 * SECOND);
    statsd.receive(b"c:1|c|#b:2,a:1/x\nc,a=1/x,b=2:1|c\nc;b=2;a=1/x:1|c\nc[a=1/x,b=2]:1|c", 60 * SECOND);
    statsd.receive(b"old:5|c|T30\nold:6|c|T30\nold:1|g|T30\nold:7|g|T30", 60 * SECOND);
    statsd.flush(61 * SECOND).unwrap();
    assert_eq!((measured(&api, "t%7Cms", "count"), measured(&api, "t%7Cms", "sum")), (vec![11.0], vec![120.0]));
    assert_eq!(measured(&api, "u%7Cs", "max"), [2.0]);
    assert_eq!(measured(&api, "c@a=1_x,b=2%7Cc", "sum"), [4.0]);
    assert_eq!((measured(&api, "old%7Cc", "sum"), measured(&api, "old%7Cg", "max")), (vec![11.0], vec![7.0]));
    assert_eq!(statsd.counts().unreadable, 0);
}

#[test]
fn sampled_timers_become_percentiles() {
    let api = Api::new(Settings::default());
    let mut summary = settings(false);
    summary.timers = StatsdTimers::Summary(vec![50, 95]);
    let statsd = Statsd::new(api.archive(), summary);
    for value in 1..=99 {
        statsd.receive(format!("t:{value}|ms\n").as_bytes(), 60 * SECOND);
    }
    // One of a hundred calls like this one.
    statsd.receive(b"t:1000|ms|@0.01", 60 * SECOND);
    statsd.flush(61 * SECOND).unwrap();
    let one = |what: &str| measured(&api, &format!("t.{what}%7Cms"), "max")[0];
    assert_eq!((one("count"), one("min"), one("max"), one("sum")), (199.0, 1.0, 1000.0, 104_950.0));
    assert_eq!((one("50pct"), one("95pct")), (1000.0, 1000.0));
    assert!((one("mean") - 104_950.0 / 199.0).abs() < 1e-9);
}

#[test]
fn exact_behaviour_ends_a_datagram_where_upstream_does() {
    let api = Api::new(Settings::default());
    let statsd = Statsd::new(api.archive(), settings(true));
    statsd.receive(b"a:1|c\nb:1|ms|@0.5\nc:1|s\nd:1|c|@0\ne:1|c|#t\nf:1|c\ng:1|c", 60 * SECOND);
    statsd.receive(b"h:2|c|@0.5\nh:1|c", 65 * SECOND);
    statsd.flush(130 * SECOND).unwrap();
    let counts = statsd.counts();
    assert_eq!((counts.taken, counts.of(StatsdCause::Rate), counts.of(StatsdCause::Type)), (3, 2, 1));
    assert_eq!((counts.of(StatsdCause::Fatal), counts.of(StatsdCause::Behind)), (1, 2));
    assert_eq!(measured(&api, "h%7Cc", "sum"), [5.0]);
    // The measure is of the moment at which the last line came.
    let path = format!("/v1/resource/generic/{}/metric/h%7Cc/measures?granularity=60", Uuid::from_u128(7));
    assert_eq!(api.get(&path).is(200)[0][0], "1970-01-01T00:01:00+00:00");
}

#[test]
fn lines_of_every_socket_arrive() {
    let api = Api::new(Settings::default());
    let directory = std::env::temp_dir().join(format!("ferrometer-statsd-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).unwrap();
    let (datagrams, streams) = (directory.join("d"), directory.join("s"));
    let (udp, tcp) = (UdpSocket::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let (udp_at, tcp_at) = (udp.local_addr().unwrap(), tcp.local_addr().unwrap());
    let mut few = settings(false);
    few.connections = 2;
    let statsd = Arc::new(Statsd::new(api.archive(), few));
    let sockets = vec![
        StatsdSocket::Udp(udp),
        StatsdSocket::Tcp(tcp),
        StatsdSocket::UnixDatagram(UnixDatagram::bind(&datagrams).unwrap()),
        StatsdSocket::UnixStream(UnixListener::bind(&streams).unwrap()),
    ];
    let listening = Arc::clone(&statsd).listen_to(sockets).unwrap();
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"n:1|c\nn:1|c", udp_at).unwrap();
    UnixDatagram::unbound().unwrap().send_to(b"n:1|c", &datagrams).unwrap();
    let mut stream = TcpStream::connect(tcp_at).unwrap();
    let mut unix = UnixStream::connect(&streams).unwrap();
    // In pieces, with a line that is too long, and a last one without an end.
    stream.write_all(b"n:1").unwrap();
    stream.flush().unwrap();
    stream.write_all(b"|c\nn:1|c\n").unwrap();
    stream.write_all(&[b'x'; 200_000]).unwrap();
    stream.write_all(b"\nn:1|c\nn:1|c").unwrap();
    unix.write_all(b"n:1|c\nn:broken\n").unwrap();
    let settled = |taken: u64| {
        while statsd.counts().taken < taken {
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    settled(7);
    // Two are enough.
    let mut third = TcpStream::connect(tcp_at).unwrap();
    while statsd.counts().connections_refused == 0 {
        let _ = third.write_all(b"n:1|c\n");
        std::thread::sleep(Duration::from_millis(5));
    }
    drop((stream, unix, third));
    settled(8);
    drop(listening);
    let counts = statsd.counts();
    assert_eq!((counts.taken, counts.of(StatsdCause::Long), counts.of(StatsdCause::NoType)), (8, 1, 1), "{counts:?}");
    assert_eq!(measured(&api, "n%7Cc", "sum").iter().sum::<f64>(), 8.0);
    let _ = std::fs::remove_dir_all(&directory);
}

#[test]
fn what_the_archive_does_not_take_is_tried_again_and_keeps_its_order() {
    let api = Api::new(Settings::default());
    let mut later = settings(false);
    later.policy = Some("later".into());
    let statsd = Statsd::new(api.archive(), later.clone());
    let waits = |waiting: u64, refused: u64| {
        let counts = statsd.counts();
        assert_eq!((counts.waiting, counts.refused), (waiting, refused));
    };
    // There is no such policy yet.
    statsd.receive(b"c:1|c\ng:7|g\nt:5|ms\nt:9|ms", 60 * SECOND);
    statsd.flush(61 * SECOND).unwrap_err();
    waits(4, 0);
    statsd.receive(b"c:2|c\nold:5|c|T30", 120 * SECOND);
    statsd.flush(121 * SECOND).unwrap_err();
    // They wait while they are tried, too.
    std::thread::scope(|threads| {
        let tries = threads.spawn(|| (122..222).all(|second| statsd.flush(second * SECOND).is_err()));
        while !tries.is_finished() {
            waits(6, 0);
        }
        assert!(tries.join().unwrap());
    });
    let body = json!({"name": "later", "definition": [{"granularity": 60, "points": 10}], "back_window": 9});
    api.post("/v1/archive_policy", body).is(201);
    // Nothing has come meanwhile.
    statsd.flush(222 * SECOND).unwrap();
    waits(0, 0);
    assert_eq!(measured(&api, "c%7Cc", "sum"), [1.0, 2.0]);
    assert_eq!((measured(&api, "g%7Cg", "mean"), measured(&api, "t%7Cms", "sum")), (vec![7.0], vec![14.0]));
    assert_eq!(measured(&api, "old%7Cc", "sum"), [5.0]);
    statsd.flush(282 * SECOND).unwrap();
    assert_eq!(measured(&api, "c%7Cc", "count"), [1.0, 1.0], "each went once");
}

#[test]
fn the_disk_may_be_away_for_a_flush_but_not_at_the_end() {
    let api = Api::new(Settings::default());
    let (log, aside) = (api.directory().join("incoming"), api.directory().join("aside"));
    std::fs::rename(&log, &aside).unwrap();
    let statsd = Arc::new(Statsd::new(api.archive(), settings(false)));
    statsd.receive(b"n:1|c", 60 * SECOND);
    assert!(matches!(statsd.flush(61 * SECOND), Err(Error::Io(_))));
    assert_eq!(statsd.counts().waiting, 1);
    std::fs::rename(&aside, &log).unwrap();
    statsd.receive(b"n:2|c", 120 * SECOND);
    statsd.flush(121 * SECOND).unwrap();
    assert_eq!(measured(&api, "n%7Cc", "sum"), [1.0, 2.0]);
    // A daemon that ends has nobody who would try again.
    let other = Api::new(Settings::default());
    std::fs::rename(other.directory().join("incoming"), other.directory().join("aside")).unwrap();
    let ends = Arc::new(Statsd::new(other.archive(), settings(false)));
    let listening = Arc::clone(&ends).listen(UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap();
    ends.receive(b"n:1|c\nm:1|c", SECOND);
    drop(listening);
    assert_eq!((ends.counts().waiting, ends.counts().refused), (0, 2));
}
