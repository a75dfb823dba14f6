//! Against InfluxDB 1.6 (UDP, and its own route) and VictoriaMetrics (the routes of version 2).

use ferrometer_core::{Cause, flush, get_logger, install, remove};
use ferrometer_influxdb::{Api, InfluxDb, Protocol, Settings};
use ferrometer_push_testkit::http::{ask, encoded};
use ferrometer_push_testkit::program::{Program, low_port};
use ferrometer_push_testkit::{NEVER, SOON, Scratch, alone, hard, wait_for};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;

fn influxd(name: &str) -> (Program, u16, u16) {
    let scratch = Scratch::new(name);
    let (http, udp) = (low_port(), low_port());
    let dir = scratch.path().display();
    let config = format!(
        "reporting-disabled = true\nbind-address = \"127.0.0.1:{}\"\n[meta]\ndir = \"{dir}/meta\"\n[data]\ndir = \"{dir}/data\"\n\
         wal-dir = \"{dir}/wal\"\n[http]\nbind-address = \"127.0.0.1:{http}\"\n[[udp]]\nenabled = true\n\
         bind-address = \"127.0.0.1:{udp}\"\ndatabase = \"udp\"\nbatch-size = 1\nread-buffer = 4194304\n[monitor]\nstore-enabled = false\n",
        low_port()
    );
    let config = scratch.file("influxdb.conf", &config);
    let mut command = Command::new("influxd");
    command.arg("-config").arg(config);
    let program = Program::start(scratch, &mut command, http);
    wait_for(|| program.log().contains("Started listening on UDP").then_some(()), || program.log());
    (program, http, udp)
}

/// The last value of a field, by the tag `kind`.
fn last(http: u16, database: &str, measurement: &str, field: &str) -> BTreeMap<String, f64> {
    let query = format!("SELECT last(\"{field}\") FROM \"{measurement}\" GROUP BY *");
    let target = format!("/query?db={database}&q={}", encoded(&query));
    let (_, body) = ask(SocketAddr::from(([127, 0, 0, 1], http)), "GET", &target);
    let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
    let series = answer["results"][0]["series"].as_array().cloned().unwrap_or_default();
    let one = |s: &serde_json::Value| {
        let kind = s["tags"]["kind"].as_str().unwrap_or("").to_owned();
        (kind, s["values"][0][1].as_f64().unwrap())
    };
    series.iter().map(one).collect()
}

fn check(http: u16, database: &str, name: &str, truth: hard::Truth) {
    let one =
        |metric: &str, field: &str| last(http, database, &format!("{name}.{metric}"), field).values().next().copied();
    let settle = |metric: &str, field: &str, expected: f64| {
        let state = || format!("{metric}: {:?} {expected}", one(metric, field));
        wait_for(|| (one(metric, field) == Some(expected)).then_some(()), state);
    };
    settle("falls", "value", truth.up as f64);
    settle("falls", "decrements", truth.down as f64);
    settle("took", "count", truth.timed as f64);
    settle("took", "sum", truth.millis as f64);
    for (metric, value) in hard::GAUGES {
        settle(metric, "value", value);
    }
    let kinds = || last(http, database, &format!("{name}.hard"), "value");
    wait_for(|| (kinds().values().sum::<f64>() == truth.counted as f64).then_some(()), || format!("{:?}", kinds()));
    let kinds = kinds();
    assert_eq!(kinds.len(), hard::VALUES.len(), "{kinds:?}");
    for value in [
        "two words",
        "a,b=c",
        "semi;colon",
        "quo\"te",
        "back\\slash",
        "end_-b443b242",
        "new_line-2d5a2f3b",
        "é€😀",
        "~tilde",
    ] {
        assert!(kinds.contains_key(value), "{value:?} of {kinds:?}");
    }
}

