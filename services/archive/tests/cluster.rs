//! Many processes on servers: whatever of it is killed or restarted, every acknowledged measure is aggregated once.

#![cfg(feature = "postgresql")]

#[cfg(all(feature = "postgresql", feature = "redis", feature = "s3"))]
#[path = "common/ceph.rs"]
mod ceph;
mod common;

use common::servers::Postgres;
#[cfg(all(feature = "redis", feature = "s3"))]
use common::servers::Server;
use ferrometer_archive::{
    Archive, Cluster, Definition, Error, Kind, Method, Metric, Options, Point, Policy, Range, SECOND, Servers, connect,
};
use std::io::Write;
use std::process::Child;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use uuid::Uuid;

const ROLE: &str = "FERROMETER_ARCHIVE_CLUSTER_ROLE";
const PLACES: &str = "FERROMETER_ARCHIVE_CLUSTER_PLACES";
const FROM: &str = "FERROMETER_ARCHIVE_CLUSTER_FROM";
/// Writers, and as many workers.
const PROCESSES: usize = 3;
/// Metrics of each writer.
const METRICS: usize = 4;

/// Where the parts are: index, incoming, storage.
type Addresses = [String; 3];

fn open(addresses: &Addresses, workers: usize) -> Result<Archive, Error> {
    let cluster = Cluster { lease: Duration::from_secs(2), every: Duration::from_millis(20), ..Cluster::default() };
    let servers = Servers::new(&addresses[0]).incoming(&addresses[1]).storage(&addresses[2]).cluster(cluster);
    connect(&servers, Options { workers, default_policies: false, memory: 1 << 20, ..Options::default() })
}

/// Opens an archive whose servers may be on their way up.
fn open_patiently(addresses: &Addresses, workers: usize) -> Archive {
    patiently(|| open(addresses, workers))
}

