//! Hashing of names, labels and addresses in a few nanoseconds, for the short texts names are. The seed is random, so texts that collide in one process
//! do not in another. That is no promise against somebody who watches this process and chooses texts by what he sees: what bounds the cost of any
//! texts is that the tables are, by the limits.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static SEED: AtomicU64 = AtomicU64::new(0);

/// The seed of this process, from the standard library's random keys.
#[inline]
pub(crate) fn seed() -> u64 {
    match SEED.load(Relaxed) {
        0 => make_seed(),
        seed => seed,
    }
}

#[cold]
fn make_seed() -> u64 {
    let made = RandomState::new().build_hasher().finish() | 1;
    // Two threads may both come here; the first seed stays.
    match SEED.compare_exchange(0, made, Relaxed, Relaxed) {
        Ok(_) => made,
        Err(first) => first,
    }
}

/// Multiplies to 128 bits and folds the halves: every bit of the result depends on every bit of both.
#[inline]
pub(crate) fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ 0x9e37_79b9_7f4a_7c15) * u128::from(b ^ 0xd1b5_4a32_d192_ed03);
    (product as u64) ^ (product >> 64) as u64
}

/// Continues a hash with a text.
#[inline]
pub(crate) fn text(hash: u64, text: &str) -> u64 {
    let bytes = text.as_bytes();
    let word = |at: usize| bytes[at..].first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk));
    let half = |at: usize| bytes[at..].first_chunk().map_or(0, |chunk| u64::from(u32::from_le_bytes(*chunk)));
    let len = bytes.len();
    // Long texts word by word; the rest, and short ones, as two words that may overlap.
    let (first, last) = match len {
        0 => (0, 0),
        1..4 => (u64::from(bytes[0]) << 16 | u64::from(bytes[len / 2]) << 8 | u64::from(bytes[len - 1]), 0),
        4..8 => (half(0), half(len - 4)),
        8..17 => (word(0), word(len - 8)),
        _ => {
            let mut hash = hash;
            for at in (0..len - 16).step_by(16) {
                hash = both(hash, word(at), word(at + 8));
            }
            return both(both(hash, word(len - 16), word(len - 8)), len as u64, 0);
        }
    };
    // The words of texts of different lengths may be the same; the turn by the length tells them apart.
    both(hash, first, last).rotate_left(len as u32)
}

/// Both factors hold bits of the seed, so that hardly any text makes one of them 0.
#[inline]
fn both(hash: u64, first: u64, second: u64) -> u64 {
    mix(hash ^ first, hash.rotate_left(32) ^ second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn texts_that_differ_hash_apart() {
        let mut seen = HashSet::new();
        let mut texts: Vec<String> = (0..20_000).map(|i| format!("name{i}")).collect();
        for len in 0..70 {
            // Each position matters, at every length.
            for at in 0..len {
                let mut bytes = vec![b'a'; len];
                bytes[at] = b'b';
                texts.push(String::from_utf8(bytes).unwrap());
            }
            texts.push("c".repeat(len));
        }
        let distinct: HashSet<&String> = texts.iter().collect();
        for t in &distinct {
            assert!(seen.insert(text(seed(), t)), "{t:?}");
        }
        assert_ne!(text(text(seed(), "ab"), "c"), text(text(seed(), "a"), "bc"));
    }

    #[test]
    fn texts_of_one_letter_hash_apart_whatever_their_length() {
        // The two words of a short text are the same for many lengths, and an end could be chosen that made up for any other difference.
        for letter in [b'0', b'a', b'`'] {
            let mut seen: HashSet<u64> =
                (0..40).map(|len| text(seed(), &char::from(letter).to_string().repeat(len))).collect();
            assert_eq!(seen.len(), 40, "{}", char::from(letter));
            for len in 8..=16u8 {
                for other in 8..=16u8 {
                    let mut bytes = vec![letter; usize::from(len)];
                    bytes[usize::from(len) - 1] ^= len ^ other;
                    if len != other {
                        assert!(seen.insert(text(seed(), std::str::from_utf8(&bytes).unwrap())), "{bytes:?}");
                    }
                }
            }
        }
    }
}
