//! Tools that exporters of ferrometer share, whichever system they deliver to.
//!
//! | an exporter asks | module |
//! |---|---|
//! | which series are one instrument, and which of them are idle | [`Instruments`] |
//! | how an instrument is called | [`full_name`], [`folded_name`], [`labels`](fn@labels), [`labels_with_object`] |
//! | how labels are folded into a name, and values kept apart there | [`push_folded_labels`], [`push_mark`] |
//! | how Prometheus calls it | [`prometheus_names`] |
//! | whether the name is free | [`NameTable`], [`RenderedNames`] |
//! | how its labels look | [`Labels`], [`gated_labels`] |
//! | which names and labels have the most series | [`Cardinality`] |
//! | what it reports of a delivery | [`account`](account()) |
//! | how old something is | [`age_seconds`], [`whole_seconds`] |
//! | what its readers see after a successor took over | [`Current`] |
//! | whether a path is that of a file that can be read | [`open_regular`], [`read_regular`], [`must_be_regular`] |
//!
//! The crate uses the public API of [`ferrometer_core`] alone, as a backend written elsewhere would. Diagnostics go through
//! [`ferrometer_core::warn`], one line per cause and minute.

#![deny(missing_docs)]

mod account;
mod aging_clock;
mod cardinality;
mod current;
mod decisions;
mod folded;
mod full_name;
mod instruments;
mod labels;
mod name_table;
pub mod prometheus_names;
mod regular_file;
mod rendered_names;

pub use account::account;
pub use aging_clock::{age_seconds, whole_seconds};
pub use cardinality::{Cardinality, LabelCount, NameCount};
pub use current::Current;
pub use folded::{MARK, push_folded_label, push_folded_labels, push_mark};
pub use full_name::{folded_name, full_name, labels, labels_with_object};
pub use instruments::{Instrument, Instruments};
pub use labels::{Labels, gated_labels};
pub use name_table::NameTable;
pub use regular_file::{must_be_regular, open_regular, read_regular};
pub use rendered_names::RenderedNames;
