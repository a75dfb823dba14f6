//! Ranges that are removed, policies that change, metrics that outlive their policy: what is left is what the points that are left come to.

mod common;

use common::Scratch;
use ferrometer_archive::{Archive, Definition, Method, Metric, Options, Point, Policy, Range, SECOND, Sync};
use proptest::prelude::*;
use uuid::Uuid;

const MINUTE: i64 = 60 * SECOND;

fn options() -> Options {
    Options { sync: Sync::None, workers: 1, ..Options::default() }
}

fn methods(names: &[&str]) -> Vec<Method> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn policy(name: &str, back_window: u32, seconds: &[i64], names: &[&str]) -> Policy {
    let definitions = seconds.iter().map(|s| Definition::new(Some(s * SECOND), Some(1000), None).unwrap());
    Policy::new(name, back_window, definitions.collect(), &methods(names)).unwrap()
}

fn metric(archive: &Archive, policy: &Policy) -> Uuid {
    let _ = archive.add_policy(policy);
    let metric = Metric { policy: policy.name.clone(), ..archive.new_metric("me", None).unwrap() };
    archive.add_metrics(std::slice::from_ref(&metric)).unwrap();
    metric.id
}

fn points(list: &[(i64, f64)]) -> Vec<Point> {
    list.iter().map(|(second, value)| Point { at: second * SECOND, value: *value }).collect()
}

fn measures(archive: &Archive, id: Uuid, method: &str, seconds: i64) -> Vec<(i64, f64)> {
    let found = archive.measures(id, method.parse().unwrap(), seconds * SECOND, Range::default()).unwrap();
    found.into_iter().map(|point| (point.at / SECOND, point.value)).collect()
}

fn range(start: i64, stop: i64) -> Range {
    Range { start: Some(start * SECOND), stop: Some(stop * SECOND) }
}

#[test]
fn a_measure_of_a_wrong_clock_is_removed_and_the_window_opens_again() {
    let scratch = Scratch::new("wrong-clock");
    let archive = Archive::open(scratch.path(), options()).unwrap();
    let id = metric(&archive, &policy("p", 0, &[1, 60], &["count", "sum"]));
    archive.append(vec![(id, points(&[(10, 1.0), (70, 2.0)]))]).unwrap();
    // Ten minutes ahead, and stored: the raw points before it are gone.
    archive.append(vec![(id, points(&[(700, 9.0)]))]).unwrap();
    archive.store().unwrap();
    archive.append(vec![(id, points(&[(130, 3.0)]))]).unwrap();
    assert_eq!(archive.account(id).unwrap().too_late, 1);
    let removed = archive.remove_measures(id, range(600, 3600)).unwrap();
    assert_eq!((removed.points, removed.buckets, removed.kept), (1, 2, 0));
    assert_eq!(removed.accepted_from, 120 * SECOND, "behind the last minute that is left");
    archive.append(vec![(id, points(&[(119, 5.0), (130, 3.0), (190, 4.0)]))]).unwrap();
    assert_eq!(measures(&archive, id, "sum", 60), [(0, 1.0), (60, 2.0), (120, 3.0), (180, 4.0)]);
    assert_eq!(measures(&archive, id, "count", 1).len(), 4);
    drop(archive);
    let archive = Archive::open(scratch.path(), options()).unwrap();
    assert_eq!(measures(&archive, id, "sum", 60), [(0, 1.0), (60, 2.0), (120, 3.0), (180, 4.0)]);
    // All of it: the metric is as new.
    let removed = archive.remove_measures(id, Range::default()).unwrap();
    assert_eq!(removed.accepted_from, 0);
    assert!(measures(&archive, id, "sum", 60).is_empty());
    archive.append(vec![(id, points(&[(1, 7.0)]))]).unwrap();
    assert_eq!(measures(&archive, id, "sum", 60), [(0, 7.0)]);
}

