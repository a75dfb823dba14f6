//! The check of an archive on servers: heads come back from bundles, bundles from nobody go, counts are counted, while processes go on.

#![cfg(feature = "postgresql")]

mod common;

use common::servers;
use ferrometer_archive::fsck::{Remedy, Report, check_servers};
use ferrometer_archive::{Archive, Cluster, Kind, Method, Metric, Options, Point, Range, SECOND, Servers, connect};
use std::time::{Duration, Instant};
use uuid::Uuid;

fn metric(number: u128) -> Metric {
    Metric {
        id: Uuid::from_u128(number),
        creator: "me".into(),
        name: Some(format!("m{number}")),
        unit: None,
        policy: "medium".into(),
        resource: None,
    }
}

const METRICS: u128 = 4;

fn open(servers: &Servers, workers: usize) -> Archive {
    let cluster = Cluster { every: Duration::from_millis(10), ..Cluster::default() };
    connect(&servers.clone().cluster(cluster), Options { workers, ..Options::default() }).unwrap()
}

/// Adds this many measures to each metric, and waits until workers have aggregated them.
fn fill(servers: &Servers, from: i64, count: i64) {
    let archive = open(servers, 1);
    for part in (from..from + count).collect::<Vec<_>>().chunks(500) {
        for number in 1..=METRICS {
            let points = part.iter().map(|i| Point { at: i * 60 * SECOND, value: (i % 7) as f64 });
            archive.append(vec![(Uuid::from_u128(number), points.collect())]).unwrap();
        }
        let begun = Instant::now();
        while archive.state().unwrap().measures_waiting > 0 {
            assert!(begun.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn counts(servers: &Servers) -> Vec<Vec<(i64, u64)>> {
    let archive = open(servers, 0);
    let of = |number| {
        let asked = archive.measures(Uuid::from_u128(number), Method::of(Kind::Sum), 3600 * SECOND, Range::default());
        asked.unwrap().iter().map(|point| (point.at, point.value.to_bits())).collect()
    };
    (1..=METRICS).map(of).collect()
}

fn remedies(report: &Report) -> Vec<Remedy> {
    report.findings.iter().map(|finding| finding.remedy).collect()
}

/// Finds something that can be repaired, repairs it, and finds nothing more.
fn repaired(servers: &Servers, words: &str) {
    let told = check_servers(servers, false).unwrap();
    assert!(told.findings.iter().any(|finding| finding.found.contains(words)), "{words}: {told:?}");
    assert!(remedies(&told).iter().all(|remedy| *remedy == Remedy::Possible), "{told:?}");
    let report = check_servers(servers, true).unwrap();
    assert!(remedies(&report).iter().all(|remedy| *remedy == Remedy::Repaired), "{report:?}");
    assert_eq!(check_servers(servers, false).unwrap().findings, []);
}

#[test]
#[ignore = "needs PostgreSQL"]
fn whatever_is_lost_of_the_tables_comes_back_from_the_bundles() {
    let server = servers::Postgres::start("fsck-postgres");
    let servers = Servers::new(&server.address);
    open(&servers, 0).add_metrics(&(1..=METRICS).map(metric).collect::<Vec<_>>()).unwrap();
    fill(&servers, 0, 2000);
    let whole = counts(&servers);
    let sound = check_servers(&servers, true).unwrap();
    assert_eq!((sound.metrics, &sound.findings[..]), (METRICS as u64, &[][..]));
    assert!(sound.objects >= METRICS as u64 * 3, "{}", sound.objects);
    let mut database = postgres::Client::connect(&server.address, postgres::NoTls).unwrap();
    let one = Uuid::from_u128(1);
    let head = database.query_one("SELECT head FROM archive_head WHERE metric = $1", &[&one]).unwrap();
    let head: Vec<u8> = head.get(0);
    for at in (0..head.len()).step_by(head.len() / 5) {
        let mut hit = head.clone();
        hit[at] ^= 0x22;
        database.execute("UPDATE archive_head SET head = $2 WHERE metric = $1", &[&one, &hit]).unwrap();
        repaired(&servers, "it is damaged");
        assert_eq!(counts(&servers), whole);
    }
    database.execute("DELETE FROM archive_head WHERE metric = $1", &[&one]).unwrap();
    repaired(&servers, "it is not there, and bundles are");
    database.execute("UPDATE archive_head SET bytes = 5", &[]).unwrap();
    repaired(&servers, "it counts 5 bytes");
    // A bundle of a round that never committed.
    let stray =
        "INSERT INTO archive_object SELECT metric, granularity, 7, body FROM archive_object WHERE metric = $1 LIMIT 1";
    database.execute(stray, &[&one]).unwrap();
    repaired(&servers, "1 bundles that no head names");
    let rest = database.query_one("SELECT count(*) FROM archive_object WHERE stretch = 7", &[]).unwrap();
    assert_eq!(rest.get::<_, i64>(0), 0);
    // A row of the index.
    database.execute("DELETE FROM archive_metric WHERE id = $1", &[&Uuid::from_u128(2).to_string()]).unwrap();
    repaired(&servers, "objects of a metric that the index has not");
    database.execute("DELETE FROM archive_metric WHERE id = $1", &[&Uuid::from_u128(3).to_string()]).unwrap();
    database.execute("DELETE FROM archive_head WHERE metric = $1", &[&Uuid::from_u128(3)]).unwrap();
    repaired(&servers, "objects of a metric that the index has not");
    assert_eq!(counts(&servers), whole);
    // Later measures are added, once.
    fill(&servers, 2000, 100);
    let sum =
        |counts: &Vec<Vec<(i64, u64)>>| -> f64 { counts.iter().flatten().map(|(_, bits)| f64::from_bits(*bits)).sum() };
    let added: i64 = (2000..2100).map(|i| i % 7).sum();
    assert_eq!(sum(&counts(&servers)), sum(&whole) + (added * METRICS as i64) as f64);
    // Bundles that are damaged: what the raw points do not tell is lost, and said to be.
    database
        .execute(
            "UPDATE archive_object SET body = set_byte(body, 3, 255 - get_byte(body, 3)) WHERE metric = $1",
            &[&one],
        )
        .unwrap();
    let told = check_servers(&servers, false).unwrap();
    assert!(remedies(&told).contains(&Remedy::InPart), "{told:?}");
    let report = check_servers(&servers, true).unwrap();
    assert!(!remedies(&report).contains(&Remedy::Possible), "{report:?}");
    assert_eq!(check_servers(&servers, false).unwrap().findings, []);
    let others = counts(&servers);
    assert_eq!(others.iter().zip(&whole).filter(|(now, before)| now.len() < before.len()).count(), 1);
    fill(&servers, 2100, 100);
}

#[test]
#[ignore = "needs PostgreSQL, Redis"]
fn counts_in_redis_are_counted_anew() {
    let (server, redis) = (servers::Postgres::start("fsck-redis"), servers::Server::redis());
    let address = format!("redis://127.0.0.1:{}/0", redis.port);
    let servers = Servers::new(&server.address).incoming(&address).storage(&address);
    let archive = open(&servers, 0);
    archive.add_metrics(&(1..=METRICS).map(metric).collect::<Vec<_>>()).unwrap();
    fill(&servers, 0, 100);
    for number in 1..=METRICS {
        archive.append(vec![(Uuid::from_u128(number), vec![Point { at: 9_000 * SECOND, value: 1.0 }])]).unwrap();
    }
    assert_eq!(check_servers(&servers, false).unwrap().findings, []);
    let mut connection = redis::Client::open(address.as_str()).unwrap().get_connection().unwrap();
    let mut run = |words: &[&str]| {
        let mut command = redis::cmd(words[0]);
        words[1..].iter().for_each(|word| {
            command.arg(*word);
        });
        command.query::<redis::Value>(&mut connection).unwrap()
    };
    let (one, none) = (Uuid::from_u128(1).to_string(), Uuid::from_u128(99).to_string());
    run(&["SET", "ferrometer-archive:count", "12345"]);
    repaired(&servers, "counts of what waits");
    run(&["HSET", "ferrometer-archive:counts", &one, "7"]);
    repaired(&servers, "counts of what waits");
    run(&["HSET", "ferrometer-archive:counts", &none, "7"]);
    repaired(&servers, "counts of what waits");
    // Without its place in a sack no worker would find it.
    for sack in 0..64 {
        run(&["SREM", &format!("ferrometer-archive:sack:{sack}"), &one]);
    }
    repaired(&servers, "counts of what waits");
    assert_eq!(archive.state().unwrap().measures_waiting, METRICS as u64);
    fill(&servers, 200, 1);
    assert_eq!(archive.state().unwrap().measures_waiting, 0);
}

#[test]
#[ignore = "needs PostgreSQL, s3rver"]
fn a_check_does_not_disturb_workers() {
    let (server, s3) = (servers::Postgres::start("fsck-busy"), servers::Server::s3());
    let storage = format!("s3://S3RVER:S3RVER@archive/a?endpoint=http://127.0.0.1:{}&region=us-east-1", s3.port);
    let servers = Servers::new(&server.address).storage(storage);
    let archive = open(&servers, 2);
    archive.add_metrics(&(1..=METRICS).map(metric).collect::<Vec<_>>()).unwrap();
    let mut sent = 0;
    for round in 0..10 {
        std::thread::scope(|scope| {
            let check = scope.spawn(|| check_servers(&servers, true).unwrap());
            while !check.is_finished() {
                let at = sent * SECOND;
                let batch = (1..=METRICS).map(|number| (Uuid::from_u128(number), vec![Point { at, value: 1.0 }]));
                archive.append(batch.collect()).unwrap();
                sent += 1;
            }
            let report = check.join().unwrap();
            assert!(report.is_sound(), "round {round}: {report:?}");
        });
    }
    for number in 1..=METRICS {
        let asked = archive.measures(Uuid::from_u128(number), Method::of(Kind::Count), 3600 * SECOND, Range::default());
        assert_eq!(asked.unwrap().iter().map(|point| point.value).sum::<f64>(), sent as f64);
    }
}
