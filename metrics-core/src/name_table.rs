//! Who owns which rendered name: what a backend keeps beside its encoder, so that no two instruments are one on the wire.

use crate::collect::ledger::Cause;
use crate::naming::name;
use crate::naming::name::Naming;
use crate::registry;
use crate::registry::hash;
use crate::registry::hash_index;
use crate::registry::hash_index::{HashIndex as Places, Occupied as Taken};
use crate::registry::series::Series;
use crate::sync::diagnostics;

/// The owners of the rendered names of one backend, for one configuration.
///
/// Two instruments that render alike are an error, reported once naming both: the first keeps the name, the other gets
/// [`Cause::Collision`]. The names themselves are not kept: they would take more memory than all else that is known of a
/// counter, and are made of texts that are known.
///
/// ```
/// use ferrometer_core::{Cause, NameTable, Naming, Series, folded_name, get_logger};
///
/// let (one, other) = (get_logger("shop").counter("a:b").series(), get_logger("shop").counter("a|b").series());
/// let name = |series: &Series| {
///     let name = folded_name(&Naming::default(), series);
///     (name.clone(), name)
/// };
/// let mut names = NameTable::new();
/// assert_eq!(names.claim(one, name), Ok(()));
/// assert_eq!(names.claim(other, name), Err(Cause::Collision));
/// ```
#[derive(Debug, Default)]
pub struct NameTable {
    /// By the series' id: [`NOT_YET`], [`OWNED`], or the number of the cause of a refusal.
    states: Vec<u8>,
    owners: Owners,
}

const NOT_YET: u8 = 0;
const OWNED: u8 = 1;
const REFUSED: u8 = 2;

impl NameTable {
    /// An empty table.
    #[must_use]
    pub fn new() -> NameTable {
        NameTable::default()
    }

    /// Claims a name for a series. `render` gives the name of a series (of this one, or of another that may own it) and what it must be unique
    /// as: for a format that keeps kinds apart `"c:requests"`, say, and for one that does not the name itself. What is decided
    /// at the first call stays: later ones render nothing.
    ///
    /// # Errors
    /// Why the series cannot be delivered: its name is empty or too long, or belongs to another.
    pub fn claim(
        &mut self,
        series: &'static Series,
        render: impl Fn(&'static Series) -> (String, String),
    ) -> Result<(), Cause> {
        self.claim_of(series, &render)
    }

    // Compiled once, and not in each backend.
    fn claim_of(
        &mut self,
        series: &'static Series,
        render: &dyn Fn(&'static Series) -> (String, String),
    ) -> Result<(), Cause> {
        if let Some(known) = self.known(series) {
            return known;
        }
        let (name, unique) = render(series);
        let owner = match name::check(&name) {
            Ok(()) => self.owners.find_or_own(series, &unique, &|other| render(other).1),
            Err(_) => series,
        };
        self.decide(series, &name, owner)
    }

    /// The same for a backend that knows which series owns the name: the first that it was decided for.
    ///
    /// # Errors
    /// As for [`claim`](Self::claim).
    pub fn decide(&mut self, series: &'static Series, name: &str, owner: &'static Series) -> Result<(), Cause> {
        if let Some(known) = self.known(series) {
            return known;
        }
        let decided = check(series, name, owner);
        let id = series.id();
        if self.states.len() <= id {
            self.states.resize(id + 1, NOT_YET);
        }
        self.states[id] = decided.err().map_or(OWNED, |cause| REFUSED + cause as u8);
        decided
    }

    /// What was decided for a series; `None` before.
    #[inline]
    #[must_use]
    pub fn known(&self, series: &Series) -> Option<Result<(), Cause>> {
        match *self.states.get(series.id())? {
            NOT_YET => None,
            OWNED => Some(Ok(())),
            refused => Cause::ALL.get(usize::from(refused - REFUSED)).map(|cause| Err(*cause)),
        }
    }
}

fn check(series: &'static Series, name: &str, owner: &'static Series) -> Result<(), Cause> {
    if let Err(error) = name::check(name) {
        let shown = name::beginning(series.metric_name(), 64);
        let what = if error == name::NameError::Empty { "is empty" } else { "is longer than 512 bytes" };
        let logger = name::beginning(series.logger_name(), 64);
        diagnostics::warn(what, &format!("a name {what}: {}.{shown:?}… is not delivered", logger.escape_debug()));
        return Err(Cause::Name);
    }
    if !owner.same_instrument(series) {
        // Each pair is one cause, reported once: what is refused is remembered.
        let message = format!(
            "two instruments are called {name} on the wire: {owner:?} keeps the name, {series:?} is not delivered"
        );
        diagnostics::warn(&format!("collision {name}"), &message);
        return Err(Cause::Collision);
    }
    Ok(())
}

/// Which series was the first with a text that must be unique: a hash table of series' numbers. Texts that share 32 bits of a hash are told apart by
/// what they are, rendered again.
struct Owners {
    places: Places,
    taken: Taken,
    len: usize,
}

impl Owners {
    /// The series that owns a text: this one, from here on, where there was none.
    fn find_or_own(
        &mut self,
        series: &'static Series,
        text: &str,
        text_of: &dyn Fn(&'static Series) -> String,
    ) -> &'static Series {
        let tag = hash_index::fingerprint(hash::text(hash::seed(), text));
        let owner = |id: usize| registry::series_of(id as u32).filter(|owner| text_of(owner) == text);
        if let Some(owner) = self.places.find(tag, owner) {
            return owner;
        }
        // There are fewer series than there can be places.
        if self.places.make_room(&mut self.taken, self.len).is_some() {
            self.places.put(&mut self.taken, tag, series.id());
            self.len += 1;
        }
        series
    }
}

impl Default for Owners {
    fn default() -> Owners {
        Owners { places: Places::new(), taken: Taken::default(), len: 0 }
    }
}

impl std::fmt::Debug for Owners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Owners").field("len", &self.len).finish_non_exhaustive()
    }
}

