//! The check of an archive on servers. Its processes may go on meanwhile: what a worker is in the middle of is looked at again.

use super::directory::tell_others;
use super::metric::{examine, fitting_policy, mend};
use super::{Remedy, Report};
use crate::catalog::Catalog;
use crate::cluster::connect::{Servers, open};
use crate::cluster::head::Head;
use crate::cluster::round::{Places, sack_of};
use crate::cluster::view::{Cache, View};
use crate::search::{Page, Sort};
use crate::{Error, Metric, Nanos, Policy};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

/// Metrics that are read at once.
const PAGE: usize = 1000;
/// Bytes of bundles that are remembered.
const MEMORY: usize = 16 << 20;
/// Looks at a metric that workers change meanwhile.
const TRIES: usize = 50;
/// The creator of metrics that get a row again.
const CREATOR: &str = "fsck";

/// Checks an archive on servers, and repairs it when told to. It must not be called from within an asynchronous runtime.
///
/// # Errors
/// Those of [`connect`](crate::connect); [`Error::Away`] when a server goes away meanwhile.
pub fn check_servers(servers: &Servers, repair: bool) -> Result<Report, Error> {
    let (index, incoming, storage) = open(servers)?;
    let sacks = index.sacks()?;
    let catalog = match Catalog::open(Arc::clone(&index) as _, false, true, 0) {
        Ok(catalog) => Arc::new(catalog),
        Err(Error::Damaged(reason)) => {
            let mut report = Report::default();
            report.add(None, "index", format!("{reason}; only a backup has it"), Remedy::Lost);
            return Ok(report);
        }
        Err(error) => return Err(error),
    };
    let places = Places { index, incoming, storage, cache: Arc::new(Cache::new(MEMORY)), sacks };
    let check = Check { places, catalog };
    let first = check.run(repair)?;
    if repair && !first.findings.is_empty() {
        return Ok(first.after(check.run(false)?));
    }
    Ok(first)
}

struct Check {
    places: Places,
    catalog: Arc<Catalog>,
}

impl Check {
    fn run(&self, repair: bool) -> Result<Report, Error> {
        let mut report = Report::default();
        let mut bundles = self.places.bundles()?;
        self.strays(&bundles, &mut report, repair)?;
        let mut marker = None;
        loop {
            let page = Page { sort: vec![Sort::by("id")], limit: Some(PAGE), marker };
            let metrics = self.places.index.metrics(None, &page)?;
            marker = metrics.last().map(|metric| metric.id.to_string());
            for metric in &metrics {
                report.metrics += 1;
                let listed = bundles.remove(&metric.id).unwrap_or_default();
                let policy = self.catalog.policy(&metric.policy)?;
                self.metric(metric.id, &policy, &listed, &mut report, repair)?;
            }
            if metrics.len() < PAGE {
                break;
            }
        }
        report.waiting = self.places.incoming.load()?.0;
        let sack = |metric| sack_of(metric, self.places.sacks);
        let wrong = self.places.incoming.recount(&sack, repair)?;
        if wrong > 0 {
            report.add(None, "incoming", "counts of what waits are not what waits", Remedy::Possible);
        }
        Ok(report)
    }

    fn view(&self, metric: Uuid, head: Head) -> View {
        View::new(metric, head, Arc::clone(&self.places.storage), Arc::clone(&self.places.cache))
    }

