//! Wrong values of the backends that push, each with its full message; and what right ones come to.
#![cfg(feature = "config-file")]

#[path = "support/configuration.rs"]
mod configuration;

use configuration::{message, metrics};
use ferrometer::config::{Config, Hidden, InfluxdbProto, Proto};

#[test]
fn values_out_of_range() {
    let port = "expected an integer from 1 to 65535";
    metrics(&[
        ("graphite.port = 0", &format!("17: metrics.graphite.port = 0 (integer): {port}")),
        ("graphite.port = 65536", &format!("17: metrics.graphite.port = 65536 (integer): {port}")),
        ("influxdb.port = -1", &format!("17: metrics.influxdb.port = -1 (integer): {port}")),
        ("graphite.mtu = 511", "16: metrics.graphite.mtu = 511 (integer): expected an integer from 512 to 65536"),
        ("influxdb.mtu = 65537", "16: metrics.influxdb.mtu = 65537 (integer): expected an integer from 512 to 65536"),
        (
            "graphite.proto = 'tpc'",
            r#"18: metrics.graphite.proto = 'tpc' (string): expected "udp" or "tcp"; did you mean "tcp"?"#,
        ),
        (
            "influxdb.proto = 'htp'",
            r#"18: metrics.influxdb.proto = 'htp' (string): expected "udp", "http" or "https"; did you mean "http"?"#,
        ),
        (
            "influxdb.max_body_size = 0",
            "26: metrics.influxdb.max_body_size = 0 (integer): expected an integer from 1 to 1000000000",
        ),
        (
            "otlp.max_body_size = 1023",
            "22: metrics.otlp.max_body_size = 1023 (integer): expected an integer from 1024 to 1000000000",
        ),
        ("otlp.encoding = 'grpc'", r#"17: metrics.otlp.encoding = 'grpc' (string): expected "protobuf" or "json""#),
        (
            "remote_write.max_samples = 0",
            "28: metrics.remote_write.max_samples = 0 (integer): expected an integer from 1 to 1000000",
        ),
        (
            "graphite.server = 'http://a'",
            r#"19: metrics.graphite.server = 'http://a' (string): expected a host name or an IP address of 1 to 253 bytes; it is given without scheme, brackets and port"#,
        ),
    ]);
}

#[test]
fn unknown_keys_and_backends() {
    metrics(&[
        ("graphite.prot = 'udp'", "10: metrics.graphite.prot: unknown key; did you mean `proto`?"),
        ("influxdb.organisation = 'a'", "10: metrics.influxdb.organisation: unknown key; did you mean `organization`?"),
        ("graphit = {}", "1: metrics.graphit: unknown key; did you mean `graphite`?"),
        ("remote-write = {}", "1: metrics.remote-write: unknown key; did you mean `remote_write`?"),
        (
            "backend = 'influx'",
            r#"11: metrics.backend = 'influx' (string): expected "noop", "statsd", "prometheus", "pull-cache", "graphite", "influxdb", "otlp", "remote-write" or "archive", or a list of them; did you mean "influxdb"?"#,
        ),
    ]);
}

#[test]
fn lists_of_pairs_show_no_secret() {
    let expected = "expected a list of texts of the form name=value";
    let cases = [
        ("otlp.headers = ['hush']", 16, "metrics.otlp.headers", "item 1: it is not of the form name=value"),
        (
            "otlp.headers = ['a=b', '=hush']",
            16,
            "metrics.otlp.headers",
            "item 2: its name is not 1 to 256 bytes without spaces",
        ),
        (
            "remote_write.headers = ['a b=hush']",
            24,
            "metrics.remote_write.headers",
            "item 1: its name is not 1 to 256 bytes without spaces",
        ),
        ("otlp.headers = ['a=b\\nhush']", 0, "", ""),
    ];
    for (line, column, key, hint) in &cases[..3] {
        let got = message(&format!("[metrics]\n{line}\n"));
        assert!(got.starts_with(&format!("configuration:2:{column}: {key} = ")), "{got}");
        assert!(got.ends_with(&format!("{expected}; {hint}")) && !got.contains("hush"), "{got}");
    }
    let feed = message("[metrics]\notlp.headers = [\"a=b\\nhush\"]\n");
    assert!(feed.contains("control character") && !feed.contains("hush"), "{feed}");
    let shown = message("[metrics]\notlp.resource_attributes = ['service.name']\n");
    assert!(shown.contains("['service.name']") && shown.contains("name=value"), "{shown}");
    let token = message("[metrics]\ninfluxdb.token = 'hush hush'\n");
    assert!(token.contains("metrics.influxdb.token") && !token.contains("hush hush"), "{token}");
}

#[test]
fn what_is_right_is_read_written_and_hidden() {
    let toml = "[metrics]\nbackend = ['graphite', 'influxdb']\n[metrics.graphite]\nproto = 'tcp'\npath = 'a.b'\n\
                [metrics.influxdb]\nproto = 'https'\ntoken = 'hush'\n[metrics.otlp]\nheaders = ['Authorization=Bearer hush']\n";
    let config = Config::from_toml(toml).unwrap();
    assert_eq!((config.graphite.proto, config.graphite.path.as_str()), (Proto::Tcp, "a.b"));
    assert_eq!((config.influxdb.proto, config.influxdb.port), (InfluxdbProto::Https, None));
    assert!(!format!("{config:?}").contains("hush"));
    assert_eq!(Config::from_toml(&config.to_toml()).unwrap(), config);
    let built = Config::new()
        .backend_list(["graphite", "influxdb"])
        .graphite(|g| (g.proto, g.path) = (Proto::Tcp, "a.b".into()))
        .influxdb(|i| (i.proto, i.token) = (InfluxdbProto::Https, Some(Hidden::new("hush"))))
        .otlp(|o| o.headers = ferrometer::config::Pairs::new(["Authorization=Bearer hush"]));
    assert_eq!(built, config);
}

#[cfg(all(feature = "graphite", feature = "influxdb", feature = "otlp", feature = "remote-write"))]
#[test]
fn what_a_backend_refuses_names_its_key() {
    let refused = |toml: &str| ferrometer::init(Config::from_toml(toml).unwrap()).err().unwrap().to_string();
    for (toml, expected) in [
        (
            "[metrics]\nbackend = 'graphite'\ngraphite.path = 'a..b'\n",
            "configuration:3:17: metrics.graphite.path = \"a..b\": expected labels of letters, digits and `-` (not first or last), joined with dots",
        ),
        (
            "[metrics]\nbackend = 'otlp'\notlp.url = 'localhost:4318'\n",
            "configuration:3:12: metrics.otlp.url = \"localhost:4318\": expected http://host[:port]/path or https://host[:port]/path, without user and password",
        ),
        (
            "[metrics]\nbackend = 'remote-write'\nremote_write.url = 'http://me:hush@host/'\n",
            "configuration:3:20: metrics.remote_write.url = \"(one with a user or password in it)\": expected http://host[:port]/path or https://host[:port]/path, without user and password",
        ),
        (
            "[metrics]\nbackend = 'remote-write'\nremote_write.user = 'me'\n",
            "configuration:3:21: metrics.remote_write.user is set and metrics.remote_write.password is not; they are needed together",
        ),
        (
            "[metrics]\nbackend = 'remote-write'\nremote_write.labels = ['le=1']\n",
            "configuration:3:23: metrics.remote_write.labels = \"le\": expected names of `[a-zA-Z_][a-zA-Z0-9_]*`, each once, not `le`, and not with `__` in front",
        ),
        (
            "[metrics]\nbackend = 'influxdb'\ninfluxdb.proto = 'https'\ninfluxdb.ca = '/nowhere/ca.pem'\n",
            "configuration:4:15: metrics.influxdb.ca = \"/nowhere/ca.pem (No such file or directory (os error 2))\": expected a file with certificates as PEM",
        ),
    ] {
        let got = refused(toml);
        assert_eq!(got, expected);
        assert!(!got.contains("hush"));
    }
}

#[cfg(all(feature = "graphite", feature = "influxdb", feature = "otlp", feature = "remote-write"))]
#[test]
fn all_of_them_start_and_their_memory_is_bounded() {
    let all = ["graphite", "influxdb", "otlp", "remote-write"];
    let none = Config::new().backend("statsd").max_bytes();
    for name in all {
        assert!(Config::new().backend_list(["statsd", name]).max_bytes() > none + 1_000_000, "{name}");
    }
    let quick = |config: Config| config.shutdown_deadline(std::time::Duration::from_millis(300));
    let metrics = ferrometer::init(quick(Config::new().backend_list(all))).unwrap();
    ferrometer::get_logger("all").send_counter("c", 1);
    let report = metrics.shutdown(std::time::Duration::from_millis(300));
    assert!(report.ledgers.len() == 4 && report.ledgers.iter().all(ferrometer::Ledger::balances), "{report:?}");
}
