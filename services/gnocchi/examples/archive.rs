//! Gnocchi's API over an archive in a directory, until SIGTERM.
//!
//! ```text
//! cargo run --release --example archive -- --address 127.0.0.1:8041 --data DIR [--prefix /gnocchi] [--max-limit N]
//!     [--no-default-policies] [--auth basic|remoteuser] [--cors ORIGIN] [--sync group|none]
//!     [--statsd ADDRESS --statsd-resource UUID [--statsd-policy NAME] [--statsd-exact]]
//! ```

use ferrometer_archive::{Archive, Options, Sync};
use ferrometer_gnocchi::{Auth, Gnocchi, Settings, Statsd, StatsdSettings};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

struct Arguments {
    address: String,
    data: PathBuf,
    options: Options,
    settings: Settings,
    statsd: Option<String>,
    statsd_settings: StatsdSettings,
}

fn arguments() -> Result<Arguments, String> {
    let mut address = "127.0.0.1:8041".to_owned();
    let mut data = None;
    let mut statsd = None;
    let mut statsd_settings = StatsdSettings {
        resource: Uuid::nil(),
        creator: "admin".into(),
        policy: None,
        flush: Duration::from_secs(10),
        exact: false,
    };
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
                    "{other} is no argument; known are --address, --data, --prefix, --max-limit, --no-default-policies, --auth, --cors, --sync, --statsd, --statsd-resource, --statsd-policy, --statsd-exact"
                ));
            }
        }
    }
    let data = data.ok_or("--data DIR is needed: the directory of the archive")?;
    if statsd.is_some() && statsd_settings.resource.is_nil() {
        return Err("--statsd needs --statsd-resource UUID: the resource that gets the metrics".into());
    }
    Ok(Arguments { address, data, options, settings, statsd, statsd_settings })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = arguments()?;
    let archive = Arc::new(Archive::open(&arguments.data, arguments.options)?);
    let listener = tokio::net::TcpListener::bind(&arguments.address).await?;
    println!("http://{}{}", listener.local_addr()?, arguments.settings.prefix);
    let _statsd = match &arguments.statsd {
        Some(address) => {
            let statsd = Arc::new(Statsd::new(Arc::clone(&archive), arguments.statsd_settings));
            Some(statsd.listen(std::net::UdpSocket::bind(address)?)?)
        }
        None => None,
    };
    let api = Arc::new(Gnocchi::new(archive, arguments.settings));
    let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let end = async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    axum::serve(listener, api.router()).with_graceful_shutdown(end).await?;
    Ok(())
}
