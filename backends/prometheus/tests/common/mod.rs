//! Helpers of the tests: an installed exporter, and a parser of the Prometheus text that believes nothing.

#![allow(dead_code, unused_imports)]

pub mod exporter;
pub mod nasty;
pub mod openmetrics;
pub mod protobuf;

pub use exporter::Cache;
pub use ferrometer_testkit::{NEVER, SOON};

use std::collections::{BTreeMap, BTreeSet};

pub type Labels = Vec<(String, String)>;

#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: Labels,
    pub value: f64,
}

#[derive(Clone, Debug, Default)]
pub struct Family {
    pub kind: String,
    pub help: String,
    pub samples: Vec<Sample>,
}

impl Family {
    /// The value of the sample of a name, with these labels and no other.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels: BTreeMap<&str, &str> = labels.iter().copied().collect();
        let same =
            |s: &&Sample| s.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<BTreeMap<_, _>>() == labels;
        self.samples.iter().filter(|s| s.name == name).find(same).map(|s| s.value)
    }
}

fn is_name(text: &str, colon: bool) -> bool {
    let ok = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colon && c == ':');
    text.chars().next().is_some_and(|c| ok(c) && !c.is_ascii_digit()) && text.chars().all(ok)
}

/// `name="value",…}` up to and with the brace; returns what follows.
fn labels(mut rest: &str) -> Result<(Labels, &str), String> {
    let mut out = Vec::new();
    loop {
        let (key, after) = rest.split_once("=\"").ok_or("no value")?;
        if !is_name(key, false) || key.starts_with("__") {
            return Err(format!("label name {key:?}"));
        }
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next().ok_or("value does not end")? {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next().ok_or("escape does not end")?.1 {
                    '\\' => '\\',
                    '"' => '"',
                    'n' => '\n',
                    c => return Err(format!("escape of {c:?}")),
                }),
                (_, c) => value.push(c),
            }
        };
        out.push((key.to_owned(), value));
        rest = &after[end + 1..];
        match rest.as_bytes().first() {
            Some(b',') => rest = &rest[1..],
            Some(b'}') => return Ok((out, &rest[1..])),
            _ => return Err(format!("after a label: {rest:?}")),
        }
    }
}

fn number(text: &str) -> Result<f64, String> {
    let allowed = |c: char| c.is_ascii_digit() || "+-.e".contains(c);
    if !text.chars().all(allowed) {
        return Err(format!("number {text:?}"));
    }
    text.parse().map_err(|_| format!("number {text:?}"))
}

fn unescape_help(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.push(match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('\\')) => '\\',
            ('\\', Some('n')) => '\n',
            ('\\', other) => return Err(format!("escape of {other:?} in help")),
            (c, _) => c,
        });
    }
    Ok(out)
}

/// Reads version 0.0.4, in the strict form: for each family HELP, then TYPE, then all its samples, each once; histograms whole.
pub fn parse(text: &str) -> Result<BTreeMap<String, Family>, String> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut current = String::new();
    let mut helped = None;
    let body = match text.strip_suffix('\n') {
        None if text.is_empty() => return Ok(families),
        None => return Err("no line feed at the end".into()),
        Some(body) => body,
    };
    for line in body.split('\n') {
        let fail = |what: &str| Err(format!("{what}: {line:?}"));
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let Some((name, help)) = rest.split_once(' ') else { return fail("no help") };
            if !is_name(name, true) || helped.is_some() {
                return fail("misplaced help");
            }
            helped = Some((name.to_owned(), unescape_help(help)?));
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let Some((name, kind)) = rest.split_once(' ') else { return fail("no type") };
            let Some((_, help)) = helped.take().filter(|(n, _)| n == name) else { return fail("type without help") };
            if !["counter", "gauge", "histogram"].contains(&kind) {
                return fail("type");
            }
            let family = Family { kind: kind.to_owned(), help, samples: Vec::new() };
            if families.insert(name.to_owned(), family).is_some() {
                return fail("family twice");
            }
            current = name.to_owned();
        } else {
            let end = line.find(['{', ' ']).ok_or_else(|| format!("sample: {line:?}"))?;
            let name = &line[..end];
            let (labels, rest) = match line[end..].strip_prefix('{') {
                Some(rest) => labels(rest).map_err(|e| format!("{e}: {line:?}"))?,
                None => (Vec::new(), &line[end..]),
            };
            let value = number(rest.strip_prefix(' ').ok_or_else(|| format!("no space: {line:?}"))?)?;
            let Some(family) = families.get_mut(&current) else { return fail("sample before type") };
            let suffix = name.strip_prefix(current.as_str()).unwrap_or("?");
            let allowed: &[&str] = if family.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            if !allowed.contains(&suffix) || !is_name(name, true) || helped.is_some() {
                return fail("sample outside its family");
            }
            let mut sorted = labels.clone();
            sorted.sort();
            if sorted.windows(2).any(|w| w[0].0 == w[1].0) {
                return fail("label twice");
            }
            if labels.iter().any(|(key, _)| key == "le") != (suffix == "_bucket") {
                return fail("le");
            }
            if !seen.insert(format!("{name} {sorted:?}")) {
                return fail("series twice");
            }
            family.samples.push(Sample { name: name.to_owned(), labels, value });
        }
    }
    if helped.is_some() {
        return Err("help without type".into());
    }
    for (name, family) in &families {
        check(name, family).map_err(|e| format!("{name}: {e}"))?;
    }
    // No sample may stand in one family and be named like another.
    for name in families.iter().filter(|(_, f)| f.kind == "histogram").map(|(name, _)| name) {
        for suffix in ["_bucket", "_sum", "_count"] {
            if families.contains_key(&format!("{name}{suffix}")) {
                return Err(format!("{name}{suffix} is in two families"));
            }
        }
    }
    Ok(families)
}

/// One histogram: (bound, cumulative count) and the count.
#[derive(Default)]
struct Set {
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
}

fn check(name: &str, family: &Family) -> Result<(), String> {
    if family.samples.is_empty() || family.help.is_empty() {
        return Err("no samples, or no help".into());
    }
    if family.kind == "counter" && family.samples.iter().any(|s| s.value < 0.0) {
        return Err("a counter below zero".into());
    }
    if family.kind != "histogram" {
        return Ok(());
    }
    let mut sets: BTreeMap<Labels, Set> = BTreeMap::new();
    for sample in &family.samples {
        let mut labels = sample.labels.clone();
        labels.sort();
        let le = labels.iter().position(|(key, _)| key == "le").map(|at| labels.remove(at).1);
        let set = sets.entry(labels).or_default();
        match le {
            Some(le) => set.buckets.push((if le == "+Inf" { f64::INFINITY } else { number(&le)? }, sample.value)),
            None if sample.name == format!("{name}_count") => set.count = Some(sample.value),
            None => {}
        }
    }
    for (labels, Set { buckets, count }) in sets {
        let ascending = buckets.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 <= w[1].1);
        let last = buckets.last().ok_or("no buckets")?;
        if !ascending || last.0 != f64::INFINITY || Some(last.1) != count {
            return Err(format!("{labels:?}: {buckets:?} {count:?}"));
        }
    }
    Ok(())
}
