//! A real Prometheus: usage equals what is computed from the raw samples, for every method, function and mutation; over TLS too; and of
//! a program that it scraped.

mod support;

use ferrometer_collector::client::{Client, Limits, Series, When};
use ferrometer_collector::number::text;
use ferrometer_collector::query::Ranges;
use ferrometer_collector::{Boundaries, Cause, Collector, Config, DataPoint, scope};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use support::{Folder, Prometheus, blocks, until};

/// Begin of the document's period, 13:00 of 30 January 2019; it ends at 14:00.
const BEGIN: i64 = 1_548_853_200;
const PERIOD: i64 = 3600;
const HOSTILE: &str = "we\"ird\\n}s\nor vector(1)";

/// A series of three hours, a sample a minute, on the boundaries too.
struct Raw {
    namespace: &'static str,
    container: &'static str,
    volume: &'static str,
    pod: &'static str,
}

const SERIES: [Raw; 6] = [
    Raw { namespace: "foobar", container: "a", volume: "ssd", pod: "x" },
    Raw { namespace: "foobar", container: "a", volume: "ssd", pod: "y" },
    Raw { namespace: "foobar", container: "a", volume: "hdd", pod: "x" },
    Raw { namespace: "foobar", container: "b", volume: "", pod: "x" },
    Raw { namespace: "other", container: "a", volume: "ssd", pod: "x" },
    Raw { namespace: HOSTILE, container: "a", volume: "ssd", pod: "x" },
];

fn openmetrics() -> String {
    let mut out = String::from("# TYPE container_memory_usage_bytes gauge\n");
    let mut random = 88_172_645_463_325_252u64;
    for raw in &SERIES {
        let escaped = raw.namespace.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        for minute in 0..=180 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            // Quarters of small numbers, negative ones too: every sum of them is a float.
            let value = (random % 2048) as f64 / 4.0 - 128.0;
            let at = BEGIN - PERIOD + minute * 60;
            let labels =
                format!("container_id=\"{}\",volume_type=\"{}\",pod=\"{}\"", raw.container, raw.volume, raw.pod);
            let _ = writeln!(out, "container_memory_usage_bytes{{namespace=\"{escaped}\",{labels}}} {value} {at}");
        }
    }
    out.push_str("# EOF\n");
    out
}

fn config(folder: &Folder, server: &str, metrics: &str) -> Config {
    let conf =
        format!("[collect]\nscope_key = namespace\nmetrics_conf = metrics.yml\n[collector_prometheus]\n{server}\n");
    folder.write("metrics.yml", metrics);
    Config::load(&folder.write("cloudkitty.conf", conf), None).unwrap()
}

fn collector(config: Config) -> Collector {
    Collector::new(Client::new(&config.server, Limits::default()).unwrap(), config)
}

/// One definition for each method, function and mutation.
fn definitions() -> Vec<(String, String)> {
    let groups = "unit: x, groupby: [container_id], metadata: [volume_type]";
    let mut all = Vec::new();
    for method in ["avg", "count", "max", "min", "stddev", "stdvar", "sum"] {
        let mut add = |name: String, fields: &str, args: &str| {
            let args = format!("extra_args: {{aggregation_method: {method}{args}}}");
            all.push((name.clone(), format!("{{{groups}, alt_name: {name}, {fields}{args}}}")));
        };
        add(format!("{method}-none"), "", "");
        for mutation in ["NUMBOOL", "NOTNUMBOOL", "FLOOR", "CEIL"] {
            add(format!("{method}-{mutation}"), &format!("mutate: {mutation}, factor: 0.125, offset: 1, "), "");
        }
        add(format!("{method}-MAP"), "mutate: MAP, mutate_map: {0: 1, 60: 7, 120: 9}, ", "");
        for function in ["abs", "ceil", "floor", "sqrt"] {
            // Roots of what is negative are no numbers.
            if function == "sqrt" && !["count", "stddev", "stdvar"].contains(&method) {
                continue;
            }
            add(format!("{method}-{function}"), "", &format!(", query_function: {function}"));
        }
        for function in ["changes", "idelta"] {
            add(format!("{method}-{function}"), "", &format!(", range_function: {function}"));
        }
        add(format!("{method}-around"), "", ", query_prefix: \"2 *\", query_suffix: \"+ 1\"");
    }
    all
}

