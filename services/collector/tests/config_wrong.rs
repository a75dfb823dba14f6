//! Files that are wrong: each fault is named with its file, line and key, what is allowed and what was meant.

#[path = "support/files.rs"]
mod files;
mod support;

use ferrometer_collector::Config;
use files::{GOOD, SERVER, folder_of, load};
use std::path::Path;

/// Lines of `cloudkitty.conf` in front of a good server, and what is said of them.
const WRONG_CONF: &[(&str, &str)] = &[
    (
        "[collect]\nperiod = hourly\n",
        "cloudkitty.conf:2: collect.period: found \"hourly\" (a string), expected a whole number of seconds from 1 to 31622400",
    ),
    (
        "[collect]\nperiod = 0\n",
        "cloudkitty.conf:2: collect.period: found \"0\" (a string), expected a whole number of seconds from 1 to 31622400",
    ),
    (
        "[collect]\nwait_periods = -1\n",
        "cloudkitty.conf:2: collect.wait_periods: found \"-1\" (a string), expected a whole number from 0 to 100000",
    ),
    (
        "[collect]\ncollector = gnocchi\n",
        "cloudkitty.conf:2: collect.collector: found \"gnocchi\", expected prometheus: this collector asks a Prometheus",
    ),
    ("[collect]\nscope_kye = x\n", "cloudkitty.conf:2: collect.scope_kye: is no key here; did you mean \"scope_key\"?"),
    (
        "[collect]\nscope_key = my-scope\n",
        "cloudkitty.conf:2: collect.scope_key: found \"my-scope\", expected a label of Prometheus: letters, digits and _, no digit first",
    ),
    (
        "[collector_promethus]\nx = 1\n",
        "cloudkitty.conf:1: [collector_promethus]: is no section; did you mean [collector_prometheus]?",
    ),
    ("period = 1\n", "cloudkitty.conf:1: a key stands below a section, such as [collect]"),
    ("[collect\n", "cloudkitty.conf:1: a section is written [name]"),
    ("[collect]\nperiod\n", "cloudkitty.conf:2: expected \"key = value\", a [section] or a comment"),
    ("  x\n", "cloudkitty.conf:1: a line that begins with white space continues a value, and there is none above it"),
    (
        "[ferrometer]\nprecise = maybe\n",
        "cloudkitty.conf:2: ferrometer.precise: found \"maybe\" (a string), expected true, 1, yes, on, false, 0, no or off",
    ),
    (
        "[ferrometer]\nby_order = documents\n",
        "cloudkitty.conf:2: ferrometer.by_order: found \"documents\" (a string), expected one of document, upstream; did you mean \"document\"?",
    ),
    (
        "[ferrometer]\nconcurrency = 0\n",
        "cloudkitty.conf:2: ferrometer.concurrency: found \"0\" (a string), expected a whole number from 1 to 1024",
    ),
    (
        "[ferrometer]\nprocessors = a, b\n",
        "cloudkitty.conf:2: ferrometer.processors: \"main\", the name of this processor, is not among a, b",
    ),
    (
        "[ferrometer]\nprocessor = ../x\n",
        "cloudkitty.conf:2: ferrometer.processors: found the name \"../x\", expected 1 to 64 letters, digits, - and _",
    ),
    (
        "[fetcher_prometheus]\nmetric = up\nfilters = a\n",
        "cloudkitty.conf:3: fetcher_prometheus.filters: found \"a\" (a string), expected label:value, label:value",
    ),
    (
        "[fetcher]\nbackend = prometheus\n",
        "cloudkitty.conf:2: fetcher_prometheus.metric: is missing: expected the metric whose series name the scopes",
    ),
    (
        "[orchestrator]\nskip_datapoints_expression = exit()\n",
        "cloudkitty.conf:2: orchestrator.skip_datapoints_expression: \"exit()\": character 1: expected datapoint, a number, a text in quotes, True, False, None, not or a bracket",
    ),
];

