//! Servers that an operator manages: from a configuration to their service, and from one configuration in force to the next.

use crate::config::Config;
use crate::error::Error;
use ferrometer_metric_servers::{Core, Management, MetricServers, OpenError, Settings, Status};
use std::sync::Arc;
use std::time::Duration;

/// Reads the settings of a configuration; `None` when no servers are managed.
pub(crate) fn settings(config: &Config) -> Option<Settings> {
    let c = &config.metric_servers;
    let mut settings = Settings::new(c.path.as_ref()?)
        .interval(c.interval)
        .deadline(config.shutdown_deadline)
        .allowed_destinations(&c.allowed_destinations)
        .max_servers(c.max_servers);
    if let Some(secrets) = &c.secrets {
        settings = settings.secrets(secrets);
    }
    Some(settings)
}

/// Opens the section file. No server is at work yet.
pub(crate) fn open(config: &Config) -> Result<Option<Arc<MetricServers>>, Error> {
    let Some(settings) = settings(config) else { return Ok(None) };
    let c = &config.pull_cache;
    let is_guarded = !c.tokens.texts().is_empty() || c.tokens_file.is_some();
    if !is_guarded && !c.address.ip().to_canonical().is_loopback() {
        return Err(Error::Setting {
            key: "metrics.metric_servers.path".to_owned(),
            found: settings.path.display().to_string(),
            allowed: "none without tokens at an address that other machines can reach: anyone who reaches it could send metrics anywhere".to_owned(),
        });
    }
    let core = Core::new(settings.interval, settings.deadline);
    let opened = MetricServers::open(&settings, Arc::new(core));
    opened.map(Some).map_err(|error| match error {
        OpenError::Setting { setting, found, allowed } => {
            Error::Setting { key: format!("metrics.metric_servers.{setting}"), found, allowed }
        }
        other => Error::MetricServers(other),
    })
}

/// Mounts the routes of both.
pub(crate) fn mount(
    frame: ferrometer_http::Frame,
    servers: &Arc<MetricServers>,
    has_index: bool,
) -> ferrometer_http::Frame {
    let management = Management::new(Arc::clone(servers));
    let management = if has_index { management.without_index() } else { management };
    frame.mount("/api2", Arc::new(management)).mount("/", Arc::new(Status::new(Arc::clone(servers))))
}

/// Starts the servers of a new configuration, in the places of those of the old one, and removes those that are no longer there.
pub(crate) fn take_over(old: Option<Arc<MetricServers>>, new: Option<&Arc<MetricServers>>, deadline: Duration) {
    let before = old.map(|old| {
        old.retire();
        old.backends()
    });
    let now = new.map(|new| {
        new.start();
        new.backends()
    });
    for name in before.unwrap_or_default() {
        if !now.as_ref().is_some_and(|now| now.contains(&name)) {
            ferrometer_core::remove(&name, deadline);
        }
    }
}
