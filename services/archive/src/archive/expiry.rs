//! Metrics that outlived the time to live of their policy.

use super::Archive;
use crate::search::{Filter, Page};
use crate::shared::Shared;
use crate::{Error, Nanos};

impl Shared {
    /// Removes the metrics whose latest measure is older than their policy's time to live; returns how many.
    pub fn expire(&self, now: Nanos) -> Result<u64, Error> {
        let mut removed = 0;
        for (policy, life) in self.lives() {
            for metric in
                self.index.metrics(Some(&Filter::is("archive_policy_name", policy.name.clone())), &Page::default())?
            {
                let last =
                    self.with_metric(metric.id, |state| Ok(state.settle(metric.id, &policy, &*self.storage)?.last))?;
                // One that has no measure yet may just have been made.
                if last.is_none_or(|last| last.saturating_add(life) >= now) {
                    continue;
                }
                match self.index.remove_metric(metric.id) {
                    Ok(()) => removed += 1,
                    Err(Error::NoSuchMetric(_)) => {}
                    Err(error) => return Err(error),
                }
                self.forget(&[metric.id])?;
            }
        }
        Ok(removed)
    }
}

impl Archive {
    /// Removes the metrics whose latest measure is older than the time to live of their policy; returns how many. The archive does it by
    /// itself every few minutes.
    ///
    /// # Errors
    /// [`Error::Index`], [`Error::Io`].
    pub fn expire(&self, now: Nanos) -> Result<u64, Error> {
        self.shared.expire(now)
    }

    /// Changes the time to live of a policy; none keeps its metrics for ever.
    ///
    /// # Errors
    /// [`Error::NoSuchPolicy`]; [`Error::Invalid`] for one that is not positive.
    pub fn set_time_to_live(&self, name: &str, life: Option<Nanos>) -> Result<(), Error> {
        let changed = (*self.policy(name)?).clone().with_time_to_live(life)?;
        self.shared.index.set_policy(&changed, true)?;
        self.shared.remember_policy(&changed);
        Ok(())
    }
}
