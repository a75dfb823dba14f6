//! Times without an end: `Duration::MAX` is how a program says "as long as it takes". It is no panic, in its own thread or in one of ferrometer's.
#![cfg(all(feature = "prometheus", feature = "agent", feature = "influxdb", feature = "process-metrics"))]

use ferrometer::agent::Lookup;
use ferrometer::http::Frame;
use ferrometer::{Config, Error};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How long anything may take here; what is waited for is at hand at once.
const SOON: Duration = Duration::from_secs(60);

#[test]
fn a_time_without_an_end_is_no_panic() {
    // The end of the configuration in force is that of its server.
    let served = || Config::new().backend("prometheus").pull_cache_address("127.0.0.1:0".parse().unwrap());
    for _ in 0..2 {
        let metrics = ferrometer::init(served()).unwrap();
        ferrometer::get_logger("longest").send_counter("c", 1);
        assert!(metrics.flush(Duration::MAX).complete);
        assert!(metrics.shutdown(Duration::MAX).complete);
    }

    // A conductor that is asked once, and nobody is there.
    let lookup = Lookup::new("http://127.0.0.1:1/v1/lookup", "1be26c0b-03f2-4d2e-ae87-c02d7f33c123");
    let agent = lookup.timeout(Duration::MAX).interval(Duration::MAX).base(Config::new()).init().unwrap();
    let until = Instant::now() + SOON;
    while agent.status().failures == 0 {
        assert!(Instant::now() < until, "{:?}", agent.status());
        std::thread::sleep(Duration::from_millis(5));
    }
    agent.flush(Duration::MAX);
    agent.shutdown(Duration::MAX);

    // Files that are read once, and a server that ends when all is answered.
    let tokens = std::env::temp_dir().join(format!("ferrometer-longest-{}", std::process::id()));
    std::fs::write(&tokens, format!("a=plain:{}\n", "a".repeat(32))).unwrap();
    let server =
        Frame::new().address("127.0.0.1:0".parse().unwrap()).tokens_file(&tokens).reload_interval(Duration::MAX);
    let server = server.serve().unwrap();
    let mut client = TcpStream::connect(server.local_addr()).unwrap();
    client.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(server.stop(Duration::MAX));
    std::fs::remove_file(tokens).unwrap();

    // A configuration has bounds, and says so.
    let mut config = Config::new().shutdown_deadline(Duration::MAX).backend("influxdb");
    config.influxdb.timeout = Duration::MAX;
    let said = match ferrometer::init(config) {
        Err(Error::Config(said)) => said.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(said.contains("metrics.shutdown_deadline") && said.contains("metrics.influxdb.timeout"), "{said}");
}
