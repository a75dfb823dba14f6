//! Other libraries that send to statsd.

use super::{GROUP, Span, TIMERS, VALUES, counted, paced, timed};
use crate::drive::drive_whole;
use crate::groups::receiver::Receiver;
use crate::row::{Row, Run, Sample};
use cadence::{BufferedUdpMetricSink, Counted, StatsdClient, Timed};
use dipstick::{Flush, InputScope};
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

pub const ROWS: &[Row] = &[
    Row::peer(
        GROUP,
        "statsd.dogstatsd_handle",
        "metrics-exporter-dogstatsd, a cached handle, sent each 200 ms",
        dogstatsd_counter,
    )
    .on(&[1, 2])
    .exactly(10_000_000),
    Row::peer(GROUP, "statsd.cadence", "cadence, buffered 1,432 bytes", cadence_counter).on(&[1, 2]).exactly(500_000),
    Row::peer(GROUP, "statsd.dipstick", "dipstick `AtomicBucket`, sent once", dipstick_counter)
        .on(&[1, 2])
        .exactly(3_000_000),
    Row::peer(TIMERS, "statsd.timer_cadence", "cadence, buffered 1,432 bytes", cadence_timer).exactly(VALUES),
    Row::peer(
        TIMERS,
        "statsd.timer_dogstatsd_peer",
        "metrics-exporter-dogstatsd histogram, no sampling",
        dogstatsd_timer,
    )
    .exactly(VALUES),
];

fn dogstatsd(to: SocketAddr) {
    let builder = metrics_exporter_dogstatsd::DogStatsDBuilder::default();
    let builder = builder.with_remote_address(to.to_string()).expect("an address");
    let builder =
        builder.with_telemetry(false).with_histogram_sampling(false).with_flush_interval(Duration::from_millis(200));
    builder.install().expect("the first recorder");
}

fn dogstatsd_counter(run: &Run) -> Sample {
    let receiver = Receiver::start("x:");
    let span = Span::start();
    dogstatsd(receiver.address);
    let counter = metrics::counter!("x");
    let timing = drive_whole(run, || {
        let counter = counter.clone();
        move |_| counter.increment(1)
    });
    thread::sleep(Duration::from_millis(450));
    counted(run, receiver, span, timing.mops, timing.parallel)
}

fn cadence(to: SocketAddr) -> StatsdClient {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let sink = BufferedUdpMetricSink::with_capacity(to, socket, 1432).expect("a sink");
    StatsdClient::from_sink("app", sink)
}

fn cadence_counter(run: &Run) -> Sample {
    let receiver = Receiver::start("x:");
    let span = Span::start();
    let client = cadence(receiver.address);
    let timing = drive_whole(run, || {
        |_| {
            client.count("x", 1).expect("sent");
        }
    });
    client.flush().expect("sent");
    let (cpu, _, received) = span.end(receiver);
    // Nor is it asked to have the cores to itself: the receiver takes its share while it sends.
    // It sends as it goes, in bursts that the receiver's buffer may not hold: what arrived is shown, not asserted.
    assert!(received.sum <= run.total(), "no more than was counted");
    Sample::default()
        .with("mops", timing.mops)
        .with("cpu_ms_per_million", cpu * 1e6 / run.total() as f64)
        .with("received", received.sum as f64)
        .with("sent", run.total() as f64)
        .with("datagrams", received.datagrams as f64)
}

fn dipstick_counter(run: &Run) -> Sample {
    let receiver = Receiver::start("x:");
    let span = Span::start();
    let bucket = dipstick::AtomicBucket::new();
    bucket.drain(dipstick::Statsd::send_to(receiver.address).expect("a socket"));
    bucket.stats(dipstick::stats_summary);
    let counter = bucket.counter("x");
    let timing = drive_whole(run, || {
        let counter = counter.clone();
        move |_| counter.count(1usize)
    });
    bucket.flush().expect("sent");
    counted(run, receiver, span, timing.mops, timing.parallel)
}

fn cadence_timer(run: &Run) -> Sample {
    let receiver = Receiver::start("x:");
    let client = cadence(receiver.address);
    let span = Span::start();
    paced(run, |d| {
        client.time("x", d).expect("sent");
    });
    client.flush().expect("sent");
    timed(run, receiver, span, run.iterations, 0)
}

fn dogstatsd_timer(run: &Run) -> Sample {
    let receiver = Receiver::start("x:");
    dogstatsd(receiver.address);
    let histogram = metrics::histogram!("x");
    let span = Span::start();
    paced(run, |d| histogram.record(d));
    thread::sleep(Duration::from_millis(450));
    timed(run, receiver, span, run.iterations, 0)
}
