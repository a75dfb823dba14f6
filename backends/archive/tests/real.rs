//! Against a real Gnocchi: `GNOCCHI_URL=http://127.0.0.1:PORT cargo test -p ferrometer-archive-backend --test real -- --ignored`.

mod support;

use ferrometer_archive_backend::{ArchiveBackend, Settings};
use ferrometer_core::{flush, install, remove};
use ferrometer_push_testkit::{NEVER, SOON, alone, hard};
use std::net::SocketAddr;
use support::{metrics, total};

#[test]
#[ignore = "needs a real Gnocchi at GNOCCHI_URL"]
fn what_a_real_gnocchi_answers_is_what_was_recorded() {
    let _alone = alone();
    let url = std::env::var("GNOCCHI_URL").expect("GNOCCHI_URL says where a real Gnocchi listens");
    let address: SocketAddr = url.strip_prefix("http://").and_then(|rest| rest.parse().ok()).expect("http://IP:PORT");
    let resource = format!("ferrometer-{}", std::process::id());
    let settings = Settings::remote(&url).resource(&resource).policy("low");
    ArchiveBackend::test_connection(&settings).unwrap();
    install("archive", Box::new(ArchiveBackend::new(settings).unwrap()), NEVER).unwrap();
    let truth = hard::record("rr", 2);
    assert!(flush(SOON).complete);
    let sum = |name: &str, method: &str| total(address, &resource, name, method);
    assert_eq!(sum("rr.falls", "sum"), (truth.up - truth.down) as f64);
    assert_eq!((sum("rr.took.count", "sum"), sum("rr.took.sum", "sum")), (truth.timed as f64, truth.millis as f64));
    for (name, value) in hard::GAUGES {
        assert_eq!(sum(&format!("rr.{name}"), "max"), value, "{name}");
    }
    let all = metrics(address, &resource);
    let hard = all.iter().filter(|(name, _)| name.starts_with("rr.hard.")).map(|(name, _)| sum(name, "sum"));
    assert_eq!(hard.sum::<f64>(), truth.counted as f64);
    let ledger = remove("archive", SOON).unwrap();
    assert!(ledger.balances() && ledger.pending.is_zero(), "{ledger}");
    assert_eq!(ledger.dropped_in_all().recordings, 2 * hard::INVALID, "{ledger}");
}
