//! The archive against a plain model: the aggregates are those of all accepted points at once, whatever the order, the batches,
//! repetitions, storings and restarts.

mod common;

use common::{Scratch, copy};
use ferrometer_archive::{Archive, Definition, Kind, Method, Metric, Options, Point, Policy, Range, SECOND, Sync};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

/// A plain keeper of all accepted points.
struct Model {
    policy: Policy,
    points: BTreeMap<i64, f64>,
    too_late: u64,
}

impl Model {
    fn append(&mut self, batch: &[Point]) {
        let last = self.points.keys().next_back().copied();
        let mut seen = std::collections::BTreeSet::new();
        for point in batch.iter().filter(|point| seen.insert(point.at)) {
            // The window in the document's words: the current block of the coarsest granularity, and the ones of the back window.
            let block = self.policy.definitions().iter().map(|definition| definition.granularity).max().unwrap();
            let blocks =
                i64::from(self.policy.back_window) + i64::from(self.policy.methods().iter().any(|method| method.rate));
            if last.is_some_and(|last| point.at < last / block * block - blocks * block) {
                self.too_late += 1;
            } else {
                self.points.insert(point.at, point.value);
            }
        }
    }

    fn measures(&self, method: Method, definition: &Definition) -> Vec<(i64, f64)> {
        let Some(last) = self.points.keys().next_back() else { return Vec::new() };
        let granularity = definition.granularity;
        let oldest = definition.points.map_or(0, |points| last / granularity - points as i64 + 1);
        let mut buckets: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
        let mut before = None;
        for (at, value) in &self.points {
            let value =
                if method.rate { before.replace(*value).map(|before: f64| value - before) } else { Some(*value) };
            if let Some(value) = value {
                buckets.entry(at / granularity).or_default().push(value);
            }
        }
        let kept = buckets.into_iter().filter(|(bucket, _)| *bucket >= oldest);
        kept.filter_map(|(bucket, values)| Some((bucket * granularity, number(method.kind, &values)?))).collect()
    }
}

fn number(kind: Kind, values: &[f64]) -> Option<f64> {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some(match kind {
        Kind::Mean => mean,
        Kind::Sum => values.iter().sum(),
        Kind::Last => *values.last()?,
        Kind::First => values[0],
        Kind::Max => *sorted.last()?,
        Kind::Min => sorted[0],
        Kind::Count => count,
        Kind::Std if values.len() < 2 => return None,
        Kind::Std => (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt(),
        Kind::Median => (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0,
        Kind::Percentile(rank) => {
            let at = (count - 1.0) * f64::from(rank) / 100.0;
            let low = sorted[at.floor() as usize];
            low + (sorted[at.ceil() as usize] - low) * (at - at.floor())
        }
    })
}

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<Point>),
    /// The batch before comes again.
    Repeat,
    Store,
    /// The archive is closed and opened.
    Reopen,
    /// The process ends at this moment: another opens what is on the disk.
    Crash,
    Ask,
}