fn aggregate(method: &str, values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    match method {
        "avg" => mean,
        "count" => n,
        "max" => values.iter().copied().fold(f64::MIN, f64::max),
        "min" => values.iter().copied().fold(f64::MAX, f64::min),
        "stddev" => variance.sqrt(),
        "stdvar" => variance,
        "sum" => values.iter().sum(),
        other => panic!("{other}"),
    }
}

/// The quantity of a group, from the raw samples of each of its series in the period.
fn expected(name: &str, series: &[Vec<f64>]) -> f64 {
    let (method, what) = name.split_once('-').unwrap();
    let of_series = series.iter().map(|samples| match what {
        "changes" => samples.windows(2).filter(|w| w[0] != w[1]).count() as f64,
        "idelta" => samples[samples.len() - 1] - samples[samples.len() - 2],
        "abs" => aggregate(method, samples).abs(),
        "ceil" => aggregate(method, samples).ceil(),
        "floor" => aggregate(method, samples).floor(),
        "sqrt" => aggregate(method, samples).sqrt(),
        _ => aggregate(method, samples),
    });
    let value = aggregate(method, &of_series.collect::<Vec<_>>());
    let converted = value * 0.125 + 1.0;
    match what {
        "NUMBOOL" => f64::from(converted != 0.0),
        "NOTNUMBOOL" => f64::from(converted == 0.0),
        "FLOOR" => converted.floor(),
        "CEIL" => converted.ceil(),
        "MAP" => {
            [(0.0, 1.0), (60.0, 7.0), (120.0, 9.0)].iter().find(|(from, _)| *from == value).map_or(0.0, |(_, to)| *to)
        }
        "around" => 2.0 * value + 1.0,
        _ => value,
    }
}

/// Samples of a period by group, as `(container_id, volume_type)`.
fn groups(raw: &[Series], begin: i64, closed: bool) -> BTreeMap<(String, String), Vec<Vec<f64>>> {
    let mut groups: BTreeMap<_, Vec<Vec<f64>>> = BTreeMap::new();
    for series in raw {
        let label = |name: &str| series.labels.get(name).cloned().unwrap_or_default();
        let inside = series.samples.iter().filter(|(at, _)| {
            let (first, last) = (begin * 1000, (begin + PERIOD) * 1000);
            *at <= last && (*at > first || (closed && *at == first))
        });
        let values: Vec<f64> = inside.map(|(_, text)| text.parse().unwrap()).collect();
        if !values.is_empty() {
            groups.entry((label("container_id"), label("volume_type"))).or_default().push(values);
        }
    }
    groups
}

fn group_of(point: &DataPoint) -> (String, String) {
    let find = |labels: &[(Arc<str>, String)], name: &str| labels.iter().find(|(k, _)| &**k == name).unwrap().1.clone();
    (find(&point.groupby, "container_id"), find(&point.metadata, "volume_type"))
}

