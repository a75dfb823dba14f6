//! Room 2: the code that attributes and verb macros expand to. A call site is a static that remembers its series, so that a call needs no lookup.
//!
//! - **In**: the logger, the value and the labels of one call, from an expansion of the macros of the same version.
//! - **Out**: a recording into the remembered series; at the first call, or with another logger, a lookup in the registry.
//! - **Invariants**: a site never remembers a series of another logger, nor the overflow series. It allocates at most its bounded memory of labels.
//!
//! Read in this order: [`site`] (sites without labels), [`histogram`] and [`in_flight`] (those of
//! the further kinds), [`cached_series`] (the memory of one series), [`outcome`] (sites that wait for the end of
//! the call), [`labels`] (sites whose labels vary), [`label_value`] (labels whose types have a few values); beside the way of a recording,
//! [`told`] and [`call_site`] (what sites say of themselves).
//!
//! Not public API: the names here are those that expansions use, under `ferrometer_core::__private`.

pub(crate) mod cached_series;
pub(crate) mod call_site;
pub(crate) mod histogram;
pub(crate) mod in_flight;
pub(crate) mod label_text;
pub(crate) mod label_value;
pub(crate) mod labels;
pub(crate) mod outcome;
pub(crate) mod site;
pub(crate) mod told;

pub use crate::instrument::guard::CallTimer;
pub use crate::instrument::timed_future::{BusyFuture, Meter};
pub use crate::record::enabled::enabled;
pub use crate::registry::kind::Kind;
pub use ::core;
// In a program that is `no_std`, `::std` is not there.
pub use ::std::boxed::Box;
pub use call_site::describe;
pub use histogram::HistogramSite;
pub use in_flight::InFlightSite;
pub use label_text::{LabelText, NoText, RefText, Short, ShortText, TextProbe, WrittenText, display};
pub use label_value::{FixedNumber, LabelProbe, LabelValue, Literal, NoNumber};
pub use labels::LabelledSite;
pub use outcome::{
    AnyLeft, AnyOutcome, Ending, ExitCounter, ExitSite, ExitTimer, KnownLeft, Leaving, Left, OnExit, Once, Outcome,
    Probe, ResultOutcome, Since,
};
pub use site::{CounterSite, GaugeSite, TimerSite};
pub use told::{Byte, Elsewhere, InPlace, IsLogger, LoggerProbe, NoLogger, Place, Told, name_of};