fn batch() -> impl Strategy<Value = Vec<Point>> {
    // Times drift forward over the batches, with points before and behind; values whose sums are exact.
    let point = (0..600_i64, -400..400_i32);
    (0..40_i64, prop::collection::vec(point, 0..30)).prop_map(|(drift, points)| {
        let point =
            |(at, value): (i64, i32)| Point { at: (drift * 100 + at) * SECOND / 2, value: f64::from(value) / 4.0 };
        points.into_iter().map(point).collect()
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => batch().prop_map(Step::Append),
        1 => Just(Step::Repeat),
        2 => Just(Step::Store),
        1 => Just(Step::Reopen),
        1 => Just(Step::Crash),
        1 => Just(Step::Ask),
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    let definition = prop::sample::subsequence(vec![1, 7, 60, 300], 1..=3);
    let methods = prop::sample::subsequence(
        vec![
            "mean",
            "sum",
            "last",
            "max",
            "min",
            "std",
            "median",
            "first",
            "count",
            "95pct",
            "rate:mean",
            "rate:max",
            "rate:last",
        ],
        1..=6,
    );
    (definition, methods, 0..3_u32, 5..2000_u64).prop_map(|(seconds, methods, back_window, points)| {
        let definition = |seconds: &i64| Definition::new(Some(seconds * SECOND), Some(points), None).unwrap();
        let methods: Vec<Method> = methods.iter().map(|name| name.parse().unwrap()).collect();
        Policy::new("p", back_window, seconds.iter().map(definition).collect(), &methods).unwrap()
    })
}

fn options() -> Options {
    Options {
        sync: Sync::None,
        workers: 1,
        default_policies: false,
        store_every: Duration::from_secs(3600),
        ..Options::default()
    }
}

fn agree(archive: &Archive, metric: &Metric, model: &Model) -> Result<(), TestCaseError> {
    for definition in model.policy.definitions() {
        for method in model.policy.methods() {
            let found = archive.measures(metric.id, method, definition.granularity, Range::default()).unwrap();
            let expected = model.measures(method, definition);
            let what = format!("{method} at {} s", definition.granularity / SECOND);
            prop_assert_eq!(
                found.iter().map(|p| p.at).collect::<Vec<_>>(),
                expected.iter().map(|p| p.0).collect::<Vec<_>>(),
                "{}",
                what
            );
            for (found, (at, expected)) in found.iter().zip(expected) {
                let near =
                    matches!(method.kind, Kind::Std | Kind::Percentile(_)) && (found.value - expected).abs() < 1e-9;
                prop_assert!(near || found.value == expected, "{what} at {at}: {} is not {expected}", found.value);
            }
        }
    }
    prop_assert_eq!(archive.account(metric.id).unwrap().too_late, model.too_late);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn aggregates_are_those_of_all_accepted_points_at_once(
        policy in policy(),
        steps in prop::collection::vec(step(), 1..25),
        // With room for all, and for one place of an object.
        memory in prop::sample::select(vec![256 << 20, 1000]),
    ) {
        let options = || Options { memory, ..options() };
        let scratch = Scratch::new("model");
        let mut path = scratch.path().join("0");
        let mut archive = Archive::open(&path, options()).unwrap();
        archive.add_policy(&policy).unwrap();
        let metric = Metric { id: uuid::Uuid::from_u128(5), creator: String::new(), name: None, unit: None, policy: "p".into(), resource: None };
        archive.add_metrics(std::slice::from_ref(&metric)).unwrap();
        let mut model = Model { policy, points: BTreeMap::new(), too_late: 0 };
        let mut before = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Append(batch) => {
                    archive.append(vec![(metric.id, batch.clone())]).unwrap();
                    model.append(&batch);
                    before = batch;
                }
                Step::Repeat => {
                    archive.append(vec![(metric.id, before.clone())]).unwrap();
                    model.append(&before);
                }
                Step::Store => archive.store().unwrap(),
                Step::Reopen => {
                    drop(archive);
                    archive = Archive::open(&path, options()).unwrap();
                }
                Step::Crash => {
                    let next = scratch.path().join((number + 1).to_string());
                    copy(&path, &next);
                    drop(archive);
                    path = next;
                    archive = Archive::open(&path, options()).unwrap();
                }
                Step::Ask => agree(&archive, &metric, &model)?,
            }
        }
        agree(&archive, &metric, &model)?;
        archive.store().unwrap();
        agree(&archive, &metric, &model)?;
        drop(archive);
        agree(&Archive::open(&path, options()).unwrap(), &metric, &model)?;
    }
}

#[test]
fn ranges_begin_at_a_bucket_and_end_before_one() {
    let scratch = Scratch::new("ranges");
    let archive = Archive::open(scratch.path(), options()).unwrap();
    let minute = Definition::new(Some(60 * SECOND), Some(10_000), None).unwrap();
    archive.add_policy(&Policy::new("p", 0, vec![minute], &[Method::of(Kind::Mean)]).unwrap()).unwrap();
    let metric = Metric {
        id: uuid::Uuid::from_u128(5),
        creator: String::new(),
        name: None,
        unit: None,
        policy: "p".into(),
        resource: None,
    };
    archive.add_metrics(std::slice::from_ref(&metric)).unwrap();
    // Over several objects, of which the last is in memory.
    archive
        .append(vec![(metric.id, (0..3000).map(|i| Point { at: i * 60 * SECOND, value: i as f64 }).collect())])
        .unwrap();
    archive.store().unwrap();
    archive
        .append(vec![(metric.id, (3000..3100).map(|i| Point { at: i * 60 * SECOND, value: i as f64 }).collect())])
        .unwrap();
    for (start, stop) in [
        (None, None),
        (Some(90), None),
        (Some(61_440), Some(61_500)),
        (None, Some(60)),
        (Some(179_999), Some(180_001)),
        (Some(9), Some(3)),
    ] {
        let range = Range { start: start.map(|s: i64| s * SECOND), stop: stop.map(|s: i64| s * SECOND) };
        let found: Vec<f64> = archive
            .measures(metric.id, Method::of(Kind::Mean), 60 * SECOND, range)
            .unwrap()
            .iter()
            .map(|p| p.value)
            .collect();
        let first = start.map_or(0, |s| s / 60);
        let expected: Vec<f64> =
            (first..3100).filter(|i| stop.is_none_or(|stop| i * 60 < stop)).map(|i| i as f64).collect();
        assert_eq!(found, expected, "{start:?} {stop:?}");
    }
}
