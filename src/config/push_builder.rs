//! Setting the keys of the backends that push in code: a table at a time, its fields by name.

use super::push::{Graphite, Influxdb, Otlp, RemoteWrite};
use super::settings::Config;

impl Config {
    /// Changes what `[metrics.graphite]` says.
    #[must_use]
    pub fn graphite(mut self, change: impl FnOnce(&mut Graphite)) -> Self {
        change(&mut self.graphite);
        self
    }

    /// Changes what `[metrics.influxdb]` says.
    #[must_use]
    pub fn influxdb(mut self, change: impl FnOnce(&mut Influxdb)) -> Self {
        change(&mut self.influxdb);
        self
    }

    /// Changes what `[metrics.otlp]` says.
    #[must_use]
    pub fn otlp(mut self, change: impl FnOnce(&mut Otlp)) -> Self {
        change(&mut self.otlp);
        self
    }

    /// Changes what `[metrics.remote_write]` says.
    #[must_use]
    pub fn remote_write(mut self, change: impl FnOnce(&mut RemoteWrite)) -> Self {
        change(&mut self.remote_write);
        self
    }
}
