//! A catalogue as Markdown and as JSON, there and back.

use super::metric::{Catalogue, Metric};
use crate::outcome::{Failure, Result};
use crate::text::visible;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

/// Writes it as JSON.
pub(super) fn json(all: &Catalogue) -> String {
    serde_json::json!({"metrics": all.values().collect::<Vec<_>>()}).to_string()
}

const HEAD: &str = "| metric | kind | unit | labels | rate | description | at |\n|---|---|---|---|---|---|---|\n";

/// Writes it as a table.
pub(super) fn markdown(all: &Catalogue) -> String {
    let mut out = HEAD.to_owned();
    for metric in all.values() {
        let codes = |texts: &BTreeSet<String>| texts.iter().map(|text| code(text)).collect::<Vec<_>>().join(", ");
        let rates = metric.rates.iter().map(|rate| escaped(rate)).collect::<Vec<_>>().join(", ");
        let (unit, text) =
            (metric.unit.as_deref().unwrap_or_default(), metric.description.as_deref().unwrap_or_default());
        let row = [
            code(&metric.name),
            metric.kind.clone(),
            escaped(unit),
            codes(&metric.labels),
            rates,
            escaped(text),
            codes(&metric.at),
        ];
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
pub(super) fn parse(text: &str, path: &Path) -> Result<Catalogue> {
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
    let [name, kind, unit, labels, rates, description, at] = cells[..] else { return None };
    let plain = |text: &str| Some(text.strip_prefix('`')?.strip_suffix('`')?.to_owned());
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let list = |cell: &'_ str| cell.split(", ").filter(|text| !text.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let codes = |cell: &str| list(cell).iter().map(|text| plain(text)).collect::<Option<BTreeSet<String>>>();
    Some(Metric {
        name: plain(name)?,
        kind: kind.to_owned(),
        unit: some(unit),
        description: some(description),
        labels: codes(labels)?,
        rates: list(rates).into_iter().collect(),
        at: codes(at)?,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn metric(name: &str, kind: &str, unit: Option<&str>, labels: &[&str]) -> Metric {
        Metric {
            name: name.into(),
            kind: kind.into(),
            unit: unit.map(str::to_owned),
            description: Some("a | b \\ c".into()),
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            rates: BTreeSet::from(["0.1".to_owned(), "0.5".to_owned()]),
            at: BTreeSet::from(["src/a.rs:1".to_owned(), "src/b c.rs:2".to_owned()]),
        }
    }

    pub(in super::super) fn catalogue(metrics: &[Metric]) -> Catalogue {
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
}
