//! OpenTelemetry's environment variables.

use crate::settings::{Encoding, Histograms, Settings, Temporality};
use ferrometer_push::{Invalid, Secret};
use std::time::Duration;

impl Settings {
    /// The defaults, changed by OpenTelemetry's environment variables: `OTEL_EXPORTER_OTLP_ENDPOINT`, `_PROTOCOL`, `_HEADERS`, `_TIMEOUT`, `_COMPRESSION`
    /// and `_CERTIFICATE`, each of them also with `METRICS_` behind `OTLP_`, which counts more; `…_METRICS_TEMPORALITY_PREFERENCE`,
    /// `…_METRICS_DEFAULT_HISTOGRAM_AGGREGATION`, `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME`. One that is empty counts as not set.
    ///
    /// # Errors
    /// When one has a value that cannot be used; the error names it.
    pub fn from_env() -> Result<Settings, Invalid> {
        Settings::from_lookup(|name| std::env::var(name).ok())
    }

    /// Returns the defaults, changed by the variables that a function gives.
    ///
    /// # Errors
    /// As for [`from_env`](Self::from_env).
    pub fn from_lookup(variable: impl Fn(&str) -> Option<String>) -> Result<Settings, Invalid> {
        let get = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let either = |metrics: &'static str, all: &'static str| {
            get(metrics).map(|value| (metrics, value)).or_else(|| get(all).map(|value| (all, value)))
        };
        let mut settings = Settings::new("http://localhost:4318/v1/metrics");
        if let Some(url) = get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT") {
            settings.url = url;
        } else if let Some(base) = get("OTEL_EXPORTER_OTLP_ENDPOINT") {
            settings.url = format!("{}/v1/metrics", base.trim_end_matches('/'));
        }
        if let Some((name, value)) = either("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL") {
            settings.encoding = match value.as_str() {
                "http/protobuf" => Encoding::Protobuf,
                "http/json" => Encoding::Json,
                _ => return Err(Invalid::new(name, value, "http/protobuf or http/json")),
            };
        }
        if let Some((name, value)) = either("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS") {
            let pairs = pairs(&value).ok_or_else(|| {
                Invalid::new(name, "(something that is no list)", "key=value,key=value, with %XX for other characters")
            })?;
            settings.headers = pairs.into_iter().map(|(key, value)| (key, Secret::new(value))).collect();
        }
        if let Some((name, value)) = either("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT") {
            let millis = value.parse().ok().filter(|millis| *millis > 0);
            let millis = millis.ok_or_else(|| Invalid::new(name, &value, "milliseconds, at least 1"))?;
            settings.timeout = Duration::from_millis(millis);
        }
        if let Some((name, value)) = either("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION")
        {
            settings.gzip = match value.as_str() {
                "gzip" => true,
                "none" => false,
                _ => return Err(Invalid::new(name, value, "gzip or none")),
            };
        }
        if let Some((_, path)) = either("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE") {
            settings.ca = Some(path.into());
        }
        let name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
        if let Some(value) = get(name) {
            settings.temporality = match value.to_ascii_lowercase().as_str() {
                "cumulative" => Temporality::Cumulative,
                "delta" | "lowmemory" => Temporality::Delta,
                _ => return Err(Invalid::new(name, value, "cumulative or delta")),
            };
        }
        let name = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
        if let Some(value) = get(name) {
            settings.histograms = match value.to_ascii_lowercase().as_str() {
                "explicit_bucket_histogram" => Histograms::Explicit,
                "base2_exponential_bucket_histogram" => Histograms::Exponential,
                _ => {
                    let allowed = "explicit_bucket_histogram or base2_exponential_bucket_histogram";
                    return Err(Invalid::new(name, value, allowed));
                }
            };
        }
        let name = "OTEL_RESOURCE_ATTRIBUTES";
        if let Some(value) = get(name) {
            let allowed = "key=value,key=value, with %XX for other characters";
            let pairs = pairs(&value).ok_or_else(|| Invalid::new(name, &value, allowed))?;
            settings.resource_attributes.extend(pairs);
        }
        if let Some(value) = get("OTEL_SERVICE_NAME") {
            settings.resource_attributes.push(("service.name".to_owned(), value));
        }
        Ok(settings)
    }
}

/// Reads `key=value,key=value`, whose values may have `%XX`. `None`: it is none.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pieces = text.split(',').map(str::trim).filter(|piece| !piece.is_empty());
    let pair = |piece: &str| {
        let (key, value) = piece.split_once('=')?;
        let key = decoded(key.trim())?;
        (!key.is_empty()).then_some((key, decoded(value.trim())?))
    };
    pieces.map(pair).collect()
}

fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
        out.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &'static [(&'static str, &'static str)]) -> Result<Settings, Invalid> {
        Settings::from_lookup(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn variables_are_understood() {
        let settings = of(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4318/"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=hu%20sh, x = y ,"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
            ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "1500"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "Delta"),
            ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "explicit_bucket_histogram"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=first,host.name=a%2Cb"),
            ("OTEL_SERVICE_NAME", "shop"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", " "),
        ])
        .unwrap();
        assert_eq!(settings.url, "https://collector:4318/v1/metrics");
        assert_eq!((settings.encoding, settings.gzip), (Encoding::Json, false));
        assert_eq!(settings.headers, [("api-key".into(), "hu sh".into()), ("x".into(), "y".into())]);
        assert_eq!(settings.timeout, Duration::from_millis(1500));
        assert_eq!((settings.temporality, settings.histograms), (Temporality::Delta, Histograms::Explicit));
        let resource = crate::resource::unique(&settings.resource_attributes);
        let get = |key: &str| resource.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str());
        assert_eq!((get("service.name"), get("host.name")), (Some("shop"), Some("a,b")));
        assert!(get("service.instance.id").is_some());
        assert!(!format!("{settings:?}").contains("hu sh"));
        let exact =
            of(&[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://h/x"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://i")]);
        assert_eq!(exact.unwrap().url, "http://h/x");
        assert_eq!(of(&[]).unwrap().url, "http://localhost:4318/v1/metrics");
    }

    #[test]
    fn what_cannot_be_used_is_named_by_its_variable() {
        for (variables, name) in [
            (&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], "OTEL_EXPORTER_OTLP_PROTOCOL"),
            (&[("OTEL_EXPORTER_OTLP_TIMEOUT", "0")], "OTEL_EXPORTER_OTLP_TIMEOUT"),
            (&[("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "soon")], "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT"),
            (&[("OTEL_EXPORTER_OTLP_HEADERS", "no list")], "OTEL_EXPORTER_OTLP_HEADERS"),
            (&[("OTEL_RESOURCE_ATTRIBUTES", "a=%G0")], "OTEL_RESOURCE_ATTRIBUTES"),
            (&[("OTEL_RESOURCE_ATTRIBUTES", "a=%4")], "OTEL_RESOURCE_ATTRIBUTES"),
            (&[("OTEL_RESOURCE_ATTRIBUTES", "=b")], "OTEL_RESOURCE_ATTRIBUTES"),
            (&[("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd")], "OTEL_EXPORTER_OTLP_COMPRESSION"),
        ] as [(&'static [(&str, &str)], &str); 8]
        {
            assert_eq!(of(variables).unwrap_err().setting, name);
        }
    }
}
