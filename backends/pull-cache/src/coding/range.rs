//! Bits of known likelihood: a binary range coder, with bins that learn how likely their bit is.
//!
//! The coder is that of [LZMA](https://www.7-zip.org/sdk.html): the carry is held back until it is known.

/// Bits of a probability.
const SCALE: u32 = 12;
/// The range is refilled below this.
const LOW_RANGE: u32 = 1 << 24;
/// How much a bin follows its next bit, as a shift, by how many it has seen.
const SHIFTS: [u8; 16] = [1, 1, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 5];

/// How likely a bit is to be false: the upper 12 bits; and how often it was seen: the lower 4.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bin(u16);

impl Default for Bin {
    fn default() -> Bin {
        Bin(1 << (SCALE - 1 + 4))
    }
}

impl Bin {
    fn probability(self) -> u32 {
        u32::from(self.0 >> 4)
    }

    fn learn(&mut self, bit: bool) {
        let (probability, seen) = (self.probability(), self.0 & 15);
        let shift = SHIFTS[usize::from(seen)];
        let probability = if bit {
            probability - (probability >> shift)
        } else {
            probability + (((1 << SCALE) - probability) >> shift)
        };
        self.0 = (probability as u16) << 4 | (seen + 1).min(15);
    }
}

/// Either direction. What is given is written by an encoder and returned; a decoder returns what it reads.
pub(super) trait Code {
    /// One bit of a likelihood that is learnt.
    fn bit(&mut self, bin: &mut Bin, given: bool) -> bool;
    /// Bits that are as likely as not, at most 64.
    fn bits(&mut self, count: u32, given: u64) -> u64;
    /// Returns whether there is any sense in going on.
    fn goes_on(&self) -> bool;
}

/// Bits written at once; the range has 24 at least.
const AT_ONCE: u32 = 12;

#[derive(Debug)]
pub(super) struct Encoder {
    low: u64,
    range: u32,
    /// The byte before, which a carry may still change, and how many 0xff stand behind it.
    held: u8,
    pending: u64,
    /// True if `held` is a byte of the output: the first is not.
    begun: bool,
    out: Vec<u8>,
}

impl Default for Encoder {
    fn default() -> Encoder {
        Encoder { low: 0, range: u32::MAX, held: 0, pending: 0, begun: false, out: Vec::new() }
    }
}

impl Encoder {
    fn shift(&mut self) {
        let carry = (self.low >> 32) as u8;
        if self.low < 0xff00_0000 || carry != 0 {
            if self.begun {
                self.out.push(self.held.wrapping_add(carry));
            }
            for _ in 0..self.pending {
                self.out.push(0xffu8.wrapping_add(carry));
            }
            self.pending = 0;
            self.held = (self.low >> 24) as u8;
            self.begun = true;
        } else {
            self.pending += 1;
        }
        self.low = (self.low & 0x00ff_ffff) << 8;
    }

    fn refill(&mut self) {
        while self.range < LOW_RANGE {
            self.range <<= 8;
            self.shift();
        }
    }

    /// The bytes, without zeros at the end, which the decoder reads behind it anyway.
    pub(super) fn finish(mut self) -> Vec<u8> {
        (0..5).for_each(|_| self.shift());
        while self.out.last() == Some(&0) {
            self.out.pop();
        }
        self.out.shrink_to_fit();
        self.out
    }
}

impl Code for Encoder {
    fn bit(&mut self, bin: &mut Bin, given: bool) -> bool {
        let bound = (self.range >> SCALE) * bin.probability();
        if given {
            self.low += u64::from(bound);
            self.range -= bound;
        } else {
            self.range = bound;
        }
        bin.learn(given);
        self.refill();
        given
    }

    fn bits(&mut self, count: u32, given: u64) -> u64 {
        let mut left = count;
        while left > 0 {
            let now = left.min(AT_ONCE);
            left -= now;
            self.range >>= now;
            self.low += (given >> left & ((1 << now) - 1)) * u64::from(self.range);
            self.refill();
        }
        given
    }

    fn goes_on(&self) -> bool {
        true
    }
}

#[derive(Debug)]
pub(super) struct Decoder<'b> {
    bytes: &'b [u8],
    at: usize,
    code: u32,
    range: u32,
}

impl<'b> Decoder<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Decoder<'b> {
        let mut decoder = Decoder { bytes, at: 0, code: 0, range: u32::MAX };
        (0..4).for_each(|_| decoder.code = decoder.code << 8 | decoder.next());
        decoder
    }

    /// Behind the end there are zeros.
    fn next(&mut self) -> u32 {
        let byte = self.bytes.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        u32::from(byte)
    }

    fn refill(&mut self) {
        while self.range < LOW_RANGE {
            self.range <<= 8;
            self.code = self.code << 8 | self.next();
        }
    }

    /// Returns whether exactly the bytes given were read, as far as this can be told: an encoder writes at most five bytes that are not
    /// needed, and leaves out zeros.
    pub(super) fn is_whole(&self) -> bool {
        self.at >= self.bytes.len() && self.goes_on()
    }
}

impl Code for Decoder<'_> {
    fn bit(&mut self, bin: &mut Bin, _: bool) -> bool {
        let bound = (self.range >> SCALE) * bin.probability();
        let bit = self.code >= bound;
        if bit {
            self.code -= bound;
            self.range -= bound;
        } else {
            self.range = bound;
        }
        bin.learn(bit);
        self.refill();
        bit
    }

    fn bits(&mut self, count: u32, _: u64) -> u64 {
        let (mut left, mut value) = (count, 0u64);
        while left > 0 {
            let now = left.min(AT_ONCE);
            left -= now;
            self.range >>= now;
            let part = (self.code / self.range).min((1 << now) - 1);
            self.code -= part * self.range;
            value = value << now | u64::from(part);
            self.refill();
        }
        value
    }

    /// The code is always within the range, unless nothing was ever encoded like this.
    fn goes_on(&self) -> bool {
        self.code < self.range
    }
}
