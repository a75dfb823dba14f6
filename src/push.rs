//! From a configuration to the backends that push.

use crate::built::Built;
#[cfg(not(all(feature = "graphite", feature = "influxdb", feature = "otlp", feature = "remote-write")))]
use crate::built::missing;
use crate::config::Config;
use crate::error::Error;

/// Makes a setting that a backend refuses an error that names its key.
#[cfg(any(
    feature = "graphite",
    feature = "influxdb",
    feature = "otlp",
    feature = "remote-write",
    feature = "archive"
))]
macro_rules! refused {
    ($table:literal) => {
        |invalid| {
            // Variables of OpenTelemetry are named as they are.
            let is_variable = invalid.setting.starts_with("OTEL_");
            let key = if is_variable { invalid.setting.to_owned() } else { format!("{}.{}", $table, invalid.setting) };
            Error::Setting { key, found: invalid.found, allowed: invalid.allowed }
        }
    };
}

#[cfg(feature = "graphite")]
fn graphite_settings(config: &Config) -> ferrometer_graphite::Settings {
    let mut settings = ferrometer_graphite::Settings::new(&config.graphite.server);
    config.graphite.fill(&mut settings);
    settings
}

/// Makes the backend, and starts nothing.
#[cfg(feature = "graphite")]
pub(crate) fn graphite_backend(config: &Config) -> Result<ferrometer_graphite::Graphite, Error> {
    ferrometer_graphite::Graphite::new(graphite_settings(config)).map_err(refused!("metrics.graphite"))
}

#[cfg(feature = "graphite")]
pub(crate) fn graphite(config: &Config) -> Result<Built, Error> {
    let backend = graphite_backend(config)?;
    Ok(Built { name: "graphite", backend: Box::new(backend), interval: config.graphite.interval })
}

#[cfg(not(feature = "graphite"))]
pub(crate) fn graphite(_: &Config) -> Result<Built, Error> {
    Err(missing("graphite", "graphite"))
}

#[cfg(feature = "influxdb")]
fn influxdb_settings(config: &Config) -> ferrometer_influxdb::Settings {
    use crate::config::InfluxdbProto;

    let c = &config.influxdb;
    let port = if c.proto == InfluxdbProto::Udp { 8089 } else { 8086 };
    let mut settings = ferrometer_influxdb::Settings::new(&c.server, c.port.unwrap_or(port));
    c.fill(&mut settings);
    settings.token = c.token.as_ref().map(|token| token.reveal().into());
    settings
}

/// Makes the backend, and starts nothing.
#[cfg(feature = "influxdb")]
pub(crate) fn influxdb_backend(config: &Config) -> Result<ferrometer_influxdb::InfluxDb, Error> {
    ferrometer_influxdb::InfluxDb::new(influxdb_settings(config)).map_err(refused!("metrics.influxdb"))
}

#[cfg(feature = "influxdb")]
pub(crate) fn influxdb(config: &Config) -> Result<Built, Error> {
    let backend = influxdb_backend(config)?;
    Ok(Built { name: "influxdb", backend: Box::new(backend), interval: config.influxdb.interval })
}

#[cfg(not(feature = "influxdb"))]
pub(crate) fn influxdb(_: &Config) -> Result<Built, Error> {
    Err(missing("influxdb", "influxdb"))
}

/// Returns the configured settings, over those of OpenTelemetry's variables.
#[cfg(feature = "otlp")]
fn otlp_settings(config: &Config) -> Result<ferrometer_otlp::Settings, Error> {
    let c = &config.otlp;
    let mut settings = ferrometer_otlp::Settings::from_env().map_err(refused!("metrics.otlp"))?;
    c.fill(&mut settings);
    let headers: Vec<_> = c.headers.iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    if !headers.is_empty() {
        settings.headers = headers;
    }
    for (key, value) in c.resource_attributes.iter() {
        settings = settings.attribute(key, value);
    }
    settings.gzip = c.compression.map_or(settings.gzip, |compression| compression == crate::config::Compression::Gzip);
    Ok(settings)
}

/// Makes the backend, and starts nothing.
#[cfg(feature = "otlp")]
pub(crate) fn otlp_backend(config: &Config) -> Result<ferrometer_otlp::Otlp, Error> {
    ferrometer_otlp::Otlp::new(otlp_settings(config)?).map_err(refused!("metrics.otlp"))
}

#[cfg(feature = "otlp")]
pub(crate) fn otlp(config: &Config) -> Result<Built, Error> {
    let backend = otlp_backend(config)?;
    Ok(Built { name: "otlp", backend: Box::new(backend), interval: config.otlp.interval })
}

#[cfg(not(feature = "otlp"))]
pub(crate) fn otlp(_: &Config) -> Result<Built, Error> {
    Err(missing("otlp", "otlp"))
}

#[cfg(feature = "remote-write")]
fn remote_write_settings(config: &Config) -> Result<ferrometer_remote_write::Settings, Error> {
    use ferrometer_remote_write::{Auth, Settings};

    let c = &config.remote_write;
    let mut settings = Settings::new(&c.url);
    c.fill(&mut settings);
    settings.auth = match (&c.bearer, &c.user, &c.password) {
        (None, None, None) => Auth::None,
        (Some(token), None, None) => Auth::Bearer(token.reveal().into()),
        (None, Some(user), Some(password)) => Auth::Basic { user: user.clone(), password: password.reveal().into() },
        (None, Some(_), None) => {
            let (key, missing) = ("metrics.remote_write.user", "metrics.remote_write.password");
            return Err(Error::Incomplete { key, missing });
        }
        (None, None, Some(_)) => {
            let (key, missing) = ("metrics.remote_write.password", "metrics.remote_write.user");
            return Err(Error::Incomplete { key, missing });
        }
        (Some(_), ..) => {
            return Err(Error::Setting {
                key: "metrics.remote_write.bearer".to_owned(),
                found: "(a token beside a user or a password)".to_owned(),
                allowed: "either `bearer`, or `user` and `password`".to_owned(),
            });
        }
    };
    settings.headers = c.headers.iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    for (name, value) in c.labels.iter() {
        settings = settings.label(name, value);
    }
    Ok(settings)
}

