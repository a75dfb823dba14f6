//! The check of an archive: every object, head, batch and row of the index is read; what can be derived from the rest is repaired.
//!
//! ```text
//!  directory: index.sqlite ─► aggregates/ ─► incoming/ ─┐
//!                                                       ├─► metric (window, stretches) ─► findings ─► repair ─► check again
//!  servers:   rows ─► heads ─► bundles ─► counts ───────┘
//! ```
//!
//! | found | repaired from |
//! |---|---|
//! | a stretch of aggregates that is damaged | the raw points of the metric, as far back as they go; the rest is lost |
//! | raw points that are damaged or missing | they start over behind the stored aggregates |
//! | objects of a metric that the index has not | the metric gets a row again, under the policy that the objects fit |
//! | places of objects on disk that are damaged, or not those of the objects | the objects |
//! | a log that counts behind the stored metrics, or is damaged | a new file with the next number |
//! | a head that is damaged or missing | the newest bundle, which has a copy of its head |
//! | bundles that no head names, counts that are wrong | deleted; counted again |
//!
//! Nothing that could be read is deleted. Files that are damaged are copied to `damaged/` in the directory before they are touched.

#[cfg(feature = "postgresql")]
mod cluster;
mod directory;
mod metric;

#[cfg(feature = "postgresql")]
pub use cluster::check_servers;
pub use directory::check_directory;

use std::fmt;
use uuid::Uuid;

/// Fate of something that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// It can be repaired whole; the check was not asked to.
    Possible,
    /// It was repaired whole.
    Repaired,
    /// The part that the raw points tell is there again, or can be; the rest is lost.
    InPart,
    /// Nothing in the archive tells it: it is in a backup, or nowhere.
    Lost,
    /// It stays as it is, and disturbs nothing.
    Kept,
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Remedy::Possible => "can be repaired",
            Remedy::Repaired => "repaired",
            Remedy::InPart => "lost in part",
            Remedy::Lost => "lost",
            Remedy::Kept => "stays",
        })
    }
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The metric that it belongs to, when it belongs to one.
    pub metric: Option<Uuid>,
    /// A file, or a part of the archive.
    pub place: String,
    /// The damage, in words.
    pub found: String,
    /// Its fate.
    pub remedy: Remedy,
}

/// Result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Metrics of the index.
    pub metrics: u64,
    /// Objects that were read: stretches of aggregates, and windows of raw points.
    pub objects: u64,
    /// Batches that wait, in the log of a directory; metrics with measures that wait, on servers.
    pub waiting: u64,
    /// Everything that was not as it should be; in the order in which it was found.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Returns true when nothing was found that is lost, or waits for a repair.
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| matches!(finding.remedy, Remedy::Repaired | Remedy::Kept))
    }

    fn add(&mut self, metric: Option<Uuid>, place: impl Into<String>, found: impl Into<String>, remedy: Remedy) {
        self.findings.push(Finding { metric, place: place.into(), found: found.into(), remedy });
    }

    /// Tells how a repair ended: what a second check does not find any more is repaired.
    fn after(mut self, second: Report) -> Report {
        for finding in &mut self.findings {
            let is_left = second.findings.iter().any(|left| {
                (left.metric, &left.place, &left.found) == (finding.metric, &finding.place, &finding.found)
            });
            match finding.remedy {
                Remedy::Possible if is_left => finding.remedy = Remedy::Lost,
                Remedy::Possible => finding.remedy = Remedy::Repaired,
                _ => {}
            }
        }
        let known = |new: &Finding| {
            self.findings.iter().any(|old| (old.metric, &old.place, &old.found) == (new.metric, &new.place, &new.found))
        };
        let new: Vec<Finding> = second.findings.into_iter().filter(|finding| !known(finding)).collect();
        self.findings.extend(new);
        self
    }
}
