//! A dry run shows, for each backend of a configuration, names and bytes, and leaves nothing installed.

#![cfg(all(
    feature = "graphite",
    feature = "influxdb",
    feature = "otlp",
    feature = "remote-write",
    feature = "statsd",
    feature = "pull-cache",
    feature = "prometheus"
))]

use ferrometer::Config;
use ferrometer::dry_run::dry_run;

const ALL: [&str; 7] = ["statsd", "graphite", "influxdb", "otlp", "remote-write", "pull-cache", "prometheus"];

#[test]
fn every_backend_shows_its_bytes() {
    let mut config = Config::new().global_prefix("prod");
    config.backend = ALL.map(str::to_owned).to_vec();
    config.remote_write.url = "http://127.0.0.1:9/api/v1/write".to_owned();
    let record = || ferrometer::get_logger("shop").send_counter("sales", 2);
    let shown = dry_run(&config, record).unwrap();
    assert_eq!(shown.iter().map(|one| one.backend).collect::<Vec<_>>(), ALL);
    for one in &shown {
        let has = |needle: &[u8]| {
            one.bodies.iter().any(|body| {
                let bytes = if body.plain.is_empty() { &body.wire } else { &body.plain };
                bytes.windows(needle.len()).any(|window| window == needle)
            })
        };
        assert!(has(b"shop.sales") || has(b"shop_sales"), "{}: {:?}", one.backend, one.bodies);
    }
    assert!(ferrometer::ledgers().is_empty() && !ferrometer::is_on());
}
