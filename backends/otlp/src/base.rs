//! Where each instrument stood when it was last delivered: what a delta is the distance from.

use ferrometer_core::Distribution;
use ferrometer_push::Rates;
use ferrometer_push::histogram::Exponential;
use std::sync::Arc;

/// The last delivery of one instrument, and its moment.
#[derive(Debug, Default)]
pub(crate) struct Base {
    /// Nanoseconds since 1970; 0: nothing was.
    pub(crate) time: u64,
    /// A counter's increments and decrements: each has a point, and a fate, of its own.
    pub(crate) sums: [u64; 2],
    pub(crate) times: [u64; 2],
    pub(crate) distributions: Vec<(f64, Arc<Distribution>)>,
}

impl Base {
    /// The distributions that were delivered, as those of today are given.
    pub(crate) fn rates(&self) -> Option<Rates<'_>> {
        let (first, others) = self.distributions.split_first()?;
        let others = others.iter().map(|(rate, d)| (*rate, d)).collect();
        Some(Rates::new((first.0, &first.1), others))
    }
}

/// Takes from the counts of buckets those that were there before. Both are ascending, and what is now is never less.
pub(crate) fn take_away(now: &mut Exponential, before: &Exponential) {
    now.zero_count = now.zero_count.saturating_sub(before.zero_count);
    for (now, before) in [(&mut now.positive, &before.positive), (&mut now.negative, &before.negative)] {
        let mut before = before.iter().peekable();
        now.retain_mut(|(at, count)| {
            while before.next_if(|(b, _)| *b < *at).is_some() {}
            *count = count.saturating_sub(before.next_if(|(b, _)| *b == *at).map_or(0, |(_, c)| *c));
            *count > 0
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_is_left() {
        let make = |zero_count, positive: &[(i32, u64)]| Exponential {
            zero_count,
            positive: positive.to_vec(),
            ..Exponential::default()
        };
        let mut now = make(5, &[(-3, 2), (0, 7), (9, 1)]);
        take_away(&mut now, &make(2, &[(-3, 2), (0, 3)]));
        assert_eq!(now, make(3, &[(0, 4), (9, 1)]));
    }
}
