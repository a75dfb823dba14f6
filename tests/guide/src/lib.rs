//! The pages of the guide, for rustdoc: its programs are tests.

macro_rules! pages {
    ($($name:ident = $page:literal)*) => {$(
        #[doc = include_str!(concat!("../../../docs/guide/src/", $page))]
        pub struct $name;
    )*};
}

pages! {
    Account = "account.md"
    Async = "async.md"
    Backends = "backends.md"
    Deploying = "deploying.md"
    Exemplars = "exemplars.md"
    FirstHour = "first-hour.md"
    Measure = "measure.md"
    MigrateCadence = "migrate/cadence.md"
    MigrateIndex = "migrate/index.md"
    MigrateIronicLib = "migrate/ironic-lib.md"
    MigrateMetrics = "migrate/metrics.md"
    MigrateOpentelemetry = "migrate/opentelemetry.md"
    MigratePrometheus = "migrate/prometheus.md"
    MigratePythonStatsd = "migrate/python-statsd.md"
    Names = "names.md"
    NoNumbers = "no-numbers.md"
    Reloading = "reloading.md"
    Sampling = "sampling.md"
    Testing = "testing.md"
}
