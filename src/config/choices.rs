//! Choices: settings that are one of a few names, each written once.

use super::kind::Kind;
use super::setting::{Field, Setting};
use super::value::Value;

/// Makes enums whose variants have names in the configuration. Behind `=>` is the enum of the backend's own settings, with the cargo
/// feature that brings it; a variant that is called otherwise there is named behind `as`.
macro_rules! choices {
    ($(
        $(#[doc = $doc:literal])+
        $(#[cfg($present:meta)])?
        $type:ident $(=> $target:tt)? { $($(#[$variant_meta:meta])* $variant:ident = $name:literal $(as $other:ident)?,)+ }
    )+) => {$(
        $(#[doc = $doc])+
        $(#[cfg($present)])?
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $type {
            $($(#[$variant_meta])* $variant,)+
        }

        $(#[cfg($present)])?
        impl $type {
            /// Every name, as the configuration writes it.
            pub(super) const NAMES: &[&str] = &[$($name),+];

            const ALL: &[$type] = &[$($type::$variant),+];

            /// The name as the configuration writes it.
            pub fn as_str(self) -> &'static str {
                match self { $($type::$variant => $name),+ }
            }
        }

        $(#[cfg($present)])?
        impl Setting for $type {
            const KIND: Kind = Kind::Choice($type::NAMES);

            fn absent() -> Self {
                $type::ALL[0]
            }
        }

        $(#[cfg($present)])?
        impl Field for $type {
            fn take(&mut self, value: Value) {
                *self = $type::ALL[value.number_in($type::NAMES)];
            }

            fn value(&self) -> Option<Value> {
                Some(Value::text(self.as_str()))
            }
        }

        choices! { @into $type $($target)? $($variant $($other)?;)+ }
    )+};

    (@into $type:ident $($variant:ident $($other:ident)?;)+) => {};
    (@into $type:ident ($target:ty, $when:meta) $($variant:ident $($other:ident)?;)+) => {
        #[cfg($when)]
        impl From<$type> for $target {
            fn from(choice: $type) -> Self {
                match choice { $($type::$variant => choices!(@variant $target, $variant $($other)?)),+ }
            }
        }
    };
    (@variant $target:ty, $variant:ident) => { <$target>::$variant };
    (@variant $target:ty, $variant:ident $other:ident) => { <$target>::$other };
}

choices! {
    /// The extensions that a statsd server understands beyond the lines that all of them share.
    Dialect => (ferrometer_statsd::Dialect, feature = "statsd") {
        /// The original: no tags, labels fold into the name.
        Etsy = "etsy",
        /// Datadog's agent: tags after `|#`.
        Dogstatsd = "dogstatsd" as DogStatsD,
        /// Telegraf's statsd input: tags within the name.
        Telegraf = "telegraf",
        /// Gnocchi's statsd daemon.
        Gnocchi = "gnocchi",
        /// collectd: plain lines, rates on counters alone.
        Collectd = "collectd",
        /// The lines that all servers read, one value each: netdata, statsdly, navdoon.
        Plain = "plain",
        /// Plain lines with tags after `|#`: Vector, OpenTelemetry's receiver.
        Tagged = "tagged",
    }

    /// Places of labels on a statsd line.
    StatsdLabels => (ferrometer_statsd::Labels, feature = "statsd") {
        /// Within the name: `name.key.value`.
        Folded = "folded",
        /// Behind the line: `|#key:value`.
        Dogstatsd = "dogstatsd" as DogStatsD,
        /// Behind the name: `name,key=value`.
        Telegraf = "telegraf",
    }

    /// Ways in which several values of one timer or histogram share a statsd line.
    StatsdValues => (ferrometer_statsd::Values, feature = "statsd") {
        /// They do not.
        Single = "single",
        /// `name:1|ms:2|ms`.
        Repeated = "repeated",
        /// `name:1:2|ms`.
        Packed = "packed",
    }

    /// Forms of a negative gauge for a statsd server.
    NegativeGauges => (ferrometer_statsd::NegativeGauges, feature = "statsd") {
        /// As it is.
        Signed = "signed",
        /// Behind a line with 0, for servers to which a sign is a change.
        ZeroFirst = "zero-first",
    }

    /// Kinds that carry their sample rate to a statsd server.
    StatsdRates => (ferrometer_statsd::Rates, feature = "statsd") {
        /// Counters, timers and histograms.
        All = "all",
        /// Counters alone.
        Counters = "counters",
    }

    /// The type behind a histogram's values on a statsd line.
    StatsdHistograms => (ferrometer_statsd::Histograms, feature = "statsd") {
        /// `h`.
        H = "h",
        /// `ms`, as for timers.
        Ms = "ms",
        /// `d`, a distribution of Datadog's.
        D = "d",
    }

    /// The type behind a timer's values on a statsd line.
    StatsdTimers => (ferrometer_statsd::Timers, feature = "statsd") {
        /// `ms`.
        Ms = "ms",
        /// `d`, a distribution of Datadog's.
        D = "d",
    }

    /// Ways on which statsd lines travel.
    Transport {
        /// Datagrams to host and port.
        Udp = "udp",
        /// Datagrams to a local socket.
        Unix = "unix",
        /// A stream to host and port.
        Tcp = "tcp",
    }

    /// Totals that are served for Prometheus.
    #[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
    Scrape => (ferrometer_prometheus::Scrape, feature = "prometheus") {
        /// Those of the newest generation.
        Generation = "generation",
        /// Those of the moment of the scrape.
        Fresh = "fresh",
    }

    /// Ways on which Graphite's lines travel.
    #[cfg(any(feature = "graphite", feature = "every-key"))]
    Proto => (ferrometer_graphite::Proto, feature = "graphite") {
        /// In datagrams.
        Udp = "udp",
        /// In a stream.
        Tcp = "tcp",
    }

    /// Ways on which InfluxDB's lines travel.
    #[cfg(any(feature = "influxdb", feature = "every-key"))]
    InfluxdbProto => (ferrometer_influxdb::Protocol, feature = "influxdb") {
        /// In datagrams.
        Udp = "udp",
        /// In requests.
        Http = "http",
        /// In requests over TLS.
        Https = "https",
    }

    /// Routes of an InfluxDB.
    #[cfg(any(feature = "influxdb", feature = "every-key"))]
    InfluxdbApi => (ferrometer_influxdb::Api, feature = "influxdb") {
        /// `/api/v2/write` and `/health`.
        V2 = "v2",
        /// `/write` and `/ping`.
        V1 = "v1",
    }

    /// Encodings of OTLP's requests.
    #[cfg(any(feature = "otlp", feature = "every-key"))]
    OtlpEncoding => (ferrometer_otlp::Encoding, feature = "otlp") {
        /// As protocol buffers.
        Protobuf = "protobuf",
        /// As JSON.
        Json = "json",
    }

    /// Time that OTLP's counters and histograms cover.
    #[cfg(any(feature = "otlp", feature = "every-key"))]
    Temporality => (ferrometer_otlp::Temporality, feature = "otlp") {
        /// All since the start.
        Cumulative = "cumulative",
        /// The time since the last delivery.
        Delta = "delta",
    }

    /// Forms of timers and histograms for OTLP.
    #[cfg(any(feature = "otlp", feature = "every-key"))]
    OtlpHistograms => (ferrometer_otlp::Histograms, feature = "otlp") {
        /// In buckets of equal ratio.
        Exponential = "exponential",
        /// In buckets with explicit bounds.
        Explicit = "explicit",
    }

    /// Compressions of a body.
    #[cfg(any(feature = "otlp", feature = "every-key"))]
    Compression {
        /// With gzip.
        Gzip = "gzip",
        /// Not at all.
        None = "none",
    }

    /// Forms of timers and histograms for Prometheus' remote write.
    #[cfg(any(feature = "remote-write", feature = "every-key"))]
    PrometheusHistograms => (ferrometer_remote_write::Histograms, feature = "remote-write") {
        /// As `_bucket`, `_sum` and `_count`.
        Classic = "classic",
        /// As native histograms.
        Native = "native",
    }

    /// Versions of Prometheus' remote write.
    #[cfg(any(feature = "remote-write", feature = "every-key"))]
    RemoteWriteVersion => (ferrometer_remote_write::Version, feature = "remote-write") {
        /// 2.0 where the server takes it, and else 1.0.
        Auto = "auto",
        /// 1.0.
        V1 = "1.0",
    }

    /// Measures of counters in an archive.
    #[cfg(any(feature = "archive", feature = "every-key"))]
    ArchiveCounters => (ferrometer_archive_backend::Counters, feature = "archive") {
        /// The change since the last delivery that arrived.
        Delta = "delta",
        /// The total since the program started.
        Total = "total",
    }
}