#[test]
fn every_wrong_value_of_the_configuration_is_named() {
    for (n, (lines, message)) in WRONG_CONF.iter().enumerate() {
        let folder = folder_of(
            &format!("conf{n}"),
            &[
                ("cloudkitty.conf", &format!("{lines}{SERVER}[collect]\nmetrics_conf = metrics.yml\n")),
                ("metrics.yml", GOOD),
            ],
        );
        assert_eq!(load(&folder, "cloudkitty.conf").unwrap_err(), *message);
    }
}

/// Lines of `[collector_prometheus]`, and what is said of them.
const WRONG_SERVER: &[(&str, &str)] = &[
    (
        "",
        "cloudkitty.conf:1: collector_prometheus.prometheus_url: is missing: expected the address of the server's API, such as http://127.0.0.1:9090/api/v1",
    ),
    (
        "prometheus_url = http://h:9090",
        "cloudkitty.conf:2: collector_prometheus.prometheus_url: has no path; did you mean http://h:9090/api/v1?",
    ),
    (
        "prometheus_url = http://h/api/v1\ntimeout = 0",
        "cloudkitty.conf:3: collector_prometheus.timeout: found \"0\" (a string), expected seconds, more than 0 and at most 86400",
    ),
    (
        "prometheus_url = http://h/api/v1\ninsecure = si",
        "cloudkitty.conf:3: collector_prometheus.insecure: found \"si\" (a string), expected true, 1, yes, on, false, 0, no or off",
    ),
    (
        "prometheus_url = http://h/api/v1\nclient_cert = c",
        "cloudkitty.conf:3: collector_prometheus.client_key: is missing: client_cert needs it",
    ),
    (
        "prometheus_url = http://h/api/v1\nprometheus_pasword = hunter2",
        "cloudkitty.conf:3: collector_prometheus.prometheus_pasword: is no key here; did you mean \"prometheus_password\"?",
    ),
    (
        "prometheus_url = http://h/api/v1\nbearer_token = t\nbearer_token_file = f",
        "cloudkitty.conf:4: collector_prometheus.bearer_token_file: and bearer_token are both set; one is taken",
    ),
    (
        "prometheus_url = http://h/api/v1\nbearer_token = t\nprometheus_user = u\nprometheus_password = p",
        "cloudkitty.conf:4: collector_prometheus.prometheus_user: is set, and a bearer token too; a request carries one of the two",
    ),
];

#[test]
fn every_wrong_value_of_a_server_is_named() {
    for (n, (lines, message)) in WRONG_SERVER.iter().enumerate() {
        let conf = format!("[collector_prometheus]\n{lines}\n[collect]\nmetrics_conf = metrics.yml\n");
        let folder = folder_of(&format!("server{n}"), &[("cloudkitty.conf", &conf), ("metrics.yml", GOOD)]);
        assert_eq!(load(&folder, "cloudkitty.conf").unwrap_err(), *message);
    }
}

