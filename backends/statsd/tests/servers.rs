//! Servers that are away, come back, move, refuse, or read too slowly: nothing is lost that was not in flight, and the account says
//! where everything is.
//!
//! All cases share their servers; hence the length.

mod support;

use ferrometer_core::{Cause, Ledger, flush, get_logger, install, ledgers, remove};
use ferrometer_statsd::{Dialect, Settings, Statsd, Transport};
use ferrometer_testkit::{NEVER, SOON, Scratch, wait_until};
use std::io::{self, BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use support::{Receiver, alone, counters};

fn start(settings: Settings, interval: Duration) {
    install("statsd", Box::new(Statsd::new(settings)), interval).unwrap();
}

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn account() -> Ledger {
    ledgers().into_iter().find(|l| l.backend == "statsd").unwrap()
}

#[test]
fn a_server_that_was_never_there_costs_nothing_and_gets_everything_when_it_comes() {
    let _alone = alone();
    let port = free_port();
    start(Settings::udp("127.0.0.1", port), NEVER);
    let logger = get_logger("away");
    logger.send_counter("early", 5);
    let report = flush(SOON);
    assert!(!report.complete);
    let ledger = &report.ledgers[0];
    assert!(ledger.balances(), "{ledger}");
    assert_eq!((ledger.sent.recordings, ledger.pending.increments), (0, 5));
    assert!(ledger.errors > 0);
    let mut receiver = Receiver::at(&format!("127.0.0.1:{port}"), Dialect::Etsy);
    logger.send_counter("early", 2);
    assert!(flush(SOON).complete);
    assert_eq!(counters(&receiver.samples())["away.early"], 7);
    let ledger = remove("statsd", SOON).unwrap();
    assert!(ledger.balances() && ledger.dropped_in_all().is_zero(), "{ledger}");
}

#[test]
fn a_server_that_dies_and_returns_loses_nothing() {
    let _alone = alone();
    let mut receiver = Receiver::new(Dialect::Etsy);
    let port = receiver.port();
    start(Settings::udp("127.0.0.1", port), NEVER);
    let logger = get_logger("dies");
    logger.send_counter("c", 1);
    assert!(flush(SOON).complete);
    assert_eq!(counters(&receiver.samples())["dies.c"], 1);
    drop(receiver);
    // The first datagram after its death is accepted by the kernel and refused a moment later.
    logger.send_counter("c", 10);
    assert!(!flush(Duration::from_millis(300)).complete);
    for _ in 0..5 {
        logger.send_counter("c", 100);
        assert!(!flush(Duration::from_millis(300)).complete);
    }
    let mut receiver = Receiver::at(&format!("127.0.0.1:{port}"), Dialect::Etsy);
    assert!(flush(SOON).complete);
    assert_eq!(counters(&receiver.samples())["dies.c"], 510);
    let ledger = remove("statsd", SOON).unwrap();
    assert!(ledger.balances(), "{ledger}");
    assert_eq!((ledger.sent.increments, ledger.recorded.increments), (511, 511));
}

#[test]
fn what_a_removed_backend_could_not_deliver_is_dropped_and_counted() {
    let _alone = alone();
    start(Settings::udp("127.0.0.1", free_port()), NEVER);
    get_logger("gone").send_counter("c", 9);
    get_logger("gone").send_timer("t", Duration::from_millis(1));
    let begin = Instant::now();
    let ledger = remove("statsd", SOON).unwrap();
    assert!(begin.elapsed() < SOON);
    assert!(ledger.balances(), "{ledger}");
    assert_eq!(ledger.dropped[Cause::Removed].recordings, 2);
    assert_eq!(ledger.dropped[Cause::Removed].increments, 9);
}

#[test]
fn a_server_that_moves_is_followed() {
    let _alone = alone();
    let (mut old, mut new) = (Receiver::at("127.0.0.1:0", Dialect::Etsy), Receiver::at("127.0.0.2:0", Dialect::Etsy));
    let place: Arc<Mutex<io::Result<SocketAddr>>> = Arc::new(Mutex::new(Err(io::Error::other("no such host"))));
    let lookups = Arc::new(AtomicU64::new(0));
    let lookup = {
        let (place, lookups) = (Arc::clone(&place), Arc::clone(&lookups));
        move |_: &str, _: u16| {
            lookups.fetch_add(1, SeqCst);
            match &*place.lock().unwrap() {
                Ok(address) => Ok(vec![*address]),
                Err(error) => Err(io::Error::other(error.to_string())),
            }
        }
    };
    // Once the second lookup after this has begun, the answer of the first one is known.
    let now_at = |at: io::Result<SocketAddr>| {
        *place.lock().unwrap() = at;
        let before = lookups.load(SeqCst);
        wait_until("two lookups", || lookups.load(SeqCst) >= before + 2);
    };
    let every = Duration::from_millis(30);
    start(Settings::udp("metrics.test", 8125).resolve_interval(every).lookup(lookup), NEVER);
    let logger = get_logger("moves");
    logger.send_counter("c", 1);
    // No such host yet: no error for the program, nothing lost.
    assert!(!flush(Duration::from_millis(300)).complete);
    now_at(Ok(old.socket.local_addr().unwrap()));
    assert!(flush(SOON).complete);
    assert_eq!(counters(&old.samples())["moves.c"], 1);
    now_at(Ok(new.socket.local_addr().unwrap()));
    logger.send_counter("c", 2);
    assert!(flush(SOON).complete);
    assert_eq!(counters(&new.samples())["moves.c"], 2);
    // Names that fail again later change nothing.
    now_at(Err(io::Error::other("name server down")));
    logger.send_counter("c", 4);
    assert!(flush(SOON).complete);
    assert_eq!(counters(&new.samples())["moves.c"], 4);
    assert!(old.samples().is_empty());
    assert!(remove("statsd", SOON).unwrap().balances());
}

#[test]
fn a_lookup_that_hangs_holds_up_nobody() {
    let _alone = alone();
    let settings = Settings::udp("slow.test", 8125).lookup(|_, _| {
        thread::sleep(NEVER);
        Err(io::Error::other("at last"))
    });
    start(settings, Duration::from_millis(10));
    get_logger("hangs").send_counter("c", 1);
    let begin = Instant::now();
    assert!(!flush(Duration::from_millis(200)).complete);
    let ledger = remove("statsd", Duration::from_millis(300)).unwrap();
    assert!(begin.elapsed() < SOON);
    assert!(ledger.balances(), "{ledger}");
    assert_eq!(ledger.dropped[Cause::Removed].increments, 1);
}

#[test]
fn an_address_that_refuses_is_followed_by_the_next() {
    let _alone = alone();
    let mut second = Receiver::at("127.0.0.2:0", Dialect::Etsy);
    // Nothing listens at the first of the two.
    let both = |_: &str, port: u16| Ok(vec![([127, 0, 0, 1], port).into(), ([127, 0, 0, 2], port).into()]);
    start(Settings::udp("two.test", second.port()).lookup(both), NEVER);
    get_logger("next").send_counter("c", 3);
    assert!(flush(SOON).complete);
    assert_eq!(counters(&second.samples())["next.c"], 3);
}

#[test]
fn ipv6_is_spoken() {
    let _alone = alone();
    let socket =
        UdpSocket::bind("[::1]:0").expect("this test needs an IPv6 loopback address, and the machine has none");
    socket.set_read_timeout(Some(Duration::from_millis(60))).unwrap();
    let mut six = Receiver { socket, dialect: Dialect::Etsy, largest: 0 };
    for host in ["::1", "[::1]"] {
        start(Settings::udp(host, six.port()), NEVER);
        get_logger("six").send_counter("c", 4);
        assert!(flush(SOON).complete);
        assert_eq!(counters(&six.samples())["six.c"], 4);
        remove("statsd", SOON);
    }
}

#[cfg(unix)]
#[test]
fn a_unix_socket_with_a_full_queue_loses_nothing() {
    use std::os::unix::net::UnixDatagram;
    let _alone = alone();
    let scratch = Scratch::new("full-queue");
    let path = scratch.path().join("statsd.sock");
    start(Settings::new(Transport::Unix { path: path.clone() }).dialect(Dialect::DogStatsD).max_datagram(200), NEVER);
    let logger = get_logger("uds");
    for i in 0..5000u64 {
        logger.send_counter(format!("c{}", i % 1000), 1);
    }
    // Nobody has made the socket yet.
    assert!(!flush(Duration::from_millis(300)).complete);
    assert_eq!(account().pending.increments, 5000);
    let socket = UnixDatagram::bind(&path).unwrap();
    // Nobody reads: the queue fills, and the delivery gives up for now.
    let until = Instant::now() + SOON;
    while account().sent.increments == 0 && Instant::now() < until {
        assert!(!flush(Duration::from_secs(1)).complete);
    }
    let ledger = account();
    assert!(ledger.balances() && ledger.sent.increments > 0 && ledger.pending.increments > 0, "{ledger}");
    let delivered = Arc::new(AtomicBool::new(false));
    let is_over = Arc::clone(&delivered);
    let reader = thread::spawn(move || {
        socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let (mut all, mut buffer) = (Vec::new(), [0; 1000]);
        loop {
            // Asked before the queue is found empty: what was sent by then is in it.
            let is_last = is_over.load(SeqCst);
            match socket.recv(&mut buffer) {
                Ok(len) => {
                    assert!(len <= 200);
                    all.extend(support::parse(Dialect::DogStatsD, &buffer[..len]).unwrap());
                }
                Err(_) if is_last => return all,
                Err(_) => {}
            }
        }
    });
    assert!(flush(SOON).complete);
    let ledger = remove("statsd", SOON).unwrap();
    delivered.store(true, SeqCst);
    let samples = reader.join().unwrap();
    let total: i128 = counters(&samples).iter().filter(|(n, _)| n.starts_with("uds.")).map(|(_, v)| v).sum();
    assert_eq!(total, 5000);
    assert!(ledger.balances() && ledger.sent.increments == 5000, "{ledger}");
}

/// Reads lines from one connection until it ends.
fn lines_of(listener: &TcpListener) -> thread::JoinHandle<Vec<String>> {
    let (stream, _) = listener.accept().unwrap();
    thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut all = Vec::new();
        loop {
            let mut line = String::new();
            match reader.read_line(&mut line) {
                // A line without its newline is no line.
                Ok(n) if n > 0 && line.ends_with('\n') => all.push(line.trim_end().to_owned()),
                _ => return all,
            }
        }
    })
}

