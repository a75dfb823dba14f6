//! Tests of the values that good configurations load as, from each source and with one source over another.

use std::time::Duration;

use ferrometer::config::{Config, Dialect, Rule, Transport};

/// Two tokens.
const HASHES: &str = "a=sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae,\
                      b=sha256:fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9";

#[test]
fn variables_and_setters_reach_every_key() {
    let config = Config::from_env_with([
        ("PATH", "/bin"),
        ("ferrometer_backend", "not ours"),
        ("FERROMETER", "not ours"),
        ("FERROMETER_BACKEND", "statsd, pull-cache"),
        ("FERROMETER_STATSD_HOST", "stats.example.com"),
        ("FERROMETER_STATSD_PORT", "9125"),
        ("FERROMETER_PREPEND_HOST", "1"),
        ("FERROMETER_PREPEND_HOST_REVERSE", "true"),
        ("FERROMETER_GLOBAL_PREFIX", ""),
        ("FERROMETER_HOST", "web1"),
        ("FERROMETER_STATSD__DIALECT", "telegraf"),
        ("FERROMETER_STATSD__TRANSPORT", "unix"),
        ("FERROMETER_STATSD__PATH", "/run/statsd.sock"),
        ("FERROMETER_STATSD__INTERVAL", "0.5"),
        ("FERROMETER_STATSD__RESOLVE_INTERVAL", "1m"),
        ("FERROMETER_PULL_CACHE__INTERVAL", "15"),
        ("FERROMETER_PULL_CACHE__HTTP", "true"),
        ("FERROMETER_PULL_CACHE__ADDRESS", "[::]:80"),
        ("FERROMETER_STATSD__MAX_DATAGRAM", "512"),
        ("FERROMETER_PULL_CACHE__GENERATIONS", "11"),
        ("FERROMETER_PULL_CACHE__WINDOW", "2h"),
        ("FERROMETER_PULL_CACHE__IDLE_AFTER", "0"),
        ("FERROMETER_PULL_CACHE__PATH", "/var/lib/shop"),
        ("FERROMETER_LIMITS__MAX_LOGGERS", "12"),
        ("FERROMETER_LIMITS__MAX_INSTRUMENTS", "13"),
        ("FERROMETER_LIMITS__MAX_LABEL_SETS", "14"),
        ("FERROMETER_LIMITS__MAX_THREADS", "15"),
        ("FERROMETER_LIMITS__MAX_CELL_BYTES", "70000"),
        ("FERROMETER_LIMITS__TIMER_CHUNK", "128"),
        ("FERROMETER_LIMITS__MAX_HELD_VALUES", "80000"),
        ("FERROMETER_SHUTDOWN_DEADLINE", "0"),
        ("FERROMETER_PULL_CACHE__TLS_CERT", "/etc/a.crt"),
        ("FERROMETER_PULL_CACHE__TLS_KEY", "/etc/a.key"),
        ("FERROMETER_PULL_CACHE__TOKENS", HASHES),
        ("FERROMETER_PULL_CACHE__TOKENS_FILE", "/run/tokens"),
        ("FERROMETER_PULL_CACHE__ALLOW_PLAINTEXT", "1"),
        ("FERROMETER_PULL_CACHE__ALLOW_ANONYMOUS", "true"),
        ("FERROMETER_PULL_CACHE__ALLOWED_HOSTS", "a.example, ::1"),
        ("FERROMETER_PULL_CACHE__MAX_CONNECTIONS", "16"),
        ("FERROMETER_PULL_CACHE__MAX_REQUESTS", "17"),
        ("FERROMETER_PULL_CACHE__MAX_QUERY_BYTES", "180"),
        ("FERROMETER_PULL_CACHE__MAX_HEADER_BYTES", "1900"),
        ("FERROMETER_PULL_CACHE__HEADER_TIMEOUT", "20ms"),
        ("FERROMETER_PULL_CACHE__WRITE_TIMEOUT", "21ms"),
        ("FERROMETER_PULL_CACHE__ANSWER_TIMEOUT", "22ms"),
    ])
    .unwrap();
    assert!(!format!("{config:?}").contains(&HASHES[9..20]), "{config:?}");
    let built = Config::new()
        .backend_list(["statsd", "pull-cache"])
        .statsd_host("stats.example.com")
        .statsd_port(9125)
        .prepend_host(true)
        .prepend_host_reverse(true)
        .global_prefix("")
        .host("web1")
        .statsd_dialect(Dialect::Telegraf)
        .statsd_transport(Transport::Unix)
        .statsd_path("/run/statsd.sock")
        .statsd_interval(Duration::from_millis(500))
        .statsd_resolve_interval(Duration::from_secs(60))
        .pull_cache_interval(Duration::from_secs(15))
        .pull_cache_http(true)
        .pull_cache_address("[::]:80".parse().unwrap())
        .statsd_max_datagram(512)
        .pull_cache_generations(11)
        .pull_cache_window(Duration::from_secs(7200))
        .pull_cache_idle_after(Duration::ZERO)
        .pull_cache_path("/var/lib/shop")
        .max_loggers(12)
        .max_instruments(13)
        .max_label_sets(14)
        .max_threads(15)
        .max_cell_bytes(70_000)
        .timer_chunk(128)
        .max_held_values(80_000)
        .shutdown_deadline(Duration::ZERO)
        .pull_cache_tls_cert("/etc/a.crt")
        .pull_cache_tls_key("/etc/a.key")
        .pull_cache_tokens(HASHES.split(','))
        .pull_cache_tokens_file("/run/tokens")
        .pull_cache_allow_plaintext(true)
        .pull_cache_allow_anonymous(true)
        .pull_cache_allowed_hosts(["a.example", "::1"])
        .pull_cache_max_connections(16)
        .pull_cache_max_requests(17)
        .pull_cache_max_query_bytes(180)
        .pull_cache_max_header_bytes(1900)
        .pull_cache_header_timeout(Duration::from_millis(20))
        .pull_cache_write_timeout(Duration::from_millis(21))
        .pull_cache_answer_timeout(Duration::from_millis(22));
    built.validate().unwrap();
    assert_eq!(config, built);
}

