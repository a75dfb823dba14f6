//! The bytes of a datagram being packed, with room behind their end: what is short is written there without a look at the space
//! each time.

use crate::number::{MILLIS, write_millis};

/// As much as a short piece may be.
const SHORT: usize = 16;

/// A piece that is written again and again.
#[derive(Default)]
pub(crate) struct Piece {
    bytes: Vec<u8>,
    /// A copy of them, if they are few.
    short: Option<[u8; SHORT]>,
}

impl Piece {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.short = None;
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.short = (self.bytes.len() <= SHORT).then(|| {
            let mut short = [0; SHORT];
            short[..self.bytes.len()].copy_from_slice(&self.bytes);
            short
        });
    }
}

#[derive(Default)]
pub(crate) struct DatagramBuffer {
    /// All of it may be written; `len` is what was.
    bytes: Vec<u8>,
    len: usize,
}

impl DatagramBuffer {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Takes back what was written last.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Adds zeros to a number that ends there, this many bytes of them, without changing what it says; `false` when that cannot be.
    pub(crate) fn lengthen_number(&mut self, at: usize, by: usize) -> bool {
        let mut digits = 0;
        while digits < at && self.bytes[at - digits - 1].is_ascii_digit() {
            digits += 1;
        }
        let has_point = digits < at && self.bytes[at - digits - 1] == b'.';
        // A point of its own needs a digit behind it.
        if digits == 0 || (!has_point && by == 1) {
            return false;
        }
        self.room(by);
        self.bytes.copy_within(at..self.len, at + by);
        self.bytes[at..at + by].fill(b'0');
        if !has_point && by > 0 {
            self.bytes[at] = b'.';
        }
        self.len += by;
        true
    }

    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.room(piece.len())[..piece.len()].copy_from_slice(piece);
        self.len += piece.len();
    }

    #[inline(always)]
    pub(crate) fn push_piece(&mut self, piece: &Piece) {
        let Some(short) = &piece.short else { return self.push(&piece.bytes) };
        // A copy of a length that is known needs no loop and no call.
        self.room(SHORT)[..SHORT].copy_from_slice(short);
        self.len += piece.bytes.len();
    }

    /// Appends nanoseconds as milliseconds, exactly: 1234567 as `1.234567`.
    #[inline(always)]
    pub(crate) fn push_millis(&mut self, nanos: u64) {
        if let Some(room) = self.room(MILLIS).first_chunk_mut() {
            self.len += write_millis(room, nanos);
        }
    }

    /// Returns the space behind the end: at least this many bytes.
    #[inline(always)]
    fn room(&mut self, len: usize) -> &mut [u8] {
        if self.bytes.len() - self.len < len {
            self.grow(len);
        }
        &mut self.bytes[self.len..]
    }

    #[cold]
    fn grow(&mut self, len: usize) {
        self.bytes.resize((self.len + len).next_power_of_two().max(2048), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_grows_and_says_the_same() {
        let grown = |text: &str, at: usize, by: usize| {
            let mut buffer = DatagramBuffer::default();
            buffer.push(text.as_bytes());
            let done = buffer.lengthen_number(at, by);
            (done, String::from_utf8(buffer.as_bytes().to_vec()).unwrap())
        };
        assert_eq!(grown("x:1.25|ms", 6, 3), (true, "x:1.25000|ms".into()));
        assert_eq!(grown("x:12|ms|#a:b", 4, 2), (true, "x:12.0|ms|#a:b".into()));
        assert_eq!(grown("x:12|ms", 4, 1), (false, "x:12|ms".into()));
        assert_eq!(grown("x:12", 4, 0), (true, "x:12".into()));
        assert_eq!(grown("x:|ms", 2, 5), (false, "x:|ms".into()));
        assert_eq!(grown("7", 1, 3), (true, "7.00".into()));
    }

    #[test]
    fn pieces_of_any_length_follow_each_other() {
        let mut buffer = DatagramBuffer::default();
        let mut expected = Vec::new();
        for len in (0..40).chain([2000, 5000, 1]) {
            let bytes = vec![b'a' + (len % 26) as u8; len];
            let mut piece = Piece::default();
            piece.push(&bytes);
            buffer.push_piece(&piece);
            buffer.push(&bytes);
            buffer.push_millis(len as u64 * 1_000_000);
            expected.extend([bytes.clone(), bytes, len.to_string().into_bytes()].concat());
        }
        assert_eq!(buffer.as_bytes(), expected);
        buffer.truncate(3);
        buffer.push(b"x");
        assert_eq!((buffer.as_bytes(), buffer.len()), ([&expected[..3], b"x"].concat().as_slice(), 4));
    }
}
