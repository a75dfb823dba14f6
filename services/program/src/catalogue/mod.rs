//! `catalogue`: the metrics of a program, and what has become of them since they were written down.
//!
//! | file | idea |
//! |---|---|
//! | `metric` | what is known of a metric |
//! | `binary` | … from the call sites in the program's file, whether they have run or not |
//! | `running` | … from the running program: what it has recorded |
//! | `written` | … as Markdown and JSON, there and back |
//! | `compare` | what vanished or changed |
//! | `dashboard` | … as a dashboard of Grafana, whose questions `promql` writes |

mod binary;
mod compare;
mod dashboard;
mod metric;
mod promql;
mod running;
mod written;

use crate::outcome::{Failure, Result};
use crate::remote::Access;
use crate::text::visible;
use clap::Args;
use compare::{Differences, compare};
use metric::is_own;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Arguments of the command. Exits with 1 when --check finds that a metric vanished or changed.
#[derive(Debug, Args)]
pub(crate) struct Command {
    /// File of a program, whose call sites are listed; or address of a running one, which tells what it has recorded.
    #[arg(value_name = "FILE|URL", env = "FERROMETER_URL", default_value = "http://127.0.0.1:9620")]
    program: String,
    /// Compares with this file, Markdown or JSON, as this command wrote it. New metrics are told, and are no failure.
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
    /// Prints a dashboard of Grafana that shows the metrics as a Prometheus has them which scrapes the program.
    #[arg(long, conflicts_with = "check")]
    dashboard: bool,
    /// Title of the dashboard: 1 to 100 characters. Without it, the name of the file or the address.
    #[arg(long, value_name = "TEXT", requires = "dashboard")]
    title: Option<String>,
    /// Text that stands before the names of a program's file: global_prefix, host and UUID, as they are configured.
    #[arg(long, value_name = "PREFIX", requires = "dashboard", default_value = "")]
    prefix: String,
    /// Lists ferrometer's own metrics too.
    #[arg(long)]
    own: bool,
    #[command(flatten)]
    access: Access,
}

/// Runs the command.
pub(crate) fn run(command: &Command, is_json: bool) -> Result {
    let path = Path::new(&command.program);
    let is_file = is_path(&command.program) || path.exists();
    let mut found = match is_file {
        true => binary::read(path)?,
        false => running::ask(&command.access.open(&command.program)?).map_err(|error| match error {
            Failure::Unreachable(why) if !command.program.contains("://") => {
                Failure::Unreachable(format!("{why}; and there is no file {}", visible(&command.program)))
            }
            error => error,
        })?,
    };
    if !command.own {
        found.retain(|(name, _), _| !is_own(name));
    }
    if command.dashboard {
        let title = command.title.clone().unwrap_or_else(|| match is_file {
            true => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            false => command.program.clone(),
        });
        writeln!(io::stdout().lock(), "{:#}", dashboard::of(&found, &title, &command.prefix)?)?;
        return Ok(());
    }
    let Some(path) = &command.check else {
        let mut out = io::stdout().lock();
        match is_json {
            true => writeln!(out, "{}", written::json(&found))?,
            false => write!(out, "{}", written::markdown(&found))?,
        }
        return Ok(());
    };
    let text = String::from_utf8(crate::remote::read_file(path)?).map_err(|_| Failure::file(path, &"is no text"))?;
    let mut known = written::parse(&text, path)?;
    if !command.own {
        known.retain(|(name, _), _| !is_own(name));
    }
    report(&compare(&known, &found), is_json)
}

/// Returns whether this can be no address, whether there is such a file or not.
fn is_path(program: &str) -> bool {
    ["/", "./", "../"].iter().any(|begin| program.starts_with(begin))
}

fn report(differences: &Differences, is_json: bool) -> Result {
    let mut out = io::stdout().lock();
    let Differences { vanished, changed, new } = differences;
    if is_json {
        writeln!(out, "{}", serde_json::json!(differences))?;
    } else {
        for (what, list) in [("vanished", vanished), ("changed", changed), ("new", new)] {
            list.iter().try_for_each(|one| writeln!(out, "{what:<8}  {}", visible(one)))?;
        }
        if vanished.is_empty() && changed.is_empty() {
            writeln!(out, "no metric vanished, and none changed")?;
        }
    }
    match vanished.is_empty() && changed.is_empty() {
        true => Ok(()),
        false => Err(Failure::Told),
    }
}
