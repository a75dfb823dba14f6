//! Values that have come since the last flush, and the measures that they make.

use super::counts::StatsdCause as Cause;
use super::line::{Head, Kind, Piece};
use super::settings::{StatsdSettings, StatsdTags, StatsdTimers};
use ferrometer_archive::{Nanos, Point, SECOND, sum};
use std::collections::{HashMap, HashSet};

/// Most names of a flush, and most timer values and members of sets; further lines are dropped and counted.
const MOST_NAMES: usize = 200_000;
const MOST_VALUES: usize = 2_000_000;
/// Values of timers that are not left to the next flush: half of what there is room for.
const MANY_TIMED: usize = MOST_VALUES / 2;
/// Gauges that nobody changed for as long are forgotten where there are many names. A sign changes one that was forgotten from 0 on.
const FORGOTTEN: Nanos = 3600 * SECOND;
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

/// A value that stays over flushes.
#[derive(Default)]
struct Gauge {
    value: f64,
    /// When it came last.
    came: Nanos,
    /// It came since the last flush.
    is_new: bool,
}

/// Measures of a flush, by the name of their metric.
pub(super) type Measures = Vec<(String, Vec<Point>)>;

/// Values by the name of their metric.
#[derive(Default)]
pub(super) struct Gathered {
    /// And when the last came.
    counters: HashMap<String, (f64, Nanos)>,
    gauges: HashMap<String, Gauge>,
    timers: HashMap<String, Vec<Timed>>,
    sets: HashMap<String, HashSet<Box<str>>>,
    /// Lines that told their moment.
    moments: HashMap<String, HashMap<Nanos, f64>>,
    values: usize,
    /// Those of them that are of timers.
    timed: usize,
    /// The name of a metric that is being looked for, and the values of the line: memory that is used again.
    key: String,
    numbers: Vec<f64>,
}

