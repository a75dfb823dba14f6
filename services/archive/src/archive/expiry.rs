//! Metrics that outlived the time to live of their policy.

use super::Archive;
use crate::{Error, Nanos};

impl Archive {
    /// Removes the metrics whose latest measure is older than the time to live of their policy; returns how many. The archive does it by
    /// itself every few minutes.
    ///
    /// # Errors
    /// [`Error::Index`], [`Error::Io`].
    pub fn expire(&self, now: Nanos) -> Result<u64, Error> {
        self.catalog.expire(
            now,
            |metric, policy| Ok(self.engine.account(metric, policy)?.last),
            |metrics| self.engine.forget(metrics),
        )
    }

    /// Changes the time to live of a policy; none keeps its metrics for ever.
    ///
    /// # Errors
    /// [`Error::NoSuchPolicy`]; [`Error::Invalid`] for one that is not positive.
    pub fn set_time_to_live(&self, name: &str, life: Option<Nanos>) -> Result<(), Error> {
        let changed = (*self.policy(name)?).clone().with_time_to_live(life)?;
        self.catalog.index.set_policy(&changed, true)?;
        self.catalog.remember_policy(&changed);
        Ok(())
    }
}