#[test]
fn no_variables_are_the_defaults_and_the_defaults_are_valid() {
    let config = Config::from_env_with([("", ""); 0]).unwrap();
    assert_eq!(config, Config::new());
    assert_eq!(config, Config::default());
    config.validate().unwrap();
    assert_eq!(config.backends(), ["noop"]);
    assert_eq!((config.statsd_host.as_str(), config.statsd_port), ("localhost", 8125));
    assert_eq!((config.limits.max_cell_bytes, config.limits.max_held_values), (67_108_864, 262_144));
    assert_eq!(config.shutdown_deadline, Duration::from_secs(2));
    assert_eq!(config.host, None);
}

#[test]
fn the_longest_rule_by_whole_parts_holds() {
    let config = Config::new()
        .rule(Rule::new("nova.compute").sample_rate(0.5))
        .rule(Rule::new("nova").enabled(false))
        .rule(Rule::new("nova::compute::driver").sample_rate(0.1));
    config.validate().unwrap();
    for (logger, rule) in [
        ("nova", Some("nova")),
        ("nova.compute", Some("nova.compute")),
        ("nova.computer", Some("nova")),
        ("nova.compute.driver", Some("nova.compute.driver")),
        ("nova.compute.drivers", Some("nova.compute")),
        ("nova.compute.driver.libvirt", Some("nova.compute.driver")),
        ("novation", None),
        ("", None),
        ("x.nova", None),
    ] {
        assert_eq!(config.rule_for(logger).map(|rule| rule.logger.as_str()), rule, "{logger}");
    }
    assert!(config.rule_for("nova.compute.api").unwrap().enabled, "nothing is inherited from a shorter rule");
}

#[cfg(feature = "config-file")]
mod file {
    use super::*;

    const SPECIFICATION: &str = r#"
[metrics]
# Backend options are "statsd" and "noop"
backend="noop"
statsd_host="localhost"
statsd_port=8125
prepend_host=false
prepend_host_reverse=false
global_prefix=""
"#;

    #[test]
    fn the_specification_s_block_is_the_default() {
        assert_eq!(Config::from_toml(SPECIFICATION).unwrap(), Config::new());
        assert_eq!(Config::from_toml(&SPECIFICATION.replace('\n', "\r\n")).unwrap(), Config::new());
        assert_eq!(Config::from_toml(&format!("\u{feff}{SPECIFICATION}")).unwrap(), Config::new());
    }

