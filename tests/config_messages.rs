//! Every bad configuration with the full message that it gets.
//!
//! One table of messages, to be read beside the reference; hence the length.

#![cfg(feature = "config-file")]

#[path = "support/configuration.rs"]
mod configuration;

use configuration::{DURATION, message, metrics, variables};
use ferrometer::config::{Config, Error, Rule, Transport, View};

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
        (
            "statsd_dialect = 'etsy'",
            "1: metrics.statsd_dialect: unknown key; did you mean `dialect` under [metrics.statsd]?",
        ),
        ("statsd_prot = 1", "1: metrics.statsd_prot: unknown key; did you mean `statsd_port`?"),
        (
            "pull_cache_http = true",
            "1: metrics.pull_cache_http: unknown key; did you mean `http` under [metrics.pull_cache]?",
        ),
        (
            "pull_cache_adress = ''",
            "1: metrics.pull_cache_adress: unknown key; did you mean `address` under [metrics.pull_cache]?",
        ),
        ("pull_cache.paht = ''", "12: metrics.pull_cache.paht: unknown key; did you mean `path`?"),
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
fn views_that_are_wrong() {
    let view = |lines: &str| format!("[[metrics.views]]\nmatch = 'a.*'\n{lines}");
    for (lines, expected) in [
        (
            "rename = 'a b'",
            "3:10: metrics.views[0].rename = 'a b' (string): expected a name of 1 to 512 bytes: parts of [A-Za-z0-9_*-], joined with dots; no name holds ` `: there it is `_`",
        ),
        (
            "rename = 'a::b'",
            "3:10: metrics.views[0].rename = 'a::b' (string): expected a name of 1 to 512 bytes: parts of [A-Za-z0-9_*-], joined with dots; did you mean \"a.b\"?",
        ),
        (
            "rename = 'a..b'",
            "3:10: metrics.views[0].rename = 'a..b' (string): expected a name of 1 to 512 bytes: parts of [A-Za-z0-9_*-], joined with dots; it has an empty part",
        ),
        (
            "rename = ''",
            "3:10: metrics.views[0].rename = '' (string): expected a name of 1 to 512 bytes: parts of [A-Za-z0-9_*-], joined with dots",
        ),
        (
            "rename = '*.*'",
            "1:1: metrics.views[0]: has 2 stars in `rename` and 1 in `match`; each needs one to take its text from",
        ),
        ("rename = 'ferrometer.*'", "1:1: metrics.views[0]: has a `rename` among ferrometer's own metrics"),
        ("", "1:1: metrics.views[0]: changes nothing: it has `match` alone"),
        (
            "drop = true\nunit = 'b'",
            "1:1: metrics.views[0]: has `drop` and more; of what is dropped nothing else can be said",
        ),
        ("drop = 1", "3:8: metrics.views[0].drop = 1 (integer): expected true or false"),
        (
            "drop_labels = ['a']\nkeep_labels = ['b']",
            "1:1: metrics.views[0]: has `drop_labels` and `keep_labels`; keep one of them",
        ),
        (
            "drop_labels = []",
            "3:15: metrics.views[0].drop_labels = [] (list): expected a list of 1 to 32 keys of labels; the list is empty",
        ),
        (
            "drop_labels = ['a', 'a']",
            "3:15: metrics.views[0].drop_labels = ['a', 'a'] (list): expected a list of 1 to 32 keys of labels; item 2 is there twice",
        ),
        (
            "labels = { drop = ['a'] }",
            "3:1: metrics.views[0].labels: unknown key; did you mean `drop_labels` or `keep_labels`?",
        ),
        ("rate = 0.5", "3:1: metrics.views[0].rate: unknown key; did you mean `sample_rate`?"),
        ("renam = 'b'", "3:1: metrics.views[0].renam: unknown key; did you mean `rename`?"),
        (
            "buckets = [1, 1]",
            "3:11: metrics.views[0].buckets = [1, 1] (list): expected a list of 1 to 200 numbers in rising order; item 2 is 1",
        ),
        (
            "sample_rate = 0",
            "3:15: metrics.views[0].sample_rate = 0 (integer): expected a number greater than 0 and at most 1",
        ),
        ("unit = 'b'\n[[metrics.views]]\nunit = 'b'", "4:1: metrics.views[1]: has no `match`"),
        (
            "unit = 'b'\n[[metrics.views]]\nmatch = 'a{1}'\nunit = 'b'",
            "5:9: metrics.views[1].match = 'a{1}' (string): expected 1 to 512 bytes of [A-Za-z0-9_.*-], in which each * stands for any text; no name holds `{`: there it is `_`",
        ),
    ] {
        assert_eq!(message(&view(lines)), format!("configuration:{expected}"), "\n{lines}");
    }
    file(&[(
        "[metrics.views]\nmatch = 'a'\n",
        "1:10: metrics.views: expected a list of tables, each begun with [[metrics.views]], found a value of type table",
    )]);
    let views = |count: usize| (0..count).fold(Config::new(), |config, _| config.view(View::new("a").dropped(true)));
    assert!(views(256).validate().is_ok());
    assert_eq!(views(257).validate().unwrap_err().to_string(), "builder: metrics.views[256]: is one more than 256");
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
        ("FERROMETER_DIALECT", "etsy", "unknown variable; did you mean FERROMETER_STATSD__DIALECT?"),
        ("FERROMETER_STATSD_TAGS", "a", "unknown variable; did you mean FERROMETER_STATSD__LABELS?"),
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
        ("statsd.histograms = 'g'", r#"21: metrics.statsd.histograms = 'g' (string): expected "h", "ms" or "d""#),
        ("statsd.timers = 'h'", r#"17: metrics.statsd.timers = 'h' (string): expected "ms" or "d""#),
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

/// A key is told by a word of it, by its beginning, by the word of other programs, and by what its value fits.
#[test]
fn keys_that_other_programs_call_otherwise() {
    metrics(&[
        ("port = 1", "1: metrics.port: unknown key; did you mean `statsd_port`?"),
        ("prefix = 'a'", "1: metrics.prefix: unknown key; did you mean `global_prefix`?"),
        ("influxdb.org = 'a'", "10: metrics.influxdb.org: unknown key; did you mean `organization`?"),
        ("influxdb.database = 'a'", "10: metrics.influxdb.database: unknown key; did you mean `bucket`?"),
        ("graphite.host = 'a'", "10: metrics.graphite.host: unknown key; did you mean `server`?"),
        ("otlp.endpoint = 'a'", "6: metrics.otlp.endpoint: unknown key; did you mean `url`?"),
        ("pull_cache.tls = true", "12: metrics.pull_cache.tls: unknown key; did you mean `tls_cert` or `tls_key`?"),
        ("http = true", "1: metrics.http: unknown key; did you mean `http` under [metrics.pull_cache]?"),
    ]);
}

#[test]
fn backends_that_other_programs_call_otherwise() {
    let expected = r#"expected "noop", "statsd", "prometheus", "pull-cache", "graphite", "influxdb", "otlp", "remote-write" or "archive", or a list of them"#;
    for (word, meant) in [
        ("otel", r#""otlp""#),
        ("OpenTelemetry", r#""otlp""#),
        ("datadog", r#""statsd", with metrics.statsd.dialect = "dogstatsd""#),
        ("telegraf", r#""statsd", with metrics.statsd.dialect = "telegraf""#),
        ("carbon", r#""graphite""#),
        ("victoriametrics", r#""remote-write""#),
        ("none", r#""noop""#),
        ("http", r#""pull-cache", with metrics.pull_cache.http = true"#),
    ] {
        metrics(&[(
            &format!("backend = '{word}'"),
            &format!("11: metrics.backend = '{word}' (string): {expected}; did you mean {meant}?"),
        )]);
    }
    metrics(&[(
        "backend = ['statsd', 'otel']",
        &format!(
            r#"11: metrics.backend = ['statsd', 'otel'] (list): {expected}; "otel" is unknown; did you mean "otlp"?"#
        ),
    )]);
}

#[test]
fn variables_that_are_nearly_right() {
    let empty = "the variable is empty; unset it to leave the key as it is";
    variables(&[
        (
            "FERROMETER_PREPEND_HOST",
            "True",
            r#"metrics.prepend_host = "True" (string): expected true or false; did you mean true?"#,
        ),
        (
            "FERROMETER_PREPEND_HOST",
            "FALSE",
            r#"metrics.prepend_host = "FALSE" (string): expected true or false; did you mean false?"#,
        ),
        (
            "FERROMETER_PREPEND_HOST",
            "",
            &format!(r#"metrics.prepend_host = "" (string): expected true or false; {empty}"#),
        ),
        (
            "FERROMETER_STATSD__INTERVAL",
            "",
            &format!(r#"metrics.statsd.interval = "" (string): expected {DURATION}, from 10ms to 24h; {empty}"#),
        ),
        (
            "FERROMETER_PULL_CACHE__ALLOWED_HOSTS",
            "",
            &format!(
                r#"metrics.pull_cache.allowed_hosts = "" (string): expected a list of host names or IP addresses; {empty}"#
            ),
        ),
        ("FERROMETER_METRICS__BACKEND", "statsd", "unknown variable; did you mean FERROMETER_BACKEND?"),
        ("FERROMETER_METRICS_STATSD_HOST", "a", "unknown variable; did you mean FERROMETER_STATSD_HOST?"),
        ("FERROMETER_METRICS__STATSD__DIALECT", "a", "unknown variable; did you mean FERROMETER_STATSD__DIALECT?"),
    ]);
    metrics(&[(
        "prepend_host = 'true'",
        "16: metrics.prepend_host = 'true' (string): expected true or false; did you mean true?",
    )]);
}

#[test]
fn a_key_given_twice_is_named_with_its_first_place() {
    for (toml, expected) in [
        (
            "[metrics]\nbackend = 'a'\nbackend = 'b'\n",
            "3:1: not TOML: duplicate key `backend`; it is given first at configuration:2:1",
        ),
        (
            "[metrics]\nhost = 'a'\n[metrics.statsd]\npath = ''\n[metrics.graphite]\npath = 'a'\nport = 1\npath = 'b'\n",
            "8:1: not TOML: duplicate key `path`; it is given first at configuration:6:1",
        ),
        (
            "[metrics]\nhost = 'a'\n\n[server]\n[metrics]\nstatsd_port = 1\n",
            "5:2: not TOML: duplicate key `metrics`; it is given first at configuration:1:2",
        ),
        (
            "[metrics]\nstatsd = { path = 'a' }\npath = 'b'\npath = 'c'\n",
            "4:1: not TOML: duplicate key `path`; it is given first at configuration:3:1",
        ),
    ] {
        file(&[(toml, expected)]);
    }
}

#[test]
fn documents_in_another_language_are_called_by_it() {
    let toml = "a configuration is written as TOML: [metrics], and below it backend = \"statsd\"";
    for (text, language) in [
        ("{\n  \"metrics\": {\"backend\": \"statsd\"}\n}\n", "JSON"),
        ("# ours\nmetrics:\n  backend: statsd\n", "YAML"),
        ("---\nmetrics:\n  backend: statsd\n", "YAML"),
        ("<metrics backend=\"statsd\"/>\n", "XML"),
    ] {
        let message = message(text);
        assert!(message.starts_with("configuration:"), "{message}");
        assert!(message.contains(": not TOML: "), "{message}");
        assert!(message.ends_with(&format!("; it looks like {language}, and {toml}")), "{message}");
    }
    // A slip in a TOML document is none of these.
    assert!(!message("[metrics]\nbackend: 'statsd'\n").contains("looks like"));

    let scratch = ferrometer_testkit::Scratch::new("config-utf16");
    let path = scratch.path().join("metrics.toml");
    let little: Vec<u8> = "\u{feff}[metrics]\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let unmarked: Vec<u8> = "[metrics]\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
    for bytes in [little, unmarked] {
        std::fs::write(&path, bytes).unwrap();
        let error = Config::from_file_with(&path, [("", ""); 0]).unwrap_err();
        assert_eq!(error.to_string(), format!("{}:1:1: the file is UTF-16; save it as UTF-8", path.display()));
    }
}

#[test]
fn a_relative_path_is_told_with_its_directory() {
    let error = Config::from_file_with("not/there.toml", [("", ""); 0]).unwrap_err();
    let directory = std::env::current_dir().unwrap();
    assert!(matches!(&error, Error::Read { cause, .. } if cause.kind() == std::io::ErrorKind::NotFound));
    let (message, end) = (error.to_string(), format!("; it was looked for in {}", directory.display()));
    assert!(message.starts_with("not/there.toml: cannot be read: ") && message.ends_with(&end), "{message}");
}

/// Errors that are found when a configuration is put in force have the place of their key too.
#[cfg(all(feature = "influxdb", feature = "http", feature = "tls"))]
#[test]
fn errors_of_init_have_a_place() {
    let scratch = ferrometer_testkit::Scratch::new("config-places");
    let place = scratch.path().join("metrics.toml");
    let refused = |toml: &str, variables: &[(&str, &str)]| {
        std::fs::write(&place, toml).unwrap();
        let config = Config::from_file_with(&place, variables.iter().copied()).unwrap();
        let message = ferrometer::init(config).unwrap_err().to_string();
        message.replace(&format!("{}", place.display()), "metrics.toml")
    };
    let cache = "[metrics]\nbackend = 'pull-cache'\n[metrics.pull_cache]\nhttp = true\naddress = '127.0.0.1:0'\n";
    let directory = std::env::current_dir().unwrap();
    let directory = directory.display();
    for (toml, variables, expected) in [
        (
            format!("{cache}tls_cert = 'a.crt'\n"),
            &[][..],
            format!(
                "metrics.toml:6:12: metrics.pull_cache.tls_cert is set and metrics.pull_cache.tls_key is not; they are needed together; the path is looked up in {directory}"
            ),
        ),
        (
            "[metrics]\nbackend = 'prometheus'\n[metrics.prometheus]\ntls_cert = '/a.crt'\n".to_owned(),
            &[],
            "metrics.toml:4:12: metrics.pull_cache.tls_cert is set and metrics.pull_cache.tls_key is not; they are needed together"
                .to_owned(),
        ),
        (
            "[metrics]\nbackend = 'influxdb'\ninfluxdb.proto = 'https'\n".to_owned(),
            &[("FERROMETER_INFLUXDB__CA", "ca.pem")],
            format!(
                "environment variable FERROMETER_INFLUXDB__CA: metrics.influxdb.ca = \"ca.pem (No such file or directory (os error 2))\": expected a file with certificates as PEM; the path is looked up in {directory}"
            ),
        ),
    ] {
        assert_eq!(refused(&toml, variables), expected);
    }
    for (line, key, place) in [
        ("tokens_file = '/nowhere/tokens'", "metrics.pull_cache.tokens_file", "6:15"),
        ("path = '/nowhere/nope'", "metrics.pull_cache.path", "6:8"),
    ] {
        let message = refused(&format!("{cache}{line}\n"), &[]);
        assert!(message.starts_with(&format!("metrics.toml:{place}: {key}")), "{message}");
        assert!(message.contains(line.split('\'').nth(1).unwrap()), "{message}");
    }
    #[cfg(target_os = "linux")]
    assert_eq!(
        refused(&format!("{cache}path = '/proc/nope'\n"), &[]),
        "metrics.toml:6:8: metrics.pull_cache.path: /proc/nope: no directory can be made there: No such file or directory (os error 2)"
    );
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let message = refused(cache, &[("FERROMETER_PULL_CACHE__ADDRESS", &address)]);
    let expected = format!(
        "environment variable FERROMETER_PULL_CACHE__ADDRESS: metrics.pull_cache.address = \"{address}\": cannot be listened on: "
    );
    assert!(message.starts_with(&expected), "{message}");

    // A value that the program has changed since is no longer the file's.
    let config = Config::from_toml(&format!("{cache}tls_cert = '/a.crt'\n")).unwrap().pull_cache_tls_cert("/b.crt");
    let message = ferrometer::init(config).unwrap_err().to_string();
    assert!(message.starts_with("metrics.pull_cache.tls_cert is set"), "{message}");
}

/// Settings that contradict each other are said, with the place of the one that has no effect.
#[test]
fn contradictions_are_warnings() {
    let warnings = |toml: &str| Config::from_toml(&format!("[metrics]\n{toml}\n")).unwrap().warnings();
    for (toml, expected) in [
        (
            "backend = 'statsd'\npull_cache.http = true",
            "configuration:3:19: metrics.pull_cache.http = true has no effect: metrics.backend has no \"pull-cache\"",
        ),
        (
            "backend = 'pull-cache'\npull_cache.interval = '1h'\npull_cache.window = '1m'",
            "configuration:4:21: metrics.pull_cache.window = \"1m\" is shorter than metrics.pull_cache.interval = \"1h\": no old generation is kept",
        ),
        (
            "backend = 'pull-cache'\npull_cache.interval = '1h'",
            "configuration:3:23: metrics.pull_cache.interval = \"1h\" is longer than metrics.pull_cache.window = \"30m\": no old generation is kept",
        ),
        (
            "backend = 'prometheus'\nprometheus.idle_after = '5s'",
            "configuration:3:25: metrics.pull_cache.idle_after = \"5s\" is shorter than metrics.pull_cache.interval = \"10s\": a series with labels may be hidden before it is shown",
        ),
        (
            "backend = 'pull-cache'\npull_cache.proxmox = true",
            "configuration:3:22: metrics.pull_cache.proxmox = true has no effect: metrics.pull_cache.http = false, so nothing is served",
        ),
        (
            "backend = 'pull-cache'\npull_cache.http = true\n[[metrics.pull_cache.peers]]\nname = 'b'\nurl = 'https://b'",
            "configuration:4:22: metrics.pull_cache.peers have no effect: metrics.pull_cache.proxmox = false",
        ),
        (
            "backend = 'statsd'\nstatsd.path = '/run/s'",
            "configuration:3:15: metrics.statsd.path has no effect: metrics.statsd.transport = \"udp\", and a socket is for \"unix\"",
        ),
        (
            "backend = 'statsd'\nprepend_host_reverse = true",
            "configuration:3:24: metrics.prepend_host_reverse = true has no effect: metrics.prepend_host = false",
        ),
        (
            "backend = 'statsd'\nprometheus.address = '127.0.0.1:1'\nprometheus.interval = '5s'",
            "configuration:4:23: metrics.pull_cache.interval (or metrics.prometheus.interval) has no effect: metrics.backend has no \"pull-cache\" and no \"prometheus\"",
        ),
        (
            "backend = 'prometheus'\notlp.compression = 'none'",
            "configuration:3:20: metrics.otlp.compression has no effect: metrics.backend has no \"otlp\"",
        ),
        (
            "backend = 'influxdb'\ninfluxdb.token = 'hush'",
            "configuration:3:18: metrics.influxdb.token has no effect: metrics.influxdb.proto = \"udp\", and datagrams carry no token",
        ),
    ] {
        assert_eq!(warnings(toml), [expected], "{toml}");
    }
    for fine in [
        "backend = 'pull-cache'\npull_cache.http = true\npull_cache.idle_after = 0",
        "backend = 'noop'\npull_cache.http = true",
        "backend = 'prometheus'\npull_cache.address = '127.0.0.1:1'",
        "backend = 'statsd'\nprometheus.address = '127.0.0.1:1'\nmetric_servers.path = '/s'",
        "backend = 'statsd'\nstatsd.transport = 'unix'\nstatsd.path = '/run/s'\nprepend_host = true\nprepend_host_reverse = true",
    ] {
        assert!(warnings(fine).is_empty(), "{fine}");
    }
    let variable = [("FERROMETER_BACKEND", "statsd"), ("FERROMETER_PULL_CACHE__PROXMOX", "1")];
    assert_eq!(
        Config::from_env_with(variable).unwrap().warnings(),
        [
            "environment variable FERROMETER_PULL_CACHE__PROXMOX: metrics.pull_cache.proxmox = true has no effect: metrics.backend has no \"pull-cache\""
        ]
    );
}
