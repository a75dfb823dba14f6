//! Dialects: the form of line that each statsd server reads. Facts from the servers' sources and documents; `docs/statsd.md` has the table.

use crate::format::{Format, Histograms, Labels, NegativeGauges, Rates, Timers, Values};

/// The server that is spoken to: a name for a form of line, each part of which is a [setting](crate::Settings) too.
///
/// ```
/// # mod ferrometer { pub use ferrometer_core::*; pub use ferrometer_statsd as statsd; }
/// use ferrometer::statsd::{Dialect, Labels, Settings};
///
/// // Lines as netdata reads them, but with tags at the end of each line.
/// let settings = Settings::udp("localhost", 8125).dialect(Dialect::Plain).labels(Labels::DogStatsD);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
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
    /// collectd: plain lines, with a rate on counters alone.
    Collectd,
    /// The lines that all servers share: labels folded into the name, one value to a line, a 0 before a negative gauge. netdata, statsdly,
    /// navdoon and others read nothing else.
    Plain,
    /// Plain lines with DogStatsD's tags, histograms as `h`: Vector and OpenTelemetry's receiver.
    Tagged,
}

impl Dialect {
    pub(crate) fn format(self) -> Format {
        let plain = Format {
            labels: Labels::Folded,
            values: Values::Single,
            negative_gauges: NegativeGauges::ZeroFirst,
            rates: Rates::All,
            histograms: Histograms::Ms,
            timers: Timers::Ms,
            refuses_negative_ms: true,
            refuses_negative_h: false,
        };
        match self {
            Dialect::Plain => plain,
            // collectd divides a duration by its rate: 10 ms at a rate of 0.1 would be 100 ms.
            Dialect::Collectd => Format { rates: Rates::Counters, ..plain },
            Dialect::Tagged => Format { labels: Labels::DogStatsD, histograms: Histograms::H, ..plain },
            // Etsy would count an `h`.
            Dialect::Etsy => Format { values: Values::Repeated, ..plain },
            Dialect::DogStatsD => Format {
                labels: Labels::DogStatsD,
                values: Values::Packed,
                negative_gauges: NegativeGauges::Signed,
                histograms: Histograms::H,
                ..plain
            },
            // A sign is read on counters and gauges; anywhere else Telegraf drops the rest of the line with the value.
            Dialect::Telegraf => Format {
                labels: Labels::Telegraf,
                values: Values::Repeated,
                histograms: Histograms::H,
                refuses_negative_h: true,
                ..plain
            },
            // gnocchi-statsd refuses `h`, loses a timer that has a rate, and takes any number as `ms`.
            Dialect::Gnocchi => Format {
                negative_gauges: NegativeGauges::Signed,
                rates: Rates::Counters,
                refuses_negative_ms: false,
                ..plain
            },
        }
    }
}
