//! `metrics.yml`: the definitions of what is measured, or `[metrics]` of a TOML file.

use super::reader::Reader;
use super::tree::{Entry, Node, Value};
use crate::definition::{Definition, Method, QUERY_FUNCTIONS, RANGE_FUNCTIONS};
use crate::error::{Problems, clean, hint};
use crate::expression::Expression;
use crate::label::is_label_name;
use crate::number::{Conversion, Mutate, Ratio, parse};
use bigdecimal::BigDecimal;

const MUTATIONS: &[&str] = &["NONE", "NUMBOOL", "NOTNUMBOOL", "FLOOR", "CEIL", "MAP"];

/// Reads the map `metrics` of a file whose root is `root`.
pub(crate) fn read(
    root: &Node,
    scope_key: &str,
    skip: Option<&Expression>,
    problems: &mut Problems,
) -> Vec<Definition> {
    let entries = match &root.value {
        Value::Map(entries) => entries.as_slice(),
        _ => &[],
    };
    let Some(metrics) = entries.iter().find(|e| e.key == "metrics") else {
        let near = hint(&entries.first().map_or_else(String::new, |e| e.key.clone()), ["metrics"]);
        problems.push(
            root.line,
            "metrics",
            format!("is missing: expected a mapping from metrics to definitions{near}"),
        );
        return Vec::new();
    };
    let Value::Map(metrics) = &metrics.node.value else {
        let found = metrics.node.value.shown();
        problems.push(
            metrics.line,
            "metrics",
            format!("found {found}, expected a mapping from metrics to definitions"),
        );
        return Vec::new();
    };
    if metrics.is_empty() {
        problems.push(root.line, "metrics", "is empty: expected at least one metric");
    }
    let mut definitions: Vec<(usize, Definition)> = Vec::new();
    for metric in metrics {
        for (path, node) in forms(metric, problems) {
            let Some(definition) = one(&metric.key, path.clone(), node, scope_key, skip, problems) else { continue };
            if let Some((line, _)) = definitions.iter().find(|(_, d)| d.key() == definition.key()) {
                let message = format!(
                    "the definition on line {line} has this name already; give one of them an alt_name of its own"
                );
                problems.push(node.line, path, message);
            }
            definitions.push((node.line, definition));
        }
    }
    definitions.into_iter().map(|(_, d)| d).collect()
}

/// The definitions of one metric: one, or a list of several.
fn forms<'a>(metric: &'a Entry, problems: &mut Problems) -> Vec<(String, &'a Node)> {
    let path = format!("metrics.{}", metric.key);
    match &metric.node.value {
        Value::List(items) if !items.is_empty() => {
            items.iter().enumerate().map(|(n, node)| (format!("{path}[{n}]"), node)).collect()
        }
        Value::List(_) => {
            problems.push(metric.node.line, path, "is an empty list: expected a definition, or a list of definitions");
            Vec::new()
        }
        _ => vec![(path, &metric.node)],
    }
}

fn one(
    metric: &str,
    path: String,
    node: &Node,
    scope_key: &str,
    skip: Option<&Expression>,
    problems: &mut Problems,
) -> Option<Definition> {
    let entries = match &node.value {
        Value::Map(entries) if !entries.is_empty() => entries,
        other => {
            problems.push(
                node.line,
                path,
                format!("found {}, expected a definition, with at least a unit", other.shown()),
            );
            return None;
        }
    };
    if metric.is_empty() {
        problems.push(node.line, path.clone(), "a metric needs a name");
    }
    let mut reader = Reader::new(path, entries);
    let unit = reader.text("unit", problems);
    if unit.is_none() && reader.line("unit") == 0 {
        problems.push(node.line, reader.path("unit"), "is missing: expected a string, such as GiB");
    }
    let factor = ratio(&mut reader, "factor", 1, problems);
    let offset = ratio(&mut reader, "offset", 0, problems);
    let mut groupby = labels(&mut reader, "groupby", problems);
    let metadata = labels(&mut reader, "metadata", problems);
    if let Some(twice) = metadata.iter().find(|l| groupby.contains(l)) {
        let message = format!("\"{}\" stands in groupby already; a label is in one of the two", clean(twice));
        problems.push(reader.line("metadata"), reader.path("metadata"), message);
    }
    if metadata.iter().any(|l| l == scope_key) {
        let message = format!("\"{}\" is the scope_key, by which quantities are grouped always", clean(scope_key));
        problems.push(reader.line("metadata"), reader.path("metadata"), message);
    }
    let mutate = mutation(&mut reader, problems);
    let alt_name = reader.text("alt_name", problems);
    let description = reader.text("description", problems);
    let expression = reader.text("skip_datapoints_expression", problems).and_then(|text| {
        Expression::parse(&text)
            .map_err(|message| {
                let key = reader.path("skip_datapoints_expression");
                problems.push(
                    reader.line("skip_datapoints_expression"),
                    key,
                    format!("\"{}\": {message}", clean(&text)),
                );
            })
            .ok()
    });
    let extra = match reader.node("extra_args").map(|n| (n.line, &n.value)) {
        None => &[],
        Some((_, Value::Map(entries))) => entries.as_slice(),
        Some((line, other)) => {
            problems.push(line, reader.path("extra_args"), format!("found {}, expected a mapping", other.shown()));
            &[]
        }
    };
    let mut args = Reader::new(reader.path("extra_args"), extra);
    let method = args.word("aggregation_method", Method::NAMES, problems).map_or(Method::Max, |n| Method::ALL[n]);
    let query_function = args.word("query_function", QUERY_FUNCTIONS, problems).map(|n| QUERY_FUNCTIONS[n]);
    let range_function = args.word("range_function", RANGE_FUNCTIONS, problems).map(|n| RANGE_FUNCTIONS[n]);
    if range_function == Some("irange") {
        problems.push(
            args.line("range_function"),
            args.path("range_function"),
            "Prometheus has no function \"irange\"; did you mean \"irate\"?",
        );
    }
    let query_prefix = args.option("query_prefix", problems).unwrap_or_default();
    let query_suffix = args.option("query_suffix", problems).unwrap_or_default();
    if args.node("query").is_some() {
        let message = "is no longer read: the query is written from groupby, metadata and extra_args.aggregation_method, with \
                       query_function, range_function, query_prefix and query_suffix where it needs more";
        problems.push(args.line("query"), args.path("query"), message);
    }
    args.finish(true, problems);
    reader.finish(true, problems);
    let scope_at = groupby.iter().position(|l| l == scope_key);
    groupby.retain(|l| l != scope_key);
    Some(Definition {
        metric: metric.to_owned(),
        alt_name,
        unit: unit?,
        description,
        groupby,
        scope_at,
        metadata,
        conversion: Conversion { factor, offset, mutate },
        method,
        query_function,
        range_function,
        query_prefix,
        query_suffix,
        skip: expression.or_else(|| skip.cloned()),
    })
}

