//! Turns what a program says through `tracing` into metrics: spans into timers, events into counters.
//!
//! | of | metric | kind |
//! |---|---|---|
//! | a span `handle` of target `shop::api` | `shop.api.handle.time` | timer: from its creation to its end |
//! | | `shop.api.handle.busy` | timer: the part of it in which a thread was inside (for a future: was polled) |
//! | | `shop.api.handle.idle` | timer: the rest |
//! | an event of target `shop::api` | `shop.api.events`, label `level` | counter |
//!
//! ```
//! use ferrometer_tracing_layer::Layer;
//! use tracing_subscriber::layer::SubscriberExt;
//!
//! let layer = Layer::new().label("method"); // of the fields of spans, this one alone becomes a label
//! let subscriber = tracing_subscriber::registry().with(layer);
//! tracing::subscriber::with_default(subscriber, || {
//!     let _span = tracing::info_span!("handle", method = "GET", path = "/a/b/c").entered();
//!     tracing::warn!("slow");
//! });
//! ```
//!
//! A filter of `tracing_subscriber` chooses the spans and events, for this layer alone: `layer.with_filter(…)`. Ferrometer's own diagnostics
//! (targets `ferrometer…`) are never counted. While recording is off, a span costs one load and one branch.
//!
//! Read in this order: `layer` (what it does for each span and event), `callsite` (instruments that a call site has), `span_time` (clocks of one span),
//! `fields` (values that become labels), `trace_ids` (which trace a span belongs to, for exemplars).

mod callsite;
mod fields;
mod layer;
mod span_time;
mod trace_ids;

pub use layer::Layer;
pub use trace_ids::{TraceIds, current_trace};
