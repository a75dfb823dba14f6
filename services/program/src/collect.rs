//! `collect`: the collector's command, as it is.

use ferrometer_collector::command::{Args, run};
use std::process::ExitCode;

/// Runs it. Its exit codes are those of this program: 0, 1 where something was not collected, 2 for wrong arguments or files.
pub(crate) fn run_args(args: Args) -> ExitCode {
    run(args)
}