    #[test]
    fn files_without_our_tables_are_valid() {
        for toml in [
            "",
            "# nothing\n",
            "[metrics]\n",
            "[metrics_statsd]\n",
            "[server]\nstatsd_host = 1\nmetrics = 2\n[package.metadata.metric]\na = 1\n",
            "host = '0.0.0.0'\nbackend = 'postgres'\n",
            "[metadata]\n[matrix]\n[metro]\n[m]\n[statsd]\n",
        ] {
            assert_eq!(Config::from_toml(toml).unwrap(), Config::new(), "{toml}");
        }
    }

    #[test]
    fn one_thing_can_be_written_in_several_ways() {
        let dotted = "metrics.backend = ['statsd']\nmetrics.statsd.interval = '500ms'\nmetrics.statsd_port = 0x1fbd\n";
        let inline = "metrics = { backend = 'statsd', statsd = { interval = 0.5 }, statsd_port = 8_125 }\n";
        let tables = "[metrics_statsd]\nstatsd_port = 8125\n[metrics.statsd]\ninterval = '0.5 s'\n[metrics]\nbackend = 'statsd'\nstatsd_port = +8125\n";
        let expected = Config::new().backend("statsd").statsd_interval(Duration::from_millis(500));
        for toml in [dotted, inline, tables] {
            assert_eq!(Config::from_toml(toml).unwrap(), expected, "{toml}");
        }
    }

    #[test]
    fn rules_come_in_the_order_of_the_file() {
        let config = Config::from_toml(
            "[metrics.loggers.'z']\nenabled = false\n[metrics.loggers.'a::b']\nsample_rate = 1\n[metrics.loggers.m]\n",
        )
        .unwrap();
        assert_eq!(config.rules(), [Rule::new("z").enabled(false), Rule::new("a.b").sample_rate(1.0), Rule::new("m")]);
    }

    #[test]
    fn the_environment_lies_over_the_file() {
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("config_layers.toml");
        std::fs::write(
            &path,
            "[metrics]\nglobal_prefix = 'file'\nhost = 'file'\nstatsd_port = 1\n[metrics.statsd]\ntransport = 'unix'\n",
        )
        .unwrap();
        // The file alone lacks a path for its transport; what counts is the whole.
        let config = Config::from_file_with(
            &path,
            [("FERROMETER_GLOBAL_PREFIX", "env"), ("FERROMETER_HOST", ""), ("FERROMETER_STATSD__PATH", "/s")],
        )
        .unwrap();
        let expected =
            Config::new().global_prefix("env").statsd_port(1).statsd_transport(Transport::Unix).statsd_path("/s");
        assert_eq!(config, expected);
        assert!(Config::from_file_with(&path, [("", ""); 0]).is_err());
    }

    /// A file that is all mistakes is refused at once, and in a message that can be read.
    #[test]
    fn a_large_bad_file_costs_no_more_than_a_good_one() {
        let mut toml = String::from("[metrics]\n");
        for i in 0..20_000 {
            toml += &format!("k{i} = {i}\n");
        }
        let message = Config::from_toml(&toml).unwrap_err().to_string();
        assert!(message.starts_with("20000 problems"), "{}", &message[..200]);
        assert!(message.len() < 4096);
    }
}

#[test]
fn variables_of_services_are_passed_over() {
    let of_services = [
        ("FERROMETER_SERVICE_HOST", "10.0.0.1"),
        ("FERROMETER_SERVICE_PORT", "9620"),
        ("FERROMETER_SERVICE_PORT_HTTP_METRICS", "9620"),
        ("FERROMETER_PORT", "tcp://10.0.0.1:9620"),
        ("FERROMETER_PORT_9620_TCP", "tcp://10.0.0.1:9620"),
        ("FERROMETER_PORT_9620_TCP_PROTO", "tcp"),
        ("FERROMETER_PORT_9620_TCP_PORT", "9620"),
        ("FERROMETER_PORT_8125_UDP_ADDR", "10.0.0.1"),
        ("FERROMETER_NAME", "/web/ferrometer"),
        ("FERROMETER_GATEWAY_SERVICE_HOST", "10.0.0.1"),
        ("FERROMETER_GATEWAY_PORT", "tcp://[fd00::1]:80"),
        ("FERROMETER_STATSD_SERVICE_HOST", "10.0.0.5"),
        // The name of a key.
        ("FERROMETER_STATSD_PORT", "udp://10.0.0.5:8125"),
    ];
    assert_eq!(Config::from_env_with(of_services).unwrap(), Config::new());
    // Variables of ours stay ours, and mistakes stay mistakes.
    assert_eq!(Config::from_env_with([("FERROMETER_STATSD_PORT", "9125")]).unwrap().statsd_port, 9125);
    for (name, value) in [
        ("FERROMETER_STATSD_PORT", "tcp"),
        ("FERROMETER_STATSD_PORT", "udp://10.0.0.5"),
        ("FERROMETER_STATSD_HOST", ""),
        ("FERROMETER_PORT", "9620"),
        ("FERROMETER_NAME", "shop"),
        ("FERROMETER_PORT_X_TCP", "1"),
        ("FERROMETER_PORT_9620_TCP_ADDRESS", "1"),
        ("FERROMETER_HOST_SERVICE", "1"),
    ] {
        assert!(Config::from_env_with([(name, value)]).is_err(), "{name}={value}");
    }
}

