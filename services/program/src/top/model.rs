//! Knowledge about the programs: their metrics with the last values, and the account of their backends. Bounded, whatever they send.

use crate::records::Record;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Metrics of one program that are shown.
const MAX_SERIES: usize = 100_000;
/// Values of a metric that are kept.
pub(crate) const KEPT: usize = 120;

/// A program, as it was last heard.
#[derive(Debug)]
pub(crate) struct Program {
    /// Its address without the scheme.
    pub(crate) name: String,
    /// The newest timestamp.
    pub(crate) newest: Option<i64>,
    /// Why it was not heard, the last time.
    pub(crate) failure: Option<String>,
    pub(crate) series: BTreeMap<Key, Series>,
    /// Metrics beyond [`MAX_SERIES`].
    pub(crate) left_out: u64,
    pub(crate) about: BTreeMap<String, About>,
    /// `None` while it is not known, and for a program that does not tell.
    pub(crate) cardinality: Option<Cardinality>,
}

/// Identity of a metric.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) metric: String,
    pub(crate) id: String,
    pub(crate) labels: String,
}

/// A metric with its last values.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) is_total: bool,
    pub(crate) points: VecDeque<(i64, f64)>,
}

/// The names and labels of a program that have the most series, as it tells them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub(crate) struct Cardinality {
    pub(crate) series: u64,
    pub(crate) names: Vec<NameCount>,
    pub(crate) labels: Vec<LabelCount>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct NameCount {
    pub(crate) name: String,
    pub(crate) series: u64,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct LabelCount {
    pub(crate) label: String,
    pub(crate) values: u64,
    pub(crate) series: u64,
}

/// Unit and meaning of an instrument.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct About {
    pub(crate) kind: String,
    pub(crate) unit: String,
    pub(crate) description: String,
}

impl Series {
    pub(crate) fn value(&self) -> f64 {
        self.points.back().map_or(f64::NAN, |point| point.1)
    }

    /// Change per second between the last two values of a total. A total that fell began again at 0.
    pub(crate) fn rate(&self) -> Option<f64> {
        let mut last = self.points.iter().rev();
        let (now, before) = (last.next()?, last.next()?);
        self.is_total.then(|| rate(*before, *now))
    }

    /// Values to be drawn, oldest first: rates of a total, else the values.
    pub(crate) fn drawn(&self) -> Vec<f64> {
        if !self.is_total {
            return self.points.iter().map(|point| point.1).collect();
        }
        let pairs = self.points.iter().zip(self.points.iter().skip(1));
        pairs.map(|(before, now)| rate(*before, *now)).collect()
    }
}

fn rate(before: (i64, f64), now: (i64, f64)) -> f64 {
    let seconds = (now.0 - before.0).max(1) as f64;
    let change = if now.1 >= before.1 { now.1 - before.1 } else { now.1 };
    change / seconds
}

impl Program {
    pub(crate) fn new(name: &str) -> Program {
        Program {
            name: name.split_once("://").map_or(name, |(_, rest)| rest).to_owned(),
            newest: None,
            failure: None,
            series: BTreeMap::new(),
            left_out: 0,
            about: BTreeMap::new(),
            cardinality: None,
        }
    }

    /// Takes in records, of one generation or of several.
    pub(crate) fn take(&mut self, records: Vec<Record>) {
        self.failure = None;
        let Some(newest) = records.iter().map(|record| record.timestamp).max() else { return };
        self.newest = Some(self.newest.map_or(newest, |known| known.max(newest)));
        for record in records {
            let is_total = record.is_total();
            let labels = record.label_text();
            let key = Key { metric: record.metric, id: record.id, labels };
            if !self.series.contains_key(&key) && self.series.len() >= MAX_SERIES {
                self.left_out += 1;
                continue;
            }
            let series = self.series.entry(key).or_insert_with(|| Series { is_total, points: VecDeque::new() });
            match series.points.back_mut() {
                // This second was there before.
                Some(last) if last.0 == record.timestamp => last.1 = record.value,
                Some(last) if last.0 > record.timestamp => {}
                _ => series.points.push_back((record.timestamp, record.value)),
            }
            while series.points.len() > KEPT {
                series.points.pop_front();
            }
        }
        // A metric that is in no generation any more is gone.
        let oldest = newest - 3600;
        self.series.retain(|_, series| series.points.back().is_some_and(|point| point.0 > oldest));
    }

