//! Owners of rendered names: each name belongs to the first instrument that claims it.

use crate::decisions::{Decisions, check};
use ferrometer_core::{Cause, Series};
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};
use std::marker::PhantomData;

/// The rendered names of one format under one configuration, and the instrument that owns each.
///
/// Two instruments that render alike are an error, reported once with both: the first keeps the name, the other gets
/// [`Cause::Collision`]. `N` is what must be unique: the text itself, or a text with what else the format tells apart. It is not kept, but 128 bits of it, made
/// with keys of this process, so that no input can make those of two names alike.
///
/// ```
/// use ferrometer_core::{Cause, Naming, get_logger};
/// use ferrometer_export::{NameTable, folded_name};
///
/// let (one, other) = (get_logger("shop").counter("a:b").series(), get_logger("shop").counter("a|b").series());
/// let mut names = NameTable::new();
/// let mut claim = |series| {
///     let name = folded_name(&Naming::default(), series);
///     names.claim(series, &name, [name.as_str().into()])
/// };
/// assert_eq!(claim(one), Ok(()));
/// assert_eq!(claim(other), Err(Cause::Collision));
/// ```
#[derive(Debug)]
pub struct NameTable<N = Box<str>> {
    decisions: Decisions,
    owners: HashMap<Bits, &'static Series, BuildHasherDefault<OfBits>>,
    keys: (RandomState, RandomState),
    names: PhantomData<fn(N)>,
}

/// The bits that stand for a name.
type Bits = (u64, u64);

/// The hash of bits that are one already.
#[derive(Debug, Default)]
struct OfBits(u64);

impl Hasher for OfBits {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, bits: u64) {
        self.0 ^= bits;
    }
}

impl<N> Default for NameTable<N> {
    fn default() -> NameTable<N> {
        NameTable {
            decisions: Decisions::default(),
            owners: HashMap::default(),
            keys: Default::default(),
            names: PhantomData,
        }
    }
}

impl NameTable {
    /// Creates an empty table whose names are texts. [`NameTable::default`] creates one of any kind.
    #[must_use]
    pub fn new() -> NameTable {
        NameTable::default()
    }
}

impl<N: Hash> NameTable<N> {
    /// Claims all of `unique` for a series, or none of them. `shown` is the longest name as a reader sees it: its length is
    /// checked, and messages show it. The first call for a series decides; later calls return that decision and ignore the names.
    ///
    /// # Errors
    /// [`Cause::Name`] when `shown` is empty or longer than 512 bytes, [`Cause::Collision`] when another instrument owns one of
    /// the names.
    pub fn claim(
        &mut self,
        series: &'static Series,
        shown: &str,
        unique: impl IntoIterator<Item = N>,
    ) -> Result<(), Cause> {
        if let Some(known) = self.known(series) {
            return known;
        }
        let keys = &self.keys;
        let unique: Vec<Bits> =
            unique.into_iter().map(|name| (keys.0.hash_one(&name), keys.1.hash_one(&name))).collect();
        let owner = unique.iter().find_map(|name| self.owners.get(name)).copied().unwrap_or(series);
        let decided = check(series, shown, owner);
        if decided.is_ok() {
            self.owners.extend(unique.into_iter().map(|name| (name, owner)));
        }
        self.decisions.note(series, decided);
        decided
    }

    /// Makes room for this many more names, so that the table need not grow in steps.
    pub fn reserve(&mut self, more: usize) {
        self.decisions.reserve(more);
        self.owners.reserve(more);
    }
}

impl<N> NameTable<N> {
    /// Returns the decision for a series. `None` means that nothing was claimed for it yet.
    #[inline]
    #[must_use]
    pub fn known(&self, series: &Series) -> Option<Result<(), Cause>> {
        self.decisions.known(series)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferrometer_core::get_logger;

    #[test]
    fn the_first_instrument_owns_a_name() {
        let logger = get_logger("owners");
        let series: Vec<_> = (0..300).map(|i| logger.counter(format!("c{i}")).series()).collect();
        let mut names = NameTable::new();
        let unique = |s: &Series| s.metric_name()[..s.metric_name().len() - 1].to_owned();
        for s in &series {
            let first = series.iter().find(|other| unique(other) == unique(s)).unwrap();
            let expected = if std::ptr::eq(*first, *s) { Ok(()) } else { Err(Cause::Collision) };
            assert_eq!(names.claim(s, s.metric_name(), [unique(s).into()]), expected, "{s:?}");
        }
        assert_eq!(names.owners.len(), 30);
        // Rates of one instrument share its names.
        let sampled = logger.sampled(0.5).counter("c0").series();
        assert!(!std::ptr::eq(sampled, series[0]));
        assert_eq!(names.claim(sampled, "c0", ["c".into()]), Ok(()));
    }

    #[test]
    fn a_refused_series_owns_none_of_its_names() {
        let logger = get_logger("all or none");
        let [a, b, c] = ["a", "b", "c"].map(|name| logger.counter(name).series());
        let mut names: NameTable<&str> = NameTable::default();
        assert_eq!(names.claim(a, "x", ["x"]), Ok(()));
        assert_eq!(names.claim(b, "y", ["y", "x"]), Err(Cause::Collision));
        assert_eq!(names.claim(c, "y", ["y"]), Ok(()));
        // The first decision stays, whatever is claimed later.
        assert_eq!(names.claim(b, "z", ["z"]), Err(Cause::Collision));
        assert_eq!(names.known(b), Some(Err(Cause::Collision)));
    }
}
