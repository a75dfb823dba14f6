//! Records half an hour of a loaded program, in a second or two: a web service with counters, gauges and timers, driven through the real
//! instruments by a seeded generator, with a made-up clock. What it writes is a pull cache's directory, the kind of data that
//! the compactness of the store is measured on.
//!
//! ```console
//! $ cargo run --release -p ferrometer-pull-cache --example record_load -- recording
//! ```

mod support;

use ferrometer_core::{Counter, Gauge, Naming, Timer, get_logger, install, snapshot};
use ferrometer_pull_cache::{PullCacheBackend, Settings};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use support::{On, Random};

const GENERATIONS: u64 = 181;
const INTERVAL: f64 = 10.0;

/// Numbers as they come about in a service.
impl Random {
    /// In [0, 1).
    fn share(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let (a, b) = (1.0 - self.share(), self.share());
        (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }

    /// How many of rare events happen when `mean` are expected.
    fn poisson(&mut self, mean: f64) -> u64 {
        if mean > 50.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as u64;
        }
        let (limit, mut product, mut count) = ((-mean).exp(), self.share(), 0);
        while product > limit {
            product *= self.share();
            count += 1;
        }
        count
    }
}

/// One route of the service: requests by status, bytes sent, and how long they took.
struct Route {
    /// Requests a second, usually.
    rate: f64,
    ok: Counter,
    client_error: Counter,
    server_error: Counter,
    bytes: Counter,
    time: Timer,
    /// The median, and how far it is spread.
    median: f64,
    spread: f64,
}

/// A gauge of one of the ways in which gauges move.
struct Level {
    gauge: Gauge,
    way: Way,
    now: f64,
}

#[derive(Clone, Copy)]
enum Way {
    /// A queue: a whole number that wanders, and is never negative.
    Queue,
    /// Memory of a process: pages that come and go, and mostly stay.
    Memory,
    /// A heap: any number of bytes.
    Heap,
    /// A load average: two decimals.
    Load,
    /// A share of something: any float.
    Share,
    /// A limit, a version: set again and again to what it was.
    Constant,
}

impl Level {
    fn step(&mut self, random: &mut Random) {
        self.now = match self.way {
            Way::Queue => (self.now + 3.0 * random.normal()).round().max(0.0),
            Way::Memory if random.share() < 0.4 => self.now,
            Way::Memory => (self.now / 4096.0 + (200.0 * random.normal()).round()).max(1000.0) * 4096.0,
            Way::Heap => (self.now + 2e5 * random.normal()).round().max(1e6),
            Way::Load => ((self.now + 0.15 * random.normal()).max(0.0) * 100.0).round() / 100.0,
            Way::Share => (self.now + 0.02 * random.normal()).clamp(0.0, 1.0),
            Way::Constant => self.now,
        };
        self.gauge.set(self.now);
    }
}

fn routes(random: &mut Random) -> Vec<Route> {
    let route = |n: usize| {
        let method = ["GET", "POST", "PUT", "DELETE"][n % 4];
        let logger = get_logger("shop.http").with("route", &format!("/v1/resource{n}")).with("method", method);
        // A few routes get most requests, many get one now and then, some none.
        let rate = if n % 6 == 5 { 0.0 } else { 120.0 / (1.0 + n as f64).powf(1.1) };
        // Every tenth is timed by sampling.
        let timed = if n % 10 == 9 { logger.sampled(0.1) } else { logger.sampled(1.0) };
        Route {
            rate,
            ok: logger.with("status", "2xx").counter("requests"),
            client_error: logger.with("status", "4xx").counter("requests"),
            server_error: logger.with("status", "5xx").counter("requests"),
            bytes: logger.counter("sent_bytes"),
            time: timed.timer("time"),
            median: 2e6 * (1.0 + 30.0 * random.share().powi(3)),
            spread: 0.4 + 0.8 * random.share(),
        }
    };
    (0..120).map(route).collect()
}

fn levels(random: &mut Random) -> Vec<Level> {
    let of = |way: Way, name: &str, count: usize, from: f64, to: f64, random: &mut Random| {
        let level = |n: usize| {
            let gauge = get_logger("shop").with("worker", &n.to_string()).gauge(name.to_owned());
            Level { gauge, way, now: (from + (to - from) * random.share()).round() }
        };
        (0..count).map(level).collect::<Vec<_>>()
    };
    let mut all = of(Way::Queue, "queue.depth", 60, 0.0, 40.0, random);
    all.extend(of(Way::Queue, "connections", 40, 10.0, 500.0, random));
    all.extend(of(Way::Memory, "memory.resident", 40, 50_000.0, 500_000.0, random).into_iter().map(|mut level| {
        level.now *= 4096.0;
        level
    }));
    all.extend(of(Way::Heap, "memory.heap", 20, 1e7, 4e8, random));
    all.extend(of(Way::Load, "load", 20, 0.0, 8.0, random));
    all.extend(of(Way::Share, "cpu", 30, 0.0, 1.0, random));
    all.extend(of(Way::Constant, "limit", 30, 100.0, 10_000.0, random));
    all
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("give the directory to record in")?;
    install("on", Box::new(On), Duration::from_secs(3600))?;
    let mut random = Random(2026);
    let routes = routes(&mut random);
    let mut levels = levels(&mut random);
    let mut backend = PullCacheBackend::open(Settings::default().path(path))?;
    let begin = 1_767_225_600;
    for generation in 0..GENERATIONS {
        // Load comes and goes over minutes, and is not even.
        let swell = 1.0 + 0.4 * (generation as f64 / 30.0).sin() + 0.05 * random.normal();
        for route in &routes {
            let requests = random.poisson(route.rate * swell * INTERVAL);
            for _ in 0..requests {
                let outcome = random.share();
                let counter = match outcome {
                    _ if outcome < 0.97 => route.ok,
                    _ if outcome < 0.995 => route.client_error,
                    _ => route.server_error,
                };
                counter.add(1);
                route.bytes.add((800.0 * (0.7 * random.normal()).exp()) as i64);
                let nanos = route.median * (route.spread * random.normal()).exp();
                route.time.record(Duration::from_nanos(nanos as u64));
            }
        }
        levels.iter_mut().for_each(|level| level.step(&mut random));
        let time: SystemTime = UNIX_EPOCH + Duration::from_secs(begin + generation * INTERVAL as u64);
        backend.make(time, snapshot().totals(), &Naming::default());
    }
    let state = backend.handle().persistence().ok_or("no path")?;
    println!("{} generations written to {}", state.written, state.path.display());
    Ok(())
}
