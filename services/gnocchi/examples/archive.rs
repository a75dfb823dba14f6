//! Gnocchi's API over an archive in a directory, or on servers that many processes share, until SIGTERM.
//!
//! `cargo run --release --example archive -- --help` shows the arguments.
//!
//! A browser gets the page of the archive at `/archive`, and with a prefix at `/` too.
//!
//! An argument is the key of the same name in the file, and counts more: `--statsd-tcp` is `tcp` in `[statsd]`.

use ferrometer_archive::{Archive, Options};
use ferrometer_gnocchi::{Auth, ConfigError, Gnocchi, Listening, ServerConfig, Statsd, StatsdAccounts, StatsdSocket};
use ferrometer_http::Frame;
use ferrometer_page::Page;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

const USAGE: &str = "\
Gnocchi's API over an archive, until SIGTERM

archive --data DIR [--address 127.0.0.1:8041] [--config FILE.toml] [--gnocchi-conf FILE]
    [--prefix /gnocchi] [--max-limit N] [--no-default-policies] [--auth basic|remoteuser|tokens] [--tokens-file FILE]
    [--cors ORIGIN] [--sync group|none] [--allowed-host NAME] [--max-body BYTES]
    [--statsd ADDRESS] [--statsd-tcp ADDRESS] [--statsd-unix PATH] [--statsd-unix-stream PATH]
    [--statsd-resource UUID] [--statsd-policy NAME] [--statsd-tags ignored|in_name] [--statsd-percentiles N] [--statsd-exact]

On servers, in the place of --data (with the features postgresql, redis and s3):

    --index postgresql://… [--incoming redis://…|postgresql://…] [--storage s3://…|redis://…|postgresql://…] [--workers 0]

docs/archive.md tells what each means.";

/// How long answers in progress may still take when the server is told to end.
const END: Duration = Duration::from_secs(10);

fn lines(errors: Vec<ConfigError>) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Reads a file of the configuration.
fn file(config: &mut ServerConfig, name: &str, path: &str) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{name} {path}: {error}"))?;
    if name == "--config" {
        return config.read_toml(&text).map_err(lines);
    }
    let told = config.read_gnocchi_conf(&text).map_err(lines)?;
    told.iter().for_each(|line| eprintln!("{path}: {line}"));
    Ok(())
}

/// Addresses of servers: index, incoming, storage.
#[derive(Default)]
struct Addresses {
    index: Option<String>,
    incoming: Option<String>,
    storage: Option<String>,
    /// Other processes aggregate.
    asks_alone: bool,
}

fn configured() -> Result<(ServerConfig, Addresses), String> {
    let mut config = ServerConfig::default();
    let mut servers = Addresses::default();
    let mut set: Vec<(String, String)> = Vec::new();
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let Some(bare) = name.strip_prefix("--") else {
            return Err(format!("{name} is no argument: each begins with --"));
        };
        if bare == "help" {
            println!("{USAGE}");
            std::process::exit(0);
        }
        let mut value = || given.next().ok_or(format!("{name} wants a value; --help shows the arguments"));
        let (key, value) = match bare {
            "config" | "gnocchi-conf" => {
                file(&mut config, &name, &value()?)?;
                continue;
            }
            "index" | "incoming" | "storage" => {
                let place = match bare {
                    "index" => &mut servers.index,
                    "incoming" => &mut servers.incoming,
                    _ => &mut servers.storage,
                };
                *place = Some(value()?);
                continue;
            }
            "workers" => match value()? {
                none if none == "0" => {
                    servers.asks_alone = true;
                    continue;
                }
                some => ("workers".to_owned(), some),
            },
            "no-default-policies" => ("default_policies".to_owned(), "false".to_owned()),
            "statsd-exact" => ("statsd.exact".to_owned(), "true".to_owned()),
            "statsd" => ("statsd.address".to_owned(), value()?),
            "allowed-host" => ("allowed_hosts".to_owned(), value()?),
            bare => match bare.strip_prefix("statsd-") {
                Some(rest) => (format!("statsd.{}", rest.replace('-', "_")), value()?),
                None => (bare.replace('-', "_"), value()?),
            },
        };
        set.push((key, value));
    }
    // Behind the files, wherever they stand.
    for (key, value) in set {
        config.set(&key, &value).map_err(|error| error.to_string())?;
    }
    match (&servers.index, &config.data) {
        (Some(_), Some(_)) => return Err("--index and --data: the archive is on servers or in a directory".into()),
        // There is no directory, and it is not looked for.
        (Some(_), None) => config.data = Some(".".into()),
        (None, _) if servers.incoming.is_some() || servers.storage.is_some() => {
            return Err("--incoming and --storage need --index postgresql://…".into());
        }
        (None, _) => {}
    }
    config.check().map_err(lines)?;
    if servers.asks_alone {
        if servers.index.is_none() {
            return Err("--workers 0: in a directory nobody else aggregates; it goes with --index".into());
        }
        config.options.workers = 0;
    }
    Ok((config, servers))
}

#[cfg(feature = "postgresql")]
fn connect(index: &str, addresses: &Addresses, options: Options) -> Result<Archive, Box<dyn std::error::Error>> {
    let mut servers = ferrometer_archive::Servers::new(index);
    if let Some(address) = &addresses.incoming {
        servers = servers.incoming(address);
    }
    if let Some(address) = &addresses.storage {
        servers = servers.storage(address);
    }
    Ok(ferrometer_archive::connect(&servers, options)?)
}

