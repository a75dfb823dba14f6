//! Exemplars: with the total of a counter, timer or histogram, the trace of one recording that is in it. The key `exemplars` has all metrics offer them, and a
//! view's those that it is about; `docs/guide/src/exemplars.md` has the whole way, from the configuration to a graph.
//!
//! The trace comes from OpenTelemetry's current context where the cargo feature `opentelemetry-context` is on and the program has not called [`provide`]
//! before [`init`](crate::init()): the span must be one that is kept.
//!
//! ```
//! use ferrometer::exemplars::{TraceContext, provide};
//!
//! // Before `init`: whatever the program knows of the request that a thread works on.
//! provide(|| TraceContext::from_hex("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"))?;
//! let config = ferrometer::Config::new().backend("noop").exemplars(true);
//! # let _metrics = ferrometer::init(config).unwrap();
//! # Ok::<(), ferrometer::exemplars::AlreadyProvided>(())
//! ```

pub use ferrometer_core::exemplars::{AlreadyProvided, Exemplar, TraceContext, is_provided, provide};

use crate::config::Config;

/// Returns whether a configuration has any metric offer exemplars.
pub(crate) fn are_wanted(config: &Config) -> bool {
    config.exemplars || config.views().iter().any(|view| view.exemplars == Some(true))
}

/// Has OpenTelemetry's context asked, if it can be, exemplars are wanted, and the program has nothing else to ask.
pub(crate) fn provide_default(config: &Config) {
    #[cfg(feature = "opentelemetry-context")]
    if are_wanted(config) {
        // Another one is there: it stays.
        let _ = provide(opentelemetry_context::current);
    }
    #[cfg(not(feature = "opentelemetry-context"))]
    let _ = config;
}

#[cfg(feature = "opentelemetry-context")]
mod opentelemetry_context {
    //! The current span of OpenTelemetry.

    use super::TraceContext;
    use opentelemetry::Context;
    use opentelemetry::trace::TraceContextExt;
    use std::cell::Cell;

    thread_local! {
        /// This thread is ending. Without a destructor, so that it can be read until the last.
        static ENDS: Cell<bool> = const { Cell::new(false) };
        static AT_END: AtEnd = const { AtEnd };
    }

    struct AtEnd;

    impl Drop for AtEnd {
        fn drop(&mut self) {
            ENDS.set(true);
        }
    }

    /// Returns the current span, if it is kept.
    pub(super) fn current() -> Option<TraceContext> {
        // OpenTelemetry's own thread-local panics when it is asked behind its end.
        if ENDS.get() {
            return None;
        }
        let context = Context::map_current(|context| {
            let span = context.span();
            let span = span.span_context();
            if !span.is_sampled() {
                return None;
            }
            let trace_id = u128::from_be_bytes(span.trace_id().to_bytes());
            TraceContext::new(trace_id, u64::from_be_bytes(span.span_id().to_bytes()))
        });
        // Made behind OpenTelemetry's, it ends before it.
        let _ = AT_END.try_with(|_| ());
        context
    }
}
