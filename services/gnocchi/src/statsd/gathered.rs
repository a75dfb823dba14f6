//! Values that have come since the last flush, and the measures that they make.

use super::counts::StatsdCause as Cause;
use super::line::{Kind, Line, Piece};
use super::settings::{StatsdSettings, StatsdTags, StatsdTimers};
use ferrometer_archive::{Nanos, Point, sum};
use std::collections::{HashMap, HashSet};

/// Most names of a flush, and most timer values and members of sets; further lines are dropped and counted.
const MOST_NAMES: usize = 200_000;
const MOST_VALUES: usize = 2_000_000;
/// Longest name of a metric.
const LONGEST: usize = 255;
/// The most measures that one sampled value stands for.
const MOST_REPEATED: f64 = 1000.0;
/// Longest member of a set that is told from others by its text.
const LONGEST_MEMBER: usize = 256;

/// A value of a timer, for how many calls it stands, and when it came.
#[derive(Clone, Copy)]
struct Timed {
    value: f64,
    weight: f64,
    at: Nanos,
}

/// Measures of a flush, by the name of their metric.
pub(super) type Measures = Vec<(String, Vec<Point>)>;

/// Values by the name of their metric.
#[derive(Default)]
pub(super) struct Gathered {
    /// And when the last came.
    counters: HashMap<String, (f64, Nanos)>,
    /// Values that stay over flushes, and when the last came, for those that changed.
    gauges: HashMap<String, (f64, Option<Nanos>)>,
    timers: HashMap<String, Vec<Timed>>,
    sets: HashMap<String, HashSet<Box<str>>>,
    /// Lines that told their moment.
    moments: HashMap<String, HashMap<Nanos, f64>>,
    values: usize,
    /// The name of a metric that is being looked for.
    key: String,
}

impl Gathered {
    /// Takes a line: all of it or nothing.
    pub(super) fn take(&mut self, line: &Line<'_>, at: Nanos, settings: &StatsdSettings) -> Result<(), Cause> {
        for piece in &line.pieces {
            if piece.kind != Kind::Set {
                numbers(piece.values).try_for_each(|number| number.map(drop))?;
            }
        }
        for piece in &line.pieces {
            let mut key = std::mem::take(&mut self.key);
            let taken =
                name(&mut key, line, piece.kind, settings).and_then(|()| self.piece(&key, piece, line, at, settings));
            self.key = key;
            taken?;
        }
        Ok(())
    }

    fn piece(
        &mut self,
        key: &str,
        piece: &Piece<'_>,
        line: &Line<'_>,
        at: Nanos,
        settings: &StatsdSettings,
    ) -> Result<(), Cause> {
        let values = || numbers(piece.values).map_while(Result::ok);
        if let Some(moment) = line.time.filter(|_| matches!(piece.kind, Kind::Counter | Kind::Gauge)) {
            self.has_room(self.moments.contains_key(key), 1)?;
            self.values += 1;
            change(&mut self.moments, key, |moments: &mut HashMap<Nanos, f64>| {
                let value = moments.entry(moment).or_default();
                match piece.kind {
                    Kind::Counter => *value += values().sum::<f64>() / piece.rate.unwrap_or(1.0),
                    _ => *value = values().last().unwrap_or(*value),
                }
            });
            return Ok(());
        }
        match piece.kind {
            Kind::Counter => {
                self.has_room(self.counters.contains_key(key), 0)?;
                let sum = values().sum::<f64>() / piece.rate.unwrap_or(1.0);
                change(&mut self.counters, key, |counter| *counter = (counter.0 + sum, at));
            }
            Kind::Gauge => {
                self.has_room(self.gauges.contains_key(key), 0)?;
                change(&mut self.gauges, key, |gauge: &mut (f64, Option<Nanos>)| {
                    for (text, value) in piece.values.split(':').zip(values()) {
                        let is_relative = text.trim().starts_with(['+', '-']) && !settings.exact;
                        *gauge = (if is_relative { gauge.0 + value } else { value }, Some(at));
                    }
                });
            }
            Kind::Timer => {
                let weight = 1.0 / piece.rate.unwrap_or(1.0);
                let repeated =
                    if settings.timers == StatsdTimers::Values { weight.round().min(MOST_REPEATED) } else { 1.0 };
                let count = values().count() * repeated as usize;
                self.has_room(self.timers.contains_key(key), count)?;
                self.values += if settings.exact { 0 } else { count };
                change(&mut self.timers, key, |timer: &mut Vec<Timed>| {
                    if settings.exact {
                        timer.clear();
                    }
                    timer.extend(values().map(|value| Timed { value, weight, at }));
                });
            }
            Kind::Set => {
                self.has_room(self.sets.contains_key(key), 1)?;
                let mut end = piece.values.len().min(LONGEST_MEMBER);
                while !piece.values.is_char_boundary(end) {
                    end -= 1;
                }
                let member = &piece.values[..end];
                let is_new = change(&mut self.sets, key, |set: &mut HashSet<Box<str>>| {
                    !set.contains(member) && set.insert(member.into())
                });
                self.values += usize::from(is_new);
            }
        }
        Ok(())
    }

