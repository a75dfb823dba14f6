//! Policies of metrics that were asked for last, in a room of a fixed size.
//!
//! Each metric has one slot, which the next metric of that slot takes: where there are more metrics than slots, some stay known however
//! they come, and nothing grows.

use std::sync::Arc;
use uuid::Uuid;

/// Bytes of a slot.
const SLOT: usize = size_of::<u128>() + size_of::<u16>();
/// Most names that are remembered: they are looked through one by one.
const MOST_NAMES: usize = 64;

/// The policy's name of some metrics.
pub(crate) struct Known {
    /// The metric of each slot. Slots that were never used take no memory: the system gives zeros when they are touched.
    metrics: Vec<u128>,
    /// The number of the name of each slot; 0 is an empty slot.
    numbers: Vec<u16>,
    names: Vec<Arc<str>>,
}

impl Known {
    /// Returns one that takes at most this many bytes; with none it remembers nothing.
    pub fn new(bytes: usize) -> Known {
        let slots = (bytes / SLOT).checked_ilog2().map_or(0, |log| 1 << log);
        Known { metrics: vec![0; slots], numbers: vec![0; slots], names: Vec::new() }
    }

    /// Returns the slot of a metric; none where there is no slot at all.
    fn place(&self, metric: Uuid) -> Option<usize> {
        // Ids are random, but some are made of a counter: the multiplication spreads those too.
        let (high, low) = metric.as_u64_pair();
        let mixed = (high ^ low.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Some((mixed >> 32) as usize & self.numbers.len().checked_sub(1)?)
    }

    /// Returns the name of the policy of a metric, if it is known.
    pub fn get(&self, metric: Uuid) -> Option<&Arc<str>> {
        let place = self.place(metric).filter(|place| self.metrics[*place] == metric.as_u128())?;
        self.names.get(usize::from(self.numbers[place]).checked_sub(1)?)
    }

    /// Remembers the policy of a metric.
    pub fn set(&mut self, metric: Uuid, policy: &str) {
        let Some(place) = self.place(metric) else { return };
        let number = match self.names.iter().position(|name| **name == *policy) {
            Some(at) => at + 1,
            None => {
                // So many policies are no case to be quick in.
                if self.names.len() >= MOST_NAMES {
                    self.names.clear();
                    self.numbers.fill(0);
                }
                self.names.push(policy.into());
                self.names.len()
            }
        };
        (self.metrics[place], self.numbers[place]) = (metric.as_u128(), number as u16);
    }

    /// Forgets a metric.
    pub fn remove(&mut self, metric: Uuid) {
        if let Some(place) = self.place(metric).filter(|place| self.metrics[*place] == metric.as_u128()) {
            self.numbers[place] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_metrics_than_slots_take_no_more_room_and_none_gets_another_ones_policy() {
        let mut known = Known::new(1000 * SLOT);
        assert_eq!(known.numbers.len(), 512);
        let policy = |number: u128| format!("p{}", number % 3);
        for number in 0..5000 {
            known.set(Uuid::from_u128(number), &policy(number));
        }
        let found: Vec<u128> = (0..5000).filter(|number| known.get(Uuid::from_u128(*number)).is_some()).collect();
        assert!((256..=512).contains(&found.len()), "{} of 512 slots are used", found.len());
        assert!(found.iter().all(|number| **known.get(Uuid::from_u128(*number)).unwrap() == *policy(*number)));
        known.remove(Uuid::from_u128(found[0]));
        assert_eq!(known.get(Uuid::from_u128(found[0])), None);
    }

    #[test]
    fn many_policies_are_no_wrong_ones_and_no_room_remembers_nothing() {
        let mut known = Known::new(1 << 20);
        for number in 0..=MOST_NAMES as u128 {
            known.set(Uuid::from_u128(number), &number.to_string());
        }
        assert_eq!((known.get(Uuid::from_u128(0)), known.names.len()), (None, 1));
        assert_eq!(known.get(Uuid::from_u128(MOST_NAMES as u128)).map(|name| &**name), Some("64"));
        let mut none = Known::new(0);
        none.set(Uuid::from_u128(1), "low");
        assert_eq!(none.get(Uuid::from_u128(1)), None);
    }
}
