//! The facade from outside: one line of configuration decides where the same recordings go, and can be changed while the program runs.

use ferrometer::{Cause, Config, Logger, counter, get_logger, init, logger, timer};
#[cfg(unix)]
use ferrometer_testkit::in_a_child;
use ferrometer_testkit::{Receiver, SOON, Scratch, alone};
use std::thread;
use std::time::Duration;

static METRICS: Logger = logger!("facade");

#[counter(METRICS, "calls")]
#[timer(METRICS, "time", sample_rate = 1.0)]
fn instrumented() {}

#[test]
fn the_same_program_reports_to_whatever_is_configured() {
    let _alone = alone();
    // Made before anything is configured.
    let handle = METRICS.counter("handle");
    let receiver = Receiver::new();
    let port = receiver.port();
    // For guards that are dropped: however slow the machine, what was recorded is delivered.
    let patient = || Config::new().statsd_host("127.0.0.1").statsd_port(port).shutdown_deadline(SOON);
    let statsd = || patient().backend("statsd");
    let metrics = init(statsd()).unwrap();
    handle.add(3);
    instrumented();
    drop(metrics); // delivers
    let mut got = receiver.lines(3);
    got.retain(|l| !l.contains("|ms"));
    got.sort();
    assert_eq!(got, ["facade.calls:1|c", "facade.handle:3|c"]);

    // Off in between: nothing is recorded.
    handle.add(100);
    let metrics = init(patient().backend_list(["statsd", "pull-cache"])).unwrap();
    handle.add(4);
    assert!(metrics.flush(SOON).complete);
    assert_eq!(receiver.lines(1), ["facade.handle:4|c"]);
    let generation = metrics.pull_cache().unwrap().most_recent().unwrap();
    let record = generation.records().find(|r| r.metric == "facade.handle").unwrap();
    // Totals of the pull cache count from the program's start: what it and Prometheus show only grows.
    assert_eq!(record.value, 7.0);

    // Another configuration while the program runs: names change, nothing is lost or sent twice, the old guard is inert.
    handle.add(5);
    let renamed = init(statsd().global_prefix("new").host("h.example").prepend_host(true)).unwrap();
    assert!(ferrometer::ledgers().iter().all(|l| l.backend == "statsd"));
    drop(metrics);
    handle.add(6);
    let report = renamed.shutdown(SOON);
    assert!(report.complete && report.ledgers[0].balances());
    assert_eq!(receiver.lines(2), ["facade.handle:5|c", "new.h.example.facade.handle:6|c"]);
}

#[test]
fn a_file_with_the_specifications_block_loads_unchanged() {
    let _alone = alone();
    let block = "[metrics]\n# Backend options are \"statsd\" and \"noop\"\nbackend=\"noop\"\nstatsd_host=\"localhost\"\n\
                 statsd_port=8125\nprepend_host=false\nprepend_host_reverse=false\nglobal_prefix=\"\"\n";
    let scratch = Scratch::new("block");
    let path = scratch.file("metrics.toml", block);
    let metrics = init(path.as_path()).unwrap();
    drop(metrics);
    std::fs::write(&path, block.replace("statsd_port=8125", "statsd_port=0")).unwrap();
    let error = init(&path).unwrap_err();
    // The message is what `fn main() -> Result<(), ferrometer::Error>` shows.
    let message = format!("{error:?}");
    assert!(message.contains(".toml:5:13: metrics.statsd_port = 0"), "{message}");
    assert!(message.contains("from 1 to 65535"), "{message}");
    let error = init("/no/such/metrics.toml").unwrap_err();
    assert!(error.to_string().starts_with("/no/such/metrics.toml: cannot be read: "), "{error}");
}

