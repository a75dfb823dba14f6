//! A preview is what the next delivery sends, to the byte, and changes nothing.

mod support;

use ferrometer_core::{Preview, flush, get_logger, install, ledgers, preview, remove};
use ferrometer_statsd::{Dialect, Settings, Statsd, Transport};
use ferrometer_testkit::{NEVER, SOON};
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::thread;
use std::time::Duration;
use support::alone;

fn record(name: &str, round: u64) {
    let logger = get_logger(name);
    for i in 0..3_000u64 {
        logger.send_timer("took", Duration::from_micros(100 + i * 37 + round));
    }
    for i in 0..200u64 {
        logger.with("at", &i.to_string()).send_counter("sold", 1 + i * round);
    }
    logger.send_counter("falls", -3);
    logger.send_gauge("depth", -1.25);
    logger.send_gauge("nan", f64::NAN);
    logger.sampled(0.5).send_timer("rare", Duration::from_millis(7));
}

fn shown() -> Vec<Vec<u8>> {
    preview("statsd", SOON).unwrap().into_iter().map(|preview: Preview| preview.wire).collect()
}

#[test]
fn a_preview_is_what_is_sent_to_the_byte() {
    let _alone = alone();
    for (round, dialect) in [Dialect::Etsy, Dialect::DogStatsD, Dialect::Telegraf].into_iter().enumerate() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        receiver.set_read_timeout(Some(SOON)).unwrap();
        let transport = Transport::Udp { host: "127.0.0.1".into(), port: receiver.local_addr().unwrap().port() };
        let settings = Settings::new(transport).dialect(dialect).spread(Duration::ZERO).state_interval(Duration::ZERO);
        install("statsd", Box::new(Statsd::new(settings)), NEVER).unwrap();
        for turn in 1..=3 {
            record(&format!("preview{round}"), turn);
            let before = ledgers();
            let expected = shown();
            assert_eq!(shown(), expected, "a second preview says what the first did");
            assert_eq!(ledgers(), before);
            assert!(expected.len() > 10 && expected.iter().all(|datagram| !datagram.is_empty()), "{}", expected.len());
            let sender = thread::spawn(|| flush(SOON));
            let mut got = Vec::new();
            let mut buffer = vec![0; 65_536];
            while got.len() < expected.len() {
                let len = receiver.recv(&mut buffer).unwrap();
                got.push(buffer[..len].to_vec());
            }
            assert!(sender.join().unwrap().complete);
            let text =
                |all: &[Vec<u8>]| all.iter().map(|one| String::from_utf8_lossy(one).into_owned()).collect::<Vec<_>>();
            assert_eq!(text(&got), text(&expected), "{dialect:?} {turn}");
            // Only what ferrometer says of that delivery is left.
            let left = shown().concat();
            assert!(left.split(|b| *b == b'\n').all(|line| line.is_empty() || line.starts_with(b"ferrometer.")));
        }
        assert!(remove("statsd", SOON).unwrap().balances());
    }
}

#[test]
fn a_preview_of_a_stream_is_what_is_written() {
    let _alone = alone();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let transport = Transport::Tcp { host: "127.0.0.1".into(), port: listener.local_addr().unwrap().port() };
    install("statsd", Box::new(Statsd::new(Settings::new(transport))), NEVER).unwrap();
    record("streamed", 1);
    let expected = shown().concat();
    let reader = thread::spawn(move || {
        let mut all = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut all).unwrap();
        all
    });
    assert!(flush(SOON).complete);
    assert!(remove("statsd", SOON).unwrap().balances());
    // The removal may send once more what ferrometer says of the delivery itself.
    let of_the_program = |bytes: Vec<u8>| -> Vec<String> {
        let text = String::from_utf8(bytes).unwrap();
        text.lines().filter(|line| !line.starts_with("ferrometer.")).map(str::to_owned).collect()
    };
    assert_eq!(of_the_program(reader.join().unwrap()), of_the_program(expected));
}
