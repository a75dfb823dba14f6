//! `catalogue`: the metrics of a running program, and what has become of them since they were written down.
//!
//! A program tells, at `/v1/instruments` and in its records, of the metrics that it has recorded: name, kind, unit, description, and the keys of
//! labels. Call sites that have not run yet, their rates, files and lines are not told there.

use crate::outcome::{Failure, Result};
use crate::records::{Line, Record};
use crate::remote::{Access, Remote};
use crate::text::visible;
use clap::Args;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Arguments of the command. Exits with 1 when --check finds that a metric vanished or changed.
#[derive(Debug, Args)]
pub(crate) struct Command {
    /// Address of the program.
    #[arg(value_name = "URL", env = "FERROMETER_URL", default_value = "http://127.0.0.1:9620")]
    url: String,
    /// Compares with this file, Markdown or JSON, as this command wrote it. New metrics are told, and are no failure.
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
    /// Lists ferrometer's own metrics too.
    #[arg(long)]
    own: bool,
    #[command(flatten)]
    access: Access,
}

/// One metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Metric {
    name: String,
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// Keys of labels.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    labels: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Instruments {
    instruments: Vec<Metric>,
}

/// Metrics by name and kind.
type Catalogue = BTreeMap<(String, String), Metric>;

/// Runs the command.
pub(crate) fn run(command: &Command, is_json: bool) -> Result {
    let found = ask(&command.access.open(&command.url)?, command.own)?;
    let Some(path) = &command.check else {
        let mut out = io::stdout().lock();
        match is_json {
            true => writeln!(out, "{}", json(&found))?,
            false => write!(out, "{}", markdown(&found))?,
        }
        return Ok(());
    };
    let text = String::from_utf8(crate::remote::read_file(path)?).map_err(|_| Failure::file(path, &"is no text"))?;
    let mut known = parse(&text, path)?;
    if !command.own {
        known.retain(|(name, _), _| !is_own(name));
    }
    report(&compare(&known, &found), is_json)
}

fn is_own(name: &str) -> bool {
    name.split('.').any(|part| part == "ferrometer")
}

fn ask(remote: &Remote, own: bool) -> Result<Catalogue> {
    let Instruments { instruments } = remote.json("/v1/instruments")?;
    let mut all: Catalogue = BTreeMap::new();
    for mut metric in instruments.into_iter().filter(|metric| own || !is_own(&metric.name)) {
        // A unit that the kind has anyway stays, a text on several lines becomes one.
        metric.description = metric.description.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
        all.insert((metric.name.clone(), metric.kind.clone()), metric);
    }
    let answer = remote.get("/v1/metrics", &[("Accept", "application/x-ndjson")])?;
    for line in answer.lines() {
        if let Line::Record(record) = Line::parse(&line?, remote.base())? {
            let keys = record.labels.keys().cloned();
            if let Some(metric) = owner(&mut all, &record) {
                metric.labels.extend(keys);
            }
        }
    }
    Ok(all)
}

/// The metric that a record belongs to: those of timers and histograms have a part behind the name.
fn owner<'c>(all: &'c mut Catalogue, record: &Record) -> Option<&'c mut Metric> {
    const PARTS: [&str; 6] = [".count", ".sum", ".p50", ".p95", ".p99", ".max"];
    let stem = PARTS.into_iter().find_map(|part| record.metric.strip_suffix(part));
    let whole = ["counter", "gauge", "in_flight"].map(|kind| (record.metric.clone(), kind.to_owned()));
    let parts = stem.into_iter().flat_map(|stem| ["timer", "histogram"].map(|kind| (stem.to_owned(), kind.to_owned())));
    let key = whole.into_iter().chain(parts).find(|key| all.contains_key(key))?;
    all.get_mut(&key)
}

fn json(all: &Catalogue) -> String {
    serde_json::json!({"metrics": all.values().collect::<Vec<_>>()}).to_string()
}

const HEAD: &str = "| metric | kind | unit | labels | description |\n|---|---|---|---|---|\n";