/// Texts of `metrics.yml`, and what is said of them.
const WRONG_METRICS: &[(&str, &str)] = &[
    ("", "metrics.yml:1: metrics: is missing: expected a mapping from metrics to definitions"),
    (
        "metric: {}",
        "metrics.yml:1: metrics: is missing: expected a mapping from metrics to definitions; did you mean \"metrics\"?",
    ),
    ("metrics: {}", "metrics.yml:1: metrics: is empty: expected at least one metric"),
    ("metrics: [a]", "metrics.yml:1: metrics: found a list, expected a mapping from metrics to definitions"),
    ("metrics:\n  m: {}", "metrics.yml:2: metrics.m: found a mapping, expected a definition, with at least a unit"),
    (
        "metrics:\n  m: []",
        "metrics.yml:2: metrics.m: is an empty list: expected a definition, or a list of definitions",
    ),
    ("metrics:\n  m:\n    factor: 1", "metrics.yml:3: metrics.m.unit: is missing: expected a string, such as GiB"),
    (
        "metrics:\n  m:\n    unit: ''",
        "metrics.yml:3: metrics.m.unit: found \"\" (a string), expected a string that is not empty",
    ),
    (
        "metrics:\n  m:\n    unit: no",
        "metrics.yml:3: metrics.m.unit: found false (a boolean), expected a string that is not empty",
    ),
    (
        "metrics:\n  m:\n    unit: x\n    factor: 1/0",
        "metrics.yml:4: metrics.m.factor: found \"1/0\" (a string), expected a number or a fraction, such as 2, 0.5 or 1/1048576",
    ),
    (
        "metrics:\n  m:\n    unit: x\n    factor: 010",
        "metrics.yml:4: metrics.m.factor: found 010 (a number), expected a number or a fraction, such as 2, 0.5 or 1/1048576",
    ),
    (
        "metrics:\n  m:\n    unit: x\n    offset: .inf",
        "metrics.yml:4: metrics.m.offset: found \".inf\" (a string), expected a number or a fraction, such as 2, 0.5 or 1/1048576",
    ),
    (
        "metrics:\n  m:\n    unit: x\n    groupby: a",
        "metrics.yml:4: metrics.m.groupby: found \"a\" (a string), expected a list of strings that are not empty",
    ),
    (
        "metrics:\n  m:\n    unit: x\n    groupby:\n      - a\n      - 5",
        "metrics.yml:6: metrics.m.groupby: found 5 (a number), expected a list of strings that are not empty",
    ),
    (
        "metrics:\n  m:\n    unit: x\n    groupby: ['a) or b']",
        "metrics.yml:4: metrics.m.groupby: \"a) or b\" is no label of Prometheus: letters, digits and _, no digit first",
    ),
    (
        "metrics:\n  m:\n    unit: x\n    groupby: [a]\n    metadata: [a]",
        "metrics.yml:5: metrics.m.metadata: \"a\" stands in groupby already; a label is in one of the two",
    ),
    (
        "metrics:\n  m:\n    unit: x\n    mutate: NUMBOL",
        "metrics.yml:4: metrics.m.mutate: found \"NUMBOL\" (a string), expected one of NONE, NUMBOOL, NOTNUMBOOL, FLOOR, CEIL, MAP; did you mean \"NUMBOOL\"?",
    ),
    (
        "metrics:\n  m:\n    unit: x\n    mutate: MAP",
        "metrics.yml:4: metrics.m.mutate_map: is missing: mutate = MAP needs a mapping from numbers to numbers",
    ),
    (
        "metrics:\n  m:\n    unit: x\n    mutate_map: {1: 2}",
        "metrics.yml:4: metrics.m.mutate_map: needs mutate: MAP, and mutate is NONE",
    ),
    (
        "metrics:\n  m:\n    unit: x\n    mutate: MAP\n    mutate_map:\n      a: 2",
        "metrics.yml:6: metrics.m.mutate_map: found \"a\": 2 (a number), expected a number and a number",
    ),
    (
        "metrics:\n  m:\n    unit: x\n    extra_args:\n      aggregation_method: summ",
        "metrics.yml:5: metrics.m.extra_args.aggregation_method: found \"summ\" (a string), expected one of avg, count, max, min, stddev, stdvar, sum; did you mean \"sum\"?",
    ),
    (
        "metrics:\n  m:\n    unit: x\n    extra_args:\n      range_function: increase",
        "metrics.yml:5: metrics.m.extra_args.range_function: found \"increase\" (a string), expected one of changes, delta, deriv, idelta, irange, irate, rate",
    ),
    (
        "metrics:\n  m:\n    unit: x\n    extra_args:\n      range_function: irange",
        "metrics.yml:5: metrics.m.extra_args.range_function: Prometheus has no function \"irange\"; did you mean \"irate\"?",
    ),
    (
        "metrics:\n  m:\n    unit: x\n    extra_args:\n      query: up",
        "metrics.yml:5: metrics.m.extra_args.query: is no longer read: the query is written from groupby, metadata and extra_args.aggregation_method, with query_function, range_function, query_prefix and query_suffix where it needs more",
    ),
    (
        "metrics:\n  m:\n    unit: x\n    grouby: [a]",
        "metrics.yml:4: metrics.m.grouby: is no key here; did you mean \"groupby\"?",
    ),
    (
        "metrics:\n  m:\n    - unit: x\n    - unit: y",
        "metrics.yml:4: metrics.m[1]: the definition on line 3 has this name already; give one of them an alt_name of its own",
    ),
    ("metrics:\n  m:\n    unit: x\n    unit: y", "metrics.yml:4: the key \"unit\" stands on line 3 already"),
    ("metrics:\n  m: *nothing", "metrics.yml:2: while parsing node, found unknown anchor"),
    (
        "metrics:\n  m:\n    unit: x\n    skip_datapoints_expression: import os",
        "metrics.yml:4: metrics.m.skip_datapoints_expression: \"import os\": character 1: expected datapoint, a number, a text in quotes, True, False, None, not or a bracket",
    ),
    (
        "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]",
        "metrics.yml:6: the file has more than 200000 values",
    ),
];

