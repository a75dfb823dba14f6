//! A real Prometheus: usage equals what is computed from the raw samples, for every method, function and mutation; over TLS too; and of
//! a program that it scraped. VictoriaMetrics agrees where it means the same.

mod raw;
#[path = "../support/mod.rs"]
mod support;

use ferrometer_collector::client::{Client, Limits, When};
use ferrometer_collector::number::text;
use ferrometer_collector::{Boundaries, Cause, scope};
use raw::*;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use support::{Folder, Prometheus, blocks, until};

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
    // A week later there are none any more, but there were.
    let week = BEGIN + 7 * 86_400;
    let fetcher = config.fetcher.as_ref().unwrap();
    assert!(scope::fetch(fetcher, &client, week).unwrap().is_empty());
    assert_eq!(scope::fetch_during(fetcher, &client, BEGIN - 7 * 86_400, week).unwrap(), found);
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

/// VictoriaMetrics counts the change from the sample before the range too, so `changes` is left out here.
#[test]
#[ignore = "needs victoria-metrics"]
fn victoria_metrics_agrees() {
    let folder = Folder::new("victoria");
    let server = support::Victoria::start(&folder.0);
    let samples = openmetrics().replace("# EOF\n", "");
    let lines = samples.lines().filter(|l| !l.starts_with('#')).map(|l| format!("{l}000\n"));
    server.import(&lines.collect::<String>());
    let url = format!("prometheus_url = http://127.0.0.1:{}/api/v1", server.port);
    let mut config = config(&folder, &url, &metrics());
    config.definitions.retain(|d| d.range_function != Some("changes"));
    let asked = config.clone();
    let client = Client::new(&config.server, Limits::default()).unwrap();
    until("the samples are there", || {
        let count = client
            .ask("count(count_over_time(container_memory_usage_bytes[5h]))", When::At(BEGIN + 2 * PERIOD))
            .unwrap();
        count.series.first().is_some_and(|s| s.samples[0].1 == SERIES.len().to_string())
    });
    let compared = compare(config);
    assert!(compared > 1000, "{compared}");
    // Periods that begin anywhere, more of them than it has in one page of its cache.
    let mut odd = asked;
    odd.period = 60;
    let collector = collector(odd);
    let (begin, count) = (BEGIN - 17, 100);
    let together = collector.collect(&"foobar".into(), begin, count).unwrap();
    let mut single = Vec::new();
    for n in 0..count as i64 {
        single.extend(collector.collect(&"foobar".into(), begin + 60 * n, 1).unwrap().points);
    }
    assert_eq!(together.points, single);
}
