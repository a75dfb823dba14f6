//! The limits of a configuration, as the recording takes them.

use crate::config::Config;
use ferrometer_core::Limits;

pub(crate) fn limits(config: &Config) -> Limits {
    let mut limits = Limits::default();
    config.limits.fill(&mut limits);
    limits
}
