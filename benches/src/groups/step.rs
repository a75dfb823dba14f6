//! Steps beside the recording path, counted in instructions alone: what a thread's first recording, a capture, and each series of a collection, a
//! delivery and a scrape take.
//!
//! An iteration is a series where a step walks all of them: a thousand and some are walked at once.

use crate::drive::measured_loop;
use crate::groups::push::sink::{self, Sink};
use crate::row::{Row, Run, Sample};
use crate::scale::work::{NEVER, counters, flush, roomy};
use ferrometer::backend::{Backend, BackendError, Delivery, SnapshotView, Wants};
use ferrometer::influxdb::{self, InfluxDb};
use ferrometer::remote_write::{self, RemoteWrite, Version};
use ferrometer::testing::Capture;
use ferrometer::{Counter, get_logger};
use ferrometer_prometheus::{Filter, Format, Prometheus};
use std::hint::black_box;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const GROUP: &str = "step";
pub const ROWS: &[Row] = &[
    Row::ours(GROUP, "step.first_recording", "the first recording of a thread", first_recording),
    Row::ours(GROUP, "step.capture", "`counter.increment()` in a capture scope", capture),
    Row::ours(GROUP, "step.collect", "a collection in which nothing changed, each series", collect),
    Row::ours(GROUP, "step.collect_changed", "a collection in which all changed, each series", collect_changed),
    Row::ours(GROUP, "step.deliver_statsd", "a statsd delivery in which all changed, each line", deliver),
    Row::ours(GROUP, "step.deliver_influxdb", "a delivery of influx lines in which all changed, each series", influxdb),
    Row::ours(GROUP, "step.deliver_remote_write_1", "a delivery of remote write 1.0, each series", |run| {
        remote_write(run, Version::V1)
    }),
    Row::ours(GROUP, "step.deliver_remote_write_2", "a delivery of remote write 2.0, each series", |run| {
        remote_write(run, Version::Auto)
    }),
    Row::ours(GROUP, "step.render", "the text of new totals, each series", render),
];

/// Series that are walked at once.
const SERIES: u64 = 1024;

fn all() -> Vec<Counter> {
    roomy(SERIES, 1);
    let all = counters(SERIES);
    all.iter().for_each(|counter| counter.increment());
    all
}

fn first_recording(run: &Run) -> Sample {
    crate::ours::on();
    let counter = get_logger("app").counter("born");
    // One thread after the other has the same slab, as threads that come and go have.
    for _ in 0..run.iterations {
        thread::scope(|scope| scope.spawn(|| measured_loop(1, |_| counter.increment())).join().expect("a thread"));
    }
    Sample::default()
}

fn capture(run: &Run) -> Sample {
    crate::ours::on();
    let counter = get_logger("app").counter("captured");
    let capture = Capture::start();
    measured_loop(run.iterations, |_| counter.increment());
    assert_eq!(capture.counter_calls("app.captured"), run.iterations);
    Sample::default()
}

fn collect(run: &Run) -> Sample {
    crate::ours::on();
    let _all = all();
    drop(black_box(ferrometer::snapshot()));
    for _ in 0..run.iterations / SERIES {
        measured_loop(1, |_| drop(black_box(ferrometer::snapshot())));
    }
    Sample::default()
}

fn collect_changed(run: &Run) -> Sample {
    crate::ours::on();
    let all = all();
    let mut seen = ferrometer::snapshot();
    for _ in 0..run.iterations / SERIES {
        all.iter().for_each(|counter| counter.increment());
        measured_loop(1, |_| seen = ferrometer::snapshot());
    }
    drop(seen);
    Sample::default()
}

/// A backend whose deliveries are counted, from when it is told to.
struct Counted(Box<dyn Backend>, Arc<AtomicBool>);

impl Backend for Counted {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        let mut delivered = Ok(Delivery::default());
        let inner = &mut self.0;
        if !self.1.load(Ordering::Relaxed) {
            return inner.publish(view);
        }
        measured_loop(1, |_| delivered = inner.publish(view));
        delivered
    }

    fn wants(&self) -> Wants {
        self.0.wants()
    }
}

fn deliver(run: &Run) -> Sample {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let port = socket.local_addr().expect("an address").port();
    let settings = ferrometer::statsd::Settings::udp("127.0.0.1", port);
    let statsd = Counted(Box::new(ferrometer::statsd::Statsd::new(settings)), Arc::new(true.into()));
    ferrometer::install("statsd", Box::new(statsd), NEVER).expect("a backend");
    let all = all();
    for _ in 0..run.iterations / SERIES {
        all.iter().for_each(|counter| counter.increment());
        flush();
    }
    Sample::default()
}

/// Series of a delivery to a server: requests are few for each, and all iterations but those of the shorter run make whole deliveries.
const PUSHED: u64 = 10_240;

fn push(run: &Run, backend: Box<dyn Backend>) -> Sample {
    roomy(PUSHED, 1);
    let is_counted = Arc::new(AtomicBool::new(false));
    ferrometer::install("push", Box::new(Counted(backend, Arc::clone(&is_counted))), NEVER).expect("a backend");
    let all = counters(PUSHED);
    let deliver = || {
        all.iter().for_each(|counter| counter.increment());
        flush();
    };
    // It makes names, and grows buffers.
    (0..2).for_each(|_| deliver());
    is_counted.store(true, Ordering::Relaxed);
    (0..run.iterations / PUSHED).for_each(|_| deliver());
    Sample::default()
}

fn influxdb(run: &Run) -> Sample {
    let server = Sink::start(sink::Format::Lines);
    let mut settings = influxdb::Settings::new("127.0.0.1", server.address.port()).protocol(influxdb::Protocol::Http);
    settings.gzip = false;
    push(run, Box::new(InfluxDb::new(settings).expect("settings")))
}

fn remote_write(run: &Run, version: Version) -> Sample {
    let server = Sink::start(sink::Format::RemoteWrite);
    let settings = remote_write::Settings::new(format!("http://{}/write", server.address)).version(version);
    push(run, Box::new(RemoteWrite::new(settings).expect("settings")))
}

fn render(run: &Run) -> Sample {
    let exporter = Prometheus::new(Default::default());
    let handle = exporter.handle();
    ferrometer::install("totals", Box::new(exporter), NEVER).expect("a backend");
    let all = all();
    for _ in 0..run.iterations / SERIES {
        all.iter().for_each(|counter| counter.increment());
        flush();
        measured_loop(1, |_| {
            let bytes: usize = handle.exposition(Format::Text, &Filter::default()).map(|piece| piece.len()).sum();
            assert!(black_box(bytes) > 0);
        });
    }
    Sample::default()
}
