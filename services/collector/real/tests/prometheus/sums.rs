//! An independent sum of raw samples, and its comparison with what was collected.

use super::raw::collector;
use ferrometer_collector::client::{Series, When};
use ferrometer_collector::number::text;
use ferrometer_collector::query::Ranges;
use ferrometer_collector::{Boundaries, Config, DataPoint};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A stretch of a metric's samples.
pub struct Stretch<'a> {
    pub metric: &'a str,
    pub scopes: &'a [&'a str],
    /// Begin of the first period.
    pub begin: i64,
    pub periods: usize,
}

/// Samples of one series in one period: seconds since its begin, in which a float keeps every millisecond, and values.
type Samples = Vec<(f64, f64)>;

fn aggregate(method: &str, values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    match method {
        "avg" => mean,
        "count" => n,
        "max" => values.iter().copied().fold(f64::MIN, f64::max),
        "min" => values.iter().copied().fold(f64::MAX, f64::min),
        "stddev" => variance.sqrt(),
        "stdvar" => variance,
        "sum" => values.iter().sum(),
        other => panic!("{other}"),
    }
}

/// The change over a period, as Prometheus extends it to the period's ends: by less than a tenth more than a mean distance of samples,
/// else by half of one, and a counter never below zero.
fn extended(samples: &Samples, length: f64, counter: bool) -> f64 {
    let ((first, from), (last, to)) = (samples[0], samples[samples.len() - 1]);
    let resets: f64 = samples.windows(2).filter(|w| counter && w[1].1 < w[0].1).map(|w| w[0].1).sum();
    let (change, span) = (to - from + resets, last - first);
    let mean = span / (samples.len() - 1) as f64;
    let end_of = |distance: f64| if distance < mean * 1.1 { distance } else { mean / 2.0 };
    let mut before = first;
    if counter && change > 0.0 && from >= 0.0 {
        before = before.min(span * (from / change));
    }
    change * (span + end_of(before) + end_of(length - last)) / span
}

/// Slope of the line that is nearest to the samples.
fn slope(samples: &Samples) -> f64 {
    let n = samples.len() as f64;
    let (x, y) = (samples.iter().map(|s| s.0).sum::<f64>() / n, samples.iter().map(|s| s.1).sum::<f64>() / n);
    let both: f64 = samples.iter().map(|s| (s.0 - x) * (s.1 - y)).sum();
    both / samples.iter().map(|s| (s.0 - x).powi(2)).sum::<f64>()
}

/// Part of a number by which two right sums of the same samples may lie apart, in another order or with another rounding.
const ROUNDING: f64 = 1e-11;

/// Returns how far two right results of a method may lie apart, of values that may each be off by `off`. A variance is the small difference of large
/// squares where the values lie close together, so its error is a part of the squares. Samples, their counts and their sums have few digits and no error.
fn error(method: &str, values: &[f64], off: f64) -> f64 {
    /// The error of a few additions of floats.
    const ADDED: f64 = 4e-15;
    let largest = values.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
    let deviation = aggregate("stddev", values);
    let of_variance = 2.0 * deviation * off + off.powi(2) + ADDED * largest.powi(2);
    match method {
        "avg" => off + ADDED * largest,
        "stdvar" => of_variance,
        "stddev" if deviation.powi(2) > of_variance => of_variance / deviation,
        "stddev" => of_variance.sqrt(),
        _ => 0.0,
    }
}

/// Values of a function of a number that a method gave, and that may be off. At a step, as that of `ceil` at an integer, the last bits of a quotient
/// decide the side: then there is more than one.
fn either(method: &str, value: f64, off: f64, function: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut found = vec![function(value)];
    if !matches!(method, "avg" | "stddev" | "stdvar") {
        return found;
    }
    let off = off + value.abs() * ROUNDING;
    for near in [value - off, value + off] {
        let other = function(near);
        if (other - found[0]).abs() > found[0].abs() * 1e-8 {
            found.push(other);
        }
    }
    found
}

