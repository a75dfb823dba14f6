//! CPU time of a collection, of deliveries and of scrapes, beside the floors of minimal programs.

use super::memory::to;
use super::work::{Crew, NEVER, Timed, changes, flush, roomy};
use super::{ALL, At, Row, SERIES};
use crate::drive::{process_cpu_ns, thread_cpu_ns};
use crate::groups::receiver::Receiver;
use crate::ours::count_of_all;
use crate::row::{Sample, expect};
use ferrometer::backend::Backend;
use ferrometer::pull_cache::{PullCacheBackend, Settings};
use ferrometer_prometheus::{Filter, Format, Prometheus, PrometheusHandle};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Barrier};
use std::thread;

pub const ROWS: &[Row] = &[
    Row {
        name: "floor.collect",
        what: "floor: every thread's numbers read once and set beside the last ones",
        points: ALL,
        run: collect_floor,
    },
    Row { name: "collect", what: "a collection", points: ALL, run: collect },
    Row { name: "deliver.statsd", what: "a delivery to statsd", points: ALL, run: deliver_statsd },
    Row { name: "deliver.cache", what: "a generation of the pull cache", points: ALL, run: deliver_cache },
    Row { name: "deliver.totals", what: "totals for Prometheus", points: ALL, run: deliver_totals },
    Row {
        name: "floor.scrape",
        what: "floor: a prefix copied and a number written, in pieces",
        points: SERIES,
        run: scrape_floor,
    },
    Row { name: "scrape", what: "a scrape: the text of new totals", points: SERIES, run: scrape },
    Row {
        name: "floor.scrape.64",
        what: "floor: 64 threads woken at once that look at all pieces of a text that is there",
        points: SERIES,
        run: scrape_64_floor,
    },
    Row { name: "scrape.64", what: "64 scrapes of new totals at once", points: SERIES, run: scrape_64 },
];

/// Rounds of each point; the least counts.
const ROUNDS: usize = 5;

fn least(mut round: impl FnMut() -> u64) -> f64 {
    (0..ROUNDS).map(|_| round()).min().unwrap_or(0) as f64 / 1e6
}

fn collect(at: &At) -> Sample {
    roomy(at.series, at.threads);
    ferrometer::install("cache", Box::new(PullCacheBackend::new(Settings::default())), NEVER).expect("a backend");
    let crew = Crew::start(at);
    crew.record(1000);
    drop(black_box(ferrometer::snapshot()));
    let mut seen = ferrometer::snapshot();
    let took = least(|| {
        crew.record(at.changed);
        let start = thread_cpu_ns();
        // As a backend has it: the last one is there while the next is made.
        seen = ferrometer::snapshot();
        thread_cpu_ns() - start
    });
    drop(seen);
    let still = least(|| {
        let start = thread_cpu_ns();
        drop(black_box(ferrometer::snapshot()));
        thread_cpu_ns() - start
    });
    expect("counted", count_of_all("app", "requests"), at.series + ROUNDS as u64 * changes(at));
    crew.end();
    Sample::default().with("cpu_ms", took).with("still_ms", still)
}

/// Reads one word of each series and sets it beside the last one: nothing that finds changes where recordings leave no trace of theirs can do less.
fn collect_floor(at: &At) -> Sample {
    let words: Vec<AtomicU64> = (0..at.series).map(AtomicU64::new).collect();
    let mut last: Vec<u64> = (0..at.series).collect();
    let mut changed = 0;
    let took = least(|| {
        words.iter().enumerate().filter(|(i, _)| *i as u64 * at.changed % 1000 < at.changed).for_each(|(_, word)| {
            word.fetch_add(1, Relaxed);
        });
        let start = thread_cpu_ns();
        for (word, last) in words.iter().zip(&mut last) {
            let now = word.load(Relaxed);
            if now != *last {
                *last = now;
                changed += 1;
            }
        }
        thread_cpu_ns() - start
    });
    expect("changes", changed, ROUNDS as u64 * changes(at));
    Sample::default().with("cpu_ms", took)
}

/// The CPU time of a backend's own calls.
fn deliver(at: &At, backend: Box<dyn Backend>) -> Sample {
    roomy(at.series, at.threads);
    let (backend, took) = Timed::new(backend);
    ferrometer::install("timed", Box::new(backend), NEVER).expect("a backend");
    let crew = Crew::start(at);
    crew.record(1000);
    flush();
    flush();
    let first = took.lock().expect("no panic").drain(..).next().unwrap_or(0) as f64 / 1e6;
    let round = || {
        crew.record(at.changed);
        flush();
        // A delivery that was interrupted goes on with the next call.
        took.lock().expect("no panic").drain(..).sum()
    };
    let least = least(round);
    let still = {
        flush();
        took.lock().expect("no panic").drain(..).sum::<u64>() as f64 / 1e6
    };
    crew.end();
    let lines = changes(at).max(1) as f64;
    Sample::default()
        .with("cpu_ms", least)
        .with("first_ms", first)
        .with("still_ms", still)
        .with("us_per_change", least * 1e3 / lines)
}