fn markdown(all: &Catalogue) -> String {
    let mut out = HEAD.to_owned();
    for metric in all.values() {
        let labels: Vec<String> = metric.labels.iter().map(|key| code(key)).collect();
        let (unit, text) =
            (metric.unit.as_deref().unwrap_or_default(), metric.description.as_deref().unwrap_or_default());
        let row = [code(&metric.name), metric.kind.clone(), escaped(unit), labels.join(", "), escaped(text)];
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
    out
}

fn code(text: &str) -> String {
    format!("`{}`", escaped(text))
}

fn escaped(text: &str) -> String {
    visible(text).replace('\\', "\\\\").replace('|', "\\|")
}

/// Reads what [`markdown`] or [`json`] wrote. Around a table there may be other text.
fn parse(text: &str, path: &Path) -> Result<Catalogue> {
    let wrong = |why: String| Failure::Usage(format!("{}: {why}", visible(&path.to_string_lossy())));
    #[derive(Deserialize)]
    struct Document {
        metrics: Vec<Metric>,
    }
    let metrics = if text.trim_start().starts_with('{') {
        let document: Document =
            serde_json::from_str(text).map_err(|error| wrong(format!("is no catalogue: {error}")))?;
        document.metrics
    } else {
        let mut metrics = Vec::new();
        let mut is_in = false;
        for (at, line) in text.lines().enumerate() {
            if line.trim() == HEAD.lines().next().unwrap_or_default() {
                is_in = true;
                continue;
            }
            if !line.starts_with('|') {
                is_in = false;
            }
            if !is_in || line.starts_with("|---") {
                continue;
            }
            metrics.push(row(line).ok_or_else(|| wrong(format!("line {} is no row of a catalogue", at + 1)))?);
        }
        if metrics.is_empty() && !text.contains(HEAD.lines().next().unwrap_or_default()) {
            return Err(wrong(format!(
                "holds no catalogue: expected JSON, or a table that begins with {:?}",
                HEAD.lines().next().unwrap_or_default()
            )));
        }
        metrics
    };
    Ok(metrics.into_iter().map(|metric| ((metric.name.clone(), metric.kind.clone()), metric)).collect())
}

/// Reads a row of a table.
fn row(line: &str) -> Option<Metric> {
    let mut cells = vec![String::new()];
    let mut chars = line.trim().strip_prefix('|')?.strip_suffix('|')?.chars();
    while let Some(c) = chars.next() {
        let last = cells.last_mut()?;
        match c {
            '\\' => last.push(chars.next()?),
            '|' => cells.push(String::new()),
            c => last.push(c),
        }
    }
    let cells: Vec<&str> = cells.iter().map(|cell| cell.trim()).collect();
    let [name, kind, unit, labels, description] = cells[..] else { return None };
    let plain = |text: &str| Some(text.strip_prefix('`')?.strip_suffix('`')?.to_owned());
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let labels: Option<BTreeSet<String>> = labels.split(", ").filter(|label| !label.is_empty()).map(plain).collect();
    Some(Metric {
        name: plain(name)?,
        kind: kind.to_owned(),
        unit: some(unit),
        description: some(description),
        labels: labels?,
    })
}

#[derive(Debug, Default, PartialEq, Serialize)]
struct Differences {
    vanished: Vec<String>,
    changed: Vec<String>,
    new: Vec<String>,
}

fn compare(known: &Catalogue, found: &Catalogue) -> Differences {
    let mut out = Differences::default();
    for ((name, kind), before) in known {
        let Some(now) = found.get(&(name.clone(), kind.clone())) else {
            match found
                .values()
                .find(|metric| metric.name == *name && !known.contains_key(&(name.clone(), metric.kind.clone())))
            {
                Some(other) => out.changed.push(format!("{name}: was a {kind}, is a {}", other.kind)),
                None => out.vanished.push(format!("{name} ({kind})")),
            }
            continue;
        };
        let text = |value: &Option<String>| value.as_deref().unwrap_or("none").to_owned();
        let labels = |metric: &Metric| metric.labels.iter().cloned().collect::<Vec<_>>().join(", ");
        for (what, before, now) in [
            ("unit", text(&before.unit), text(&now.unit)),
            ("description", text(&before.description), text(&now.description)),
            ("labels", labels(before), labels(now)),
        ] {
            if before != now {
                out.changed.push(format!("{name}: {what} was {before:?}, is {now:?}"));
            }
        }
    }
    let is_new = |key: &&(String, String)| !known.contains_key(*key) && !known.keys().any(|(name, _)| *name == key.0);
    out.new = found.keys().filter(is_new).map(|(name, kind)| format!("{name} ({kind})")).collect();
    out
}

fn report(differences: &Differences, is_json: bool) -> Result {
    let mut out = io::stdout().lock();
    let Differences { vanished, changed, new } = differences;
    if is_json {
        writeln!(out, "{}", serde_json::json!(differences))?;
    } else {
        for (what, list) in [("vanished", vanished), ("changed", changed), ("new", new)] {
            list.iter().try_for_each(|one| writeln!(out, "{what:<8}  {}", visible(one)))?;
        }
        if vanished.is_empty() && changed.is_empty() {
            writeln!(out, "no metric vanished, and none changed")?;
        }
    }
    match vanished.is_empty() && changed.is_empty() {
        true => Ok(()),
        false => Err(Failure::Told),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &str, kind: &str, unit: Option<&str>, labels: &[&str]) -> Metric {
        Metric {
            name: name.into(),
            kind: kind.into(),
            unit: unit.map(str::to_owned),
            description: Some("a | b \\ c".into()),
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        }
    }

    fn catalogue(metrics: &[Metric]) -> Catalogue {
        metrics.iter().map(|metric| ((metric.name.clone(), metric.kind.clone()), metric.clone())).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let all =
            catalogue(&[metric("a.b", "counter", None, &[]), metric("a.t", "timer", Some("ms"), &["till", "zone"])]);
        let path = Path::new("f");
        assert_eq!(parse(&json(&all), path).unwrap(), all);
        assert_eq!(parse(&format!("# Metrics\n\n{}\nmore\n", markdown(&all)), path).unwrap(), all);
        for wrong in ["", "{}", "# nothing\n", &format!("{HEAD}| a | b |\n")] {
            assert!(matches!(parse(wrong, path), Err(Failure::Usage(_))), "{wrong}");
        }
    }

    #[test]
    fn what_vanished_or_changed_is_found() {
        let known = catalogue(&[
            metric("gone", "counter", None, &[]),
            metric("kind", "counter", None, &[]),
            metric("unit", "gauge", Some("bytes"), &["a"]),
            metric("same", "gauge", None, &[]),
        ]);
        let found = catalogue(&[
            metric("kind", "gauge", None, &[]),
            metric("unit", "gauge", Some("rows"), &["a", "b"]),
            metric("same", "gauge", None, &[]),
            metric("more", "gauge", None, &[]),
        ]);
        let differences = compare(&known, &found);
        assert_eq!(differences.vanished, ["gone (counter)"]);
        assert_eq!(
            differences.changed,
            [
                "kind: was a counter, is a gauge",
                "unit: unit was \"bytes\", is \"rows\"",
                "unit: labels was \"a\", is \"a, b\""
            ]
        );
        assert_eq!(differences.new, ["more (gauge)"]);
        assert_eq!(compare(&known, &known), Differences::default());
    }
}