    /// Returns what is known of the instrument of a record.
    pub(crate) fn about(&self, metric: &str) -> About {
        let parts = [".count", ".sum", ".p50", ".p95", ".p99", ".max"];
        let stem = parts.iter().find_map(|part| metric.strip_suffix(part));
        let found = self.about.get(metric).or_else(|| self.about.get(stem?));
        found.cloned().unwrap_or_default()
    }
}

/// A row of the list.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    #[serde(skip)]
    pub(crate) program: usize,
    #[serde(rename = "program")]
    pub(crate) program_name: String,
    pub(crate) metric: String,
    pub(crate) id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) labels: String,
    pub(crate) value: f64,
    #[serde(rename = "per_second", skip_serializing_if = "Option::is_none")]
    pub(crate) rate: Option<f64>,
    #[serde(skip)]
    pub(crate) drawn: Vec<f64>,
}

/// Order of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Sort {
    Name,
    Value,
    Rate,
}

impl Sort {
    pub(crate) fn next(self) -> Sort {
        match self {
            Sort::Name => Sort::Value,
            Sort::Value => Sort::Rate,
            Sort::Rate => Sort::Name,
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Sort::Name => "name",
            Sort::Value => "value",
            Sort::Rate => "rate",
        }
    }
}

/// Returns `true` for ferrometer's own metrics.
pub(crate) fn is_own(metric: &str) -> bool {
    metric.starts_with("ferrometer.") || metric.contains(".ferrometer.")
}

/// Returns the rows that are shown: those that have the text, sorted.
pub(crate) fn rows(programs: &[Program], search: &str, sort: Sort, is_reversed: bool, shows_own: bool) -> Vec<Row> {
    let wanted = search.to_lowercase();
    let words: Vec<&str> = wanted.split_whitespace().collect();
    let mut out = Vec::new();
    for (at, program) in programs.iter().enumerate() {
        for (key, series) in &program.series {
            let text = format!("{} {} {}", key.metric, key.id, key.labels).to_lowercase();
            // A series that the newest generation does not have is gone for now.
            let is_there = series.points.back().map(|point| point.0) == program.newest;
            if !is_there || (!shows_own && is_own(&key.metric)) || !words.iter().all(|word| text.contains(word)) {
                continue;
            }
            out.push(Row {
                program: at,
                program_name: program.name.clone(),
                metric: key.metric.clone(),
                id: key.id.clone(),
                labels: key.labels.clone(),
                value: series.value(),
                rate: series.rate(),
                drawn: series.drawn(),
            });
        }
    }
    let by = |row: &Row| match sort {
        Sort::Name => 0.0,
        Sort::Value => row.value,
        Sort::Rate => row.rate.unwrap_or(f64::NEG_INFINITY),
    };
    // The largest first; names from A.
    out.sort_by(|a, b| {
        by(b).total_cmp(&by(a)).then_with(|| (&a.metric, &a.labels, a.program).cmp(&(&b.metric, &b.labels, b.program)))
    });
    if is_reversed {
        out.reverse();
    }
    out
}

/// The account of one backend of one program.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Account {
    pub(crate) program: String,
    pub(crate) backend: String,
    pub(crate) sent: f64,
    pub(crate) sent_per_second: f64,
    pub(crate) pending: f64,
    pub(crate) superseded: f64,
    pub(crate) errors: f64,
    /// Dropped, by cause.
    pub(crate) dropped: BTreeMap<String, f64>,
    /// Seconds since 1970.
    pub(crate) last_success: f64,
}

/// The use of one limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Limit {
    pub(crate) program: String,
    pub(crate) what: String,
    pub(crate) used: f64,
    pub(crate) max: f64,
    pub(crate) refused: f64,
}