fn deliver_statsd(at: &At) -> Sample {
    let receiver = Receiver::start(":");
    let sample = deliver(at, Box::new(ferrometer::statsd::Statsd::new(to(&receiver))));
    receiver.stop();
    sample
}

fn deliver_cache(at: &At) -> Sample {
    deliver(at, Box::new(PullCacheBackend::new(Settings::default().generations(1))))
}

fn deliver_totals(at: &At) -> Sample {
    deliver(at, Box::new(Prometheus::new(Default::default())))
}

/// As pieces of 64 KiB that are kept, like the exporter's: what a reader gets late is there for the next.
fn scrape_floor(at: &At) -> Sample {
    let (mut prefixes, mut ends) = (String::new(), Vec::new());
    for i in 0..at.series {
        prefixes.push_str(&format!("app_requests_total{{id=\"{i:07}\"}} "));
        ends.push((prefixes.len(), i + 1));
    }
    let took = least(|| {
        let start = thread_cpu_ns();
        let (mut pieces, mut from): (Vec<Vec<u8>>, usize) = (Vec::new(), 0);
        for ends in ends.chunks(1500) {
            let mut piece = Vec::with_capacity(80 << 10);
            for (end, value) in ends {
                piece.extend_from_slice(&prefixes.as_bytes()[from..*end]);
                push_number(&mut piece, *value);
                piece.push(b'\n');
                from = *end;
            }
            piece.shrink_to_fit();
            pieces.push(piece);
        }
        black_box(&pieces);
        thread_cpu_ns() - start
    });
    Sample::default().with("cpu_ms", took)
}

fn push_number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Totals that are new, as often as asked.
struct Fresh {
    handle: PrometheusHandle,
    crew: Crew,
}

impl Fresh {
    fn new(at: &At) -> Fresh {
        roomy(at.series, at.threads);
        let exporter = Prometheus::new(Default::default());
        let handle = exporter.handle();
        ferrometer::install("totals", Box::new(exporter), NEVER).expect("a backend");
        let crew = Crew::start(at);
        crew.record(1000);
        Fresh { handle, crew }
    }

    fn next(&self) {
        self.crew.record(1000);
        flush();
    }

    /// Returns the bytes of a whole scrape, piece by piece, none of them kept.
    fn scrape(&self) -> usize {
        self.handle.exposition(Format::Text, &Filter::default()).map(|piece| piece.len()).sum()
    }
}

fn scrape(at: &At) -> Sample {
    let fresh = Fresh::new(at);
    let mut bytes = 0;
    let took = least(|| {
        fresh.next();
        let start = thread_cpu_ns();
        bytes = fresh.scrape();
        thread_cpu_ns() - start
    });
    let again = least(|| {
        let start = thread_cpu_ns();
        assert_eq!(fresh.scrape(), bytes);
        thread_cpu_ns() - start
    });
    fresh.crew.end();
    Sample::default().with("cpu_ms", took).with("again_ms", again).with("megabytes", bytes as f64 / 1e6)
}

const READERS: usize = 64;

/// Returns the CPU time of the process while 64 threads do it, for all of them together; `ready` is done before.
fn at_once(ready: impl Fn(), read: impl Fn() + Sync) -> f64 {
    least(|| {
        ready();
        let [ready, go, end] = [(); 3].map(|()| Barrier::new(READERS + 1));
        thread::scope(|scope| {
            for _ in 0..READERS {
                scope.spawn(|| {
                    ready.wait();
                    go.wait();
                    read();
                    end.wait();
                });
            }
            ready.wait();
            let start = process_cpu_ns();
            go.wait();
            end.wait();
            process_cpu_ns() - start
        })
    })
}

fn scrape_64(at: &At) -> Sample {
    let fresh = Fresh::new(at);
    let took = at_once(|| fresh.next(), || assert!(fresh.scrape() > 0));
    fresh.crew.end();
    Sample::default().with("cpu_ms", took)
}

/// The text is as long as the exporter's, in pieces as long, and rendered before.
fn scrape_64_floor(at: &At) -> Sample {
    let line = format!("app_requests_total{{id=\"{:07}\"}} 1\n", 0);
    let lines = |n: usize| Arc::new(line.repeat(n).into_bytes());
    let pieces: Vec<Arc<Vec<u8>>> =
        (0..at.series as usize).step_by(1800).map(|from| lines(1800.min(at.series as usize - from))).collect();
    let took = at_once(
        || (),
        || {
            let len: usize = pieces.iter().map(|piece| black_box(Arc::clone(piece)).len()).sum();
            assert_eq!(len, at.series as usize * line.len());
        },
    );
    Sample::default().with("cpu_ms", took)
}