#[test]
fn a_bucket_that_is_covered_in_part_is_computed_anew_or_stays() {
    let scratch = Scratch::new("in-part");
    let archive = Archive::open(scratch.path(), options()).unwrap();
    let id = metric(&archive, &policy("p", 1, &[60], &["count", "sum"]));
    let all: Vec<(i64, f64)> = (0..60).map(|i| (i * 10, 1.0)).collect();
    archive.append(vec![(id, points(&all))]).unwrap();
    archive.store().unwrap();
    // The last bucket is that of 540 s; with the back window raw points begin at 480 s.
    let removed = archive.remove_measures(id, range(30, 130)).unwrap();
    assert_eq!((removed.points, removed.buckets, removed.kept), (0, 1, 2));
    let removed = archive.remove_measures(id, range(490, 550)).unwrap();
    assert_eq!((removed.points, removed.buckets, removed.kept), (6, 0, 0));
    let sums = measures(&archive, id, "sum", 60);
    assert_eq!(
        (sums[0], sums[1], sums[sums.len() - 2], sums[sums.len() - 1]),
        ((0, 6.0), (120, 6.0), (480, 1.0), (540, 5.0))
    );
    assert_eq!(archive.remove_measures(id, range(50, 50)).unwrap().buckets, 0);
}

#[test]
fn a_policy_that_changes_keeps_what_both_have() {
    let scratch = Scratch::new("repolicy");
    let archive = Archive::open(scratch.path(), options()).unwrap();
    let old = policy("old", 1, &[60, 300], &["mean", "sum"]);
    let id = metric(&archive, &old);
    archive.add_policy(&policy("new", 0, &[60, 10], &["mean", "max", "95pct"])).unwrap();
    let all: Vec<(i64, f64)> = (0..120).map(|i| (i * 10, i as f64)).collect();
    archive.append(vec![(id, points(&all))]).unwrap();
    let before = measures(&archive, id, "mean", 60);
    let done = archive.change_metric_policy(id, "new").unwrap();
    assert_eq!((done.kept, done.added, done.removed), (vec![MINUTE], vec![10 * SECOND], vec![5 * MINUTE]));
    assert_eq!((done.added_methods, done.removed_methods), (methods(&["max", "95pct"]), methods(&["sum"])));
    // The raw points that the old policy kept begin 300 s before the last block of 300 s.
    assert_eq!(done.points_from, Some(600 * SECOND));
    assert_eq!(measures(&archive, id, "mean", 60), before);
    let maxima = measures(&archive, id, "max", 60);
    assert_eq!((maxima[0], maxima.len()), ((600, 65.0), 10));
    assert_eq!(measures(&archive, id, "max", 10).len(), 60);
    assert!(archive.measures(id, "sum".parse().unwrap(), MINUTE, Range::default()).is_err());
    drop(archive);
    let archive = Archive::open(scratch.path(), options()).unwrap();
    archive.append(vec![(id, points(&[(1200, 500.0)]))]).unwrap();
    assert_eq!(measures(&archive, id, "max", 60).last(), Some(&(1200, 500.0)));
    assert_eq!(measures(&archive, id, "mean", 60)[..20], before[..]);
    // And back: what was removed is not there again.
    archive.change_metric_policy(id, "old").unwrap();
    assert!(measures(&archive, id, "sum", 300).first().unwrap().0 >= 900);
    assert_eq!(measures(&archive, id, "mean", 60)[..20], before[..]);
}

#[test]
fn a_policy_of_other_objects_is_refused_and_changes_nothing() {
    let scratch = Scratch::new("stretches");
    let archive = Archive::open(scratch.path(), options()).unwrap();
    let id = metric(&archive, &policy("small", 0, &[1], &["last"]));
    archive.append(vec![(id, points(&[(1, 1.0)]))]).unwrap();
    let error = archive.change_metric_policy(id, "bool").unwrap_err().to_string();
    assert_eq!(
        error,
        "Archive policy small does not support change: the granularity 1.0 of bool is stored 32768 buckets at a time, and here 1024"
    );
    assert!(
        archive.change_metric_policy(id, "nope").is_err() && archive.change_metric_policy(Uuid::nil(), "low").is_err()
    );
    assert_eq!(measures(&archive, id, "last", 1), [(1, 1.0)]);
}