impl Gathered {
    /// Takes the pieces of a line: all of them or none.
    pub(super) fn take<'l>(
        &mut self,
        head: &Head<'l>,
        pieces: impl Iterator<Item = Piece<'l>> + Clone,
        at: Nanos,
        settings: &StatsdSettings,
    ) -> Result<(), Cause> {
        let (mut key, mut numbers) = (std::mem::take(&mut self.key), std::mem::take(&mut self.numbers));
        let taken = self.take_with(head, pieces, at, settings, &mut key, &mut numbers);
        (self.key, self.numbers) = (key, numbers);
        taken
    }

    fn take_with<'l>(
        &mut self,
        head: &Head<'l>,
        pieces: impl Iterator<Item = Piece<'l>> + Clone,
        at: Nanos,
        settings: &StatsdSettings,
        key: &mut String,
        numbers: &mut Vec<f64>,
    ) -> Result<(), Cause> {
        numbers.clear();
        for piece in pieces.clone().filter(|piece| piece.kind != Kind::Set) {
            for text in piece.values.split(':') {
                numbers.push(number(text).ok_or(Cause::Value)?);
            }
        }
        let mut left = &numbers[..];
        for piece in pieces {
            let count = if piece.kind == Kind::Set { 0 } else { piece.values.split(':').count() };
            let (values, rest) = left.split_at(count);
            left = rest;
            name(key, head, piece.kind, settings)?;
            self.piece(key, &piece, values, head.time, at, settings)?;
        }
        Ok(())
    }

    fn piece(
        &mut self,
        key: &str,
        piece: &Piece<'_>,
        values: &[f64],
        time: Option<Nanos>,
        at: Nanos,
        settings: &StatsdSettings,
    ) -> Result<(), Cause> {
        let has_name = self.names() < MOST_NAMES;
        if let Some(moment) = time.filter(|_| matches!(piece.kind, Kind::Counter | Kind::Gauge)) {
            self.has_room(1)?;
            change(&mut self.moments, key, has_name, |moments: &mut HashMap<Nanos, f64>| {
                let value = moments.entry(moment).or_default();
                match piece.kind {
                    Kind::Counter => *value += values.iter().sum::<f64>() / piece.rate,
                    _ => *value = values.last().copied().unwrap_or(*value),
                }
            })?;
            self.values += 1;
            return Ok(());
        }
        match piece.kind {
            Kind::Counter => {
                let sum = values.iter().sum::<f64>() / piece.rate;
                change(&mut self.counters, key, has_name, |counter| *counter = (counter.0 + sum, at))?;
            }
            Kind::Gauge => {
                change(&mut self.gauges, key, has_name, |gauge: &mut Gauge| {
                    for (text, value) in piece.values.split(':').zip(values) {
                        let is_relative = text.trim().starts_with(['+', '-']) && !settings.exact;
                        let value = if is_relative { gauge.value + value } else { *value };
                        *gauge = Gauge { value, came: at, is_new: true };
                    }
                })?;
            }
            Kind::Timer => {
                let weight = 1.0 / piece.rate;
                let repeated =
                    if settings.timers == StatsdTimers::Values { weight.round().min(MOST_REPEATED) } else { 1.0 };
                let count = values.len() * repeated as usize;
                self.has_room(count)?;
                change(&mut self.timers, key, has_name, |timer: &mut Vec<Timed>| {
                    if settings.exact {
                        timer.clear();
                    }
                    timer.extend(values.iter().map(|value| Timed { value: *value, weight, at }));
                })?;
                let count = if settings.exact { 0 } else { count };
                (self.values, self.timed) = (self.values + count, self.timed + count);
            }
            Kind::Set => {
                self.has_room(1)?;
                let mut end = piece.values.len().min(LONGEST_MEMBER);
                while !piece.values.is_char_boundary(end) {
                    end -= 1;
                }
                let member = &piece.values[..end];
                let is_new = change(&mut self.sets, key, has_name, |set: &mut HashSet<Box<str>>| {
                    !set.contains(member) && set.insert(member.into())
                })?;
                self.values += usize::from(is_new);
            }
        }
        Ok(())
    }

    fn names(&self) -> usize {
        self.counters.len() + self.gauges.len() + self.timers.len() + self.sets.len() + self.moments.len()
    }

    fn has_room(&self, values: usize) -> Result<(), Cause> {
        if self.values + values <= MOST_VALUES { Ok(()) } else { Err(Cause::Limit) }
    }

    /// Returns `true` when the values of timers may not leave room until the next flush.
    pub(super) fn is_crowded(&self, settings: &StatsdSettings) -> bool {
        self.timed >= MANY_TIMED && settings.timers == StatsdTimers::Values
    }

    /// Takes out the values of timers. Each is a measure of its own, so that it may come before the flush.
    pub(super) fn timed(&mut self) -> Measures {
        self.values -= std::mem::take(&mut self.timed);
        self.timers.drain().map(|(name, values)| (name, each(&values))).collect()
    }

    /// Takes out the measures of a flush; those that came at no moment of their own are of `at`.
    pub(super) fn flush(&mut self, at: Nanos, settings: &StatsdSettings) -> Measures {
        let exact = settings.exact;
        let one = |came: Nanos, value| vec![Point { at: if exact { came } else { at }, value }];
        let mut measures: Measures = Vec::new();
        measures.extend(self.counters.drain().map(|(name, (value, came))| (name, one(came, value))));
        for (name, gauge) in &mut self.gauges {
            if std::mem::take(&mut gauge.is_new) {
                measures.push((name.clone(), one(gauge.came, gauge.value)));
            }
        }
        if exact {
            self.gauges.clear();
        } else if self.gauges.len() > MOST_NAMES / 2 {
            self.gauges.retain(|_, gauge| at.saturating_sub(gauge.came) < FORGOTTEN);
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
        (self.values, self.timed) = (0, 0);
        // A sum of many may be beyond what a float holds.
        measures.iter_mut().for_each(|(_, points)| points.retain(|point| point.value.is_finite()));
        measures
    }
}

