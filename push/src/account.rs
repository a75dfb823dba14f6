//! The fate of each series in one delivery. Handed in to the view at its end, in one walk over what changed.

use ferrometer_core::{Cause, SnapshotView};
use std::ops::Range;

const NOT_YET: u8 = 0;
const SENT: u8 = 1;
/// A part of it was not taken: it is sent again, all of it.
const PENDING: u8 = 2;
/// And the number of the cause.
const DROPPED: u8 = 3;

/// The fate of each series, by its id: a byte. Ids beyond those of the snapshot's series are an exporter's own, for parts of a series whose fate it has to
/// know.
#[derive(Debug, Default)]
pub struct Account(Vec<u8>);

impl Account {
    pub(crate) fn begin(&mut self, series: usize) {
        self.0.clear();
        self.0.resize(series, NOT_YET);
    }

    fn change(&mut self, id: u32, change: impl FnOnce(u8) -> u8) {
        let id = id as usize;
        if self.0.len() <= id {
            self.0.resize(id + 1, NOT_YET);
        }
        self.0[id] = change(self.0[id]);
    }

    pub(crate) fn sent(&mut self, id: u32) {
        self.change(id, |state| if state == NOT_YET { SENT } else { state });
    }

    pub(crate) fn all_sent(&mut self, ids: &[u32]) {
        for id in ids {
            match self.0.get_mut(*id as usize) {
                Some(state) if *state == NOT_YET => *state = SENT,
                Some(_) => {}
                None => self.sent(*id),
            }
        }
    }

    pub(crate) fn pending(&mut self, id: u32) {
        self.change(id, |_| PENDING);
    }

    pub(crate) fn dropped(&mut self, id: u32, cause: Cause) {
        self.change(id, |state| if state <= SENT { DROPPED + cause as u8 } else { state });
    }

    /// Returns `true` when everything of a series was taken.
    #[must_use]
    pub fn is_sent(&self, id: usize) -> bool {
        self.0.get(id) == Some(&SENT)
    }

    /// Returns `true` when the last delivery decided about a series: all of it was taken, or is given up. Nothing of it stays pending.
    #[must_use]
    pub fn is_settled(&self, id: usize) -> bool {
        self.0.get(id).is_some_and(|state| *state == SENT || *state >= DROPPED)
    }

    /// Hands in what is new of each series as what became of it. What was not sent stays pending.
    pub(crate) fn hand_in(&self, view: &SnapshotView<'_>) {
        let are_sent = |ids: Range<usize>| self.0.get(ids).is_some_and(|all| all.iter().all(|state| *state == SENT));
        view.settle_runs(are_sent, |series| match self.0.get(series.id()).copied().unwrap_or(NOT_YET) {
            NOT_YET | PENDING => None,
            SENT => Some(Ok(())),
            dropped => Cause::ALL.get(usize::from(dropped - DROPPED)).map(|cause| Err(*cause)),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_is_pending_makes_all_of_it_pending() {
        let mut account = Account::default();
        account.begin(4);
        for id in 0..3 {
            account.sent(id);
        }
        account.pending(1);
        account.sent(1);
        account.dropped(1, Cause::Refused);
        account.dropped(2, Cause::Refused);
        account.sent(2);
        account.sent(7);
        assert_eq!(
            (0..9).map(|id| account.is_sent(id)).collect::<Vec<_>>(),
            [true, false, false, false, false, false, false, true, false]
        );
        assert_eq!([0, 1, 2, 3, 8].map(|id| account.is_settled(id)), [true, false, true, false, false]);
        assert_eq!(account.0[..4], [SENT, PENDING, DROPPED + Cause::Refused as u8, NOT_YET]);
    }
}
