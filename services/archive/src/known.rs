//! Policies of metrics that were asked for last, in a room of a fixed size.
//!
//! Each metric has a few slots, which it shares with others. Where there are more metrics than slots, a new one seldom takes the slot of one
//! that is known: so some stay known however they come, also one after the other again and again, and nothing grows.

use std::sync::Arc;
use uuid::Uuid;

/// Slots that a metric may have.
const WAYS: usize = 4;
/// Bytes of these slots.
const BYTES: usize = WAYS * (size_of::<u128>() + size_of::<u16>());
/// New metrics of which one takes the slot of another.
const SELDOM: usize = 16;
/// Most names that are remembered: they are looked through one by one.
const MOST_NAMES: usize = 64;

/// The policy's name of some metrics.
pub(crate) struct Known {
    /// The metrics of the slots. Slots that were never used take no memory: the system gives zeros when they are touched.
    metrics: Vec<[u128; WAYS]>,
    /// The numbers of the names; 0 is an empty slot.
    numbers: Vec<[u16; WAYS]>,
    names: Vec<Arc<str>>,
    /// Metrics that found no empty slot.
    crowded: usize,
}

impl Known {
    /// Returns one that takes at most this many bytes; with none it remembers nothing.
    pub fn new(bytes: usize) -> Known {
        let places = (bytes / BYTES).min(u32::MAX as usize);
        let (metrics, numbers) = (vec![[0; WAYS]; places], vec![[0; WAYS]; places]);
        Known { metrics, numbers, names: Vec::new(), crowded: 0 }
    }

    /// Returns the place of a metric's slots; none where there is no slot at all.
    fn place(&self, metric: Uuid) -> Option<usize> {
        // Ids are random, but some are made of a counter: the multiplication spreads those too.
        let (high, low) = metric.as_u64_pair();
        let mixed = (high ^ low.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // The upper half, as a part of the whole.
        let place = ((mixed >> 32) * self.numbers.len() as u64) >> 32;
        (!self.numbers.is_empty()).then_some(place as usize)
    }

    /// Returns the place of a metric's slots, and which of them it has.
    fn slot(&self, metric: Uuid) -> Option<(usize, usize)> {
        let place = self.place(metric)?;
        let is_its = |way: &usize| self.metrics[place][*way] == metric.as_u128() && self.numbers[place][*way] > 0;
        Some((place, (0..WAYS).find(is_its)?))
    }

    /// Returns the name of the policy of a metric, if it is known.
    pub fn get(&self, metric: Uuid) -> Option<&Arc<str>> {
        let (place, way) = self.slot(metric)?;
        self.names.get(usize::from(self.numbers[place][way]).checked_sub(1)?)
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
                    self.numbers.fill([0; WAYS]);
                }
                self.names.push(policy.into());
                self.names.len()
            }
        };
        let empty = self.numbers[place].iter().position(|number| *number == 0);
        let way = self.slot(metric).map(|(_, way)| way).or(empty).unwrap_or_else(|| {
            self.crowded = self.crowded.wrapping_add(1);
            if self.crowded.is_multiple_of(SELDOM) { self.crowded / SELDOM % WAYS } else { WAYS }
        });
        if way < WAYS {
            (self.metrics[place][way], self.numbers[place][way]) = (metric.as_u128(), number as u16);
        }
    }

    /// Forgets a metric.
    pub fn remove(&mut self, metric: Uuid) {
        if let Some((place, way)) = self.slot(metric) {
            self.numbers[place][way] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_metrics_than_slots_take_no_more_room_and_none_gets_another_ones_policy() {
        let mut known = Known::new(250 * BYTES);
        let policy = |number: u128| format!("p{}", number % 3);
        let mut found = Vec::new();
        // They come one after the other, three times.
        for _ in 0..3 {
            found = (0..5000).filter(|number| known.get(Uuid::from_u128(*number)).is_some()).collect::<Vec<u128>>();
            for number in 0..5000 {
                known.set(Uuid::from_u128(number), &policy(number));
            }
        }
        assert_eq!((known.numbers.len(), known.metrics.len()), (250, 250));
        assert!((500..=1000).contains(&found.len()), "{} of 1000 slots are of use", found.len());
        let right = |number: &u128| known.get(Uuid::from_u128(*number)).is_none_or(|name| **name == *policy(*number));
        assert!((0..5000).all(|number| right(&number)));
        let one = (0..5000).map(Uuid::from_u128).find(|id| known.get(*id).is_some()).unwrap();
        known.remove(one);
        assert_eq!(known.get(one), None);
    }

    #[test]
    fn half_as_many_metrics_as_slots_are_nearly_all_known() {
        let mut known = Known::new(1000 * BYTES);
        let ids: Vec<Uuid> = (0..2000).map(|number| Uuid::from_u128((number * 7919) << 64 | number)).collect();
        ids.iter().for_each(|id| known.set(*id, "low"));
        let found = ids.iter().filter(|id| known.get(**id).is_some()).count();
        assert!(found > 1850, "{found} of 2000");
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
