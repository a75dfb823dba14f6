//! A real Prometheus: usage equals an independent sum of the raw samples, for every method, function and mutation; over TLS too; and of
//! a program with ferrometer that it scraped. VictoriaMetrics agrees where it means the same.

mod program;
mod raw;
mod sums;
#[path = "../../../tests/support/mod.rs"]
mod support;

use ferrometer_collector::client::{Client, Limits, When};
use ferrometer_collector::number::text;
use ferrometer_collector::{Boundaries, Cause, Config, scope};
use program::Program;
use raw::*;
use std::collections::BTreeMap;
use std::path::PathBuf;
use sums::{Stretch, compare, compare_with};
use support::{Folder, Prometheus, blocks, until};

const METRIC: &str = "container_memory_usage_bytes";

/// The samples of [`openmetrics`].
fn hours() -> Stretch<'static> {
    Stretch { metric: METRIC, scopes: &["foobar", "other", HOSTILE], begin: BEGIN - PERIOD, periods: 3 }
}

#[test]
#[ignore = "needs prometheus and promtool"]
fn every_method_function_and_mutation_is_that_of_the_raw_samples() {
    let folder = Folder::new("methods");
    blocks(&folder.0, &openmetrics());
    let prometheus = Prometheus::start(&folder.0, "[]", &[]);
    let server = format!("prometheus_url = http://127.0.0.1:{}/api/v1", prometheus.port);
    let mut config = config(&folder, &server, &metrics(METRIC));
    config.options.boundaries = Boundaries::AsServed;
    let as_served = compare(config.clone(), &hours());
    config.options.boundaries = Boundaries::Once;
    let once = compare(config, &hours());
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

/// Writes a certificate, and the settings of a server that shows it and asks for user and password. Returns both paths.
fn secured(folder: &Folder) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let ca = folder.write("ca.pem", made.cert.pem());
    folder.write("key.pem", made.signing_key.serialize_pem());
    let web = format!(
        "tls_server_config: {{cert_file: {0}/ca.pem, key_file: {0}/key.pem}}\nbasic_auth_users: {{foo: '{HASH}'}}\n",
        folder.0.display()
    );
    (ca, folder.write("web.yml", web))
}

