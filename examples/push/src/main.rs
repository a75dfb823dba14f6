//! Pushes to a server of your choice: `cargo run --release -p push -- otlp|influxdb|graphite|remote-write [address]`.
//!
//! It shows first what a delivery looks like, without sending it; then records for five seconds, and prints the account. Without an address the server is
//! expected where it is by default on this machine. A server that is not there is no error of the program: what it misses stays pending, and the
//! account says so.

use ferrometer::backend::Backend;
use ferrometer::get_logger;
use std::error::Error;
use std::time::Duration;

const USAGE: &str = "usage: push otlp|influxdb|graphite|remote-write [address]\n\
    otlp          http://localhost:4318/v1/metrics\n\
    influxdb      localhost:8086   (HTTP, /api/v2/write; INFLUX_TOKEN, INFLUX_ORG and INFLUX_BUCKET are used)\n\
    graphite      localhost:2003   (TCP)\n\
    remote-write  http://localhost:9090/api/v1/write";

/// Prints what would be sent now.
fn show() -> Result<(), ferrometer::PreviewError> {
    for body in ferrometer::preview("push", Duration::from_secs(2))? {
        // A body that is not compressed has no other form.
        let plain = if body.plain.is_empty() { &body.wire } else { &body.plain };
        let start: String = String::from_utf8_lossy(plain).chars().take(1500).collect();
        println!("-- a delivery of {} bytes, {} before compression:", body.wire.len(), plain.len());
        println!("{}", start.escape_debug().to_string().replace("\\n", "\n"));
    }
    Ok(())
}

/// Host and port of `host:port`.
fn parts(address: &str, port: u16) -> Result<(&str, u16), Box<dyn Error>> {
    match address.rsplit_once(':') {
        Some((host, number)) => Ok((host, number.parse().map_err(|_| format!("{number:?} is no port\n{USAGE}"))?)),
        None => Ok((address, port)),
    }
}

fn variable(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

fn backend(kind: &str, address: Option<&str>) -> Result<Box<dyn Backend>, Box<dyn Error>> {
    Ok(match kind {
        "otlp" => {
            use ferrometer::otlp::{Otlp, Settings};
            let mut settings = Settings::from_env()?.attribute("service.name", "ferrometer-example");
            if let Some(url) = address {
                settings.url = url.to_owned();
            }
            Box::new(Otlp::new(settings)?)
        }
        "influxdb" => {
            use ferrometer::influxdb::{InfluxDb, Protocol, Settings};
            let (host, port) = parts(address.unwrap_or("localhost:8086"), 8086)?;
            let settings = Settings::new(host, port)
                .protocol(Protocol::Http)
                .bucket(variable("INFLUX_ORG", "proxmox"), variable("INFLUX_BUCKET", "proxmox"))
                .token(variable("INFLUX_TOKEN", ""));
            Box::new(InfluxDb::new(settings)?)
        }
        "graphite" => {
            use ferrometer::graphite::{Graphite, Proto, Settings};
            let (host, port) = parts(address.unwrap_or("localhost:2003"), 2003)?;
            Box::new(Graphite::new(Settings::new(host).port(port).proto(Proto::Tcp).path("ferrometer"))?)
        }
        "remote-write" => {
            use ferrometer::remote_write::{RemoteWrite, Settings};
            Box::new(RemoteWrite::new(Settings::new(address.unwrap_or("http://localhost:9090/api/v1/write")))?)
        }
        _ => return Err(USAGE.into()),
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(kind) = arguments.first() else { return Err(USAGE.into()) };
    let backend = backend(kind, arguments.get(1).map(String::as_str))?;
    ferrometer::install("push", backend, Duration::from_secs(1))?;

    let shop = get_logger("shop");
    for round in 1..=50u64 {
        shop.with("city", "Oslo").send_counter("sold", 1);
        shop.with("city", "São Paulo").send_counter("sold", 2);
        shop.send_gauge("queue", round % 7);
        shop.send_timer("checkout", Duration::from_millis(round));
        if round == 1 {
            show()?;
        }
        std::thread::sleep(Duration::from_millis(100));
    }

    let account = ferrometer::remove("push", Duration::from_secs(5)).ok_or("it was installed")?;
    println!("-- sold 150, timed 50 calls in 5 s; the account:\n{account}");
    println!("-- {} deliveries, {} errors, {} bytes sent", account.deliveries, account.errors, account.bytes);
    Ok(())
}
