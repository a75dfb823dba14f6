//! `check`: what a configuration means, what is wrong with it, how much memory it may take, and the names and bytes that it makes.
//!
//! A file with `[metrics]` is a program's; one with the tables of `ferrometer serve` is the server's; one file may be both.
//!
//! | file | idea |
//! |---|---|
//! | `meaning` | backends, names and rules in words |
//! | `sample` | metrics that are recorded to show what becomes of them |

mod meaning;
mod sample;

use crate::outcome::{Failure, Result};
use crate::serve::{faults, policy_fault, settings};
use crate::text::{bytes, visible};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::Args;
use ferrometer::Config;
use ferrometer::dry_run::{Body, DryRun, doubts, dry_run};
use ferrometer_archive::Archive;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

/// Arguments of the command. Exits with 1 when the configuration is wrong.
#[derive(Debug, Args)]
pub(crate) struct Command {
    /// The configuration, TOML.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Leaves the variables FERROMETER_… of this environment out.
    #[arg(long)]
    without_env: bool,
    /// A metric of the sample, as a statsd line: NAME:VALUE|TYPE, with |#key:value for labels. May be given several times; without
    /// any, a sample of each kind is taken.
    #[arg(long, value_name = "LINE", value_parser = sample::Metric::parse)]
    metric: Vec<sample::Metric>,
    /// Writes the whole configuration out, every key with its value, in the place of what it means.
    #[arg(long)]
    full: bool,
}

/// Bytes of a body that are shown of what is no text.
const DUMPED: usize = 512;
/// Lines of a body that are shown.
const LINES: usize = 60;

/// Runs the command.
pub(crate) fn run(command: &Command, is_json: bool) -> Result {
    let file = &command.file;
    let text = crate::configuration::read(file)?;
    let served = settings::is_meant(&text);
    let server = if served { Some(settings::Settings::parse(&text, &file.to_string_lossy())) } else { None };
    let variables: Vec<(OsString, OsString)> =
        if command.without_env { Vec::new() } else { std::env::vars_os().collect() };
    let config = Config::from_file_with(file, variables);
    let mut wrong: Vec<String> = Vec::new();
    if let Err(error) = &config {
        wrong.extend(error.to_string().lines().map(str::to_owned));
    }
    match (&server, &config) {
        (Some(Err(error)), _) => wrong.extend(error.lines().map(str::to_owned)),
        (Some(Ok(server)), Ok(config)) => {
            let name = visible(&file.to_string_lossy()).into_owned();
            wrong.extend(faults(server, config).into_iter().map(|why| format!("{name}: {why}")));
        }
        _ => {}
    }
    if let Ok(config) = &config {
        let name = visible(&file.to_string_lossy()).into_owned();
        wrong.extend(own_archive(config).map(|why| format!("{name}: {why}")));
    }
    let config = match (config, wrong.is_empty()) {
        (Ok(config), true) => config,
        _ => return told_wrong(command, is_json, &wrong),
    };
    let mut warnings = doubts(&config);
    if served {
        // The server looks at its own tables, and needs no [metrics].
        let is_own = |warning: &str| settings::TABLES.iter().any(|table| warning.contains(&format!("[{table}]")));
        warnings.retain(|warning| !is_own(warning) && !warning.contains("has no table [metrics]"));
    }
    if command.full {
        return Ok(write!(io::stdout(), "{}", config.to_toml())?);
    }
    let metrics = if command.metric.is_empty() { sample::Metric::all() } else { command.metric.clone() };
    let shown = match dry_run(&config, || metrics.iter().for_each(sample::Metric::record)) {
        Ok(shown) => shown,
        Err(error) => return told_wrong(command, is_json, &[error.to_string()]),
    };
    let server = server.and_then(std::result::Result::ok);
    match is_json {
        true => write_json(command, &config, &warnings, &shown, server.as_ref()),
        false => write_text(command, &config, &warnings, &metrics, &shown, server.as_ref()),
    }
}

/// Returns what a program would find wrong with the archive that it opens itself.
fn own_archive(config: &Config) -> Option<String> {
    let archive = &config.archive;
    let is_asked_for = config.backends().iter().any(|name| name == "archive");
    let (path, policy) = archive.path.as_ref().zip(archive.policy.as_ref()).filter(|_| is_asked_for)?;
    // An index that cannot be read is for the program to judge.
    policy_fault("metrics.archive.policy", policy, &Archive::policies_in(path, true).ok()?)
}

