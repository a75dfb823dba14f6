//! Rendered names, cached once for each series, with collisions found: what a backend keeps beside its encoder.

use crate::diagnostics;
use crate::ledger::Cause;
use crate::name::{self, Naming};
use crate::series::Series;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// The rendered names of one backend, for one configuration.
///
/// Two instruments that render alike are an error, reported once naming both: the first keeps the name, the other gets
/// [`Cause::Collision`].
#[derive(Debug, Default)]
pub struct NameTable {
    names: Vec<Option<Result<Box<str>, Cause>>>,
    /// Who owns what must be unique, by a digest of it: 128 bits, keyed at random, so that no two texts share one, by chance or
    /// by somebody's will. The texts themselves would take as much memory as the names.
    owners: HashMap<[u64; 2], &'static Series>,
    keys: [RandomState; 2],
}

impl NameTable {
    /// An empty table.
    #[must_use]
    pub fn new() -> NameTable {
        NameTable::default()
    }

    /// The series' name, rendered at its first use. `render` gives the name and what it must be unique as: for a format that keeps kinds
    /// apart `"c:requests"`, say, and for one that does not the name itself.
    ///
    /// # Errors
    /// Why the series cannot be delivered: its name is empty or too long, or belongs to another.
    pub fn get(&mut self, series: &'static Series, render: impl FnOnce() -> (String, String)) -> Result<&str, Cause> {
        if self.names.len() <= series.id() {
            self.names.resize(series.id() + 1, None);
        }
        if self.names[series.id()].is_none() {
            let rendered = self.render(series, render);
            self.names[series.id()] = Some(rendered);
        }
        match &self.names[series.id()] {
            Some(Ok(name)) => Ok(name),
            Some(Err(cause)) => Err(*cause),
            None => Err(Cause::Name),
        }
    }

    fn render(&mut self, series: &'static Series, render: impl FnOnce() -> (String, String)) -> Result<Box<str>, Cause> {
        let (name, unique) = render();
        if let Err(error) = name::check(&name) {
            let shown: String = series.metric_name().chars().take(64).collect();
            let what = if error == name::NameError::Empty { "is empty" } else { "is longer than 512 bytes" };
            let logger: String = series.logger_name().chars().take(64).collect();
            diagnostics::warn(what, &format!("a name {what}: {logger}.{shown:?}… is not delivered"));
            return Err(Cause::Name);
        }
        let digest = self.keys.each_ref().map(|key| key.hash_one(unique.as_str()));
        let owner = self.owners.entry(digest).or_insert(series);
        if !owner.same_instrument(series) {
            // Each pair is one cause, reported once: what is refused is remembered.
            let message =
                format!("two instruments are called {name} on the wire: {owner:?} keeps the name, {series:?} is not delivered");
            diagnostics::warn(&format!("collision {name}"), &message);
            return Err(Cause::Collision);
        }
        Ok(name.into_boxed_str())
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
