//! `catalogue`: the metrics of a program, and what has become of them since they were written down.
//!
//! | file | idea |
//! |---|---|
//! | `metric` | what is known of a metric |
//! | `binary` | … from the call sites in the program's file, whether they have run or not |
//! | `running` | … from the running program: what it has recorded |
//! | `written` | … as Markdown and JSON, there and back |
//! | `compare` | what vanished or changed |

mod binary;
mod compare;
mod metric;
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
    /// Lists ferrometer's own metrics too.
    #[arg(long)]
    own: bool,
    #[command(flatten)]
    access: Access,
}

/// Runs the command.
pub(crate) fn run(command: &Command, is_json: bool) -> Result {
    let path = Path::new(&command.program);
    let mut found = match is_path(&command.program) || path.is_file() {
        true => binary::read(path)?,
        false => running::ask(&command.access.open(&command.program)?)?,
    };
    if !command.own {
        found.retain(|(name, _), _| !is_own(name));
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
