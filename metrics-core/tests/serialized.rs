//! Accounts and snapshots as `serde` sees them.
#![cfg(feature = "serde")]

use ferrometer_core::*;
use ferrometer_testkit::{NEVER, SOON, alone, sink};
use serde_json::{Value as Json, json};
use std::time::Duration;

#[test]
fn a_snapshot_is_a_list_of_totals() {
    let _alone = alone().then(release);
    hold();
    let logger = get_logger("serialized").with("city", "Oslo");
    logger.send_counter("sold", 5);
    logger.send_counter("sold", -2);
    logger.send_gauge("level", 0.5);
    logger.sampled(1.0).send_timer("time", Duration::from_micros(2));
    let _busy = logger.in_flight("busy").enter();
    let all = serde_json::to_value(&*snapshot()).unwrap();
    let find = |metric: &str| -> Json {
        let is_it = |total: &&Json| total["logger"] == "serialized" && total["metric"] == metric;
        all.as_array().unwrap().iter().find(is_it).unwrap().clone()
    };
    let labels = json!({"city": "Oslo"});
    let sold = json!({"logger": "serialized", "metric": "sold", "labels": labels, "kind": "counter", "rate": 1.0, "recordings": 2,
        "increments": 5, "decrements": 2});
    assert_eq!(find("sold"), sold);
    assert_eq!((find("level")["value"].clone(), find("busy")["value"].clone()), (json!(0.5), json!(1)));
    let time = find("time");
    assert_eq!((&time["count"], &time["sum"], &time["max"]), (&json!(1), &json!(2000.0), &json!(2000.0)));
}

#[test]
fn an_account_has_every_field_and_the_causes_that_there_are() {
    let _alone = alone();
    install("serialized", sink(), NEVER).unwrap();
    get_logger("serialized").send_gauge("refused", f64::NAN);
    get_logger("serialized").send_counter("sent", 3);
    let report = serde_json::to_value(flush(SOON)).unwrap();
    let ledger = remove("serialized", SOON).unwrap();
    assert_eq!(report["complete"], true);
    let written = &report["ledgers"][0];
    assert_eq!(written["sent"]["increments"], 3);
    assert_eq!(written["dropped"], json!({"invalid": {"recordings": 1, "increments": 0, "decrements": 0}}));
    // Every field that `Debug` shows.
    let shown = format!("{ledger:#?}");
    let fields = shown
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.split_once(':'))
        .filter(|(name, _)| !name.starts_with(' '));
    let mut known = 0;
    for (field, _) in fields {
        assert!(written.get(field).is_some(), "{field}");
        known += 1;
    }
    assert_eq!(known, written.as_object().unwrap().len());
}
