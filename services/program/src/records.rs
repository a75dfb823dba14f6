//! Records of a pull cache, as its files and its routes give them.

use crate::outcome::{Failure, Result};
use crate::text::visible;
use clap::Args;
use ferrometer::config::Pattern;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One value of one metric at one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) metric: String,
    pub(crate) timestamp: i64,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) value: f64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, String>,
}

impl Record {
    /// Returns `true` for what grows, and of which the change is of interest.
    pub(crate) fn is_total(&self) -> bool {
        self.kind == "derive" || self.kind == "counter"
    }

    /// Returns the labels on one line: `till=3,zone=a`.
    pub(crate) fn label_text(&self) -> String {
        label_text(&self.labels)
    }
}

/// Returns labels on one line.
pub(crate) fn label_text(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(",")
}

impl From<ferrometer_pull_cache::Record<'_>> for Record {
    fn from(record: ferrometer_pull_cache::Record<'_>) -> Record {
        use ferrometer_pull_cache::RecordType;

        let kind = match record.kind {
            RecordType::Gauge => "gauge",
            RecordType::Counter => "counter",
            _ => "derive",
        };
        Record {
            id: record.id.to_owned(),
            metric: record.metric.to_owned(),
            timestamp: record.timestamp,
            kind: kind.to_owned(),
            value: record.value,
            labels: record.labels.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        }
    }
}

/// A line of an answer as JSON lines: a record, or the last line, which says what there is.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Line {
    Record(Record),
    End { window: Window },
}

/// The oldest and the newest timestamp that a cache holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Window {
    pub(crate) from: Option<i64>,
    pub(crate) to: Option<i64>,
}

impl Line {
    pub(crate) fn parse(text: &str, from: &str) -> Result<Line> {
        serde_json::from_str(text).map_err(|_| {
            let shown: String = visible(text).chars().take(100).collect();
            Failure::Unreachable(format!("{}: the answer has a line that is no record: {shown}", visible(from)))
        })
    }
}

/// Which records are wanted.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which records")]
pub(crate) struct Wanted {
    /// Only metrics of this name; * stands for any text. May be given several times.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Vec<String>,
    /// Only records of this id, such as host or qemu/100; * stands for any text. May be given several times.
    #[arg(long, value_name = "ID")]
    pub(crate) id: Vec<String>,
    /// Only records with this label, KEY=VALUE; * stands for any text in the value. May be given several times.
    #[arg(long, value_name = "LABEL", value_parser = label)]
    pub(crate) label: Vec<(String, String)>,
}

fn label(text: &str) -> std::result::Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let wrong = || format!("{:?} is no label: expected KEY=VALUE", visible(text));
    pair.map(|(key, value)| (key.to_owned(), value.to_owned())).ok_or_else(wrong)
}

/// [`Wanted`], ready to be asked.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    names: Vec<Pattern>,
    ids: Vec<Pattern>,
    labels: BTreeMap<String, Vec<Pattern>>,
}

impl Wanted {
    pub(crate) fn filter(&self) -> Filter {
        let patterns = |texts: &[String]| texts.iter().map(|text| Pattern::new(text)).collect();
        let mut labels: BTreeMap<String, Vec<Pattern>> = BTreeMap::new();
        for (key, value) in &self.label {
            labels.entry(key.clone()).or_default().push(Pattern::new(value));
        }
        Filter { names: patterns(&self.name), ids: patterns(&self.id), labels }
    }
}

impl Filter {
    pub(crate) fn wants(&self, record: &Record) -> bool {
        let any = |patterns: &[Pattern], text: &str| patterns.is_empty() || patterns.iter().any(|p| p.matches(text));
        let has = |(key, patterns): (&String, &Vec<Pattern>)| {
            record.labels.get(key).is_some_and(|value| any(patterns, value))
        };
        any(&self.names, &record.metric) && any(&self.ids, &record.id) && self.labels.iter().all(has)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_chosen_by_name_id_and_label() {
        let text =
            r#"{"id":"host","metric":"shop.sales","timestamp":1,"type":"derive","value":2.0,"labels":{"till":"3"}}"#;
        let Ok(Line::Record(record)) = Line::parse(text, "x") else { panic!("a record") };
        assert_eq!(serde_json::to_string(&record).unwrap(), text);
        let wants = |name: &[&str], id: &[&str], labels: &[&str]| {
            let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
            let label = labels.iter().map(|text| label(text).unwrap()).collect();
            Wanted { name: own(name), id: own(id), label }.filter().wants(&record)
        };
        assert!(wants(&[], &[], &[]) && wants(&["shop.*"], &["host"], &["till=*"]));
        assert!(wants(&["x", "*.sales"], &[], &["till=4", "till=3"]));
        assert!(!wants(&["shop"], &[], &[]) && !wants(&[], &["qemu/*"], &[]) && !wants(&[], &[], &["zone=*"]));
        assert!(matches!(Line::parse(r#"{"window":{"from":null,"to":null}}"#, "x"), Ok(Line::End { .. })));
        assert!(Line::parse("{}", "x").is_err());
    }
}
