//! Repeatable random numbers that need no library: xorshift64*, by Marsaglia and Vigna.

/// A generator. The same seed gives the same numbers on every machine.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Returns a generator for this seed; every seed will do.
    pub fn new(seed: u64) -> Random {
        // The state must not be 0, from which it never leaves; neighbouring seeds are spread apart by an odd factor.
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Returns 64 random bits.
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Returns a random number below `n`, which is not 0.
    pub fn below(&mut self, n: u64) -> u64 {
        // The high bits: the low ones of a product are weaker.
        ((u128::from(self.draw()) * u128::from(n)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_below_n_comes_and_no_other() {
        for seed in [0, 1, u64::MAX] {
            let mut random = Random::new(seed);
            let mut seen = [0u32; 7];
            (0..7000).for_each(|_| seen[random.below(7) as usize] += 1);
            assert!(seen.iter().all(|n| (800..1200).contains(n)), "{seen:?}");
        }
    }

    #[test]
    fn a_seed_repeats_itself() {
        let numbers = |seed| {
            let mut random = Random::new(seed);
            [random.draw(), random.draw()]
        };
        assert_eq!(numbers(3), numbers(3));
        assert_ne!(numbers(3), numbers(4));
    }
}
