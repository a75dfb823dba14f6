//! Decisions about names, one byte for each series: it has its name, or why it has not.

use ferrometer_core::name::{self, NameError};
use ferrometer_core::{Cause, Series, warn};

const UNDECIDED: u8 = 0;
const OWNED: u8 = 1;
const REFUSED: u8 = 2;

/// The decisions that were made, by the series' id: [`UNDECIDED`], [`OWNED`], or the number of the cause of a refusal.
#[derive(Debug, Default)]
pub(crate) struct Decisions(Vec<u8>);

impl Decisions {
    /// Returns the decision for a series. `None` means that there is none yet.
    #[inline]
    pub(crate) fn known(&self, series: &Series) -> Option<Result<(), Cause>> {
        match *self.0.get(series.id())? {
            UNDECIDED => None,
            OWNED => Some(Ok(())),
            refused => Cause::ALL.get(usize::from(refused - REFUSED)).map(|cause| Err(*cause)),
        }
    }

    pub(crate) fn note(&mut self, series: &Series, decided: Result<(), Cause>) {
        let id = series.id();
        if self.0.len() <= id {
            self.0.resize(id + 1, UNDECIDED);
        }
        self.0[id] = decided.err().map_or(OWNED, |cause| REFUSED + cause as u8);
    }

    /// Returns the number of series up to the last for which something was decided.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Makes room for this many more.
    pub(crate) fn reserve(&mut self, more: usize) {
        self.0.reserve_exact(more);
    }
}

/// Checks a name as a reader sees it, and that it belongs to the series' instrument. Of what is refused it warns.
pub(crate) fn check(series: &'static Series, shown: &str, owner: &'static Series) -> Result<(), Cause> {
    if let Err(error) = name::check(shown) {
        let metric = beginning(series.metric_name());
        let what = if error == NameError::Empty { "is empty" } else { "is longer than 512 bytes" };
        let logger = beginning(series.logger_name());
        warn(what, &format!("a name {what}: {}.{metric:?}… is not delivered", logger.escape_debug()));
        return Err(Cause::Name);
    }
    if !owner.same_instrument(series) {
        // Each pair is a cause of its own, reported once: the refusal is remembered.
        let message = format!(
            "two instruments are called {shown} on the wire: {owner:?} keeps the name, {series:?} is not delivered"
        );
        warn(&format!("collision {shown}"), &message);
        return Err(Cause::Collision);
    }
    Ok(())
}

/// Returns the first 64 characters of a text.
fn beginning(text: &str) -> &str {
    text.char_indices().nth(64).map_or(text, |(at, _)| &text[..at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferrometer_core::get_logger;

    #[test]
    fn every_cause_is_remembered() {
        let mut decisions = Decisions::default();
        for (at, cause) in Cause::ALL.iter().enumerate() {
            let series = get_logger("causes").counter(format!("c{at}")).series();
            assert_eq!(decisions.known(series), None);
            decisions.note(series, Err(*cause));
            assert_eq!(decisions.known(series), Some(Err(*cause)));
        }
    }
}