/// A variable names the file, in place of the program's.
#[cfg(feature = "config-file")]
#[test]
fn a_variable_names_the_file() {
    let scratch = ferrometer_testkit::Scratch::new("config-named");
    let (own, named) = (scratch.path().join("own.toml"), scratch.path().join("named.toml"));
    std::fs::write(&own, "[metrics]\nglobal_prefix = 'own'\nhost = 'own'\n").unwrap();
    std::fs::write(&named, "[metrics]\nglobal_prefix = 'named'\nstatsd_port = 1\n").unwrap();
    let name = ("FERROMETER_CONFIG", named.to_str().unwrap());
    let expected = Config::new().global_prefix("named").statsd_port(2);
    let port = ("FERROMETER_STATSD_PORT", "2");
    assert_eq!(Config::from_env_with([name, port]).unwrap(), expected);
    assert_eq!(Config::from_file_with(&own, [name, port]).unwrap(), expected);
    // The program's file need not be there.
    assert_eq!(Config::from_file_with("/nowhere", [name, port]).unwrap(), expected);

    let refused = |value: &str| Config::from_env_with([("FERROMETER_CONFIG", value)]).unwrap_err().to_string();
    assert_eq!(
        refused("/nowhere.toml"),
        "/nowhere.toml: cannot be read: No such file or directory (os error 2); the variable FERROMETER_CONFIG names it"
    );
    assert_eq!(refused(""), "environment variable FERROMETER_CONFIG: names no file; unset it to read none");
    std::fs::write(&named, "[metrics]\nstatsd_port = 0\n").unwrap();
    assert_eq!(
        refused(name.1),
        format!("{}:2:15: metrics.statsd_port = 0 (integer): expected an integer from 1 to 65535", named.display())
    );
}

/// Datadog's variables count where the configuration asks for them, and less than its own keys.
#[test]
fn variables_of_datadog() {
    use ferrometer::config::Dialect;
    let all = [
        ("DD_AGENT_HOST", "agent"),
        ("DD_DOGSTATSD_PORT", "9125"),
        ("DD_ENV", "prod"),
        ("DD_SERVICE", "shop"),
        ("DD_VERSION", "1.2"),
        ("DD_TRACE_ENABLED", "true"),
    ];
    let with = |more: &[(&'static str, &'static str)]| {
        let asked = [("FERROMETER_STATSD__DIALECT", "dogstatsd"), ("FERROMETER_STATSD__DATADOG_VARIABLES", "1")];
        Config::from_env_with(all.into_iter().chain(asked).chain(more.iter().copied()))
    };
    let asked = Config::new().statsd_dialect(Dialect::Dogstatsd).statsd_datadog_variables(true);
    let expected =
        asked.clone().statsd_host("agent").statsd_port(9125).labels(["env=prod", "service=shop", "version=1.2"]);
    assert_eq!(with(&[]).unwrap(), expected);
    let own = [("FERROMETER_STATSD_HOST", "own"), ("FERROMETER_LABELS", "service=own,zone=b")];
    let expected = asked.statsd_host("own").statsd_port(9125);
    let expected = expected.labels(["service=own", "zone=b", "env=prod", "version=1.2"]);
    assert_eq!(with(&own).unwrap(), expected);

    // Nobody asked for them, or the server is none of Datadog's.
    assert_eq!(Config::from_env_with(all).unwrap(), Config::new());
    let other = Config::from_env_with(all.into_iter().chain([("FERROMETER_STATSD__DATADOG_VARIABLES", "1")])).unwrap();
    assert_eq!(other, Config::new().statsd_datadog_variables(true));
    assert_eq!(
        other.backend("statsd").warnings(),
        [
            "environment variable FERROMETER_STATSD__DATADOG_VARIABLES: metrics.statsd.datadog_variables = true has no effect: metrics.statsd.dialect = \"etsy\""
        ]
    );

    let error = with(&[]).and_then(|_| {
        let bad = [("DD_DOGSTATSD_PORT", "eighty"), ("FERROMETER_STATSD__DIALECT", "dogstatsd")];
        Config::from_env_with(bad.into_iter().chain([("FERROMETER_STATSD__DATADOG_VARIABLES", "1")]))
    });
    assert_eq!(
        error.unwrap_err().to_string(),
        "environment variable DD_DOGSTATSD_PORT: metrics.statsd_port = \"eighty\" (string): expected an integer from 1 to 65535"
    );
}

