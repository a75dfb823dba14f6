//! No input makes the configuration panic, and no input gets past a check into a field.

use ferrometer::config::{Config, Error};
use proptest::prelude::*;

/// Pieces that are nearly a configuration: far more of them get past the parser than of random text.
fn piece() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "[metrics]\n",
        "[metrics.statsd]\n",
        "[metrics.pull_cache]\n",
        "[metrics.limits]\n",
        "[metrics_statsd]\n",
        "[metrics.loggers.\"a.b\"]\n",
        "[metrics.loggers.a.b]\n",
        "[[metrics]]\n",
        "[metric]\n",
        "metrics = ",
        "backend",
        "statsd_host",
        "statsd_port",
        "prepend_host",
        "global_prefix",
        "host",
        "dialect",
        "transport",
        "path",
        "interval",
        "max_datagram",
        "generations",
        "address",
        "timer_chunk",
        "max_cell_bytes",
        "enabled",
        "sample_rate",
        " = ",
        " = ",
        " = ",
        ".",
        "\n",
        "\n",
        "\r\n",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "\"",
        "'",
        "'''",
        "#",
        "true",
        "false",
        "0",
        "1",
        "-1",
        "8125",
        "70000",
        "0x7f",
        "1e400",
        "-0.0",
        "nan",
        "-inf",
        "0.1",
        "99999999999999999999999999999999999999999999",
        "-99999999999999999999999999999999999999999999",
        "1979-05-27T07:32:00Z",
        "\"statsd\"",
        "\"noop\"",
        "\"500ms\"",
        "\"1e9h\"",
        "\"\\u0000\"",
        "\"é\u{202e}\"",
        "\u{0}",
        "\u{feff}",
    ];
    prop_oneof![
        12 => proptest::sample::select(PIECES).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

fn line() -> impl Strategy<Value = String> {
    let key = proptest::sample::select(
        &[
            "backend",
            "statsd_host",
            "statsd_port",
            "prepend_host",
            "global_prefix",
            "host",
            "shutdown_deadline",
            "statsd.dialect",
            "statsd.transport",
            "statsd.path",
            "statsd.max_datagram",
            "statsd.interval",
            "pull_cache.interval",
            "pull_cache.generations",
            "pull_cache.window",
            "pull_cache.idle_after",
            "pull_cache.path",
            "pull_cache.address",
            "pull_cache.tokens",
            "pull_cache.allowed_hosts",
            "pull_cache.max_connections",
            "pull_cache.header_timeout",
            "limits.timer_chunk",
            "limits.max_cell_bytes",
            "limits.max_held_values",
            "loggers.a.sample_rate",
            "loggers.'b.c'.enabled",
            "nonsense",
        ][..],
    );
    let value = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        (-10i64..100_000).prop_map(|n| n.to_string()),
        (0u32..20).prop_map(|n| (1u64 << n).to_string()),
        any::<f64>().prop_map(|n| format!("{n:?}").to_lowercase().replace("e", "e+").replace("e+-", "e-")),
        (0.0..2.0f64).prop_map(|n| format!("{n:?}")),
        any::<bool>().prop_map(|n| n.to_string()),
        any::<String>().prop_map(|text| format!("{text:?}")),
        "(statsd|pull-cache|noop|etsy|tcp|unix|udp|[0-9]{1,3}(ms|s|m|h)|127.0.0.1:[0-9]{1,5})"
            .prop_map(|text| format!("{text:?}")),
        Just("['statsd', 'pull-cache']".to_owned()),
        Just("[]".to_owned()),
    ];
    (key, value).prop_map(|(key, value)| format!("{key} = {value}\n"))
}

/// Checks every answer: a good one passes its own check, a bad one has a message fit for a log.
fn answer(result: Result<Config, Error>) {
    match result {
        Ok(config) => {
            config.validate().expect("what was loaded is valid");
            assert!(config.statsd_port > 0 && !config.backends().is_empty());
            assert!(config.limits.timer_chunk.is_power_of_two() && config.limits.max_held_values > 0);
            assert!(
                config.rules().iter().all(|rule| { rule.sample_rate.is_none_or(|rate| rate > 0.0 && rate <= 1.0) })
            );
        }
        Err(error) => {
            let message = error.to_string();
            assert!(!message.trim().is_empty());
            assert!(
                message.lines().all(|line| line.len() < 1500 && !line.chars().any(char::is_control)),
                "{message:?}"
            );
            assert!(message.lines().count() <= 22);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in any::<String>()) {
        answer(Config::from_toml(&text));
    }

    #[test]
    fn nearly_toml(pieces in proptest::collection::vec(piece(), 0..30)) {
        answer(Config::from_toml(&pieces.concat()));
    }

    #[test]
    fn right_keys_with_any_values(lines in proptest::collection::vec(line(), 1..4)) {
        answer(Config::from_toml(&format!("[metrics]\n{}", lines.concat())));
    }

    #[test]
    fn rules_of_any_name(name in any::<String>(), rate in any::<f64>()) {
        let config = Config::new().rule(ferrometer::config::Rule::new(&name).sample_rate(rate));
        answer(config.validate().map(|()| config));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_variables(variables in proptest::collection::vec((any::<String>(), any::<String>()), 0..4), ours in any::<String>()) {
        let prefixed = variables.iter().map(|(name, value)| (format!("FERROMETER_{name}"), value.clone()));
        // A variable's name and value hold no NUL on any system, but the iterator may.
        answer(Config::from_env_with(prefixed));
        for key in ["BACKEND", "STATSD_HOST", "STATSD_PORT", "PREPEND_HOST", "STATSD__DIALECT", "STATSD__INTERVAL",
                    "PULL_CACHE__ADDRESS", "LIMITS__TIMER_CHUNK", "HOST", "STATSD__PATH"] {
            answer(Config::from_env_with([(format!("FERROMETER_{key}"), ours.clone())]));
        }
    }

    #[test]
    fn near_variables(name in "[A-Z_]{0,30}", number in prop_oneof![any::<f64>().prop_map(|n| n.to_string()), any::<i128>().prop_map(|n| n.to_string())]) {
        answer(Config::from_env_with([(format!("FERROMETER_{name}"), number.clone())]));
        for key in ["STATSD_PORT", "STATSD__INTERVAL", "LIMITS__MAX_CELL_BYTES", "SHUTDOWN_DEADLINE"] {
            answer(Config::from_env_with([(format!("FERROMETER_{key}"), number.clone())]));
        }
    }
}

#[test]
fn deep_nesting_is_refused_without_a_panic() {
    for text in [
        "[".repeat(200_000),
        format!("a = {}", "[".repeat(200_000)),
        format!("a = {}", "{a=".repeat(100_000)),
        "a.".repeat(200_000),
    ] {
        answer(Config::from_toml(&text));
    }
}
