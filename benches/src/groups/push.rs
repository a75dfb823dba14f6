//! One delivery of 100,000 series by a backend that pushes: counters with one label, `app.requests{id="000123"}`, to a server on this machine that answers at
//! once.
//!
//! CPU time is that of the delivering thread in the backend's call. Where a peer is set beside it, whose reader and client have threads of their own, it
//! is that of the whole process, a collection included, less the server's; ours alike.

use crate::drive::{process_cpu_ns, thread_cpu_ns};
use crate::row::{Row, Run, Sample, expect};
use crate::scale::work::{NEVER, Timed, counters, flush, roomy};
use ferrometer::backend::Backend;
use ferrometer::influxdb::{self, InfluxDb};
use ferrometer::otlp::{self, Otlp};
use ferrometer::remote_write::{self, RemoteWrite};
use sink::{Format, Sink};

mod floor;
#[cfg(feature = "peers")]
pub mod peers;
pub mod sink;

const GROUP: &str = "push";
/// Here `iterations` is how many series.
pub const SERIES: u64 = 100_000;
/// Deliveries of each row behind the first one, which makes names; the best one counts.
const ROUNDS: u64 = 5;

const fn ours(name: &'static str, what: &'static str, run: fn(&Run) -> Sample) -> Row {
    Row::ours(GROUP, name, what, run).exactly(SERIES)
}

const fn base(name: &'static str, what: &'static str, run: fn(&Run) -> Sample) -> Row {
    Row::floor(GROUP, name, what, run).exactly(SERIES)
}

pub const ROWS: &[Row] = &[
    base("base.push_lines", "influx lines: a prefix copied and a number written, the bodies sent", floor::lines),
    base("base.push_labels", "remote write 1.0: labels copied and a sample written, snappy, sent", floor::labels),
    base("base.push_symbols", "remote write 2.0: symbols and their numbers copied, snappy, sent", floor::symbols),
    base("base.push_points", "OTLP: attributes copied and a number written, sent", floor::points),
    ours("push.influxdb", "influx lines over HTTP", |run| influx(run, false)),
    ours("push.influxdb_gzip", "influx lines over HTTP, gzip", |run| influx(run, true)),
    ours("push.remote_write_1", "remote write 1.0", |run| remote_write(run, false)),
    ours("push.remote_write_2", "remote write 2.0", |run| remote_write(run, true)),
    ours("push.otlp", "OTLP over HTTP, protobuf", |run| otlp(run, false)),
    ours("push.otlp_gzip", "OTLP over HTTP, protobuf, gzip", |run| otlp(run, true)),
];

/// Returns what all series have come to when each was added to in this many rounds.
fn expected(series: u64, rounds: u64) -> u64 {
    series * rounds
}

/// The best of some deliveries.
struct Best {
    least: Vec<(&'static str, u64)>,
}

impl Best {
    fn new() -> Best {
        Best { least: Vec::new() }
    }

    fn take(&mut self, name: &'static str, nanos: u64) {
        match self.least.iter_mut().find(|(known, _)| *known == name) {
            Some((_, least)) => *least = nanos.min(*least),
            None => self.least.push((name, nanos)),
        }
    }

    fn sample(self, sink: &Sink) -> Sample {
        let bytes = sink.delivery().bytes();
        let all = self.least.into_iter().fold(Sample::default(), |s, (name, nanos)| s.with(name, nanos as f64 / 1e6));
        all.with("bytes", bytes as f64)
    }
}

fn deliver(run: &Run, sink: &Sink, backend: Box<dyn Backend>) -> Sample {
    roomy(run.iterations, 1);
    let (backend, took) = Timed::new(backend);
    ferrometer::install("timed", Box::new(backend), NEVER).expect("a backend");
    let counters = counters(run.iterations);
    let mut best = Best::new();
    for round in 1..=ROUNDS + 1 {
        counters.iter().for_each(|counter| counter.increment());
        sink.forget();
        let before = process_cpu_ns() - sink.cpu_ns();
        flush();
        let process = process_cpu_ns() - sink.cpu_ns() - before;
        let backend = took.lock().expect("no panic").drain(..).sum();
        expect("the sum of what arrived", sink.delivery().sum(), expected(run.iterations, round));
        if round == 1 {
            best.take("first_ms", backend);
        } else {
            best.take("cpu_ms", backend);
            best.take("process_ms", process);
        }
    }
    best.sample(sink)
}

fn influx(run: &Run, gzip: bool) -> Sample {
    let sink = Sink::start(Format::Lines);
    let mut settings = influxdb::Settings::new("127.0.0.1", sink.address.port()).protocol(influxdb::Protocol::Http);
    settings.gzip = gzip;
    deliver(run, &sink, Box::new(InfluxDb::new(settings).expect("settings")))
}

fn remote_write(run: &Run, second: bool) -> Sample {
    let sink = Sink::start(Format::RemoteWrite);
    let mut settings = remote_write::Settings::new(format!("http://{}/write", sink.address));
    if !second {
        settings.version = remote_write::Version::V1;
    }
    deliver(run, &sink, Box::new(RemoteWrite::new(settings).expect("settings")))
}

fn otlp(run: &Run, gzip: bool) -> Sample {
    let sink = Sink::start(Format::Otlp);
    let mut settings = otlp::Settings::new(format!("http://{}/v1/metrics", sink.address));
    settings.gzip = gzip;
    deliver(run, &sink, Box::new(Otlp::new(settings).expect("settings")))
}

/// The CPU time of a floor: of its writing alone, and with its bodies sent.
fn floor(run: &Run, sink: &Sink, mut write: impl FnMut(u64, &mut dyn FnMut(&[u8]))) -> Sample {
    let mut best = Best::new();
    let mut way = sink.connect();
    for round in 1..=ROUNDS + 1 {
        sink.forget();
        let mut sending = 0;
        let start = thread_cpu_ns();
        write(round, &mut |body| {
            let start = thread_cpu_ns();
            way.post(body);
            sending += thread_cpu_ns() - start;
        });
        let took = thread_cpu_ns() - start;
        expect("the sum of what arrived", sink.delivery().sum(), expected(run.iterations, round));
        best.take("cpu_ms", took);
        best.take("write_ms", took - sending);
    }
    best.sample(sink)
}