/// Quantities of one series that are right in a period.
fn of_series(method: &str, what: &str, samples: &Samples, length: f64) -> Vec<f64> {
    let values: Vec<f64> = samples.iter().map(|s| s.1).collect();
    let over_time = aggregate(method, &values);
    let off = error(method, &values, 0.0);
    let two = || (samples[samples.len() - 2], samples[samples.len() - 1]);
    vec![match what {
        "changes" => values.windows(2).filter(|w| w[0] != w[1]).count() as f64,
        "delta" => extended(samples, length, false),
        "rate" => extended(samples, length, true) / length,
        "deriv" => slope(samples),
        "idelta" => two().1.1 - two().0.1,
        "irate" => {
            let ((before, from), (at, to)) = two();
            (if to < from { to } else { to - from }) / (at - before)
        }
        "abs" => over_time.abs(),
        "ceil" => return either(method, over_time, off, f64::ceil),
        "exp" => over_time.exp(),
        "floor" => return either(method, over_time, off, f64::floor),
        "ln" => over_time.ln(),
        "log2" => over_time.log2(),
        "log10" => over_time.log10(),
        "round" => return either(method, over_time, off, |v| (v + 0.5).floor()),
        "sqrt" => over_time.sqrt(),
        _ => over_time,
    }]
}

/// Quantities of a group that are right, from the raw samples of each of its series in the period. There is one, but where a step leaves
/// a series two.
fn expected(name: &str, series: &[Samples], length: f64) -> Vec<f64> {
    let (method, what) = name.split_once('-').unwrap();
    let mut choices: Vec<Vec<f64>> = vec![Vec::new()];
    for samples in series {
        let right = of_series(method, what, samples, length);
        let with = |chosen: &Vec<f64>| right.iter().map(|v| [&chosen[..], &[*v]].concat()).collect::<Vec<_>>();
        choices = choices.iter().flat_map(with).collect();
    }
    let converted = |value: f64| value * 0.125 + 1.0;
    let off = |samples: &Samples| error(method, &samples.iter().map(|s| s.1).collect::<Vec<_>>(), 0.0);
    let off = series.iter().map(off).fold(0.0, f64::max);
    choices
        .iter()
        .map(|values| (aggregate(method, values), error(method, values, off) * 0.125))
        .flat_map(|(value, off)| match what {
            "NUMBOOL" => vec![f64::from(converted(value) != 0.0)],
            "NOTNUMBOOL" => vec![f64::from(converted(value) == 0.0)],
            "FLOOR" => either(method, converted(value), off, f64::floor),
            "CEIL" => either(method, converted(value), off, f64::ceil),
            "MAP" => {
                let to = [(0.0, 1.0), (60.0, 7.0), (120.0, 9.0)].iter().find(|(from, _)| *from == value);
                vec![to.map_or(0.0, |(_, to)| *to)]
            }
            "around" => vec![2.0 * value + 1.0],
            _ => vec![value],
        })
        .collect()
}

/// Samples of a period by group, as `(container_id, volume_type)`.
fn groups(raw: &[Series], begin: i64, end: i64, closed: bool) -> BTreeMap<(String, String), Vec<Samples>> {
    let mut groups: BTreeMap<_, Vec<Samples>> = BTreeMap::new();
    for series in raw {
        let label = |name: &str| series.labels.get(name).cloned().unwrap_or_default();
        let inside = series.samples.iter().filter(|(at, _)| {
            let (first, last) = (begin * 1000, end * 1000);
            *at <= last && (*at > first || (closed && *at == first))
        });
        let samples: Samples =
            inside.map(|(at, text)| ((*at - begin * 1000) as f64 / 1000.0, text.parse().unwrap())).collect();
        if !samples.is_empty() {
            groups.entry((label("container_id"), label("volume_type"))).or_default().push(samples);
        }
    }
    groups
}

fn group_of(point: &DataPoint) -> (String, String) {
    let find = |labels: &[(Arc<str>, String)], name: &str| labels.iter().find(|(k, _)| &**k == name).unwrap().1.clone();
    (find(&point.groupby, "container_id"), find(&point.metadata, "volume_type"))
}

/// Functions of the way between samples: the range keeps the sample that two periods share.
pub const OF_THE_WAY: [&str; 6] = ["changes", "delta", "deriv", "idelta", "irate", "rate"];

