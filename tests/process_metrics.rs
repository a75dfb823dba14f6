//! The process' own metrics come to every backend that is configured, and not to one of them alone.

#![cfg(target_os = "linux")]

use ferrometer::{Config, init};
use ferrometer_testkit::{SOON, alone, wait_until};
use std::net::UdpSocket;
use std::time::Duration;

/// Everything that has come to a socket so far, one line after the other.
fn read(socket: &UdpSocket, text: &mut String) {
    let mut buffer = [0; 65_536];
    while let Ok(len) = socket.recv(&mut buffer) {
        text.push_str(std::str::from_utf8(&buffer[..len]).unwrap());
        text.push('\n');
    }
}

fn socket() -> (UdpSocket, u16) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

#[test]
fn every_backend_gets_them() {
    let _alone = alone();
    let (statsd, statsd_port) = socket();
    let (graphite, graphite_port) = socket();
    let (influxdb, influxdb_port) = socket();
    let mut config = Config::new()
        .backend_list(["statsd", "graphite", "influxdb", "prometheus", "pull-cache"])
        .statsd_host("127.0.0.1")
        .statsd_port(statsd_port)
        .process_interval(Duration::from_millis(100))
        .shutdown_deadline(SOON);
    (config.graphite.server, config.graphite.port) = ("127.0.0.1".to_owned(), graphite_port);
    (config.influxdb.server, config.influxdb.port) = ("127.0.0.1".to_owned(), Some(influxdb_port));
    config.pull_cache.address = "127.0.0.1:0".parse().unwrap();
    let metrics = init(config).unwrap();

    let gauges = ["resident_memory_bytes", "virtual_memory_bytes", "open_fds", "threads", "start_time_seconds"];
    let (mut of_statsd, mut of_graphite, mut of_influxdb) = (String::new(), String::new(), String::new());
    wait_until("all of them everywhere", || {
        assert!(metrics.flush(SOON).complete);
        read(&statsd, &mut of_statsd);
        read(&graphite, &mut of_graphite);
        read(&influxdb, &mut of_influxdb);
        let newest = metrics.pull_cache().unwrap().most_recent();
        let records: Vec<String> =
            newest.iter().flat_map(|newest| newest.records()).map(|record| record.metric.to_string()).collect();
        let text = metrics.prometheus().unwrap().text();
        gauges.iter().all(|name| {
            of_statsd.contains(&format!("process.{name}:"))
                && of_graphite.contains(&format!("process.{name}"))
                && of_influxdb.contains(name)
                && records.iter().any(|record| record == &format!("process.{name}"))
                && text.lines().filter(|line| line.starts_with(&format!("process_{name} "))).count() == 1
        }) && of_statsd.contains("process.cpu_microseconds:")
            && text.contains("\nprocess_cpu_microseconds_total ")
            // Prometheus' own form of it, which no counter of whole numbers can have, stays.
            && text.contains("\nprocess_cpu_seconds_total ")
    });
    let mut text = String::new();
    wait_until("some CPU time", || {
        // The system counts it in steps of ten milliseconds.
        for at in 0..2_000_000u64 {
            std::hint::black_box(at);
        }
        assert!(metrics.flush(SOON).complete);
        text = metrics.prometheus().unwrap().text();
        !text.contains("\nprocess_cpu_microseconds_total 0\n")
    });
    let of = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
    let (micros, seconds) = (of("process_cpu_microseconds_total").unwrap(), of("process_cpu_seconds_total").unwrap());
    assert!(micros > 0.0 && micros / 1e6 <= seconds + 0.02, "{micros} {seconds}");
    drop(metrics);

    // Without the key there are none.
    let metrics = init(Config::new().backend("statsd").statsd_host("127.0.0.1").statsd_port(statsd_port)).unwrap();
    read(&statsd, &mut of_statsd);
    of_statsd.clear();
    ferrometer::get_logger("other").send_counter("seen", 1);
    std::thread::sleep(Duration::from_millis(300));
    assert!(metrics.shutdown(SOON).complete);
    wait_until("what was recorded", || {
        read(&statsd, &mut of_statsd);
        of_statsd.contains("other.seen:1|c")
    });
    assert!(!of_statsd.contains("process."), "{of_statsd}");
}
