//! `serve`: the server. Each part is switched on by its table of one file; without a file everything is there, on loopback, in one directory.
//!
//! | file | idea |
//! |---|---|
//! | `settings` | the file |
//! | `mount` | the archive, the cache, and the services over them |
//! | `ingest`, `relay` | measures that are pushed: remote write and InfluxDB's lines; statsd's |
//! | `rehearsal` | what `check` finds without starting any of it |
//! | `sockets` | sockets that a service manager hands over |
//! | `running` | what is there, replaced by what a changed file says, and drained in the end |

mod ingest;
mod mount;
mod rehearsal;
mod relay;
mod running;
pub(crate) mod settings;
mod sockets;

use crate::outcome::{Failure, Result};
use crate::text::visible;
use clap::Args;
use ferrometer::Config;
pub(crate) use mount::policy_fault;
pub(crate) use rehearsal::faults;
use running::Running;
use sd_notify::NotifyState;
use serde_json::json;
use settings::Settings;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use sockets::Given;
use std::io::{self, Write};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

/// A file with every key and its default.
pub(crate) const EXAMPLE: &str = include_str!("example.toml");

/// Arguments of the command.
///
/// SIGHUP reads the file again: what changed is replaced, and a file that is wrong changes nothing. SIGTERM ends the server: what was
/// accepted is kept, and that takes no longer than `drain` says.
#[derive(Debug, Args)]
pub(crate) struct Command {
    /// The file; without it everything is served, on loopback. --example shows one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory of what is kept, in the place of the file's `data`.
    #[arg(long, value_name = "DIR", env = "STATE_DIRECTORY")]
    data: Option<PathBuf>,
    /// Prints a file with every key and its default, and ends.
    #[arg(long)]
    example: bool,
}

/// Runs the command.
pub(crate) fn run(command: &Command, is_json: bool) -> Result {
    if command.example {
        return Ok(io::stdout().lock().write_all(EXAMPLE.as_bytes())?);
    }
    log();
    // Before anything is started: a signal that comes early counts.
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).map_err(|error| Failure::Io(error.to_string()))?;
    let (settings, config) = load(command)?;
    let mut running = Running::start(settings, config, Given::take())?;
    tell(&running, is_json)?;
    notify(&[NotifyState::Ready, NotifyState::Status("serving")]);
    watchdog();
    for signal in signals.forever() {
        if signal != SIGHUP {
            tracing::info!(signal = name(signal), "ends");
            break;
        }
        let mut begun = vec![NotifyState::Reloading];
        begun.extend(NotifyState::monotonic_usec_now());
        notify(&begun);
        match load(command).and_then(|(settings, config)| running.replace(settings, config)) {
            Ok(()) => {
                tracing::info!("the file was read again");
                notify(&[NotifyState::Ready, NotifyState::Status("serving")]);
            }
            Err(failure) => {
                let why = message(&failure);
                tracing::error!("the file was read again and is wrong, nothing has changed: {why}");
                notify(&[
                    NotifyState::Ready,
                    NotifyState::Status("serving; the file is wrong, and the one before holds"),
                ]);
            }
        }
    }
    notify(&[NotifyState::Stopping]);
    running.end()
}

fn name(signal: i32) -> &'static str {
    signal_hook::low_level::signal_name(signal).unwrap_or("a signal")
}

fn message(failure: &Failure) -> String {
    match failure {
        Failure::Found(why) | Failure::Usage(why) | Failure::Unreachable(why) | Failure::Io(why) => why.clone(),
        Failure::Told | Failure::Gone => String::new(),
    }
}

/// Reads the file, and `[metrics]` in it with the environment over it.
fn load(command: &Command) -> Result<(Settings, Config)> {
    let (settings, config) = match &command.config {
        None => (Settings::everything(), Config::from_env()),
        Some(path) => {
            let text = crate::configuration::read(path)?;
            (Settings::parse(&text, &path.to_string_lossy()).map_err(Failure::Usage)?, Config::from_file(path))
        }
    };
    let wrong = |error: &dyn std::fmt::Display| Failure::Usage(visible_lines(&error.to_string()));
    let config = config.map_err(|error| wrong(&error))?;
    // The server's own tables are no mistakes.
    let config = config.without_doubts();
    let settings = match &command.data {
        // The first of several directories is ours.
        Some(data) => settings.in_directory(data.to_string_lossy().split(':').next().unwrap_or_default().as_ref()),
        None => settings,
    };
    Ok((settings, config))
}

fn visible_lines(text: &str) -> String {
    text.lines().map(visible).collect::<Vec<_>>().join("\n")
}

/// Lines on the standard error; with their time, unless a journal writes one.
fn log() {
    let log = tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(false).with_max_level(tracing::Level::INFO);
    let _ = match std::env::var_os("JOURNAL_STREAM") {
        Some(_) => tracing::subscriber::set_global_default(log.without_time().finish()),
        None => tracing::subscriber::set_global_default(log.finish()),
    };
}

/// Says where everything is.
fn tell(running: &Running, is_json: bool) -> Result {
    let mut out = io::stdout().lock();
    let places = running.places();
    match is_json {
        true => writeln!(out, "{}", json!({"serving": places}))?,
        // In one piece: who waits for it has all of it.
        false => out.write_all(places.iter().map(|place| format!("{place}\n")).collect::<String>().as_bytes())?,
    }
    Ok(out.flush()?)
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

/// Tells a service manager that asks for it that the server is alive.
fn watchdog() {
    let Some(interval) = sd_notify::watchdog_enabled() else { return };
    let tell = move || {
        loop {
            notify(&[NotifyState::Watchdog]);
            thread::sleep((interval / 2).max(Duration::from_millis(10)));
        }
    };
    if let Err(error) = thread::Builder::new().name("watchdog".into()).spawn(tell) {
        tracing::warn!(%error, "no thread for the watchdog");
    }
}
