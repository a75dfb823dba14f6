//! The sections of `cloudkitty.conf` that a collector reads, and `[ferrometer]`.

use super::archive;
use super::reader::Reader;
use super::servers::{PROMETHEUS, server};
use super::settings::{Boundaries, ByOrder, Config, Fetcher, Format, Options, Server};
use super::tree::{Entry, Node, Value, entries};
use crate::error::{Problems, clean, nearest};
use crate::expression::Expression;
use crate::label::is_label_name;
use crate::secret::Secret;
use std::path::PathBuf;
use std::time::Duration;

const SECTIONS: &[&str] = &[
    "collect",
    "collector_prometheus",
    "fetcher",
    "fetcher_prometheus",
    "fetcher_source",
    "orchestrator",
    "ferrometer",
    "ferrometer_archive",
    "metrics",
];

/// Periods that a configuration can wait for.
const MAX_WAIT: u64 = 100_000;

/// Seconds of the longest period: a leap year.
const MAX_PERIOD: u64 = 366 * 86_400;

/// Values of the sections, with those that the definitions are read with.
pub(crate) struct Sections {
    pub config: Config,
    pub metrics_conf: PathBuf,
    pub names_metrics: bool,
    pub skip: Option<Expression>,
}

/// Reads all sections; problems go where they are collected, and defaults into their place.
pub(crate) fn read(root: &Node, problems: &mut Problems) -> Sections {
    let sections = match &root.value {
        Value::Map(entries) => entries.as_slice(),
        _ => &[],
    };
    let mut warnings = Vec::new();
    for section in sections.iter().filter(|s| !SECTIONS.contains(&s.key.as_str())) {
        if let Some(meant) = nearest(&section.key, SECTIONS.iter().copied()) {
            problems.push(
                section.line,
                format!("[{}]", section.key),
                format!("is no section; did you mean [{meant}]?"),
            );
        }
    }
    let mut collect = Reader::new("collect", entries(sections, "collect", problems));
    if let Some(name) = collect.option("collector", problems).filter(|n| n != "prometheus") {
        let message = format!("found \"{}\", expected prometheus: this collector asks a Prometheus", clean(&name));
        problems.push(collect.line("collector"), "collect.collector", message);
    }
    let period = collect.whole("period", 1, MAX_PERIOD, " of seconds", problems).unwrap_or(3600) as u32;
    let wait_periods = collect.whole("wait_periods", 0, MAX_WAIT, "", problems).unwrap_or(2) as u32;
    let metrics_conf = collect.file("metrics_conf", problems);
    let scope_key = collect.option("scope_key", problems).unwrap_or_else(|| "project_id".into());
    if !is_label_name(&scope_key) {
        let message = format!(
            "found \"{}\", expected a label of Prometheus: letters, digits and _, no digit first",
            clean(&scope_key)
        );
        problems.push(collect.line("scope_key"), "collect.scope_key", message);
    }
    warnings.extend(collect.finish(false, problems));

    let line = sections.iter().find(|s| s.key == "collector_prometheus").map_or(1, |s| s.line);
    let mut prometheus = Reader::new("collector_prometheus", entries(sections, "collector_prometheus", problems));
    let server = server(&mut prometheus, &PROMETHEUS, None, problems);
    if server.is_none() && prometheus.line("prometheus_url") == 0 {
        let message = "is missing: expected the address of the server's API, such as http://127.0.0.1:9090/api/v1";
        problems.push(line, "collector_prometheus.prometheus_url", message);
    }
    warnings.extend(prometheus.finish(false, problems));
    let server = server.unwrap_or_else(|| Server::new(""));

    let fetcher = fetcher(sections, &server, &mut warnings, problems);
    let mut orchestrator = Reader::new("orchestrator", entries(sections, "orchestrator", problems));
    let skip = orchestrator.option("skip_datapoints_expression", problems).and_then(|text| {
        let line = orchestrator.line("skip_datapoints_expression");
        let refused =
            |e| problems.push(line, "orchestrator.skip_datapoints_expression", format!("\"{}\": {e}", clean(&text)));
        Expression::parse(&text).map_err(refused).ok()
    });
    let options = options(sections, problems);
    Sections {
        names_metrics: metrics_conf.is_some(),
        metrics_conf: metrics_conf.unwrap_or_else(|| "/etc/cloudkitty/metrics.yml".into()),
        skip,
        config: Config { period, wait_periods, scope_key, server, fetcher, options, definitions: Vec::new(), warnings },
    }
}

fn fetcher(
    sections: &[Entry],
    default: &Server,
    warnings: &mut Vec<String>,
    problems: &mut Problems,
) -> Option<Fetcher> {
    let given = |name: &str| sections.iter().any(|s| s.key == name);
    let mut choice = Reader::new("fetcher", entries(sections, "fetcher", problems));
    let backend = choice.option("backend", problems);
    let line = choice.line("backend");
    warnings.extend(choice.finish(false, problems));
    let mut prometheus = Reader::new("fetcher_prometheus", entries(sections, "fetcher_prometheus", problems));
    let server = server(&mut prometheus, &PROMETHEUS, Some(default), problems)?;
    let metric = prometheus.option("metric", problems);
    let attribute = prometheus.option("scope_attribute", problems).unwrap_or_else(|| "project_id".into());
    if !is_label_name(&attribute) {
        let message = format!("found \"{}\", expected a label of Prometheus", clean(&attribute));
        problems.push(prometheus.line("scope_attribute"), "fetcher_prometheus.scope_attribute", message);
    }
    let filters = filters(&mut prometheus, problems);
    let metric_line = prometheus.line("metric").max(line);
    warnings.extend(prometheus.finish(false, problems));
    let mut source = Reader::new("fetcher_source", entries(sections, "fetcher_source", problems));
    let sources = source.words("sources", problems).unwrap_or_default();
    warnings.extend(source.finish(false, problems));
    match backend.as_deref() {
        Some("source") => Some(Fetcher::Source(sources)),
        Some("prometheus") | None if metric.is_some() => {
            Some(Fetcher::Prometheus { server: Box::new(server), metric: metric?, attribute, filters })
        }
        Some("prometheus") => {
            let message = "is missing: expected the metric whose series name the scopes";
            problems.push(metric_line, "fetcher_prometheus.metric", message);
            None
        }
        None if given("fetcher_source") && !sources.is_empty() => Some(Fetcher::Source(sources)),
        None => None,
        Some(other) => {
            let message = format!(
                "scopes are not fetched from \"{}\" (only from prometheus, or source); they have to be named on the command line",
                clean(other)
            );
            warnings.push(format!("{}:{line}: fetcher.backend: {message}", clean(&problems.file().to_string_lossy())));
            None
        }
    }
}