#[test]
fn every_wrong_value_of_the_definitions_is_named() {
    for (n, (yaml, message)) in WRONG_METRICS.iter().enumerate() {
        let conf = format!("[collect]\nmetrics_conf = metrics.yml\n{SERVER}");
        let folder = folder_of(&format!("metrics{n}"), &[("cloudkitty.conf", &conf), ("metrics.yml", yaml)]);
        assert_eq!(load(&folder, "cloudkitty.conf").unwrap_err(), *message, "{yaml}");
    }
}

/// All keys by section; a list of lists is the value of none of them.
const KEYS: &[(&str, &[&str])] = &[
    ("collect", &["collector", "period", "wait_periods", "scope_key", "metrics_conf"]),
    ("collector_prometheus", SERVER_KEYS),
    ("fetcher", &["backend"]),
    ("fetcher_prometheus", SERVER_KEYS),
    ("fetcher_prometheus", &["metric", "scope_attribute", "filters"]),
    ("fetcher_source", &["sources"]),
    ("orchestrator", &["skip_datapoints_expression"]),
    (
        "ferrometer",
        &[
            "precise",
            "by_order",
            "boundaries",
            "concurrency",
            "periods_per_query",
            "max_reply_bytes",
            "retries",
            "processor",
            "processors",
            "state",
            "leases",
            "leases_cafile",
            "lease_seconds",
            "output",
            "format",
        ],
    ),
    ("ferrometer_archive", &["url", "user", "password", "policy", "resource_type", "cafile", "insecure", "timeout"]),
    (
        "metrics.m",
        &[
            "unit",
            "factor",
            "offset",
            "groupby",
            "metadata",
            "mutate",
            "mutate_map",
            "alt_name",
            "description",
            "skip_datapoints_expression",
            "extra_args",
        ],
    ),
    (
        "metrics.m.extra_args",
        &["aggregation_method", "query_function", "range_function", "query_prefix", "query_suffix"],
    ),
];

const SERVER_KEYS: &[&str] = &[
    "prometheus_url",
    "prometheus_user",
    "prometheus_password",
    "bearer_token",
    "bearer_token_file",
    "cafile",
    "insecure",
    "timeout",
    "client_cert",
    "client_key",
];

#[test]
fn no_key_takes_a_value_of_another_kind() {
    let mut tried = 0;
    for (section, keys) in KEYS {
        for key in *keys {
            let toml = format!("[{section}]\n{key} = [[1]]\n");
            let message = Config::from_texts(("c.toml", &toml), ("c.toml", "")).unwrap_err().to_string();
            let named = format!("c.toml:2: {section}.{key}: ");
            let told = message.lines().find(|line| line.starts_with(&named));
            assert!(
                told.is_some_and(|line| line.contains("expected") || line.contains("needs mutate: MAP")),
                "{section}.{key}: {message}"
            );
            tried += 1;
        }
    }
    assert!(tried > 60, "{tried}");
}

