//! Promises of an archive on PostgreSQL beside the kills: the same answers as in a directory, to every process.

#![cfg(feature = "postgresql")]

mod common;

use common::{Scratch, servers};
use ferrometer_archive::search::{Compare, Filter, Page, Sort, Value};
use ferrometer_archive::{
    Archive, Attribute, AttributeKind, Cluster, Error, Kind, Method, Metric, NewMetric, Options, Point, Range,
    Resource, ResourceChange, ResourceQuery, ResourceType, SECOND, Servers, TypeChange, connect,
};
use std::time::{Duration, Instant};
use uuid::Uuid;

fn resource(number: u128, kind: &str) -> Resource {
    let attributes = [
        ("size".to_owned(), serde_json::json!(number as f64 / 2.0)),
        ("name".to_owned(), serde_json::json!(format!("Näme {number}"))),
        ("on".to_owned(), serde_json::json!(number.is_multiple_of(2))),
    ];
    Resource {
        id: Uuid::from_u128(number),
        kind: kind.into(),
        original_id: format!("thing {number}"),
        creator: "me:us".into(),
        user: number.is_multiple_of(3).then(|| format!("user{number}")),
        project: None,
        started_at: number as i64 * SECOND,
        ended_at: None,
        revision_start: 7,
        revision_end: None,
        revision: -1,
        attributes: if kind == "generic" { Default::default() } else { attributes.into_iter().collect() },
    }
}

fn metric(number: u128, name: &str) -> Metric {
    Metric {
        id: Uuid::from_u128(number),
        creator: "me:us".into(),
        name: Some(name.into()),
        unit: None,
        policy: "low".into(),
        resource: None,
    }
}