/// Tries again what fails because a server is away.
fn patiently<T>(mut run: impl FnMut() -> Result<T, Error>) -> T {
    let begun = Instant::now();
    loop {
        match run() {
            Ok(done) => return done,
            Err(Error::Away(_) | Error::Busy(_)) if begun.elapsed() < Duration::from_secs(300) => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

fn metric(number: usize) -> Uuid {
    Uuid::from_u128(number as u128 + 1)
}

/// Measure `i` of a metric is at second `i` and has the value `i`.
fn point(i: u64) -> Point {
    Point { at: i as i64 * SECOND, value: i as f64 }
}

/// Runs in a process of its own: a writer appends for ever and tells what is acknowledged, a worker aggregates.
#[test]
#[ignore = "the child of the tests below"]
fn child() {
    let (Ok(role), Ok(places)) = (std::env::var(ROLE), std::env::var(PLACES)) else { return };
    let addresses: Addresses = std::array::from_fn(|at| places.split(' ').nth(at).unwrap().to_owned());
    let Ok(writer) = role.parse::<usize>() else {
        let _archive = open_patiently(&addresses, 2);
        loop {
            std::thread::park();
        }
    };
    let archive = open_patiently(&addresses, 0);
    let from = std::env::var(FROM).unwrap();
    let mut next: Vec<u64> = from.split(' ').map(|count| count.parse().unwrap()).collect();
    loop {
        for (at, next) in next.iter_mut().enumerate() {
            let number = writer * METRICS + at;
            let size = *next % 7 + 1;
            let batch = vec![(metric(number), (*next..*next + size).map(point).collect::<Vec<_>>())];
            patiently(|| archive.append(batch.clone()));
            *next += size;
            // One write for a line: a kill cuts none in two.
            let _ = std::io::stderr().write_all(format!("ack {number} {next}\n").as_bytes());
        }
    }
}

struct Parent {
    addresses: Addresses,
    children: Vec<Child>,
    acknowledged: Vec<u64>,
    heard: Receiver<(usize, u64)>,
    tell: Sender<(usize, u64)>,
}

impl Parent {
    fn start(addresses: Addresses) -> Parent {
        let archive = open(&addresses, 0).unwrap();
        let second = Definition::new(Some(SECOND), Some(10_000_000), None).unwrap();
        let minute = Definition::new(Some(60 * SECOND), Some(1_000_000), None).unwrap();
        let methods = ["count", "sum"].map(|name| name.parse().unwrap());
        archive.add_policy(&Policy::new("p", 2, vec![second, minute], &methods).unwrap()).unwrap();
        let metrics: Vec<Metric> = (0..PROCESSES * METRICS)
            .map(|number| Metric {
                id: metric(number),
                creator: String::new(),
                name: None,
                unit: None,
                policy: "p".into(),
                resource: None,
            })
            .collect();
        archive.add_metrics(&metrics).unwrap();
        let (tell, heard) = channel();
        let acknowledged = vec![0; PROCESSES * METRICS];
        let mut parent = Parent { addresses, children: Vec::new(), acknowledged, heard, tell };
        for number in 0..2 * PROCESSES {
            let child = parent.spawn(number);
            parent.children.push(child);
        }
        parent
    }

    /// Starts a writer, or behind those a worker.
    fn spawn(&self, number: usize) -> Child {
        let role = if number < PROCESSES { number.to_string() } else { "worker".into() };
        let from: Vec<String> = (0..METRICS)
            .filter_map(|at| self.acknowledged.get(number * METRICS + at))
            .map(ToString::to_string)
            .collect();
        let (places, from) = (self.addresses.join(" "), from.join(" "));
        let (child, lines) = common::child(&[(ROLE, &role), (PLACES, &places), (FROM, &from)]);
        let tell = self.tell.clone();
        std::thread::spawn(move || {
            for line in lines {
                let mut words = line.split(' ');
                if let (Some("ack"), Some(metric), Some(count)) = (words.next(), words.next(), words.next()) {
                    let _ = tell.send((metric.parse().unwrap(), count.parse().unwrap()));
                } else if line.contains("panicked") || line.contains("Error") {
                    eprintln!("a child says: {line}");
                }
            }
        });
        child
    }

    /// Hears this many acknowledgements.
    fn hear(&mut self, count: usize) {
        for _ in 0..count {
            let (metric, count) = self.heard.recv_timeout(Duration::from_secs(300)).expect("writers go on");
            self.acknowledged[metric] = self.acknowledged[metric].max(count);
        }
    }

    fn hear_rest(&mut self) {
        while let Ok((metric, count)) = self.heard.try_recv() {
            self.acknowledged[metric] = self.acknowledged[metric].max(count);
        }
    }

    fn kill(&mut self, number: usize) {
        self.children[number].kill().unwrap();
        self.children[number].wait().unwrap();
        self.hear_rest();
    }

    fn replace(&mut self, number: usize) {
        self.kill(number);
        self.children[number] = self.spawn(number);
    }

    /// Ends the writers; all that was acknowledged is there, at once and when nothing waits any more.
    fn check(&mut self) {
        (0..PROCESSES).for_each(|writer| self.kill(writer));
        // The lines that were on their way.
        std::thread::sleep(Duration::from_millis(200));
        self.hear_rest();
        let archive = open_patiently(&self.addresses, 0);
        let all = |archive: &Archive, when: &str| {
            for (number, acknowledged) in self.acknowledged.iter().enumerate() {
                check(archive, number, *acknowledged, when);
            }
        };
        all(&archive, "while measures wait");
        let begun = Instant::now();
        while patiently(|| archive.state()).measures_waiting > 0 {
            assert!(begun.elapsed() < Duration::from_secs(300), "{:?} waits for ever", archive.state());
            std::thread::sleep(Duration::from_millis(50));
        }
        all(&archive, "when none waits");
        // A writer that was replaced last may not have begun.
        let begun = self.acknowledged.iter().filter(|count| **count > 0).count() as u64;
        let state = patiently(|| archive.state());
        assert!(begun > 0 && state.storage.objects >= begun, "{begun} metrics have measures: {state:?}");
        let total: u64 = self.acknowledged.iter().sum();
        eprintln!("{total} measures were acknowledged and are there");
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn check(archive: &Archive, number: usize, acknowledged: u64, when: &str) {
    let ask = |kind, seconds: i64| {
        patiently(|| archive.measures(metric(number), Method::of(kind), seconds * SECOND, Range::default()))
    };
    let seconds = ask(Kind::Sum, 1);
    let there = seconds.len() as u64;
    assert!(there >= acknowledged, "{when}: {acknowledged} of {number} were acknowledged and {there} are there");
    assert_eq!(seconds, (0..there).map(point).collect::<Vec<_>>(), "{when}");
    assert!(ask(Kind::Count, 1).iter().all(|point| point.value == 1.0), "{when}: a measure is there twice");
    let minutes: f64 = ask(Kind::Count, 60).iter().map(|point| point.value).sum();
    assert_eq!(minutes, there as f64, "{when}: a measure is missing or there twice in the minutes");
}

/// Kills processes and ends servers, as often.
fn kill(times: usize, addresses: Addresses, mut servers: Vec<Box<dyn FnMut() + '_>>) {
    let mut parent = Parent::start(addresses);
    let mut random = u64::from(std::process::id());
    eprintln!("random numbers begin with {random}");
    let mut next = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below
    };
    for round in 0..times {
        parent.hear(10 + next(150));
        parent.replace(next(2 * PROCESSES));
        if round % 3 == 2 {
            let server = round / 3 % servers.len();
            servers[server]();
        }
    }
    parent.hear(200);
    parent.check();
}

fn on_postgresql_alone(times: usize) {
    let postgres = Postgres::start("cluster-postgres");
    let restart = || {
        postgres.stop();
        postgres.again();
    };
    kill(times, std::array::from_fn(|_| postgres.address.clone()), vec![Box::new(restart)]);
}

#[test]
#[ignore = "needs PostgreSQL"]
fn five_kills_on_postgresql() {
    on_postgresql_alone(5);
}

#[test]
#[ignore = "needs PostgreSQL; takes minutes"]
fn fifty_kills_on_postgresql() {
    on_postgresql_alone(50);
}

#[cfg(all(feature = "redis", feature = "s3"))]
fn on_three_servers(times: usize) {
    let postgres = Postgres::start("cluster-three");
    let redis = std::cell::RefCell::new(Server::redis());
    let s3 = std::cell::RefCell::new(Server::s3());
    let addresses = [
        postgres.address.clone(),
        format!("redis://127.0.0.1:{}/0", redis.borrow().port),
        format!("s3://S3RVER:S3RVER@archive/a?endpoint=http://127.0.0.1:{}", s3.borrow().port),
    ];
    let restart = |server: &std::cell::RefCell<Server>| {
        server.borrow_mut().stop();
        std::thread::sleep(Duration::from_millis(500));
        server.borrow_mut().again();
    };
    let servers: Vec<Box<dyn FnMut() + '_>> = vec![
        Box::new(|| {
            postgres.stop();
            postgres.again();
        }),
        Box::new(|| restart(&redis)),
        Box::new(|| restart(&s3)),
    ];
    kill(times, addresses, servers);
}

#[cfg(all(feature = "redis", feature = "s3"))]
#[test]
#[ignore = "needs PostgreSQL, Redis and s3rver"]
fn five_kills_on_postgresql_redis_and_s3() {
    on_three_servers(5);
}

#[cfg(all(feature = "redis", feature = "s3"))]
#[test]
#[ignore = "needs PostgreSQL, Redis and s3rver; takes minutes"]
fn fifty_kills_on_postgresql_redis_and_s3() {
    on_three_servers(50);
}

#[cfg(feature = "redis")]
#[test]
#[ignore = "needs PostgreSQL and Redis"]
fn five_kills_on_postgresql_and_redis() {
    let postgres = Postgres::start("cluster-redis");
    let redis = std::cell::RefCell::new(common::servers::Server::redis());
    let address = format!("redis://127.0.0.1:{}/0", redis.borrow().port);
    let restart = || {
        redis.borrow_mut().stop();
        redis.borrow_mut().again();
    };
    kill(5, [postgres.address.clone(), address.clone(), address], vec![Box::new(restart)]);
}

#[cfg(all(feature = "redis", feature = "s3"))]
#[test]
#[ignore = "needs PostgreSQL, Redis and Ceph; scripts/test --full installs it"]
fn ten_kills_on_postgresql_redis_and_ceph() {
    let postgres = Postgres::start("cluster-ceph");
    let redis = std::cell::RefCell::new(Server::redis());
    let mut cephs = ceph::Ceph::start();
    let addresses =
        [postgres.address.clone(), format!("redis://127.0.0.1:{}/0", redis.borrow().port), cephs.address.clone()];
    let servers: Vec<Box<dyn FnMut() + '_>> = vec![
        Box::new(|| {
            postgres.stop();
            postgres.again();
        }),
        Box::new(|| cephs.restart_gateway()),
    ];
    kill(10, addresses, servers);
}
