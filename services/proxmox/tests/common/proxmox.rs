//! Half an hour of generations with objects of Proxmox, and what the routes of Proxmox answer with.

use super::Cache;
use super::client::Answer;
use ferrometer_core::get_logger;
use ferrometer_pull_cache::{PullCacheBackend, PullCacheHandle, Settings};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::{Duration, UNIX_EPOCH};

pub const PVE: &str = "/api2/json/cluster/metrics/export";
pub const PBS: &str = "/api2/json/status/metrics";
pub const FIRST: i64 = 1_700_000_000;
pub const LAST: i64 = FIRST + 1800;
pub const SECRET: &str = "correct-horse-battery-staple";

pub fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub fn hash(secret: &str) -> String {
    Sha256::digest(secret).iter().map(|b| format!("{b:02x}")).collect()
}

/// Half an hour of generations, one each ten seconds, made by hand. Also returns where the counter stands: it goes on from one such half hour to
/// the next, and which test comes first is open.
pub fn half_an_hour() -> (Cache, PullCacheHandle, i64) {
    static NET_IN: AtomicI64 = AtomicI64::new(0);
    let (cache, handle) = half_an_hour_of("px");
    // Nobody else has the pipeline meanwhile.
    let net_in = NET_IN.fetch_add(181 - 7, Relaxed) + 181 - 7;
    (cache, handle, net_in)
}

pub fn half_an_hour_of(logger: &str) -> (Cache, PullCacheHandle) {
    let cache = Cache::install(Duration::from_secs(3600));
    let mut backend = PullCacheBackend::new(Settings::default());
    let logger = get_logger(logger);
    let machine = logger.for_object("qemu/100");
    machine.with("dev", "net0/a").send_counter("net_in", -7);
    for at in 0..=180 {
        logger.send_gauge("load", at as f64 / 4.0);
        machine.with("dev", "net0/a").send_counter("net_in", 1);
        logger.for_object("datastore/store1").send_gauge("disk_used", 5);
        logger.for_object("datastore/store1/s3").send_gauge("uploaded", 1e20);
        logger.for_object("datastore/store2").send_gauge("disk_used", 0.1);
        let time = UNIX_EPOCH + Duration::from_secs((FIRST + at * 10) as u64);
        backend.make(time, ferrometer_core::snapshot().totals(), &Default::default());
    }
    (cache, backend.handle())
}

/// The rows of an answer, those that this test recorded.
pub fn rows(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{} {}", answer.head, answer.text());
    assert!(answer.has("content-type: application/json;charset=utf-8"), "{}", answer.head);
    let whole: Value = serde_json::from_slice(&answer.body).unwrap();
    let rows = whole["data"]["data"].as_array().unwrap().clone();
    assert!(rows.windows(2).all(|two| two[0]["timestamp"].as_i64() <= two[1]["timestamp"].as_i64()));
    rows.into_iter().filter(|row| row["metric"].as_str().unwrap().starts_with("px.")).collect()
}

pub fn stamps(answer: &Answer) -> Vec<i64> {
    let all: BTreeSet<i64> = rows(answer).iter().map(|row| row["timestamp"].as_i64().unwrap()).collect();
    all.into_iter().collect()
}

pub fn ids(answer: &Answer) -> Vec<String> {
    let all: BTreeSet<String> = rows(answer).iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    all.into_iter().collect()
}
