//! Writes instruments as data points.
//!
//! Each kind of instrument has its points here, and histograms have two shapes; hence the length.

use crate::base::{Base, take_away};
use crate::point::{Header, Point, Shape, Spot, Value};
use crate::settings::{Encoding, Histograms, Settings, Temporality};
use crate::unit::ucum;
use crate::{json, protobuf};
use ferrometer_core::{Cause, Kind, Naming, Series, SnapshotView, Totals, warn};
use ferrometer_export::{Instrument, full_name, gated_labels, labels_with_object};
use ferrometer_push::histogram::{self, Exponential, Sum};
use ferrometer_push::{
    Claims, Exporter, Instruments, Limit, Memory, Packer, Rates, Summary, Texts, ids, moment, summary,
};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

/// Text around points, by the number of their group. The carrier frames with it.
pub(crate) type Headers = Arc<Mutex<Vec<Option<Header>>>>;

/// The exporter.
#[derive(Debug)]
pub(crate) struct Points {
    encoding: Encoding,
    temporality: Temporality,
    histograms: Histograms,
    limit: Limit,
    headers: Headers,
    naming: Option<Naming>,
    instruments: Instruments,
    claims: Claims,
    /// One name has one shape, whatever the attributes are.
    shapes: HashMap<String, Shape>,
    misshapen: HashSet<usize>,
    /// The attributes of each instrument. A mark in front tells one without attributes from one that was not written yet.
    attributes: Texts,
    /// When each instrument began, in nanoseconds since 1970: at the last delivery that did not have it.
    starts: Vec<u64>,
    last: u64,
    bases: HashMap<usize, Base>,
    room: Room,
}

/// Memory that is used again for each point.
#[derive(Debug, Default)]
struct Room {
    now: Exponential,
    before: Exponential,
    cumulative: Vec<u64>,
    earlier: Vec<u64>,
    counts: Vec<u64>,
    /// The bounds of timers and of histograms, as recorded and as shown.
    bounds: [Vec<f64>; 4],
}

impl Points {
    pub(crate) fn new(settings: &Settings, headers: Headers, frame: usize) -> Points {
        let timers = histogram::bounds(Kind::Timer);
        let seconds = timers.iter().map(|nanos| nanos / 1e9).collect();
        let others = histogram::bounds(Kind::Histogram);
        let bounds = [timers, seconds, others.clone(), others];
        Points {
            encoding: settings.encoding,
            temporality: settings.temporality,
            histograms: settings.histograms,
            limit: Limit { bytes: settings.max_body_size, frame, pieces: usize::MAX },
            headers,
            naming: None,
            instruments: Instruments::default(),
            claims: Claims::default(),
            shapes: HashMap::new(),
            misshapen: HashSet::new(),
            attributes: Texts::default(),
            starts: Vec::new(),
            last: moment::started(),
            bases: HashMap::new(),
            room: Room { bounds, ..Room::default() },
        }
    }

