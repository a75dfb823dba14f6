//! Which family and which labels an instrument has. Decided once, when it is first shown, so that the first instrument keeps its
//! name.

use crate::layout::{Entry, Family, Layout};
use crate::names;
use ferrometer_core::{Cause, Kind, Naming, Series};
use ferrometer_export::Instrument;
use ferrometer_export::NameTable;
use std::collections::HashMap;
use std::sync::Arc;

/// Where an instrument stands: its family, and its labels as they are written, without braces.
#[derive(Clone, Debug)]
struct Place {
    family: usize,
    labels: Arc<str>,
    created: i64,
}

type FamilyKey = (Kind, &'static str, &'static str);

/// The names of all instruments for Prometheus.
#[derive(Debug, Default)]
pub(crate) struct Families {
    found: HashMap<FamilyKey, usize>,
    list: Vec<Result<Arc<Family>, Cause>>,
    names: NameTable<String>,
    label_sets: NameTable<(usize, Arc<str>)>,
    /// By instrument; `None` until it is shown.
    places: Vec<Option<Result<Place, Cause>>>,
}

impl Families {
    /// Finds an instrument's place, which it has not had before. Whether it got one. `created` is when it began to count, in
    /// milliseconds since 1970.
    pub(crate) fn place(&mut self, at: usize, instrument: &Instrument, naming: &Naming, created: i64) -> bool {
        if self.places.len() <= at {
            self.places.resize(at + 1, None);
        }
        let place = self.find(instrument.first, naming, created);
        let placed = place.is_ok();
        self.places[at] = Some(place);
        placed
    }

    fn find(&mut self, series: &'static Series, naming: &Naming, created: i64) -> Result<Place, Cause> {
        let key = (series.kind(), series.logger_name(), series.metric_name());
        let family = *self.found.entry(key).or_insert_with(|| {
            let index = self.list.len();
            let name = names::family(naming, series);
            let samples = names::samples(&name, series.kind());
            let longest = if name.is_empty() { "" } else { samples.last().map_or("", String::as_str) }.to_owned();
            let claimed = self.names.claim(series, &longest, samples);
            self.list.push(claimed.map(|()| Arc::new(Family { name, first: series })));
            index
        });
        let name = &self.list[family].as_ref().map_err(|cause| *cause)?.name;
        let labels: Arc<str> = names::labels(naming, series).into();
        self.label_sets.claim(series, name, vec![(family, Arc::clone(&labels))])?;
        Ok(Place { family, labels, created })
    }

    /// Returns whether an instrument has a place, or was refused one.
    pub(crate) fn is_decided(&self, at: usize) -> bool {
        self.places.get(at).is_some_and(Option::is_some)
    }

    /// Returns why an instrument was refused its place.
    pub(crate) fn refused(&self, at: usize) -> Option<Cause> {
        self.places.get(at)?.as_ref()?.as_ref().err().copied()
    }

    /// How many instruments are not shown.
    pub(crate) fn count_refused(&self) -> usize {
        self.places.iter().filter(|p| matches!(p, Some(Err(_)))).count()
    }

    /// Everything in its place.
    pub(crate) fn layout(&self) -> Layout {
        let placed = self.places.iter().enumerate();
        let placed = placed.filter_map(|(at, place)| place.as_ref()?.as_ref().ok().map(|place| (at, place)));
        let entries = placed.map(|(instrument, Place { family, labels, created })| Entry {
            family: *family,
            instrument,
            labels,
            created: *created,
        });
        Layout::new(&self.list, entries.collect(), self.places.len())
    }
}
