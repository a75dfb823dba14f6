//! The newest totals for Prometheus. Names are decided when a generation is made, so that the first instrument keeps its name;
//! text is rendered when somebody asks.
//!
//! The format is version 0.0.4 of the
//! [text-based format](https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format).

mod buckets;
mod names;
mod text;

use crate::instruments::{Instrument, Instruments};
use crate::names::Claims;
use crate::points;
use ferrometer_core::{Cause, Kind, Naming, Series, Total};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

/// The content type of the Prometheus text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the samples of one name share. All of one (logger, name, kind); they differ in labels.
#[derive(Debug)]
pub(crate) struct Family {
    /// The name, for a counter without its suffix.
    pub(crate) name: String,
    /// One of its series, for what it measures and means.
    pub(crate) first: &'static Series,
}

/// Where an instrument stands: its family, and its labels as they are written, without braces.
#[derive(Clone, Debug)]
struct Place {
    family: usize,
    labels: Arc<str>,
}

type FamilyKey = (Kind, &'static str, &'static str);

/// The names of all instruments in the Prometheus text.
#[derive(Debug, Default)]
pub(crate) struct Families {
    found: HashMap<FamilyKey, usize>,
    list: Vec<Result<Arc<Family>, Cause>>,
    names: Claims<String>,
    label_sets: Claims<(usize, Arc<str>)>,
    /// By instrument; `None` until it is shown.
    places: Vec<Option<Result<Place, Cause>>>,
}

impl Families {
    fn place(&mut self, at: usize, instrument: &Instrument, naming: &Naming) -> Result<Place, Cause> {
        if self.places.len() <= at {
            self.places.resize(at + 1, None);
        }
        if let Some(place) = &self.places[at] {
            return place.clone();
        }
        let place = self.find(at, instrument.first, naming);
        self.places[at] = Some(place.clone());
        place
    }

    fn find(&mut self, at: usize, series: &'static Series, naming: &Naming) -> Result<Place, Cause> {
        let key = (series.kind(), series.logger_name(), series.metric_name());
        let family = *self.found.entry(key).or_insert_with(|| {
            let index = self.list.len();
            let name = names::family(naming, series);
            let samples = names::samples(&name, series.kind());
            let longest = if name.is_empty() { "" } else { samples.last().map_or("", String::as_str) }.to_owned();
            let claimed = self.names.claim(index, series, &longest, samples);
            self.list.push(claimed.map(|()| Arc::new(Family { name, first: series })));
            index
        });
        let name = &self.list[family].as_ref().map_err(|cause| *cause)?.name;
        let labels: Arc<str> = names::labels(series).into();
        self.label_sets.claim(at, series, name, vec![(family, Arc::clone(&labels))])?;
        Ok(Place { family, labels })
    }

    /// How many instruments are not shown.
    pub(crate) fn count_refused(&self) -> usize {
        self.places.iter().filter(|p| matches!(p, Some(Err(_)))).count()
    }

    /// The totals of every instrument that has a value and a name.
    pub(crate) fn exposition(&mut self, instruments: &Instruments, totals: &[Total], naming: &Naming) -> Exposition {
        let mut by_family: BTreeMap<usize, Vec<Sample>> = BTreeMap::new();
        for (at, instrument) in instruments.iter().filter(|(_, i)| points::has_value(i, totals)) {
            if let Ok(Place { family, labels }) = self.place(at, instrument, naming) {
                let rates = instrument.totals(totals).cloned().collect();
                by_family.entry(family).or_default().push(Sample { labels, rates });
            }
        }
        let named = |(family, samples): (usize, Vec<Sample>)| {
            Some((Arc::clone(self.list.get(family)?.as_ref().ok()?), samples))
        };
        let mut families: Vec<(Arc<Family>, Vec<Sample>)> = by_family.into_iter().filter_map(named).collect();
        families.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        Exposition { families, text: OnceLock::new() }
    }
}

/// One instrument's totals, one for each sample rate.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) labels: Arc<str>,
    pub(crate) rates: Vec<Total>,
}

/// Totals with their names, ready to be rendered.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    families: Vec<(Arc<Family>, Vec<Sample>)>,
    text: OnceLock<Arc<str>>,
}

impl Exposition {
    /// The text, rendered once.
    pub(crate) fn text(&self) -> Arc<str> {
        Arc::clone(self.text.get_or_init(|| text::render(&self.families).into()))
    }
}
