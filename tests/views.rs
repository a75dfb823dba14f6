//! Views as configured, from the file to what servers get: statsd's lines and the text of `/metrics`.

#![cfg(all(feature = "prometheus", feature = "config-file"))]

use ferrometer::{Config, Counter, get_logger, init};
use ferrometer_testkit::{Receiver, SOON, alone};
use std::time::Duration;

const BACKENDS: &str = r#"
    backend = ["statsd", "prometheus"]
    statsd_host = "127.0.0.1"
    [metrics.statsd]
    interval = 3600
    dialect = "dogstatsd"
    [metrics.prometheus]
    address = "127.0.0.1:0"
    interval = 3600
    process_metrics = false
"#;

fn config(receiver: &Receiver, views: &str) -> Config {
    let text = format!("[metrics]\nstatsd_port = {}\n{BACKENDS}\n{views}", receiver.port());
    Config::from_toml(&text).unwrap_or_else(|error| panic!("{error}"))
}

/// The samples of `/metrics` in which a word is.
fn lines<'t>(text: &'t str, word: &str) -> Vec<&'t str> {
    text.lines().filter(|line| line.contains(word) && !line.starts_with('#')).collect()
}

#[test]
fn both_servers_get_what_the_views_say() {
    let _alone = alone();
    let receiver = Receiver::new();
    let views = r#"
        [[metrics.views]]
        match = "nova.*.requests"
        rename = "nova.http_requests"
        drop_labels = ["user"]
        description = "Requests of all parts."

        [[metrics.views]]
        match = "nova.*.sizes"
        buckets = [10, 100]
        unit = "bytes"
        keep_labels = ["method"]

        [[metrics.views]]
        match = "nova.*.debug*"
        drop = true
    "#;
    let metrics = init(config(&receiver, views)).unwrap();
    for (part, user, calls) in [("api", "ann", 3), ("api", "bob", 4), ("compute", "ann", 5)] {
        let logger = get_logger(&format!("nova.{part}")).with("user", user).with("method", "GET");
        logger.counter("requests").add(calls);
        logger.histogram("sizes").record(calls);
        logger.histogram("sizes").record(50);
        logger.counter("debug.lines").add(1);
        logger.gauge("debug").set(1);
    }
    assert!(metrics.flush(SOON).complete);
    let text = metrics.prometheus().unwrap().text();
    assert_eq!(lines(&text, "nova_"), lines(&text, "method=\"GET\""));
    assert_eq!(lines(&text, "requests"), ["nova_http_requests_total{method=\"GET\"} 12"]);
    assert!(text.contains("# HELP nova_http_requests_total Requests of all parts.\n"), "{text}");
    assert_eq!(
        lines(&text, "nova_compute_sizes_bytes_bucket"),
        [
            "nova_compute_sizes_bytes_bucket{method=\"GET\",le=\"10\"} 1",
            "nova_compute_sizes_bytes_bucket{method=\"GET\",le=\"100\"} 2",
            "nova_compute_sizes_bytes_bucket{method=\"GET\",le=\"+Inf\"} 2",
        ]
    );
    assert_eq!(lines(&text, "nova_api_sizes_bytes_count"), ["nova_api_sizes_bytes_count{method=\"GET\"} 4"]);
    // Series of other tests stay in the process.
    assert!(lines(&text, "nova_").iter().all(|line| !line.contains("debug") && !line.contains("user")), "{text}");
    let mut sent = receiver.lines(3);
    sent.retain(|line| line.starts_with("nova"));
    sent.sort();
    assert_eq!(sent[sent.len() - 1], "nova.http_requests:12|c|#method:GET", "{sent:?}");
    assert!(sent.iter().all(|line| !line.contains("debug") && !line.contains("user")), "{sent:?}");
}

#[test]
fn a_configuration_that_comes_later_moves_what_handles_record_and_shows_it_alone() {
    let _alone = alone();
    let receiver = Receiver::new();
    let counters: Vec<Counter> =
        ["ann", "bob"].map(|user| get_logger("later").with("user", user).counter("calls")).into();
    let record = || counters.iter().for_each(|counter| counter.increment());
    let first = init(config(&receiver, "")).unwrap();
    record();
    assert!(first.flush(SOON).complete);
    let text = first.prometheus().unwrap().text();
    assert_eq!(
        lines(&text, "later_calls_total{"),
        ["later_calls_total{user=\"ann\"} 1", "later_calls_total{user=\"bob\"} 1"]
    );

    let without = "[[metrics.views]]\nmatch = 'later.*'\ndrop_labels = ['user']\n";
    let second = init(config(&receiver, without)).unwrap();
    record();
    assert!(second.flush(SOON).complete);
    let text = second.prometheus().unwrap().text();
    // Recordings from before were told before.
    assert_eq!(lines(&text, "later_calls_total"), ["later_calls_total 2"]);

    let third = init(config(&receiver, "[[metrics.views]]\nmatch = 'later.*'\ndrop = true\n")).unwrap();
    record();
    assert!(third.flush(SOON).complete);
    assert_eq!(lines(&third.prometheus().unwrap().text(), "later"), [""; 0]);

    let fourth = init(config(&receiver, "")).unwrap();
    record();
    let report = fourth.shutdown(SOON);
    assert!(report.complete && report.ledgers.iter().all(ferrometer::Ledger::balances), "{report:?}");
    let mut sent = receiver.lines(5);
    sent.retain(|line| line.starts_with("later"));
    sent.sort();
    let (ann, bob) = ("later.calls:1|c|#user:ann", "later.calls:1|c|#user:bob");
    assert_eq!(sent, [ann, ann, bob, bob, "later.calls:2|c"]);
}

#[test]
fn hostile_views_break_no_format() {
    let _alone = alone();
    let receiver = Receiver::new();
    // Two kinds of one name, two names of one format, names out of stars alone, and all names in one.
    let views = r#"
        [[metrics.views]]
        match = "hostile.kind.*"
        rename = "hostile.one"
        [[metrics.views]]
        match = "hostile.a"
        rename = "hostile.x_y"
        [[metrics.views]]
        match = "hostile.b"
        rename = "hostile.x.y"
        [[metrics.views]]
        match = "hostile.deep.***"
        rename = "*.*.*"
    "#;
    let metrics = init(config(&receiver, views)).unwrap();
    let logger = get_logger("hostile");
    logger.counter("kind.c").add(1);
    logger.gauge("kind.g").set(2);
    logger.timer("kind.t").record(Duration::from_millis(1));
    logger.counter("a").add(3);
    logger.counter("b").add(4);
    logger.counter("deep.q\n# TYPE evil gauge").add(5);
    let report = metrics.flush(SOON);
    assert!(report.ledgers.iter().all(ferrometer::Ledger::balances), "{report:?}");
    let text = metrics.prometheus().unwrap().text();
    let mut names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all, "{text}");
    assert!(!text.contains("# TYPE evil"), "{text}");
    assert_eq!(lines(&text, "hostile_x_y_total "), ["hostile_x_y_total 3"]);
    assert_eq!(lines(&text, "q__"), ["q___TYPE_evil_gauge_total 5"]);
    let collided = |ledger: &ferrometer::Ledger| ledger.dropped[ferrometer::Cause::Collision].recordings;
    // To statsd these are two names.
    assert_eq!(report.ledgers.iter().map(collided).collect::<Vec<_>>(), [0, 1]);
}
