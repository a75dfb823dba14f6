//! The program `ferrometer`: what an operator types.
//!
//! Its interface is the command line; `docs/program.md` shows every command with what it prints. A command is a file, or a folder where it has
//! several parts:
//!
//! | file | idea |
//! |---|---|
//! | `arguments` | which commands there are, and what they take |
//! | `check` | a configuration: what it means, what is wrong, what its backends would send |
//! | `dump` | generations of a pull cache as a table, JSON lines, CSV, OpenMetrics |
//! | `tap` | statsd lines as they come, and why some are wrong |
//! | `top` | the view for the terminal |
//! | `serve` | the server |
//! | `collect`, `servers` | the collector; metric servers |
//! | `archive`, `backup` | an archive, over its API and on disk |
//! | `control` | a word with the server that has an archive open |
//! | `catalogue` | the metrics of a program, compared with a file |
//! | `configuration` | how the file of `check` and `serve` is read |
//! | `outcome`, `text`, `table` | exit codes; texts that are safe to print; tables |
//! | `remote`, `records` | other programs over HTTP; their records |
//! | `address` | where statsd lines come and go |

#![deny(missing_docs)]

mod address;
mod archive;
mod arguments;
mod backup;
mod catalogue;
mod check;
mod collect;
mod configuration;
mod control;
mod dump;
mod fsck;
mod outcome;
mod records;
mod remote;
mod serve;
mod servers;
mod table;
mod tap;
mod text;
mod top;

use crate::arguments::{Arguments, Command};
use crate::outcome::{Failure, Result};
use clap::{CommandFactory, Parser};
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

/// Runs the program with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

/// Runs the program with arguments, the first of which is its name. Returns one of the exit codes that `ferrometer --help` lists.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let given: Vec<OsString> = arguments.into_iter().collect();
    let arguments = match Arguments::try_parse_from(&given) {
        Ok(arguments) => arguments,
        Err(error) => {
            return not_run(&error, given.iter().take_while(|given| *given != "--").any(|given| given == "--json"));
        }
    };
    let json = arguments.json;
    let result = match arguments.command {
        Command::Serve(command) => serve::run(&command, json),
        Command::Top(command) => top::run(&command, json),
        Command::Tap(command) => tap::run(&command, json),
        Command::Dump(command) => dump::run(&command, json),
        Command::Check(command) => check::run(&command, json),
        Command::Catalogue(command) => catalogue::run(&command, json),
        Command::Servers(command) => servers::run(&command, json),
        Command::Collect(command) => return collect::run_args(if json { command.json() } else { command }),
        Command::Archive(command) => archive::run(&command, json),
        Command::Completions { shell } => completions(shell),
        Command::Man { directory } => manual(directory.as_deref()),
    };
    outcome::end(result, json)
}

/// Prints help, the version, or what is wrong with the arguments.
fn not_run(error: &clap::Error, is_json: bool) -> ExitCode {
    if !error.use_stderr() {
        return outcome::end(error.print().map_err(outcome::Failure::from), is_json);
    }
    if is_json {
        // Usage and hints stand behind the first paragraph.
        let text = error.render().to_string();
        let first = text.split("\n\n").next().unwrap_or_default();
        let message = first.strip_prefix("error: ").unwrap_or(first).to_owned();
        return outcome::end(Err(outcome::Failure::Usage(message)), true);
    }
    let _ = error.print();
    ExitCode::from(outcome::USAGE)
}

fn completions(shell: clap_complete::Shell) -> Result {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "ferrometer", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(())
}

/// Prints the page of the program, or writes a page for it and each command.
fn manual(directory: Option<&std::path::Path>) -> Result {
    let command = Arguments::command();
    match directory {
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            io::stdout().lock().write_all(&page)?;
        }
        Some(directory) => {
            std::fs::create_dir_all(directory).map_err(|error| Failure::file(directory, &error))?;
            clap_mangen::generate_to(command, directory).map_err(|error| Failure::file(directory, &error))?;
        }
    }
    Ok(())
}