#[test]
fn tcp_lines_end_with_newlines_and_a_broken_connection_repeats_none() {
    let _alone = alone();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    start(Settings::new(Transport::Tcp { host: "127.0.0.1".into(), port }), NEVER);
    let logger = get_logger("tcp");
    let mut received = Vec::new();
    for round in 0..3 {
        for i in 0..500 {
            logger.send_counter(format!("c{i}"), 1);
        }
        let accepting = thread::spawn({
            let listener = listener.try_clone().unwrap();
            move || lines_of(&listener)
        });
        assert!(flush(SOON).complete, "round {round}");
        let reader = accepting.join().unwrap();
        thread::sleep(Duration::from_millis(50));
        // The end of a backend closes its connection; a new one opens another.
        let ledger = remove("statsd", SOON).unwrap();
        assert!(ledger.balances() && ledger.pending.is_zero(), "{ledger}");
        received.extend(reader.join().unwrap());
        start(Settings::new(Transport::Tcp { host: "127.0.0.1".into(), port }), NEVER);
    }
    remove("statsd", SOON);
    let samples: Vec<_> = received.iter().flat_map(|l| support::parse(Dialect::Etsy, l.as_bytes()).unwrap()).collect();
    let sums = counters(&samples);
    assert!((0..500).all(|i| sums[&format!("tcp.c{i}")] == 3));
}