#[cfg(not(feature = "postgresql"))]
fn connect(_: &str, _: &Addresses, _: Options) -> Result<Archive, Box<dyn std::error::Error>> {
    Err("--index needs the feature `postgresql`: cargo run --features postgresql,redis,s3 --example archive".into())
}

/// Opens the archive before there is an asynchronous runtime: the client of PostgreSQL has one of its own.
fn open(config: &ServerConfig, servers: &Addresses) -> Result<Archive, Box<dyn std::error::Error>> {
    match (&servers.index, &config.data) {
        (Some(index), _) => connect(index, servers, config.options.clone()),
        (None, Some(data)) => Archive::open(data, config.options.clone())
            .map_err(|error| format!("the archive {}: {error}", data.display()).into()),
        (None, None) => Err("data is missing".into()),
    }
}

fn resolve(address: &str) -> Result<SocketAddr, String> {
    let mut found = address.to_socket_addrs().map_err(|error| format!("address {address}: {error}"))?;
    found.next().ok_or(format!("address {address}: there is no such address"))
}

/// Removes a socket that an earlier process left: one that nobody hears.
fn unlink(path: &Path) {
    if std::os::unix::net::UnixStream::connect(path).is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionRefused) {
        let _ = std::fs::remove_file(path);
    }
}

/// Names the address of a socket that cannot be had.
fn at(address: impl std::fmt::Display) -> impl FnOnce(std::io::Error) -> String {
    move |error| format!("statsd {address}: {error}")
}

fn statsd(
    config: &ServerConfig,
    archive: &Arc<Archive>,
    accounts: &StatsdAccounts,
) -> Result<Option<Listening>, Box<dyn std::error::Error>> {
    let wanted = &config.statsd;
    let mut sockets = Vec::new();
    if let Some(address) = &wanted.address {
        sockets.push(StatsdSocket::Udp(UdpSocket::bind(address).map_err(at(address))?));
    }
    if let Some(address) = &wanted.tcp {
        sockets.push(StatsdSocket::Tcp(TcpListener::bind(address).map_err(at(address))?));
    }
    if let Some(path) = &wanted.unix {
        unlink(path);
        sockets.push(StatsdSocket::UnixDatagram(UnixDatagram::bind(path).map_err(at(path.display()))?));
    }
    if let Some(path) = &wanted.unix_stream {
        unlink(path);
        sockets.push(StatsdSocket::UnixStream(UnixListener::bind(path).map_err(at(path.display()))?));
    }
    if sockets.is_empty() {
        return Ok(None);
    }
    // It may be made over the API that is served from now on, as a gnocchi.conf expects.
    if let Some(policy) = wanted.settings.policy.as_ref().filter(|policy| archive.policy(policy).is_err()) {
        let known: Vec<String> = archive.policies().iter().map(|policy| policy.name.clone()).collect();
        tracing::warn!(
            ?policy,
            ?known,
            "statsd's archive policy does not exist: what is heard waits for it, and is lost beyond a bound"
        );
    }
    let statsd = Arc::new(Statsd::new(Arc::clone(archive), wanted.settings.clone()));
    accounts.add(&statsd);
    Ok(Some(statsd.listen_to(sockets)?))
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let (config, servers) = configured()?;
    let _ = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).try_init();
    let archive = Arc::new(open(&config, &servers)?);
    let done = serve(config, &archive);
    // Its connections are closed where there is no asynchronous runtime any more.
    drop(archive);
    done
}

#[tokio::main(flavor = "current_thread")]
async fn serve(config: ServerConfig, archive: &Arc<Archive>) -> Result<(), Box<dyn std::error::Error>> {
    let accounts = StatsdAccounts::default();
    let _statsd = statsd(&config, archive, &accounts)?;
    let prefix = config.settings.prefix.clone();
    let mut limits = Gnocchi::limits();
    // One body as large as it may be, and others beside it.
    limits.max_bodies_bytes = limits.max_bodies_bytes.max(config.settings.max_body.saturating_mul(2));
    let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let mut frame = Frame::new().title("ferrometer archive").address(resolve(&config.address)?).limits(limits);
    frame = frame.allowed_hosts(config.hosts.clone());
    if config.settings.auth == Auth::Tokens {
        frame = frame.tokens(config.tokens.clone());
        if let Some(file) = &config.tokens_file {
            frame = frame.tokens_file(file);
        }
    } else {
        // Who asks is Gnocchi's affair, or that of a proxy in front of it.
        frame = frame.allow_anonymous(true);
    }
    let scheme = if config.tls.0.is_some() { "https" } else { "http" };
    frame = match &config.tls {
        (Some(cert), Some(key)) => frame.tls(cert, key),
        _ => frame.allow_plaintext(true),
    };
    let api = Arc::new(Gnocchi::new(Arc::clone(archive), config.settings).with_statsd(accounts));
    let page = Arc::new(Page::of_archive(&prefix));
    let server = api.mount(frame).mount("/", page).serve()?;
    println!("{scheme}://{}{prefix}", server.local_addr());
    tokio::select! {
        _ = term.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    server.finish(END);
    Ok(())
}