/// Collects three periods at once and one by one, and compares each quantity with the raw samples.
fn compare(config: Config) -> usize {
    let boundaries = config.options.boundaries;
    let collector = collector(config);
    let closed_server = collector.client().ranges().unwrap() == Ranges::Closed;
    let mut compared = 0;
    for (name, _) in SERIES.iter().map(|s| (s.namespace, ())).collect::<BTreeMap<_, _>>() {
        let scope: Arc<str> = name.into();
        let all = collector.collect(&scope, BEGIN - PERIOD, 3).unwrap();
        let mut single = Vec::new();
        for n in 0..3 {
            single.extend(collector.collect(&scope, BEGIN - PERIOD + n * PERIOD, 1).unwrap().points);
        }
        assert_eq!(all.points, single);
        let escaped = name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let query = format!("container_memory_usage_bytes{{namespace=\"{escaped}\"}}[5h]");
        let raw = collector.client().ask(&query, When::At(BEGIN + 3 * PERIOD)).unwrap().series;
        assert_eq!(raw.iter().map(|s| s.samples.len()).sum::<usize>(), 181 * raw.len());
        let mut by_period: BTreeMap<(i64, &str), Vec<&DataPoint>> = BTreeMap::new();
        for point in &all.points {
            by_period.entry((point.period.begin, &*point.metric)).or_default().push(point);
        }
        let definitions = definitions();
        assert_eq!(by_period.len(), 3 * definitions.len());
        for ((begin, metric), points) in by_period {
            // What looks at the way between samples keeps the sample that two periods share.
            let way = metric.ends_with("changes") || metric.ends_with("idelta");
            let groups = groups(&raw, begin, closed_server && (way || boundaries == Boundaries::AsServed));
            assert_eq!(points.len(), groups.len());
            for point in points {
                let expected = expected(metric, &groups[&group_of(point)]);
                let found: f64 = text(&point.qty).parse().unwrap_or(f64::NAN);
                // Nine digits; sums, extremes, counts and what is made of them have no more.
                let near = (found - expected).abs() <= expected.abs() * 1e-8;
                assert!(
                    near || found == expected,
                    "{metric} {begin} {:?}: {found}, expected {expected}",
                    group_of(point)
                );
                compared += 1;
            }
        }
    }
    compared
}

fn metrics() -> String {
    let definitions = definitions().into_iter().map(|(_, yaml)| yaml).collect::<Vec<_>>();
    format!("metrics:\n  container_memory_usage_bytes: [{}]\n", definitions.join(",\n    "))
}

#[test]
#[ignore = "needs prometheus and promtool"]
fn every_method_function_and_mutation_is_that_of_the_raw_samples() {
    let folder = Folder::new("methods");
    blocks(&folder.0, &openmetrics());
    let prometheus = Prometheus::start(&folder.0, "[]", &[]);
    let server = format!("prometheus_url = http://127.0.0.1:{}/api/v1", prometheus.port);
    let mut config = config(&folder, &server, &metrics());
    config.options.boundaries = Boundaries::AsServed;
    let as_served = compare(config.clone());
    config.options.boundaries = Boundaries::Once;
    let once = compare(config);
    assert!(once > 1000 && once == as_served, "{once} {as_served}");
}

#[test]
#[ignore = "needs prometheus and promtool"]
fn the_documents_period_and_what_is_no_number() {
    let folder = Folder::new("document");
    blocks(&folder.0, &openmetrics());
    let prometheus = Prometheus::start(&folder.0, "[]", &[]);
    let server = format!("prometheus_url = http://127.0.0.1:{}/api/v1", prometheus.port);
    let yaml = "metrics: {container_memory_usage_bytes: [
        {unit: GiB, groupby: [container_id], metadata: [volume_type]},
        {unit: x, alt_name: root, groupby: [container_id], extra_args: {aggregation_method: min, query_function: sqrt}},
        {unit: x, alt_name: infinite, groupby: [container_id], extra_args: {query_suffix: / 0}},
        {unit: x, alt_name: skipped, skip_datapoints_expression: 'datapoint[\"vol\"][\"qty\"] != 5'}], absent: {unit: x}}";
    let collector = collector(config(&folder, &server, &yaml.replace("\\\"", "\"")));
    let explained = &collector.explain("foobar", BEGIN + PERIOD)[0];
    assert_eq!(
        explained.0,
        r#"max(max_over_time(container_memory_usage_bytes{namespace="foobar"}[3600s])) by (namespace, container_id, volume_type)"#
    );
    assert!(explained.1.ends_with("&time=1548856800"), "{}", explained.1);
    let usage = collector.collect(&"foobar".into(), BEGIN, 1).unwrap();
    let first = &usage.points[0];
    let groupby: Vec<_> = first.groupby.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let calendar = ["week_of_the_year=04", "day_of_the_year=30", "month=1", "year=2019"];
    assert_eq!(groupby, [&["namespace=foobar", "container_id=a"][..], &calendar].concat());
    assert_eq!((first.period.begin, first.period.end), (1_548_853_200, 1_548_856_800));
    let count = |cause| usage.notices.iter().filter(|n| n.cause == cause).count();
    // Two containers: their least samples are negative, their largest over zero infinite; one quantity of all is skipped.
    assert_eq!(
        [Cause::NaN, Cause::Infinite, Cause::Skipped, Cause::NoData].map(count),
        [2, 2, 1, 1],
        "{:?}",
        usage.notices
    );
    assert_eq!(usage.points.len(), 3);
}

