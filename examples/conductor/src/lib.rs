//! A conductor in the manner of OpenStack Ironic: it knows the nodes of a fleet, tells their agents how to send metrics, has them deployed and cleaned,
//! and measures itself while it does.
//!
//! | what is measured | metrics |
//! |---|---|
//! | requests to its API, by method, route and status | `conductor.api.requests`, `.time`, `.in_flight` |
//! | RPC between API and manager, by method and outcome | `conductor.rpc.requests`, `.time`, `.queue` |
//! | states of nodes: changes, the time spent in each, and how many are in it | `conductor.states.changes`, `.time`, `.nodes` |
//! | functions of the driver | `conductor.driver.<function>.time` by outcome, `.errors` |
//!
//! A file each: `api`, `rpc`, `states`, `driver`.

mod api;
mod driver;
mod rpc;
mod states;

use ferrometer::agent::{self, LookupRoutes, Options, lookup_routes};
use ferrometer::{Config, Logger, logger};
use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

static METRICS: Logger = logger!("conductor");

/// Arguments of the conductor.
pub struct Arguments {
    /// The file with `[metrics]`: its own keys, and those for agents, which begin with `agent_`.
    pub config: PathBuf,
    /// Where it listens.
    pub address: SocketAddr,
    /// Each node as `UUID` or `UUID=MAC,MAC`.
    pub nodes: Vec<String>,
}

/// Serves until SIGTERM or Ctrl-C; SIGHUP reads the file again. Prints `listening on ADDRESS` when it does.
pub fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let config = Config::from_file(&arguments.config)?;
    let nodes = Arc::new(states::Fleet::new(&arguments.nodes)?);
    let lookup = lookup_routes(&config, Arc::clone(&nodes).lookups())?;
    let metrics = ferrometer::init(config)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let served = runtime.block_on(serve(arguments, nodes, &lookup));
    runtime.shutdown_background();
    // Outside of the runtime, where waiting is allowed.
    let report = metrics.shutdown(std::time::Duration::from_secs(2));
    report.ledgers.iter().for_each(|ledger| println!("{ledger}"));
    served
}

async fn serve(
    arguments: &Arguments,
    nodes: Arc<states::Fleet>,
    lookup: &Arc<LookupRoutes>,
) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(arguments.address).await?;
    let calls = rpc::start(nodes);
    let app = api::routes(calls).merge(Arc::clone(lookup).router()).layer(api::metrics());
    let (mut again, mut end) = (signal(SignalKind::hangup())?, signal(SignalKind::terminate())?);
    println!("listening on {}", listener.local_addr()?);
    let serving = axum::serve(listener, app).into_future();
    tokio::pin!(serving);
    loop {
        tokio::select! {
            ended = &mut serving => return Ok(ended?),
            _ = end.recv() => return Ok(()),
            ended = tokio::signal::ctrl_c() => return Ok(ended?),
            _ = again.recv() => match options(&arguments.config) {
                Ok(options) => {
                    lookup.set_options(options);
                    METRICS.send_counter("reloads", 1);
                    println!("read {} again", arguments.config.display());
                }
                Err(error) => {
                    METRICS.send_counter("reload.errors", 1);
                    eprintln!("what was told agents stays: {error}");
                }
            },
        }
    }
}

/// The options for agents, as the file has them now.
fn options(path: &Path) -> Result<Options, Box<dyn Error>> {
    let options = Options::from(&Config::from_file(path)?);
    agent::check(&options)?;
    Ok(options)
}