/// Reads `key:value, key:value`, or a map.
fn filters(reader: &mut Reader<'_>, problems: &mut Problems) -> Vec<(String, String)> {
    let Some(node) = reader.node("filters") else { return Vec::new() };
    let pairs: Option<Vec<(String, String)>> = match &node.value {
        Value::Text(text) => text
            .split(',')
            .filter(|pair| !pair.trim().is_empty())
            .map(|pair| pair.split_once(':').map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned())))
            .collect(),
        Value::Map(entries) => entries
            .iter()
            .map(|e| match &e.node.value {
                Value::Text(text) => Some((e.key.clone(), text.clone())),
                _ => None,
            })
            .collect(),
        _ => None,
    };
    let pairs = pairs.filter(|pairs| pairs.iter().all(|(key, _)| is_label_name(key)));
    pairs.unwrap_or_else(|| {
        let message = format!("found {}, expected label:value, label:value", node.value.shown());
        problems.push(node.line, "fetcher_prometheus.filters", message);
        Vec::new()
    })
}

fn options(sections: &[Entry], problems: &mut Problems) -> Options {
    let mut reader = Reader::new("ferrometer", entries(sections, "ferrometer", problems));
    let default = Options::default();
    let mut options = Options {
        precise: reader.boolean("precise", problems).unwrap_or(default.precise),
        by_order: match reader.word("by_order", &["document", "upstream"], problems) {
            Some(1) => ByOrder::Upstream,
            _ => ByOrder::Document,
        },
        boundaries: match reader.word("boundaries", &["once", "as_served"], problems) {
            Some(1) => Boundaries::AsServed,
            _ => Boundaries::Once,
        },
        concurrency: reader.whole("concurrency", 1, 1024, "", problems).map_or(default.concurrency, |n| n as usize),
        periods_per_query: reader
            .whole("periods_per_query", 1, 11_000, "", problems)
            .map_or(default.periods_per_query, |n| n as usize),
        max_reply_bytes: reader
            .whole("max_reply_bytes", 1024, 1 << 40, " of bytes", problems)
            .unwrap_or(default.max_reply_bytes),
        retries: reader.whole("retries", 0, 100, "", problems).map_or(default.retries, |n| n as u32),
        processor: reader.option("processor", problems).unwrap_or(default.processor),
        processors: reader.words("processors", problems).unwrap_or_default(),
        state: reader.file("state", problems),
        leases: reader.secret("leases", problems).map(Secret::new),
        leases_cafile: reader.file("leases_cafile", problems),
        lease: reader.whole("lease_seconds", 1, 86_400, "", problems).map_or(default.lease, Duration::from_secs),
        output: reader.file("output", problems),
        format: match reader.word("format", &["json", "csv"], problems) {
            Some(1) => Format::Csv,
            _ => Format::Json,
        },
        archive: archive::read(sections, problems),
    };
    if let Err(message) = check_processors(&options.processor, &options.processors) {
        let line = reader.line("processors").max(reader.line("processor"));
        problems.push(line, "ferrometer.processors", message);
        options.processors.clear();
    }
    if options.archive.is_some() && (options.output.is_some() || reader.line("format") > 0) {
        let line = reader.line("output").max(reader.line("format"));
        let message = "is set, and [ferrometer_archive] too; data points go to one of the two";
        problems.push(line, "ferrometer.output", message);
    }
    if options.leases.is_some() {
        let line = reader.line("leases");
        if !cfg!(feature = "leases") {
            let message = "this program was built without leases; the cargo feature \"leases\" of ferrometer-collector brings them";
            problems.push(line, "ferrometer.leases", message);
        }
        if options.state.is_some() || !options.processors.is_empty() {
            problems.push(
                line,
                "ferrometer.leases",
                "takes the place of processors and state, and one of them is set too",
            );
        }
    }
    reader.finish(true, problems);
    options
}

/// Checks the names of processors; the command line gives them too.
///
/// # Errors
/// A text that says what is wrong with them.
pub(crate) fn check_processors(processor: &str, processors: &[String]) -> Result<(), String> {
    let fits = |name: &str| {
        !name.is_empty()
            && name.len() <= 64
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if let Some(wrong) = processors.iter().map(String::as_str).chain([processor]).find(|n| !fits(n)) {
        return Err(format!("found the name \"{}\", expected 1 to 64 letters, digits, - and _", clean(wrong)));
    }
    for (n, name) in processors.iter().enumerate() {
        if processors[..n].contains(name) {
            return Err(format!("\"{name}\" is named twice"));
        }
    }
    if !processors.is_empty() && !processors.iter().any(|p| p == processor) {
        return Err(format!("\"{processor}\", the name of this processor, is not among {}", processors.join(", ")));
    }
    Ok(())
}
