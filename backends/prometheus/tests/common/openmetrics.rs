//! A parser of OpenMetrics 1.0 that believes nothing.

use super::{Labels, Sample, is_name, labels, number};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, Default)]
pub struct Family {
    pub kind: String,
    pub help: Option<String>,
    pub unit: String,
    pub samples: Vec<Sample>,
    /// With the number of the sample it stands behind.
    pub exemplars: Vec<(usize, Exemplar)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    pub labels: Labels,
    pub value: f64,
    pub seconds: f64,
}

/// Text that stands behind a sample and its `#`.
fn exemplar(text: &str) -> Result<Exemplar, String> {
    let (labels, rest) = labels(text.strip_prefix('{').ok_or("no labels")?)?;
    let characters: usize = labels.iter().map(|(key, value)| key.chars().count() + value.chars().count()).sum();
    if characters > 128 {
        return Err(format!("{characters} characters"));
    }
    let (value, seconds) =
        rest.strip_prefix(' ').and_then(|rest| rest.split_once(' ')).ok_or("no value, or no time")?;
    Ok(Exemplar { labels, value: number(value)?, seconds: number(seconds)? })
}

fn suffixes(kind: &str) -> Result<&'static [&'static str], String> {
    match kind {
        "counter" => Ok(&["_total", "_created"]),
        "histogram" => Ok(&["_bucket", "_count", "_sum", "_created"]),
        "gauge" | "unknown" => Ok(&[""]),
        _ => Err(format!("type {kind:?}")),
    }
}

fn unescape(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some(c @ ('\\' | '"')) => c,
                other => return Err(format!("escape of {other:?}")),
            },
            '"' => return Err("a bare quote".into()),
            c => c,
        });
    }
    Ok(out)
}

/// Families by name, each of them whole and in one place.
pub fn parse(text: &str) -> Result<BTreeMap<String, Family>, String> {
    let body = text.strip_suffix("# EOF\n").ok_or("no end")?;
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in body.split_terminator('\n') {
        let fail = |what: &str| Err(format!("{what}: {line:?}"));
        if let Some(rest) = line.strip_prefix("# ") {
            let Some((key, rest)) = rest.split_once(' ') else { return fail("metadata") };
            let Some((name, value)) = rest.split_once(' ') else { return fail("metadata") };
            if !is_name(name, true) {
                return fail("name");
            }
            if name != current {
                if families.contains_key(name) {
                    return fail("family in two places");
                }
                current = name.to_owned();
            }
            let family = families.entry(current.clone()).or_default();
            if !family.samples.is_empty() {
                return fail("metadata after samples");
            }
            let again = match key {
                "TYPE" => !std::mem::replace(&mut family.kind, value.to_owned()).is_empty(),
                "UNIT" => !std::mem::replace(&mut family.unit, value.to_owned()).is_empty(),
                "HELP" => family.help.replace(unescape(value).map_err(|e| format!("{e}: {line:?}"))?).is_some(),
                _ => return fail("metadata"),
            };
            if again || value.is_empty() {
                return fail("metadata twice, or empty");
            }
            continue;
        }
        let end = line.find(['{', ' ']).ok_or_else(|| format!("sample: {line:?}"))?;
        let (labels, rest) = match line[end..].strip_prefix('{') {
            Some(rest) => labels(rest).map_err(|e| format!("{e}: {line:?}"))?,
            None => (Vec::new(), &line[end..]),
        };
        let rest = rest.strip_prefix(' ').ok_or_else(|| format!("no space: {line:?}"))?;
        let (value, behind) = rest.split_once(" # ").map_or((rest, None), |(value, behind)| (value, Some(behind)));
        let value = number(value)?;
        let Some(family) = families.get_mut(&current) else { return fail("sample before its family") };
        let name = &line[..end];
        let suffix = name.strip_prefix(current.as_str()).unwrap_or("?");
        if !suffixes(&family.kind)?.contains(&suffix) {
            return fail("sample outside its family");
        }
        if labels.iter().any(|(key, _)| key == "le") != (suffix == "_bucket") || (suffix == "_total" && value < 0.0) {
            return fail("le, or a counter below zero");
        }
        if let Some(behind) = behind {
            let exemplar = exemplar(behind).map_err(|e| format!("{e}: {line:?}"))?;
            let le = labels.iter().find(|(key, _)| key == "le").map(|(_, le)| le.as_str());
            let is_within = le.is_none_or(|le| le == "+Inf" || le.parse().is_ok_and(|le: f64| exemplar.value <= le));
            if !["_bucket", "_total"].contains(&suffix) || !is_within {
                return fail("an exemplar that does not belong here");
            }
            family.exemplars.push((family.samples.len(), exemplar));
        }
        family.samples.push(Sample { name: name.to_owned(), labels, value });
    }
    let mut owned = BTreeSet::new();
    for (name, family) in &families {
        check(name, family).map_err(|e| format!("{name}: {e}"))?;
        for suffix in suffixes(&family.kind)?.iter().chain(&[""]).collect::<BTreeSet<_>>() {
            if !owned.insert(format!("{name}{suffix}")) {
                return Err(format!("two families own {name}{suffix}"));
            }
        }
    }
    Ok(families)
}