    fn begin(&mut self, naming: &Naming) {
        if self.naming.as_ref() != Some(naming) {
            self.naming = Some(naming.clone());
            self.claims = Claims::default();
            self.shapes.clear();
            self.misshapen.clear();
            self.attributes.clear();
            self.headers.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    fn shape(&self, kind: Kind) -> Shape {
        match kind {
            Kind::Counter => Shape::Counter,
            Kind::InFlight => Shape::UpDown,
            Kind::Timer | Kind::Histogram if self.histograms == Histograms::Explicit => Shape::Explicit,
            Kind::Timer | Kind::Histogram => Shape::Exponential,
            _ => Shape::Gauge,
        }
    }

    /// Decides whether an instrument can be written, the first time; and keeps its attributes.
    fn admit(&mut self, at: usize, series: &'static Series, naming: &Naming) -> Result<(), Cause> {
        if self.attributes.get(at).is_some() {
            return Ok(());
        }
        if self.misshapen.contains(&at) {
            return Err(Cause::Collision);
        }
        if let Some(Err(cause)) = self.claims.known(series) {
            return Err(cause);
        }
        let (shape, name) = (self.shape(series.kind()), full_name(naming, series));
        let pairs =
            gated_labels(
                labels_with_object(naming, series),
                |key| if key.is_empty() { "_".into() } else { key.into() },
            );
        let mut identity = String::new();
        for (key, value) in &pairs {
            // Lengths, so that no text can look like two.
            identity.push_str(&format!("{}:{key}{}:{value}", key.len(), value.len()));
        }
        let decrements = (shape == Shape::Counter).then(|| format!("{name}.decrements {identity}"));
        let own = format!("{name} {identity}");
        self.claims.claim(
            series,
            &name,
            [Some(&own), decrements.as_ref()].into_iter().flatten().map(String::as_str),
        )?;
        if *self.shapes.entry(name.clone()).or_insert(shape) != shape {
            self.misshapen.insert(at);
            let what = format!("{name} is of another kind on the wire; {series:?} is not delivered");
            warn(&format!("collision {name}"), &what);
            return Err(Cause::Collision);
        }
        let mut text = vec![b' '];
        let given = pairs.iter().map(|(key, value)| (key.as_str(), *value));
        match self.encoding {
            Encoding::Protobuf => protobuf::attributes(&mut text, protobuf::attributes_field(shape), given),
            Encoding::Json if pairs.is_empty() => {}
            Encoding::Json => json::attributes(&mut text, given),
        }
        self.attributes.set(at, &text);
        Ok(())
    }

    /// Says what stands around the points of a group, and how many bytes that may take. `suffix` is the end of its name.
    fn head(&self, group: u32, series: &'static Series, naming: &Naming, suffix: &str) -> usize {
        let (shape, at) = (self.shape(series.kind()), group as usize);
        let is_delta = self.temporality == Temporality::Delta && !matches!(shape, Shape::UpDown | Shape::Gauge);
        let mut headers = self.headers.lock().unwrap_or_else(PoisonError::into_inner);
        if headers.len() <= at {
            headers.resize(at + 1, None);
        }
        let header = headers[at].get_or_insert_with(|| {
            let name = full_name(naming, series) + suffix;
            Header { name, unit: "", description: "", shape, is_delta }
        });
        // Descriptions may be given at any time.
        header.unit = if series.kind() == Kind::Timer { "s" } else { ucum(series.unit().unwrap_or("")) };
        header.description = series.description().unwrap_or("");
        header.max_bytes()
    }
}

/// Which of an instrument's points.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Main,
    Decrements,
}

struct Writer<'w, 'v> {
    encoding: Encoding,
    is_delta: bool,
    histograms: Histograms,
    view: &'w SnapshotView<'v>,
    time: u64,
    /// Where the numbers begin under which the fate of parts is noted.
    parts: usize,
    attributes: &'w Texts,
    starts: &'w [u64],
    bases: &'w HashMap<usize, Base>,
    room: &'w mut Room,
    /// Counters of the family that have decrements: a point of their own each.
    fell: Vec<usize>,
}

impl Writer<'_, '_> {
    /// Returns the number under which the fate of a part is noted. Where totals are sent nobody asks for it.
    fn part(&self, at: usize, which: usize) -> Option<usize> {
        self.is_delta.then_some(self.parts + 2 * at + which)
    }

