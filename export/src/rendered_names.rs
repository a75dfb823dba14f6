//! Owners of names that can be rendered again: of each nothing is kept but who has it.

use crate::decisions::{Decisions, check};
use ferrometer_core::{Cause, Series};
use std::hash::{BuildHasher, RandomState};

/// The rendered names of one format under one configuration, and the instrument that owns each: as [`NameTable`](crate::NameTable), for formats in which a
/// series has one name, and the name is quickly put together. It takes a third of the memory, because it asks for the names of others again, and
/// keeps none.
///
/// ```
/// use ferrometer_core::{Cause, Naming, get_logger};
/// use ferrometer_export::{RenderedNames, folded_name};
///
/// let (one, other) = (get_logger("shelf").counter("a:b").series(), get_logger("shelf").counter("a|b").series());
/// let mut names = RenderedNames::new();
/// let mut claim = |series| {
///     let name = folded_name(&Naming::default(), series);
///     names.claim(series, &name, &name, |other| folded_name(&Naming::default(), other))
/// };
/// assert_eq!(claim(one), Ok(()));
/// assert_eq!(claim(other), Err(Cause::Collision));
/// ```
#[derive(Debug, Default)]
pub struct RenderedNames {
    decisions: Decisions,
    /// Open addressing: 0, or 32 bits of the name's hash, where a search begins, below the number of the series that has it, from 1.
    places: Vec<u64>,
    taken: usize,
    keys: RandomState,
}

impl RenderedNames {
    /// Creates an empty table.
    #[must_use]
    pub fn new() -> RenderedNames {
        RenderedNames::default()
    }

    /// Claims a name for a series. `shown` is the name as a reader sees it: its length is checked, and messages show it; `unique` is what no other instrument may
    /// have, and `render` returns that of another series. The first call for a series decides; later calls return that decision and ignore the names.
    ///
    /// # Errors
    /// [`Cause::Name`] when `shown` is empty or longer than 512 bytes, [`Cause::Collision`] when another instrument owns the name.
    pub fn claim(
        &mut self,
        series: &'static Series,
        shown: &str,
        unique: &str,
        mut render: impl FnMut(&'static Series) -> String,
    ) -> Result<(), Cause> {
        self.claim_as(series, shown, unique, &mut render)
    }

    // Compiled once, and not for each way to render.
    fn claim_as(
        &mut self,
        series: &'static Series,
        shown: &str,
        unique: &str,
        render: &mut dyn FnMut(&'static Series) -> String,
    ) -> Result<(), Cause> {
        if let Some(known) = self.known(series) {
            return known;
        }
        if (self.taken + 1) * 8 > self.places.len() * 7 {
            self.grow();
        }
        let hash = self.keys.hash_one(unique) as u32;
        let at = find(&self.places, hash, |number| Series::of_id(number).filter(|owner| render(owner) == unique));
        let decided = match at {
            Ok(owner) => check(series, shown, owner),
            Err(free) => check(series, shown, series).map(|()| {
                self.places[free] = (series.id() as u64 + 1) << 32 | u64::from(hash);
                self.taken += 1;
            }),
        };
        self.decisions.note(series, decided);
        decided
    }

    /// Returns the decision for a series. `None` means that nothing was claimed for it yet.
    #[inline]
    #[must_use]
    pub fn known(&self, series: &Series) -> Option<Result<(), Cause>> {
        self.decisions.known(series)
    }

    fn grow(&mut self) {
        let mut places = vec![0; (2 * self.places.len()).max(64)];
        for place in self.places.iter().filter(|place| **place != 0) {
            if let Err(free) = find(&places, *place as u32, |_| None) {
                places[free] = *place;
            }
        }
        self.places = places;
    }
}

/// Returns the owner that `is_it` takes, of those whose names have this hash, or else the free place where the search ended. Some places are free.
fn find(
    places: &[u64],
    hash: u32,
    mut is_it: impl FnMut(usize) -> Option<&'static Series>,
) -> Result<&'static Series, usize> {
    let last = places.len() - 1;
    let mut at = hash as usize & last;
    while places[at] != 0 {
        let owner = (places[at] as u32 == hash).then(|| is_it((places[at] >> 32) as usize - 1));
        if let Some(owner) = owner.flatten() {
            return Ok(owner);
        }
        at = (at + 1) & last;
    }
    Err(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferrometer_core::get_logger;

    #[test]
    fn the_first_instrument_owns_a_name_through_growth() {
        let logger = get_logger("rendered");
        let series: Vec<_> = (0..1000).map(|i| logger.counter(format!("c{i}")).series()).collect();
        let mut names = RenderedNames::new();
        let unique = |s: &'static Series| s.metric_name()[..s.metric_name().len() - 1].to_owned();
        for _ in 0..2 {
            for s in &series {
                let first = series.iter().find(|other| unique(other) == unique(s)).unwrap();
                let expected = if std::ptr::eq(*first, *s) { Ok(()) } else { Err(Cause::Collision) };
                assert_eq!(names.claim(s, s.metric_name(), &unique(s), unique), expected, "{s:?}");
            }
        }
        assert_eq!(names.taken, 100);
        // Rates of one instrument share its name.
        let sampled = logger.sampled(0.5).counter("c0").series();
        assert!(!std::ptr::eq(sampled, series[0]));
        assert_eq!(names.claim(sampled, "c0", "c", unique), Ok(()));
        assert_eq!(names.taken, 100);
    }

    #[test]
    fn names_of_one_hash_are_told_apart() {
        let logger = get_logger("one hash");
        let [a, b, c] = ["a", "b", "c"].map(|name| logger.counter(name).series());
        let mut names = RenderedNames::new();
        let name = |s: &'static Series| s.metric_name().to_owned();
        assert_eq!(names.claim(a, "a", "a", name), Ok(()));
        // As if the hash of `b` were that of `a`.
        let place = names.places.iter_mut().find(|place| **place != 0).unwrap();
        let hash = names.keys.hash_one("b") as u32;
        let moved = *place >> 32 << 32 | u64::from(hash);
        *place = 0;
        names.places[hash as usize % 64] = moved;
        assert_eq!(names.claim(b, "b", "b", name), Ok(()));
        assert_eq!(names.claim(c, "b", "b", name), Err(Cause::Collision));
        assert_eq!((names.known(a), names.known(b), names.taken), (Some(Ok(())), Some(Ok(())), 2));
    }
}
