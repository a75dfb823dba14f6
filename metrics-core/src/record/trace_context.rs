//! The trace that a recording belongs to, as a function of the program's tells it: for [exemplars](crate::exemplars).

use crate::sync::reentrancy;
use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The span that the program is in: the id of its trace, and its own.
///
/// ```
/// # use ferrometer_core as ferrometer;
/// use ferrometer::exemplars::TraceContext;
///
/// let context = TraceContext::from_hex("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7").unwrap();
/// assert_eq!(context, TraceContext::new(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, 0x00f0_67aa_0ba9_02b7).unwrap());
/// assert_eq!(context.span_id_hex().as_deref(), Some("00f067aa0ba902b7"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace: u128,
    span: u64,
}

impl TraceContext {
    /// Returns the context of a trace's id and a span's; 0 for a span that has none. `None` where the trace has none: then there is nothing to be found.
    #[must_use]
    pub const fn new(trace_id: u128, span_id: u64) -> Option<TraceContext> {
        if trace_id == 0 { None } else { Some(TraceContext { trace: trace_id, span: span_id }) }
    }

    /// Reads ids as they are written, in hexadecimal digits: at most 32 of a trace, at most 16 of a span, which may have none. `None` for anything else.
    #[must_use]
    pub fn from_hex(trace_id: &str, span_id: &str) -> Option<TraceContext> {
        let digits = |text: &str, most| text.len() <= most && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !digits(trace_id, 32) || !digits(span_id, 16) {
            return None;
        }
        let span = if span_id.is_empty() { 0 } else { u64::from_str_radix(span_id, 16).ok()? };
        TraceContext::new(u128::from_str_radix(trace_id, 16).ok()?, span)
    }

    /// Returns the id of the trace.
    #[must_use]
    pub const fn trace_id(self) -> u128 {
        self.trace
    }

    /// Returns the id of the span; 0 where it has none.
    #[must_use]
    pub const fn span_id(self) -> u64 {
        self.span
    }

    /// Returns the id of the trace as 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id_hex(self) -> String {
        format!("{:032x}", self.trace)
    }

    /// Returns the id of the span as 16 hexadecimal digits, where it has one.
    #[must_use]
    pub fn span_id_hex(self) -> Option<String> {
        (self.span != 0).then(|| format!("{:016x}", self.span))
    }
}

type Provider = Box<dyn Fn() -> Option<TraceContext> + Send + Sync>;

static PROVIDER: OnceLock<Provider> = OnceLock::new();
/// It panicked, and is not asked again.
static IS_BROKEN: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// This thread asks now. Without a destructor, so that it can be read while a thread ends.
    static ASKS: Cell<bool> = const { Cell::new(false) };
}

/// There is a function that tells contexts already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AlreadyProvided;

impl fmt::Display for AlreadyProvided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a function that tells the trace of a recording is there already; the first one stays")
    }
}

impl std::error::Error for AlreadyProvided {}

/// Has `provider` asked for the span that a recording is made in. It returns `None` outside of a trace, and where the trace is not kept.
///
/// It is asked on the thread that records, after the recording, at most once for each place until there is an answer (see [the module](crate::exemplars)), and at most
/// 1,024 times between two collections. So it should be quick: that thread waits for it, and no other does. What it records itself has no
/// exemplar. One that panics is not asked again, and the log says so.
///
/// ```
/// # use ferrometer_core as ferrometer;
/// use ferrometer::exemplars::{TraceContext, provide};
/// use std::cell::Cell;
///
/// thread_local! {
///     static REQUEST: Cell<u128> = const { Cell::new(0) };
/// }
/// provide(|| TraceContext::new(REQUEST.get(), 0))?;
/// assert!(provide(|| None).is_err(), "the first one stays");
/// # Ok::<(), ferrometer::exemplars::AlreadyProvided>(())
/// ```
///
/// # Errors
/// [`AlreadyProvided`]: the program has one.
pub fn provide(provider: impl Fn() -> Option<TraceContext> + Send + Sync + 'static) -> Result<(), AlreadyProvided> {
    PROVIDER.set(Box::new(provider)).map_err(|_| AlreadyProvided)
}

/// Returns whether contexts are told.
#[must_use]
pub fn is_provided() -> bool {
    PROVIDER.get().is_some()
}

/// Returns whether the function panicked.
pub(crate) fn is_broken() -> bool {
    IS_BROKEN.load(Relaxed)
}

/// The right to ask, on this thread.
pub(crate) struct Question {
    provider: &'static Provider,
}

impl Question {
    /// `None`: nobody tells, or this thread asks already, or is in the registry or in an allocation of ours, where the program's code must not run.
    pub(crate) fn new() -> Option<Question> {
        let provider = PROVIDER.get().filter(|_| !is_broken())?;
        if reentrancy::is_busy() || ASKS.replace(true) {
            return None;
        }
        Some(Question { provider })
    }

    /// Asks. It does not panic.
    pub(crate) fn ask(&self) -> Option<TraceContext> {
        catch_unwind(AssertUnwindSafe(self.provider)).unwrap_or_else(|panic| {
            IS_BROKEN.store(true, Relaxed);
            // Its own drop may panic, too.
            std::mem::forget(panic);
            None
        })
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        ASKS.set(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_and_written_in_digits_and_nothing_else_is_an_id() {
        let context = TraceContext::from_hex("ff", "").unwrap();
        assert_eq!((context.trace_id(), context.span_id(), context.span_id_hex()), (255, 0, None));
        assert_eq!(context.trace_id_hex(), format!("{}ff", "0".repeat(30)));
        let long = "a".repeat(33);
        for (trace, span) in
            [("", ""), ("0", "1"), ("+1", "1"), ("1", "-1"), ("g", "1"), (&*long, "1"), ("1", &long[..17]), ("é", "")]
        {
            assert_eq!(TraceContext::from_hex(trace, span), None, "{trace} {span}");
        }
        assert_eq!(TraceContext::from_hex(&"F".repeat(32), &"f".repeat(16)), TraceContext::new(u128::MAX, u64::MAX));
    }
}
