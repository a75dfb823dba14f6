//! The check of an archive of a directory, which no process may have open meanwhile.

use super::metric::{examine, fitting_policy, mend};
use super::{Remedy, Report};
use crate::directory_lock;
use crate::index::Index;
use crate::log::look::{begin_at, look_at_log};
use crate::packs::Packs;
use crate::packs::look::{forget_places, look_at_packs, rewrite};
use crate::search::{Page, Sort};
use crate::sqlite::Sqlite;
use crate::sqlite::integrity::{look_at_rows, mend_rows};
use crate::storage::Storage;
use crate::{Archive, Error, Metric, Nanos, Options, Policy};
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Metrics that are read at once.
const PAGE: usize = 1000;
/// The creator of metrics that get a row again.
const CREATOR: &str = "fsck";
/// The directory in that of the archive for places of objects that memory has no room for, while the check reads them.
const ASIDE: &str = "fsck.places";
/// Bytes of places in memory: as many as an archive with the usual options has.
const PLACES: usize = (256 << 20) / 8;

/// Result of a look at a directory.
#[derive(Default)]
struct Looked {
    report: Report,
    /// Metrics that have to be written again.
    broken: Vec<Uuid>,
    /// Metrics without a row, and the policy that their objects fit.
    strays: Vec<(Uuid, String)>,
    /// Files that are damaged.
    files: Vec<PathBuf>,
    /// Pack files with unreadable places.
    packs: Vec<PathBuf>,
    /// The places of objects on disk are not those of the objects.
    has_wrong_places: bool,
    /// Files of the log that are damaged.
    logs: Vec<PathBuf>,
    /// The number of the next batch that no metric has, where the log would give one that some have, or is damaged.
    begin_at: Option<u64>,
    /// The index cannot be read: nothing else can be judged.
    is_blind: bool,
}

/// Checks the archive of a directory, and repairs it when told to. Without `repair` no file of it is changed, an index of an older schema
/// excepted, which is brought up to date.
///
/// ```
/// # let directory = std::env::temp_dir().join(format!("ferrometer-archive-fsck-doc-{}", std::process::id()));
/// # drop(ferrometer_archive::Archive::open(&directory, ferrometer_archive::Options::default())?);
/// let report = ferrometer_archive::fsck::check_directory(&directory, false)?;
/// assert!(report.is_sound() && report.findings.is_empty());
/// # std::fs::remove_dir_all(&directory).unwrap();
/// # Ok::<(), ferrometer_archive::Error>(())
/// ```
///
/// # Errors
/// [`Error::Invalid`] for a directory without an archive; [`Error::Busy`] when a process has it open; [`Error::Io`].
pub fn check_directory(directory: &Path, repair: bool) -> Result<Report, Error> {
    if !directory.join("index.sqlite").is_file() && !directory.join("aggregates").is_dir() {
        return Err(Error::Invalid(format!("there is no archive in {}", directory.display())));
    }
    let lock = directory_lock::take(directory)?;
    let mut looked = look(directory, PLACES)?;
    if !repair || looked.is_blind || looked.report.findings.is_empty() {
        return Ok(looked.report);
    }
    keep_copies(directory, &looked.files)?;
    let index = directory.join("index.sqlite");
    mend_rows(&index)?;
    if !looked.strays.is_empty() {
        adopt(&index, &looked.strays)?;
        // Their objects are judged like those of any other metric.
        let second = look(directory, PLACES)?;
        looked = Looked { report: looked.report.after(second.report.clone()), ..second };
    }
    drop(lock);
    let aggregates = directory.join("aggregates");
    // Where files are rewritten, places that knew an object behind an unreadable head would not be those of the objects.
    if looked.has_wrong_places || !looked.packs.is_empty() {
        forget_places(&aggregates)?;
    }
    mend_metrics(directory, &looked)?;
    rewrite(&aggregates, &looked.packs, PLACES)?;
    let after = look(directory, PLACES)?;
    if let Some(number) = after.begin_at.or(looked.begin_at) {
        begin_at(&directory.join("incoming"), number)?;
        // Their readable batches are in the aggregates by now, and copies of them are kept.
        for path in &looked.logs {
            std::fs::remove_file(path)?;
        }
        File::open(directory.join("incoming"))?.sync_all()?;
    }
    Ok(looked.report.after(look(directory, PLACES)?.report))
}

