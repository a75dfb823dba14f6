//! The part that exporter and carrier share: families, which remote write 2.0 has in each series; the form of the pieces, which the carrier knows when it
//! has asked the server; and the texts that the numbers in pieces of 2.0 stand for.

use crate::symbols::Symbols;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The type of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Counter = 1,
    Gauge = 2,
    Histogram = 3,
}

/// A family of series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) kind: Type,
    pub(crate) help: String,
    pub(crate) unit: String,
}

/// The form of pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// Series of 1.0: a body is its pieces, one behind the other.
    #[default]
    First,
    /// For requests of 2.0: how many bytes its labels have; each label as the numbers of two [`Symbols`], of four bytes each; and what series of 1.0 have
    /// behind their labels.
    Second,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// By their number, which is the group of their pieces.
    pub(crate) families: Vec<Option<Meta>>,
    pub(crate) form: Form,
    pub(crate) symbols: Symbols,
}

/// Texts and families that writer and carrier both know.
#[derive(Clone, Debug, Default)]
pub(crate) struct Families(Arc<Mutex<Known>>);

impl Families {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a family is.
    pub(crate) fn set(&self, number: u32, meta: Meta) {
        let (at, mut known) = (number as usize, self.lock());
        if known.families.len() <= at {
            known.families.resize(at + 1, None);
        }
        known.families[at] = Some(meta);
    }

    /// Forgets all families, and all symbols.
    pub(crate) fn clear(&self) {
        let mut known = self.lock();
        known.families.clear();
        known.symbols = Symbols::default();
    }

    pub(crate) fn form(&self) -> Form {
        self.lock().form
    }
}
