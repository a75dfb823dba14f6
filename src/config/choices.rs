//! Choices: settings that are one of a few names, each written once.

/// What a statsd server understands beyond the lines that all of them share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// The original: no tags, labels fold into the name.
    Etsy,
    /// Datadog's agent: tags after `|#`.
    Dogstatsd,
    /// Telegraf's statsd input: tags within the name.
    Telegraf,
    /// Gnocchi's statsd daemon.
    Gnocchi,
    /// The lines that all servers read, one value each: collectd, netdata, statsdly, navdoon.
    Plain,
    /// Plain lines with tags after `|#`: Vector, OpenTelemetry's receiver.
    Tagged,
}

/// Where labels stand on a statsd line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StatsdLabels {
    /// Within the name: `name.key.value`.
    Folded,
    /// Behind the line: `|#key:value`.
    Dogstatsd,
    /// Behind the name: `name,key=value`.
    Telegraf,
}

/// How several values of one timer or histogram share a statsd line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StatsdValues {
    /// They do not.
    Single,
    /// `name:1|ms:2|ms`.
    Repeated,
    /// `name:1:2|ms`.
    Packed,
}

/// How a negative gauge is written for a statsd server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NegativeGauges {
    /// As it is.
    Signed,
    /// Behind a line with 0, for servers to which a sign is a change.
    ZeroFirst,
}

/// Which kinds carry their sample rate to a statsd server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StatsdRates {
    /// Counters, timers and histograms.
    All,
    /// Counters alone.
    Counters,
}

/// The type behind a histogram's values on a statsd line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StatsdHistograms {
    /// `h`.
    H,
    /// `ms`, as for timers.
    Ms,
}

/// How statsd lines travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// Datagrams to host and port.
    Udp,
    /// Datagrams to a local socket.
    Unix,
    /// A stream to host and port.
    Tcp,
}

/// Which totals the pull cache serves for Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scrape {
    /// Those of the newest generation.
    Generation,
    /// Those of the moment of the scrape.
    Fresh,
}

/// An enum whose variants have names in the configuration: each name is written once.
macro_rules! named {
    ($type:ident: $($variant:ident = $name:literal),+) => {
        impl $type {
            /// Every name there is, as the configuration writes it.
            pub(super) const NAMES: &[&str] = &[$($name),+];

            /// The name as the configuration writes it.
            pub fn as_str(self) -> &'static str {
                match self { $($type::$variant => $name),+ }
            }

            pub(super) fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some($type::$variant),)+ _ => None }
            }
        }
    };
}

named!(Scrape: Generation = "generation", Fresh = "fresh");
named!(Dialect: Etsy = "etsy", Dogstatsd = "dogstatsd", Telegraf = "telegraf", Gnocchi = "gnocchi", Plain = "plain", Tagged = "tagged");
named!(Transport: Udp = "udp", Unix = "unix", Tcp = "tcp");
named!(StatsdLabels: Folded = "folded", Dogstatsd = "dogstatsd", Telegraf = "telegraf");
named!(StatsdValues: Single = "single", Repeated = "repeated", Packed = "packed");
named!(NegativeGauges: Signed = "signed", ZeroFirst = "zero-first");
named!(StatsdRates: All = "all", Counters = "counters");
named!(StatsdHistograms: H = "h", Ms = "ms");
