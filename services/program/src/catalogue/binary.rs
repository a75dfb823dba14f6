//! The metrics that the call sites in a program's file can record, whether they have run or not.

use super::metric::{Catalogue, Metric, one_line};
use crate::outcome::{Failure, Result};
use ferrometer::{CallSite, call_sites};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The most bytes of a program, with all that a debugger needs.
const LONGEST_PROGRAM: u64 = 4 << 30;

/// Reads a program, a library or an object file.
pub(super) fn read(path: &Path) -> Result<Catalogue> {
    let program =
        ferrometer_export::read_regular(path, LONGEST_PROGRAM).map_err(|error| Failure::file(path, &error))?;
    let sites = call_sites(&program);
    if sites.is_empty() {
        let why = "has no call site of an attribute or a verb macro of ferrometer; expected the file of a program, neither packed nor compressed";
        return Err(Failure::file(path, &why));
    }
    Ok(of_sites(sites))
}

fn of_sites(sites: Vec<CallSite>) -> Catalogue {
    let mut all: Catalogue = BTreeMap::new();
    for site in sites {
        let (name, kind) = (name(&site), site.kind.as_str().to_owned());
        let metric = all.entry((name.clone(), kind.clone())).or_insert_with(|| Metric {
            name,
            kind,
            unit: None,
            description: None,
            labels: BTreeSet::new(),
            rates: BTreeSet::new(),
            at: BTreeSet::new(),
        });
        metric.unit = metric.unit.take().or(site.unit);
        metric.description = metric.description.take().or(site.description.map(|text| one_line(&text)));
        metric.labels.extend(site.labels);
        metric.rates.extend(site.rate.map(|rate| rate.to_string()));
        metric.at.insert(format!("{}:{}", site.file, site.line));
    }
    // As a running program tells it.
    for metric in all.values_mut().filter(|metric| metric.kind == "timer") {
        metric.unit = Some("ms".to_owned());
    }
    all
}

/// The metric's name behind that of its logger. Of a logger that is known only while the program runs, the source stands in angle brackets.
fn name(site: &CallSite) -> String {
    let logger = match &site.logger {
        Some(logger) => logger.clone(),
        None => format!("<{}>", site.logger_source),
    };
    format!("{logger}.{}", site.name)
}