#[test]
#[ignore = "needs prometheus and promtool"]
fn scopes_are_found_and_hostile_ones_collected() {
    let folder = Folder::new("scopes");
    blocks(&folder.0, &openmetrics());
    let prometheus = Prometheus::start(&folder.0, "[]", &[]);
    let server = format!(
        "prometheus_url = http://127.0.0.1:{}/api/v1\n[fetcher_prometheus]\nmetric = container_memory_usage_bytes\nscope_attribute = \
         namespace\nfilters = volume_type:ssd",
        prometheus.port
    );
    let config = config(&folder, &server, "metrics: {container_memory_usage_bytes: {unit: x}}");
    let client = Client::new(&config.server, Limits::default()).unwrap();
    let found = scope::fetch(config.fetcher.as_ref().unwrap(), &client, BEGIN + PERIOD).unwrap();
    assert_eq!(found, ["foobar", "other", HOSTILE]);
    let collector = collector(config);
    for scope in found {
        let usage = collector.collect(&scope.as_str().into(), BEGIN, 1).unwrap();
        assert_eq!(usage.points.len(), 1);
        assert_eq!(usage.points[0].groupby[0].1, scope);
    }
    // Were the quotes open, this would be the sum of all.
    let injected = collector.collect(&"x\"} or container_memory_usage_bytes{namespace!=\"".into(), BEGIN, 1).unwrap();
    assert!(injected.points.is_empty() && injected.notices[0].cause == Cause::NoData);
}

/// Password whose hash the server has; both are of a public test vector.
const PASSWORD: &str = "U*U";
const HASH: &str = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

#[test]
#[ignore = "needs prometheus and promtool"]
fn over_tls_with_basic_authentication() {
    let folder = Folder::new("tls");
    blocks(&folder.0, &openmetrics());
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let ca = folder.write("ca.pem", made.cert.pem());
    folder.write("key.pem", made.signing_key.serialize_pem());
    let web = format!(
        "tls_server_config: {{cert_file: {0}/ca.pem, key_file: {0}/key.pem}}\nbasic_auth_users: {{foo: '{HASH}'}}\n",
        folder.0.display()
    );
    let web = folder.write("web.yml", web);
    let prometheus = Prometheus::start(&folder.0, "[]", &[format!("--web.config.file={}", web.display())]);
    let url = format!("prometheus_url = https://127.0.0.1:{}/api/v1\nprometheus_user = foo\n", prometheus.port);
    let with = |more: &str| config(&folder, &format!("{url}{more}"), &metrics());
    let compared = compare(with(&format!("prometheus_password = {PASSWORD}\ncafile = {}", ca.display())));
    assert!(compared > 1000, "{compared}");
    let refused = |more: &str| collector(with(more)).collect(&"foobar".into(), BEGIN, 1).unwrap_err().to_string();
    let wrong = refused(&format!("prometheus_password = hunter2\ncafile = {}", ca.display()));
    assert!(
        wrong.contains("the server answered 401: credentials are missing or wrong") && !wrong.contains("hunter2"),
        "{wrong}"
    );
    let unknown = refused(&format!("prometheus_password = {PASSWORD}"));
    assert!(unknown.contains("UnknownIssuer"), "{unknown}");
    let insecure = collector(with(&format!("prometheus_password = {PASSWORD}\ninsecure = true"))).collect(
        &"foobar".into(),
        BEGIN,
        1,
    );
    assert!(insecure.is_ok(), "{insecure:?}");
}