#[test]
fn a_tcp_server_that_stops_reading_is_left_and_its_whole_lines_counted() {
    let _alone = alone();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    start(Settings::new(Transport::Tcp { host: "127.0.0.1".into(), port }), NEVER);
    let logger = get_logger("stalled");
    let names: Vec<String> = (0..8000).map(|i| format!("{}{i}", "long".repeat(100))).collect();
    let accepted = thread::spawn({
        let listener = listener.try_clone().unwrap();
        move || listener.accept().unwrap().0
    });
    names.iter().for_each(|name| logger.send_counter(name, 1));
    flush(Duration::from_secs(1));
    // Not read until now: the kernel's buffers are full, some lines were taken and the rest is pending.
    let ledger = account();
    assert!(ledger.balances(), "{ledger}");
    let mut received = {
        let stream = accepted.join().unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let mut all = Vec::new();
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            all.push(String::from_utf8(line).unwrap());
        }
        all
    };
    // Each connection is read to its end, until there are no more.
    let removed = Arc::new(AtomicBool::new(false));
    let is_removed = Arc::clone(&removed);
    let readers = thread::spawn(move || {
        listener.set_nonblocking(true).unwrap();
        let mut all = Vec::new();
        loop {
            let is_last = is_removed.load(SeqCst);
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).unwrap();
                    let lines = BufReader::new(stream).split(b'\n').map_while(Result::ok);
                    all.extend(lines.map(|line| String::from_utf8(line).unwrap()));
                }
                Err(_) if is_last => return all,
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
        }
    });
    for _ in 0..4 {
        flush(SOON);
    }
    let ledger = remove("statsd", SOON).unwrap();
    removed.store(true, SeqCst);
    received.extend(readers.join().unwrap());
    assert!(ledger.balances(), "{ledger}");
    let whole = received.iter().filter(|l| l.starts_with("stalled.") && l.ends_with("|c")).count() as u64;
    assert_eq!(whole, ledger.sent.increments, "{ledger}");
    assert_eq!(ledger.sent.increments + ledger.dropped_in_all().increments, 8000);
}

