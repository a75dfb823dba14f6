//! The corpus of statsd lines against the real servers: each line makes of them what the corpus says.

#![cfg(target_os = "linux")]

#[path = "statsd-conformance/corpus.rs"]
mod corpus;
#[path = "support/statsd_servers.rs"]
mod statsd_servers;
mod support;

use corpus::{compare, corpus, number};
use ferrometer_testkit::{Scratch, free_tcp_port, free_udp_port};
use serde_json::Value;
use statsd_servers::{Collectd, Gnocchi, Netdata};
use std::net::UdpSocket;
use std::thread;
use std::time::Duration;
use support::Etsy;

/// Sends the corpus, one datagram after the other, slowly enough for any receiver.
fn send(port: u16) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for datagram in corpus().iter().flat_map(|case| &case.send) {
        socket.send_to(datagram.as_bytes(), ("127.0.0.1", port)).unwrap();
        thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for the servers that tell what they have each second.
fn flushes() {
    thread::sleep(Duration::from_millis(3500));
}

#[test]
#[ignore = "needs the Etsy statsd; scripts/test installs and runs it"]
fn etsy() {
    let server = Etsy::start("conformance", false);
    send(server.port);
    server.settle();
    let dumps = [("c", server.dump("counters")), ("g", server.dump("gauges")), ("t", server.dump("timers"))];
    let shown = |value: &Value| value.as_f64().map_or("null".to_owned(), number);
    compare("etsy", |case| {
        let mut held = Vec::new();
        for (kind, dump) in &dumps {
            for (name, value) in dump.as_object().unwrap().iter().filter(|(name, _)| name.starts_with(&case.name)) {
                let values = match value.as_array() {
                    Some(values) => values.iter().map(shown).collect::<Vec<_>>().join(" "),
                    None => shown(value),
                };
                held.push(format!("{kind} {name} {values}"));
            }
        }
        held
    });
}

#[test]
#[ignore = "needs gnocchi; scripts/test installs and runs it"]
fn gnocchi() {
    let server = Gnocchi::start();
    send(server.port);
    let state = server.end();
    compare("gnocchi", |case| {
        let mut held = Vec::new();
        for (kind, of) in [("c", "counters"), ("g", "gauges"), ("t", "times")] {
            for (full, value) in state[of].as_object().unwrap() {
                let name = full.split('|').next().unwrap();
                if name.starts_with(&case.name) {
                    let value = value.as_f64().map_or_else(|| value.as_str().unwrap().to_owned(), number);
                    held.push(format!("{kind} {name} {value}"));
                }
            }
        }
        held
    });
}

#[test]
#[ignore = "needs collectd; scripts/test installs and runs it"]
fn collectd() {
    let server = Collectd::start();
    send(server.port);
    flushes();
    let names = server.names();
    let finite = |name: &str| server.values(name).into_iter().filter(|value| !value.is_nan());
    compare("collectd", |case| {
        let mut held = Vec::new();
        for full in &names {
            let (kind, name) = full.split_once('-').unwrap();
            if !name.starts_with(&case.name) {
                continue;
            }
            match (kind, name.strip_suffix("-count")) {
                ("count", _) => held.push(format!("c {name} {}", number(finite(full).sum()))),
                ("gauge", Some(timer)) => {
                    let sum: f64 = finite(&format!("latency-{timer}-sum")).sum();
                    held.push(format!("t {timer} {} {}", number(finite(full).sum()), number(sum * 1000.0)));
                }
                ("gauge", None) => {
                    let last = server.values(full).last().copied().unwrap();
                    held.push(format!("g {name} {}", number(last)));
                }
                ("objects", _) => held.push(format!("s {name} {}", number(finite(full).fold(0.0, f64::max)))),
                _ => {}
            }
        }
        held
    });
}

#[test]
#[ignore = "needs netdata; scripts/test installs and runs it"]
fn netdata() {
    let server = Netdata::start();
    send(server.port);
    flushes();
    let charts = server.charts();
    compare("netdata", |case| {
        let mut held = Vec::new();
        // It writes names in lower case.
        for chart in charts.iter().filter(|chart| chart["statsd_".len()..].starts_with(&case.name.to_lowercase())) {
            let (name, kind) = chart["statsd_".len()..].rsplit_once('_').unwrap();
            let rows = server.rows(chart);
            let rows: Vec<_> = rows.iter().filter(|row| row.first().is_some_and(|first| !first.is_nan())).collect();
            let column = |at: usize| rows.iter().filter_map(move |row| row.get(at)).copied();
            let numbers = match kind {
                "counter" | "meter" => number(column(0).sum()),
                "gauge" => number(column(0).next().unwrap()),
                "set" => number(column(0).fold(0.0, f64::max)),
                "timer" | "histogram" => {
                    let full = || rows.iter().filter(|row| row.iter().any(|value| *value != 0.0));
                    let least = full().map(|row| row[0]).fold(f64::INFINITY, f64::min);
                    let greatest = full().map(|row| row[1]).fold(f64::NEG_INFINITY, f64::max);
                    format!("{} {}", number(least), number(greatest))
                }
                "dictionary" => server.dimensions(chart).join(" "),
                other => panic!("{chart}: {other}"),
            };
            held.push(format!("{kind} {name} {numbers}"));
        }
        held
    });
}