    fn has_room(&self, is_known: bool, values: usize) -> Result<(), Cause> {
        let names = self.counters.len() + self.gauges.len() + self.timers.len() + self.sets.len() + self.moments.len();
        let fits = (is_known || names < MOST_NAMES) && (values == 0 || self.values + values <= MOST_VALUES);
        if fits { Ok(()) } else { Err(Cause::Limit) }
    }

    /// Takes out the measures of a flush; those that came at no moment of their own are of `at`.
    pub(super) fn flush(&mut self, at: Nanos, settings: &StatsdSettings) -> Measures {
        let exact = settings.exact;
        let one = |came: Nanos, value| vec![Point { at: if exact { came } else { at }, value }];
        let mut measures: Measures = Vec::new();
        measures.extend(self.counters.drain().map(|(name, (value, came))| (name, one(came, value))));
        for (name, (value, came)) in &mut self.gauges {
            if let Some(came) = came.take() {
                measures.push((name.clone(), one(came, *value)));
            }
        }
        if exact {
            self.gauges.clear();
        }
        for (name, values) in self.timers.drain() {
            match &settings.timers {
                StatsdTimers::Summary(percentiles) => summary(&mut measures, &name, values, percentiles, at),
                StatsdTimers::Values if exact => {
                    measures.extend(values.last().map(|last| (name, one(last.at, last.value))))
                }
                StatsdTimers::Values => measures.push((name, each(&values))),
            }
        }
        measures.extend(self.sets.drain().map(|(name, members)| (name, one(at, members.len() as f64))));
        for (name, moments) in self.moments.drain() {
            measures.push((name, moments.into_iter().map(|(at, value)| Point { at, value }).collect()));
        }
        self.values = 0;
        // A sum of many may be beyond what a float holds.
        measures.iter_mut().for_each(|(_, points)| points.retain(|point| point.value.is_finite()));
        measures
    }
}

/// Changes what belongs to a name. Nearly always it is there, and no text is made.
fn change<V: Default, T>(map: &mut HashMap<String, V>, key: &str, change: impl FnOnce(&mut V) -> T) -> T {
    if let Some(value) = map.get_mut(key) {
        return change(value);
    }
    let mut value = V::default();
    let done = change(&mut value);
    map.insert(key.to_owned(), value);
    done
}

/// The numbers of a piece.
fn numbers(values: &str) -> impl Iterator<Item = Result<f64, Cause>> + '_ {
    values.split(':').map(|text| text.trim().parse().ok().filter(|value: &f64| value.is_finite()).ok_or(Cause::Value))
}

/// Writes the name of a metric.
fn name(key: &mut String, line: &Line<'_>, kind: Kind, settings: &StatsdSettings) -> Result<(), Cause> {
    key.clear();
    key.push_str(line.name);
    if settings.tags == StatsdTags::InName && !line.tags.is_empty() {
        let mut tags = line.tags.clone();
        tags.sort_unstable();
        tags.dedup();
        for (at, (tag, value)) in tags.into_iter().enumerate() {
            key.push(if at == 0 { '@' } else { ',' });
            key.push_str(tag);
            if !value.is_empty() {
                key.push('=');
                key.push_str(value);
            }
        }
        // A path cannot have one in a name; values of tags often do.
        let tags = key.split_off(line.name.len());
        key.push_str(&tags.replace('/', "_"));
    }
    key.push('|');
    key.push_str(kind.letters());
    let bad = |c: char| c.is_control() || (c == '/' && !settings.exact);
    let fits = !line.name.is_empty() && key.len() <= LONGEST && !key.contains(bad);
    if fits { Ok(()) } else { Err(Cause::Name) }
}

/// Every value as a measure, a nanosecond apart, so that none replaces another.
fn each(values: &[Timed]) -> Vec<Point> {
    let mut points: Vec<Point> = Vec::with_capacity(values.len());
    for timed in values {
        for _ in 0..timed.weight.round().min(MOST_REPEATED) as usize {
            let at = points.last().map_or(timed.at, |last| timed.at.max(last.at + 1));
            points.push(Point { at, value: timed.value });
        }
    }
    points
}

/// Sums up the values of a flush, each counted for as many calls as it stands for.
fn summary(measures: &mut Measures, name: &str, mut values: Vec<Timed>, percentiles: &[u8], at: Nanos) {
    let stem = name.strip_suffix("|ms").unwrap_or(name);
    values.sort_by(|a, b| a.value.total_cmp(&b.value));
    let (Some(first), Some(last)) = (values.first(), values.last()) else { return };
    let count = sum(&values.iter().map(|timed| timed.weight).collect::<Vec<_>>());
    let total = sum(&values.iter().map(|timed| timed.value * timed.weight).collect::<Vec<_>>());
    let mut one = |what: &str, value: f64| measures.push((format!("{stem}.{what}|ms"), vec![Point { at, value }]));
    one("count", count);
    one("sum", total);
    one("mean", total / count);
    one("min", first.value);
    one("max", last.value);
    for rank in percentiles {
        // The smallest value that the given number of calls do not pass.
        let wanted = count * f64::from(*rank) / 100.0;
        let mut seen = 0.0;
        let reached = values.iter().find(|timed| {
            seen += timed.weight;
            seen >= wanted * (1.0 - 1e-12)
        });
        one(&format!("{rank}pct"), reached.unwrap_or(last).value);
    }
}
