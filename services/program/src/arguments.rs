//! The command line: which commands there are. What each takes is in its own file.

use crate::outcome::CODES;
use crate::{archive, catalogue, check, dump, serve, servers, tap, top};
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// A server for metrics, a view of them in the terminal, and tools for configurations, caches and statsd lines.
#[derive(Debug, Parser)]
#[command(name = "ferrometer", version, max_term_width = 100, after_help = CODES, propagate_version = true)]
pub(crate) struct Arguments {
    /// Prints JSON: one document, or one a line where there is no end of them. Errors are JSON too.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs a server: statsd, remote write and Influx lines in; Gnocchi's API, a pull cache and a page out.
    Serve(serve::Command),
    /// Shows the metrics of one or more programs in the terminal.
    Top(top::Command),
    /// Listens as a statsd server would, and shows each line, the servers that read it, and why a line is bad.
    Tap(tap::Command),
    /// Prints the generations of a pull cache: of its files, also of a program that died, or of a running program.
    Dump(dump::Command),
    /// Says what a configuration means, what is wrong with it, and which names and bytes it makes.
    Check(check::Command),
    /// Lists the metrics of a program, from its file or while it runs, and compares them with a file.
    Catalogue(catalogue::Command),
    /// Manages the metric servers that a program sends to.
    Servers(servers::Command),
    /// Collects usage per scope and period from a Prometheus.
    Collect(ferrometer_collector::command::Args),
    /// Asks an archive over Gnocchi's API; backs up and restores one on disk.
    Archive(archive::Command),
    /// Prints completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Prints the manual page.
    Man {
        /// Writes a page for the program and one for each command into this folder.
        #[arg(long, value_name = "FOLDER")]
        directory: Option<PathBuf>,
    },
}
