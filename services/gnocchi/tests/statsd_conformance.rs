//! The corpus of statsd lines, as the archive's input reads it.

mod common;
#[path = "../../../tests/statsd-conformance/corpus.rs"]
mod corpus;

use common::Api;
use corpus::{compare, corpus, number};
use ferrometer_archive::SECOND;
use ferrometer_gnocchi::{Settings, Statsd, StatsdSettings};
use std::time::Duration;
use uuid::Uuid;

const RESOURCE: Uuid = Uuid::from_u128(7);

#[test]
fn the_corpus_is_read_as_it_says() {
    let api = Api::new(Settings::default());
    let mut settings = StatsdSettings::new(RESOURCE);
    settings.policy = Some("high".into());
    settings.flush = Duration::from_secs(3600);
    let statsd = Statsd::new(api.archive(), settings);
    for datagram in corpus().iter().flat_map(|case| &case.send) {
        statsd.receive(datagram.as_bytes(), 60 * SECOND);
    }
    statsd.flush(61 * SECOND).unwrap();
    let resource = api.get(&format!("/v1/resource/generic/{RESOURCE}")).is(200);
    let metrics = resource["metrics"].as_object().unwrap();
    let sums = |id: &str, method: &str| -> f64 {
        let rows = api.get(&format!("/v1/metric/{id}/measures?granularity=60&aggregation={method}")).is(200);
        rows.as_array().unwrap().iter().map(|row| row[2].as_f64().unwrap()).sum()
    };
    compare("archive", |case| {
        let mut held = Vec::new();
        for (full, id) in metrics.iter().filter(|(full, _)| full.starts_with(&case.name)) {
            let (name, kind) = full.rsplit_once('|').unwrap();
            let id = id.as_str().unwrap();
            let sum = number(sums(id, "sum"));
            held.push(match kind {
                "c" | "g" | "s" => format!("{kind} {name} {sum}"),
                _ => format!("t {name} {} {sum}", number(sums(id, "count"))),
            });
        }
        held
    });
}
