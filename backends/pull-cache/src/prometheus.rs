//! Totals for Prometheus, in three [formats](Format).
//!
//! | step | module |
//! |---|---|
//! | a snapshot becomes an [`Exposition`]; names are decided, the first instrument keeps its own | [`Exposer`], `families`, `names` |
//! | where each line stands, and how it begins; kept until series come | `layout` |
//! | the numbers, and what was rendered of them so far, a piece at a time | `exposition` |
//! | how they are written | `text`, `protobuf`, `buckets`, `native`, `number` |
//! | what is asked for | `format`, `filter` |
//! | what is said of the process | `process` |

mod buckets;
mod exposition;
mod families;
mod filter;
mod format;
mod layout;
mod names;
mod native;
mod number;
mod process;
mod protobuf;
mod text;

pub(crate) use exposition::Exposition;
pub use exposition::{Piece, Pieces};
pub use filter::Filter;
pub use format::Format;

use families::Families;
use ferrometer_core::name::MAX_NAME_BYTES;
use ferrometer_core::{Naming, Totals};
use ferrometer_export::Instruments;
use ferrometer_export::Labels;
use ferrometer_export::age_seconds;
use layout::Layout;
use std::sync::{Arc, Weak};
use std::time::SystemTime;

/// So many expositions that were made for a scrape may be in use at a time; see [`Exposer::fresh`].
const MAX_FRESH: usize = 8;

/// A snapshot, as far as it is needed.
#[derive(Clone, Copy)]
pub(crate) struct Moment<'a> {
    pub(crate) sequence: u64,
    pub(crate) time: SystemTime,
    /// In seconds; by this, series age.
    pub(crate) age: i64,
    pub(crate) totals: Totals<'a>,
}

/// The most memory one series takes here, in bytes: its name and labels where they are claimed and in the layout, the one being made
/// included, and what it stands at. What was rendered comes on top.
pub(crate) const MAX_BYTES_PER_SERIES: usize = {
    // A character of a value may be escaped with another.
    let line = MAX_NAME_BYTES + 2 * Labels::MAX_BYTES + 16;
    3 * line + MAX_FRESH * 64 + 1024
};

/// Makes expositions, and remembers between them what stays: names, places, times of creation.
#[derive(Debug)]
pub(crate) struct Exposer {
    process: bool,
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
    /// `process`: whether the process' own metrics are shown too; `idle_after`: seconds after which an idle instrument is not.
    pub(crate) fn new(process: bool, idle_after: i64) -> Exposer {
        let started = process::start_millis();
        Exposer {
            process,
            instruments: Instruments::new(idle_after),
            seconds: i64::MIN,
            families: Families::default(),
            layout: Arc::default(),
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

    /// The totals of a snapshot, ready to be rendered.
    pub(crate) fn expose(&mut self, moment: &Moment<'_>, naming: &Naming) -> Arc<Exposition> {
        let Moment { sequence, time, totals, .. } = *moment;
        let now = process::millis(time);
        self.look(moment);
        let mut placed = false;
        for (at, instrument) in self.instruments.iter() {
            // A gauge that was never set waits for its first value.
            if !self.layout.has_row(at) && !self.families.is_decided(at) && exposition::has_value(instrument, totals) {
                placed |= self.families.place(at, instrument, naming, self.last);
            }
        }
        if placed || self.layout.is_outdated() {
            self.layout = Arc::new(self.families.layout());
        }
        if sequence > self.last_sequence {
            (self.last, self.last_sequence) = (now, sequence);
        }
        let process = if self.process { process::read() } else { Default::default() };
        Arc::new(Exposition::new(
            Arc::clone(&self.layout),
            self.instruments.iter(),
            totals,
            (process, self.started),
            sequence,
        ))
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

    /// How many instruments are not shown.
    pub(crate) fn count_refused(&self) -> usize {
        self.families.count_refused()
    }
}
