//! Against sockets of our own: what arrives, what the account says, and what a server that is away costs.

use ferrometer_core::{Cause, flush, get_logger, install, remove};
use ferrometer_graphite::{Graphite, Proto, Settings};
use ferrometer_push_testkit::{NEVER, SOON, alone, hard, with_view};
use std::collections::BTreeMap;
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

fn udp() -> (UdpSocket, u16) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

/// The lines in datagrams, by their name, each with its value; and the largest datagram.
fn lines(socket: &UdpSocket) -> (BTreeMap<String, f64>, usize) {
    let (mut found, mut largest, mut buffer) = (BTreeMap::new(), 0, vec![0; 65_536]);
    while let Ok(len) = socket.recv(&mut buffer) {
        largest = largest.max(len);
        parse(std::str::from_utf8(&buffer[..len]).unwrap(), &mut found);
    }
    (found, largest)
}

/// A strict reader: three words to a line, each line ended.
fn parse(text: &str, into: &mut BTreeMap<String, f64>) {
    assert!(text.ends_with('\n'), "{text:?}");
    for line in text.trim_end_matches('\n').split('\n') {
        let words: Vec<&str> = line.split(' ').collect();
        let [name, value, seconds] = words[..] else { panic!("{line:?}") };
        let value: f64 = value.parse().unwrap();
        assert!(seconds.parse::<u64>().unwrap() > 1_600_000_000 && value.is_finite(), "{line}");
        assert!(!line.contains('\r') && !name.is_empty(), "{line:?}");
        into.insert(name.to_owned(), value);
    }
}

#[test]
fn what_arrives_is_what_was_recorded_in_datagrams_of_the_size_that_is_set() {
    let _alone = alone();
    let (socket, port) = udp();
    let mut settings = Settings::new("127.0.0.1").port(port).path("pre-fix.x");
    settings.mtu = 512;
    install("graphite", Box::new(Graphite::new(settings).unwrap()), NEVER).unwrap();
    let truth = hard::record("gd", 2);
    get_logger("gd").sampled(0.25).send_counter("always", 0);
    assert!(flush(SOON).complete);
    let (found, largest) = lines(&socket);
    assert!(largest > 300 && largest <= 462, "{largest}");
    let sum: f64 = found.iter().filter(|(n, _)| n.starts_with("pre-fix.x.gd.hard.kind.")).map(|(_, v)| v).sum();
    assert_eq!(sum, truth.counted as f64);
    let get = |name: &str| found.get(&format!("pre-fix.x.gd.{name}")).copied();
    assert_eq!((get("falls"), get("falls.decrements")), (Some(truth.up as f64), Some(truth.down as f64)));
    assert_eq!((get("took.count"), get("took.sum")), (Some(truth.timed as f64), Some(truth.millis as f64)));
    assert!((47.0..54.0).contains(&get("took.p50").unwrap()) && get("took.max") == Some(100.0), "{found:?}");
    for (name, value) in hard::GAUGES {
        assert_eq!(get(name), Some(value), "{name}");
    }
    assert_eq!((get("nan"), get("infinite")), (None, None));
    let ledger = remove("graphite", SOON).unwrap();
    assert!(ledger.balances() && ledger.pending.is_zero(), "{ledger}");
    assert_eq!(ledger.dropped[Cause::Invalid].recordings, 2 * hard::INVALID);
    assert_eq!(ledger.dropped_in_all().recordings, 2 * hard::INVALID, "{ledger}");
}

#[test]
fn totals_are_sent_again_and_quantiles_are_of_what_is_new() {
    let _alone = alone();
    let (socket, port) = udp();
    install("graphite", Box::new(Graphite::new(Settings::new("127.0.0.1").port(port)).unwrap()), NEVER).unwrap();
    let logger = get_logger("again");
    logger.send_counter("c", 3);
    logger.send_timer("t", Duration::from_millis(10));
    flush(SOON);
    lines(&socket);
    logger.send_timer("t", Duration::from_millis(1000));
    flush(SOON);
    let (found, _) = lines(&socket);
    assert_eq!(found["proxmox.again.c"], 3.0);
    assert_eq!((found["proxmox.again.t.count"], found["proxmox.again.t.sum"]), (2.0, 1010.0));
    assert!(found["proxmox.again.t.p50"] > 900.0, "{found:?}");
    flush(SOON);
    let (found, _) = lines(&socket);
    assert!(found.contains_key("proxmox.again.t.count") && !found.contains_key("proxmox.again.t.p50"), "{found:?}");
}

