//! Gnocchi's API over an archive in a directory, until SIGTERM.
//!
//! ```text
//! cargo run --release --example archive -- --address 127.0.0.1:8041 --data DIR [--prefix /gnocchi] [--max-limit N]
//!     [--no-default-policies] [--auth basic|remoteuser] [--cors ORIGIN] [--sync group|none]
//!     [--allowed-host NAME] [--max-body BYTES]
//!     [--statsd ADDRESS --statsd-resource UUID [--statsd-policy NAME] [--statsd-exact]]
//! ```

use ferrometer_archive::{Archive, Options, Sync};
use ferrometer_gnocchi::{Auth, Gnocchi, Settings, Statsd, StatsdSettings};
use ferrometer_http::Frame;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// How long answers in progress may still take when the server is told to end.
const END: Duration = Duration::from_secs(10);
/// Most bytes that `--max-body` may say; all bodies together have a limit of their own.
const MOST_BODY: usize = 1 << 30;

struct Arguments {
    address: String,
    hosts: Vec<String>,
    data: PathBuf,
    options: Options,
    settings: Settings,
    statsd: Option<String>,
    statsd_settings: StatsdSettings,
}

fn arguments() -> Result<Arguments, String> {
    let mut address = "127.0.0.1:8041".to_owned();
    let (mut data, mut hosts) = (None, Vec::new());
    let mut statsd = None;
    let mut statsd_settings = StatsdSettings::new(Uuid::nil());
    let (mut options, mut settings) = (Options::default(), Settings::default());
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let mut value = || given.next().ok_or(format!("{name} wants a value"));
        match name.as_str() {
            "--address" => address = value()?,
            "--data" => data = Some(value()?.into()),
            "--prefix" => settings.prefix = value()?.trim_end_matches('/').to_owned(),
            "--max-limit" => {
                let text = value()?;
                settings.max_limit = text
                    .parse()
                    .ok()
                    .filter(|limit| *limit > 0)
                    .ok_or(format!("--max-limit {text}: a number of at least 1"))?;
            }
            "--no-default-policies" => options.default_policies = false,
            "--auth" => {
                settings.auth = match value()?.as_str() {
                    "basic" => Auth::Basic,
                    "remoteuser" => Auth::RemoteUser,
                    other => return Err(format!("--auth {other}: known are basic and remoteuser")),
                }
            }
            "--statsd" => statsd = Some(value()?),
            "--statsd-resource" => {
                let text = value()?;
                statsd_settings.resource = text.parse().map_err(|_| format!("--statsd-resource {text}: a UUID"))?;
            }
            "--statsd-policy" => statsd_settings.policy = Some(value()?),
            "--statsd-exact" => statsd_settings.exact = true,
            "--allowed-host" => hosts.push(value()?),
            "--max-body" => {
                let text = value()?;
                let allowed = |bytes: &usize| (1024..=MOST_BODY).contains(bytes);
                settings.max_body = (text.parse().ok().filter(allowed))
                    .ok_or(format!("--max-body {text}: a number of bytes, 1024 to {MOST_BODY}"))?;
            }
            "--cors" => settings.cors.push(value()?),
            "--sync" => {
                options.sync = match value()?.as_str() {
                    "group" => Sync::Group,
                    "none" => Sync::None,
                    other => return Err(format!("--sync {other}: known are group and none")),
                }
            }
            other => {
                return Err(format!(
                    "{other} is no argument; known are --address, --data, --prefix, --max-limit, --no-default-policies, --auth, --cors, --sync, --allowed-host, --max-body, --statsd, --statsd-resource, --statsd-policy, --statsd-exact"
                ));
            }
        }
    }
    let data = data.ok_or("--data DIR is needed: the directory of the archive")?;
    if statsd.is_some() && statsd_settings.resource.is_nil() {
        return Err("--statsd needs --statsd-resource UUID: the resource that gets the metrics".into());
    }
    Ok(Arguments { address, hosts, data, options, settings, statsd, statsd_settings })
}

fn resolve(address: &str) -> Result<SocketAddr, String> {
    let mut found = address.to_socket_addrs().map_err(|error| format!("--address {address}: {error}"))?;
    found.next().ok_or(format!("--address {address}: there is no such address"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = arguments()?;
    let archive = Arc::new(Archive::open(&arguments.data, arguments.options)?);
    let _statsd = match &arguments.statsd {
        Some(address) => {
            let statsd = Arc::new(Statsd::new(Arc::clone(&archive), arguments.statsd_settings));
            Some(statsd.listen(std::net::UdpSocket::bind(address)?)?)
        }
        None => None,
    };
    let prefix = arguments.settings.prefix.clone();
    let mut limits = Gnocchi::limits();
    // One body as large as it may be, and others beside it.
    limits.max_bodies_bytes = limits.max_bodies_bytes.max(arguments.settings.max_body.saturating_mul(2));
    let api = Arc::new(Gnocchi::new(archive, arguments.settings));
    let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    // Who asks is Gnocchi's affair, and TLS that of a proxy in front of it.
    let frame = Frame::new().title("ferrometer archive").address(resolve(&arguments.address)?).limits(limits);
    let frame = frame.allowed_hosts(arguments.hosts).allow_plaintext(true).allow_anonymous(true);
    let server = api.mount(frame).serve()?;
    println!("http://{}{prefix}", server.local_addr());
    tokio::select! {
        _ = term.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    server.finish(END);
    Ok(())
}
