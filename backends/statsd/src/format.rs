//! The form of a line: where labels stand, how values share a line, which signs, rates and types a server reads.
//!
//! A [`Dialect`](crate::Dialect) is a named [`Format`]; each part of it is a setting of its own.

use crate::label_text::{push_dogstatsd_tags, push_telegraf_tags};
use ferrometer_core::{Kind, Naming, Series};
use ferrometer_export::{full_name, push_folded_labels};

/// Places of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Labels {
    /// Folded into the name: `name.key.value`. Every server reads that.
    Folded,
    /// Tags at the end of the line, as DogStatsD has them: `|#key:value,…`.
    DogStatsD,
    /// Tags behind the name, as Telegraf has them: `name,key=value,…`.
    Telegraf,
}

/// Ways in which several values of one timer or histogram share a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Values {
    /// Each has a line of its own. Every server reads that.
    Single,
    /// `name:1|ms:2|ms`, as Etsy and Telegraf read them.
    Repeated,
    /// `name:1:2|ms`, as the DogStatsD protocol 1.1 has them.
    Packed,
}

/// Forms of a negative gauge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NegativeGauges {
    /// As it is, for servers that read a sign as part of the value.
    Signed,
    /// Behind a line that sets the gauge to 0, for servers that read a sign as a change. The two lines share a datagram.
    ZeroFirst,
}

/// The kinds that carry their sample rate, as `|@0.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rates {
    /// Counters, timers and histograms.
    All,
    /// Counters alone.
    Counters,
}

/// The type behind a histogram's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Histograms {
    /// `h`, where the server knows it.
    H,
    /// `ms`, as if they were timers.
    Ms,
    /// `d`: a distribution, whose percentiles Datadog computes over all hosts together.
    D,
}

/// The type behind a timer's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Timers {
    /// `ms`. Every server reads that.
    Ms,
    /// `d`: a distribution, in milliseconds too, whose percentiles Datadog computes over all hosts together.
    D,
}

/// The form of every line that one backend sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) labels: Labels,
    pub(crate) values: Values,
    pub(crate) negative_gauges: NegativeGauges,
    pub(crate) rates: Rates,
    pub(crate) histograms: Histograms,
    pub(crate) timers: Timers,
    /// The server refuses negative values of type `ms`.
    pub(crate) refuses_negative_ms: bool,
    /// The server refuses negative values of type `h`.
    pub(crate) refuses_negative_h: bool,
}

impl Format {
    /// The letters after the value.
    pub(crate) fn type_of(&self, kind: Kind) -> &'static str {
        match kind {
            Kind::Counter => "c",
            Kind::Timer => match self.timers {
                Timers::Ms => "ms",
                Timers::D => "d",
            },
            Kind::Histogram => match self.histograms {
                Histograms::H => "h",
                Histograms::Ms => "ms",
                Histograms::D => "d",
            },
            _ => "g",
        }
    }

    pub(crate) fn takes_rate(&self, kind: Kind) -> bool {
        self.rates == Rates::All || kind == Kind::Counter
    }

    /// Tells if the server refuses a distribution's negative values.
    pub(crate) fn refuses_negative(&self, kind: Kind) -> bool {
        match self.type_of(kind) {
            "h" => self.refuses_negative_h,
            "d" => false,
            _ => self.refuses_negative_ms,
        }
    }

    /// Everything before the first colon: the name, with its labels unless they stand at the end of the line.
    pub(crate) fn name(&self, naming: &Naming, series: &Series) -> String {
        let mut out = full_name(naming, series);
        match self.labels {
            Labels::Folded => push_folded_labels(&mut out, naming, series),
            Labels::Telegraf if !out.is_empty() => push_telegraf_tags(&mut out, naming, series),
            _ => {}
        }
        out
    }

    /// The signs before each label in the name, and between its key and value.
    pub(crate) fn labels_in_name(&self) -> Option<(char, char)> {
        match self.labels {
            Labels::Folded => Some(('.', '.')),
            Labels::Telegraf => Some((',', '=')),
            Labels::DogStatsD => None,
        }
    }

    /// A text that two series share when a server would take them for one: kind, name and all labels.
    pub(crate) fn unique(&self, name: &str, naming: &Naming, series: &Series) -> String {
        let kind = match series.kind() {
            Kind::Counter => "c:",
            Kind::Gauge | Kind::InFlight => "g:",
            // Servers make `x.mean` and the like of both.
            _ => "d:",
        };
        let mut unique = kind.to_owned();
        unique.push_str(name);
        unique.push_str(&self.suffix(naming, series));
        unique
    }

    /// The end of the line: the tags, where they stand there.
    pub(crate) fn suffix(&self, naming: &Naming, series: &Series) -> String {
        let mut out = String::new();
        if self.labels == Labels::DogStatsD {
            push_dogstatsd_tags(&mut out, naming, series);
        }
        out
    }
}
