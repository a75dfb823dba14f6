//! Samples of three hours, and a definition for each method, function and mutation.

use super::support::Folder;
use ferrometer_collector::client::{Client, Limits};
use ferrometer_collector::{Collector, Config};
use std::fmt::Write as _;

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
fn definitions() -> Vec<String> {
    let groups = "unit: x, groupby: [container_id], metadata: [volume_type]";
    let mut all = Vec::new();
    for method in ["avg", "count", "max", "min", "stddev", "stdvar", "sum"] {
        let mut add = |name: String, fields: &str, args: &str| {
            let args = format!("extra_args: {{aggregation_method: {method}{args}}}");
            all.push(format!("{{{groups}, alt_name: {name}, {fields}{args}}}"));
        };
        add(format!("{method}-none"), "", "");
        for mutation in ["NUMBOOL", "NOTNUMBOOL", "FLOOR", "CEIL"] {
            add(format!("{method}-{mutation}"), &format!("mutate: {mutation}, factor: 0.125, offset: 1, "), "");
        }
        add(format!("{method}-MAP"), "mutate: MAP, mutate_map: {0: 1, 60: 7, 120: 9}, ", "");
        for function in ["abs", "ceil", "exp", "floor", "ln", "log2", "log10", "round", "sqrt"] {
            // Roots and logarithms of negative numbers are none, and powers of large ones are infinite.
            let fits = match function {
                "exp" => ["count", "stddev"].contains(&method),
                "ln" | "log2" | "log10" | "sqrt" => ["count", "stddev", "stdvar"].contains(&method),
                _ => true,
            };
            if fits {
                add(format!("{method}-{function}"), "", &format!(", query_function: {function}"));
            }
        }
        for function in ["changes", "delta", "deriv", "idelta", "irate", "rate"] {
            add(format!("{method}-{function}"), "", &format!(", range_function: {function}"));
        }
        add(format!("{method}-around"), "", ", query_prefix: \"2 *\", query_suffix: \"+ 1\"");
    }
    all
}

/// The definitions, for a metric.
pub fn metrics(metric: &str) -> String {
    format!("metrics:\n  {metric}: [{}]\n", definitions().join(",\n    "))
}
