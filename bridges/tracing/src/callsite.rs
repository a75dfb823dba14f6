//! Instruments of a call site. A call site is static, so its instruments are made once and remembered for ever, by each thread in a table of its own.

use ferrometer_core::{Counter, Dynamic, Logger, Timer, get_logger};
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use tracing_core::Metadata;

/// Which timers a layer records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) time: bool,
    pub(crate) busy: bool,
    pub(crate) idle: bool,
}

/// Timers of a span without labels; with labels they are looked up at its end.
#[derive(Clone, Copy)]
pub(crate) struct SpanTimers {
    pub(crate) time: Option<Timer>,
    pub(crate) busy: Option<Timer>,
    pub(crate) idle: Option<Timer>,
}

impl SpanTimers {
    pub(crate) fn new(logger: &Logger, span: &str, times: Times, rate: Option<f64>) -> SpanTimers {
        let timer = |wanted: bool, part: &str| {
            let name = format!("{span}.{part}");
            wanted.then(|| match rate {
                Some(rate) => logger.sampled(rate).timer(Dynamic(&name)),
                None => logger.timer(Dynamic(&name)),
            })
        };
        SpanTimers { time: timer(times.time, "time"), busy: timer(times.busy, "busy"), idle: timer(times.idle, "idle") }
    }
}

/// Returns the logger of a target.
pub(crate) fn logger(metadata: &Metadata<'_>) -> Logger {
    get_logger(metadata.target())
}

/// Hashes an address, which is all that a call site's identity is.
#[derive(Default)]
struct AddressHash(u64);

impl Hasher for AddressHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_usize(&mut self, address: usize) {
        self.0 = (address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Instruments by the address of the call site's metadata, and by the number of the layer. There are as many as the program has call sites.
type Known<T> = RefCell<HashMap<(usize, usize), T, BuildHasherDefault<AddressHash>>>;

thread_local! {
    static SPANS: Known<SpanTimers> = const { RefCell::new(HashMap::with_hasher(BuildHasherDefault::new())) };
    static EVENTS: Known<Counter> = const { RefCell::new(HashMap::with_hasher(BuildHasherDefault::new())) };
}

fn known<T: Copy>(
    table: &'static std::thread::LocalKey<Known<T>>,
    layer: usize,
    metadata: &'static Metadata<'static>,
    make: impl Fn() -> T,
) -> T {
    let key = (std::ptr::from_ref(metadata) as usize, layer);
    let found = table.try_with(|known| {
        // An allocator that records, in the middle of an insertion, looks its instrument up.
        let Ok(mut known) = known.try_borrow_mut() else { return make() };
        *known.entry(key).or_insert_with(&make)
    });
    found.unwrap_or_else(|_| make())
}

/// Returns the timers of a span's call site.
pub(crate) fn span_timers(
    layer: usize,
    metadata: &'static Metadata<'static>,
    times: Times,
    rate: Option<f64>,
) -> SpanTimers {
    known(&SPANS, layer, metadata, || SpanTimers::new(&logger(metadata), metadata.name(), times, rate))
}

/// Returns the counter of an event's call site.
pub(crate) fn event_counter(layer: usize, metadata: &'static Metadata<'static>) -> Counter {
    known(&EVENTS, layer, metadata, || logger(metadata).with("level", level(metadata)).counter("events"))
}

fn level(metadata: &Metadata<'_>) -> &'static str {
    match *metadata.level() {
        tracing_core::Level::ERROR => "error",
        tracing_core::Level::WARN => "warn",
        tracing_core::Level::INFO => "info",
        tracing_core::Level::DEBUG => "debug",
        tracing_core::Level::TRACE => "trace",
    }
}
