//! Totals as lines of text.

use super::{Family, Sample, buckets};
use ferrometer_core::{Distribution, Kind, Scheme, Total, Value};
use std::fmt::Write;

/// The text of all families, which come sorted.
pub(super) fn render(families: &[(std::sync::Arc<Family>, Vec<Sample>)]) -> String {
    let mut out = String::new();
    for (family, samples) in families {
        match family.first.kind() {
            Kind::Counter => counter(&mut out, family, samples),
            Kind::Timer => histogram(&mut out, family, samples, Scheme::Nanos),
            Kind::Histogram => histogram(&mut out, family, samples, Scheme::Float),
            _ => gauge(&mut out, family, samples),
        }
    }
    out
}

fn head(out: &mut String, family: &Family, suffix: &str, kind: &str) {
    let series = family.first;
    let name = &family.name;
    let text = match series.description() {
        Some(text) if !text.is_empty() => text.to_owned(),
        _ => format!("The {} {}.{}.", series.kind(), series.logger_name(), series.metric_name()),
    };
    let note = if suffix == "_decrements_total" { " (what was taken away)" } else { "" };
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    let _ = write!(out, "# HELP {name}{suffix} {text}{note}\n# TYPE {name}{suffix} {kind}\n");
}

fn line(out: &mut String, name: &str, suffix: &str, labels: &str, le: Option<&str>, value: impl std::fmt::Display) {
    out.push_str(name);
    out.push_str(suffix);
    match (labels.is_empty(), le) {
        (true, None) => {}
        (false, None) => _ = write!(out, "{{{labels}}}"),
        (true, Some(le)) => _ = write!(out, "{{le=\"{le}\"}}"),
        (false, Some(le)) => _ = write!(out, "{{{labels},le=\"{le}\"}}"),
    }
    let _ = writeln!(out, " {value}");
}

/// A float as both people and Go's `ParseFloat` read it.
fn number(value: f64) -> String {
    if value.trunc() == value && value.abs() < 1e15 { format!("{value}") } else { format!("{value:?}") }
}

/// What a sampled count stands for. Monotone in `count`.
fn scaled(count: u64, rate: f64) -> u64 {
    if rate < 1.0 { (count as f64 / rate).round() as u64 } else { count }
}

fn counter(out: &mut String, family: &Family, samples: &[Sample]) {
    let sum = |rates: &[Total], which: fn(u64, u64) -> u64| {
        rates.iter().fold(0u64, |sum, total| match total.value {
            Value::Counter { increments, decrements } => {
                sum.saturating_add(scaled(which(increments, decrements), total.series.rate()))
            }
            _ => sum,
        })
    };
    head(out, family, "_total", "counter");
    for Sample { labels, rates } in samples {
        line(out, &family.name, "_total", labels, None, sum(rates, |increments, _| increments));
    }
    let decrements = |rates: &[Total]| sum(rates, |_, decrements| decrements);
    if samples.iter().any(|s| decrements(&s.rates) > 0) {
        head(out, family, "_decrements_total", "counter");
        for Sample { labels, rates } in samples.iter().filter(|s| decrements(&s.rates) > 0) {
            line(out, &family.name, "_decrements_total", labels, None, decrements(rates));
        }
    }
}

fn gauge(out: &mut String, family: &Family, samples: &[Sample]) {
    head(out, family, "", "gauge");
    for Sample { labels, rates } in samples {
        let value = rates.iter().fold(0.0, |sum, total| match total.value {
            Value::Gauge(value) => sum + value,
            Value::InFlight(value) => sum + value as f64,
            _ => sum,
        });
        line(out, &family.name, "", labels, None, number(value));
    }
}

fn distribution(total: &Total) -> Option<(&Distribution, f64)> {
    match &total.value {
        Value::Distribution(d) => Some((d, total.series.rate())),
        _ => None,
    }
}

fn histogram(out: &mut String, family: &Family, samples: &[Sample], scheme: Scheme) {
    let unit = if scheme == Scheme::Nanos { 1e9 } else { 1.0 };
    // The same bounds for all label sets, so that they can be added up.
    let all = samples.iter().flat_map(|s| &s.rates).filter_map(distribution).map(|(d, _)| d);
    let bounds = buckets::bounds(scheme, all);
    let name = &family.name;
    head(out, family, "", "histogram");
    for Sample { labels, rates } in samples {
        let mut counts = vec![0u64; bounds.len()];
        let (mut count, mut sum, mut negative) = (0u64, 0.0, false);
        for (d, rate) in rates.iter().filter_map(distribution) {
            let cumulative = buckets::cumulative(d, &bounds);
            counts.iter_mut().zip(cumulative).for_each(|(sum, n)| *sum = sum.saturating_add(scaled(n, rate)));
            count = count.saturating_add(scaled(d.count(), rate));
            sum += d.sum() / unit / rate;
            negative |= buckets::has_negative(d);
        }
        for (bound, n) in bounds.iter().zip(counts) {
            line(out, name, "_bucket", labels, Some(&number(bound / unit)), n);
        }
        line(out, name, "_bucket", labels, Some("+Inf"), count);
        // Such a sum may fall, which a reader would take for a restart.
        if !negative && sum.is_finite() {
            line(out, name, "_sum", labels, None, number(sum));
        }
        line(out, name, "_count", labels, None, count);
    }
}
