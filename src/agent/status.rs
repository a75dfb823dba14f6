//! How an agent is doing.

/// How the lookups of an [`Agent`](super::Agent) went so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// How often the conductor was asked.
    pub lookups: u64,
    /// How often it gave no answer that can be used.
    pub failures: u64,
    /// How often an answer has changed the configuration.
    pub changes: u64,
    /// The node's UUID, when it is known.
    pub uuid: Option<String>,
    /// The backends in force.
    pub backends: Vec<String>,
    /// Reason why the last lookup brought nothing, without secrets; `None` when it did.
    pub error: Option<String>,
    /// Parts of the last good answer that were not applied, and why.
    pub ignored: Vec<String>,
}

impl Status {
    /// Returns `true` when an answer of the conductor is in force.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        self.changes > 0
    }
}
