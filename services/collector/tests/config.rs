//! Files that are right: what CloudKitty reads is read unchanged, and the same in TOML means the same.

#[path = "support/files.rs"]
mod files;
mod support;

use ferrometer_collector::number::parse;
use ferrometer_collector::{Boundaries, ByOrder, Fetcher, Format, Method};
use files::{GOOD, SERVER, folder_of, load};
use std::time::Duration;

/// A file as CloudKitty's own documentation and packages write them.
const CONF: &str = r#"
[DEFAULT]
debug = false
transport_url = rabbit://openstack:pass@controller

[keystone_authtoken]
auth_section = ks_auth

# A comment
; another
[collect]
collector = prometheus
metrics_conf: metrics.yml
period = 1800
wait_periods = 1
scope_key = namespace
[orchestrator]
max_workers = 4

[collector_prometheus]
prometheus_url = https://prometheus.example.com:9090/api/v1/
prometheus_user = foo
prometheus_password = 'pa#ss;w=rd'
cafile = ca.pem
insecure = True
timeout = 2.5
[fetcher]
backend = prometheus
[fetcher_prometheus]
metric = up
scope_attribute = namespace
prometheus_url = http://other:9090/api/v1
filters = job:kube,
    zone:a
[ferrometer]
precise = yes
by_order = upstream
boundaries = as_served
concurrency = 3
format = csv
processor = a
processors = a, b
"#;

const METRICS: &str = r#"
metrics:
  cpu:
    - &cpu
      unit: instance
      alt_name: instance
      description: "processors"
      groupby: [flavor, "id"]
      metadata:
        - zone
      mutate: NUMBOOL
      extra_args: {aggregation_method: max, query_prefix: "2 *", query_suffix: "+ 1", range_function: rate, query_function: abs}
    - <<: *cpu
      alt_name: second
      mutate: MAP
      mutate_map:
        0: 5
        1.5: -2
  volume.size:
    unit: GiB
    factor: 1/1073741824
    offset: -1.5
    skip_datapoints_expression: 'datapoint.get("vol", {}).get("qty", 0) == 0'
"#;

#[test]
fn cloudkittys_files_are_read_unchanged() {
    let folder = folder_of("unchanged", &[("cloudkitty.conf", CONF), ("metrics.yml", METRICS)]);
    let config = load(&folder, "cloudkitty.conf").unwrap();
    assert_eq!((config.period, config.wait_periods, config.scope_key.as_str()), (1800, 1, "namespace"));
    let server = &config.server;
    assert_eq!(server.url, "https://prometheus.example.com:9090/api/v1");
    assert_eq!(
        (server.user.as_deref(), server.insecure, server.timeout),
        (Some("foo"), true, Duration::from_millis(2500))
    );
    assert_eq!(server.cafile.as_deref(), Some(folder.0.join("ca.pem").as_path()));
    assert_eq!(server.password, Some(ferrometer_collector::Secret::new("pa#ss;w=rd")));
    assert!(!format!("{config:?}").contains("pa#ss"));
    let Some(Fetcher::Prometheus { server, metric, attribute, filters }) = &config.fetcher else { panic!() };
    assert_eq!(
        (server.url.as_str(), metric.as_str(), attribute.as_str()),
        ("http://other:9090/api/v1", "up", "namespace")
    );
    assert_eq!(filters, &[("job".to_owned(), "kube".to_owned()), ("zone".to_owned(), "a".to_owned())]);
    let options = &config.options;
    assert_eq!(
        (options.precise, options.by_order, options.boundaries),
        (true, ByOrder::Upstream, Boundaries::AsServed)
    );
    assert_eq!((options.concurrency, options.format, options.processors.len()), (3, Format::Csv, 2));
    let names: Vec<_> = config.definitions.iter().map(|d| (d.key(), d.name().to_owned())).collect();
    let expected = [("cpu@#instance", "instance"), ("cpu@#second", "second"), ("volume.size", "volume.size")];
    assert_eq!(names, expected.map(|(key, name)| (key.to_owned(), name.to_owned())));
    let [first, second, third] = &config.definitions[..] else { panic!() };
    assert_eq!((first.method, first.range_function, first.query_function), (Method::Max, Some("rate"), Some("abs")));
    assert_eq!((first.query_prefix.as_str(), first.query_suffix.as_str()), ("2 *", "+ 1"));
    assert_eq!(
        (&first.groupby[..], &first.metadata[..]),
        (&["flavor".to_owned(), "id".to_owned()][..], &["zone".to_owned()][..])
    );
    assert_eq!(second.conversion.apply(&parse("1.5").unwrap(), false), parse("-2").unwrap());
    assert_eq!(third.conversion.apply(&parse("2147483648").unwrap(), false), parse("0.5").unwrap());
    assert!(third.skip.is_some() && first.skip.is_none());
    assert_eq!(config.warnings, [] as [String; 0]);
}

