//! A state machine that records its transitions and the time spent in each state: here the provisioning of bare-metal nodes.
//!
//! `cargo run --example state_machine` takes three nodes through their lives, then prints what was recorded.
//!
//! ```text
//! enroll ──► manageable ──► available ──► deploying ──► active
//!                ▲              ▲             │            │
//!                │              │             ▼            │
//!                └──────────────┼─────────  error          │
//!                               └─────────  cleaning  ◄────┘
//! ```

use ferrometer::{Config, Gauge, Logger, TimerGuard, logger};
use std::fmt;
use std::thread::sleep;
use std::time::Duration;

static METRICS: Logger = logger!("provisioning");

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Enroll,
    Manageable,
    Available,
    Deploying,
    Active,
    Cleaning,
    Error,
}
use State::*;

impl State {
    /// A closed set, so it may be a label.
    fn label(self) -> &'static str {
        match self {
            Enroll => "enroll",
            Manageable => "manageable",
            Available => "available",
            Deploying => "deploying",
            Active => "active",
            Cleaning => "cleaning",
            Error => "error",
        }
    }

    fn leads_to(self, to: State) -> bool {
        let allowed: &[State] = match self {
            Enroll => &[Manageable],
            Manageable => &[Available],
            Available => &[Deploying],
            Deploying => &[Active, Error],
            Active => &[Cleaning],
            Cleaning => &[Available, Error],
            Error => &[Manageable],
        };
        allowed.contains(&to)
    }
}

#[derive(Debug)]
struct NotAllowed {
    from: State,
    to: State,
}

impl fmt::Display for NotAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a node that is {} cannot become {}", self.from.label(), self.to.label())
    }
}

struct Node {
    state: State,
    /// Since the state was entered. Replacing it records the old one: `provisioning.state.time state=…`.
    in_state: TimerGuard,
}

impl Node {
    fn new() -> Node {
        Node::population(Enroll).add(1);
        Node { state: Enroll, in_state: Node::clock(Enroll) }
    }

    /// How many nodes are in a state.
    fn population(state: State) -> Gauge {
        METRICS.with("state", state.label()).gauge("nodes")
    }

    fn clock(state: State) -> TimerGuard {
        METRICS.with("state", state.label()).timer("state.time").start()
    }

    fn enter(&mut self, to: State) -> Result<(), NotAllowed> {
        let from = self.state;
        let step = METRICS.with("from", from.label()).with("to", to.label());
        if !from.leads_to(to) {
            step.send_counter("transitions.refused", 1);
            return Err(NotAllowed { from, to });
        }
        step.send_counter("transitions", 1);
        Node::population(from).add(-1);
        Node::population(to).add(1);
        self.state = to;
        self.in_state = Node::clock(to);
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // `in_state` records the last state when it is dropped.
        Node::population(self.state).add(-1);
    }
}

fn main() -> Result<(), ferrometer::Error> {
    let metrics = ferrometer::init(Config::new().backend("pull-cache"))?;

    let lives: [&[(State, u64)]; 3] = [
        &[(Manageable, 2), (Available, 5), (Deploying, 40), (Active, 60), (Cleaning, 20), (Available, 5)],
        &[
            (Manageable, 2),
            (Available, 5),
            (Deploying, 15),
            (Error, 10),
            (Manageable, 2),
            (Available, 3),
            (Deploying, 45),
            (Active, 30),
        ],
        &[(Manageable, 2), (Active, 1), (Available, 1)],
    ];
    let mut nodes = Vec::new();
    for life in lives {
        let mut node = Node::new();
        for (state, milliseconds) in life {
            match node.enter(*state) {
                Ok(()) => sleep(Duration::from_millis(*milliseconds)),
                Err(error) => println!("refused: {error}"),
            }
        }
        nodes.push(node);
    }

    assert!(metrics.flush(Duration::from_secs(2)).complete);
    let newest = metrics.pull_cache().and_then(|cache| cache.most_recent());
    let records: Vec<_> = newest.iter().flat_map(|generation| generation.records()).collect();
    let of = |metric: &str, labels: &[&str]| {
        println!("\n{metric}");
        for record in records.iter().filter(|record| record.metric == metric) {
            let values: Vec<&str> = labels.iter().filter_map(|key| record.labels.get(key)).collect();
            println!("  {:<28}{:>8.1}", values.join(" -> "), record.value);
        }
    };
    of("provisioning.transitions", &["from", "to"]);
    of("provisioning.transitions.refused", &["from", "to"]);
    of("provisioning.nodes", &["state"]);
    of("provisioning.state.time.count", &["state"]);
    // Milliseconds, of the stays that have ended.
    of("provisioning.state.time.sum", &["state"]);
    Ok(())
}