#[test]
fn a_server_that_is_away_costs_nothing_and_gets_the_totals_when_it_comes() {
    let _alone = alone();
    for proto in [Proto::Udp, Proto::Tcp] {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = Settings::new("127.0.0.1").port(port).proto(proto);
        install("graphite", Box::new(Graphite::new(settings).unwrap()), NEVER).unwrap();
        let name = format!("away.{proto:?}");
        get_logger(&name).send_counter("c", 5);
        let report = flush(SOON);
        assert!(!report.complete, "{report:?}");
        let ledger = &report.ledgers[0];
        assert!(ledger.balances() && ledger.pending.increments == 5 && ledger.errors > 0, "{ledger}");
        get_logger(&name).send_counter("c", 2);
        let mut found = BTreeMap::new();
        match proto {
            Proto::Udp => {
                let socket = UdpSocket::bind(("127.0.0.1", port)).unwrap();
                socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
                assert!(flush(SOON).complete);
                found = lines(&socket).0;
            }
            Proto::Tcp => {
                let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
                assert!(flush(SOON).complete);
                remove("graphite", SOON).unwrap();
                let mut text = String::new();
                listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
                parse(&text, &mut found);
            }
        }
        assert_eq!(found[&format!("proxmox.{name}.c")], 7.0);
        if let Some(ledger) = remove("graphite", SOON) {
            assert!(ledger.balances() && ledger.dropped_in_all().is_zero(), "{ledger}");
        }
    }
}

#[test]
fn names_that_are_alike_are_kept_apart_and_long_ones_are_counted() {
    let _alone = alone();
    let (socket, port) = udp();
    install("graphite", Box::new(Graphite::new(Settings::new("127.0.0.1").port(port)).unwrap()), NEVER).unwrap();
    let logger = get_logger("alike");
    logger.send_counter("a:b", 1);
    logger.send_counter("a|b", 20);
    logger.send_gauge("x.count", 300);
    logger.send_timer("x", Duration::from_millis(1));
    logger.send_gauge("y".repeat(600), 1);
    flush(SOON);
    let (found, _) = lines(&socket);
    assert_eq!((found["proxmox.alike.a_b"], found["proxmox.alike.x.count"]), (1.0, 300.0));
    assert!(!found.contains_key("proxmox.alike.x.sum"));
    let ledger = remove("graphite", SOON).unwrap();
    assert!(ledger.balances(), "{ledger}");
    assert_eq!(ledger.dropped[Cause::Collision].recordings, 2);
    assert_eq!(ledger.dropped[Cause::Name].recordings, 1);
}

#[test]
fn the_preview_is_what_is_sent_next_and_changes_nothing() {
    let _alone = alone();
    let (socket, port) = udp();
    let settings = Settings::new("127.0.0.1").port(port).tags(true);
    let mut backend = Graphite::new(settings).unwrap();
    let shown = with_view(
        || {
            hard::record("preview", 1);
        },
        move |view| {
            let shown = backend.preview(view);
            let mut delivered = Vec::new();
            assert!(view.deltas().next().is_some());
            for _ in 0..2 {
                delivered.push(backend.preview(view));
            }
            assert!(delivered.iter().all(|again| *again == shown));
            shown
        },
    );
    assert!(lines(&socket).0.is_empty(), "a preview sends nothing");
    let mut found = BTreeMap::new();
    for datagram in &shown {
        assert!(datagram.plain.is_empty() && datagram.wire.len() <= 1450);
        parse(std::str::from_utf8(&datagram.wire).unwrap(), &mut found);
    }
    assert_eq!(found["proxmox.preview.hard;kind=semi_colon-2ec97a9b"], 1003.0);
    assert_eq!(
        found.iter().filter(|(name, _)| name.starts_with("proxmox.preview.hard;kind=")).count(),
        hard::VALUES.len()
    );
}
