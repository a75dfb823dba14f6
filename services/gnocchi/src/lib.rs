//! Gnocchi's REST API over a [`ferrometer_archive::Archive`].
//!
//! A request is a plain value, and so is its answer: [`Gnocchi::handle`] needs no server. [`Gnocchi::mount`] mounts it into
//! a [frame](ferrometer_http::Frame), which serves it.
//!
//! | file | idea |
//! |---|---|
//! | `decoding` | bodies that come compressed |
//! | `request`, `reply`, `schema` | what came, what goes back, and what is wrong with a body, in Gnocchi's words |
//! | `policies`, `metrics`, `resources`, `types` | what is known about metrics |
//! | `references`, `resource_json` | ids that name resources, and resources as JSON |
//! | `measures`, `batch`, `compact` | measures in, aggregates out |
//! | `season`, `top` | aggregates by weekday and hour; the largest groups of an aggregation |
//! | `ingest`, `line`, `statsd` | measures in other protocols |
//! | `filter`, `paging`, `values` | searches |
//! | `aggregation`, `aggregates`, `history`, `operations` | several series brought together |
//! | `feed` | new aggregates as they come |
//! | `routes` | which path is which |
//! | `service` | the API in the HTTP frame |
//! | `server_config` | what a server is configured with |

mod aggregates;
mod aggregation;
mod batch;
mod compact;
mod decoding;
mod feed;
mod filter;
mod history;
mod ingest;
mod line;
mod measures;
mod metrics;
mod operations;
mod paging;
mod policies;
mod references;
mod reply;
mod request;
mod resource_json;
mod resources;
mod routes;
mod schema;
mod season;
mod server_config;
mod service;
mod settings;
mod statsd;
mod top;
mod types;
mod values;

pub use routes::Gnocchi;
pub use server_config::{ConfigError, ServerConfig, StatsdConfig};
pub use settings::{Auth, Settings};
pub use statsd::{
    Listening, Statsd, StatsdAccounts, StatsdCause, StatsdCounts, StatsdSettings, StatsdSocket, StatsdTags,
    StatsdTimers,
};
