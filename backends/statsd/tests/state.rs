//! State that a server may have forgotten is told again: gauges and counts in flight that did not change. It stands outside the account.

mod support;

use ferrometer_core::{flush, get_logger, install, remove};
use ferrometer_statsd::{Dialect, Settings, Statsd};
use ferrometer_testkit::{NEVER, SOON, Scratch};
use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::time::{Duration, Instant};
use support::{Receiver, alone};

/// How often each gauge was told, and with which value last.
fn gauges(receiver: &mut Receiver, told: &mut BTreeMap<String, (u32, String)>) {
    for sample in receiver.samples().into_iter().filter(|sample| sample.kind == "g") {
        let entry = told.entry(sample.name).or_default();
        *entry = (entry.0 + 1, sample.value);
    }
}

#[test]
fn gauges_and_counts_in_flight_are_told_again() {
    let _alone = alone();
    let mut receiver = Receiver::new(Dialect::Etsy);
    let settings = Settings::udp("127.0.0.1", receiver.port()).state_interval(Duration::from_millis(100));
    install("statsd", Box::new(Statsd::new(settings)), Duration::from_millis(20)).unwrap();
    let app = get_logger("state");
    let open = app.in_flight("open").enter();
    app.send_gauge("size", 64);
    app.send_gauge("below", -3);
    app.send_counter("hits", 2);
    let mut told = BTreeMap::new();
    let until = Instant::now() + SOON;
    let often =
        |told: &BTreeMap<String, (u32, String)>, name: &str| told.get(name).is_some_and(|(times, _)| *times > 5);
    while !["state.open", "state.size", "state.below"].iter().all(|name| often(&told, name)) {
        assert!(Instant::now() < until, "{told:?}");
        gauges(&mut receiver, &mut told);
    }
    assert_eq!((told["state.open"].1.as_str(), told["state.size"].1.as_str()), ("1", "64"));
    assert_eq!(told["state.below"].1, "-3");
    drop(open);
    while told["state.open"].1 != "0" {
        assert!(Instant::now() < until, "{told:?}");
        gauges(&mut receiver, &mut told);
    }
    let ledger = remove("statsd", SOON).unwrap();
    assert!(ledger.balances(), "{ledger}");
    // One of the counter, three of the state, and one for what ended.
    assert_eq!(ledger.recorded.recordings, ledger.sent.recordings + ledger.superseded.recordings, "{ledger}");
    assert!(ledger.sent.recordings <= 5, "{ledger}");
}

#[test]
fn nothing_is_told_again_where_that_is_switched_off() {
    let _alone = alone();
    let mut receiver = Receiver::new(Dialect::Etsy);
    let settings = Settings::udp("127.0.0.1", receiver.port()).state_interval(Duration::ZERO);
    install("statsd", Box::new(Statsd::new(settings)), NEVER).unwrap();
    get_logger("once").send_gauge("size", 64);
    let mut told = BTreeMap::new();
    for round in 0..20 {
        get_logger("once").send_counter("round", round);
        assert!(flush(SOON).complete);
        gauges(&mut receiver, &mut told);
    }
    assert_eq!(told["once.size"], (1, "64".to_owned()));
    remove("statsd", SOON);
}

#[test]
fn a_server_that_was_away_is_told_what_holds() {
    let _alone = alone();
    let mut receiver = Receiver::new(Dialect::Etsy);
    let port = receiver.port();
    let settings = Settings::udp("127.0.0.1", port).state_interval(Duration::ZERO);
    install("statsd", Box::new(Statsd::new(settings)), NEVER).unwrap();
    let app = get_logger("restarted");
    let _open = app.in_flight("open").enter();
    app.send_gauge("size", 64);
    assert!(flush(SOON).complete);
    drop(receiver);
    app.send_counter("while_away", 1);
    assert!(!flush(Duration::from_millis(100)).complete);
    receiver = Receiver { socket: UdpSocket::bind(("127.0.0.1", port)).unwrap(), dialect: Dialect::Etsy, largest: 0 };
    receiver.socket.set_read_timeout(Some(Duration::from_millis(60))).unwrap();
    assert!(flush(SOON).complete);
    let mut told = BTreeMap::new();
    gauges(&mut receiver, &mut told);
    assert_eq!((told["restarted.open"].1.as_str(), told["restarted.size"].1.as_str()), ("1", "64"));
    remove("statsd", SOON);
}

/// A server that takes another's place between two deliveries refuses nothing, and knows nothing.
#[cfg(unix)]
#[test]
fn a_server_that_was_replaced_is_told_what_holds() {
    use ferrometer_statsd::Transport;
    use std::os::unix::net::UnixDatagram;
    let _alone = alone();
    let scratch = Scratch::new("state");
    let path = scratch.path().join("s");
    let bind = || {
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    };
    let read = |socket: &UnixDatagram| {
        let (mut all, mut buffer) = (Vec::new(), vec![0; 65_536]);
        while let Ok(len) = socket.recv(&mut buffer) {
            all.extend(support::parse(Dialect::Etsy, &buffer[..len]).unwrap());
        }
        all.into_iter().filter(|sample| sample.name == "replaced.size").map(|sample| sample.value).collect::<Vec<_>>()
    };
    let mut socket = bind();
    let settings = Settings::new(Transport::Unix { path: path.clone() }).state_interval(Duration::ZERO);
    install("statsd", Box::new(Statsd::new(settings)), NEVER).unwrap();
    let logger = get_logger("replaced");
    logger.send_gauge("size", 64);
    assert!(flush(SOON).complete);
    assert_eq!(read(&socket), ["64"]);
    logger.send_counter("c", 1);
    assert!(flush(SOON).complete);
    for _ in 0..3 {
        drop(socket);
        std::fs::remove_file(&path).unwrap();
        socket = bind();
        // The first delivery finds out, the second tells, the third has nothing to tell.
        for expected in [vec![], vec!["64"], vec![]] {
            logger.send_counter("c", 1);
            assert!(flush(SOON).complete);
            assert_eq!(read(&socket), expected);
        }
    }
    remove("statsd", SOON);
}