#[test]
fn an_archive_takes_the_place_of_a_file() {
    let load = |more: &str| {
        let conf = format!("{SERVER}[ferrometer_archive]\n{more}");
        Config::from_texts(("c.conf", &conf), ("m.yml", GOOD)).map_err(|e| e.to_string())
    };
    let archive =
        load("url = https://admin@archive.example/gnocchi/\ncafile = ca.pem\n").unwrap().options.archive.unwrap();
    assert_eq!((archive.policy, archive.resource_type.as_str()), (None, "ferrometer_usage"));
    assert_eq!(archive.server.cafile, Some("ca.pem".into()));
    for (more, says) in [
        ("", "ferrometer_archive.url: is missing: expected the address of the archive, such as http://127.0.0.1:8041"),
        (
            "url = archive:8041\n",
            "ferrometer_archive.url: expected an address such as http://127.0.0.1:8041: it begins with http:// or https://",
        ),
        ("ulr = http://h\n", "ferrometer_archive.ulr: is no key here; did you mean \"url\"?"),
        (
            "url = http://h\npolicy = a/b\n",
            "ferrometer_archive.policy: found \"a/b\", expected at most 255 bytes without a slash",
        ),
        (
            "url = http://h\n[ferrometer]\noutput = x\n",
            "ferrometer.output: is set, and [ferrometer_archive] too; data points go to one of the two",
        ),
    ] {
        let message = load(more).unwrap_err();
        assert!(message.contains(says), "{more}: {message}");
    }
}

#[test]
fn problems_of_both_files_are_told_together() {
    let conf = format!("[collect]\nperiod = x\nmetrics_conf = metrics.yml\n{SERVER}timeout = y\n");
    let folder = folder_of("both", &[("cloudkitty.conf", &conf), ("metrics.yml", "metrics: {m: {unit: 5}}")]);
    let message = load(&folder, "cloudkitty.conf").unwrap_err();
    assert_eq!(message.lines().count(), 3, "{message}");
}

#[test]
fn files_that_are_not_there_or_no_text() {
    let conf = format!("[collect]\nmetrics_conf = metrics.yml\n{SERVER}");
    let folder = folder_of("none", &[("cloudkitty.conf", &conf)]);
    assert!(load(&folder, "cloudkitty.conf").unwrap_err().starts_with("metrics.yml: cannot be read: "));
    assert!(load(&folder, "other.conf").unwrap_err().starts_with("other.conf: cannot be read: "));
    std::fs::write(folder.0.join("metrics.yml"), b"metrics:\n  \xff").unwrap();
    assert_eq!(load(&folder, "cloudkitty.conf").unwrap_err(), "metrics.yml: cannot be read: line 2 is no UTF-8");
    assert!(Config::load(Path::new("/dev/zero"), None).unwrap_err().to_string().contains("longer than"));
}

proptest::proptest! {
    /// No text of any of the three forms makes reading panic, and no refusal is without its file.
    #[test]
    fn any_text_is_read_or_refused(text in "(\\PC|[\n\t:=\\[\\]{}$&*#'\"|>-]){0,60}", form in 0usize..3) {
        let good = format!("{SERVER}[collect]\nmetrics_conf = metrics.yml\n");
        let prefix = ["", "metrics:\n  m: {unit: x}\n", ""][form];
        let name = ["cloudkitty.conf", "metrics.yml", "collector.toml"][form];
        let random = folder_of("random", &[("cloudkitty.conf", &good), ("metrics.yml", GOOD), (name, &format!("{prefix}{text}"))]);
        let read = load(&random, if form == 2 { name } else { "cloudkitty.conf" });
        if let Err(message) = read {
            proptest::prop_assert!(message.starts_with(name), "{}", message);
            proptest::prop_assert!(!message.replace('\n', "").chars().any(char::is_control), "{:?}", message);
        }
    }
}
