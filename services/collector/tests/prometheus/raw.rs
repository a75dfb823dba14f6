//! Samples of three hours, definitions for each method, function and mutation, and what an independent sum makes of the samples.

use super::support::Folder;
use ferrometer_collector::client::{Client, Limits, Series, When};
use ferrometer_collector::number::text;
use ferrometer_collector::query::Ranges;
use ferrometer_collector::{Boundaries, Collector, Config, DataPoint};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// Begin of the document's period, 13:00 of 30 January 2019; it ends at 14:00.
pub const BEGIN: i64 = 1_548_853_200;
pub const PERIOD: i64 = 3600;
pub const HOSTILE: &str = "we\"ird\\n}s\nor vector(1)";

/// A series of three hours, a sample a minute, on the boundaries too.
pub struct Raw {
    pub namespace: &'static str,
    pub container: &'static str,
    pub volume: &'static str,
    pub pod: &'static str,
}

pub const SERIES: [Raw; 6] = [
    Raw { namespace: "foobar", container: "a", volume: "ssd", pod: "x" },
    Raw { namespace: "foobar", container: "a", volume: "ssd", pod: "y" },
    Raw { namespace: "foobar", container: "a", volume: "hdd", pod: "x" },
    Raw { namespace: "foobar", container: "b", volume: "", pod: "x" },
    Raw { namespace: "other", container: "a", volume: "ssd", pod: "x" },
    Raw { namespace: HOSTILE, container: "a", volume: "ssd", pod: "x" },
];

pub fn openmetrics() -> String {
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

pub fn config(folder: &Folder, server: &str, metrics: &str) -> Config {
    let conf =
        format!("[collect]\nscope_key = namespace\nmetrics_conf = metrics.yml\n[collector_prometheus]\n{server}\n");
    folder.write("metrics.yml", metrics);
    Config::load(&folder.write("cloudkitty.conf", conf), None).unwrap()
}

pub fn collector(config: Config) -> Collector {
    Collector::new(Client::new(&config.server, Limits::default()).unwrap(), config)
}

/// One definition for each method, function and mutation.
pub fn definitions() -> Vec<(String, String)> {
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

pub fn aggregate(method: &str, values: &[f64]) -> f64 {
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
pub fn expected(name: &str, series: &[Vec<f64>]) -> f64 {
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
pub fn groups(raw: &[Series], begin: i64, closed: bool) -> BTreeMap<(String, String), Vec<Vec<f64>>> {
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

pub fn group_of(point: &DataPoint) -> (String, String) {
    let find = |labels: &[(Arc<str>, String)], name: &str| labels.iter().find(|(k, _)| &**k == name).unwrap().1.clone();
    (find(&point.groupby, "container_id"), find(&point.metadata, "volume_type"))
}

/// Collects three periods at once and one by one, and compares each quantity with the raw samples.
pub fn compare(config: Config) -> usize {
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
        assert_eq!(by_period.len(), 3 * collector.config().definitions.len());
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

pub fn metrics() -> String {
    let definitions = definitions().into_iter().map(|(_, yaml)| yaml).collect::<Vec<_>>();
    format!("metrics:\n  container_memory_usage_bytes: [{}]\n", definitions.join(",\n    "))
}