#[test]
fn a_refused_configuration_changes_nothing() {
    let _alone = alone();
    let receiver = Receiver::new();
    let port = receiver.port();
    let metrics = init(Config::new().backend("statsd").statsd_host("127.0.0.1").statsd_port(port)).unwrap();
    METRICS.send_counter("kept", 1);
    assert!(init(Config::new().backend("statd")).unwrap_err().to_string().contains("did you mean \"statsd\"?"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let busy =
        Config::new().backend("pull-cache").pull_cache_http(true).pull_cache_address(taken.local_addr().unwrap());
    let error = init(busy).unwrap_err().to_string();
    assert!(
        error.starts_with("metrics.pull_cache.address = \"127.0.0.1:") && error.contains("cannot be listened on"),
        "{error}"
    );
    METRICS.send_counter("kept", 1);
    assert!(metrics.shutdown(SOON).complete);
    assert_eq!(receiver.lines(1), ["facade.kept:2|c"]);
}

#[test]
fn generations_on_disk_are_handed_over_and_an_unusable_path_is_refused() {
    let _alone = alone();
    let scratch = Scratch::new("facade");
    let directory = scratch.path();
    let pull =
        || Config::new().backend("pull-cache").pull_cache_interval(Duration::from_secs(3600)).shutdown_deadline(SOON);
    let first = init(pull().pull_cache_path(directory)).unwrap();
    METRICS.send_counter("stored", 1);
    assert!(first.flush(SOON).complete);
    let refused = init(pull().pull_cache_path(directory.join("lock"))).unwrap_err().to_string();
    assert!(refused.starts_with("metrics.pull_cache.path: ") && refused.contains("is a file"), "{refused}");
    let second = init(pull().pull_cache_path(directory).global_prefix("second")).unwrap();
    drop(first);
    METRICS.send_counter("stored", 1);
    assert!(second.flush(SOON).complete);
    let state = second.pull_cache().unwrap().persistence().unwrap();
    assert_eq!((state.failed, &state.last_error), (0, &None));
    let read = || ferrometer::pull_cache::read(directory).unwrap();
    let has = |metric: &str| read().any(|g| g.records().any(|r| r.metric == metric));
    assert!(has("facade.stored") && has("second.facade.stored"));
    let stamps: Vec<i64> = read().map(|g| g.timestamp()).collect();
    assert!(stamps.windows(2).all(|w| w[0] < w[1]), "{stamps:?}");
    drop(second);
    // Stored generations are in the answers of the next, before anything is recorded.
    let third = init(pull().pull_cache_path(directory)).unwrap();
    let cache = third.pull_cache().unwrap();
    assert!(cache.history(None).any(|g| g.records().any(|r| r.metric == "second.facade.stored")));
    drop(third);
}

#[test]
fn the_endpoint_is_handed_over_to_the_next_configuration() {
    use std::io::{Read, Write};
    let _alone = alone();
    let pull = |address: &str| {
        let config = Config::new().backend("pull-cache").shutdown_deadline(SOON);
        config.pull_cache_http(true).pull_cache_address(address.parse().unwrap())
    };
    let first = init(pull("127.0.0.1:0")).unwrap();
    let address = first.http_address().unwrap();
    let second = init(pull(&address.to_string()).global_prefix("second")).unwrap();
    drop(first);
    METRICS.send_counter("served", 1);
    assert!(second.flush(SOON).complete);
    let mut client = std::net::TcpStream::connect(address).unwrap();
    client.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("second_facade_served_total 1\n"), "{answer}");
    drop(second);
    assert!(std::net::TcpStream::connect(address).is_err(), "the endpoint outlives its guard");
}

#[test]
fn a_host_that_cannot_be_resolved_is_no_error_for_the_program() {
    let _alone = alone();
    let metrics = init(Config::new().backend("statsd").statsd_host("no-such-host.invalid")).unwrap();
    METRICS.send_counter("lost", 2);
    let report = metrics.shutdown(Duration::from_millis(500));
    assert!(!report.complete);
    let ledger = &report.ledgers[0];
    assert!(ledger.balances(), "{ledger}");
    assert_eq!(ledger.dropped[Cause::Removed].increments, 2);
}

#[test]
fn counting_goes_on_through_threads_and_shutdowns() {
    let _alone = alone();
    let receiver = Receiver::new();
    let port = receiver.port();
    let statsd = || Config::new().backend("statsd").statsd_host("127.0.0.1").statsd_port(port);
    let counter = get_logger("through").counter("c");
    let mut sent = 0;
    for _ in 0..3 {
        let metrics = init(statsd()).unwrap();
        let threads: Vec<_> =
            (0..4).map(|_| thread::spawn(move || (0..1000).for_each(|_| counter.increment()))).collect();
        threads.into_iter().for_each(|t| t.join().unwrap());
        let report = metrics.shutdown(SOON);
        assert!(report.complete && report.ledgers[0].balances());
        sent += report.ledgers[0].sent.increments;
        // Recording after the end: off, and harmless.
        counter.increment();
    }
    assert_eq!(sent, 12_000);
    let total: i64 = receiver
        .lines(3)
        .iter()
        .map(|l| l.strip_prefix("through.c:").unwrap().strip_suffix("|c").unwrap().parse::<i64>().unwrap())
        .sum();
    assert_eq!(total, 12_000);
}

#[cfg(unix)]
#[test]
fn a_forked_child_records_nothing_until_it_calls_init() {
    let _alone = alone();
    let receiver = Receiver::new();
    let port = receiver.port();
    let statsd = move || Config::new().backend("statsd").statsd_host("127.0.0.1").statsd_port(port);
    let metrics = init(statsd()).unwrap();
    let counter = get_logger("forked").counter("c");
    counter.add(1);
    assert!(metrics.flush(SOON).complete);
    let is_well = in_a_child(|| {
        counter.add(1000); // off
        init(statsd()).is_ok_and(|metrics| {
            counter.add(10);
            metrics.shutdown(SOON).complete
        })
    });
    assert!(is_well, "the child could not record after init");
    counter.add(2);
    assert!(metrics.shutdown(SOON).complete);
    let mut got = receiver.lines(3);
    got.sort();
    assert_eq!(got, ["forked.c:10|c", "forked.c:1|c", "forked.c:2|c"]);
}

#[test]
fn the_endpoint_is_served_as_configured() {
    use std::io::{Read, Write};
    let _alone = alone();
    let pull = |address: &str| {
        Config::new().backend("pull-cache").pull_cache_http(true).pull_cache_address(address.parse().unwrap())
    };
    for (config, expected) in [
        (
            pull("0.0.0.0:0"),
            "metrics.pull_cache.address = \"0.0.0.0:0\": other machines can reach it, and there is no TLS",
        ),
        (
            pull("0.0.0.0:0").pull_cache_allow_plaintext(true),
            "metrics.pull_cache.address = \"0.0.0.0:0\": other machines can reach it, and there are no tokens",
        ),
        (
            pull("127.0.0.1:0").pull_cache_tls_cert("a.pem"),
            "metrics.pull_cache.tls_cert is set and metrics.pull_cache.tls_key is not; they are needed together",
        ),
        #[cfg(feature = "tls")]
        (
            pull("127.0.0.1:0").pull_cache_tls_cert("/no/such.pem").pull_cache_tls_key("/no/such.key"),
            "metrics.pull_cache.tls_cert, tls_key: /no/such.pem: cannot be read: ",
        ),
        (
            pull("127.0.0.1:0").pull_cache_tokens_file("/no/such"),
            "metrics.pull_cache.tokens_file: /no/such: cannot be read: ",
        ),
    ] {
        let error = init(config).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    // SHA-256 of `correct-horse-battery-staple`.
    let token = "reader=sha256:87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590";
    let metrics = init(pull("127.0.0.1:0").pull_cache_tokens([token]).pull_cache_max_query_bytes(64)).unwrap();
    let ask = |target: &str, token: &str| {
        let mut client = std::net::TcpStream::connect(metrics.http_address().unwrap()).unwrap();
        write!(client, "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{token}\r\n").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    let right = "Authorization: Bearer correct-horse-battery-staple\r\n";
    assert_eq!(ask("/v1/metrics", ""), "401");
    assert_eq!(ask("/v1/metrics", right), "200");
    assert_eq!(ask(&format!("/v1/metrics?name={}", "x".repeat(60)), right), "414");
    let counts = metrics.http_counts().unwrap();
    assert_eq!((counts.requests, counts.denied), (3, 1), "{counts:?}");
    // A refused configuration leaves the endpoint in force as it is, at the same address.
    let address = metrics.http_address().unwrap();
    let broken = pull(&address.to_string()).pull_cache_tokens_file("/no/such");
    assert!(init(broken).is_err());
    assert_eq!(ask("/v1/metrics", right), "200");
    // The port is the same, and the address is none of this machine: the old one is served again.
    let elsewhere = pull(&format!("192.0.2.1:{}", address.port()));
    assert!(init(elsewhere.pull_cache_allow_plaintext(true).pull_cache_allow_anonymous(true)).is_err());
    assert_eq!(ask("/v1/metrics", ""), "401");
    assert_eq!(ask("/v1/metrics", right), "200");
}

#[test]
fn a_configuration_that_is_replaced_keeps_the_history_and_the_port() {
    use std::io::{Read, Write};
    let _alone = alone();
    let pull =
        || Config::new().backend("pull-cache").pull_cache_http(true).pull_cache_interval(Duration::from_secs(60));
    let ask = |metrics: &ferrometer::Metrics, target: &str| {
        let mut client = std::net::TcpStream::connect(("127.0.0.1", metrics.http_address().unwrap().port())).unwrap();
        write!(client, "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer
    };
    let counter = get_logger("reconfigured").counter("c");
    let first = init(pull().pull_cache_address("127.0.0.1:0".parse().unwrap())).unwrap();
    counter.add(3);
    assert!(first.flush(SOON).complete);
    let port = first.http_address().unwrap().port();
    // All addresses, among them the one that is bound.
    let all = pull().pull_cache_address(([0, 0, 0, 0], port).into());
    let second = init(all.pull_cache_allow_plaintext(true).pull_cache_allow_anonymous(true)).unwrap();
    drop(first);
    assert!(ask(&second, "/v1/metrics?history=1&name=reconfigured.c").contains("\"value\":3.0"));
    counter.add(2);
    assert!(second.flush(SOON).complete);
    let history = ask(&second, "/v1/metrics?history=1&name=reconfigured.c");
    assert!(history.contains("\"value\":3.0") && history.contains("\"value\":5.0"), "{history}");
    assert!(ask(&second, "/metrics").contains("reconfigured_c_total 5\n"));
}
