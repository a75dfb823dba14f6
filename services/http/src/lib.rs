//! The HTTP frame: a small server that services mount into. It knows nothing of metrics.
//!
//! A [`Service`] says which routes it has, who may ask for them and when it is ready. The frame does the rest: it listens, speaks TLS,
//! checks tokens and hosts, bounds time, memory and connections, compresses, and assembles the index at `/`, `/healthz` and `/readyz` from
//! what is mounted.
//!
//! | step | module |
//! |---|---|
//! | what is served, where, to whom | `frame`, with `limits`; `error` when that cannot be |
//! | what a service is | `service`, `access`, `refusal` |
//! | connections | `server`, begun with `start`, `connection` with its `progress`, over `tls`; `stats` |
//! | may this request pass? | `guard`, asking the `gate`: `host_check`, `tokens`; `reloaded_file` reads files again; `body_memory` counts bodies |
//! | all routes as one router | `router`, with the `index`; `layers` stand around each, as its `spec` says |
//! | tools for services | `negotiation`, `query_string`, `response`, `path`, `chunked_body`, `offload`, `permit_body` |
//! | how answers travel | `compress` |
//! | asking other servers | `client`, `trust` |
//!
//! # Example
//! ```
//! use ferrometer_http::{Frame, JSON, Route, Service, StatusCode, respond};
//! use std::io::{Read, Write};
//! use std::sync::Arc;
//!
//! struct Greeter;
//!
//! impl Service for Greeter {
//!     fn name(&self) -> &'static str {
//!         "greeter"
//!     }
//!
//!     fn routes(self: Arc<Self>) -> Vec<Route> {
//!         vec![Route::get("/hello", || async { respond(StatusCode::OK, JSON, "\"hello\"") })]
//!     }
//! }
//!
//! let server = Frame::new().address("127.0.0.1:0".parse()?).mount("/v1", Arc::new(Greeter)).serve()?;
//! let mut client = std::net::TcpStream::connect(server.local_addr())?;
//! client.write_all(b"GET /v1/hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
//! let mut answer = String::new();
//! client.read_to_string(&mut answer)?;
//! assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\"hello\""));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(missing_docs)]

mod access;
mod body_memory;
mod chunked_body;
#[cfg(feature = "client")]
mod client;
#[cfg(feature = "compression")]
mod compress;
mod connection;
mod error;
mod frame;
mod gate;
mod guard;
mod host_check;
mod layers;
mod limits;
mod mark;
mod negotiation;
mod offload;
mod own;
mod path;
mod permit_body;
mod progress;
mod query_string;
mod refusal;
mod reloaded_file;
mod response;
mod router;
mod server;
mod service;
mod spec;
mod start;
mod stats;
#[cfg(feature = "tls")]
mod tls;
mod tokens;
#[cfg(feature = "client")]
mod trust;

pub use access::{CallerName, Credentials, Privilege, Rights, api_token, bearer};
pub use axum;
pub use axum::body::{Body, Bytes};
pub use axum::extract::{Extension, RawQuery, Request};
pub use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
pub use axum::response::Response;
pub use chunked_body::{CHUNK_BYTES, CHUNK_WORK, ChunkedBody, Chunks};
#[cfg(feature = "client")]
pub use client::{Client, Failure, Reply};
pub use error::ServeError;
pub use frame::{DEFAULT_ADDRESS, Frame};
pub use hyper::ext::ReasonPhrase;
pub use limits::Limits;
pub use negotiation::media_type;
pub use offload::{in_steps, offload};
pub use path::Path;
pub use permit_body::hold;
pub use query_string::{decode, shorten};
pub use refusal::Refusal;
pub use response::{JSON, json, respond};
pub use server::Server;
pub use service::{Front, Route, Service};
pub use stats::ServerCounts;