/// Makes the backend, and starts nothing.
#[cfg(feature = "remote-write")]
pub(crate) fn remote_write_backend(config: &Config) -> Result<ferrometer_remote_write::RemoteWrite, Error> {
    ferrometer_remote_write::RemoteWrite::new(remote_write_settings(config)?).map_err(refused!("metrics.remote_write"))
}

#[cfg(feature = "remote-write")]
pub(crate) fn remote_write(config: &Config) -> Result<Built, Error> {
    let backend = remote_write_backend(config)?;
    Ok(Built { name: "remote-write", backend: Box::new(backend), interval: config.remote_write.interval })
}

#[cfg(not(feature = "remote-write"))]
pub(crate) fn remote_write(_: &Config) -> Result<Built, Error> {
    Err(missing("remote-write", "remote-write"))
}

#[cfg(feature = "archive")]
fn archive_settings(config: &Config) -> Result<ferrometer_archive_backend::Settings, Error> {
    use ferrometer_archive_backend::{Auth, Settings};

    let c = &config.archive;
    let mut settings = match (&c.url, &c.path) {
        (url, None) => Settings::remote(url.as_deref().unwrap_or("http://localhost:8041")),
        #[cfg(feature = "archive-embedded")]
        (None, Some(path)) => Settings::embedded(path),
        #[cfg(not(feature = "archive-embedded"))]
        (None, Some(_)) => {
            return Err(Error::NotCompiled { key: "metrics.archive.path", feature: "archive-embedded" });
        }
        (Some(url), Some(_)) => {
            return Err(Error::Setting {
                key: "metrics.archive.url".to_owned(),
                found: format!("{url} beside a path"),
                allowed: "either `url`, a server, or `path`, an archive in this process".to_owned(),
            });
        }
    };
    c.fill(&mut settings);
    settings.headers = c.headers.iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    settings.auth = match (&c.bearer, &c.password) {
        (Some(token), None) => Auth::Bearer(token.reveal().into()),
        (None, password) => {
            let password = password.as_ref().map(|password| password.reveal()).unwrap_or_default().into();
            Auth::Basic { user: c.user.clone(), password }
        }
        (Some(_), Some(_)) => {
            return Err(Error::Setting {
                key: "metrics.archive.bearer".to_owned(),
                found: "(a token beside a password)".to_owned(),
                allowed: "either `bearer`, or `user` and `password`".to_owned(),
            });
        }
    };
    Ok(settings)
}

/// Makes the backend, and starts nothing but the archive of a `path`.
#[cfg(feature = "archive")]
pub(crate) fn archive_backend(config: &Config) -> Result<ferrometer_archive_backend::ArchiveBackend, Error> {
    let backend = ferrometer_archive_backend::ArchiveBackend::new(archive_settings(config)?);
    backend.map_err(refused!("metrics.archive"))
}

/// The path that the API of an archive in this process is below.
#[cfg(feature = "archive-api")]
pub(crate) const GNOCCHI: &str = "/gnocchi";

/// Makes the API over a backend's archive, where that is to be served.
#[cfg(feature = "archive-api")]
pub(crate) fn archive_api(
    config: &Config,
    backend: &ferrometer_archive_backend::ArchiveBackend,
) -> Result<Option<std::sync::Arc<ferrometer_gnocchi::Gnocchi>>, Error> {
    use ferrometer_gnocchi::{Auth, Gnocchi, Settings};

    if !config.archive.api {
        return Ok(None);
    }
    let Some(archive) = backend.archive() else {
        return Err(Error::Setting {
            key: "metrics.archive.api".to_owned(),
            found: "true without a path".to_owned(),
            allowed: "`path` beside it: an archive in this process is what can be served".to_owned(),
        });
    };
    // The way of Gnocchi's clients names users and keeps nobody out: where there are tokens, they are asked for.
    let has_tokens = !config.pull_cache.tokens.texts().is_empty() || config.pull_cache.tokens_file.is_some();
    let auth = if has_tokens { Auth::Tokens } else { Auth::Basic };
    let settings = Settings { prefix: GNOCCHI.to_owned(), auth, ..Settings::default() };
    Ok(Some(std::sync::Arc::new(Gnocchi::new(archive, settings))))
}

/// The most memory that one of these backends keeps for itself, in bytes; 0 for what is none of them.
pub(crate) fn max_bytes(config: &Config, name: &str, series: usize) -> usize {
    let _ = (config, series);
    match name {
        #[cfg(feature = "graphite")]
        "graphite" => graphite_settings(config).max_bytes(series),
        #[cfg(feature = "influxdb")]
        "influxdb" => influxdb_settings(config).max_bytes(series),
        #[cfg(feature = "otlp")]
        "otlp" => otlp_settings(config).map_or(0, |settings| settings.max_bytes(series)),
        #[cfg(feature = "remote-write")]
        "remote-write" => remote_write_settings(config).map_or(0, |settings| settings.max_bytes(series)),
        #[cfg(feature = "archive")]
        "archive" => archive_settings(config).map_or(0, |settings| settings.max_bytes(series)),
        _ => 0,
    }
}