#[test]
#[ignore = "needs prometheus and promtool"]
fn of_a_program_that_was_scraped() {
    let folder = Folder::new("scraped");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap();
    let scrapes = Arc::new(AtomicU64::new(0));
    let counted = scrapes.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let n = counted.fetch_add(1, Ordering::Relaxed) + 1;
            let _ = stream.read(&mut [0; 4096]);
            let of = |metric: &str, value: u64| format!("{metric}{{namespace=\"s\",code=\"200\"}} {value}\n");
            let body = [of("requests_total", n * n), of("in_flight", n % 5), of("scraped", 1)].concat();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n";
            let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    let scrape = format!("[{{job_name: it, static_configs: [{{targets: ['{target}']}}]}}]");
    let prometheus = Prometheus::start(&folder.0, &scrape, &[]);
    until("thirty scrapes", || scrapes.load(Ordering::Relaxed) >= 30);
    let server = format!("prometheus_url = http://127.0.0.1:{}/api/v1", prometheus.port);
    let fields = |method| {
        format!("{{unit: x, alt_name: {method}, groupby: [code], extra_args: {{aggregation_method: {method}}}}}")
    };
    let of = |metric: &str| format!("{metric}: [{}]", ["sum", "avg", "min", "max"].map(fields).join(", "));
    let yaml = format!(
        "metrics: {{scraped: {{unit: x, extra_args: {{aggregation_method: sum}}}}, {}, {}}}",
        of("requests_total"),
        of("in_flight").replace("alt_name: ", "alt_name: f-")
    );
    let mut config = config(&folder, &server, &yaml);
    config.period = 1;
    let collector = collector(config);
    let raw = |metric: &str| {
        let query = format!("{metric}{{namespace=\"s\"}}[1h]");
        let now = ferrometer_collector::period::now();
        collector.client().ask(&query, When::At(now)).unwrap().series.remove(0).samples
    };
    let (requests, in_flight) = (raw("requests_total"), raw("in_flight"));
    let begin = requests[0].0.div_euclid(1000) - 1;
    let periods = (requests[requests.len() - 1].0.div_euclid(1000) - begin) as usize;
    let usage = collector.collect(&"s".into(), begin, periods).unwrap();
    assert!(periods >= 4 && usage.points.len() >= 9 * 4, "{periods}");
    for point in &usage.points {
        let samples = if point.metric.starts_with("f-") { &in_flight } else { &requests };
        let inside = samples.iter().filter(|(at, _)| *at > point.period.begin * 1000 && *at <= point.period.end * 1000);
        let values: Vec<f64> = inside.map(|(_, text)| text.parse().unwrap()).collect();
        let expected = match &*point.metric {
            "scraped" => values.len() as f64,
            metric => aggregate(metric.trim_start_matches("f-"), &values),
        };
        let found: f64 = text(&point.qty).parse().unwrap();
        assert!((found - expected).abs() <= expected * 1e-8, "{expected}: {point:?}");
    }
    // Summed over the periods, each sample was counted once.
    let counts =
        usage.points.iter().filter(|p| &*p.metric == "scraped").map(|p| text(&p.qty).parse::<usize>().unwrap());
    let last = (begin + periods as i64) * 1000;
    assert_eq!(counts.sum::<usize>(), requests.iter().filter(|(at, _)| *at <= last).count());
}