    fn piece(
        &self,
        packer: &mut Packer<'_, '_>,
        (group, bytes): (u32, usize),
        owners: impl Iterator<Item = usize>,
        at: usize,
        start: u64,
        (value, exemplars): (Value<'_>, &[u8]),
    ) {
        let attributes = self.attributes.get(at).and_then(|text| text.get(1..)).unwrap_or_default();
        let point = Point { attributes, start, time: self.time, value, exemplars };
        packer.piece(group, bytes, owners, |out| match self.encoding {
            Encoding::Protobuf => protobuf::point(out, &point),
            Encoding::Json => json::point(out, &point),
        });
    }

    /// Returns the exemplars of an instrument that came since the last delivery, as they stand in a point.
    fn exemplars(&self, instrument: &Instrument, totals: Totals<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        if !totals.has_exemplars() {
            return out;
        }
        let kind = instrument.first.kind();
        let shape = match (kind.scheme(), self.histograms) {
            (None, _) => Shape::Counter,
            (Some(_), Histograms::Explicit) => Shape::Explicit,
            (Some(_), _) => Shape::Exponential,
        };
        for new in instrument.totals(totals).flat_map(|total| self.view.new_exemplars(total.series)) {
            let value = match kind.scheme() {
                None => Value::Int(new.value as i64),
                Some(scheme) => Value::Double(new.value / histogram::unit(scheme)),
            };
            let spot = Spot { value, time: moment::nanos(new.time), context: new.context };
            match self.encoding {
                Encoding::Protobuf => protobuf::exemplar(&mut out, shape, &spot),
                Encoding::Json => json::exemplar(&mut out, &spot),
            }
        }
        out
    }

    /// Writes one point of an instrument; nothing where it has none, or none that is new.
    fn write(
        &mut self,
        packer: &mut Packer<'_, '_>,
        group: (u32, usize),
        (at, instrument, totals): (usize, &Instrument, Totals<'_>),
        part: Part,
    ) {
        let Some(summary) = summary(instrument, totals) else { return };
        let owners = ids(instrument, totals);
        let base = if self.is_delta { self.bases.get(&at) } else { None };
        let begun = self.starts.get(at).copied().unwrap_or(self.time);
        match summary {
            Summary::Counter { increments, decrements } => {
                let (which, now) = if part == Part::Main { (0, increments) } else { (1, decrements) };
                if part == Part::Main && decrements > 0 {
                    self.fell.push(at);
                }
                let before = base.map_or(0, |base| base.sums[which]);
                let new = now.saturating_sub(before);
                let Ok(value) = i64::try_from(new) else {
                    return owners.for_each(|id| packer.dropped(id, Cause::Invalid));
                };
                if self.is_delta && new == 0 {
                    // The recordings add up to nothing.
                    return owners.for_each(|id| packer.sent(id));
                }
                let start = base.map(|base| base.times[which]).filter(|time| *time > 0).unwrap_or(begun);
                let owners = owners.chain(self.part(at, which));
                let exemplars = if part == Part::Main { self.exemplars(instrument, totals) } else { Vec::new() };
                self.piece(packer, group, owners, at, start, (Value::Int(value), &exemplars));
            }
            Summary::Gauge(value) => self.piece(packer, group, owners, at, 0, (Value::Double(value), &[])),
            Summary::InFlight(value) => self.piece(packer, group, owners, at, begun, (Value::Int(value), &[])),
            Summary::Distributions(rates) => {
                let owners = owners.chain(self.part(at, 0));
                let exemplars = self.exemplars(instrument, totals);
                let buckets = instrument.first.buckets();
                self.distribution(packer, group, at, owners, (&rates, base, buckets), (begun, &exemplars));
            }
        }
    }

    fn distribution(
        &mut self,
        packer: &mut Packer<'_, '_>,
        group: (u32, usize),
        at: usize,
        owners: impl Iterator<Item = usize>,
        (rates, base, viewed): (&Rates<'_>, Option<&Base>, Option<&'static [f64]>),
        (begun, exemplars): (u64, &[u8]),
    ) {
        let before = base.and_then(Base::rates);
        let mut sum = Sum::of(rates);
        if self.is_delta {
            // The largest since the last delivery is not known.
            sum.max = None;
        }
        if let Some(before) = &before {
            let earlier = Sum::of(before);
            sum.count = sum.count.saturating_sub(earlier.count);
            sum.sum = sum.sum.zip(earlier.sum).map(|(now, before)| now - before);
        }
        if self.is_delta && sum.count == 0 {
            return owners.for_each(|id| packer.sent(id));
        }
        let start = base.map(|base| base.time).filter(|time| *time > 0).unwrap_or(begun);
        let mut room = std::mem::take(self.room);
        if self.histograms == Histograms::Explicit {
            let is_timer = rates.iter().any(|(_, d)| histogram::unit(d.scheme()) > 1.0);
            let Room { cumulative, earlier, counts, bounds, .. } = &mut room;
            let [nanos, seconds, recorded, shown] = &*bounds;
            let (recorded, shown) = if is_timer { (nanos, seconds) } else { (recorded, shown) };
            let unit = if is_timer { 1e9 } else { 1.0 };
            let viewed = viewed.map(|shown| (shown.iter().map(|bound| bound * unit).collect::<Vec<_>>(), shown));
            let (recorded, shown) =
                viewed.as_ref().map_or((&**recorded, &**shown), |(recorded, shown)| (recorded, *shown));
            histogram::explicit(rates, recorded, cumulative);
            earlier.clear();
            if let Some(before) = &before {
                histogram::explicit(before, recorded, earlier);
            }
            counts.clear();
            let mut last = 0;
            for (at, seen) in cumulative.iter().enumerate() {
                let seen = seen.saturating_sub(earlier.get(at).copied().unwrap_or(0));
                counts.push(seen.saturating_sub(last));
                last = last.max(seen);
            }
            counts.push(sum.count.saturating_sub(last));
            let value = Value::Explicit { sum, bounds: shown, counts };
            self.piece(packer, group, owners, at, start, (value, exemplars));
        } else {
            room.now.count(rates);
            if let Some(before) = &before {
                room.before.count(before);
                take_away(&mut room.now, &room.before);
            }
            let value = Value::Exponential { sum, buckets: &room.now };
            self.piece(packer, group, owners, at, start, (value, exemplars));
        }
        *self.room = room;
    }
}

impl Exporter for Points {
    fn limit(&self) -> Limit {
        self.limit
    }

    fn write(&mut self, view: &SnapshotView<'_>, packer: &mut Packer<'_, '_>) {
        let (naming, totals) = (view.naming(), view.snapshot().totals());
        self.begin(naming);
        self.instruments.update(totals);
        let time = moment::nanos(view.snapshot().time());
        let instruments = std::mem::take(&mut self.instruments);
        self.starts.resize(instruments.len(), self.last.min(time));
        let (mut room, mut fell) = (std::mem::take(&mut self.room), Vec::new());
        for (number, family) in instruments.families() {
            if packer.is_stopped() {
                break;
            }
            let members = || {
                let numbers = family.iter().map(|(_, at)| *at as usize);
                numbers.filter_map(|at| Some((at, instruments.get(at)?)))
            };
            let Some((_, Instrument { first, .. })) = members().next() else { continue };
            for (at, instrument) in members() {
                if let Err(cause) = self.admit(at, instrument.first, naming) {
                    ids(instrument, totals).for_each(|id| packer.dropped(id, cause));
                }
            }
            let main = (2 * number, self.head(2 * number, first, naming, ""));
            let is_delta = self.temporality == Temporality::Delta;
            let mut writer = Writer {
                encoding: self.encoding,
                is_delta,
                histograms: self.histograms,
                view,
                time,
                parts: totals.len(),
                attributes: &self.attributes,
                starts: &self.starts,
                bases: &self.bases,
                room: &mut room,
                fell,
            };
            for (at, instrument) in members().filter(|(at, _)| self.attributes.get(*at).is_some()) {
                writer.write(packer, main, (at, instrument, totals), Part::Main);
            }
            fell = std::mem::take(&mut writer.fell);
            if fell.is_empty() {
                continue;
            }
            let decrements = (2 * number + 1, self.head(2 * number + 1, first, naming, ".decrements"));
            for at in fell.drain(..) {
                if let Some(instrument) = instruments.get(at) {
                    writer.write(packer, decrements, (at, instrument, totals), Part::Decrements);
                }
            }
        }
        self.room = room;
        self.instruments = instruments;
    }

    fn written(&mut self, view: &SnapshotView<'_>, memory: &Memory) {
        let time = moment::nanos(view.snapshot().time());
        self.last = time;
        if self.temporality != Temporality::Delta {
            return;
        }
        let totals = view.snapshot().totals();
        for (at, instrument) in self.instruments.iter() {
            let is_sent = |which: usize| memory.account().is_sent(totals.len() + 2 * at + which);
            if !is_sent(0) && !is_sent(1) {
                continue;
            }
            let base = self.bases.entry(at).or_default();
            match summary(instrument, totals) {
                Some(Summary::Counter { increments, decrements }) => {
                    for (which, sum) in [increments, decrements].into_iter().enumerate() {
                        if is_sent(which) {
                            (base.sums[which], base.times[which]) = (sum, time);
                        }
                    }
                }
                Some(Summary::Distributions(rates)) => {
                    base.time = time;
                    base.distributions.clear();
                    base.distributions.extend(rates.iter().map(|(rate, d)| (rate, Arc::clone(d))));
                }
                _ => {}
            }
        }
    }
}
