//! Receivers that are late, and servers that die between two deliveries: nothing is lost that the kernel would refuse within milliseconds, or that a
//! default buffer could hold at the right pace.

mod support;

use ferrometer_core::{flush, get_logger, install, ledgers, remove};
use ferrometer_statsd::{Dialect, Settings, Statsd, Transport};
use ferrometer_testkit::{NEVER, SOON, Scratch};
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};
use support::{Receiver, alone, counters};

/// Counts the lines that arrive at a receiver that looks after such times alone; `None` when the machine was busy and it came later than 105 ms.
fn read_late(socket: &UdpSocket, done: &AtomicBool, each: Duration) -> Option<usize> {
    let (mut lines, mut buffer, mut in_time) = (0, vec![0; 65_536], true);
    socket.set_nonblocking(true).unwrap();
    loop {
        let (begin, is_done) = (Instant::now(), done.load(SeqCst));
        while let Ok(len) = socket.recv(&mut buffer) {
            let text = std::str::from_utf8(&buffer[..len]).unwrap();
            lines += text.lines().filter(|line| line.starts_with("late.")).count();
        }
        if is_done {
            return in_time.then_some(lines);
        }
        thread::sleep(each.saturating_sub(begin.elapsed()));
        in_time &= begin.elapsed() < Duration::from_millis(105);
    }
}

#[test]
fn ten_thousand_series_reach_a_receiver_that_is_late() {
    let _alone = alone();
    let names: Vec<String> = (0..10_000).map(|i| format!("counter_{i}")).collect();
    let logger = get_logger("late");
    // A receiver that the machine made later still says nothing. One that means to come earlier is seldom so late.
    let arrived = (0..60).any(|round| {
        let each = Duration::from_millis(if round < 10 { 95 } else { 50 });
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        install("statsd", Box::new(Statsd::new(Settings::udp("127.0.0.1", port))), NEVER).unwrap();
        let done = AtomicBool::new(false);
        let lines = thread::scope(|scope| {
            let reader = scope.spawn(|| read_late(&socket, &done, each));
            names.iter().for_each(|name| logger.send_counter(name, 1));
            assert!(flush(SOON).complete, "{:?}", ledgers());
            done.store(true, SeqCst);
            reader.join().unwrap()
        });
        let ledger = remove("statsd", SOON).unwrap();
        assert!(ledger.balances() && ledger.sent.increments == 10_000, "{ledger}");
        match lines {
            Some(lines) => {
                assert_eq!((lines, support::dropped_by_kernel(port)), (10_000, 0));
                true
            }
            None => false,
        }
    });
    assert!(arrived, "the receiver never came within 105 ms");
}

