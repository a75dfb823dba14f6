//! Decides which instruments are written, and under which names and labels; and writes their series, those of most by itself.

use crate::families::{Families, Form, Meta, Type};
use crate::labels::{self, Kept};
use crate::message::{self, Tail, Time};
use crate::names;
use crate::settings::{Histograms, Settings};
use crate::writer::{Bounds, MAIN, Names, What, Writer, millis};
use ferrometer_core::{Cause, Kind, Naming, Series, SnapshotView, warn};
use ferrometer_export::Instrument;
use ferrometer_push::histogram::Exponential;
use ferrometer_push::{Claims, Exporter, Instruments, Limit, Memory, Packer, Texts, ids};
use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

/// How often what families are is told again.
const METADATA: Duration = Duration::from_secs(60);

/// The group of pieces that are no series.
pub(crate) const NO_FAMILY: u32 = u32::MAX;

/// The exporter.
#[derive(Debug)]
pub(crate) struct SeriesWriter {
    histograms: Histograms,
    common: Vec<(String, String)>,
    limit: Limit,
    naming: Option<Naming>,
    instruments: Instruments,
    claims: Claims,
    /// The family that owns each name of a sample.
    owners: HashMap<String, u32>,
    /// By the family's number: its name; `None` when another family has one of its names.
    families: Vec<Option<String>>,
    /// Their families, for the carrier.
    meta: Families,
    /// The form of the pieces.
    form: Form,
    /// Those of each instrument, as [`labels::keep`] makes them.
    labels: Texts,
    /// When what families are was last told, and how many there were.
    told: Option<(Instant, usize)>,
    /// The time of the newest sample, in milliseconds since 1970.
    newest: i64,
    bounds: Bounds,
    buckets: Exponential,
    cumulative: Vec<u64>,
}

impl SeriesWriter {
    pub(crate) fn new(settings: &Settings, meta: Families) -> SeriesWriter {
        SeriesWriter {
            histograms: settings.histograms,
            common: settings.labels.clone(),
            limit: Limit { bytes: settings.max_body_size, frame: 0, pieces: settings.max_samples },
            naming: None,
            instruments: Instruments::default(),
            claims: Claims::default(),
            owners: HashMap::new(),
            families: Vec::new(),
            bounds: Bounds::new(&meta),
            form: meta.form(),
            meta,
            labels: Texts::default(),
            told: None,
            newest: 0,
            buckets: Exponential::default(),
            cumulative: Vec::new(),
        }
    }

    fn begin(&mut self, naming: &Naming) {
        // The names that are claimed stay so, whatever their form.
        let form = self.meta.form();
        if self.naming.as_ref() != Some(naming) || self.form != form {
            self.form = form;
            self.labels.clear();
            self.families.clear();
            self.meta.clear();
            self.bounds = Bounds::new(&self.meta);
            self.told = None;
        }
        if self.naming.as_ref() != Some(naming) {
            self.naming = Some(naming.clone());
            self.claims = Claims::default();
            self.owners.clear();
        }
    }

    /// The name of a family, claimed the first time.
    fn family(&mut self, number: u32, series: &'static Series, naming: &Naming) -> Option<String> {
        let at = number as usize;
        if let Some(known) = self.families.get(at) {
            return known.clone();
        }
        let name = names::family(naming, series);
        let all: Vec<String> = names::samples(series.kind()).iter().map(|suffix| format!("{name}{suffix}")).collect();
        let taken = all.iter().find(|name| self.owners.get(*name).is_some_and(|owner| *owner != number));
        let decided = match taken {
            Some(taken) => {
                let what = format!("the name {taken} belongs to another instrument; {series:?} is not delivered");
                warn(&format!("collision {taken}"), &what);
                None
            }
            None => {
                self.owners.extend(all.into_iter().map(|name| (name, number)));
                self.meta.set(number, meta(series));
                Some(name)
            }
        };
        self.families.resize(at.max(self.families.len()), None);
        self.families.push(decided.clone());
        decided
    }

    /// Decides whether an instrument can be written, the first time; and keeps its labels, with its name where it is one value.
    fn admit(
        &mut self,
        at: usize,
        series: &'static Series,
        naming: &Naming,
        (family, names): (&str, &Names),
    ) -> Result<(), Cause> {
        if self.labels.get(at).is_some() {
            return Ok(());
        }
        if let Some(Err(cause)) = self.claims.known(series) {
            return Err(cause);
        }
        let pairs = names::labels(naming, series, &self.common);
        let mut identity = family.to_owned();
        for (name, value) in &pairs {
            // Names of labels have no quotes, and lengths keep values apart.
            identity.push_str(&format!("\"{name}\"{}:{value}", value.len()));
        }
        self.claims.claim(series, family, [identity.as_str()])?;
        let name = series.kind().scheme().is_none().then_some(names.0[MAIN].as_slice());
        self.labels.set(at, &labels::keep(&self.meta, &pairs, family, name));
        Ok(())
    }

