//! Every bad configuration with the full message that it gets.
#![cfg(feature = "config-file")]

#[path = "support/configuration.rs"]
mod configuration;

use configuration::{DURATION, message, metrics, variables};
use ferrometer::config::{Config, Error, Rule, Transport};

fn file(cases: &[(&str, &str)]) {
    for (toml, expected) in cases {
        assert_eq!(message(toml), format!("configuration:{expected}"), "\n{toml}");
    }
}

#[test]
fn unknown_keys() {
    metrics(&[
        ("statsd_hsot = 1", "1: metrics.statsd_hsot: unknown key; did you mean `statsd_host`?"),
        ("Statsd-Port = 1", "1: metrics.Statsd-Port: unknown key; did you mean `statsd_port`?"),
        ("statds = {}", "1: metrics.statds: unknown key; did you mean `statsd`?"),
        ("limit.max_loggers = 1", "1: metrics.limit: unknown key; did you mean `limits`?"),
        ("colour = 1", "1: metrics.colour: unknown key"),
        ("dialect = 'etsy'", "1: metrics.dialect: unknown key; did you mean `dialect` under [metrics.statsd]?"),
        ("statsd.host = 'a'", "8: metrics.statsd.host: unknown key; did you mean `statsd_host` under [metrics]?"),
        ("statsd.dialct = 'a'", "8: metrics.statsd.dialct: unknown key; did you mean `dialect`?"),
        ("'statsd.dialect' = 'etsy'", "1: metrics.statsd.dialect: unknown key"),
        ("'' = 1", "1: metrics.: unknown key"),
        (r#""a\nb\u202e" = 1"#, r"1: metrics.a\nb\u{202e}: unknown key"),
        ("limits.max_thread = 1", "8: metrics.limits.max_thread: unknown key; did you mean `max_threads`?"),
        ("pull_cache.adress = ''", "12: metrics.pull_cache.adress: unknown key; did you mean `address`?"),
    ]);
    let long = "x".repeat(500);
    metrics(&[(&format!("{long} = 1"), &format!("1: metrics.{}…: unknown key", &long[..72]))]);
    file(&[("[metrics_statsd]\nport = 1\n", "2:1: metrics_statsd.port: unknown key; did you mean `statsd_port`?")]);
}

#[test]
fn names_at_the_top() {
    file(&[
        ("[metric]\n", "1:2: metric: unknown table; did you mean [metrics]?"),
        ("[Metrics]\n", "1:2: Metrics: unknown table; did you mean [metrics]?"),
        ("[metrics_statd]\n", "1:2: metrics_statd: unknown table; did you mean [metrics_statsd]?"),
        ("[metrics-statsd]\n", "1:2: metrics-statsd: unknown table; did you mean [metrics_statsd]?"),
        ("[metrics_pull_cache]\n", "1:2: metrics_pull_cache: unknown table; did you mean [metrics.pull_cache]?"),
        ("[metrics-limits]\n", "1:2: metrics-limits: unknown table; did you mean [metrics.limits]?"),
        (
            "['metrics.loggers']\n",
            "1:2: metrics.loggers: unknown table; did you mean [metrics.loggers], without quotes?",
        ),
        ("\n  [ metrcis.statsd ]\n", "2:5: metrcis: unknown table; did you mean [metrics]?"),
        ("backend = 'statsd'\n", "1:1: backend: stands outside of any table; it belongs under [metrics]"),
        ("statsd_port = 0\n", "1:1: statsd_port: stands outside of any table; it belongs under [metrics]"),
        ("metrics = 3\n", "1:1: metrics: expected a table, found a value of type integer"),
        ("[[metrics]]\n", "1:3: metrics: expected a table, found a value of type list"),
        ("metrics.statsd = 'a'\n", "1:9: metrics.statsd: expected a table, found a value of type string"),
        ("metrics.loggers = true\n", "1:9: metrics.loggers: expected a table, found a value of type boolean"),
    ]);
}

#[test]
fn conflicts() {
    file(&[
        (
            "[metrics]\nstatsd_host = 'a'\n[metrics_statsd]\nstatsd_host = 'b'\n",
            "4:15: metrics_statsd.statsd_host = 'b': conflicts with metrics.statsd_host = \"a\" (configuration:2:15); keep one of them",
        ),
        (
            "[metrics_statsd]\nstatsd_port = 1\n[metrics]\nstatsd_port = 2\n",
            "2:15: metrics_statsd.statsd_port = 1: conflicts with metrics.statsd_port = 2 (configuration:4:15); keep one of them",
        ),
        (
            "[metrics.statsd]\ntransport = 'unix'\n",
            "2:13: metrics.statsd.transport = \"unix\" (string): needs metrics.statsd.path, the path of a socket",
        ),
    ]);
    variables(&[(
        "FERROMETER_STATSD__TRANSPORT",
        "unix",
        "metrics.statsd.transport = \"unix\" (string): needs metrics.statsd.path, the path of a socket",
    )]);
}

#[test]
fn rules() {
    let rate = "expected a number greater than 0 and at most 1";
    let rule = |line: &str, expected: &str| {
        file(&[(&format!("[metrics.loggers.'nova.compute']\n{line}\n"), &format!("2:{expected}"))]);
    };
    for (value, kind) in [
        ("0", "integer"),
        ("-1", "integer"),
        ("2", "integer"),
        ("1.5", "float"),
        ("1.0000001", "float"),
        ("nan", "float"),
        ("0.0", "float"),
        ("'a'", "string"),
    ] {
        let expected = format!(r#"15: metrics.loggers."nova.compute".sample_rate = {value} ({kind}): {rate}"#);
        rule(&format!("sample_rate = {value}"), &expected);
    }
    rule("enabled = 0", r#"11: metrics.loggers."nova.compute".enabled = 0 (integer): expected true or false"#);
    rule("samplerate = 1", r#"1: metrics.loggers."nova.compute".samplerate: unknown key; did you mean `sample_rate`?"#);
    file(&[
        (
            "[metrics.loggers.nova.compute]\nenabled = false\n",
            r#"1:23: metrics.loggers."nova".compute: unknown key; a logger's name is quoted: [metrics.loggers."nova.compute"]"#,
        ),
        (
            "[metrics.loggers]\nnova = false\n",
            r#"2:1: metrics.loggers."nova": expected a table, found a value of type boolean"#,
        ),
        ("[metrics.loggers.'']\n", r#"1:18: metrics.loggers."": a logger's name is not empty"#),
        ("[metrics.loggers.'a..b']\n", r#"1:18: metrics.loggers."a..b": a logger's name has no empty part"#),
        ("[metrics.loggers.'a.']\n", r#"1:18: metrics.loggers."a.": a logger's name has no empty part"#),
        (
            "[metrics.loggers.'a b']\n",
            r#"1:18: metrics.loggers."a b": a logger's name has no spaces or control characters"#,
        ),
        (
            "[metrics.loggers.'a.b']\n[metrics.loggers.'a::b']\n",
            r#"2:18: metrics.loggers."a.b": this logger has a rule already"#,
        ),
    ]);
}

#[test]
fn there_are_not_more_rules_than_can_be_compared() {
    let rules = |count: usize| (0..count).fold(Config::new(), |config, i| config.rule(Rule::new(format!("a.{i}"))));
    assert!(rules(4096).validate().is_ok());
    assert_eq!(
        rules(4097).validate().unwrap_err().to_string(),
        "builder: metrics.loggers.\"a.4096\": there are more than 4096 rules"
    );
}

/// The tables are not read in the order of the file, but reported so.
#[test]
fn problems_come_in_the_order_of_the_file() {
    let message = message("[metrics_statsd]\nstatsd_port = 0\n[metrics]\nhsot = 1\n");
    let places: Vec<&str> = message.lines().skip(1).filter_map(|line| line.trim().split(": ").next()).collect();
    assert_eq!(places, ["configuration:2:15", "configuration:4:1"]);
}

#[test]
fn unknown_variables() {
    variables(&[
        ("FERROMETER_STATSD_HSOT", "a", "unknown variable; did you mean FERROMETER_STATSD_HOST?"),
        ("FERROMETER_STATSD_DIALECT", "a", "unknown variable; did you mean FERROMETER_STATSD__DIALECT?"),
        ("FERROMETER_PULL_CACHE_HTTP", "1", "unknown variable; did you mean FERROMETER_PULL_CACHE__HTTP?"),
        ("FERROMETER_statsd_host", "1", "unknown variable; did you mean FERROMETER_STATSD_HOST?"),
        (
            "FERROMETER_LOGGERS__NOVA__ENABLED",
            "0",
            "unknown variable; rules for loggers cannot be given in the environment",
        ),
        (
            "FERROMETER_COLOUR",
            "0",
            "unknown variable; the prefix FERROMETER_ is reserved for the keys of the configuration",
        ),
        ("FERROMETER_", "0", "unknown variable; the prefix FERROMETER_ is reserved for the keys of the configuration"),
    ]);
}

#[cfg(unix)]
#[test]
fn variables_that_are_not_text() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    let bad = || OsString::from_vec(b"a\xff\n".to_vec());
    let error = Config::from_env_with([(OsString::from("FERROMETER_STATSD_HOST"), bad())]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "environment variable FERROMETER_STATSD_HOST: metrics.statsd_host = \"a\u{fffd}\\n\": is not UTF-8"
    );
    assert!(Config::from_env_with([(bad(), bad()), (OsString::from("OTHER"), bad())]).is_ok());
}

#[test]
fn documents_that_are_none() {
    // The parser's words are its own; the place and what it is about are ours.
    for (toml, place) in [
        ("[metrics\n", "1:9"),
        ("[metrics]\nbackend = \n", "2:11"),
        ("[metrics]\nbackend = 'a'\nbackend = 'b'\n", "3:1"),
        ("[metrics]\n# é\né = 'a\n", "3:1"),
    ] {
        let message = message(toml);
        assert!(message.starts_with(&format!("configuration:{place}: not TOML: ")), "{toml:?}: {message}");
    }
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let refused = |path: &std::path::Path| Config::from_file_with(path, [("", ""); 0]).unwrap_err();

    let path = directory.join("config_not_utf8.toml");
    std::fs::write(&path, b"[metrics]\nglobal_prefix = 'a\xffb'\n").unwrap();
    assert_eq!(refused(&path).to_string(), format!("{}:2:19: the byte 0xff is not UTF-8", path.display()));

    let path = directory.join("config_too_long.toml");
    std::fs::write(&path, "#".repeat((1 << 20) + 1)).unwrap();
    assert_eq!(refused(&path).to_string(), format!("{}: cannot be read: it is longer than 1 MiB", path.display()));

    let error = refused(directory);
    assert_eq!(error.to_string(), format!("{}: cannot be read: it is a directory", directory.display()));

    let path = directory.join("config_not_there.toml");
    let error = refused(&path);
    assert!(matches!(&error, Error::Read { cause, .. } if cause.kind() == std::io::ErrorKind::NotFound));
    assert!(error.to_string().starts_with(&format!("{}: cannot be read: ", path.display())), "{error}");
}

/// A named pipe is not waited for, and a device is not read.
#[cfg(all(unix, feature = "config-file"))]
#[test]
fn what_is_no_file_is_refused_by_its_kind() {
    let scratch = ferrometer_testkit::Scratch::new("config-pipe");
    let pipe = scratch.path().join("metrics.toml");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let refused = Config::from_file(&pipe).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("{}: cannot be read: it is a named pipe (FIFO), not a file", pipe.display())
    );
    let refused = Config::from_file("/dev/zero").unwrap_err();
    assert_eq!(refused.to_string(), "/dev/zero: cannot be read: it is a device, not a file");
}

#[test]
fn the_builder_is_checked_by_the_same_rules() {
    let refused = |config: Config| config.validate().unwrap_err().to_string();
    assert_eq!(
        refused(Config::new().statsd_port(0)),
        "builder: metrics.statsd_port = 0 (integer): expected an integer from 1 to 65535"
    );
    assert_eq!(
        refused(Config::new().backend_list(["noop", "statsd"])),
        r#"builder: metrics.backend = ["noop", "statsd"] (list): expected "noop", "statsd", "prometheus", "pull-cache", "graphite", "influxdb", "otlp", "remote-write" or "archive", or a list of them; "noop" switches everything off and stands alone"#
    );
    assert_eq!(
        refused(Config::new().statsd_interval(std::time::Duration::from_micros(1500))),
        format!(r#"builder: metrics.statsd.interval = "0.0015s" (duration): expected {DURATION}, from 10ms to 24h"#)
    );
    assert_eq!(
        refused(Config::new().statsd_transport(Transport::Unix)),
        "builder: metrics.statsd.transport = \"unix\" (string): needs metrics.statsd.path, the path of a socket"
    );
    assert_eq!(
        refused(Config::new().rule(Rule::new("a").sample_rate(f64::NAN))),
        "builder: metrics.loggers.\"a\".sample_rate = NaN (float): expected a number greater than 0 and at most 1"
    );
    assert_eq!(
        refused(Config::new().rule(Rule::new("a::b")).rule(Rule::new("a.b"))),
        "builder: metrics.loggers.\"a.b\": this logger has a rule already"
    );
}

/// The messages that `docs/configuration.md` shows are real ones, and all sources are reported at once.
#[test]
fn problems_are_reported_together() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("config_many.toml");
    std::fs::write(&path, "[metrics]\nbackend = 'statsd'\nstatsd_port = 70000\nstatsd_hsot = 'a'\n").unwrap();
    let error = Config::from_file_with(&path, [("FERROMETER_STATSD__DIALECT", "etsi")]).unwrap_err();
    let message = error.to_string().replace(path.to_str().unwrap(), "metrics.toml");
    let mut lines = message.lines();
    assert_eq!(lines.next(), Some("3 problems in the configuration:"));
    let page = include_str!("../docs/configuration.md");
    for line in lines {
        assert!(page.contains(&format!("\n{}\n", line.trim_start())), "docs/configuration.md lacks {line:?}");
    }
    let Error::Invalid(problems) = error else { panic!("{error:?}") };
    let keys: Vec<&str> = problems.iter().map(|problem| problem.key()).collect();
    assert_eq!(keys, ["metrics.statsd_port", "metrics.statsd_hsot", "metrics.statsd.dialect"]);
}

#[test]
fn a_backend_that_is_not_compiled_in_names_its_feature() {
    let error = Error::BackendNotCompiled { backend: "pull-cache".to_owned(), feature: "pull-cache" };
    assert_eq!(
        error.to_string(),
        "metrics.backend: \"pull-cache\" is not part of this build; enable the cargo feature \"pull-cache\" of ferrometer"
    );
}

#[test]
fn other_nodes() {
    let peers = |lines: &str| format!("[[metrics.pull_cache.peers]]\nname = 'b'\nurl = 'https://b'\n{lines}");
    let all = [
        ("tokn = 'x'", "4:1: metrics.pull_cache.peers[0].tokn: unknown key; did you mean `token`?"),
        (
            "token = \"hunter2\\n\"",
            "4:9: metrics.pull_cache.peers[0].token = (not shown) (string): expected 1 to 1024 printable ASCII characters without spaces",
        ),
        ("[[metrics.pull_cache.peers]]\nname = 'c'", "4:1: metrics.pull_cache.peers[1]: has no `url`"),
        (
            "[[metrics.pull_cache.peers]]\nname = 'b'\nurl = 'https://c'",
            "4:1: metrics.pull_cache.peers[1]: has the name of one before it",
        ),
    ];
    for (lines, expected) in all {
        assert_eq!(message(&peers(lines)), format!("configuration:{expected}"), "\n{lines}");
    }
    file(&[(
        "[metrics.pull_cache.peers.b]\nurl = ''\n",
        "1:21: metrics.pull_cache.peers: expected a list of tables, each begun with [[metrics.pull_cache.peers]], found a value of type table",
    )]);
    let twice = Config::new().peer(ferrometer::config::Peer::new("", "")).validate().unwrap_err().to_string();
    assert_eq!(twice, "builder: metrics.pull_cache.peers[0]: has no `name`");
}

/// Clients of other makes take the path of a socket as a URL.
#[test]
fn a_socket_is_a_path() {
    let expected = "expected a path of at most 107 bytes, without scheme and control characters";
    let scheme = |path: &str| format!("it is given without scheme; did you mean {path:?}?");
    for (path, hint) in [
        ("unix:///run/dsd.sock", scheme("/run/dsd.sock")),
        ("unixgram:///run/dsd.sock", scheme("/run/dsd.sock")),
        ("UNIX:/run/dsd.sock", scheme("/run/dsd.sock")),
        ("unix:dsd.sock", scheme("dsd.sock")),
        ("file:///run/dsd.sock", scheme("/run/dsd.sock")),
        ("udp://localhost:8125", scheme("localhost:8125")),
        ("/run/a\\u0007", "it holds a control character".to_owned()),
        ("/long", "it has 205 bytes".to_owned()),
    ] {
        let path = if path == "/long" { "/long".repeat(41) } else { path.to_owned() };
        let toml = format!("[metrics.statsd]\npath = \"{path}\"\n");
        let shown = if path.len() > 80 { format!("\"{}…", &path[..79]) } else { format!("\"{path}\"") };
        let wanted = format!("configuration:2:8: metrics.statsd.path = {shown} (string): {expected}; {hint}");
        assert_eq!(message(&toml), wanted);
    }
    for path in ["/run/dsd.sock", "C:\\\\run\\\\dsd.sock", "run/a:b", "a:b"] {
        let toml = format!("[metrics.statsd]\npath = \"{path}\"\n");
        assert!(Config::from_toml(&toml).is_ok(), "{path}");
    }
    let error = Config::new().statsd_transport(Transport::Unix).statsd_path("unix:///run/s").validate().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("builder: metrics.statsd.path = \"unix:///run/s\" (string): {expected}; {}", scheme("/run/s"))
    );
}

#[test]
fn the_form_of_statsd_lines() {
    let dialects = r#"expected "etsy", "dogstatsd", "telegraf", "gnocchi", "collectd", "plain" or "tagged""#;
    for (server, meant) in
        [("statsd", "etsy"), ("Datadog", "dogstatsd"), ("netdata", "plain"), ("vector", "tagged"), ("otel", "tagged")]
    {
        let expected =
            format!("18: metrics.statsd.dialect = '{server}' (string): {dialects}; did you mean \"{meant}\"?");
        metrics(&[(&format!("statsd.dialect = '{server}'"), &expected)]);
    }
    metrics(&[
        ("statsd.dialect = 'graphite'", &format!("18: metrics.statsd.dialect = 'graphite' (string): {dialects}")),
        (
            "statsd.labels = 'tags'",
            r#"17: metrics.statsd.labels = 'tags' (string): expected "folded", "dogstatsd" or "telegraf""#,
        ),
        (
            "statsd.values = 'packd'",
            r#"17: metrics.statsd.values = 'packd' (string): expected "single", "repeated" or "packed"; did you mean "packed"?"#,
        ),
        (
            "statsd.negative_gauges = true",
            r#"26: metrics.statsd.negative_gauges = true (boolean): expected "signed" or "zero-first""#,
        ),
        ("statsd.rates = 1", r#"16: metrics.statsd.rates = 1 (integer): expected "all" or "counters""#),
        ("statsd.histograms = 'd'", r#"21: metrics.statsd.histograms = 'd' (string): expected "h" or "ms""#),
        (
            "statsd.state_interval = '25h'",
            &format!("25: metrics.statsd.state_interval = '25h' (string): expected {DURATION}, from 0s to 24h"),
        ),
        (
            "statsd.negative_gauge = 'signed'",
            "8: metrics.statsd.negative_gauge: unknown key; did you mean `negative_gauges`?",
        ),
    ]);
}
