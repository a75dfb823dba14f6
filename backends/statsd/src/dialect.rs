//! Dialects: what each statsd server reads. Facts from the servers' sources and documents.

use ferrometer_core::{Kind, Naming, Series, name};
use ferrometer_export::{folded_name, full_name};

/// Which statsd server is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Etsy's statsd: labels folded into the name, several values to a line as `name:1|ms:2|ms`.
    #[default]
    Etsy,
    /// DogStatsD: labels as `|#key:value`, several values to a line as `name:1:2|ms` (protocol 1.1), histograms as `h`.
    DogStatsD,
    /// Telegraf's statsd input: labels as `name,key=value`, several values as Etsy, histograms as `h`.
    Telegraf,
    /// gnocchi-statsd: labels folded into the name, one value to a line, a rate on counters alone.
    Gnocchi,
}

/// How several values of one series share a line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// They do not.
    OneEach,
    /// `name:1|ms:2|ms`
    Repeated,
    /// `name:1:2|ms`
    Packed,
}

impl Dialect {
    pub(crate) fn sharing(self) -> Sharing {
        match self {
            Dialect::Etsy | Dialect::Telegraf => Sharing::Repeated,
            Dialect::DogStatsD => Sharing::Packed,
            Dialect::Gnocchi => Sharing::OneEach,
        }
    }

    /// The letters after the value.
    pub(crate) fn type_of(self, kind: Kind) -> &'static str {
        match (kind, self) {
            (Kind::Counter, _) => "c",
            (Kind::Timer, _) => "ms",
            (Kind::Histogram, Dialect::DogStatsD | Dialect::Telegraf) => "h",
            // Etsy would count an `h`, gnocchi refuses it.
            (Kind::Histogram, _) => "ms",
            _ => "g",
        }
    }

    /// Whether a rate may stand behind this kind. gnocchi-statsd loses a timer that has one.
    pub(crate) fn takes_rate(self, kind: Kind) -> bool {
        self != Dialect::Gnocchi || kind == Kind::Counter
    }

    /// Whether a gauge with a sign is a change to the server, so that a negative value needs a 0 before it.
    pub(crate) fn sign_is_change(self) -> bool {
        matches!(self, Dialect::Etsy | Dialect::Telegraf)
    }

    /// Whether a distribution's negative values are refused.
    pub(crate) fn refuses_negative(self, kind: Kind) -> bool {
        self.type_of(kind) == "ms"
    }

    /// What stands before the first colon: the name, with its labels unless they stand at the end of the line.
    pub(crate) fn name(self, naming: &Naming, series: &Series) -> String {
        let mut out = match self {
            Dialect::Etsy | Dialect::Gnocchi => folded_name(naming, series),
            Dialect::DogStatsD | Dialect::Telegraf => full_name(naming, series),
        };
        if self == Dialect::Telegraf && !out.is_empty() {
            tags(&mut out, series, ",", '=');
        }
        out
    }

    /// What stands before each label in the name, and between its key and value.
    pub(crate) fn labels_in_name(self) -> Option<(char, char)> {
        match self {
            Dialect::Etsy | Dialect::Gnocchi => Some(('.', '.')),
            Dialect::Telegraf => Some((',', '=')),
            Dialect::DogStatsD => None,
        }
    }

    /// What makes a name another's: it, with all its labels, and its type.
    pub(crate) fn unique(self, name: &str, series: &Series) -> String {
        let kind = match series.kind() {
            Kind::Counter => "c:",
            Kind::Gauge | Kind::InFlight => "g:",
            // Servers make `x.mean` and the like of both.
            _ => "d:",
        };
        let mut unique = kind.to_owned();
        unique.push_str(name);
        unique.push_str(&self.suffix(series));
        unique
    }

    /// What stands at the end of the line: the tags, for DogStatsD.
    pub(crate) fn suffix(self, series: &Series) -> String {
        let mut out = String::new();
        if self == Dialect::DogStatsD {
            tags(&mut out, series, "|#", ':');
        }
        out
    }
}

/// Appends tags: `first` before the first, a comma before the others. Keys and values pass the gate: the formats cannot escape.
fn tags(out: &mut String, series: &Series, first: &str, between: char) {
    let mut separator = first;
    for (key, value) in series.labels_with_object() {
        let (mut k, mut v) = (String::new(), String::new());
        name::push_part(&mut k, key);
        name::push_part(&mut v, value);
        if k.is_empty() || v.is_empty() {
            continue;
        }
        out.push_str(separator);
        out.push_str(&k);
        out.push(between);
        out.push_str(&v);
        separator = ",";
    }
}
