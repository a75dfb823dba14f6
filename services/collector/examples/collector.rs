//! The collector as a command: `cargo run --example collector -- --config cloudkitty.conf --scope foobar --begin 1548853200`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ferrometer_collector::command::main()
}