#[test]
fn a_resolver_that_panics_or_is_never_asked_again_holds_up_nobody() {
    let _alone = alone();
    start(Settings::udp("metrics.test", 1).lookup(|_, _| panic!("told to")), Duration::from_millis(50));
    get_logger("panicking").send_counter("c", 1);
    let begin = Instant::now();
    assert!(!flush(SOON).complete);
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    remove("statsd", Duration::from_millis(500));

    // The longest interval there is: a lookup that failed is repeated all the same.
    let mut receiver = Receiver::new(Dialect::Etsy);
    let (port, calls) = (receiver.port(), Mutex::new(0));
    let lookup = move |_: &str, _: u16| {
        let mut calls = calls.lock().unwrap();
        *calls += 1;
        if *calls == 1 { Err(io::Error::other("not yet")) } else { Ok(vec![([127, 0, 0, 1], port).into()]) }
    };
    let settings = Settings::udp("metrics.test", 1).resolve_interval(Duration::MAX).lookup(lookup);
    start(settings, Duration::from_millis(50));
    get_logger("again").send_counter("c", 1);
    let until = Instant::now() + SOON;
    while account().sent.increments == 0 {
        assert!(Instant::now() < until, "{}", account());
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(counters(&receiver.samples())["again.c"], 1);
    remove("statsd", SOON);
}

#[test]
fn datagrams_stay_within_what_udp_carries_and_a_partial_delivery_is_counted() {
    let _alone = alone();
    let receiver = Receiver::new(Dialect::Etsy);
    // By its field, which takes any number.
    let mut settings = Settings::udp("127.0.0.1", receiver.port());
    settings.max_datagram = usize::MAX;
    start(settings, NEVER);
    for i in 0..6000 {
        get_logger("wide").send_counter(format!("counter{i}"), 1);
    }
    assert!(flush(SOON).complete);
    let ledger = remove("statsd", SOON).unwrap();
    assert!(ledger.balances() && ledger.dropped_in_all().is_zero() && ledger.panics == 0, "{ledger}");

    let receiver = Receiver::new(Dialect::Etsy);
    start(Settings::udp("127.0.0.1", receiver.port()).max_datagram(200), NEVER);
    for i in 0..50 {
        get_logger("partial").send_counter(format!("counter{i}"), 1);
    }
    get_logger("partial").send_counter("n".repeat(300), 1);
    flush(SOON);
    let ledger = remove("statsd", SOON).unwrap();
    let (mut packets, mut bytes, mut buffer) = (0, 0, [0; 2000]);
    while let Ok(len) = receiver.socket.recv(&mut buffer) {
        packets += 1;
        bytes += len as u64;
    }
    assert_eq!((ledger.packets, ledger.bytes), (packets, bytes), "{ledger}");
    assert_eq!(ledger.dropped[Cause::TooLarge].recordings, 1);
}

#[test]
fn a_server_that_dies_under_many_values_gets_the_rest_when_it_is_back() {
    let _alone = alone();
    let mut receiver = Receiver::new(Dialect::Etsy);
    let port = receiver.port();
    start(Settings::udp("127.0.0.1", port), NEVER);
    let timer = get_logger("dying").timer("t");
    let record = |from: u64| (from..from + 2000).for_each(|i| timer.record(Duration::from_micros(i)));
    let count = |samples: &[support::Sample]| -> f64 {
        let weight = |s: &support::Sample| 1.0 / s.rate.as_deref().map_or(1.0, |r| r.parse::<f64>().unwrap());
        samples.iter().filter(|s| s.kind == "ms").map(weight).sum()
    };
    record(0);
    assert!(flush(SOON).complete);
    assert_eq!(count(&receiver.samples()), 2000.0);
    drop(receiver);
    // Refused recordings stay pending.
    record(2000);
    flush(SOON);
    record(4000);
    assert!(!flush(SOON).complete);
    let away = account();
    assert!(away.balances() && away.pending.recordings == 4000, "{away}");
    let mut receiver = Receiver::at(&format!("127.0.0.1:{port}"), Dialect::Etsy);
    record(6000);
    assert!(flush(SOON).complete);
    let back = account();
    assert!(back.balances() && back.pending.is_zero(), "{back}");
    assert_eq!(count(&receiver.samples()) as u64, 6000);
}
