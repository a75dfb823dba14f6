//! From a section and its secret to a backend, and to the test of its connection.

use crate::kind::Kind;
use crate::rule::{self, is_set};
use crate::section_file::Section;
use ferrometer_core::Backend;
use ferrometer_graphite::Graphite;
use ferrometer_influxdb::{InfluxDb, Protocol};
use ferrometer_otlp::Otlp;
use ferrometer_push::{Destinations, Proto, Secret};
use std::time::Duration;

/// The longest that a test of a connection may take, whatever the section allows for deliveries.
const MOST_TEST: Duration = Duration::from_secs(10);
/// The longest timeout of a delivery.
const MOST_TIMEOUT: u64 = 60;
/// The largest body of a request, whatever the section allows.
const MOST_BODY: u64 = 1 << 30;

/// The settings of one backend.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    Graphite(ferrometer_graphite::Settings),
    InfluxDb(ferrometer_influxdb::Settings),
    Otlp(ferrometer_otlp::Settings),
}

impl Plan {
    /// Makes settings of a section whose values are checked.
    ///
    /// # Errors
    /// The value that no backend can work with.
    pub(crate) fn of(section: &Section, secret: Option<&Secret>, destinations: &Destinations) -> Result<Plan, String> {
        let reader = Reader { section, secret, destinations: Some(destinations.clone()) };
        match section.kind {
            Kind::Graphite => Ok(reader.graphite()),
            Kind::InfluxDb => Ok(reader.influxdb()),
            Kind::OpenTelemetry => reader.otlp(),
            Kind::InfluxDbHttp => reader.influxdb_http(),
            Kind::InfluxDbUdp => reader.influxdb_udp(),
        }
    }

    /// Makes the backend. Nothing is connected.
    ///
    /// # Errors
    /// The setting that is out of range.
    pub(crate) fn backend(&self) -> Result<Box<dyn Backend>, String> {
        match self.clone() {
            Plan::Graphite(settings) => Graphite::new(settings).map(boxed),
            Plan::InfluxDb(settings) => InfluxDb::new(settings).map(boxed),
            Plan::Otlp(settings) => Otlp::new(settings).map(boxed),
        }
        .map_err(|invalid| invalid.to_string())
    }

    /// Tests whether the server can be reached, and takes the secret, without sending a metric.
    ///
    /// # Errors
    /// Why it cannot.
    pub(crate) fn test(&self) -> Result<(), String> {
        match self.clone() {
            Plan::Graphite(mut settings) => {
                settings.timeout = settings.timeout.min(MOST_TEST);
                Graphite::test_connection(&settings)
            }
            Plan::InfluxDb(mut settings) => {
                settings.timeout = settings.timeout.min(MOST_TEST);
                InfluxDb::test_connection(&settings)
            }
            Plan::Otlp(mut settings) => {
                settings.timeout = settings.timeout.min(MOST_TEST);
                Otlp::test_connection(&settings)
            }
        }
    }

    /// Returns the most memory that the backend takes with this many series.
    pub(crate) fn max_bytes(&self, series: usize) -> usize {
        match self {
            Plan::Graphite(settings) => settings.max_bytes(series),
            Plan::InfluxDb(settings) => settings.max_bytes(series),
            Plan::Otlp(settings) => settings.max_bytes(series),
        }
    }
}

fn boxed<B: Backend>(backend: B) -> Box<dyn Backend> {
    Box::new(backend)
}

/// Where a section's metrics go, as answers show it.
pub(crate) fn destination(section: &Section) -> String {
    match section.kind {
        Kind::InfluxDbHttp => section.get("url").unwrap_or_default().to_owned(),
        Kind::InfluxDbUdp => section.get("host").unwrap_or_default().to_owned(),
        _ => {
            let server = section.get("server").unwrap_or_default();
            let bracketed = if server.contains(':') && !server.starts_with('[') {
                format!("[{server}]")
            } else {
                server.to_owned()
            };
            format!(
                "{bracketed}:{}",
                section.get("port").map_or_else(|| default_port(section.kind).to_string(), str::to_owned)
            )
        }
    }
}

fn default_port(kind: Kind) -> u16 {
    match kind {
        Kind::Graphite => 2003,
        Kind::OpenTelemetry => 4318,
        _ => 8086,
    }
}

struct Reader<'s> {
    section: &'s Section,
    secret: Option<&'s Secret>,
    destinations: Option<Destinations>,
}