/// Changes what belongs to a name. Nearly always it is there, and no text is made; a new one needs room.
fn change<V: Default, T>(
    map: &mut HashMap<String, V>,
    key: &str,
    has_room: bool,
    change: impl FnOnce(&mut V) -> T,
) -> Result<T, Cause> {
    if let Some(value) = map.get_mut(key) {
        return Ok(change(value));
    }
    if !has_room {
        return Err(Cause::Limit);
    }
    let mut value = V::default();
    let done = change(&mut value);
    map.insert(key.to_owned(), value);
    Ok(done)
}

/// Reads a value.
fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|value: &f64| value.is_finite())
}

/// Writes the name of a metric.
fn name(key: &mut String, line: &Head<'_>, kind: Kind, settings: &StatsdSettings) -> Result<(), Cause> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use ferrometer_statsd_input::Line;
    use uuid::Uuid;

    fn take(gathered: &mut Gathered, text: &str, at: Nanos) -> Result<(), Cause> {
        let line = Line::parse(text).unwrap();
        let head = Head::of(&line, false);
        let pieces = line.samples().filter_map(|sample| super::super::line::piece(sample).ok());
        gathered.take(&head, pieces, at, &StatsdSettings::new(Uuid::nil()))
    }

    #[test]
    fn gauges_of_long_ago_make_room_and_others_keep_their_value() {
        let settings = StatsdSettings::new(Uuid::nil());
        let mut gathered = Gathered::default();
        for number in 0..MOST_NAMES {
            take(&mut gathered, &format!("old{number}:7|g"), SECOND).unwrap();
        }
        assert_eq!(take(&mut gathered, "new:1|c", SECOND), Err(Cause::Limit));
        assert_eq!(gathered.flush(2 * SECOND, &settings).len(), MOST_NAMES);
        // They stay, as somebody may change them.
        assert_eq!(take(&mut gathered, "new:1|c", SECOND), Err(Cause::Limit));
        take(&mut gathered, "old5:+1|g", FORGOTTEN).unwrap();
        let flushed = gathered.flush(FORGOTTEN + 2 * SECOND, &settings);
        assert_eq!((flushed.len(), flushed[0].1[0].value), (1, 8.0));
        take(&mut gathered, "new:1|c", FORGOTTEN).unwrap();
        take(&mut gathered, "old5:+1|g", FORGOTTEN).unwrap();
        let mut flushed = gathered.flush(FORGOTTEN + 3 * SECOND, &settings);
        flushed.sort_by(|a, b| a.0.cmp(&b.0));
        let values: Vec<_> = flushed.iter().map(|(name, points)| (name.as_str(), points[0].value)).collect();
        assert_eq!(values, [("new|c", 1.0), ("old5|g", 9.0)]);
    }

    #[test]
    fn values_of_timers_are_handed_over_before_there_is_no_room() {
        let settings = StatsdSettings::new(Uuid::nil());
        let mut gathered = Gathered::default();
        take(&mut gathered, "u:joe|s", SECOND).unwrap();
        let mut taken = 0;
        while !gathered.is_crowded(&settings) {
            take(&mut gathered, "t:5|ms|@0.001", SECOND).unwrap();
            taken += 1000;
        }
        assert_eq!(gathered.timed()[0].1.len(), taken);
        assert!(!gathered.is_crowded(&settings));
        // The set goes on to the flush.
        take(&mut gathered, "u:ann|s", SECOND).unwrap();
        let flushed = gathered.flush(2 * SECOND, &settings);
        assert_eq!((flushed.len(), flushed[0].1[0].value, gathered.values), (1, 2.0, 0));
        let summary = StatsdSettings { timers: StatsdTimers::Summary(vec![50]), ..settings };
        (0..taken / 1000).for_each(|_| take(&mut gathered, "t:5|ms|@0.001", SECOND).unwrap());
        assert!(!gathered.is_crowded(&summary), "a summary is of a whole flush");
    }
}
