//! One contract for every storage: objects are replaced whole, listed in order, deleted, and forgotten with their metric.

#[cfg(all(feature = "postgresql", feature = "redis", feature = "s3"))]
#[path = "common/ceph.rs"]
mod ceph;
mod common;

use common::Scratch;
use ferrometer_archive::{Key, Packs, Storage};
use uuid::Uuid;

fn contract(storage: &dyn Storage) {
    let metric = Uuid::from_u128(7);
    let key = |granularity, stretch| Key { metric, granularity, stretch };
    let body = |size: usize| (0..size).map(|i| (i * 31 % 251) as u8).collect::<Vec<u8>>();
    assert_eq!(storage.get(&key(1, 1)).unwrap(), None);
    assert!(storage.stretches(metric, 1, i64::MIN..=i64::MAX).unwrap().is_empty());
    let large = body(300_000);
    storage
        .put(&[
            (key(1, 10), Some(body(10))),
            (key(1, 9), Some(large.clone())),
            (key(1, 100), Some(Vec::new())),
            (key(-1, i64::MAX), Some(body(3))),
            (key(60, 9), Some(body(2))),
        ])
        .unwrap();
    storage.put(&[(Key { metric: Uuid::from_u128(8), granularity: 1, stretch: 11 }, Some(body(1)))]).unwrap();
    storage.sync().unwrap();
    assert_eq!(storage.stretches(metric, 1, i64::MIN..=i64::MAX).unwrap(), [9, 10, 100]);
    assert_eq!(storage.stretches(metric, 1, 10..=99).unwrap(), [10]);
    assert_eq!(storage.stretches(metric, -1, 0..=i64::MAX).unwrap(), [i64::MAX]);
    assert_eq!(storage.get(&key(1, 9)).unwrap(), Some(large));
    assert_eq!(storage.get(&key(1, 100)).unwrap(), Some(Vec::new()));
    storage.put(&[(key(1, 9), Some(body(5))), (key(1, 10), None), (key(1, 12345), None)]).unwrap();
    assert_eq!(storage.get(&key(1, 9)).unwrap(), Some(body(5)));
    assert_eq!(storage.get(&key(1, 10)).unwrap(), None);
    assert_eq!(storage.stretches(metric, 1, 0..=1000).unwrap(), [9, 100]);
    let keys = || {
        let mut keys = std::collections::BTreeSet::new();
        storage
            .keys(&mut |key| {
                keys.insert((key.metric.as_u128(), key.granularity, key.stretch));
            })
            .unwrap();
        keys.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(keys(), [(7, -1, i64::MAX), (7, 1, 9), (7, 1, 100), (7, 60, 9), (8, 1, 11)]);
    storage.forget(metric).unwrap();
    assert!(storage.stretches(metric, 1, i64::MIN..=i64::MAX).unwrap().is_empty());
    assert_eq!(storage.get(&key(60, 9)).unwrap(), None);
    assert_eq!(storage.stretches(Uuid::from_u128(8), 1, 0..=1000).unwrap(), [11]);
    assert_eq!(keys(), [(8, 1, 11)]);
}

#[test]
fn packs_keep_objects() {
    for memory in [1 << 20, 200, 0] {
        let scratch = Scratch::new("contract");
        contract(&Packs::open(scratch.path(), memory).unwrap());
    }
}

#[cfg(feature = "postgresql")]
#[test]
#[ignore = "needs PostgreSQL"]
fn postgresql_keeps_objects() {
    let server = common::servers::Postgres::start("contract-postgres");
    contract(&ferrometer_archive::Postgres::connect(&server.address).unwrap());
}

#[cfg(all(feature = "redis", feature = "postgresql"))]
#[test]
#[ignore = "needs Redis"]
fn redis_keeps_objects() {
    let server = common::servers::Server::redis();
    contract(&ferrometer_archive::Redis::connect(&format!("redis://127.0.0.1:{}/0", server.port)).unwrap());
}

#[cfg(all(feature = "s3", feature = "postgresql"))]
#[test]
#[ignore = "needs s3rver"]
fn s3_keeps_objects() {
    let server = common::servers::Server::s3();
    let address = format!("s3://S3RVER:S3RVER@archive/some/where?endpoint=http://127.0.0.1:{}", server.port);
    contract(&ferrometer_archive::S3::connect(&address).unwrap());
    // With objects in it.
    ferrometer_archive::S3::connect(&address).unwrap();
}

#[cfg(all(feature = "postgresql", feature = "redis", feature = "s3"))]
#[test]
#[ignore = "needs Ceph; scripts/test --full installs it"]
fn ceph_keeps_objects() {
    let ceph = ceph::Ceph::start();
    contract(&ferrometer_archive::S3::connect(&ceph.address).unwrap());
}