/// Compares each quantity of a point in turn with the raw samples; `differs` is told of those that are not near.
fn check(
    point: &DataPoint,
    raw: &[Series],
    closed_server: bool,
    boundaries: Boundaries,
    differs: &mut dyn FnMut(&str, String),
) {
    let (method, what) = point.metric.split_once('-').unwrap();
    let (begin, end) = (point.period.begin, point.period.end);
    let way = OF_THE_WAY.contains(&what);
    let groups = groups(raw, begin, end, closed_server && (way || boundaries == Boundaries::AsServed));
    let Some(series) = groups.get(&group_of(point)) else { panic!("{point:?} is of no group") };
    let right = expected(&point.metric, series, (end - begin) as f64);
    let found: f64 = text(&point.qty).parse().unwrap_or(f64::NAN);
    // Nine digits; sums, extremes, counts and their like have no more. A change may be small beside the values that it is of.
    let near = |expected: &f64| {
        let scale = if way { expected.abs().max(0.01) } else { expected.abs() };
        (found - expected).abs() <= scale * 1e-8 || found == *expected
    };
    if !right.iter().any(near) {
        let group = group_of(point);
        differs(what, format!("{method} of {what} from {begin}, {group:?}: {found}, expected one of {right:?}"));
    }
}

/// Collects periods at once and one by one, and compares each quantity with the raw samples. Returns how many were compared.
pub fn compare_with(config: Config, of: &Stretch<'_>, differs: &mut dyn FnMut(&str, String)) -> usize {
    let boundaries = config.options.boundaries;
    let period = i64::from(config.period);
    let end = of.begin + period * of.periods as i64;
    let collector = collector(config);
    let closed_server = collector.client().ranges().unwrap() == Ranges::Closed;
    let mut compared = 0;
    for name in of.scopes {
        let scope: Arc<str> = (*name).into();
        let all = collector.collect(&scope, of.begin, of.periods).unwrap();
        let mut single = Vec::new();
        for n in 0..of.periods as i64 {
            single.extend(collector.collect(&scope, of.begin + n * period, 1).unwrap().points);
        }
        assert_eq!(all.points, single);
        let escaped = name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let query = format!("{}{{namespace=\"{escaped}\"}}[{}s]", of.metric, end - of.begin + period);
        let raw = collector.client().ask(&query, When::At(end)).unwrap().series;
        assert!(!raw.is_empty(), "{name} has no samples");
        let mut points_of: BTreeMap<(i64, &str), usize> = BTreeMap::new();
        for point in &all.points {
            *points_of.entry((point.period.begin, &*point.metric)).or_default() += 1;
            check(point, &raw, closed_server, boundaries, differs);
            compared += 1;
        }
        assert_eq!(points_of.len(), of.periods * collector.config().definitions.len());
        for ((begin, metric), points) in points_of {
            let closed = closed_server && boundaries == Boundaries::AsServed;
            assert_eq!(points, groups(&raw, begin, begin + period, closed).len(), "{metric} from {begin}");
        }
    }
    compared
}

/// Compares as [`compare_with`], and fails at the first difference.
pub fn compare(config: Config, of: &Stretch<'_>) -> usize {
    compare_with(config, of, &mut |_, message| panic!("{message}"))
}

/// Returns the variance as Prometheus has it, value by value.
fn one_by_one(values: &[f64]) -> f64 {
    let (mut mean, mut squares) = (0.0, 0.0);
    for (count, value) in (1..).zip(values) {
        let off = value - mean;
        mean += off / f64::from(count);
        squares += off * (value - mean);
    }
    squares / values.len() as f64
}

#[test]
fn two_ways_to_a_variance_lie_within_the_error() {
    let mut seed = 7_u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 40) as f64
    };
    let mut beyond = 0;
    for base in [0.0, 1e3, 1e6, 1e9, 1e12] {
        for _ in 0..1000 {
            let series: Vec<Vec<f64>> = (0..3).map(|_| (0..7).map(|_| base + next() / 64.0).collect()).collect();
            let (ours, theirs): (Vec<f64>, Vec<f64>) =
                series.iter().map(|values| (aggregate("stdvar", values), one_by_one(values))).unzip();
            let off = series.iter().map(|values| error("stdvar", values, 0.0)).fold(0.0, f64::max);
            for (ours, theirs) in ours.iter().zip(&theirs) {
                assert!((ours - theirs).abs() <= off, "{ours} {theirs} {off}");
                beyond += usize::from((ours - theirs).abs() > ours * ROUNDING);
            }
            let (first, second) = (aggregate("stdvar", &ours), one_by_one(&theirs));
            assert!((first - second).abs() <= error("stdvar", &ours, off), "{first} {second} {off}");
            let (first, second) = (aggregate("stddev", &ours), one_by_one(&theirs).sqrt());
            assert!((first - second).abs() <= error("stddev", &ours, off), "{first} {second} {off}");
        }
    }
    assert!(beyond > 100, "{beyond}: a part of the variance alone would do");
}
