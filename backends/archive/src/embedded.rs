//! The way into an archive of this process: resource and metrics are made when they are needed first, and a delivery is one batch.

use crate::opened;
use crate::settings::Settings;
use ferrometer_archive::search::{Filter, Page};
use ferrometer_archive::{Archive, Batch, Error, Metric, Options, Point, Resource, resource_id, time};
use ferrometer_push::{Carrier, Extent, Invalid, Verdict};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use uuid::Uuid;

/// The way into an archive.
pub(crate) struct Embedded {
    archive: Arc<Archive>,
    resource: Uuid,
    told: Resource,
    policy: Option<String>,
    ids: HashMap<String, Uuid>,
}

/// One measure, as its bytes tell it.
struct Measure<'b> {
    name: &'b str,
    unit: &'b str,
    point: Point,
}

impl Embedded {
    pub(crate) fn open(settings: &Settings, path: &Path) -> Result<Embedded, Invalid> {
        let bad = |error: &dyn std::fmt::Display| {
            let found = format!("{} ({error})", path.display());
            Invalid::new("path", found, "a directory that no other process has open as an archive")
        };
        let options = Options { memory: settings.memory, workers: 1, ..Options::default() };
        let archive = opened::open(path, &options).map_err(|error| bad(&error))?;
        let creator = settings.creator();
        let id = resource_id(&settings.resource, creator);
        let id = id.map_err(|error| Invalid::new("resource", &settings.resource, error.to_string()))?;
        if let Some(policy) = &settings.policy
            && archive.policy(policy).is_err()
        {
            let known: Vec<String> = archive.policies().iter().map(|policy| policy.name.clone()).collect();
            return Err(Invalid::new("policy", policy, format!("an archive policy: {}", known.join(", "))));
        }
        let at = time::now();
        let told = Resource {
            id,
            kind: settings.resource_type.clone(),
            original_id: settings.resource.clone(),
            creator: creator.to_owned(),
            user: None,
            project: None,
            started_at: at,
            ended_at: None,
            revision_start: at,
            revision_end: None,
            revision: -1,
            attributes: serde_json::Map::new(),
        };
        if archive.index().resource_type(&told.kind).is_err() {
            return Err(Invalid::new("resource_type", &told.kind, "a resource type that the archive has"));
        }
        Ok(Embedded { archive, resource: id, told, policy: settings.policy.clone(), ids: HashMap::new() })
    }

    pub(crate) fn archive(&self) -> Arc<Archive> {
        Arc::clone(&self.archive)
    }

    fn take(&mut self, measures: &[Measure<'_>]) -> Result<(), Error> {
        self.find(measures)?;
        let points = measures.iter().filter_map(|measure| Some((*self.ids.get(measure.name)?, vec![measure.point])));
        let batch: Batch = points.collect();
        self.archive.append(batch)
    }

    /// Finds the metrics, or makes them. A metric that somebody removed is made again.
    fn find(&mut self, measures: &[Measure<'_>]) -> Result<(), Error> {
        let ids: Vec<Uuid> = measures.iter().filter_map(|measure| self.ids.get(measure.name).copied()).collect();
        let there = self.archive.index().metrics_by_id(&ids)?;
        if there.len() == measures.len() {
            return Ok(());
        }
        if there.len() < ids.len() {
            let there: HashSet<Uuid> = there.iter().map(|metric| metric.id).collect();
            self.ids.retain(|_, id| there.contains(id));
        }
        if self.archive.index().resource("generic", self.resource)?.is_none() {
            match self.archive.add_resource(&self.told, &[]) {
                Ok(()) | Err(Error::ResourceExists(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let filter = Filter::is("resource_id", self.resource.to_string());
        let known = self.archive.metrics(Some(&filter), &Page::default())?;
        self.ids.extend(known.into_iter().filter_map(|metric| Some((metric.name?, metric.id))));
        let mut new = Vec::new();
        for measure in measures.iter().filter(|measure| !self.ids.contains_key(measure.name)) {
            let policy = match &self.policy {
                Some(policy) => policy.clone(),
                None => self.archive.policy_for(Some(measure.name))?,
            };
            new.push(Metric {
                id: Metric::new_id(),
                creator: self.told.creator.clone(),
                name: Some(measure.name.to_owned()),
                unit: Some(measure.unit.to_owned()).filter(|unit| !unit.is_empty()),
                policy,
                resource: Some(self.resource),
            });
        }
        self.archive.add_metrics(&new)?;
        self.ids.extend(new.into_iter().filter_map(|metric| Some((metric.name?, metric.id))));
        Ok(())
    }
}

/// Reads measures as [`Measures`](crate::measures::Measures) wrote them.
fn read(mut bytes: &[u8]) -> Option<Vec<Measure<'_>>> {
    fn text<'b>(bytes: &mut &'b [u8]) -> Option<&'b str> {
        let length = usize::from(*bytes.split_off_first()?);
        std::str::from_utf8(bytes.split_off(..length)?).ok()
    }
    let mut measures = Vec::new();
    while !bytes.is_empty() {
        let (name, unit) = (text(&mut bytes)?, text(&mut bytes)?);
        let at = u64::from_le_bytes(bytes.split_off(..8)?.try_into().ok()?);
        let value = f64::from_le_bytes(bytes.split_off(..8)?.try_into().ok()?);
        let point = Point { at: i64::try_from(at).unwrap_or(i64::MAX), value };
        measures.push(Measure { name, unit, point });
    }
    Some(measures)
}

impl Carrier for Embedded {
    fn send(&mut self, body: &[u8], _: bool, _: usize, _: Instant) -> Verdict {
        let Some(measures) = read(body) else {
            return Verdict::Refused { reason: "measures that cannot be read".to_owned(), extent: Extent::Body };
        };
        match self.take(&measures) {
            Ok(()) => Verdict::Accepted,
            Err(error @ (Error::Busy(_) | Error::Io(_) | Error::Index(_) | Error::MetricNameExists(_))) => {
                Verdict::Later { reason: format!("the archive: {error}"), after: None }
            }
            Err(error) => Verdict::Refused { reason: format!("the archive: {error}"), extent: Extent::Part },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_cut_are_no_measures() {
        let mut bytes = vec![1, b'n', 0];
        bytes.extend_from_slice(&7u64.to_le_bytes());
        bytes.extend_from_slice(&1.5f64.to_le_bytes());
        let measures = read(&bytes).unwrap();
        assert_eq!((measures[0].name, measures[0].unit), ("n", ""));
        assert_eq!(measures[0].point, Point { at: 7, value: 1.5 });
        for cut in 1..bytes.len() {
            assert!(read(&bytes[..cut]).is_none(), "{cut}");
        }
    }
}