#[test]
#[ignore = "needs prometheus and promtool"]
fn over_tls_with_basic_authentication() {
    let folder = Folder::new("tls");
    blocks(&folder.0, &openmetrics());
    let (ca, web) = secured(&folder);
    let prometheus = Prometheus::start(&folder.0, "[]", &[format!("--web.config.file={}", web.display())]);
    let url = format!("prometheus_url = https://127.0.0.1:{}/api/v1\nprometheus_user = foo\n", prometheus.port);
    let with = |more: &str| config(&folder, &format!("{url}{more}"), &metrics(METRIC));
    let compared = compare(with(&format!("prometheus_password = {PASSWORD}\ncafile = {}", ca.display())), &hours());
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

/// Lets a Prometheus scrape the program for some periods, and compares what is collected of it with the raw samples.
fn scraped(config: impl Fn(&str) -> Config) {
    let mut of_usage = config(&metrics(program::USAGE));
    of_usage.period = 3;
    let client = Client::new(&of_usage.server, Limits::default()).unwrap();
    let samples = |metric: &str| {
        let query = format!("{metric}{{namespace=\"s\"}}[1h]");
        client.ask(&query, When::At(ferrometer_collector::period::now())).map(|a| a.series)
    };
    until("the program is scraped", || samples(program::USAGE).is_ok_and(|series| series.len() == 4));
    let begin = samples(program::USAGE).unwrap()[0].samples[0].0.div_euclid(1000) + 2;
    until("four periods are over", || ferrometer_collector::period::now() > begin + 4 * 3 + 1);
    let stretch = Stretch { metric: program::USAGE, scopes: &["s"], begin, periods: 4 };
    let mut compared = compare(of_usage.clone(), &stretch);
    // A counter, of which a rate is made; it grows, so that its logarithms and its variance are there.
    let mut of_work = config(&metrics(program::WORK));
    of_work.period = 3;
    compared += compare(of_work, &Stretch { metric: program::WORK, ..stretch });
    assert!(compared > 1500, "{compared}");

    // Summed over the periods, each sample was counted once.
    let yaml = format!("metrics: {{{}: {{unit: x, extra_args: {{aggregation_method: sum}}}}}}", program::ONE);
    let mut of_ones = config(&yaml);
    of_ones.period = 3;
    let usage = collector(of_ones).collect(&"s".into(), begin, 4).unwrap();
    let counted: f64 = usage.points.iter().map(|p| text(&p.qty).parse::<f64>().unwrap()).sum();
    let inside = |at: i64| at > begin * 1000 && at <= (begin + 12) * 1000;
    let there = samples(program::ONE).unwrap()[0].samples.iter().filter(|(at, _)| inside(*at)).count();
    assert!(there > 12 && counted == there as f64, "{counted} of {there}");
}

#[test]
#[ignore = "needs prometheus"]
fn of_a_program_with_ferrometer_that_was_scraped() {
    let folder = Folder::new("scraped");
    let program = Program::start("");
    let scrape = format!("[{{job_name: it, static_configs: [{{targets: ['127.0.0.1:{}']}}]}}]", program.port);
    let prometheus = Prometheus::start(&folder.0, &scrape, &[]);
    let server = format!("prometheus_url = http://127.0.0.1:{}/api/v1", prometheus.port);
    scraped(|yaml| config(&folder, &server, yaml));
}

#[test]
#[ignore = "needs prometheus"]
fn of_a_program_with_ferrometer_that_was_scraped_all_over_tls() {
    let folder = Folder::new("scraped-tls");
    let (ca, web) = secured(&folder);
    let files = folder.0.display();
    // SHA-256 of "foo".
    let token = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
    let program = Program::start(&format!(
        "tls_cert = \"{files}/ca.pem\"\ntls_key = \"{files}/key.pem\"\ntokens = [\"prometheus=sha256:{token}\"]\n"
    ));
    let scrape = format!(
        "[{{job_name: it, scheme: https, tls_config: {{ca_file: {files}/ca.pem}}, authorization: {{credentials: foo}}, \
         static_configs: [{{targets: ['127.0.0.1:{}']}}]}}]",
        program.port
    );
    let prometheus = Prometheus::start(&folder.0, &scrape, &[format!("--web.config.file={}", web.display())]);
    let server = format!(
        "prometheus_url = https://127.0.0.1:{}/api/v1\nprometheus_user = foo\nprometheus_password = {PASSWORD}\ncafile = {}",
        prometheus.port,
        ca.display()
    );
    scraped(|yaml| config(&folder, &server, yaml));
}

/// The program that is scraped, as a process of its own.
#[test]
#[ignore = "is the program of the tests above"]
fn child() {
    program::run();
}

/// VictoriaMetrics differs in the functions of the way between samples, each of which is listed in docs/collector.md; in all else it
/// agrees. A function that differs no more, or differs newly, fails.
#[test]
#[ignore = "needs victoria-metrics"]
fn victoria_metrics_agrees() {
    let folder = Folder::new("victoria");
    let server = support::Victoria::start(&folder.0);
    let samples = openmetrics().replace("# EOF\n", "");
    let lines = samples.lines().filter(|l| !l.starts_with('#')).map(|l| format!("{l}000\n"));
    server.import(&lines.collect::<String>());
    let url = format!("prometheus_url = http://127.0.0.1:{}/api/v1", server.port);
    let config = config(&folder, &url, &metrics(METRIC));
    let asked = config.clone();
    let client = Client::new(&config.server, Limits::default()).unwrap();
    until("the samples are there", || {
        let count = client
            .ask("count(count_over_time(container_memory_usage_bytes[5h]))", When::At(BEGIN + 2 * PERIOD))
            .unwrap();
        count.series.first().is_some_and(|s| s.samples[0].1 == SERIES.len().to_string())
    });
    let mut differs: BTreeMap<String, String> = BTreeMap::new();
    let compared = compare_with(config, &hours(), &mut |function, message| {
        differs.entry(function.to_owned()).or_insert(message);
    });
    assert!(compared > 1000, "{compared}");
    let differ: Vec<&str> = differs.keys().map(String::as_str).collect();
    assert_eq!(differ, ["changes", "delta", "irate", "rate", "round"], "{differs:#?}");
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
