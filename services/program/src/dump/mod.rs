//! `dump`: generations of a pull cache, from its files or from a program, in the forms that other tools read.
//!
//! | file | idea |
//! |---|---|
//! | `source` | where generations come from, one record after the other |
//! | `forms` | a table, JSON lines, CSV |
//! | `openmetrics` | the form that `promtool tsdb create-blocks-from openmetrics` reads |

mod forms;
mod openmetrics;
mod source;

use crate::outcome::{Failure, Result};
use crate::records::{Record, Wanted};
use crate::remote::Access;
use crate::text::read_moment;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget};
use source::Source;
pub(crate) use source::encoded;
use std::io::{self, BufWriter, IsTerminal, Write};

/// Arguments of the command.
///
/// A folder is read while its program runs, and after it ended, however it did. Damage is told; a file that merely ends early is what a program
/// leaves that was killed.
#[derive(Debug, Args)]
pub(crate) struct Command {
    /// Folder of a pull cache (metrics.pull_cache.path), or address of a program, such as http://127.0.0.1:9620.
    #[arg(value_name = "DIR|URL")]
    from: String,
    /// Form of the output.
    #[arg(long, short, value_enum, default_value_t = Form::Table)]
    format: Form,
    /// Only the newest generation.
    #[arg(long, conflicts_with_all = ["since", "until"])]
    newest: bool,
    /// Only generations newer than this: seconds since 1970, 2026-01-31 or 2026-01-31T13:00:00Z.
    #[arg(long, value_name = "MOMENT", value_parser = read_moment)]
    since: Option<i64>,
    /// Only generations up to this.
    #[arg(long, value_name = "MOMENT", value_parser = read_moment)]
    until: Option<i64>,
    /// Leaves out ferrometer's own metrics.
    #[arg(long)]
    without_own: bool,
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    access: Access,
}

/// Forms of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Aligned columns, for people.
    Table,
    /// One record a line, as JSON.
    Jsonl,
    /// Comma-separated values with a head, as RFC 4180.
    Csv,
    /// OpenMetrics with timestamps, which promtool makes blocks of.
    Openmetrics,
}

/// Takes records, one after the other, in the order of generations.
trait Output {
    fn record(&mut self, record: &Record) -> Result;

    /// Writes what is left, and returns warnings.
    fn end(self: Box<Self>) -> Result<Vec<String>>;
}

/// Runs the command.
pub(crate) fn run(command: &Command, is_json: bool) -> Result {
    let form = match (is_json, command.format) {
        (true, Form::Table | Form::Jsonl) => Form::Jsonl,
        (true, _) => return Err(Failure::Usage("--json is the form jsonl; --format says another".to_owned())),
        (false, form) => form,
    };
    let source = Source::open(command)?;
    let bar = progress();
    let out: Box<dyn Write> = Box::new(BufWriter::new(io::stdout().lock()));
    let mut output: Box<dyn Output> = match form {
        Form::Table => Box::new(forms::Columns::new(out)),
        Form::Jsonl => Box::new(forms::JsonLines(out)),
        Form::Csv => Box::new(forms::Csv::new(out)),
        Form::Openmetrics => Box::new(openmetrics::OpenMetrics::new(out)),
    };
    let filter = command.wanted.filter();
    let is_own = |record: &Record| record.metric.split('.').any(|part| part == "ferrometer");
    let mut count = 0_u64;
    let damage = source.each(&mut |record| {
        let is_late = command.until.is_some_and(|until| record.timestamp > until);
        let is_early = command.since.is_some_and(|since| record.timestamp <= since);
        if is_late || is_early || (command.without_own && is_own(&record)) || !filter.wants(&record) {
            return Ok(());
        }
        count += 1;
        if count.is_multiple_of(1024) {
            bar.set_position(count);
        }
        output.record(&record)
    });
    bar.finish_and_clear();
    let damage = damage?;
    let warnings = output.end()?;
    for warning in damage.told.iter().chain(&warnings) {
        eprintln!("warning: {warning}");
    }
    if count == 0 {
        eprintln!("note: no record fits");
    }
    match damage.is_wrong || !warnings.is_empty() {
        true => Err(Failure::Told),
        false => Ok(()),
    }
}

/// A line that counts, where somebody watches and the output goes elsewhere.
fn progress() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(4));
    if io::stdout().is_terminal() || !io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = indicatif::ProgressStyle::with_template("{pos} records, {per_sec}") {
        bar.set_style(style);
    }
    bar
}
