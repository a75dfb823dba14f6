//! Every kind of bad value with the full message that it gets.
#![cfg(feature = "config-file")]

#[path = "support/configuration.rs"]
mod configuration;

use configuration::{DURATION, metrics, variables};
use ferrometer::config::Config;

const TEXT: &str = "expected a string of";
const EMPTY: &str = "the variable is empty; unset it to leave the key as it is";

#[test]
fn backends() {
    let expected = r#"expected "noop", "statsd", "prometheus", "pull-cache", "graphite", "influxdb", "otlp", "remote-write" or "archive", or a list of them"#;
    let cases = [
        ("'statd'", format!(r#"11: metrics.backend = 'statd' (string): {expected}; did you mean "statsd"?"#)),
        (
            "'pull_cache'",
            format!(r#"11: metrics.backend = 'pull_cache' (string): {expected}; did you mean "pull-cache"?"#),
        ),
        ("'collector'", format!("11: metrics.backend = 'collector' (string): {expected}")),
        ("''", format!("11: metrics.backend = '' (string): {expected}")),
        ("7", format!("11: metrics.backend = 7 (integer): {expected}")),
        ("{}", format!("11: metrics.backend = {{…}} (table): {expected}")),
        (
            "[]",
            format!(
                r#"11: metrics.backend = [] (list): {expected}; the list is empty; "noop" switches everything off"#
            ),
        ),
        (
            "['statsd', 1]",
            format!("11: metrics.backend = ['statsd', 1] (list): {expected}; the list holds a value of type integer"),
        ),
        (
            "['statsd', 'nop']",
            format!(
                r#"11: metrics.backend = ['statsd', 'nop'] (list): {expected}; "nop" is unknown; did you mean "noop"?"#
            ),
        ),
        (
            "['statsd', 'statsd']",
            format!(r#"11: metrics.backend = ['statsd', 'statsd'] (list): {expected}; "statsd" is there twice"#),
        ),
        (
            "['noop', 'statsd']",
            format!(
                r#"11: metrics.backend = ['noop', 'statsd'] (list): {expected}; "noop" switches everything off and stands alone"#
            ),
        ),
    ];
    for (value, expected) in &cases {
        metrics(&[(&format!("backend = {value}"), expected)]);
    }
    variables(&[
        (
            "FERROMETER_BACKEND",
            "statsd,",
            &format!(r#"metrics.backend = ["statsd", ""] (list): {expected}; "" is unknown"#),
        ),
        ("FERROMETER_BACKEND", "", &format!(r#"metrics.backend = "" (string): {expected}; {EMPTY}"#)),
    ]);
}

#[test]
fn numbers_and_texts() {
    metrics(&[
        ("statsd_port = 0", "15: metrics.statsd_port = 0 (integer): expected an integer from 1 to 65535"),
        ("statsd_port = 70000", "15: metrics.statsd_port = 70000 (integer): expected an integer from 1 to 65535"),
        (
            "statsd_port = 99999999999999999999999999999999999999999999",
            "15: metrics.statsd_port = 99999999999999999999999999999999999999999999 (integer): expected an integer from 1 to 65535",
        ),
        (
            "statsd_port = -99999999999999999999999999999999999999999999",
            "15: metrics.statsd_port = -99999999999999999999999999999999999999999999 (integer): expected an integer from 1 to 65535",
        ),
        ("statsd_port = -1", "15: metrics.statsd_port = -1 (integer): expected an integer from 1 to 65535"),
        ("statsd_port = '8125'", "15: metrics.statsd_port = '8125' (string): expected an integer from 1 to 65535"),
        ("statsd_port = 8125.0", "15: metrics.statsd_port = 8125.0 (float): expected an integer from 1 to 65535"),
        (
            "statsd_port = 1979-05-27",
            "15: metrics.statsd_port = 1979-05-27 (date): expected an integer from 1 to 65535",
        ),
        ("statsd_port = [1]", "15: metrics.statsd_port = [1] (list): expected an integer from 1 to 65535"),
        ("prepend_host = 1", "16: metrics.prepend_host = 1 (integer): expected true or false"),
        ("prepend_host = 'yes'", "16: metrics.prepend_host = 'yes' (string): expected true or false"),
        (
            "limits.timer_chunk = 100",
            "22: metrics.limits.timer_chunk = 100 (integer): expected a power of two from 64 to 65536",
        ),
        (
            "limits.timer_chunk = 32",
            "22: metrics.limits.timer_chunk = 32 (integer): expected a power of two from 64 to 65536",
        ),
        (
            "limits.max_instruments = 1048577",
            "26: metrics.limits.max_instruments = 1048577 (integer): expected an integer from 1 to 1048576",
        ),
        (
            "statsd.max_datagram = 63",
            "23: metrics.statsd.max_datagram = 63 (integer): expected an integer from 64 to 65507",
        ),
        (
            "statsd.max_datagram = 65508",
            "23: metrics.statsd.max_datagram = 65508 (integer): expected an integer from 64 to 65507",
        ),
        (
            "pull_cache.generations = 100001",
            "26: metrics.pull_cache.generations = 100001 (integer): expected an integer from 1 to 100000",
        ),
        (
            "statsd.dialect = 'datadog'",
            r#"18: metrics.statsd.dialect = 'datadog' (string): expected "etsy", "dogstatsd", "telegraf", "gnocchi", "collectd", "plain" or "tagged"; did you mean "dogstatsd"?"#,
        ),
        (
            "statsd.transport = 'UDP'",
            r#"20: metrics.statsd.transport = 'UDP' (string): expected "udp", "unix" or "tcp"; did you mean "udp"?"#,
        ),
        (
            "pull_cache.address = 'localhost:9620'",
            r#"22: metrics.pull_cache.address = 'localhost:9620' (string): expected an IP address with a port, such as "127.0.0.1:9620" or "[::1]:9620""#,
        ),
        (
            r#"global_prefix = "a\nb""#,
            &format!(
                r#"17: metrics.global_prefix = "a\nb" (string): {TEXT} 0 to 256 bytes without control characters; it holds a control character"#
            ),
        ),
        (
            &format!("global_prefix = '{}'", "é".repeat(300)),
            &format!(
                "17: metrics.global_prefix = '{}… (string): {TEXT} 0 to 256 bytes without control characters; it has 600 bytes",
                "é".repeat(79)
            ),
        ),
        (
            "global_prefix = '''a\n\tb'''",
            &format!(
                r"17: metrics.global_prefix = '''a\n\tb''' (string): {TEXT} 0 to 256 bytes without control characters; it holds a control character"
            ),
        ),
    ]);
    variables(&[
        ("FERROMETER_STATSD_PORT", "0", "metrics.statsd_port = 0 (integer): expected an integer from 1 to 65535"),
        (
            "FERROMETER_STATSD_PORT",
            "70000",
            "metrics.statsd_port = 70000 (integer): expected an integer from 1 to 65535",
        ),
        (
            "FERROMETER_STATSD_PORT",
            "eighty",
            r#"metrics.statsd_port = "eighty" (string): expected an integer from 1 to 65535"#,
        ),
        (
            "FERROMETER_STATSD_PORT",
            "",
            &format!(r#"metrics.statsd_port = "" (string): expected an integer from 1 to 65535; {EMPTY}"#),
        ),
        ("FERROMETER_PREPEND_HOST", "yes", r#"metrics.prepend_host = "yes" (string): expected true or false"#),
        (
            "FERROMETER_STATSD__DIALECT",
            "etsi",
            r#"metrics.statsd.dialect = "etsi" (string): expected "etsy", "dogstatsd", "telegraf", "gnocchi", "collectd", "plain" or "tagged"; did you mean "etsy"?"#,
        ),
    ]);
}

#[test]
fn durations() {
    let statsd = |value: &str, shown: &str, kind: &str| {
        let expected = format!("19: metrics.statsd.interval = {shown} ({kind}): expected {DURATION}, from 10ms to 24h");
        metrics(&[(&format!("statsd.interval = {value}"), &expected)]);
    };
    // A number of seconds is no text in a file; in a variable it is.
    metrics(&[(
        "statsd.interval = '10'",
        &format!(
            "19: metrics.statsd.interval = '10' (string): expected {DURATION}, from 10ms to 24h; did you mean \"10s\"?"
        ),
    )]);
    for bad in ["'10 parsecs'", "'-1s'", "''", "'1m30s'", "'9ms'", "'25h'"] {
        statsd(bad, bad, "string");
    }
    for bad in ["-1", "0", "86401"] {
        statsd(bad, bad, "integer");
    }
    for bad in ["0.001", "nan", "inf", "-inf", "1e300"] {
        statsd(bad, bad, "float");
    }
    statsd("true", "true", "boolean");
    metrics(&[(
        "pull_cache.interval = '999ms'",
        &format!("23: metrics.pull_cache.interval = '999ms' (string): expected {DURATION}, from 1s to 24h"),
    )]);
    variables(&[(
        "FERROMETER_SHUTDOWN_DEADLINE",
        "soon",
        &format!(r#"metrics.shutdown_deadline = "soon" (string): expected {DURATION}, from 0s to 24h"#),
    )]);
}

#[test]
fn hosts() {
    let expected = "expected a host name or an IP address of 1 to 253 bytes";
    for bad in ["localhost:8125", "udp://localhost", "[::1]", "::1:8125:x", "a/b"] {
        metrics(&[(
            &format!("statsd_host = '{bad}'"),
            &format!(
                "15: metrics.statsd_host = '{bad}' (string): {expected}; it is given without scheme, brackets and port"
            ),
        )]);
    }
    metrics(&[
        ("statsd_host = ''", &format!("15: metrics.statsd_host = '' (string): {expected}")),
        (
            "statsd_host = ' localhost'",
            &format!(
                "15: metrics.statsd_host = ' localhost' (string): {expected}; it holds a space or a control character"
            ),
        ),
    ]);
    for good in ["localhost", "metrics.example.com.", "10.0.0.1", "::1", "fe80::1%eth0", "bücher.example"] {
        assert_eq!(Config::new().statsd_host(good).validate().map_err(|error| error.to_string()), Ok(()));
    }
}

#[test]
fn bounds_of_buckets() {
    let timers = "expected a list of 1 to 200 numbers in rising order, the first above 0";
    for (value, shown, hint) in [
        ("0.1", "0.1 (float)", ""),
        ("[]", "[] (list)", "; it has 0 of them"),
        ("[0]", "[0] (list)", "; item 1 is 0"),
        ("[0.1, 0.1]", "[0.1, 0.1] (list)", "; item 2 is 0.1"),
        ("[1, nan]", "[1, nan] (list)", "; item 2 is NaN"),
        ("[1, inf]", "[1, inf] (list)", "; item 2 is inf"),
        ("[1, '2']", "[1, '2'] (list)", "; item 2 is of type string"),
    ] {
        let expected = format!("28: metrics.pull_cache.timer_buckets = {shown}: {timers}{hint}");
        metrics(&[(&format!("pull_cache.timer_buckets = {value}"), &expected)]);
    }
    let many = (0..201).map(|at| at.to_string()).collect::<Vec<_>>().join(",");
    let error = Config::from_env_with([("FERROMETER_PULL_CACHE__HISTOGRAM_BUCKETS", many)]).unwrap_err().to_string();
    assert!(error.ends_with("expected a list of 1 to 200 numbers in rising order; it has 201 of them"), "{error}");
    variables(&[(
        "FERROMETER_PULL_CACHE__HISTOGRAM_BUCKETS",
        "1,x",
        "metrics.pull_cache.histogram_buckets = [1.0, \"x\"] (list): expected a list of 1 to 200 numbers in rising order; item 2 is of type string",
    )]);
    let toml = "[metrics.prometheus]\ntimer_buckets = [1, 2.5]\nhistogram_buckets = [-1, 0, 7]\n";
    let config = Config::from_toml(toml).unwrap();
    assert_eq!(
        (&*config.pull_cache.timer_buckets, &*config.pull_cache.histogram_buckets),
        (&[1.0, 2.5][..], &[-1.0, 0.0, 7.0][..])
    );
    let built = Config::new().pull_cache_timer_buckets([1.0, 2.5]).pull_cache_histogram_buckets([-1.0, 0.0, 7.0]);
    assert_eq!(config, built);
    assert_eq!(Config::from_toml(&config.to_toml()).unwrap(), config);
    assert!(Config::new().pull_cache_timer_buckets([2.0, 1.0]).validate().is_err());
}

/// No message shows what may be a token.
#[test]
fn lists_of_tokens_and_hosts() {
    let tokens = "expected a list of texts of the form name=sha256:<64 hex digits>";
    let hosts = "expected a list of host names or IP addresses";
    for (value, kind, hint) in [
        ("'hunter2'", "string", ""),
        ("[]", "list", "; the list is empty"),
        ("['hunter2']", "list", "; item 1: it has no name"),
        ("['hunter2==']", "list", "; item 1: no sha256: follows its name; a token itself does not belong here"),
        ("['a=hunter2']", "list", "; item 1: no sha256: follows its name; a token itself does not belong here"),
        ("['a=sha256:12']", "list", "; item 1: \"a\" has a hash that is not 64 hex digits"),
        ("['a b=sha256:12']", "list", "; item 1: its name is not 1 to 64 of [A-Za-z0-9_.@!-]"),
        ("[1]", "list", "; item 1 is of type integer"),
    ] {
        let expected = format!("21: metrics.pull_cache.tokens = (not shown) ({kind}): {tokens}{hint}");
        metrics(&[(&format!("pull_cache.tokens = {value}"), &expected)]);
    }
    let built = Config::new().pull_cache_tokens(["hunter2"]).validate().unwrap_err().to_string();
    assert_eq!(
        built,
        format!("builder: metrics.pull_cache.tokens = (not shown) (list): {tokens}; item 1: it has no name")
    );
    variables(&[(
        "FERROMETER_PULL_CACHE__TOKENS",
        "hunter2",
        &format!("metrics.pull_cache.tokens = (not shown) (list): {tokens}; item 1: it has no name"),
    )]);
    metrics(&[
        (
            "pull_cache.allowed_hosts = ['a', 'http://b']",
            &format!(
                "28: metrics.pull_cache.allowed_hosts = ['a', 'http://b'] (list): {hosts}; item 2: it is given without scheme, brackets and port"
            ),
        ),
        (
            "pull_cache.allowed_hosts = ['a', 'a']",
            &format!("28: metrics.pull_cache.allowed_hosts = ['a', 'a'] (list): {hosts}; item 2 is there twice"),
        ),
        (
            "pull_cache.max_query_bytes = 10",
            "30: metrics.pull_cache.max_query_bytes = 10 (integer): expected an integer from 64 to 65536",
        ),
    ]);
}
