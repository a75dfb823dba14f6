//! An agent's metrics, configured by its conductor.
//!
//! A fleet's agents run on machines that nobody configures one by one. Each asks its conductor, which knows them all, by the *lookup* that OpenStack
//! Ironic has: the answer says which node the agent runs on, and in its `config` how it sends metrics.
//!
#![cfg_attr(feature = "agent", doc = "# An agent")]
#![cfg_attr(
    feature = "agent",
    doc = "[`init`] returns at once and recording is on: what is recorded before the answer comes is delivered to the backend that it names. Handles made"
)]
#![cfg_attr(
    feature = "agent",
    doc = "before follow. A bad answer, or none, leaves the last good configuration in force; the conductor is asked again for as long as the program runs."
)]
#![cfg_attr(feature = "agent", doc = "")]
#![cfg_attr(
    feature = "agent",
    doc = "```no_run\nuse ferrometer::{Logger, logger};\n\nstatic METRICS: Logger = logger!(\"agent\");\n\nfn main() -> Result<(), ferrometer::Error> {\n    let _metrics = ferrometer::agent::init(\"http://conductor:6385/v1/lookup\", \"1be26c0b-03f2-4d2e-ae87-c02d7f33c123\")?;\n    METRICS.send_counter(\"starts\", 1);\n    // … the work …\n    Ok(())\n}\n```"
)]
#![cfg_attr(feature = "lookup", doc = "# A conductor")]
#![cfg_attr(
    feature = "lookup",
    doc = "[`lookup_routes`] makes the routes that answer, for the HTTP frame or for a program's own axum."
)]
#![cfg_attr(feature = "lookup", doc = "")]
#![cfg_attr(
    feature = "lookup",
    doc = "```\nuse ferrometer::agent::{AnyNode, Options, lookup_routes};\n\nlet options = Options::new().backend(\"statsd\").statsd(\"metrics.example.com\", 8125).prepend_uuid(true);\nlet lookup = lookup_routes(options, AnyNode)?;\nlet app: axum::Router = lookup.router();\n# Ok::<(), ferrometer::Error>(())\n```"
)]

#[cfg(feature = "agent")]
mod guard;
#[cfg(feature = "agent")]
mod lookup;
#[cfg(feature = "lookup")]
mod routes;
#[cfg(feature = "agent")]
mod status;

pub use ferrometer_agent::{Answer, Options, Value};
#[cfg(feature = "lookup")]
pub use ferrometer_agent::{AnyNode, Asked, LOOKUP, LookupRoutes, Node, NodeList, Nodes};
#[cfg(feature = "agent")]
pub use guard::Agent;
#[cfg(feature = "agent")]
pub use lookup::{Lookup, init};
#[cfg(feature = "lookup")]
pub use routes::{check, lookup_routes};
#[cfg(feature = "agent")]
pub use status::Status;
