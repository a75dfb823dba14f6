//! The Prometheus exporter as configured: alone it keeps no generations and serves its totals; beside or without the pull cache, `/metrics`
//! is there as it was.

#![cfg(feature = "http")]

use ferrometer::{Config, Error, get_logger, init, ledgers};
use ferrometer_testkit::{SOON, alone};
use std::io::{Read, Write};
use std::net::SocketAddr;

fn ask(address: SocketAddr, target: &str) -> String {
    let mut client = std::net::TcpStream::connect(address).unwrap();
    write!(client, "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn alone_it_serves_its_totals_and_keeps_no_generations() {
    let _alone = alone();
    let toml =
        "[metrics]\nbackend = \"prometheus\"\n\n[metrics.prometheus]\naddress = \"127.0.0.1:0\"\ninterval = 3600\n";
    let metrics = init(Config::from_toml(toml).unwrap()).unwrap();
    get_logger("exported").with("till", "3").send_counter("c", 5);
    assert!(metrics.flush(SOON).complete);
    assert!(metrics.pull_cache().is_none());
    let text = metrics.prometheus().unwrap().text();
    assert!(text.contains("\nexported_c_total{till=\"3\"} 5\n"), "{text}");
    let address = metrics.http_address().unwrap();
    assert!(ask(address, "/metrics").contains("\nexported_c_total{till=\"3\"} 5\n"));
    assert!(ask(address, "/v1/metrics").starts_with("HTTP/1.1 404 "));
    let index = ask(address, "/");
    assert!(index.contains("GET /metrics") && !index.contains("/v1/"), "{index}");
    assert!(ask(address, "/readyz").ends_with(r#"{"ok":true}"#));
    let names: Vec<String> = ledgers().into_iter().map(|ledger| ledger.backend).collect();
    assert_eq!(names, ["prometheus"]);
}

#[test]
fn a_pull_cache_that_is_served_has_totals_in_its_own_account() {
    let _alone = alone();
    let config = || Config::new().pull_cache_address("127.0.0.1:0".parse().unwrap());
    for (config, backends, has_records) in [
        (config().backend("pull-cache").pull_cache_http(true), &["pull-cache"][..], true),
        (config().backend_list(["pull-cache", "prometheus"]), &["pull-cache", "prometheus"], false),
        (
            config().backend_list(["prometheus", "pull-cache"]).pull_cache_http(true),
            &["prometheus", "pull-cache"],
            true,
        ),
    ] {
        let metrics = init(config).unwrap();
        get_logger("both").send_counter("c", 1);
        let report = metrics.flush(SOON);
        assert!(report.complete && report.ledgers.iter().all(ferrometer::Ledger::balances), "{report:?}");
        let names: Vec<&str> = report.ledgers.iter().map(|ledger| ledger.backend.as_str()).collect();
        assert_eq!(names, backends);
        let address = metrics.http_address().unwrap();
        assert!(ask(address, "/metrics").contains("\nboth_c_total "), "{backends:?}");
        assert_eq!(ask(address, "/v1/metrics").starts_with("HTTP/1.1 200 "), has_records, "{backends:?}");
    }
    // A cache that is not served needs no totals.
    let metrics = init(config().backend("pull-cache")).unwrap();
    assert!(metrics.prometheus().is_none() && metrics.http_address().is_none());
}

#[test]
fn a_program_with_a_server_of_its_own_needs_no_second_one() {
    let _alone = alone();
    let config = Config::from_toml("[metrics]\nbackend = 'prometheus'\nprometheus.http = false\n").unwrap();
    assert_eq!(config.warnings(), [""; 0]);
    let metrics = init(config).unwrap();
    assert!(metrics.http_address().is_none());
    let scrape = std::sync::Arc::new(ferrometer::services::scrape::Scrape::new(metrics.prometheus().unwrap().clone()));
    let frame = ferrometer::http::Frame::new().address("127.0.0.1:0".parse().unwrap()).mount("/", scrape);
    let server = frame.serve().unwrap();
    get_logger("own").send_counter("c", 2);
    assert!(metrics.flush(SOON).complete);
    assert!(ask(server.local_addr(), "/metrics").contains("\nown_c_total 2\n"));
    // A pull cache that is served has its totals there in any case.
    drop(metrics);
    let both = Config::new().backend("pull-cache").pull_cache_http(true).prometheus_http(false);
    let metrics = init(both.pull_cache_address("127.0.0.1:0".parse().unwrap())).unwrap();
    assert!(metrics.flush(SOON).complete);
    assert!(ask(metrics.http_address().unwrap(), "/metrics").starts_with("HTTP/1.1 200 "));
}

#[test]
fn what_a_program_mounted_follows_a_new_configuration() {
    let _alone = alone();
    let config =
        || Config::new().backend_list(["prometheus", "pull-cache"]).prometheus_http(false).pull_cache_http(false);
    let mut metrics = init(config()).unwrap();
    let (totals, cache) = (metrics.prometheus().unwrap().clone(), metrics.pull_cache().unwrap().clone());
    let scrape = std::sync::Arc::new(ferrometer::services::scrape::Scrape::new(totals.clone()));
    let api = std::sync::Arc::new(ferrometer::services::cache_api::CacheApi::new(cache.clone()));
    let frame = ferrometer::http::Frame::new().address("127.0.0.1:0".parse().unwrap()).mount("/", scrape);
    let server = frame.mount("/", api).serve().unwrap();
    let followed = get_logger("followed").counter("c");
    for reload in 1..=3 {
        followed.increment();
        metrics = init(config().global_prefix(format!("p{reload}"))).unwrap();
        assert!(metrics.flush(SOON).complete);
        let line = format!("\np{reload}_followed_c_total {reload}\n");
        assert!(ask(server.local_addr(), "/metrics").contains(&line), "reload {reload}");
        assert!(totals.text().contains(&line) && metrics.prometheus().unwrap().text().contains(&line));
        let record = format!("p{reload}.followed");
        assert!(ask(server.local_addr(), "/v1/metrics").contains(&record), "reload {reload}");
        assert_eq!(cache.window(), metrics.pull_cache().unwrap().window());
    }
    // Without a successor, the last numbers stay.
    drop(metrics);
    followed.increment();
    let again = init(config()).unwrap();
    assert!(again.flush(SOON).complete);
    assert!(totals.text().contains("\np3_followed_c_total 3\n"));
    assert!(!again.prometheus().unwrap().text().contains("p3_"));
}

#[test]
fn mistakes_name_the_table_that_they_are_looked_for_in() {
    let _alone = alone();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for (backend, table) in [("prometheus", "metrics.prometheus"), ("pull-cache", "metrics.pull_cache")] {
        let config = Config::new().backend(backend).pull_cache_http(true).pull_cache_address(address);
        let error = init(config).unwrap_err();
        assert!(matches!(error, Error::Serve { .. }));
        let message = error.to_string();
        assert!(message.starts_with(&format!("{table}.address = \"{address}\": cannot be listened on: ")), "{message}");
    }
    let twice = "[metrics.pull_cache]\naddress = \"127.0.0.1:1\"\n[metrics.prometheus]\naddress = \"127.0.0.1:2\"\n";
    let error = Config::from_toml(twice).unwrap_err().to_string();
    assert!(error.contains("conflicts with metrics.pull_cache.address = \"127.0.0.1:1\""), "{error}");
}
