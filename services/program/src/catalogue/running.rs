//! The metrics of a running program: those that it has recorded, as `/v1/instruments` and its newest records tell of them.

use super::metric::{Catalogue, Metric, one_line};
use crate::outcome::Result;
use crate::records::{Line, Record};
use crate::remote::Remote;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Deserialize)]
struct Instruments {
    instruments: Vec<Told>,
}

/// One instrument, as a program tells of it.
#[derive(Deserialize)]
struct Told {
    name: String,
    kind: String,
    unit: Option<String>,
    description: Option<String>,
    at: Option<String>,
    #[serde(default)]
    rates: Vec<f64>,
}

/// Asks a program.
pub(super) fn ask(remote: &Remote) -> Result<Catalogue> {
    let Instruments { instruments } = remote.json("/v1/instruments")?;
    let mut all: Catalogue = BTreeMap::new();
    for told in instruments {
        let metric = Metric {
            name: told.name,
            kind: told.kind,
            // A unit that the kind has anyway stays.
            unit: told.unit,
            description: told.description.map(|text| one_line(&text)),
            labels: BTreeSet::new(),
            rates: told.rates.iter().map(f64::to_string).collect(),
            at: told.at.into_iter().collect(),
        };
        all.insert((metric.name.clone(), metric.kind.clone()), metric);
    }
    let answer = remote.get("/v1/metrics", &[("Accept", "application/x-ndjson")])?;
    for line in answer.lines() {
        if let Line::Record(record) = Line::parse(&line?, remote.base())? {
            let keys = record.labels.keys().cloned();
            if let Some(metric) = owner(&mut all, &record) {
                metric.labels.extend(keys);
            }
        }
    }
    Ok(all)
}

/// The metric that a record belongs to: those of timers and histograms have a part behind the name.
fn owner<'c>(all: &'c mut Catalogue, record: &Record) -> Option<&'c mut Metric> {
    const PARTS: [&str; 6] = [".count", ".sum", ".p50", ".p95", ".p99", ".max"];
    let stem = PARTS.into_iter().find_map(|part| record.metric.strip_suffix(part));
    let whole = ["counter", "gauge", "in_flight"].map(|kind| (record.metric.clone(), kind.to_owned()));
    let parts = stem.into_iter().flat_map(|stem| ["timer", "histogram"].map(|kind| (stem.to_owned(), kind.to_owned())));
    let key = whole.into_iter().chain(parts).find(|key| all.contains_key(key))?;
    all.get_mut(&key)
}