/// Reads the accounts out of ferrometer's own metrics.
pub(crate) fn ledger(programs: &[Program]) -> (Vec<Account>, Vec<Limit>) {
    let (mut accounts, mut limits) = (BTreeMap::new(), BTreeMap::new());
    for (at, program) in programs.iter().enumerate() {
        for (key, series) in &program.series {
            let value = series.value();
            if let Some((_, rest)) = key.metric.split_once("ferrometer.backend.") {
                // A backend's name has no dots.
                let Some((backend, what)) = rest.split_once('.') else { continue };
                let account: &mut Account = accounts.entry((at, backend.to_owned())).or_default();
                (account.program, account.backend) = (program.name.clone(), backend.to_owned());
                match what {
                    "sent" => (account.sent, account.sent_per_second) = (value, series.rate().unwrap_or(0.0)),
                    "pending" => account.pending = value,
                    "superseded" => account.superseded = value,
                    "errors" => account.errors = value,
                    "last_success.timestamp_seconds" => account.last_success = value,
                    other => {
                        if let Some(cause) = other.strip_prefix("dropped.").filter(|_| value != 0.0) {
                            account.dropped.insert(cause.to_owned(), value);
                        }
                    }
                }
            } else if let Some((_, rest)) = key.metric.split_once("ferrometer.limits.") {
                let Some((what, part)) = rest.rsplit_once('.') else { continue };
                let limit: &mut Limit = limits.entry((at, what.to_owned())).or_default();
                (limit.program, limit.what) = (program.name.clone(), what.to_owned());
                match part {
                    "used" => limit.used = value,
                    "max" => limit.max = value,
                    "refused" => limit.refused = value,
                    _ => {}
                }
            }
        }
    }
    (accounts.into_values().collect(), limits.into_values().collect())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn record(metric: &str, kind: &str, timestamp: i64, value: f64) -> Record {
        Record {
            id: "host".into(),
            metric: metric.into(),
            timestamp,
            kind: kind.into(),
            value,
            labels: BTreeMap::new(),
        }
    }

    pub(crate) fn shop() -> Program {
        let mut program = Program::new("http://127.0.0.1:9620");
        for second in 0..5 {
            let at = 1_700_000_000 + 10 * second;
            let n = second as f64;
            program.take(vec![
                record("shop.sales", "derive", at, 20.0 * n * n),
                record("shop.queue.depth", "gauge", at, 5.0 - n),
                record("ferrometer.backend.statsd.sent", "derive", at, 100.0 * n),
                record("ferrometer.backend.statsd.dropped.name", "derive", at, 3.0),
                record("ferrometer.limits.loggers.used", "gauge", at, 7.0),
                record("ferrometer.limits.loggers.max", "gauge", at, 1000.0),
            ]);
        }
        program
    }

    #[test]
    fn totals_have_rates_and_fall_to_zero_when_a_program_begins_again() {
        let mut program = shop();
        let key = Key { metric: "shop.sales".into(), id: "host".into(), labels: String::new() };
        assert_eq!(program.series[&key].rate(), Some(14.0));
        assert_eq!(program.series[&key].drawn(), [2.0, 6.0, 10.0, 14.0]);
        program.take(vec![record("shop.sales", "derive", 1_700_000_050, 30.0)]);
        assert_eq!(program.series[&key].rate(), Some(3.0));
    }

    #[test]
    fn rows_are_searched_and_sorted() {
        let programs = [shop()];
        let names = |search: &str, sort, reversed, own| {
            let rows = rows(&programs, search, sort, reversed, own);
            rows.into_iter().map(|row| row.metric).collect::<Vec<_>>()
        };
        assert_eq!(names("", Sort::Name, false, false), ["shop.queue.depth", "shop.sales"]);
        assert_eq!(names("", Sort::Value, false, false), ["shop.sales", "shop.queue.depth"]);
        assert_eq!(names("", Sort::Rate, true, false), ["shop.queue.depth", "shop.sales"]);
        assert_eq!(names("QUEUE shop", Sort::Name, false, false), ["shop.queue.depth"]);
        assert_eq!(names("", Sort::Name, false, true).len(), 6);
    }

    #[test]
    fn the_ledger_is_read_of_its_metrics() {
        let (accounts, limits) = ledger(&[shop()]);
        assert_eq!((accounts.len(), accounts[0].sent, accounts[0].sent_per_second), (1, 400.0, 10.0));
        assert_eq!(accounts[0].dropped, BTreeMap::from([("name".to_owned(), 3.0)]));
        assert_eq!((limits.len(), limits[0].used, limits[0].max), (1, 7.0, 1000.0));
    }

    #[test]
    fn a_program_that_sends_without_end_is_bounded() {
        let mut program = Program::new("x");
        program.take((0..MAX_SERIES + 10).map(|n| record(&n.to_string(), "gauge", 1, 0.0)).collect());
        assert_eq!((program.series.len(), program.left_out), (MAX_SERIES, 10));
    }
}