#[test]
fn the_same_in_toml_means_the_same() {
    let toml = r#"
[collect]
collector = "prometheus"
period = 1800
wait_periods = 1
scope_key = "namespace"
[collector_prometheus]
prometheus_url = "https://prometheus.example.com:9090/api/v1/"
prometheus_user = "foo"
prometheus_password = "pa#ss;w=rd"
cafile = "ca.pem"
insecure = true
timeout = 2.5
[fetcher_prometheus]
metric = "up"
scope_attribute = "namespace"
prometheus_url = "http://other:9090/api/v1"
[fetcher_prometheus.filters]
job = "kube"
zone = "a"
[ferrometer]
precise = true
by_order = "upstream"
boundaries = "as_served"
concurrency = 3
format = "csv"
processor = "a"
processors = ["a", "b"]

[[metrics.cpu]]
unit = "instance"
alt_name = "instance"
description = "processors"
groupby = ["flavor", "id"]
metadata = ["zone"]
mutate = "NUMBOOL"
extra_args = { aggregation_method = "max", query_prefix = "2 *", query_suffix = "+ 1", range_function = "rate", query_function = "abs" }
[[metrics.cpu]]
unit = "instance"
alt_name = "second"
description = "processors"
groupby = ["flavor", "id"]
metadata = ["zone"]
mutate = "MAP"
mutate_map = { 0 = 5, "1.5" = -2 }
extra_args = { aggregation_method = "max", query_prefix = "2 *", query_suffix = "+ 1", range_function = "rate", query_function = "abs" }
[metrics."volume.size"]
unit = "GiB"
factor = "1/1073741824"
offset = -1.5
skip_datapoints_expression = 'datapoint.get("vol", {}).get("qty", 0) == 0'
"#;
    let folder = folder_of("toml", &[("cloudkitty.conf", CONF), ("metrics.yml", METRICS), ("collector.toml", toml)]);
    assert_eq!(load(&folder, "collector.toml").unwrap(), load(&folder, "cloudkitty.conf").unwrap());
}

#[test]
fn keys_that_cloudkitty_has_and_this_does_not_are_a_remark() {
    let conf = format!("{SERVER}[collect]\nwindow = 1800\nmetrics_conf = metrics.yml\n");
    let folder = folder_of("remark", &[("cloudkitty.conf", &conf), ("metrics.yml", GOOD)]);
    let warnings = load(&folder, "cloudkitty.conf").unwrap().warnings;
    assert!(
        warnings.len() == 1
            && warnings[0].ends_with("cloudkitty.conf:4: collect.window: is not read by this collector"),
        "{warnings:?}"
    );
}

#[test]
fn leases_take_the_place_of_processors_and_state() {
    let leases = "leases = postgresql://ferrometer:hunter2@db/x\n";
    let load = |more: &str| {
        let conf = format!("[collect]\nmetrics_conf = metrics.yml\n{SERVER}[ferrometer]\n{leases}{more}");
        let files = [("cloudkitty.conf", &*conf), ("metrics.yml", GOOD)];
        load(&folder_of(&format!("leases{}", more.len()), &files), "cloudkitty.conf")
    };
    let both = load("state = here\n").unwrap_err();
    assert!(both.ends_with(
        "cloudkitty.conf:6: ferrometer.leases: takes the place of processors and state, and one of them is set too"
    ));
    match load("lease_seconds = 5\n") {
        Ok(config) => {
            assert!(cfg!(feature = "leases") && config.options.lease == Duration::from_secs(5));
            assert!(!format!("{config:?}").contains("hunter2"));
        }
        Err(message) => assert!(
            !cfg!(feature = "leases")
                && message.contains("the cargo feature \"leases\" of ferrometer-collector brings them"),
            "{message}"
        ),
    }
}

#[test]
fn values_of_other_keys_are_put_in() {
    let conf = r"
[DEFAULT]
host = prometheus.example
[collect]
metrics_conf = $scope_key.yml
scope_key = metrics
[collector_prometheus]
prometheus_url = https://${host}:9090/${collect.scope_key}/api/v1
prometheus_user = $$a\$b$none
prometheus_password = $
";
    let folder = folder_of("others", &[("cloudkitty.conf", conf), ("metrics.yml", GOOD)]);
    let config = load(&folder, "cloudkitty.conf").unwrap();
    assert_eq!(config.server.url, "https://prometheus.example:9090/metrics/api/v1");
    assert_eq!(config.server.user.as_deref(), Some("$a$b$none"));
    assert_eq!(config.server.password, Some(ferrometer_collector::Secret::new("$")));
}
