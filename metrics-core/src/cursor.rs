//! How far one backend is with each series: what is its own to account for lies between here and the snapshot.

use crate::bucket::Scheme;
use crate::ledger::Amount;
use crate::snapshot::{Snapshot, Total, Value};

/// How far a backend is with one series.
#[derive(Clone, Debug, Default)]
pub(crate) struct Position {
    pub(crate) recordings: u64,
    pub(crate) increments: u64,
    pub(crate) decrements: u64,
    /// What most series never have.
    more: Option<Box<More>>,
}

#[derive(Clone, Debug, Default)]
struct More {
    invalid: u64,
    /// Accounted values by bucket; empty for other kinds, and until the first.
    buckets: Box<[u64]>,
}

/// How far a backend is with every series. Lives as long as the backend is installed.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    pub(crate) positions: Vec<Position>,
    /// What was recorded before it was installed is not this backend's.
    pub(crate) base: Amount,
}

impl Position {
    fn at(total: &Total) -> Position {
        let mut position = Position { recordings: total.recordings, ..Position::default() };
        position.set_invalid(total.invalid);
        match &total.value {
            Value::Counter { increments, decrements } => {
                position.increments = *increments;
                position.decrements = *decrements;
            }
            Value::Distribution(d) if d.count() > 0 => {
                let buckets = position.buckets_mut(d.scheme());
                d.buckets().for_each(|(index, count)| buckets[index] = count);
            }
            Value::Distribution(_) | Value::Gauge(_) | Value::InFlight(_) => {}
        }
        position
    }

    /// Accounted values by bucket; empty until the first.
    pub(crate) fn buckets(&self) -> &[u64] {
        self.more.as_ref().map_or(&[], |more| &more.buckets)
    }

    /// The buckets, made at the first use.
    pub(crate) fn buckets_mut(&mut self, scheme: Scheme) -> &mut [u64] {
        let more = self.more.get_or_insert_default();
        if more.buckets.is_empty() {
            more.buckets = vec![0; scheme.len()].into();
        }
        &mut more.buckets
    }

    /// How many recordings that were NaN or infinite are accounted for.
    pub(crate) fn invalid(&self) -> u64 {
        self.more.as_ref().map_or(0, |more| more.invalid)
    }

    pub(crate) fn set_invalid(&mut self, invalid: u64) {
        if invalid != self.invalid() {
            self.more.get_or_insert_default().invalid = invalid;
        }
    }

    pub(crate) fn amount(&self) -> Amount {
        Amount {
            recordings: self.recordings.wrapping_add(self.invalid()),
            increments: self.increments,
            decrements: self.decrements,
        }
    }
}

pub(crate) fn amount_of(total: &Total) -> Amount {
    let mut amount = Amount::of(total.recordings.wrapping_add(total.invalid));
    if let Value::Counter { increments, decrements } = total.value {
        (amount.increments, amount.decrements) = (increments, decrements);
    }
    amount
}

/// Everything recorded since the program started, ferrometer's own metrics left out.
pub(crate) fn recorded(snapshot: &Snapshot) -> Amount {
    let mut all = Amount::default();
    snapshot.totals.iter().filter(|t| !t.series.is_internal()).for_each(|total| all += amount_of(total));
    all
}

pub(crate) fn minus(a: Amount, b: Amount) -> Amount {
    Amount {
        recordings: a.recordings.wrapping_sub(b.recordings),
        increments: a.increments.wrapping_sub(b.increments),
        decrements: a.decrements.wrapping_sub(b.decrements),
    }
}

impl Cursor {
    /// A cursor that begins where the snapshot stands.
    pub(crate) fn at(snapshot: &Snapshot) -> Cursor {
        Cursor { positions: snapshot.totals.iter().map(Position::at).collect(), base: recorded(snapshot) }
    }

    pub(crate) fn grow(&mut self, len: usize) {
        if self.positions.len() < len {
            self.positions.resize(len, Position::default());
        }
    }

    /// What lies between the cursor and the snapshot.
    pub(crate) fn pending(&self, snapshot: &Snapshot) -> Amount {
        let mut all = Amount::default();
        for total in snapshot.totals.iter().filter(|t| !t.series.is_internal()) {
            let position = self.positions.get(total.series.id()).map_or(Amount::default(), Position::amount);
            all += minus(amount_of(total), position);
        }
        all
    }
}