impl Reader<'_> {
    fn text(&self, key: &str, default: &str) -> String {
        self.section.get(key).filter(|value| !value.is_empty()).unwrap_or(default).to_owned()
    }

    fn number(&self, key: &str, default: u64) -> u64 {
        self.section.get(key).and_then(|value| value.parse().ok()).unwrap_or(default)
    }

    fn flag(&self, key: &str) -> bool {
        self.section.get(key).is_none_or(is_set)
    }

    fn port(&self) -> u16 {
        u16::try_from(self.number("port", u64::from(default_port(self.section.kind)))).unwrap_or(u16::MAX)
    }

    fn mtu(&self) -> usize {
        usize::try_from(self.number("mtu", 1500)).unwrap_or(usize::MAX)
    }

    fn body(&self, key: &str, default: u64) -> usize {
        usize::try_from(self.number(key, default).min(MOST_BODY)).unwrap_or(usize::MAX)
    }

    /// Zero seconds are the default, as for upstream's clients.
    fn timeout(&self, key: &str, default: u64) -> Duration {
        let seconds = Some(self.number(key, default)).filter(|seconds| *seconds > 0).unwrap_or(default);
        Duration::from_secs(seconds.min(MOST_TIMEOUT))
    }

    /// Returns the secret: that of its file, or else the one in the section itself.
    fn secret(&self) -> Option<Secret> {
        let in_section = || self.section.get(self.section.kind.secret()?).map(Secret::from);
        self.secret.cloned().or_else(in_section)
    }

    fn graphite(self) -> Plan {
        let mut settings = ferrometer_graphite::Settings::new(self.text("server", ""))
            .port(self.port())
            .path(self.text("path", "proxmox"))
            .proto(if self.text("proto", "udp") == "tcp" { Proto::Tcp } else { Proto::Udp });
        settings.timeout = self.timeout("timeout", 1);
        settings.mtu = self.mtu();
        settings.destinations = self.destinations;
        Plan::Graphite(settings)
    }

    fn influxdb(self) -> Plan {
        let protocol = match self.text("influxdbproto", "udp").as_str() {
            "http" => Protocol::Http,
            "https" => Protocol::Https,
            _ => Protocol::Udp,
        };
        let mut settings = ferrometer_influxdb::Settings::new(self.text("server", ""), self.port())
            .protocol(protocol)
            .bucket(self.text("organization", "proxmox"), self.text("bucket", "proxmox"));
        settings.token = self.secret();
        settings.api_path_prefix = self.text("api-path-prefix", "");
        settings.timeout = self.timeout("timeout", 1);
        settings.mtu = self.mtu();
        settings.max_body_size = self.body("max-body-size", 25_000_000);
        settings.verify_certificate = self.flag("verify-certificate");
        settings.destinations = self.destinations;
        Plan::InfluxDb(settings)
    }

    fn influxdb_http(self) -> Result<Plan, String> {
        let url = rule::url(&self.text("url", ""))?;
        let protocol = if url.is_tls { Protocol::Https } else { Protocol::Http };
        let mut settings = ferrometer_influxdb::Settings::new(url.host, url.port)
            .protocol(protocol)
            .bucket(self.text("organization", "proxmox"), self.text("bucket", "proxmox"));
        settings.token = self.secret();
        settings.api_path_prefix = url.path;
        settings.max_body_size = self.body("max-body-size", 25_000_000);
        settings.verify_certificate = self.flag("verify-tls");
        settings.timeout = Duration::from_secs(5);
        settings.destinations = self.destinations;
        Ok(Plan::InfluxDb(settings))
    }

    fn influxdb_udp(self) -> Result<Plan, String> {
        let (host, port) = rule::host_port(&self.text("host", "")).ok_or("host is not of the form host:port")?;
        let mut settings = ferrometer_influxdb::Settings::new(host, port).protocol(Protocol::Udp);
        settings.mtu = self.mtu();
        settings.destinations = self.destinations;
        Ok(Plan::InfluxDb(settings))
    }

    fn otlp(self) -> Result<Plan, String> {
        use ferrometer_otlp::Settings;

        let scheme = self.text("otel-protocol", "https");
        let path = self.text("otel-path", "/v1/metrics");
        let mut settings = Settings::server(&scheme, &self.text("server", ""), self.port(), &path);
        settings.timeout = self.timeout("otel-timeout", 5);
        if let Some(headers) = self.secret() {
            for (name, value) in rule::object(headers.reveal())? {
                settings = settings.header(name, value);
            }
        }
        if let Some(attributes) = self.section.get("otel-resource-attributes") {
            for (key, value) in rule::object(attributes)? {
                settings = settings.attribute(key, value);
            }
        }
        settings.verify_ssl = self.flag("otel-verify-ssl");
        settings.max_body_size = self.body("otel-max-body-size", 10_000_000);
        settings.gzip = self.text("otel-compression", "gzip") == "gzip";
        settings.destinations = self.destinations;
        Ok(Plan::Otlp(settings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::section_file::SectionFile;

    fn plan(text: &str, secret: Option<&str>) -> Plan {
        let file = SectionFile::parse(text.as_bytes());
        let section = file.sections().next().unwrap_or_else(|| panic!("{:?}", file.damaged().next()));
        Plan::of(section, secret.map(Secret::from).as_ref(), &Destinations::default()).unwrap()
    }

    #[test]
    fn options_reach_the_backend_and_defaults_are_upstreams() {
        let Plan::Graphite(g) = plan("graphite: aa\n\tserver h\n", None) else { panic!() };
        assert_eq!(
            (g.port, g.path.as_str(), g.proto, g.mtu, g.timeout.as_secs()),
            (2003, "proxmox", Proto::Udp, 1500, 1)
        );
        let text = "influxdb: aa\n\tserver ::1\n\tport 8086\n\tinfluxdbproto https\n\tbucket b\n\torganization o\n\ttimeout 7\n\
            \tapi-path-prefix x\n\tmax-body-size 5\n\tverify-certificate 0\n";
        let Plan::InfluxDb(i) = plan(text, Some("hush")) else { panic!() };
        assert_eq!((i.server.as_str(), i.port, i.influxdbproto), ("::1", 8086, Protocol::Https));
        assert_eq!((i.bucket.as_str(), i.organization.as_str(), i.api_path_prefix.as_str()), ("b", "o", "x"));
        assert_eq!((i.timeout.as_secs(), i.max_body_size, i.verify_certificate), (7, 5, false));
        assert_eq!(i.token.as_ref().map(Secret::reveal), Some("hush"));
        // base64 of {"X-Key":"s3"} and {"a":"b"}
        let text = "opentelemetry: aa\n\tserver h\n\totel-protocol http\n\totel-timeout 9\n\totel-resource-attributes eyJhIjoiYiJ9\n\
            \totel-compression none\n\totel-verify-ssl 0\n";
        let Plan::Otlp(o) = plan(text, Some("eyJYLUtleSI6InMzIn0=")) else { panic!() };
        assert_eq!(
            (o.url.as_str(), o.timeout.as_secs(), o.gzip, o.verify_ssl),
            ("http://h:4318/v1/metrics", 9, false, false)
        );
        assert_eq!(o.headers[0].0, "X-Key");
        assert!(o.resource_attributes.contains(&("a".into(), "b".into())));
        let Plan::InfluxDb(p) = plan("influxdb-http: abc\n\turl https://h/x\n\ttoken t\n", None) else { panic!() };
        assert_eq!((p.server.as_str(), p.port, p.api_path_prefix.as_str()), ("h", 443, "/x"));
        assert_eq!(p.token.as_ref().map(Secret::reveal), Some("t"));
        let Plan::InfluxDb(u) = plan("influxdb-udp: abc\n\thost [::1]:8089\n\tmtu 600\n", None) else { panic!() };
        assert_eq!((u.server.as_str(), u.port, u.mtu), ("[::1]", 8089, 600));
        for plan in [Plan::InfluxDb(p), Plan::InfluxDb(u), Plan::Otlp(o), Plan::InfluxDb(i), Plan::Graphite(g)] {
            assert!(plan.backend().is_ok() && plan.max_bytes(100) > 0, "{plan:?}");
            assert!(!format!("{plan:?}").contains("hush"));
        }
    }

    #[test]
    fn a_forbidden_destination_is_not_connected_to() {
        for text in [
            "graphite: aa\n\tserver 169.254.169.254\n\tproto tcp\n",
            "graphite: aa\n\tserver 169.254.169.254\n",
            "influxdb: aa\n\tserver 169.254.169.254\n\tport 80\n\tinfluxdbproto http\n",
            "influxdb: aa\n\tserver fe80::1\n\tport 80\n\tinfluxdbproto http\n",
            "opentelemetry: aa\n\tserver 169.254.169.254\n\tport 80\n\totel-protocol http\n",
            "influxdb-http: abc\n\turl http://[::ffff:169.254.169.254]:80\n",
            "influxdb-udp: abc\n\thost 0.0.0.0:80\n",
        ] {
            let said = plan(text, None).test().unwrap_err();
            assert!(said.contains("never sent"), "{text}: {said}");
        }
    }
}
