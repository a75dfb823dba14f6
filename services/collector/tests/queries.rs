//! Queries, character by character: the document's example, CloudKitty's forms, and scopes that try to get out of their quotes.

use ferrometer_collector::query::{Ranges, scopes, usage};
use ferrometer_collector::{ByOrder, Config, Definition};

/// Reads one definition from the text of `metrics.yml`.
fn definition(name: &str, yaml: &str) -> Definition {
    let folder = std::env::temp_dir().join(format!("ferrometer-queries-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let conf = "[collect]\nscope_key = namespace\nmetrics_conf = metrics.yml\n[collector_prometheus]\nprometheus_url = http://h/api/v1\n";
    std::fs::write(folder.join("cloudkitty.conf"), conf).unwrap();
    std::fs::write(folder.join("metrics.yml"), yaml).unwrap();
    let config = Config::load(&folder.join("cloudkitty.conf"), None).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    config.definitions[0].clone()
}

fn memory(name: &str, more: &str) -> Definition {
    let fields = "unit: GiB, groupby: [container_id], metadata: [volume_type]";
    definition(name, &format!("metrics: {{container_memory_usage_bytes: {{{fields}, extra_args: {{{more}}}}}}}"))
}

#[test]
fn the_documents_example() {
    let definition = memory("document", "aggregation_method: max");
    let query = |order, ranges| usage(&definition, "namespace", "foobar", 3600, order, ranges);
    assert_eq!(
        query(ByOrder::Document, Ranges::LeftOpen),
        r#"max(max_over_time(container_memory_usage_bytes{namespace="foobar"}[3600s])) by (namespace, container_id, volume_type)"#
    );
    assert_eq!(
        query(ByOrder::Upstream, Ranges::LeftOpen),
        r#"max(max_over_time(container_memory_usage_bytes{namespace="foobar"}[3600s])) by (container_id, namespace, volume_type)"#
    );
    assert_eq!(
        query(ByOrder::Document, Ranges::Closed),
        r#"max(max_over_time(container_memory_usage_bytes{namespace="foobar"}[3599999ms])) by (namespace, container_id, volume_type)"#
    );
}

#[test]
fn forms_of_cloudkitty() {
    let query = |more: &str, period| {
        let definition = memory(&more.replace(|c: char| !c.is_alphanumeric(), "-"), more);
        usage(&definition, "namespace", "foobar", period, ByOrder::Upstream, Ranges::LeftOpen)
    };
    let metric = r#"container_memory_usage_bytes{namespace="foobar"}"#;
    let by = "by (container_id, namespace, volume_type)";
    for method in ["avg", "min", "max", "sum", "count", "stddev", "stdvar"] {
        let expected = format!("{method}({method}_over_time({metric}[3600s])) {by}");
        assert_eq!(query(&format!("aggregation_method: {method}"), 3600), expected);
    }
    assert_eq!(query("query_function: abs", 3600), format!("max(abs(max_over_time({metric}[3600s]))) {by}"));
    assert_eq!(query("range_function: rate", 3600), format!("max(rate({metric}[3600s])) {by}"));
    let all = r#"aggregation_method: sum, query_function: abs, range_function: rate, query_prefix: "2 *", query_suffix: "+ 1""#;
    assert_eq!(query(all, 5), format!("2 * sum(abs(rate({metric}[5s]))) {by} + 1"));
}

#[test]
fn the_scope_key_stands_where_groupby_names_it() {
    let definition = definition("key", "metrics: {m: {unit: x, groupby: [a, namespace, b], metadata: [c]}}");
    let query = |order| usage(&definition, "namespace", "s", 60, order, Ranges::LeftOpen);
    assert!(query(ByOrder::Upstream).ends_with("by (a, namespace, b, c)"));
    assert!(query(ByOrder::Document).ends_with("by (namespace, a, b, c)"));
}

#[test]
fn functions_of_a_way_keep_the_whole_range_on_every_server() {
    let definition = memory("way", "range_function: rate");
    let query = |ranges| usage(&definition, "namespace", "s", 60, ByOrder::Document, ranges);
    assert_eq!(query(Ranges::Closed), query(Ranges::LeftOpen));
}

#[test]
fn nothing_in_a_scope_ends_its_quotes() {
    let definition = memory("hostile", "");
    for (scope, quoted) in [
        (r#"we"ird\ns"#, r#""we\"ird\\ns""#),
        (r#"x"} or vector(1) or y{z=""#, r#""x\"} or vector(1) or y{z=\"""#),
        ("a\nb\r\tc\0d", r#""a\nb\r\tc\u0000d""#),
        ("\u{85}ü", r#""\u0085ü""#),
        ("", r#""""#),
    ] {
        let query = usage(&definition, "namespace", scope, 60, ByOrder::Document, Ranges::LeftOpen);
        let expected = format!(
            "max(max_over_time(container_memory_usage_bytes{{namespace={quoted}}}[60s])) by (namespace, container_id, volume_type)"
        );
        assert_eq!(query, expected);
    }
}

#[test]
fn odd_metrics_go_through_their_name() {
    for (metric, selector) in [
        ("a.b", r#"{__name__="a.b", namespace="s"}"#),
        ("2xx", r#"{__name__="2xx", namespace="s"}"#),
        (r#"a"} or b{c=""#, r#"{__name__="a\"} or b{c=\"", namespace="s"}"#),
        ("sum", r#"{__name__="sum", namespace="s"}"#),
        ("Inf", r#"{__name__="Inf", namespace="s"}"#),
        ("job:x:rate5m", r#"job:x:rate5m{namespace="s"}"#),
    ] {
        let yaml = format!("metrics: {{{}: {{unit: x}}}}", serde_json::to_string(metric).unwrap());
        let name = metric.replace(|c: char| !c.is_alphanumeric(), "-");
        let query = usage(&definition(&name, &yaml), "namespace", "s", 60, ByOrder::Document, Ranges::LeftOpen);
        assert_eq!(query, format!("max(max_over_time({selector}[60s])) by (namespace)"));
    }
}

#[test]
fn queries_for_scopes() {
    let filters = [("k".to_owned(), "v".to_owned()), ("k2".to_owned(), "v\"2".to_owned())];
    assert_eq!(scopes("m", &filters, "project_id"), r#"max(m{k="v", k2="v\"2"}) by (project_id)"#);
    assert_eq!(scopes("m", &[], "project_id"), "max(m) by (project_id)");
    assert_eq!(scopes("m.n", &[], "project_id"), r#"max({__name__="m.n"}) by (project_id)"#);
}