/// The full name of a series with its labels folded in: `[prefix.][host.]logger.metric.key.value…`, gated; the
/// [object](Series::object) as the first of them, `.object.qemu_100`.
#[must_use]
pub fn folded_name(naming: &Naming, series: &Series) -> String {
    let mut out = full_name(naming, series);
    name::push_labels(&mut out, series.labels_with_object());
    out
}

/// The full name of a series without its labels: `[prefix.][host.]logger.metric`, gated.
#[must_use]
pub fn full_name(naming: &Naming, series: &Series) -> String {
    naming.render(series.logger_name(), series.metric_name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instrument::logger::get_logger;

    #[test]
    fn the_first_owns_a_text_whatever_shares_its_hash() {
        let series: Vec<_> = (0..300).map(|i| get_logger("owners").counter(format!("c{i}")).series()).collect();
        let text = |s: &'static Series| s.metric_name()[..s.metric_name().len() - 1].to_owned();
        let mut owners = Owners::default();
        for s in &series {
            let owner = owners.find_or_own(s, &text(s), &text);
            let first = series.iter().find(|other| text(other) == text(s)).unwrap();
            assert!(std::ptr::eq(owner, *first), "{s:?}");
        }
        assert_eq!(owners.len, 30);
        // All with one hash: told apart by their texts.
        let mut shared = Owners::default();
        for s in &series[..20] {
            shared.places.make_room(&mut shared.taken, 30).unwrap();
            shared.places.put(&mut shared.taken, hash_index::fingerprint(hash::text(hash::seed(), "c7")), s.id());
        }
        for expected in [7, 7] {
            let owner = shared.find_or_own(series[expected], "c7", &|s: &'static Series| s.metric_name().to_owned());
            assert!(std::ptr::eq(owner, series[7]));
        }
    }

    #[test]
    fn every_cause_is_remembered() {
        let mut table = NameTable::new();
        for (at, cause) in Cause::ALL.into_iter().enumerate() {
            let series = get_logger("causes").counter(format!("c{at}")).series();
            assert_eq!(table.known(series), None);
            table.states.resize(series.id() + 1, NOT_YET);
            table.states[series.id()] = REFUSED + cause as u8;
            assert_eq!(table.known(series), Some(Err(cause)));
        }
    }
}
