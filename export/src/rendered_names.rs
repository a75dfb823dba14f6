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
    /// Open addressing: 0, or the number of the series that has the name, from 1, above 8 bits of the name's hash.
    places: Vec<u32>,
    taken: usize,
    /// How many series there are to be.
    expected: usize,
    keys: RandomState,
}

/// The registry has fewer series than the other 24 bits count.
const TAG_BITS: u32 = u8::BITS;

impl RenderedNames {
    /// Creates an empty table.
    #[must_use]
    pub fn new() -> RenderedNames {
        RenderedNames::default()
    }

    /// Tells how many series there are by now, so that the table grows to their number at once: it renders all names again when it grows.
    ///
    /// ```
    /// let mut names = ferrometer_export::RenderedNames::new();
    /// names.expect(100_000);
    /// ```
    pub fn expect(&mut self, series: usize) {
        self.expected = series;
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
            self.grow(render);
        }
        let hash = self.keys.hash_one(unique) as u32;
        let at = find(&self.places, hash, |number| Series::of_id(number).filter(|owner| render(owner) == unique));
        let decided = match at {
            Ok(owner) => check(series, shown, owner),
            Err(free) => check(series, shown, series).map(|()| {
                self.places[free] = place(series.id(), hash);
                self.taken += 1;
            }),
        };
        self.decisions.reserve(self.expected.saturating_sub(self.decisions.len()));
        self.decisions.note(series, decided);
        decided
    }

    /// Returns the decision for a series. `None` means that nothing was claimed for it yet.
    #[inline]
    #[must_use]
    pub fn known(&self, series: &Series) -> Option<Result<(), Cause>> {
        self.decisions.known(series)
    }

    fn grow(&mut self, render: &mut dyn FnMut(&'static Series) -> String) {
        let len = (self.expected / 7 * 8 + 8).max(self.places.len() / 2 * 3).max(64);
        let before = std::mem::replace(&mut self.places, vec![0; len]);
        // In the order of their numbers they stand one behind the other in memory. Of each there is a decision.
        let mut are_owners = vec![false; self.decisions.len()];
        for place in before {
            if let Some(is_owner) = number_in(place).and_then(|number| are_owners.get_mut(number)) {
                *is_owner = true;
            }
        }
        for (number, is_owner) in are_owners.iter().enumerate() {
            let Some(owner) = is_owner.then(|| Series::of_id(number)).flatten() else { continue };
            let hash = self.keys.hash_one(render(owner)) as u32;
            if let Err(free) = find(&self.places, hash, |_| None) {
                self.places[free] = place(owner.id(), hash);
            }
        }
    }
}

fn place(number: usize, hash: u32) -> u32 {
    (number as u32 + 1) << TAG_BITS | u32::from(hash as u8)
}

/// Returns the number in a place; `None` for a free one.
fn number_in(place: u32) -> Option<usize> {
    (place >> TAG_BITS).checked_sub(1).map(|number| number as usize)
}

/// Returns the owner that `is_it` takes, of those whose names have this hash, or else the free place where the search ended. Some places are free.
fn find(
    places: &[u32],
    hash: u32,
    mut is_it: impl FnMut(usize) -> Option<&'static Series>,
) -> Result<&'static Series, usize> {
    // The highest bits say where a search begins, the lowest are the tag.
    let mut at = ((u64::from(hash) * places.len() as u64) >> u32::BITS) as usize;
    while places[at] != 0 {
        if places[at] as u8 == hash as u8
            && let Some(owner) = number_in(places[at]).and_then(&mut is_it)
        {
            return Ok(owner);
        }
        at = (at + 1) % places.len();
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
    fn a_table_that_knows_the_number_of_series_grows_once() {
        let logger = get_logger("expected");
        let series: Vec<_> = (0..500).map(|i| logger.counter(format!("c{i}")).series()).collect();
        let (mut names, mut rendered) = (RenderedNames::new(), 0);
        names.expect(series.len());
        for s in &series {
            let name = s.metric_name();
            let render = |other: &'static Series| {
                rendered += usize::from(other.metric_name() != name);
                other.metric_name().to_owned()
            };
            assert_eq!(names.claim(s, name, name, render), Ok(()));
        }
        // Some share their tags by chance.
        assert!(names.places.len() < 600 && rendered < 100, "{} places, {rendered} rendered", names.places.len());
        // More than was expected find room too.
        let more: Vec<_> = (500..2000).map(|i| logger.counter(format!("c{i}")).series()).collect();
        let name = |s: &'static Series| s.metric_name().to_owned();
        for s in &more {
            assert_eq!(names.claim(s, s.metric_name(), s.metric_name(), name), Ok(()));
        }
        assert_eq!(names.taken, 2000);
        assert_eq!(names.claim(logger.sampled(0.5).counter("c7").series(), "c7", "c7", name), Ok(()));
        let thief = get_logger("thief").counter("c1999").series();
        assert_eq!(names.claim(thief, "c1999", "c1999", name), Err(Cause::Collision));
    }

    #[test]
    fn names_of_one_hash_are_told_apart() {
        let logger = get_logger("one hash");
        let [a, b, c] = ["a", "b", "c"].map(|name| logger.counter(name).series());
        let mut names = RenderedNames::new();
        let name = |s: &'static Series| s.metric_name().to_owned();
        assert_eq!(names.claim(a, "a", "a", name), Ok(()));
        // As if the hash of `b` were that of `a`.
        let hash = names.keys.hash_one("b") as u32;
        names.places.fill(0);
        let free = find(&names.places, hash, |_| None).unwrap_err();
        names.places[free] = place(a.id(), hash);
        assert_eq!(names.claim(b, "b", "b", name), Ok(()));
        assert_eq!(names.claim(c, "b", "b", name), Err(Cause::Collision));
        assert_eq!((names.known(a), names.known(b), names.taken), (Some(Ok(())), Some(Ok(())), 2));
    }
}
