//! From a configuration to backends: the one place that knows which there are, and behind which cargo features.

#[cfg(feature = "pull-cache")]
use crate::accompanied::Accompanied;
use crate::built::{Built, missing};
use crate::config::Config;
use crate::error::Error;

/// Everything a configuration asks for, nothing of it running yet.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) backends: Vec<Built>,
    #[cfg(feature = "pull-cache")]
    pub(crate) pull_cache: Option<ferrometer_pull_cache::PullCacheHandle>,
    #[cfg(feature = "metric-servers")]
    pub(crate) metric_servers: Option<std::sync::Arc<ferrometer_metric_servers::MetricServers>>,
    #[cfg(feature = "prometheus")]
    pub(crate) totals: Option<ferrometer_prometheus::PrometheusHandle>,
    #[cfg(feature = "archive-embedded")]
    pub(crate) archive: Option<std::sync::Arc<ferrometer_archive_backend::engine::Archive>>,
    #[cfg(feature = "archive-api")]
    pub(crate) gnocchi: Option<std::sync::Arc<ferrometer_gnocchi::Gnocchi>>,
}

/// The pull cache in force, if there is one.
#[cfg(feature = "pull-cache")]
pub(crate) type Cache = ferrometer_pull_cache::PullCacheHandle;
/// There is none.
#[cfg(not(feature = "pull-cache"))]
pub(crate) type Cache = std::convert::Infallible;

/// Builds what is configured, without starting anything. `earlier`: the cache that a new one goes on from.
///
/// # Errors
/// When something is configured that is not compiled in.
pub(crate) fn build(config: &Config, earlier: Option<&Cache>) -> Result<Parts, Error> {
    let mut parts = Parts::default();
    for name in config.backends() {
        match name.as_str() {
            "noop" => {}
            "statsd" => parts.add_statsd(config)?,
            "prometheus" => parts.add_prometheus(config)?,
            "pull-cache" => parts.add_pull_cache(config, earlier)?,
            "graphite" => parts.backends.push(crate::push::graphite(config)?),
            "influxdb" => parts.backends.push(crate::push::influxdb(config)?),
            "otlp" => parts.backends.push(crate::push::otlp(config)?),
            "remote-write" => parts.backends.push(crate::push::remote_write(config)?),
            "archive" => parts.add_archive(config)?,
            // The configuration's check knows the same names; a new one that is not built here is refused, not ignored.
            _ => return Err(missing(name, "an unknown one")),
        }
    }
    if config.process_interval.is_some() && cfg!(not(feature = "process-metrics")) {
        return Err(Error::NotCompiled { key: "metrics.process_interval", feature: "process-metrics" });
    }
    #[cfg(feature = "metric-servers")]
    {
        parts.metric_servers = crate::metric_servers::open(config)?;
    }
    #[cfg(all(feature = "every-key", not(feature = "metric-servers")))]
    if config.metric_servers.path.is_some() {
        return Err(Error::NotCompiled { key: "metrics.metric_servers.path", feature: "metric-servers" });
    }
    Ok(parts)
}

impl Parts {
    #[cfg(feature = "archive")]
    fn add_archive(&mut self, config: &Config) -> Result<(), Error> {
        let backend = crate::push::archive_backend(config)?;
        #[cfg(feature = "archive-embedded")]
        {
            self.archive = backend.archive();
        }
        #[cfg(feature = "archive-api")]
        {
            self.gnocchi = crate::push::archive_api(config, &backend)?;
        }
        #[cfg(not(feature = "archive-api"))]
        if config.archive.api {
            return Err(Error::NotCompiled { key: "metrics.archive.api", feature: "archive-api" });
        }
        self.backends.push(Built { name: "archive", backend: Box::new(backend), interval: config.archive.interval });
        Ok(())
    }

    #[cfg(not(feature = "archive"))]
    fn add_archive(&mut self, _: &Config) -> Result<(), Error> {
        Err(missing("archive", "archive"))
    }

    #[cfg(feature = "statsd")]
    fn add_statsd(&mut self, config: &Config) -> Result<(), Error> {
        use crate::config::Transport as Way;
        use ferrometer_statsd::{Settings, Statsd, Transport};
        use std::time::Duration;

        let (host, port) = (config.statsd_host.clone(), config.statsd_port);
        let transport = match config.statsd.transport {
            Way::Udp => Transport::Udp { host, port },
            Way::Tcp => Transport::Tcp { host, port },
            Way::Unix => Transport::Unix { path: config.statsd.path.clone().unwrap_or_default() },
        };
        let interval = config.statsd.interval;
        // A flush finds a delivery in progress, at worst, and then has one of its own: both are to end in time.
        let in_time = Some(config.shutdown_deadline / 4).filter(|time| !time.is_zero()).unwrap_or(interval);
        let spread = (interval / 2).min(in_time).min(Duration::from_millis(500));
        let state_interval = (5 * interval).min(Duration::from_secs(5));
        let mut settings = Settings::new(transport)
            .state_interval(config.statsd.state_interval.unwrap_or(state_interval))
            .spread(spread);
        config.statsd.fill(&mut settings);
        let backend = Box::new(Statsd::new(settings));
        self.backends.push(Built { name: "statsd", backend, interval: config.statsd.interval });
        Ok(())
    }