/// Asks many things of an archive; what it answers is told as text.
fn transcript(archive: &Archive) -> Vec<String> {
    let mut told = Vec::new();
    macro_rules! tell {
        ($asked:expr) => {
            told.push(format!("{}: {:?}", stringify!($asked), $asked))
        };
    }
    tell!(archive.policies().len());
    tell!(archive.rules());
    tell!(archive.remove_policy("low"));
    tell!(archive.remove_policy("none"));
    tell!(archive.rename_rule("default", "usual"));
    let attribute = |kind| Attribute { kind, required: false };
    let kind = ResourceType {
        name: "thing".into(),
        attributes: [
            ("size".to_owned(), attribute(AttributeKind::Number { min: None, max: None })),
            ("name".to_owned(), attribute(AttributeKind::String { min_length: 0, max_length: 99 })),
            ("on".to_owned(), attribute(AttributeKind::Bool)),
        ]
        .into(),
    };
    tell!(archive.add_resource_type(&kind));
    tell!(archive.add_resource_type(&kind));
    for number in 1..8 {
        let new = Metric { resource: Some(Uuid::from_u128(number)), ..metric(100 + number, "cpu") };
        tell!(archive.add_resource(&resource(number, "thing"), &[NewMetric::Create(new)]));
    }
    tell!(archive.add_resource(&resource(1, "thing"), &[]));
    tell!(archive.add_resource(&resource(50, "none"), &[]).is_err());
    tell!(archive.add_resource(&resource(20, "generic"), &[NewMetric::Link(Uuid::from_u128(9999))]));
    tell!(archive.add_metrics(&[Metric { resource: Some(Uuid::from_u128(1)), ..metric(7, "cpu") }]));
    tell!(archive.add_metrics(&[Metric { resource: Some(Uuid::from_u128(77)), ..metric(7, "cpu") }]));
    tell!(archive.add_metrics(&[Metric { policy: "none".into(), ..metric(7, "cpu") }]));
    tell!(archive.add_metrics(&[metric(8, "b"), metric(9, "A"), metric(10, "a"), metric(11, "Ä")]));
    let by = |key: &str, descending, nulls_first| Sort { key: key.into(), descending, nulls_first };
    let page = |sort, limit, marker: Option<u128>| Page {
        sort,
        limit,
        marker: marker.map(|marker| Uuid::from_u128(marker).to_string()),
    };
    tell!(archive.metrics(None, &page(vec![by("name", false, false)], None, None)));
    tell!(archive.metrics(None, &page(vec![by("name", true, true)], Some(3), Some(10))));
    tell!(archive.metrics(None, &page(vec![by("color", true, true)], Some(3), None)));
    tell!(archive.metrics(None, &page(vec![], None, Some(12345))));
    tell!(archive.metrics(Some(&Filter::is("resource_id", Uuid::from_u128(3).to_string())), &Page::default()));
    let compare = |operator, name: &str, value| Filter::Compare(operator, name.into(), value);
    let filters = [
        compare(Compare::Gt, "size", Value::Number(1.5)),
        compare(Compare::Ne, "user_id", Value::Text("user3".into())),
        compare(Compare::Eq, "user_id", Value::Null),
        compare(Compare::Like, "name", Value::Text("Näme _".into())),
        compare(Compare::Like, "name", Value::Text("näme%".into())),
        compare(Compare::Eq, "on", Value::Bool(true)),
        compare(Compare::Le, "started_at", Value::Number(4.0)),
        compare(Compare::Eq, "started_at", Value::Text("1970-01-01T00:00:02".into())),
        compare(Compare::Eq, "created_by_project_id", Value::Text("us".into())),
        compare(Compare::Eq, "size", Value::Text("many".into())),
        compare(Compare::Eq, "color", Value::Text("red".into())),
        Filter::In("id".into(), vec![Value::Text(Uuid::from_u128(2).to_string())]),
        Filter::In("size".into(), vec![Value::Number(1.0), Value::Number(3.5)]),
        Filter::Not(Box::new(Filter::Or(vec![compare(Compare::Lt, "size", Value::Number(3.0))]))),
        Filter::And(vec![]),
        Filter::Or(vec![]),
    ];
    for filter in filters {
        for (sort, marker) in [(vec![], None), (vec![by("user_id", false, true), by("size", true, false)], Some(3))] {
            let query = ResourceQuery {
                kind: "thing".into(),
                filter: Some(filter.clone()),
                history: false,
                page: page(sort, Some(4), marker),
            };
            tell!((&filter, archive.resources(&query)));
        }
    }
    let change = ResourceChange { user: Some(Some("new".into())), at: 99, revision: true, ..ResourceChange::default() };
    tell!(archive.change_resource(Uuid::from_u128(2), &change, Some((&[NewMetric::Link(Uuid::from_u128(8))], true))));
    tell!(archive.change_resource(Uuid::from_u128(999), &change, None));
    // By a clock that went back.
    let change = ResourceChange { user: Some(None), at: 50, revision: true, ..ResourceChange::default() };
    tell!(archive.change_resource(Uuid::from_u128(2), &change, None));
    let change = ResourceChange { ended_at: Some(Some(0)), at: 100, revision: true, ..ResourceChange::default() };
    tell!(archive.change_resource(Uuid::from_u128(2), &change, None));
    let add = [("color".to_owned(), (attribute(AttributeKind::Uuid), None))];
    let change = TypeChange { add: add.into(), remove: vec!["on".into()], update: Default::default() };
    tell!(archive.change_resource_type("thing", &change));
    let history = ResourceQuery { kind: "generic".into(), history: true, ..ResourceQuery::default() };
    let revisions = archive.resources(&history).unwrap();
    assert!(revisions.iter().any(|one| one.revision_end == Some(100)), "the last began at 99");
    assert!(revisions.iter().all(|one| one.revision_end.is_none_or(|end| end > one.revision_start)));
    tell!(archive.resources(&history));
    tell!(archive.remove_resource_type("thing"));
    tell!(archive.remove_resources("thing", &compare(Compare::Ge, "size", Value::Number(1.0))));
    tell!(archive.metrics(None, &Page::default()));
    tell!(archive.remove_metric(Uuid::from_u128(9)));
    tell!(archive.remove_metric(Uuid::from_u128(9)));
    told
}

fn open(server: &servers::Postgres, workers: usize) -> Archive {
    let cluster = Cluster { every: Duration::from_millis(10), ..Cluster::default() };
    let options = Options { workers, ..Options::default() };
    connect(&Servers::new(&server.address).cluster(cluster), options).unwrap()
}