#[test]
#[ignore = "needs Debian's influxdb; scripts/test installs and runs it"]
fn influxdb_1_keeps_what_comes_over_udp_and_over_its_own_route() {
    let _alone = alone();
    let (_program, http, udp) = influxd("influxd");
    install("influxdb", Box::new(InfluxDb::new(Settings::new("127.0.0.1", udp)).unwrap()), NEVER).unwrap();
    let truth = hard::record("iudp", 3);
    assert!(flush(SOON).complete);
    check(http, "udp", "iudp", truth);
    assert!(remove("influxdb", SOON).unwrap().balances());

    let address = SocketAddr::from(([127, 0, 0, 1], http));
    ask(address, "POST", &format!("/query?q={}", encoded("CREATE DATABASE viahttp")));
    let mut settings = Settings::new("127.0.0.1", http).protocol(Protocol::Http).bucket("none", "viahttp");
    // The routes of version 2 are not there.
    assert!(InfluxDb::test_connection(&settings).unwrap_err().contains("404"));
    settings.api = Api::V1;
    InfluxDb::test_connection(&settings).unwrap();
    install("influxdb", Box::new(InfluxDb::new(settings.clone()).unwrap()), NEVER).unwrap();
    let truth = hard::record("ihttp", 3);
    assert!(flush(SOON).complete);
    check(http, "viahttp", "ihttp", truth);
    assert!(remove("influxdb", SOON).unwrap().balances());

    // A field that has another type there: that line alone is refused, in the server's words.
    ask(address, "POST", "/query?q=x");
    settings.bucket = "viahttp".to_owned();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let line = "iconflict.c value=\"text\"";
    use std::io::{Read, Write};
    write!(stream, "POST /write?db=viahttp HTTP/1.0\r\nContent-Length: {}\r\n\r\n{line}", line.len()).unwrap();
    stream.read_to_string(&mut String::new()).unwrap();
    install("influxdb", Box::new(InfluxDb::new(settings).unwrap()), NEVER).unwrap();
    get_logger("iconflict").send_counter("c", 7);
    get_logger("iconflict").send_counter("d", 8);
    flush(SOON);
    let ledger = remove("influxdb", SOON).unwrap();
    assert!(ledger.balances(), "{ledger}");
    assert_eq!((ledger.sent.increments, ledger.dropped[Cause::Refused].increments), (8, 7), "{ledger}");
    assert_eq!(last(http, "viahttp", "iconflict.d", "value")[""], 8.0);
}

#[test]
#[ignore = "needs Debian's victoria-metrics; scripts/test installs and runs it"]
fn victoria_metrics_keeps_what_comes_over_the_routes_of_version_2() {
    let _alone = alone();
    let (http, influx) = (low_port(), low_port());
    let scratch = Scratch::new("influx-vm");
    let mut command = Command::new("victoria-metrics");
    command
        .arg(format!("-storageDataPath={}", scratch.path().join("data").display()))
        .arg("-search.latencyOffset=0s")
        .arg(format!("-httpListenAddr=127.0.0.1:{http}"))
        .arg(format!("-influxListenAddr=127.0.0.1:{influx}"));
    let _program = Program::start(scratch, &mut command, http);
    let settings = Settings::new("127.0.0.1", http).protocol(Protocol::Http).bucket("o", "b").token("t");
    InfluxDb::test_connection(&settings).unwrap();
    let udp = Settings::new("127.0.0.1", influx);
    for (name, settings) in [("ivm2", settings), ("ivmu", udp)] {
        install("influxdb", Box::new(InfluxDb::new(settings).unwrap()), NEVER).unwrap();
        let truth = hard::record(name, 2);
        assert!(flush(SOON).complete);
        let address = SocketAddr::from(([127, 0, 0, 1], http));
        let query = |query: &str| {
            ask(address, "GET", "/internal/force_flush");
            let (_, body) = ask(address, "GET", &format!("/api/v1/query?query={}", encoded(query)));
            let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
            let result = answer["data"]["result"].as_array().cloned().unwrap_or_default();
            result.first().and_then(|r| r["value"][1].as_str()?.parse::<f64>().ok())
        };
        for (text, expected) in [
            (format!("sum({{__name__=\"{name}.hard_value\"}})"), truth.counted as f64),
            (format!("count({{__name__=\"{name}.hard_value\"}})"), hard::VALUES.len() as f64),
            (format!("{{__name__=\"{name}.falls_decrements\"}}"), truth.down as f64),
            (format!("{{__name__=\"{name}.took_count\"}}"), truth.timed as f64),
            (format!("{{__name__=\"{name}.took_sum\"}}"), truth.millis as f64),
            (format!("{{__name__=\"{name}.third_value\"}}"), 1.0 / 3.0),
            (format!("{{__name__=\"{name}.hard_value\",kind=\"a,b=c\"}}"), 2.0 * 1000.0 + 2.0 + 1002.0),
        ] {
            // VictoriaMetrics keeps twelve digits.
            let is_it = |got: f64| (got - expected).abs() <= expected * 1e-12;
            wait_for(|| query(&text).filter(|got| is_it(*got)), || format!("{text}: {:?}", query(&text)));
        }
        assert!(remove("influxdb", SOON).unwrap().balances());
    }
}
