//! Servers that are managed, under one configuration after the other: what they are sent goes on, and ends with the configuration.
#![cfg(feature = "metric-servers")]

use ferrometer::{Config, get_logger, init, ledgers};
use ferrometer_testkit::{SOON, Scratch, alone};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

/// One request, and status and body of the answer.
fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

fn config(scratch: &Scratch) -> Config {
    let config = Config::new().metric_servers_path(scratch.path().join("status.cfg")).shutdown_deadline(SOON);
    config.metric_servers_interval(Duration::from_secs(3600)).pull_cache_address("127.0.0.1:0".parse().unwrap())
}

fn names() -> Vec<String> {
    ledgers().into_iter().map(|ledger| ledger.backend).collect()
}

#[test]
fn servers_outlive_a_configuration_and_end_with_the_last() {
    let _alone = alone();
    let scratch = Scratch::new("facade-servers");
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let udp = receiver.local_addr().unwrap().port();
    let received = || {
        let mut buffer = [0; 2048];
        let len = receiver.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..len]).into_owned()
    };
    // No backend but the servers: nothing is recorded until there is one.
    let metrics = init(config(&scratch)).unwrap();
    let address = metrics.http_address().unwrap();
    let route = "/api2/json/cluster/metrics/server/one";
    let udp = format!("type=graphite&server=127.0.0.1&port={udp}&path=first");
    assert_eq!(ask(address, "POST", route, &udp), (200, "{\"data\":null}".to_owned()));
    assert_eq!(names(), ["server-one"]);
    get_logger("facade").send_counter("sold", 3);
    let shown = metrics.preview("server-one").unwrap();
    let lines: String = shown.iter().map(|one| String::from_utf8_lossy(&one.wire).into_owned()).collect();
    assert!(lines.lines().any(|line| line.starts_with("first.facade.sold 3 ")), "{lines}");
    // A later configuration takes the servers over: what the old backend has is delivered, and the new one goes on.
    let again = init(config(&scratch)).unwrap();
    assert!(received().contains("first.facade.sold 3 "));
    assert_eq!(names(), ["server-one"]);
    drop(metrics);
    assert_eq!(names(), ["server-one"]);
    get_logger("facade").send_counter("sold", 4);
    // One without servers ends them.
    let without = init(Config::new().backend("noop")).unwrap();
    assert!(received().contains("first.facade.sold 7 "));
    assert!(names().is_empty());
    drop((again, without));
    // At the start all enabled servers of the file are there, and at the end none.
    let metrics = init(config(&scratch)).unwrap();
    assert_eq!(names(), ["server-one"]);
    assert!(config(&scratch).max_bytes() > Config::new().max_bytes());
    drop(metrics);
    assert!(names().is_empty());
    assert!(std::fs::read_to_string(scratch.path().join("status.cfg")).unwrap().starts_with("graphite: one\n"));
}

#[test]
fn what_cannot_be_is_told_with_its_key() {
    let _alone = alone();
    let scratch = Scratch::new("facade-servers-wrong");
    for (config, expected) in [
        (
            config(&scratch)
                .pull_cache_address("0.0.0.0:0".parse().unwrap())
                .pull_cache_allow_plaintext(true)
                .pull_cache_allow_anonymous(true),
            "metrics.metric_servers.path = ",
        ),
        (
            config(&scratch).metric_servers_path(scratch.path().join("no/such/status.cfg")),
            "metrics.metric_servers.path: ",
        ),
        (
            config(&scratch).metric_servers_allowed_destinations(["a/b"]),
            "builder: metrics.metric_servers.allowed_destinations = ",
        ),
        (config(&scratch).metric_servers_max_servers(0), "builder: metrics.metric_servers.max_servers = 0"),
    ] {
        let error = init(config).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
        assert!(names().is_empty());
    }
}

#[cfg(feature = "proxmox")]
#[test]
fn the_exports_of_proxmox_and_the_management_share_their_index() {
    let _alone = alone();
    let scratch = Scratch::new("facade-servers-proxmox");
    let config = config(&scratch).backend("pull-cache").pull_cache_http(true).pull_cache_proxmox(true);
    let metrics = init(config).unwrap();
    let address = metrics.http_address().unwrap();
    let index = (200, "{\"data\":[{\"name\":\"server\"}]}".to_owned());
    assert_eq!(ask(address, "GET", "/api2/json/cluster/metrics", ""), index);
    assert_eq!(ask(address, "GET", "/api2/json/cluster/metrics/server", ""), (200, "{\"data\":[]}".to_owned()));
    assert_eq!(ask(address, "GET", "/api2/json/admin/metrics", "").0, 200);
}