    /// Looks at one metric until no worker changed it meanwhile, and repairs it.
    fn metric(
        &self,
        metric: Uuid,
        policy: &Policy,
        listed: &BTreeSet<i64>,
        report: &mut Report,
        repair: bool,
    ) -> Result<(), Error> {
        for _ in 0..TRIES {
            let found = self.places.index.found(metric)?;
            let mut seen = Report::default();
            let head = match Head::decode(&found.head) {
                Ok(_) if found.generation == 0 && !listed.is_empty() => Err("it is not there, and bundles are"),
                Ok(head) => Ok(head),
                Err(Error::Damaged(_)) => Err("it is damaged"),
                Err(error) => return Err(error),
            };
            let mut is_broken = false;
            let again = match &head {
                Ok(head) => {
                    let view = self.view(metric, head.clone());
                    let granularities = head.places.keys().map(|(granularity, _)| *granularity).collect();
                    tell_others(metric, policy, &granularities, &mut seen);
                    is_broken = examine(metric, policy, &view, &mut seen)?.needs_mending;
                    if found.bytes != head.bytes() {
                        let text = format!("it counts {} bytes, and names {}", found.bytes, head.bytes());
                        seen.add(Some(metric), "head", text, Remedy::Possible);
                    }
                    let known: BTreeSet<i64> = head.versions().into_iter().chain(head.stale.iter().copied()).collect();
                    let left = listed.difference(&known).count();
                    if left > 0 && self.still_there(metric, listed, &known)? {
                        let text = format!("{left} bundles that no head names");
                        seen.add(Some(metric), "storage", text, Remedy::Possible);
                    }
                    None
                }
                Err(reason) => {
                    let again = self.places.head_in_bundles(metric, listed)?;
                    let remedy = if again.is_some() { Remedy::Possible } else { Remedy::Lost };
                    seen.add(Some(metric), "head", *reason, remedy);
                    again
                }
            };
            // A worker that was quicker makes all of it old.
            if self.places.index.found(metric)?.generation != found.generation {
                continue;
            }
            let is_done = match (repair, again) {
                (false, _) => true,
                (true, Some(head)) => self.places.commit_again(metric, found.generation, head, listed)?,
                (true, None) if is_broken => {
                    self.places.change(metric, policy, &mut |state, storage| mend(metric, policy, state, storage))?;
                    true
                }
                (true, None) if head.is_ok() && !seen.findings.is_empty() => {
                    self.places.drop_left_over(metric, listed)?
                }
                (true, None) => true,
            };
            if is_done {
                report.objects += seen.objects;
                report.findings.append(&mut seen.findings);
                return Ok(());
            }
        }
        Err(Error::Busy(format!("metric {metric} is changing faster than it can be checked")))
    }

    /// Returns true when a bundle that no head names is still there: those of a round that ended meanwhile are not.
    fn still_there(&self, metric: Uuid, listed: &BTreeSet<i64>, known: &BTreeSet<i64>) -> Result<bool, Error> {
        let all = self.places.storage.stretches(metric, crate::cluster::head::BUNDLE, i64::MIN..=i64::MAX)?;
        Ok(all.iter().any(|version| listed.contains(version) && !known.contains(version)))
    }

    /// Gives metrics that have bundles and no row a row again.
    fn strays(&self, bundles: &BTreeMap<Uuid, BTreeSet<i64>>, report: &mut Report, repair: bool) -> Result<(), Error> {
        let all: Vec<Uuid> = bundles.keys().copied().collect();
        for ids in all.chunks(PAGE) {
            let known: BTreeSet<Uuid> =
                self.places.index.metrics_by_id(ids)?.into_iter().map(|metric| metric.id).collect();
            let strange: Vec<Uuid> = ids.iter().copied().filter(|id| !known.contains(id)).collect();
            let leaving = self.places.index.leaving(&strange)?;
            for metric in strange.into_iter().filter(|metric| !leaving.contains(metric)) {
                let head = match Head::decode(&self.places.index.found(metric)?.head) {
                    Ok(head) if !head.places.is_empty() => Some(head),
                    _ => self.places.head_in_bundles(metric, &bundles[&metric])?,
                };
                let found = "objects of a metric that the index has not";
                let policies = self.catalog.policies();
                let policy = match head {
                    Some(head) => {
                        let granularities: BTreeSet<Nanos> =
                            head.places.keys().map(|(granularity, _)| *granularity).filter(|g| *g > 0).collect();
                        let view = self.view(metric, head);
                        fitting_policy(metric, policies.iter().map(|policy| &**policy), &granularities, &view)?
                    }
                    None => None,
                };
                let Some(policy) = policy else {
                    report.add(Some(metric), "storage", format!("{found}, and no policy fits"), Remedy::Kept);
                    continue;
                };
                report.add(Some(metric), "storage", found, Remedy::Possible);
                if repair {
                    let (name, policy) = (Some(format!("recovered-{metric}")), policy.name.clone());
                    let row = Metric { id: metric, creator: CREATOR.into(), name, unit: None, policy, resource: None };
                    self.places.index.add_metrics(&[row])?;
                }
            }
        }
        Ok(())
    }
}