/// A program's own configuration holds ours, in whatever format it is.
#[cfg(feature = "serde")]
#[test]
fn a_value_of_the_program() {
    use serde_json::json;
    let expected = Config::new()
        .backend_list(["statsd", "pull-cache"])
        .statsd_interval(std::time::Duration::from_millis(500))
        .labels(["zone=b"])
        .rule(ferrometer::config::Rule::new("nova.compute").sample_rate(0.5))
        .peer(ferrometer::config::Peer::new("b", "https://b").ca("/a.pem"));
    let own = json!({
        "backend": ["statsd", "pull-cache"],
        "statsd": { "interval": "500ms", "path": null },
        "labels": { "zone": "b" },
        "loggers": { "nova.compute": { "sample_rate": 0.5 } },
        "pull_cache": { "peers": [{ "name": "b", "url": "https://b", "ca": "/a.pem" }] },
    });
    assert_eq!(Config::from_value(&own).unwrap(), expected);
    assert_eq!(Config::from_value(&json!({ "port": 80, "metrics": own, "x": null })).unwrap(), expected);
    assert_eq!(Config::from_value(&json!({})).unwrap(), Config::new());

    // As a part of what the program deserializes itself.
    #[derive(serde::Deserialize)]
    struct App {
        port: u16,
        metrics: Config,
    }
    let app: App = serde_json::from_str(&json!({ "port": 80, "metrics": own }).to_string()).unwrap();
    assert_eq!((app.port, app.metrics), (80, expected));
    let text = r#"{ "port": 80, "metrics": { "backend": "statd" } }"#;
    let error = serde_json::from_str::<App>(text).map(|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("value: metrics.backend = \"statd\" (string): expected "), "{error}");
    assert!(error.contains("did you mean \"statsd\"? at line 1"), "{error}");

    let refused = |value: serde_json::Value| Config::from_value(&value).unwrap_err().to_string();
    assert_eq!(
        refused(json!({ "statsd_hsot": "a\u{7}\"\n" })),
        "value: metrics.statsd_hsot: unknown key; did you mean `statsd_host`?"
    );
    assert_eq!(
        refused(json!({ "statsd": { "max_datagram": 1e99 } })),
        "value: metrics.statsd.max_datagram = 1e+99 (float): expected an integer from 64 to 65507"
    );
    assert_eq!(
        refused(json!({ "statsd_port": u64::MAX, "global_prefix": "a\u{0}b" })),
        "2 problems in the configuration:\n  \
         value: metrics.global_prefix = \"a\\u0000b\" (string): expected a string of 0 to 256 bytes without control characters; it holds a control character\n  \
         value: metrics.statsd_port = 18446744073709551615 (integer): expected an integer from 1 to 65535"
    );
    assert_eq!(refused(json!("statsd")), "value: expected a table of keys");
    assert_eq!(refused(json!({ "metrics": 3 })), "value: metrics: expected a table, found a value of type integer");
    assert_eq!(
        Config::from_value(&std::collections::BTreeMap::from([((1, 2), 3)])).unwrap_err().to_string(),
        "value: cannot be read: key must be a string"
    );
    let deep = (0..100).fold(json!(1), |value, _| json!({ "a": value }));
    assert!(refused(json!({ "statsd": deep })).starts_with("value: "));
}
