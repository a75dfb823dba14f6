//! The exposer: makes an exposition of each snapshot, and remembers between them what stays: names, places, times of creation.

use crate::families::Families;
use crate::layout::Layout;
use crate::le_buckets::GivenBounds;
use crate::process;
use crate::render::Exposition;
use crate::settings::{MAX_FRESH, Settings};
use crate::totals::{ExposedTotals, has_value};
use ferrometer_core::{Cause, Naming, Series, Totals};
use ferrometer_export::{Instruments, age_seconds};
use std::sync::{Arc, Weak};
use std::time::SystemTime;

/// A snapshot, as far as it is needed.
#[derive(Clone, Copy)]
pub(crate) struct Moment<'a> {
    pub(crate) sequence: u64,
    pub(crate) time: SystemTime,
    /// In seconds; by this, series age.
    pub(crate) age: i64,
    pub(crate) totals: Totals<'a>,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Exposer {
    process: bool,
    given: GivenBounds,
    instruments: Instruments,
    /// The latest time at which instruments were looked at, in seconds.
    seconds: i64,
    families: Families,
    layout: Arc<Layout>,
    started: i64,
    /// When the last snapshot was made, in milliseconds since 1970: what was not in it counts from 0 since then, at the
    /// latest. Before the first: when the process started.
    last: i64,
    last_sequence: u64,
    fresh: Vec<Weak<Exposition>>,
}

impl Exposer {
    pub(crate) fn new(settings: &Settings) -> Exposer {
        let started = process::start_millis();
        let families = Families::default();
        // Without a family, too, the process' own metrics have their names.
        let layout = Arc::new(families.layout());
        Exposer {
            process: settings.process_metrics,
            given: GivenBounds::new(settings),
            instruments: Instruments::new(settings.idle_seconds()).keeping_totals(),
            seconds: i64::MIN,
            families,
            layout,
            started,
            last: started,
            last_sequence: 0,
            fresh: Vec::new(),
        }
    }

    /// Looks at what was recorded, without making anything: a series ages while nobody scrapes.
    pub(crate) fn look(&mut self, moment: &Moment<'_>) {
        self.seconds = self.seconds.max(moment.age);
        self.instruments.update(moment.totals, self.seconds);
    }

    /// Decides the names of all instruments that have a value by now.
    pub(crate) fn decide_names(&mut self, moment: &Moment<'_>, naming: &Naming) {
        let Moment { sequence, time, totals, .. } = *moment;
        self.look(moment);
        let mut placed = false;
        for (at, instrument) in self.instruments.iter() {
            // A gauge that was never set waits for its first value.
            if !self.layout.has_row(at) && !self.families.is_decided(at) && has_value(instrument, totals) {
                placed |= self.families.place(at, instrument, naming, self.last);
            }
        }
        if placed || self.layout.is_outdated() {
            self.layout = Arc::new(self.families.layout());
        }
        if sequence > self.last_sequence {
            (self.last, self.last_sequence) = (process::millis(time), sequence);
        }
    }

    /// Returns the totals of a snapshot, ready to be rendered.
    pub(crate) fn expose(&mut self, moment: &Moment<'_>, naming: &Naming) -> Arc<Exposition> {
        self.decide_names(moment, naming);
        let process = if self.process { process::read() } else { Default::default() };
        let layout = Arc::clone(&self.layout);
        let (given, process) = (self.given.clone(), (process, self.started));
        let totals = ExposedTotals::new(layout, &self.instruments, moment.totals, given, process, moment.sequence);
        Arc::new(Exposition::new(totals))
    }

    /// The totals of this moment. When eight such are still being fetched by slow readers, the newest of them, so that memory stays
    /// bounded.
    pub(crate) fn fresh(&mut self) -> Arc<Exposition> {
        self.fresh.retain(|exposition| exposition.strong_count() > 0);
        let newest = self.fresh.last().and_then(Weak::upgrade);
        if let Some(newest) = &newest {
            if self.fresh.len() >= MAX_FRESH {
                return Arc::clone(newest);
            }
            newest.supersede();
        }
        let snapshot = ferrometer_core::snapshot();
        let (sequence, age) = (snapshot.sequence(), age_seconds(snapshot.instant()));
        let moment = Moment { sequence, time: snapshot.time(), age, totals: snapshot.totals() };
        let made = self.expose(&moment, &ferrometer_core::naming());
        self.fresh.push(Arc::downgrade(&made));
        made
    }

    /// Returns why the instrument of a series is not shown; `None` when it is shown, or not decided yet.
    pub(crate) fn refused(&self, series: &Series) -> Option<Cause> {
        self.families.refused(self.instruments.of(series)?)
    }

    /// Returns the number of idle instruments.
    pub(crate) fn count_idle(&self) -> usize {
        self.instruments.count_idle()
    }

    /// Returns the number of instruments that are refused.
    pub(crate) fn count_refused(&self) -> usize {
        self.families.count_refused()
    }
}
