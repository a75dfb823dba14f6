//! The tables of `[metrics]` that this build does without: each with the cargo feature that brings it.

/// A table of `[metrics]` that this build does without.
#[cfg_attr(feature = "every-key", allow(dead_code))]
pub(super) struct Absent {
    pub(super) table: &'static str,
    /// The cargo feature that brings it.
    pub(super) feature: &'static str,
    /// The key that asks for what the table is about. The others do nothing where `metrics.backend` does not name it: a file and an
    /// environment may serve several programs, so they are passed over.
    pub(super) asks: Option<&'static str>,
}

// A build with every backend has none that is absent.
#[allow(dead_code)]
const fn absent_backend(table: &'static str, feature: &'static str) -> Absent {
    Absent { table, feature, asks: None }
}

/// Those of what is not compiled in.
const ABSENT: &[Absent] = &[
    #[cfg(not(any(feature = "graphite", feature = "every-key")))]
    absent_backend("graphite", "graphite"),
    #[cfg(not(any(feature = "influxdb", feature = "every-key")))]
    absent_backend("influxdb", "influxdb"),
    #[cfg(not(any(feature = "otlp", feature = "every-key")))]
    absent_backend("otlp", "otlp"),
    #[cfg(not(any(feature = "remote-write", feature = "every-key")))]
    absent_backend("remote_write", "remote-write"),
    #[cfg(not(any(feature = "archive", feature = "every-key")))]
    absent_backend("archive", "archive"),
    #[cfg(not(any(feature = "prometheus", feature = "pull-cache", feature = "every-key")))]
    Absent { table: "pull_cache", feature: "pull-cache", asks: Some("peers") },
    #[cfg(not(any(feature = "prometheus", feature = "pull-cache", feature = "every-key")))]
    absent_backend("prometheus", "prometheus"),
    #[cfg(not(any(feature = "metric-servers", feature = "every-key")))]
    Absent { table: "metric_servers", feature: "metric-servers", asks: Some("path") },
];

/// Returns the table that this build does without and that `is_meant` says it is.
pub(super) fn absent(is_meant: impl Fn(&str) -> bool) -> Option<&'static Absent> {
    ABSENT.iter().find(|absent| is_meant(absent.table))
}
