//! A program that is started with the variables of the unit, the deployment and the guide's page comes up, and answers who comes to fetch.

use ferrometer::{Config, get_logger, init};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The pipeline is one for the process.
static ALONE: Mutex<()> = Mutex::new(());

/// Variables of a unit, `Environment=NAME=value`, and of a deployment, `- { name: NAME, value: value }`.
fn variables(text: &str) -> Vec<(String, String)> {
    let of_line = |line: &str| -> Option<(String, String)> {
        let line = line.trim();
        let (name, value) = match line.strip_prefix("Environment=") {
            Some(rest) => rest.split_once('=')?,
            None => line.strip_prefix("- { name: ")?.strip_suffix(" }")?.split_once(", value: ")?,
        };
        Some((name.to_owned(), value.trim_matches('"').to_owned()))
    };
    text.lines().filter_map(of_line).filter(|(name, _)| name.starts_with("FERROMETER_")).collect()
}

/// An address of this machine by which others call it; none where it has no network.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: the system only chooses the address.
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn comes_up(what: &str, text: &str, address: IpAddr) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut variables = variables(text);
    assert!(variables.len() >= 2, "{what}: {variables:?}");
    for (name, value) in &mut variables {
        // The address of the pod, and any port.
        *value = value.replace("$(POD_IP)", &address.to_string());
        if name == "FERROMETER_PULL_CACHE__ADDRESS" {
            *value = value.replace(":9620", ":0");
        }
    }
    let config = Config::from_env_with(variables).unwrap_or_else(|error| panic!("{what}: {error}"));
    let metrics = init(config).unwrap_or_else(|error| panic!("{what}: {error}"));
    get_logger("shop").send_counter("sales", 1);
    assert!(metrics.flush(Duration::from_secs(60)).complete);
    let at = metrics.http_address().unwrap_or_else(|| panic!("{what}: nothing is served"));
    for path in ["/healthz", "/readyz"] {
        let answer = get(at, path);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{what}: {path}: {answer}");
    }
    let answer = get(at, "/metrics");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\nshop_sales_total "), "{what}: {answer}");
}

#[test]
fn the_unit_comes_up() {
    comes_up("the unit", include_str!("../../../packaging/program/shop.service"), Ipv4Addr::LOCALHOST.into());
}

#[test]
fn the_deployment_and_that_of_the_guide_come_up() {
    let Some(address) = own_address() else {
        // On loopback nothing of what other machines need would be asked for.
        panic!("this machine has no address but loopback: the deployment cannot be tried");
    };
    comes_up("the deployment", include_str!("../../../packaging/program/shop.yaml"), address);
    let page = include_str!("../../../docs/guide/src/deploying.md");
    let block = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    comes_up("the guide's deployment", block, address);
}