#[test]
#[ignore = "needs PostgreSQL"]
fn postgresql_and_sqlite_answer_alike() {
    let (scratch, server) = (Scratch::new("alike"), servers::Postgres::start("alike-postgres"));
    let expected = transcript(&Archive::open(scratch.path(), Options::default()).unwrap());
    let found = transcript(&open(&server, 0));
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
    let nul = Metric { name: Some("a\0b".into()), ..metric(500, "") };
    assert!(matches!(open(&server, 0).add_metrics(&[nul]), Err(Error::Invalid(_))));
}

#[test]
#[ignore = "needs PostgreSQL"]
fn every_process_sees_what_another_did_and_a_metric_leaves_nothing() {
    let server = servers::Postgres::start("every-process");
    let (one, other) = (open(&server, 1), open(&server, 0));
    let metric = metric(1, "cpu");
    one.add_metrics(std::slice::from_ref(&metric)).unwrap();
    let sums = |archive: &Archive| -> Vec<f64> {
        let found = archive.measures(metric.id, Method::of(Kind::Sum), 300 * SECOND, Range::default()).unwrap();
        found.iter().map(|point| point.value).collect()
    };
    for i in 0..200 {
        let (writes, reads) = if i % 2 == 0 { (&one, &other) } else { (&other, &one) };
        writes.append(vec![(metric.id, vec![Point { at: i * SECOND, value: 1.0 }])]).unwrap();
        assert_eq!(sums(reads), [(i + 1) as f64], "what one was told, the other sees at once");
    }
    let begun = Instant::now();
    while one.state().unwrap().measures_waiting > 0 {
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
    // A change by a process that has no lease.
    let range = Range { start: Some(100 * SECOND), stop: None };
    assert_eq!(other.remove_measures(metric.id, range).unwrap().points, 100);
    assert_eq!(sums(&one), [100.0]);
    other.append(vec![(metric.id, vec![Point { at: 150 * SECOND, value: 5.0 }])]).unwrap();
    assert_eq!(sums(&one), [105.0]);
    other.remove_metric(metric.id).unwrap();
    assert!(matches!(one.account(metric.id), Err(Error::NoSuchMetric(_))));
    assert_eq!((one.state().unwrap().storage.objects, one.state().unwrap().measures_waiting), (0, 0));
    // Measures that come for it later are dropped by a worker.
    other.append(vec![(metric.id, vec![Point { at: 0, value: 5.0 }])]).unwrap();
    let begun = Instant::now();
    while one.state().unwrap().measures_waiting > 0 {
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
#[ignore = "needs PostgreSQL"]
fn an_older_program_refuses_and_a_server_that_is_away_is_said_to_be() {
    let server = servers::Postgres::start("older");
    let archive = open(&server, 1);
    let metric = metric(1, "cpu");
    archive.add_metrics(std::slice::from_ref(&metric)).unwrap();
    let point = |at: i64| vec![(metric.id, vec![Point { at: at * SECOND, value: 1.0 }])];
    archive.append(point(1)).unwrap();
    server.stop();
    assert!(matches!(archive.append(point(2)), Err(Error::Away(_))));
    assert!(matches!(archive.account(metric.id), Err(Error::Away(_))));
    server.again();
    archive.append(point(3)).unwrap();
    let count = archive.measures(metric.id, Method::of(Kind::Count), 300 * SECOND, Range::default()).unwrap();
    assert_eq!(count.iter().map(|point| point.value).sum::<f64>(), 2.0);
    let mut client = postgres::Client::connect(&server.address, postgres::NoTls).unwrap();
    client.batch_execute("UPDATE archive_schema SET version = 99").unwrap();
    let Err(error) = connect(&Servers::new(&server.address), Options::default()) else { panic!("it was opened") };
    assert!(error.to_string().contains("99, written by a later version"), "{error}");
    for (address, words) in [("mysql://h/d", "postgresql://"), ("postgresql://h:port/d", "postgresql://user@host")] {
        let Err(Error::Invalid(text)) = connect(&Servers::new(address), Options::default()) else { panic!() };
        assert!(text.contains(words), "{text}");
    }
}