/// 1, then the server dies; 10 in each of three intervals; the server returns; 100. All that was recorded after its death arrives.
#[test]
fn a_server_that_dies_between_two_intervals_misses_nothing() {
    let _alone = alone();
    let mut receiver = Receiver::new(Dialect::Etsy);
    let port = receiver.port();
    install("statsd", Box::new(Statsd::new(Settings::udp("127.0.0.1", port))), Duration::from_millis(50)).unwrap();
    let logger = get_logger("between");
    let sent = || ledgers()[0].sent.increments;
    let mut expected = 0;
    for _ in 0..9 {
        logger.send_counter("c", 1);
        expected += 1;
        let until = Instant::now() + SOON;
        while sent() < expected {
            assert!(Instant::now() < until);
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(counters(&receiver.samples())["between.c"], 1);
        drop(receiver);
        for _ in 0..3 {
            let errors = ledgers()[0].errors;
            logger.send_counter("c", 10);
            let until = Instant::now() + SOON;
            while ledgers()[0].errors == errors {
                assert!(Instant::now() < until);
                thread::sleep(Duration::from_millis(5));
            }
        }
        receiver = Receiver::at(&format!("127.0.0.1:{port}"), Dialect::Etsy);
        logger.send_counter("c", 100);
        expected += 130;
        assert!(flush(SOON).complete);
        assert_eq!(counters(&receiver.samples())["between.c"], 130, "{:?}", ledgers());
    }
    let ledger = remove("statsd", SOON).unwrap();
    assert_eq!((ledger.sent.increments, ledger.recorded.increments), (9 * 131, 9 * 131), "{ledger}");
}

#[cfg(unix)]
#[test]
fn a_unix_server_that_dies_misses_nothing() {
    use std::os::unix::net::UnixDatagram;
    let _alone = alone();
    let scratch = Scratch::new("late");
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
        counters(&all).get("unixed.c").copied().unwrap_or(0)
    };
    let mut socket = bind();
    install("statsd", Box::new(Statsd::new(Settings::new(Transport::Unix { path: path.clone() }))), NEVER).unwrap();
    let logger = get_logger("unixed");
    for _ in 0..5 {
        logger.send_counter("c", 1);
        assert!(flush(SOON).complete);
        assert_eq!(read(&socket), 1);
        drop(socket);
        std::fs::remove_file(&path).unwrap();
        for _ in 0..3 {
            logger.send_counter("c", 10);
            assert!(!flush(Duration::from_millis(60)).complete);
        }
        socket = bind();
        logger.send_counter("c", 100);
        assert!(flush(SOON).complete);
        assert_eq!(read(&socket), 130);
        // One that is replaced between two deliveries is found at once.
        std::fs::remove_file(&path).unwrap();
        socket = bind();
        logger.send_counter("c", 7);
        assert!(flush(SOON).complete);
        assert_eq!(read(&socket), 7);
    }
    assert!(remove("statsd", SOON).unwrap().balances());
}

/// A server that stops reading in the middle of a line and goes on later: it gets the rest of that line, on the same connection, and each value once.
#[test]
fn a_stream_that_fills_up_tears_no_line() {
    let _alone = alone();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let settings = Settings::new(Transport::Tcp { host: "127.0.0.1".into(), port });
    install("statsd", Box::new(Statsd::new(settings)), NEVER).unwrap();
    let logger = get_logger("torn");
    let (timer, counters) = (logger.timer("t"), 6000u64);
    let long = "long".repeat(100);
    let record = || {
        for i in 0..counters {
            logger.send_counter(format!("{long}{i}"), 1);
        }
        (0..20_000u64).for_each(|i| timer.record(Duration::from_nanos(1_000_000 + i)));
    };
    let accepted = thread::spawn({
        let listener = listener.try_clone().unwrap();
        move || listener.accept().unwrap().0
    });
    // Rounds until the kernel's buffers are full, wherever in a line that is.
    let mut rounds = 0;
    loop {
        record();
        rounds += 1;
        if !flush(Duration::from_millis(700)).complete {
            break;
        }
        assert!(rounds < 50, "the buffers are never full");
    }
    let stream = accepted.join().unwrap();
    listener.set_nonblocking(true).unwrap();
    let reader = thread::spawn(move || {
        let mut whole = Vec::new();
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            whole.push(String::from_utf8(line).unwrap());
        }
        whole
    });
    let until = Instant::now() + SOON;
    while !flush(Duration::from_secs(2)).complete {
        assert!(Instant::now() < until, "{:?}", ledgers());
    }
    let ledger = remove("statsd", SOON).unwrap();
    assert!(ledger.balances() && ledger.sent == ledger.recorded, "{ledger}");
    let lines = reader.join().unwrap();
    assert!(listener.accept().is_err(), "a second connection was opened");
    let (mut sum, mut values) = (0, 0);
    for line in lines.iter().filter(|line| !line.starts_with("ferrometer.")) {
        for sample in support::parse(Dialect::Etsy, line.as_bytes()).unwrap() {
            match sample.kind.as_str() {
                "c" => sum += sample.value.parse::<u64>().unwrap(),
                _ => values += sample.rate.map_or(1, |rate| (1.0 / rate.parse::<f64>().unwrap()).round() as u64),
            }
        }
    }
    assert_eq!((sum, values), (rounds * counters, rounds * 20_000), "{ledger}");
}
