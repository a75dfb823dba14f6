//! Bounds and refusals of an archive.

mod common;

use common::Scratch;
use ferrometer_archive::{Archive, Error, Kind, Method, Metric, Options, Point, Range, SECOND, Sqlite, Sync};
use uuid::Uuid;

fn options() -> Options {
    Options { sync: Sync::None, ..Options::default() }
}

#[test]
fn memory_is_bounded_however_much_comes() {
    const LIMIT: usize = 1 << 20;
    let scratch = Scratch::new("memory");
    let archive = Archive::open(scratch.path(), Options { memory: LIMIT, workers: 2, ..options() }).unwrap();
    let metrics: Vec<Metric> = (0..100)
        .map(|i| Metric {
            id: Uuid::from_u128(i),
            creator: String::new(),
            name: None,
            unit: None,
            policy: "high".into(),
            resource: None,
        })
        .collect();
    archive.add_metrics(&metrics).unwrap();
    let size = 100;
    for round in 0..15 {
        let points = |i: i64| Point { at: (round * size + i) * SECOND, value: i as f64 };
        archive.append(metrics.iter().map(|metric| (metric.id, (0..size).map(points).collect())).collect()).unwrap();
        let (memory, batch) = (archive.state().unwrap().memory, metrics.len() * size as usize * size_of::<Point>());
        // The batch waits and is applied, and points have a quarter of room to grow.
        assert!(memory <= (2 * (LIMIT + batch)) as u64, "round {round}: {memory}");
    }
    for metric in &metrics {
        let hours = archive.measures(metric.id, Method::of(Kind::Count), 3600 * SECOND, Range::default()).unwrap();
        assert_eq!(hours.iter().map(|point| point.value).sum::<f64>(), (15 * size) as f64);
    }
}

#[test]
fn what_is_no_measure_is_refused_with_all_of_its_batch() {
    let scratch = Scratch::new("refused");
    let archive = Archive::open(scratch.path(), options()).unwrap();
    let metric = archive.new_metric("me", Some("x")).unwrap();
    archive.add_metrics(std::slice::from_ref(&metric)).unwrap();
    let good = Point { at: 5, value: 1.0 };
    for wrong in [Point { at: -1, ..good }, Point { value: f64::NAN, ..good }, Point { value: f64::INFINITY, ..good }] {
        assert!(matches!(archive.append(vec![(metric.id, vec![good, wrong])]), Err(Error::Invalid(_))));
    }
    // The last nanosecond that there is.
    archive.append(vec![(metric.id, vec![Point { at: i64::MAX, value: 2.0 }])]).unwrap();
    archive.append(vec![(metric.id, vec![good])]).unwrap();
    let account = archive.account(metric.id).unwrap();
    assert_eq!((account.accepted, account.too_late, account.last), (1, 1, Some(i64::MAX)));
    let all = archive.measures(metric.id, Method::of(Kind::Sum), 300 * SECOND, Range::default()).unwrap();
    assert_eq!(all.len(), 1);
    archive.store().unwrap();
    assert_eq!(archive.measures(metric.id, Method::of(Kind::Sum), 300 * SECOND, Range::default()).unwrap(), all);
    // Measures of a metric that is not there are dropped, and nothing of them stays.
    archive.append(vec![(Uuid::from_u128(9), vec![good])]).unwrap();
    archive.store().unwrap();
    assert_eq!(archive.state().unwrap().measures_waiting, 0);
}

#[test]
fn a_metric_that_is_removed_takes_its_aggregates_with_it() {
    let scratch = Scratch::new("removed");
    let archive = Archive::open(scratch.path(), options()).unwrap();
    let metric = archive.new_metric("me", Some("x")).unwrap();
    archive.add_metrics(std::slice::from_ref(&metric)).unwrap();
    archive.append(vec![(metric.id, vec![Point { at: 5, value: 1.0 }])]).unwrap();
    archive.store().unwrap();
    assert_eq!(archive.state().unwrap().storage.objects, 2);
    archive.append(vec![(metric.id, vec![Point { at: 6, value: 1.0 }])]).unwrap();
    archive.remove_metric(metric.id).unwrap();
    assert!(matches!(archive.account(metric.id), Err(Error::NoSuchMetric(_))));
    drop(archive);
    let archive = Archive::open(scratch.path(), options()).unwrap();
    archive.store().unwrap();
    assert_eq!(archive.state().unwrap().storage.objects, 0);
}

#[test]
fn an_archive_is_opened_once_and_not_by_an_older_program() {
    let scratch = Scratch::new("opened");
    let archive = Archive::open(scratch.path(), options()).unwrap();
    assert!(matches!(Archive::open(scratch.path(), options()), Err(Error::Busy(_))));
    drop(archive);
    let path = scratch.path().join("index.sqlite");
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let Err(error) = Sqlite::open(&path, true) else { panic!("a schema of the future was opened") };
    assert!(error.to_string().contains("later version"), "{error}");
}
