//! A backend that a configuration was made into, or the error of one that is not compiled in.

use crate::config;
use crate::error::Error;
use ferrometer_core::Backend;
use std::time::Duration;

/// A backend that is ready to be installed.
pub(crate) struct Built {
    pub(crate) name: &'static str,
    pub(crate) backend: Box<dyn Backend>,
    pub(crate) interval: Duration,
}

/// The error of a backend whose cargo feature is off.
pub(crate) fn missing(backend: &str, feature: &'static str) -> Error {
    Error::Config(config::Error::BackendNotCompiled { backend: backend.to_owned(), feature })
}
