//! The types that can be recorded: whole numbers into counters, numbers into gauges and histograms; and the forms of names, literals and texts.

use crate::registry::kind::Kind;
use crate::registry::literal_cache;
use crate::registry::series::{LoggerEntry, Series};
use crate::registry::series_table;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

mod sealed {
    pub trait Sealed {}
    /// Seals what may be returned.
    pub trait ReturnSealed {}
}
use sealed::{ReturnSealed, Sealed};

/// A whole number a counter can take. Unsigned ones beyond `i64::MAX` count as `i64::MAX`.
#[diagnostic::on_unimplemented(
    message = "a counter takes whole numbers, not `{Self}`",
    label = "not a whole number",
    note = "floats belong in gauges and histograms"
)]
pub trait CounterValue: Sealed {
    #[doc(hidden)]
    fn to_count(self) -> i64;
}

/// A value a gauge or histogram can take, kept as `f64`: a number (whole ones are exact up to 2^53), a `bool` (1 or 0), or a
/// [`Duration`], in seconds.
///
/// ```
/// # use ferrometer_core as ferrometer;
/// use std::time::Duration;
///
/// let logger = ferrometer::get_logger("backup");
/// logger.gauge("running").set(true);                                      // 1
/// logger.gauge("age").unit("seconds").set(Duration::from_millis(1500));   // 1.5
/// ```
#[diagnostic::on_unimplemented(message = "a gauge or histogram takes numbers, not `{Self}`", label = "not a number")]
pub trait GaugeValue: Sealed {
    #[doc(hidden)]
    fn to_gauge(self) -> f64;
}

/// A type that a function under `#[gauge]` may return: what a gauge takes, a reference to one, or either in an `Option` or `Result`, of
/// which `None` and `Err` record nothing.
#[diagnostic::on_unimplemented(
    message = "`#[gauge]` records a number, and the function returns `{Self}`",
    label = "not a number",
    note = "numbers, references to them, and `Option` or `Result` of them can be recorded"
)]
pub trait GaugeReturn: ReturnSealed {
    #[doc(hidden)]
    fn gauge_return(&self) -> Option<f64>;
}

macro_rules! numbers {
    ($($t:ty)*) => {$(
        impl Sealed for $t {}
        impl GaugeValue for $t {
            #[inline(always)]
            fn to_gauge(self) -> f64 { self as f64 }
        }
        gauge_return!($t);
    )*};
}

macro_rules! gauge_return {
    ($t:ty) => {
        impl ReturnSealed for $t {}
        impl GaugeReturn for $t {
            #[inline]
            fn gauge_return(&self) -> Option<f64> {
                Some(self.to_gauge())
            }
        }
    };
}
numbers!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize f32 f64);

impl Sealed for bool {}
impl GaugeValue for bool {
    #[inline(always)]
    fn to_gauge(self) -> f64 {
        f64::from(u8::from(self))
    }
}
gauge_return!(bool);

impl Sealed for Duration {}
impl GaugeValue for Duration {
    #[inline(always)]
    fn to_gauge(self) -> f64 {
        self.as_secs_f64()
    }
}
gauge_return!(Duration);

macro_rules! counts {
    ($($t:ty)*) => {$(
        impl CounterValue for $t {
            #[inline(always)]
            fn to_count(self) -> i64 { i64::try_from(self).unwrap_or(i64::MAX) }
        }
    )*};
}
counts!(i8 i16 i32 i64 isize u8 u16 u32 u64 usize);

impl<G: GaugeReturn + ?Sized> ReturnSealed for &G {}
impl<G: GaugeReturn + ?Sized> GaugeReturn for &G {
    fn gauge_return(&self) -> Option<f64> {
        (**self).gauge_return()
    }
}
impl<G: GaugeReturn + ?Sized> ReturnSealed for &mut G {}
impl<G: GaugeReturn + ?Sized> GaugeReturn for &mut G {
    fn gauge_return(&self) -> Option<f64> {
        (**self).gauge_return()
    }
}
impl<G: GaugeReturn> ReturnSealed for Option<G> {}
impl<G: GaugeReturn> GaugeReturn for Option<G> {
    fn gauge_return(&self) -> Option<f64> {
        self.as_ref().and_then(G::gauge_return)
    }
}
impl<G: GaugeReturn, E> ReturnSealed for Result<G, E> {}
impl<G: GaugeReturn, E> GaugeReturn for Result<G, E> {
    fn gauge_return(&self) -> Option<f64> {
        self.as_ref().ok().and_then(G::gauge_return)
    }
}

/// The name of a metric below its logger.
///
/// A `&'static str` (a literal) is found by its address, in a few nanoseconds. Text made at run time is hashed: give a `String`, a
/// `&String`, an `Arc<str>`, a `Cow<str>`, or [`Dynamic`]`(&str)`.
pub trait MetricName: Sealed {
    #[doc(hidden)]
    fn find(self, logger: LoggerRef, kind: Kind, rate: f64) -> &'static Series;
}

/// A name or text that does not live for ever.
///
/// ```
/// # use ferrometer_core as ferrometer;
/// use ferrometer::{Dynamic, get_logger};
/// let text = format!("shard{}.rows", 3);
/// get_logger("db").send_counter(Dynamic(&text), 1);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Dynamic<'a>(pub &'a str);

/// Opaque handle to a logger, plus whether the lookup should be cached. Handles on labelled loggers are looked up once, so they are
/// not.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct LoggerRef(pub(crate) &'static LoggerEntry, pub(crate) bool);

impl Sealed for &'static str {}
impl MetricName for &'static str {
    #[inline]
    fn find(self, logger: LoggerRef, kind: Kind, rate: f64) -> &'static Series {
        literal_cache::static_series(logger.0, self, kind, rate, logger.1)
    }
}

macro_rules! texts {
    ($($t:ty)*) => {$(
        impl Sealed for $t {}
        impl MetricName for $t {
            fn find(self, logger: LoggerRef, kind: Kind, rate: f64) -> &'static Series {
                series_table::series(logger.0, self.as_ref(), kind, rate)
            }
        }
    )*};
}
texts!(String &String Arc<str> &Arc<str> Cow<'_, str> Box<str>);

impl Sealed for Dynamic<'_> {}
impl MetricName for Dynamic<'_> {
    fn find(self, logger: LoggerRef, kind: Kind, rate: f64) -> &'static Series {
        series_table::series(logger.0, self.0, kind, rate)
    }
}
