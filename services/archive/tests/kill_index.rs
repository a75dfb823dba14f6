//! The process is killed while many change the index at once: what was told to be changed is, and each change is there whole or not at all.

mod common;

use common::Scratch;
use ferrometer_archive::search::{Filter, Page};
use ferrometer_archive::{Archive, Error, Metric, NewMetric, Options, Resource};
use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::Path;
use uuid::Uuid;

const DIRECTORY: &str = "FERROMETER_ARCHIVE_KILL_INDEX_DIRECTORY";
/// Metrics of a batch.
const BATCH: usize = 10;
/// Metrics of a resource.
const NAMES: [&str; 3] = ["a", "b", "c"];

fn metric(creator: &str, name: Option<&str>, resource: Option<Uuid>) -> Metric {
    Metric {
        id: Metric::new_id(),
        creator: creator.into(),
        name: name.map(Into::into),
        unit: None,
        policy: "low".into(),
        resource,
    }
}

fn resource(id: Uuid) -> Resource {
    Resource {
        id,
        kind: "generic".into(),
        original_id: id.to_string(),
        creator: "me".into(),
        user: None,
        project: None,
        started_at: 0,
        ended_at: None,
        revision_start: 0,
        revision_end: None,
        revision: -1,
        attributes: serde_json::Map::new(),
    }
}

/// Tells that something is done. One write for a line: a kill cuts none in two.
fn tell(what: &str, id: impl std::fmt::Display) {
    let _ = std::io::stderr().write_all(format!("{what} {id}\n").as_bytes());
}

/// Changes the index for ever, in all ways.
fn change(archive: &Archive) {
    loop {
        // A batch is known by its creator.
        let batch = Uuid::new_v4().to_string();
        let metrics: Vec<Metric> = (0..BATCH).map(|_| metric(&batch, None, None)).collect();
        archive.add_metrics(&metrics).unwrap();
        tell("batch", &batch);
        // The last of them is there already: all are refused.
        let refused: Vec<Metric> =
            (1..BATCH).map(|_| metric("refused", None, None)).chain(metrics[..1].to_vec()).collect();
        assert!(matches!(archive.add_metrics(&refused), Err(Error::MetricNameExists(_))));
        let id = Uuid::new_v4();
        let new = || NAMES.map(|name| NewMetric::Create(metric("of a resource", Some(name), Some(id)))).to_vec();
        let makings = [archive.make_resource(resource(id), new()), archive.make_resource(resource(id), new())];
        let made = makings.map(|making| making.wait());
        assert!(matches!(&made, [Ok(()), Err(Error::ResourceExists(_))]), "{made:?}");
        tell("resource", id);
        archive.change_metric_policy(metrics[0].id, "medium").unwrap();
        tell("medium", metrics[0].id);
        archive.remove_metric(metrics[1].id).unwrap();
        tell("removed", metrics[1].id);
    }
}

/// Runs in a process of its own.
#[test]
#[ignore = "the child of the test below"]
fn child() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let archive = Archive::open(Path::new(&directory), Options::default()).unwrap();
    std::thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(|| change(&archive)))));
}

#[test]
fn every_change_of_the_index_is_whole_after_a_kill() {
    let scratch = Scratch::new("kill-index");
    let mut told: HashMap<String, HashSet<String>> = HashMap::new();
    let mut many = 0;
    for round in 1..=5 {
        let (mut child, lines) = common::child(&[(DIRECTORY, scratch.path().to_str().unwrap())]);
        let most = many + 40 * round + round * round * 7;
        for line in lines {
            let Some((what, id)) = line.split_once(' ') else { continue };
            if ["batch", "resource", "medium", "removed"].contains(&what) {
                told.entry(what.into()).or_default().insert(id.into());
                many += 1;
            }
            if many == most {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(many >= most, "the child told of {many} changes");
        check(&Archive::open(scratch.path(), Options::default()).unwrap(), &told);
    }
}

fn check(archive: &Archive, told: &HashMap<String, HashSet<String>>) {
    let metrics = archive.metrics(None, &Page::default()).unwrap();
    let mut batches: HashMap<&str, usize> = HashMap::new();
    let mut resources: HashMap<Uuid, usize> = HashMap::new();
    for metric in &metrics {
        match metric.resource {
            Some(id) => *resources.entry(id).or_default() += 1,
            None => *batches.entry(&metric.creator).or_default() += 1,
        }
    }
    let is_whole = |many: &usize| *many == BATCH || *many == BATCH - 1;
    assert!(batches.values().all(is_whole), "a batch is there in part: {batches:?}");
    assert!(resources.values().all(|many| *many == NAMES.len()), "a resource has some of its metrics: {resources:?}");
    let all = |what: &str| told.get(what).into_iter().flatten();
    assert!(all("batch").all(|batch| batches.contains_key(&**batch)));
    for id in all("resource").map(|id| Uuid::parse_str(id).unwrap()) {
        assert!(resources.contains_key(&id) && archive.index().resource("generic", id).unwrap().is_some());
    }
    let policies: HashMap<String, &str> =
        metrics.iter().map(|metric| (metric.id.to_string(), &*metric.policy)).collect();
    assert!(all("medium").all(|id| policies[id] == "medium"));
    assert!(!all("removed").any(|id| policies.contains_key(id)));
    let refused = archive.metrics(Some(&Filter::is("creator", "refused")), &Page::default()).unwrap();
    assert_eq!(refused, []);
}
