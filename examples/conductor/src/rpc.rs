//! Remote calls from the API to the manager, here over a channel of the same process, as Ironic has it where both are one service.
//! Each is counted and timed by method and outcome, from the call to the reply; how many wait is a count in flight.

use crate::driver;
use crate::states::{Fleet, State};
use ferrometer::{Logger, logger};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

static METRICS: Logger = logger!("conductor.rpc");

/// The most calls that wait.
const MOST_WAITING: usize = 64;

/// Requests to the manager.
pub enum Call {
    /// All nodes.
    List,
    /// The state of one.
    State(String),
    /// Has a node deployed, cleaned or released.
    Provision(String, Target),
    /// An agent says that it is there, and perhaps that it has done what it was to do.
    Heartbeat(String, Option<Done>),
}

/// State that a node is to reach.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    Active,
    Clean,
}

/// Work that an agent has done.
#[derive(Clone, Copy, Debug)]
pub enum Done {
    Well,
    Badly,
}

/// Replies of the manager.
#[derive(Debug)]
pub enum Reply {
    Nodes(Vec<(String, State)>),
    State(State),
    Accepted,
    /// Next step of an agent.
    Do(Option<&'static str>),
}

/// Why it does not do it.
#[derive(Debug)]
pub enum Refused {
    NoSuchNode,
    /// It is in a state from which that cannot be done.
    State(State),
    Hardware(String),
    /// The manager is gone.
    Gone,
}

impl Call {
    fn method(&self) -> &'static str {
        match self {
            Call::List => "list_nodes",
            Call::State(_) => "get_node",
            Call::Provision(..) => "do_provisioning_action",
            Call::Heartbeat(..) => "heartbeat",
        }
    }
}

type Sent = (Call, oneshot::Sender<Result<Reply, Refused>>);

/// The API's end.
#[derive(Clone)]
pub struct Calls(mpsc::Sender<Sent>);

impl Calls {
    /// Calls the manager and waits for its reply.
    pub async fn call(&self, call: Call) -> Result<Reply, Refused> {
        let (method, begun) = (call.method(), Instant::now());
        let _waiting = METRICS.in_flight("queue").enter();
        let (back, reply) = oneshot::channel();
        let result = match self.0.send((call, back)).await {
            Ok(()) => reply.await.unwrap_or(Err(Refused::Gone)),
            Err(_) => Err(Refused::Gone),
        };
        let outcome = if result.is_ok() { "ok" } else { "err" };
        let calls = METRICS.with("method", method).with("outcome", outcome);
        calls.send_counter("requests", 1);
        calls.send_timer("time", begun.elapsed());
        result
    }
}

/// Starts the manager.
pub fn start(fleet: Arc<Fleet>) -> Calls {
    let (calls, mut waiting) = mpsc::channel::<Sent>(MOST_WAITING);
    tokio::spawn(async move {
        while let Some((call, back)) = waiting.recv().await {
            let fleet = Arc::clone(&fleet);
            // A node that takes its time holds up no other.
            tokio::spawn(async move {
                let _ = back.send(manage(&fleet, call).await);
            });
        }
    });
    Calls(calls)
}

async fn manage(fleet: &Fleet, call: Call) -> Result<Reply, Refused> {
    match call {
        Call::List => Ok(Reply::Nodes(fleet.all())),
        Call::State(uuid) => fleet.state(&uuid).map(Reply::State).ok_or(Refused::NoSuchNode),
        Call::Provision(uuid, target) => provision(fleet, &uuid, target).await,
        Call::Heartbeat(uuid, done) => heartbeat(fleet, &uuid, done),
    }
}

async fn provision(fleet: &Fleet, uuid: &str, target: Target) -> Result<Reply, Refused> {
    let (from, to): (&[State], State) = match target {
        Target::Active => (&[State::Available], State::Deploying),
        Target::Clean => (&[State::Available, State::Active, State::Failed], State::Cleaning),
    };
    let refused = |state: Option<State>| state.map_or(Refused::NoSuchNode, Refused::State);
    fleet.change(uuid, from, to).map_err(refused)?;
    let prepared = async {
        driver::set_power(uuid, false).await?;
        driver::set_boot_device(uuid, "pxe").await?;
        driver::set_power(uuid, true).await
    };
    if let Err(driver::Fault(why)) = prepared.await {
        fleet.change(uuid, &[to], State::Failed).map_err(refused)?;
        return Err(Refused::Hardware(why));
    }
    Ok(Reply::Accepted)
}

fn heartbeat(fleet: &Fleet, uuid: &str, done: Option<Done>) -> Result<Reply, Refused> {
    let state = fleet.state(uuid).ok_or(Refused::NoSuchNode)?;
    let next = match (state, done) {
        (State::Deploying, Some(Done::Well)) => State::Active,
        (State::Cleaning, Some(Done::Well)) => State::Available,
        (State::Deploying | State::Cleaning, Some(Done::Badly)) => State::Failed,
        (State::Deploying, None) => return Ok(Reply::Do(Some("deploy"))),
        (State::Cleaning, None) => return Ok(Reply::Do(Some("clean"))),
        _ => return Ok(Reply::Do(None)),
    };
    fleet.change(uuid, &[state], next).map_err(|state| state.map_or(Refused::NoSuchNode, Refused::State))?;
    Ok(Reply::Do(None))
}