    #[cfg(not(feature = "statsd"))]
    fn add_statsd(&mut self, _: &Config) -> Result<(), Error> {
        Err(missing("statsd", "statsd"))
    }

    #[cfg(feature = "pull-cache")]
    fn add_pull_cache(&mut self, config: &Config, earlier: Option<&Cache>) -> Result<(), Error> {
        if config.pull_cache.http && cfg!(not(feature = "http")) {
            return Err(Error::NotCompiled { key: "metrics.pull_cache.http", feature: "http" });
        }
        if config.pull_cache.host_metrics && cfg!(not(feature = "host-metrics")) {
            return Err(Error::NotCompiled { key: "metrics.pull_cache.host_metrics", feature: "host-metrics" });
        }
        if config.pull_cache.proxmox && cfg!(not(feature = "proxmox")) {
            return Err(Error::NotCompiled { key: "metrics.pull_cache.proxmox", feature: "proxmox" });
        }
        // Only with that feature is a peer asked at all, and what is wrong with it found.
        if !config.pull_cache.peers.is_empty() && cfg!(not(feature = "proxmox")) {
            return Err(Error::NotCompiled { key: "metrics.pull_cache.peers", feature: "proxmox" });
        }
        let settings = pull_cache_settings(config);
        let interval = settings.interval;
        let mut backend = ferrometer_pull_cache::PullCacheBackend::open_beside(settings).map_err(Error::CachePath)?;
        // A path has a history of its own; what is in memory alone would be lost.
        if let Some(earlier) = earlier.filter(|_| config.pull_cache.path.is_none()) {
            backend = backend.continuing_from(earlier);
        }
        self.pull_cache = Some(backend.handle());
        let backend = Accompanied {
            backend,
            #[cfg(feature = "http")]
            totals: cache_has_totals(config).then(|| {
                let totals = ferrometer_prometheus::Prometheus::new(prometheus_settings(config));
                self.totals = Some(totals.handle());
                totals
            }),
            #[cfg(all(feature = "host-metrics", target_os = "linux"))]
            host: config.pull_cache.host_metrics.then(|| ferrometer_host::HostMetrics::start(interval)),
        };
        self.backends.push(Built { name: "pull-cache", backend: Box::new(backend), interval });
        Ok(())
    }

    #[cfg(not(feature = "pull-cache"))]
    fn add_pull_cache(&mut self, _: &Config, _: Option<&Cache>) -> Result<(), Error> {
        Err(missing("pull-cache", "pull-cache"))
    }

    #[cfg(feature = "prometheus")]
    fn add_prometheus(&mut self, config: &Config) -> Result<(), Error> {
        let backend = ferrometer_prometheus::Prometheus::new(prometheus_settings(config));
        self.totals = Some(backend.handle());
        let interval = config.pull_cache.interval;
        self.backends.push(Built { name: "prometheus", backend: Box::new(backend), interval });
        Ok(())
    }

    #[cfg(not(feature = "prometheus"))]
    fn add_prometheus(&mut self, _: &Config) -> Result<(), Error> {
        Err(missing("prometheus", "prometheus"))
    }
}

/// The settings of the pull cache.
#[cfg(feature = "pull-cache")]
pub(crate) fn pull_cache_settings(config: &Config) -> ferrometer_pull_cache::Settings {
    let c = &config.pull_cache;
    let mut settings = ferrometer_pull_cache::Settings::default()
        .generations(c.generations)
        .interval(c.interval)
        .window(c.window)
        .idle_after(c.idle_after.unwrap_or_default());
    settings.path = c.path.clone();
    settings.restored_series = crate::limits::limits(config).max_instruments;
    settings
}

/// The settings of the Prometheus exporter.
#[cfg(feature = "prometheus")]
pub(crate) fn prometheus_settings(config: &Config) -> ferrometer_prometheus::Settings {
    let c = &config.pull_cache;
    let mut settings = ferrometer_prometheus::Settings::default()
        .idle_after(c.idle_after.unwrap_or_default())
        .process_metrics(c.process_metrics)
        .scrape(c.scrape.into());
    // No list is no bounds of its own; one that is wrong does not get here.
    let buckets = |bounds: &Vec<f64>| ferrometer_prometheus::Buckets::new(bounds.as_slice()).ok();
    settings.timer_buckets = buckets(&c.timer_buckets);
    settings.histogram_buckets = buckets(&c.histogram_buckets);
    settings
}

/// `true` when the pull cache is to be shown at `/metrics` too, and no exporter of its own does it.
#[cfg(feature = "http")]
pub(crate) fn cache_has_totals(config: &Config) -> bool {
    config.pull_cache.http && !config.backends().iter().any(|name| name == "prometheus")
}