#[test]
fn a_metric_outlives_its_policy_by_nothing() {
    let scratch = Scratch::new("expiry");
    let archive = Archive::open(scratch.path(), options()).unwrap();
    let mortal = policy("mortal", 0, &[60], &["sum"]).with_time_to_live(Some(100 * SECOND)).unwrap();
    let (old, young, empty) = (metric(&archive, &mortal), metric(&archive, &mortal), metric(&archive, &mortal));
    let other = metric(&archive, &policy("other", 0, &[60], &["sum"]));
    for (id, at) in [(old, 1000), (young, 1001), (other, 1)] {
        archive.append(vec![(id, points(&[(at, 1.0)]))]).unwrap();
    }
    assert_eq!(archive.expire(1100 * SECOND).unwrap(), 0);
    assert_eq!(archive.expire(1101 * SECOND).unwrap(), 1);
    assert!(archive.account(old).is_err() && archive.account(young).is_ok());
    assert!(archive.account(empty).is_ok() && archive.account(other).is_ok());
    archive.set_time_to_live("mortal", None).unwrap();
    assert_eq!(archive.expire(1_000_000 * SECOND).unwrap(), 0);
    assert!(archive.set_time_to_live("mortal", Some(0)).is_err());
    archive.set_time_to_live("mortal", Some(7 * SECOND)).unwrap();
    drop(archive);
    let archive = Archive::open(scratch.path(), options()).unwrap();
    assert_eq!(archive.policy("mortal").unwrap().time_to_live(), Some(7 * SECOND));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whole buckets of the coarsest granularity are removed: everything is as if their points had never come.
    #[test]
    fn what_is_left_is_what_the_points_that_are_left_come_to(
        values in proptest::collection::vec((0_i64..3600, -100_i32..100), 1..80),
        from in 0_i64..12, length in 1_i64..6, store in any::<bool>(),
    ) {
        let scratch = Scratch::new("removal-model");
        let archive = Archive::open(scratch.path(), options()).unwrap();
        let policy = policy("p", 100, &[10, 60, 300], &["count", "sum", "max", "last", "std", "median"]);
        let (id, model) = (metric(&archive, &policy), metric(&archive, &policy));
        let mut all: Vec<Point> = points(&values.iter().map(|(at, value)| (*at, f64::from(*value))).collect::<Vec<_>>());
        all.sort_by_key(|point| point.at);
        all.dedup_by_key(|point| point.at);
        archive.append(vec![(id, all.clone())]).unwrap();
        if store {
            archive.store().unwrap();
        }
        let (start, stop) = (from * 300, (from + length) * 300);
        archive.remove_measures(id, range(start, stop)).unwrap();
        all.retain(|point| point.at < start * SECOND || point.at >= stop * SECOND);
        archive.append(vec![(model, all)]).unwrap();
        for seconds in [10, 60, 300] {
            for method in ["count", "sum", "max", "last", "std", "median"] {
                prop_assert_eq!(measures(&archive, id, method, seconds), measures(&archive, model, method, seconds));
            }
        }
    }
}

#[test]
fn a_removal_stores_what_was_not_stored_yet() {
    let scratch = Scratch::new("removal-stores");
    let archive = Archive::open(scratch.path(), options()).unwrap();
    let id = metric(&archive, &policy("p", 0, &[1, 60], &["count", "sum"]));
    archive.append(vec![(id, points(&[(10, 1.0)]))]).unwrap();
    archive.append(vec![(id, points(&[(70, 2.0), (100_000, 9.0)]))]).unwrap();
    // Nothing is stored yet: the raw points are all there, and the window opens to where it was.
    let removed = archive.remove_measures(id, range(90_000, 200_000)).unwrap();
    assert_eq!((removed.points, removed.accepted_from), (1, 60 * SECOND));
    archive.append(vec![(id, points(&[(61, 4.0)]))]).unwrap();
    let expected = [(0, 1.0), (60, 6.0)];
    assert_eq!(measures(&archive, id, "sum", 60), expected);
    // As the end of the process would leave it.
    let copied = Scratch::new("removal-copied");
    common::copy(scratch.path(), copied.path());
    let other = Archive::open(copied.path(), options()).unwrap();
    assert_eq!((measures(&other, id, "sum", 60), measures(&other, id, "count", 1).len()), (expected.to_vec(), 3));
}
