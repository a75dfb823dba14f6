//! OpenMetrics with timestamps, for `promtool tsdb create-blocks-from openmetrics`.
//!
//! The format wants the samples of a family together, so all samples are held until the end: 16 bytes each, at most [`MAX_SAMPLES`].
//!
//! | record | becomes |
//! |---|---|
//! | gauge `shop.queue.depth` | `shop_queue_depth` |
//! | derive or counter `shop.sales` | `shop_sales_total`, as `/metrics` shows it |
//! | `shop.pay.count`, `.sum` (milliseconds), `.p50`, … | `shop_pay_count_total`, `shop_pay_sum_total`, `shop_pay_p50` |
//! | an object's id | the label `object` |
//!
//! Two records that come to one name and one set of labels cannot both be kept: the first keeps the name, the others are counted.

use super::Output;
use crate::outcome::{Failure, Result};
use crate::records::Record;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::io::Write;

/// Samples that are held at most: 1.6 GB.
const MAX_SAMPLES: u64 = 100_000_000;
/// Colliding names that are told.
const TOLD: usize = 5;

/// See the [module](self).
pub(crate) struct OpenMetrics {
    out: Box<dyn Write>,
    /// By name of the family: its type, and its series by the text of their labels.
    families: BTreeMap<String, Family>,
    /// The metric that has a series, so that another of the same rendered name is told.
    owners: HashMap<(String, String), (String, String)>,
    /// The names of samples, and whose they are.
    samples_of: HashMap<String, String>,
    count: u64,
    collisions: u64,
    told: HashSet<String>,
}

struct Family {
    is_counter: bool,
    series: BTreeMap<String, Vec<(i64, f64)>>,
}

impl OpenMetrics {
    pub(crate) fn new(out: Box<dyn Write>) -> OpenMetrics {
        OpenMetrics {
            out,
            families: BTreeMap::new(),
            owners: HashMap::new(),
            samples_of: HashMap::new(),
            count: 0,
            collisions: 0,
            told: HashSet::new(),
        }
    }

    fn collides(&mut self, metric: &str, with: &str) -> Result {
        self.collisions += 1;
        if self.told.len() < TOLD {
            self.told.insert(format!("{metric} is left out: its name is that of {with}"));
        }
        Ok(())
    }
}

/// A name that Prometheus takes.
fn name(metric: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == ':' { c } else { '_' };
    let name: String = metric.chars().map(letter).collect();
    match name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() {
        true => format!("_{name}"),
        false => name,
    }
}

/// Labels as they stand between braces. Keys that become alike get a number.
fn labels(record: &Record) -> String {
    let mut out = String::new();
    let mut keys: HashSet<String> = HashSet::new();
    let object = (record.id != "host").then_some(("object", record.id.as_str()));
    let given = record.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    for (key, value) in object.into_iter().chain(given).filter(|(_, value)| !value.is_empty()) {
        let plain = name(key).replace(':', "_");
        let mut unique = plain.clone();
        let mut number = 2;
        while !keys.insert(unique.clone()) {
            unique = format!("{plain}_{number}");
            number += 1;
        }
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let between = if out.is_empty() { "" } else { "," };
        let _ = write!(out, "{between}{unique}=\"{escaped}\"");
    }
    out
}

