//! Gnocchi's own client, `gnocchiclient` 7.2 from PyPI, against the archive that a program serves itself: `archive.api`.
//!
//! ```text
//! GNOCCHI_CLIENT=…/bin/gnocchi cargo test --features archive-api --test interop_archive -- --ignored
//! ```
#![cfg(all(feature = "config-file", feature = "archive-api"))]

use ferrometer::config::Config;
use ferrometer_testkit::{Scratch, alone};
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

/// Runs the client; its output, or what it complains of.
fn client(endpoint: &str, user: &str, line: &str, more: &[&str]) -> Result<String, String> {
    let program = std::env::var("GNOCCHI_CLIENT").expect("GNOCCHI_CLIENT names the client");
    let mut command = Command::new(program);
    command.args(line.split(' ')).args(more);
    command.env("OS_AUTH_TYPE", "gnocchi-basic").env("GNOCCHI_USER", user).env("GNOCCHI_ENDPOINT", endpoint);
    let output = command.output().expect("the client runs");
    let [out, err] = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    if output.status.success() { Ok(out) } else { Err(format!("{line} {more:?}: {err}{out}")) }
}

fn json(endpoint: &str, line: &str, more: &[&str]) -> Value {
    let text = client(endpoint, "admin", &format!("{line} -f json"), more).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{line}: {error}: {text}"))
}

/// The values of a metric's aggregates of an hour, added up.
fn total(endpoint: &str, metric: &str, method: &str) -> f64 {
    let line = format!("measures show {metric} -r shop --utc --granularity 3600 --aggregation {method}");
    let rows = json(endpoint, &line, &[]);
    rows.as_array().unwrap().iter().map(|row| row["value"].as_f64().unwrap()).sum()
}

#[test]
#[ignore = "needs gnocchiclient from PyPI: GNOCCHI_CLIENT=…/bin/gnocchi"]
fn the_client_reads_and_writes_what_a_program_keeps() {
    let _alone = alone();
    let scratch = Scratch::new("interop-archive");
    let toml = format!(
        "[metrics]\nbackend = 'archive'\narchive.path = '{}'\narchive.policy = 'high'\narchive.resource = 'shop'\narchive.api = true\n\
         pull_cache.address = '127.0.0.1:0'\n",
        scratch.path().display()
    );
    let metrics = ferrometer::init(Config::from_toml(&toml).unwrap()).unwrap();
    let endpoint = format!("http://{}/gnocchi", metrics.http_address().unwrap());
    let logger = ferrometer::get_logger("interop");
    logger.send_counter("sold", 42);
    logger.send_gauge("stock", 7.5);
    (1..=9).for_each(|ms| logger.send_timer("took", Duration::from_millis(ms)));
    assert!(metrics.flush(SOON).complete);
    logger.send_counter("sold", 8);
    assert!(metrics.flush(SOON).complete);

    let shop = json(&endpoint, "resource show shop", &[]);
    assert_eq!((&shop["original_resource_id"], &shop["type"]), (&"shop".into(), &"generic".into()), "{shop}");
    let found = json(&endpoint, "metric list", &[]);
    let names: Vec<&str> = found.as_array().unwrap().iter().filter_map(|metric| metric["name"].as_str()).collect();
    for name in ["interop.sold", "interop.stock", "interop.took.count", "interop.took.sum", "interop.took.p99"] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    assert_eq!((total(&endpoint, "interop.sold", "sum"), total(&endpoint, "interop.stock", "max")), (50.0, 7.5));
    assert_eq!(
        (total(&endpoint, "interop.took.count", "sum"), total(&endpoint, "interop.took.sum", "sum")),
        (9.0, 45.0)
    );
    let across = ["(aggregate sum (metric interop.sold sum))", "original_resource_id = 'shop'"];
    let across = json(&endpoint, "aggregates --granularity 3600", &across);
    let across: f64 = across.as_array().unwrap().iter().map(|row| row["value"].as_f64().unwrap()).sum();
    assert_eq!(across, 50.0);
    client(&endpoint, "admin", "status", &[]).unwrap();

    // Others write into it: beside the program's metrics, and into them.
    json(&endpoint, "metric create others -r shop -a high", &[]);
    client(&endpoint, "admin", "measures add others -r shop", &["-m", "2014-10-06T14:33:57@43.1"]).unwrap();
    assert_eq!(total(&endpoint, "others", "sum"), 43.1);
    // The account of what a client removed goes on when it is recorded again.
    client(&endpoint, "admin", "metric delete interop.stock -r shop", &[]).unwrap();
    logger.send_gauge("stock", 3.5);
    assert!(metrics.flush(SOON).complete);
    assert_eq!(total(&endpoint, "interop.stock", "max"), 3.5);
    // Another user does not change what the program made.
    let sold = json(&endpoint, "metric show interop.sold -r shop", &[])["id"].as_str().unwrap().to_owned();
    let told = client(&endpoint, "guest", "metric delete", &[&sold]).unwrap_err();
    assert!(told.contains("403"), "{told}");

    let report = metrics.shutdown(SOON);
    assert!(report.ledgers.iter().all(|ledger| ledger.balances() && ledger.pending.is_zero()), "{report:?}");
}
