//! `cargo run --release -p conductor -- metrics.toml 127.0.0.1:6385 1be26c0b-03f2-4d2e-ae87-c02d7f33c123=52:54:00:ab:cd:01`

use std::error::Error;

const USAGE: &str = "usage: conductor FILE ADDRESS NODE…\n\
    FILE     TOML with [metrics]: the conductor's own keys, and those for its agents, which begin with agent_\n\
    ADDRESS  where it listens: 127.0.0.1:6385\n\
    NODE     a node that it knows: UUID or UUID=MAC,MAC";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(config), Some(address)) = (arguments.next(), arguments.next()) else { return Err(USAGE.into()) };
    let address = address.parse().map_err(|_| format!("{address:?} is no address\n{USAGE}"))?;
    conductor::run(&conductor::Arguments { config: config.into(), address, nodes: arguments.collect() })
}
