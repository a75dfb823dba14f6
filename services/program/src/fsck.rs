//! `archive fsck`: the check of an archive, and its repair.

use crate::outcome::{Failure, Result};
use crate::text::visible;
use clap::Args;
use ferrometer_archive::Error;
use ferrometer_archive::fsck::{Finding, Remedy, Report, check_directory};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::PathBuf;

/// Arguments of the command.
#[derive(Debug, Args)]
pub(crate) struct Command {
    /// Folder of the archive.
    #[arg(value_name = "ARCHIVE", required_unless_present = "index", conflicts_with = "index")]
    archive: Option<PathBuf>,
    /// PostgreSQL of an archive on servers: postgresql://user@host:5432/database.
    #[arg(long, value_name = "URL")]
    index: Option<String>,
    /// Place of measures that wait, when not in the index: redis://… or postgresql://….
    #[arg(long, value_name = "URL", requires = "index")]
    incoming: Option<String>,
    /// Place of its aggregates, when not in the index: s3://…, redis://… or postgresql://….
    #[arg(long, value_name = "URL", requires = "index")]
    storage: Option<String>,
    /// Repair what can be derived. Damaged files are copied to ARCHIVE/damaged first.
    #[arg(long)]
    repair: bool,
}

/// Runs the command.
pub(crate) fn run(command: &Command, is_json: bool) -> Result {
    let report = match (&command.archive, &command.index) {
        (Some(archive), _) => check_directory(archive, command.repair).map_err(|error| match error {
            Error::Busy(reason) => Failure::Io(format!("{reason}: end it first")),
            // It names the folder.
            Error::Invalid(reason) => Failure::Io(visible(&reason).into_owned()),
            error => Failure::file(archive, &error),
        })?,
        (None, Some(index)) => on_servers(command, index)?,
        (None, None) => return Err(Failure::Usage("a folder or --index is needed".to_owned())),
    };
    let mut out = io::stdout().lock();
    match is_json {
        true => writeln!(out, "{}", document(&report))?,
        false => tell(&report, &mut out)?,
    }
    if report.is_sound() { Ok(()) } else { Err(Failure::Told) }
}

#[cfg(feature = "archive-servers")]
fn on_servers(command: &Command, index: &str) -> Result<Report> {
    let mut servers = ferrometer_archive::Servers::new(index);
    if let Some(incoming) = &command.incoming {
        servers = servers.incoming(incoming);
    }
    if let Some(storage) = &command.storage {
        servers = servers.storage(storage);
    }
    ferrometer_archive::fsck::check_servers(&servers, command.repair).map_err(|error| match error {
        Error::Invalid(reason) => Failure::Usage(reason),
        error => Failure::Unreachable(error.to_string()),
    })
}

#[cfg(not(feature = "archive-servers"))]
fn on_servers(command: &Command, _index: &str) -> Result<Report> {
    let asked =
        [("--index", true), ("--incoming", command.incoming.is_some()), ("--storage", command.storage.is_some())];
    let names: Vec<&str> = asked.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
    let text = "this program was built without the feature `archive-servers`; without it a folder can be checked";
    Err(Failure::Usage(format!("{}: {text}", names.join(", "))))
}

fn word(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::Possible => "possible",
        Remedy::Repaired => "repaired",
        Remedy::InPart => "in_part",
        Remedy::Kept => "kept",
        _ => "lost",
    }
}

fn document(report: &Report) -> Value {
    let finding = |finding: &Finding| {
        json!({
            "metric": finding.metric.map(|metric| metric.to_string()),
            "place": finding.place,
            "found": finding.found,
            "remedy": word(finding.remedy),
        })
    };
    json!({
        "sound": report.is_sound(),
        "metrics": report.metrics,
        "objects": report.objects,
        "waiting": report.waiting,
        "findings": report.findings.iter().map(finding).collect::<Value>(),
    })
}

fn tell(report: &Report, out: &mut impl Write) -> Result {
    for finding in &report.findings {
        let of = finding.metric.map(|metric| format!("metric {metric}, ")).unwrap_or_default();
        writeln!(out, "{}: {of}{}: {}", finding.remedy, visible(&finding.place), visible(&finding.found))?;
    }
    let state = match (report.is_sound(), report.findings.is_empty()) {
        (true, true) => "the archive is sound",
        (true, false) => "the archive is sound now",
        (false, _) => "the archive is not sound",
    };
    writeln!(out, "{} metrics, {} objects, {} waiting: {state}", report.metrics, report.objects, report.waiting)?;
    Ok(())
}
