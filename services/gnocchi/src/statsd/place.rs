//! The metrics of a statsd daemon: found in the archive, or made.

use super::gathered::Measures;
use super::settings::StatsdSettings;
use ferrometer_archive::search::{Filter, Page};
use ferrometer_archive::time::now;
use ferrometer_archive::{Archive, Batch, Error, Metric, Resource};
use std::collections::HashMap;
use uuid::Uuid;

/// The ids of metrics by name.
pub(super) type Ids = HashMap<String, Uuid>;

/// Finds or makes the metrics of measures. Those that get no metric, because no rule has a policy for their name, are counted in `lost`.
pub(super) fn place(
    archive: &Archive,
    settings: &StatsdSettings,
    measures: &Measures,
    ids: &mut Ids,
    lost: &mut u64,
) -> Result<Batch, Error> {
    let resource = settings.resource;
    if measures.iter().any(|(name, _)| !ids.contains_key(name)) {
        make_resource(archive, settings)?;
        let known = archive.metrics(Some(&Filter::is("resource_id", resource.to_string())), &Page::default())?;
        ids.extend(known.into_iter().filter_map(|metric| Some((metric.name?, metric.id))));
        let mut new = Vec::new();
        for (name, points) in measures.iter().filter(|(name, _)| !ids.contains_key(name)) {
            let policy = match &settings.policy {
                Some(policy) => Ok(policy.clone()),
                None => archive.policy_for(Some(name)),
            };
            let policy = match policy {
                Ok(policy) => policy,
                Err(Error::NoRuleMatch(_)) => {
                    *lost += points.len() as u64;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let creator = settings.creator.clone();
            let name = Some(name.clone());
            new.push(Metric { id: Metric::new_id(), creator, name, unit: None, policy, resource: Some(resource) });
        }
        archive.add_metrics(&new)?;
        ids.extend(new.into_iter().filter_map(|metric| Some((metric.name?, metric.id))));
    }
    Ok(measures.iter().filter_map(|(name, points)| Some((*ids.get(name)?, points.clone()))).collect())
}

fn make_resource(archive: &Archive, settings: &StatsdSettings) -> Result<(), Error> {
    let id = settings.resource;
    if archive.index().resource("generic", id)?.is_some() {
        return Ok(());
    }
    let at = now() / 1000 * 1000;
    let resource = Resource {
        id,
        kind: "generic".into(),
        original_id: id.to_string(),
        creator: settings.creator.clone(),
        user: None,
        project: None,
        started_at: at,
        ended_at: None,
        revision_start: at,
        revision_end: None,
        revision: -1,
        attributes: serde_json::Map::new(),
    };
    match archive.add_resource(&resource, &[]) {
        Err(Error::ResourceExists(_)) => Ok(()),
        other => other,
    }
}
