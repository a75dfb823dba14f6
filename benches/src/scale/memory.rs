//! Memory of many counters with one label, each incremented by two threads and delivered once.

use super::work::{NEVER, Timed, counters, flush, roomy};
use super::{At, Row, SERIES};
use crate::drive::{allocated_bytes, resident_bytes};
use crate::groups::receiver::Receiver;
use crate::ours::count_of_all;
use crate::row::{Sample, expect};
use ferrometer::backend::Backend;
use ferrometer::pull_cache::{PullCacheBackend, Settings};
use ferrometer_prometheus::{Filter, Format, Prometheus};
use std::thread;

pub const ROWS: &[Row] = &[
    Row { name: "memory.statsd", what: "statsd, sent once", points: SERIES, run: statsd },
    Row { name: "memory.cache", what: "pull cache, one generation", points: SERIES, run: cache },
    Row { name: "memory.totals", what: "Prometheus exporter, not scraped", points: SERIES, run: totals },
    Row {
        name: "memory.both",
        what: "pull cache and exporter, as `/metrics` and `/v1` are served; scraped once",
        points: SERIES,
        run: both,
    },
];
fn measure(at: &At, backends: Vec<(&'static str, Box<dyn Backend>)>, then: impl FnOnce()) -> Sample {
    roomy(at.series, at.threads);
    for (name, backend) in backends {
        ferrometer::install(name, backend, NEVER).expect("a backend");
    }
    let (resident, allocated) = (resident_bytes(), allocated_bytes());
    let counters = counters(at.series);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| counters.iter().for_each(|c| c.increment()));
        }
    });
    drop(counters);
    let recorded = allocated_bytes();
    flush();
    then();
    let (resident, allocated) = (resident_bytes() - resident, allocated_bytes() - allocated);
    expect("counted", count_of_all("app", "requests"), 2 * at.series);
    Sample::default()
        .with("resident", resident / 1e6)
        .with("allocated", allocated / 1e6)
        .with("recorded", (recorded - (allocated_bytes() - allocated)) / 1e6)
        .with("bytes_per_series", allocated / at.series as f64)
}

pub fn to(receiver: &Receiver) -> ferrometer::statsd::Settings {
    ferrometer::statsd::Settings::udp("127.0.0.1", receiver.address.port())
}

fn statsd(at: &At) -> Sample {
    let receiver = Receiver::start(":");
    let statsd = ferrometer::statsd::Statsd::new(to(&receiver));
    measure(at, vec![("statsd", Box::new(statsd))], || ())
}

fn one() -> Settings {
    Settings::default().generations(1)
}

fn cache(at: &At) -> Sample {
    let (cache, _) = Timed::new(Box::new(PullCacheBackend::new(one())));
    measure(at, vec![("cache", Box::new(cache))], || ())
}

fn totals(at: &At) -> Sample {
    measure(at, vec![("totals", Box::new(Prometheus::new(Default::default())))], || ())
}

fn both(at: &At) -> Sample {
    let exporter = Prometheus::new(Default::default());
    let handle = exporter.handle();
    let backends: Vec<(&'static str, Box<dyn Backend>)> =
        vec![("cache", Box::new(PullCacheBackend::new(one()))), ("totals", Box::new(exporter))];
    measure(at, backends, || {
        let bytes: usize = handle.exposition(Format::Text, &Filter::default()).map(|piece| piece.len()).sum();
        assert!(bytes as u64 > 20 * at.series, "a text");
    })
}