impl Output for OpenMetrics {
    fn record(&mut self, record: &Record) -> Result {
        let is_counter = record.is_total();
        let mut family = name(&record.metric);
        // `_total` is the suffix of a counter's samples, and no part of its family's name.
        if is_counter && let Some(stem) = family.strip_suffix("_total").filter(|stem| !stem.is_empty()) {
            family = stem.to_owned();
        }
        let sample = if is_counter { format!("{family}_total") } else { family.clone() };
        let owner = self.samples_of.entry(sample.clone()).or_insert_with(|| format!("{} {}", record.kind, family));
        let is_same = *owner == format!("{} {}", record.kind, family);
        let is_known = self.families.get(&family).is_none_or(|known| known.is_counter == is_counter);
        let labels = labels(record);
        if !is_same || !is_known {
            return self.collides(&record.metric, &sample);
        }
        let identity = (record.metric.clone(), record.label_text());
        let owner = self.owners.entry((family.clone(), labels.clone())).or_insert_with(|| identity.clone());
        if *owner != identity {
            let with = owner.0.clone();
            return self.collides(&record.metric, &with);
        }
        self.count += 1;
        if self.count > MAX_SAMPLES {
            let most = MAX_SAMPLES / 1_000_000;
            return Err(Failure::Found(format!(
                "there are more than {most} million samples; narrow them with --name, --since or --until"
            )));
        }
        let family = self.families.entry(family).or_insert_with(|| Family { is_counter, series: BTreeMap::new() });
        family.series.entry(labels).or_default().push((record.timestamp, record.value));
        Ok(())
    }

    fn end(mut self: Box<Self>) -> Result<Vec<String>> {
        for (name, family) in &self.families {
            let (kind, suffix) = if family.is_counter { ("counter", "_total") } else { ("gauge", "") };
            writeln!(self.out, "# TYPE {name} {kind}")?;
            for (labels, samples) in &family.series {
                let braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
                for (timestamp, value) in samples {
                    writeln!(self.out, "{name}{suffix}{braces} {value} {timestamp}")?;
                }
            }
        }
        writeln!(self.out, "# EOF")?;
        self.out.flush()?;
        let mut warnings: Vec<String> = self.told.iter().cloned().collect();
        warnings.sort();
        if self.collisions > 0 {
            warnings.push(format!("{} records are left out, because their names are those of others", self.collisions));
        }
        Ok(warnings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn record(metric: &str, kind: &str, timestamp: i64, value: f64, labels: &[(&str, &str)]) -> Record {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Record { id: "host".into(), metric: metric.into(), timestamp, kind: kind.into(), value, labels }
    }

    fn dumped(records: &[Record]) -> (String, Vec<String>) {
        let out = Shared::default();
        let mut output = Box::new(OpenMetrics::new(Box::new(out.clone())));
        for record in records {
            output.record(record).unwrap();
        }
        let warnings = output.end().unwrap();
        let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        (text, warnings)
    }

    #[test]
    fn families_are_together_and_counters_have_their_suffix() {
        let (text, warnings) = dumped(&[
            record("a.total", "derive", 1, 1.0, &[]),
            record("b-c", "gauge", 1, -0.5, &[("k", "x\"\\\n")]),
            record("a.total", "derive", 2, 3.0, &[]),
            record("b-c", "gauge", 2, 1e300, &[("k", "x\"\\\n")]),
        ]);
        let huge = 1e300;
        let expected = format!(
            "# TYPE a counter\na_total 1 1\na_total 3 2\n# TYPE b_c gauge\nb_c{{k=\"x\\\"\\\\\\n\"}} -0.5 1\nb_c{{k=\"x\\\"\\\\\\n\"}} {huge} 2\n# EOF\n"
        );
        assert_eq!(text, expected);
        assert!(warnings.is_empty());
    }

    #[test]
    fn names_that_become_alike_are_told_and_the_first_keeps_its_own() {
        let (text, warnings) = dumped(&[
            record("a.b", "gauge", 1, 1.0, &[]),
            record("a_b", "gauge", 1, 2.0, &[]),
            record("a.b", "derive", 1, 3.0, &[]),
            record("c_total", "gauge", 1, 4.0, &[]),
            record("c", "derive", 1, 5.0, &[]),
            record("d", "gauge", 1, 6.0, &[("x.y", "1"), ("x_y", "2")]),
        ]);
        assert_eq!(
            text,
            "# TYPE a_b gauge\na_b 1 1\n# TYPE c_total gauge\nc_total 4 1\n# TYPE d gauge\nd{x_y=\"1\",x_y_2=\"2\"} 6 1\n# EOF\n"
        );
        assert_eq!(warnings.len(), 4, "{warnings:?}");
        assert!(warnings.last().unwrap().starts_with("3 records"));
    }
}