    fn write_all(&mut self, view: &SnapshotView<'_>, packer: &mut Packer<'_, '_>, millis: i64, what: What) {
        let (naming, totals) = (view.naming(), view.snapshot().totals());
        let (instruments, time) = (std::mem::take(&mut self.instruments), Time::new(millis));
        let mut tail = Tail::new(&time);
        let (mut buckets, mut cumulative) = (std::mem::take(&mut self.buckets), std::mem::take(&mut self.cumulative));
        for (number, family) in instruments.families() {
            if packer.is_stopped() {
                break;
            }
            let members = || {
                let numbers = family.iter().map(|(_, at)| *at as usize);
                numbers.filter_map(|at| Some((at, instruments.get(at)?)))
            };
            let Some((_, Instrument { first, .. })) = members().next() else { continue };
            let Some(name) = self.family(number, first, naming) else {
                members().for_each(|(_, instrument)| {
                    ids(instrument, totals).for_each(|id| packer.dropped(id, Cause::Collision));
                });
                continue;
            };
            let names = Names::new(&self.meta, &name, first.kind());
            let group_bytes = self.group_bytes(first);
            let is_short = what == What::Values && !totals.has_exemplars();
            for (_, at) in family {
                let at = *at as usize;
                // Most are counters of which nothing else has to be looked at.
                if is_short
                    && let Some(kept) = self.labels.get(at).and_then(Kept::read)
                    && let Some(plain) = instruments.plain(at)
                    && let Some(value) = plain.increments(totals).filter(|value| *value > 0)
                {
                    let form = self.form;
                    packer.piece_in(number, (group_bytes, kept.weight), [plain.id()], |out| {
                        message::plain(out, form, kept.all, &mut tail, value as f64);
                    });
                    continue;
                }
                let Some(instrument) = instruments.get(at) else { continue };
                if let Err(cause) = self.admit(at, instrument.first, naming, (&name, &names)) {
                    ids(instrument, totals).for_each(|id| packer.dropped(id, cause));
                    continue;
                }
                // More labels than 4 GiB are not kept.
                let Some(kept) = self.labels.get(at).and_then(Kept::read) else {
                    ids(instrument, totals).for_each(|id| packer.dropped(id, Cause::TooLarge));
                    continue;
                };
                let is_one = instrument.first.kind().scheme().is_none();
                let mut writer = Writer {
                    view,
                    families: &self.meta,
                    form: self.form,
                    labels: if is_one { kept.around_name() } else { kept.in_three() },
                    weights: (group_bytes, kept.weight),
                    names: &names,
                    group: number,
                    millis,
                    time: &time,
                    what,
                    histograms: self.histograms,
                    bounds: &self.bounds,
                    buckets: &mut buckets,
                    cumulative: &mut cumulative,
                };
                writer.write(packer, instrument, totals);
            }
        }
        (self.buckets, self.cumulative) = (buckets, cumulative);
        self.instruments = instruments;
    }

    /// Returns how many bytes a family has in each request of 2.0.
    fn group_bytes(&self, first: &'static Series) -> usize {
        /// The keys and lengths of two symbols.
        const KEYS: usize = 2 * 5;
        match self.form {
            Form::First => 0,
            Form::Second => KEYS + first.description().map_or(0, str::len) + names::unit(first).to_string().len(),
        }
    }

    /// Tells what families are: all of them once a minute, and where there are new ones. In 2.0 they are told with their series.
    fn write_metadata(&mut self, packer: &mut Packer<'_, '_>, marker: usize) {
        let is_old = |(when, count): &(Instant, usize)| when.elapsed() >= METADATA || *count != self.families.len();
        if !self.told.as_ref().is_none_or(is_old) {
            return;
        }
        for (number, family) in self.instruments.families() {
            let Some(Some(name)) = self.families.get(number as usize) else { continue };
            let Some(first) = family.first().and_then(|(_, at)| self.instruments.get(*at as usize)) else { continue };
            let meta = meta(first.first);
            let suffix = if meta.kind == Type::Counter { "_total" } else { "" };
            if !name.is_empty() && self.form == Form::First {
                let name = format!("{name}{suffix}");
                packer.piece(NO_FAMILY, 0, [marker], |out| message::metadata(out, &meta, &name));
            }
            // Descriptions may be given at any time.
            self.meta.set(number, meta);
        }
        if self.form == Form::Second {
            self.told = Some((Instant::now(), self.families.len()));
        }
    }
}

/// Returns the family of a series.
fn meta(series: &'static Series) -> Meta {
    let kind = match series.kind() {
        Kind::Counter => Type::Counter,
        Kind::Timer | Kind::Histogram => Type::Histogram,
        _ => Type::Gauge,
    };
    Meta { kind, help: series.description().unwrap_or("").to_owned(), unit: names::unit(series).to_string() }
}

impl Exporter for SeriesWriter {
    fn limit(&self) -> Limit {
        self.limit
    }

    fn write(&mut self, view: &SnapshotView<'_>, packer: &mut Packer<'_, '_>) {
        self.begin(view.naming());
        self.instruments.update(view.snapshot().totals());
        self.write_all(view, packer, millis(view.snapshot().time()), What::Values);
        // A number behind those of the series: its fate says whether the metadata arrived.
        self.write_metadata(packer, view.snapshot().totals().len());
    }

    fn written(&mut self, view: &SnapshotView<'_>, memory: &Memory) {
        self.newest = self.newest.max(millis(view.snapshot().time()));
        if memory.account().is_sent(view.snapshot().totals().len()) {
            self.told = Some((Instant::now(), self.families.len()));
        }
    }

    fn farewell(&mut self, view: &SnapshotView<'_>, packer: &mut Packer<'_, '_>) {
        // Behind every sample that was sent.
        let at = millis(SystemTime::now()).max(self.newest + 1);
        self.write_all(view, packer, at, What::End);
    }
}