fn check(name: &str, family: &Family) -> Result<(), String> {
    if family.samples.is_empty() || family.help.as_ref().is_none_or(String::is_empty) {
        return Err("no samples, or no help".into());
    }
    if !family.unit.is_empty() && !name.ends_with(&format!("_{}", family.unit)) {
        return Err(format!("unit {:?}", family.unit));
    }
    // The samples of one label set stand together, each once.
    let without_le = |sample: &Sample| -> Labels {
        let mut labels: Labels = sample.labels.iter().filter(|(key, _)| key != "le").cloned().collect();
        labels.sort();
        labels
    };
    let mut seen = BTreeSet::new();
    for group in family.samples.chunk_by(|a, b| without_le(a) == without_le(b)) {
        if !seen.insert(without_le(&group[0])) {
            return Err(format!("label set in two places, or twice: {:?}", group[0].labels));
        }
        let value = |suffix: &str| {
            let mut found = group.iter().filter(|s| s.name == format!("{name}{suffix}")).map(|s| s.value);
            (found.next(), found.next())
        };
        for suffix in suffixes(&family.kind)?.iter().filter(|s| **s != "_bucket") {
            if value(suffix).1.is_some() {
                return Err(format!("{suffix} twice"));
            }
        }
        if ["counter", "histogram"].contains(&family.kind.as_str()) && value("_created").0.is_none_or(|v| v < 1e9) {
            return Err("no time of creation".into());
        }
        if family.kind != "histogram" {
            continue;
        }
        let mut buckets = Vec::new();
        for sample in group.iter().filter(|s| s.name.ends_with("_bucket")) {
            let le = &sample.labels.iter().find(|(key, _)| key == "le").unwrap().1;
            if le != "+Inf" && !le.contains(['.', 'e']) {
                return Err(format!("le {le:?} is not canonical"));
            }
            buckets.push((if le == "+Inf" { f64::INFINITY } else { number(le)? }, sample.value));
        }
        let ascending = buckets.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 <= w[1].1);
        let last = buckets.last().copied().unwrap_or_default();
        let (count, sum) = (value("_count").0, value("_sum").0);
        if !ascending || last.0 != f64::INFINITY || count.is_some_and(|c| c != last.1) {
            return Err(format!("{buckets:?} {count:?}"));
        }
        if count.is_some() != sum.is_some() || (sum.is_some() && buckets[0].0 < 0.0) {
            return Err(format!("sum {sum:?}, count {count:?}, {buckets:?}"));
        }
    }
    Ok(())
}