/// Copies damaged files to a directory of their own, once.
fn keep_copies(directory: &Path, files: &[PathBuf]) -> Result<(), Error> {
    let kept = directory.join("damaged");
    for path in files {
        std::fs::create_dir_all(&kept)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let free = (0..).map(|number| kept.join(format!("{name}.{number}"))).find(|path| !path.exists());
        if let Some(to) = free {
            crate::files::copy_file(path, &to)?;
        }
    }
    if kept.is_dir() {
        File::open(&kept)?.sync_all()?;
    }
    Ok(())
}

/// Gives metrics a row again.
fn adopt(index: &Path, strays: &[(Uuid, String)]) -> Result<(), Error> {
    let metric = |(id, policy): &(Uuid, String)| Metric {
        id: *id,
        creator: CREATOR.into(),
        name: Some(format!("recovered-{id}")),
        unit: None,
        policy: policy.clone(),
        resource: None,
    };
    Sqlite::open(index, true)?.add_metrics(&strays.iter().map(metric).collect::<Vec<_>>())
}

/// Opens the archive, which applies what waits, writes again what is broken, and stores everything.
fn mend_metrics(directory: &Path, looked: &Looked) -> Result<(), Error> {
    let options = Options { default_policies: false, workers: 1, ..Options::default() };
    let archive = Archive::open(directory, options)?;
    let (catalog, engine) = archive.parts();
    for metric in &looked.broken {
        let Some(policy) = catalog.policy_of(*metric)? else { continue };
        engine.change(*metric, &policy, &mut |state, storage| mend(*metric, &policy, state, storage))?;
    }
    archive.store()
}

/// Reads everything of a directory. About `memory` bytes are for the places of objects; what has no room there is on the disk meanwhile.
fn look(directory: &Path, memory: usize) -> Result<Looked, Error> {
    let mut looked = Looked::default();
    let index = directory.join("index.sqlite");
    let rows = look_at_rows(&index);
    looked.is_blind = rows.is_blind;
    for (found, remedy) in rows.findings {
        looked.report.add(None, "index.sqlite", found, remedy);
    }
    let seen = look_at_packs(&directory.join("aggregates"), memory, &directory.join(ASIDE))?;
    for file in seen.files {
        let place = place(directory, &file.path);
        if file.damaged > 0 {
            let found =
                format!("{} places are unreadable: what was there, or an older form of it, is missing", file.damaged);
            looked.report.add(None, place.clone(), found, Remedy::InPart);
            looked.files.push(file.path.clone());
            looked.packs.push(file.path.clone());
        }
        if let Some(bytes) = file.cut {
            // The log still has what a write that was cut short was about.
            let found = format!("{bytes} bytes at the end are of a write that was cut short");
            looked.report.add(None, place.clone(), found, Remedy::Possible);
            if file.whole_behind > 0 {
                let found = format!("{} objects behind the unreadable one are not counted on", file.whole_behind);
                looked.report.add(None, place, found, Remedy::InPart);
                looked.files.push(file.path);
            }
        }
    }
    if let Some(fault) = seen.places {
        looked.report.add(None, "aggregates", fault, Remedy::Possible);
        looked.has_wrong_places = true;
    }
    let log = look_at_log(&directory.join("incoming"))?;
    looked.report.waiting = log.iter().map(|file| file.batches).sum();
    let mut next = log.first().map_or(1, |file| file.first);
    for file in &log {
        next = file.last.map_or(next, |last| last + 1);
        let place = place(directory, &file.path);
        if file.damaged > 0 {
            let found = format!("{} places are unreadable: of the batches there nothing else is left", file.damaged);
            looked.report.add(None, place.clone(), found, Remedy::Lost);
            looked.files.push(file.path.clone());
            looked.logs.push(file.path.clone());
        }
        if file.cut > 0 {
            let found = format!("{} bytes at the end are of a batch that is not whole", file.cut);
            looked.report.add(None, place, found, Remedy::Kept);
            looked.files.push(file.path.clone());
        }
    }
    if looked.is_blind {
        return Ok(looked);
    }
    let applied = look_at_metrics(&index, &seen.packs, &mut looked)?;
    if applied >= next {
        let found =
            format!("its next batch has the number {next}, and metrics have stored {applied}: it would be skipped");
        looked.report.add(None, "incoming", found, Remedy::Possible);
    }
    if applied >= next || !looked.logs.is_empty() {
        looked.begin_at = Some(next.max(applied + 1));
    }
    looked.files.sort();
    looked.files.dedup();
    Ok(looked)
}

fn place(directory: &Path, path: &Path) -> String {
    path.strip_prefix(directory).unwrap_or(path).display().to_string()
}