fn told_wrong(command: &Command, is_json: bool, wrong: &[String]) -> Result {
    let mut out = io::stdout().lock();
    match is_json {
        true => writeln!(out, "{}", json!({"file": command.file, "ok": false, "errors": wrong}))?,
        false => {
            for line in wrong {
                writeln!(out, "{}", visible(line))?;
            }
        }
    }
    Err(Failure::Told)
}

fn write_text(
    command: &Command,
    config: &Config,
    warnings: &[String],
    metrics: &[sample::Metric],
    shown: &[DryRun],
    server: Option<&settings::Settings>,
) -> Result {
    let mut out = io::stdout().lock();
    writeln!(out, "{}: good", visible(&command.file.to_string_lossy()))?;
    for warning in warnings {
        writeln!(out, "warning: {}", visible(warning))?;
    }
    if let Some(server) = server {
        writeln!(out, "\nThe server")?;
        for (what, how) in server.meaning() {
            writeln!(out, "  {what:<14}  {}", visible(&how))?;
        }
    }
    writeln!(out, "\nWhat is recorded")?;
    for (what, how) in meaning::of(config) {
        writeln!(out, "  {what:<14}  {}", visible(&how))?;
    }
    if shown.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nA sample")?;
    for metric in metrics {
        writeln!(out, "  {}", visible(&metric.text()))?;
    }
    for one in shown {
        let all: usize = one.bodies.iter().map(|body| body.wire.len()).sum();
        writeln!(out, "\n{}: {}, {} bytes", one.backend, meaning::bodies(one.backend, one.bodies.len()), all)?;
        for body in &one.bodies {
            write_body(&mut out, body)?;
        }
    }
    Ok(())
}

fn write_body(out: &mut dyn Write, body: &Body) -> io::Result<()> {
    let plain = if body.plain.is_empty() { &body.wire } else { &body.plain };
    if !body.plain.is_empty() {
        let (packed, length) = (body.wire.len(), body.plain.len());
        writeln!(out, "  {packed} bytes on the wire; {length} before they are compressed:")?;
    }
    match std::str::from_utf8(plain) {
        Ok(text) => {
            let lines = text.lines().count();
            for line in text.lines().take(LINES) {
                writeln!(out, "  {}", visible(line))?;
            }
            if lines > LINES {
                writeln!(out, "  … {} lines more", lines - LINES)?;
            }
        }
        Err(_) => {
            for (at, row) in plain.chunks(16).take(DUMPED / 16).enumerate() {
                let hex: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
                let letters: String =
                    row.iter().map(|b| if (32..127).contains(b) { char::from(*b) } else { '.' }).collect();
                writeln!(out, "  {:04x}  {:<47}  {letters}", at * 16, hex.join(" "))?;
            }
            if plain.len() > DUMPED {
                writeln!(out, "  … {} bytes more", plain.len() - DUMPED)?;
            }
        }
    }
    Ok(())
}

fn write_json(
    command: &Command,
    config: &Config,
    warnings: &[String],
    shown: &[DryRun],
    server: Option<&settings::Settings>,
) -> Result {
    let map = |pairs: Vec<(String, String)>| -> Value {
        Value::Object(pairs.into_iter().map(|(what, how)| (what, Value::String(how))).collect())
    };
    let body = |body: &Body| {
        let plain = if body.plain.is_empty() { &body.wire } else { &body.plain };
        json!({
            "bytes": body.wire.len(),
            "plain_bytes": plain.len(),
            "text": std::str::from_utf8(plain).ok(),
            "base64": BASE64_STANDARD.encode(&body.wire),
        })
    };
    let backends = shown
        .iter()
        .map(|one| json!({"backend": one.backend, "bodies": one.bodies.iter().map(body).collect::<Vec<_>>()}));
    let document = json!({
        "file": command.file,
        "ok": true,
        "warnings": warnings,
        "meaning": map(meaning::of(config)),
        "server": server.map(|server| map(server.meaning())),
        "max_bytes": config.max_bytes(),
        "sample": backends.collect::<Vec<_>>(),
    });
    Ok(writeln!(io::stdout(), "{document}")?)
}

/// Returns bytes in words, with what they are.
pub(crate) fn memory(config: &Config) -> String {
    format!("at most {} ({} bytes)", bytes(config.max_bytes() as u64), config.max_bytes())
}
