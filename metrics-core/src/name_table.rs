//! Rendered names, cached once for each series, with collisions found: what a backend keeps beside its encoder.

use crate::diagnostics;
use crate::ledger::Cause;
use crate::name::{self, Naming};
use crate::registry;
use crate::series::Series;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// The rendered names of one backend, for one configuration.
///
/// Two instruments that render alike are an error, reported once naming both: the first keeps the name, the other gets
/// [`Cause::Collision`].
#[derive(Debug, Default)]
pub struct NameTable {
    /// By the series' id.
    names: Vec<Rendered>,
    /// The names, one after the other.
    text: String,
    /// Who owns what must be unique, by a digest of it: 96 bits, keyed at random, so that no two texts share one, by chance or
    /// by somebody's will. The texts themselves would take as much memory as the names.
    owners: HashMap<Digest, u32>,
    keys: [RandomState; 2],
}

type Digest = [u32; 3];

/// Where a name is, or why there is none.
#[derive(Clone, Copy, Debug, Default)]
enum Rendered {
    #[default]
    NotYet,
    At { start: u32, len: u16 },
    Refused(Cause),
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
        let id = series.id();
        if self.names.len() <= id {
            self.names.resize(id + 1, Rendered::NotYet);
        }
        if matches!(self.names[id], Rendered::NotYet) {
            self.names[id] = self.render(series, render).unwrap_or_else(Rendered::Refused);
        }
        match self.names[id] {
            Rendered::At { start, len } => Ok(&self.text[start as usize..start as usize + usize::from(len)]),
            Rendered::Refused(cause) => Err(cause),
            Rendered::NotYet => Err(Cause::Name),
        }
    }

    fn render(&mut self, series: &'static Series, render: impl FnOnce() -> (String, String)) -> Result<Rendered, Cause> {
        let (name, unique) = render();
        if let Err(error) = name::check(&name) {
            let shown: String = series.metric_name().chars().take(64).collect();
            let what = if error == name::NameError::Empty { "is empty" } else { "is longer than 512 bytes" };
            let logger: String = series.logger_name().chars().take(64).collect();
            diagnostics::warn(what, &format!("a name {what}: {logger}.{shown:?}… is not delivered"));
            return Err(Cause::Name);
        }
        let [a, b] = self.keys.each_ref().map(|key| key.hash_one(unique.as_str()));
        let owner = *self.owners.entry([a as u32, (a >> 32) as u32, b as u32]).or_insert(series.id);
        let owner = registry::series_of(owner).unwrap_or(series);
        if !owner.same_instrument(series) {
            // Each pair is one cause, reported once: what is refused is remembered.
            let message =
                format!("two instruments are called {name} on the wire: {owner:?} keeps the name, {series:?} is not delivered");
            diagnostics::warn(&format!("collision {name}"), &message);
            return Err(Cause::Collision);
        }
        // There are fewer than 2^17 series, with names of at most 512 bytes.
        let at = Rendered::At { start: self.text.len() as u32, len: name.len() as u16 };
        self.text.push_str(&name);
        Ok(at)
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