/// Reads every metric of the index, and the objects of metrics that it has not; returns the largest number of a stored batch.
fn look_at_metrics(index: &Path, packs: &Packs, looked: &mut Looked) -> Result<u64, Error> {
    let index = Sqlite::open(index, true)?;
    let policies: HashMap<String, Policy> =
        index.policies()?.into_iter().map(|policy| (policy.name.clone(), policy)).collect();
    let mut applied = 0;
    let mut marker = None;
    loop {
        let page = Page { sort: vec![Sort::by("id")], limit: Some(PAGE), marker };
        let metrics = index.metrics(None, &page)?;
        marker = metrics.last().map(|metric| metric.id.to_string());
        for metric in &metrics {
            looked.report.metrics += 1;
            let found = packs.granularities(metric.id)?;
            let Some(policy) = policies.get(&metric.policy) else {
                let text = format!("its policy `{}` is not there", metric.policy);
                looked.report.add(Some(metric.id), "index.sqlite", text, Remedy::Lost);
                continue;
            };
            tell_others(metric.id, policy, &found, &mut looked.report);
            let examined = examine(metric.id, policy, packs, &mut looked.report)?;
            applied = applied.max(examined.applied);
            if examined.needs_mending {
                looked.broken.push(metric.id);
            }
        }
        if metrics.len() < PAGE {
            break;
        }
    }
    for metric in without_row(&index, packs)? {
        let mut granularities = packs.granularities(metric)?;
        granularities.remove(&0);
        let policy = fitting_policy(metric, policies.values(), &granularities, packs)?;
        let found = "objects of a metric that the index has not";
        match policy {
            Some(policy) => {
                looked.report.add(Some(metric), "aggregates", found, Remedy::Possible);
                looked.strays.push((metric, policy.name.clone()));
            }
            None => looked.report.add(Some(metric), "aggregates", format!("{found}, and no policy fits"), Remedy::Kept),
        }
    }
    Ok(applied)
}

/// Returns the metrics of objects that the index has not.
fn without_row(index: &Sqlite, packs: &Packs) -> Result<Vec<Uuid>, Error> {
    let (mut strays, mut some, mut failed) = (Vec::new(), Vec::with_capacity(PAGE), None);
    let mut ask = |some: &mut Vec<Uuid>| match index.metric_policies(some) {
        Ok(policies) => {
            strays
                .extend(some.drain(..).zip(policies).filter(|(_, policy)| policy.is_none()).map(|(metric, _)| metric));
        }
        Err(error) => {
            some.clear();
            failed.get_or_insert(error);
        }
    };
    // The objects of a metric are beside each other.
    packs.keys(&mut |key| {
        if some.last() != Some(&key.metric) {
            if some.len() == PAGE {
                ask(&mut some);
            }
            some.push(key.metric);
        }
    })?;
    ask(&mut some);
    match failed {
        Some(error) => Err(error),
        None => {
            strays.dedup();
            Ok(strays)
        }
    }
}

/// Tells of granularities that the policy of a metric has not.
pub(super) fn tell_others(metric: Uuid, policy: &Policy, found: &BTreeSet<Nanos>, report: &mut Report) {
    for granularity in found.iter().filter(|found| **found > 0 && policy.definition(**found).is_none()) {
        let text = format!("objects of granularity {}, which its policy has not", *granularity as f64 / 1e9);
        report.add(Some(metric), "aggregates", text, Remedy::Kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Point, SECOND};

    #[test]
    fn a_check_without_memory_for_places_finds_the_same() {
        let directory = std::env::temp_dir().join(format!("ferrometer-archive-fsck-little-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        let archive = Archive::open(&directory, Options { workers: 1, ..Options::default() }).unwrap();
        assert_eq!(PLACES, Options::default().memory / 8);
        let metrics: Vec<Metric> = (0..2500).map(|_| archive.new_metric("me", None).unwrap()).collect();
        archive.add_metrics(&metrics).unwrap();
        for round in 0..3_i64 {
            let points = |at| vec![Point { at: (round * 10 + at) * 300 * SECOND, value: 1.0 }];
            archive.append(metrics.iter().map(|metric| (metric.id, points(1))).collect()).unwrap();
            // Marks stand between them: the places are spilled there.
            archive.store().unwrap();
        }
        // Every fifth loses its row.
        for metric in metrics.iter().step_by(5) {
            archive.parts().0.index.remove_metric(metric.id).unwrap();
        }
        drop(archive);
        let usual = look(&directory, PLACES).unwrap();
        let little = look(&directory, 0).unwrap();
        assert_eq!(usual.strays.len(), 500);
        assert_eq!(little.report, usual.report);
        assert_eq!(little.strays, usual.strays);
        assert!(!directory.join(ASIDE).exists());
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
