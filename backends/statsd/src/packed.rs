//! The memory of a packer: the lines that are packed and whose values are in each, what was handed over last, and the line that a stream has a part of.

use crate::datagram::{DatagramBuffer, Piece};
use ferrometer_core::Receipt;
use std::ops::Range;

/// The text around the values of one series.
#[derive(Default)]
pub(crate) struct Frame {
    /// Before the first value of a line.
    pub(crate) head: Vec<u8>,
    /// Between two values. It may end a line and begin another.
    pub(crate) between: Piece,
    /// Behind the last value.
    pub(crate) tail: Vec<u8>,
    /// Each value is a line of its own.
    pub(crate) one_each: bool,
}

/// A part of a datagram: a line, or lines of one value each.
pub(crate) struct Entry {
    /// `None`: a value that was told before, and stands outside the account.
    pub(crate) receipt: Option<Receipt>,
    /// Where they end among the packed bytes.
    pub(crate) end: usize,
    pub(crate) one_each: bool,
    /// Where the receipts of its single values begin, on a stream.
    pub(crate) parts: usize,
}

/// A line that a stream took a part of.
#[derive(Clone)]
pub(crate) struct Torn {
    pub(crate) rest: Vec<u8>,
    /// The number of the stream.
    pub(crate) stream: u64,
    pub(crate) receipts: Vec<Receipt>,
}

/// A datagram that is full.
pub(crate) struct Closed {
    pub(crate) end: usize,
    /// How many entries there are up to here.
    pub(crate) entries: usize,
}

/// The memory of a [`Packer`](crate::packer::Packer), kept from delivery to delivery.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) buffer: DatagramBuffer,
    pub(crate) entries: Vec<Entry>,
    pub(crate) closed: Vec<Closed>,
    /// On a stream, a receipt for each single value that is packed: of values that were begun, any later delivery can hand it in.
    pub(crate) parts: Vec<Receipt>,
    /// Handed over last, and perhaps refused.
    pub(crate) unconfirmed: Vec<Receipt>,
    pub(crate) torn: Option<Torn>,
}

/// A line of a datagram.
pub(crate) struct Line {
    pub(crate) receipt: Option<Receipt>,
    pub(crate) bytes: Range<usize>,
    /// Where the receipts of its values are.
    pub(crate) parts: Range<usize>,
}