fn ratio(reader: &mut Reader<'_>, key: &'static str, default: i64, problems: &mut Problems) -> Ratio {
    let Some(node) = reader.node(key) else { return Ratio::whole(default) };
    let octal = |text: &str| {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit())
    };
    let found = match &node.value {
        Value::Number(text) | Value::Text(text) if !octal(text) => Ratio::parse(text),
        _ => None,
    };
    found.unwrap_or_else(|| {
        let message =
            format!("found {}, expected a number or a fraction, such as 2, 0.5 or 1/1048576", node.value.shown());
        problems.push(node.line, reader.path(key), message);
        Ratio::whole(default)
    })
}

fn labels(reader: &mut Reader<'_>, key: &'static str, problems: &mut Problems) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    for label in reader.list(key, problems).unwrap_or_default() {
        if !is_label_name(&label) {
            let message =
                format!("\"{}\" is no label of Prometheus: letters, digits and _, no digit first", clean(&label));
            problems.push(reader.line(key), reader.path(key), message);
        } else if !labels.contains(&label) {
            labels.push(label);
        }
    }
    labels
}

fn mutation(reader: &mut Reader<'_>, problems: &mut Problems) -> Mutate {
    let word = reader.word("mutate", MUTATIONS, problems).unwrap_or(0);
    let map = reader.node("mutate_map");
    match (MUTATIONS[word], map) {
        ("MAP", None) => {
            let message = "is missing: mutate = MAP needs a mapping from numbers to numbers";
            problems.push(reader.line("mutate"), reader.path("mutate_map"), message);
            Mutate::None
        }
        ("MAP", Some(node)) => Mutate::Map(mapping(reader, node, problems)),
        (other, Some(node)) => {
            problems.push(node.line, reader.path("mutate_map"), format!("needs mutate: MAP, and mutate is {other}"));
            Mutate::None
        }
        ("NUMBOOL", None) => Mutate::NumBool,
        ("NOTNUMBOOL", None) => Mutate::NotNumBool,
        ("FLOOR", None) => Mutate::Floor,
        ("CEIL", None) => Mutate::Ceil,
        _ => Mutate::None,
    }
}

fn mapping(reader: &Reader<'_>, node: &Node, problems: &mut Problems) -> Vec<(BigDecimal, BigDecimal)> {
    let Value::Map(entries) = &node.value else {
        problems.push(
            node.line,
            reader.path("mutate_map"),
            format!("found {}, expected a mapping from numbers to numbers", node.value.shown()),
        );
        return Vec::new();
    };
    let mut pairs = Vec::new();
    for entry in entries {
        let to = match &entry.node.value {
            Value::Number(text) => parse(text).ok(),
            _ => None,
        };
        match (parse(&entry.key).ok(), to) {
            (Some(from), Some(to)) => pairs.push((from, to)),
            _ => {
                let found = format!("\"{}\": {}", clean(&entry.key), entry.node.value.shown());
                problems.push(
                    entry.line,
                    reader.path("mutate_map"),
                    format!("found {found}, expected a number and a number"),
                );
            }
        }
    }
    pairs
}
