//! Packs lines into datagrams of at most a configured size, whole lines only, and remembers whose values are in each.
//!
//! What the transport takes is handed in as sent; what it does not take stays pending, and the rest of the delivery is put off.
//!
//! Where the transport takes many datagrams at once, all but the last must have the same size. A datagram that is full misses it by a few bytes;
//! its last value is then written with more zeros at the end: `1.25` as `1.25000`.

use crate::connection::{Connection, Refusal};
use crate::datagram::{DatagramBuffer, Piece};
use ferrometer_core::{BackendError, Cause, Delivery, Receipt, SnapshotView};
use std::ops::Range;
use std::time::Instant;

/// What stands around the values of one series.
#[derive(Default)]
pub(crate) struct Frame {
    /// Before the first value of a line.
    pub(crate) head: Vec<u8>,
    /// Between two values. It may end a line and begin another.
    pub(crate) between: Piece,
    /// Behind the last value.
    pub(crate) tail: Vec<u8>,
    /// Whether each value is a line of its own.
    pub(crate) one_each: bool,
}

/// The most zeros that a value is lengthened by.
const MOST_ZEROS: usize = 32;

/// What is in a datagram: a line, or lines of one value each.
struct Entry {
    receipt: Receipt,
    /// Where they end among the packed bytes.
    end: usize,
    one_each: bool,
}

/// A datagram that is full.
struct Closed {
    end: usize,
    /// How many entries there are up to here.
    entries: usize,
}

/// The memory of a [`Packer`], kept from delivery to delivery.
#[derive(Default)]
pub(crate) struct Memory {
    buffer: DatagramBuffer,
    entries: Vec<Entry>,
    closed: Vec<Closed>,
}

pub(crate) struct Packer<'b, 'v> {
    view: &'b SnapshotView<'v>,
    connection: &'b mut Connection,
    max: usize,
    until: Instant,
    /// Datagrams one behind the other: the closed ones, and the open one.
    buffer: &'b mut DatagramBuffer,
    entries: &'b mut Vec<Entry>,
    closed: &'b mut Vec<Closed>,
    /// Where the open datagram begins.
    begin: usize,
    /// Where the last value of the open datagram ends, if that is one that may be lengthened.
    last_value: Option<usize>,
    /// How many datagrams are handed over at once.
    at_once: usize,
    delivery: Delivery,
    stopped: Option<String>,
    too_large: bool,
}

impl<'b, 'v> Packer<'b, 'v> {
    pub(crate) fn new(
        view: &'b SnapshotView<'v>,
        connection: &'b mut Connection,
        max: usize,
        until: Instant,
        memory: &'b mut Memory,
    ) -> Packer<'b, 'v> {
        let Memory { buffer, entries, closed } = memory;
        buffer.truncate(0);
        entries.clear();
        closed.clear();
        let at_once = connection.at_once();
        Packer {
            view,
            connection,
            max,
            until,
            buffer,
            entries,
            closed,
            begin: 0,
            last_value: None,
            at_once,
            delivery: Delivery::default(),
            stopped: None,
            too_large: false,
        }
    }

    /// Nothing of this needs a line.
    pub(crate) fn sent(&self, receipt: &Receipt) {
        self.view.sent(receipt);
    }

    /// This will get no line, and why.
    pub(crate) fn dropped(&self, receipt: &Receipt, cause: Cause) {
        self.view.dropped(receipt, cause);
    }

    /// Whether the transport has refused: nothing more will go out in this delivery.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// Adds values, each as `write` writes it, as many to a line and a datagram as there is place for.
    #[inline]
    pub(crate) fn values(
        &mut self,
        frame: &Frame,
        values: &[f64],
        mut write: impl FnMut(&mut DatagramBuffer, f64),
        receipt: impl Fn(Range<usize>) -> Receipt,
    ) {
        let Some(max) = self.max.checked_sub(frame.tail.len()) else {
            return self.drop_too_large(&receipt(0..values.len()));
        };
        let mut at = 0;
        while let Some(first) = values.get(at) {
            if self.is_stopped() {
                return;
            }
            let max = self.begin + max;
            let begin = self.buffer.len();
            if begin > self.begin {
                self.buffer.push(b"\n");
            }
            self.buffer.push(&frame.head);
            write(self.buffer, *first);
            if self.buffer.len() > max {
                // Not in this datagram, or in none.
                self.buffer.truncate(begin);
                if begin > self.begin {
                    self.close();
                } else {
                    self.drop_too_large(&receipt(at..at + 1));
                    at += 1;
                }
                continue;
            }
            let from = at;
            at += 1;
            for value in &values[at..] {
                let end = self.buffer.len();
                self.buffer.push_piece(&frame.between);
                write(self.buffer, *value);
                if self.buffer.len() > max {
                    self.buffer.truncate(end);
                    break;
                }
                at += 1;
            }
            self.last_value = Some(self.buffer.len());
            self.buffer.push(&frame.tail);
            let end = self.buffer.len();
            self.entries.push(Entry { receipt: receipt(from..at), end, one_each: frame.one_each });
        }
    }

    /// Adds lines that must arrive together, in this order.
    pub(crate) fn together(&mut self, lines: &[u8], receipt: Receipt) {
        if lines.len() > self.max {
            return self.drop_too_large(&receipt);
        }
        if self.buffer.len() > self.begin && self.buffer.len() + 1 + lines.len() > self.begin + self.max {
            self.close();
        }
        if self.buffer.len() > self.begin {
            self.buffer.push(b"\n");
        }
        self.buffer.push(lines);
        self.last_value = None;
        self.entries.push(Entry { receipt, end: self.buffer.len(), one_each: false });
    }

    fn drop_too_large(&mut self, receipt: &Receipt) {
        self.too_large = true;
        self.view.dropped(receipt, Cause::TooLarge);
    }

    /// Closes the open datagram, which is full. It waits for others as long as it has the size they must have.
    fn close(&mut self) {
        let missing = self.begin + self.max - self.buffer.len();
        let has_size = self.at_once > 1 && (missing == 0 || self.lengthen(missing));
        self.end_datagram();
        if !has_size || self.closed.len() >= self.at_once {
            self.send();
        }
    }

    fn end_datagram(&mut self) {
        self.begin = self.buffer.len();
        self.last_value = None;
        self.closed.push(Closed { end: self.buffer.len(), entries: self.entries.len() });
    }

    /// Makes the last value of the open datagram longer.
    fn lengthen(&mut self, by: usize) -> bool {
        let Some((at, entry)) = self.last_value.zip(self.entries.last_mut()) else { return false };
        let done = by <= MOST_ZEROS && self.buffer.lengthen_number(at, by);
        if done {
            entry.end += by;
        }
        done
    }

    /// Hands over all closed datagrams.
    fn send(&mut self) {
        // After a refusal lines are still packed by whoever is in the middle of a series, and go nowhere.
        if self.stopped.is_none() {
            let count = self.closed.len();
            if count > 1 && self.connection.send_at_once(self.buffer.as_bytes(), count) {
                self.delivery.packets += count as u64;
                self.delivery.bytes += self.buffer.len() as u64;
                self.entries.iter().for_each(|entry| self.view.sent(&entry.receipt));
            } else {
                self.send_each();
            }
            self.at_once = self.connection.at_once();
        }
        self.buffer.truncate(0);
        self.begin = 0;
        self.entries.clear();
        self.closed.clear();
    }

    fn send_each(&mut self) {
        let (mut begin, mut first) = (0, 0);
        for at in 0..self.closed.len() {
            let Closed { end, entries } = self.closed[at];
            self.send_one(begin..end, first..entries);
            if self.is_stopped() {
                return;
            }
            (begin, first) = (end, entries);
        }
    }

    fn send_one(&mut self, bytes: Range<usize>, entries: Range<usize>) {
        match self.connection.send(&self.buffer.as_bytes()[bytes.clone()], self.until) {
            Ok(()) => {
                self.delivery.packets += 1;
                self.delivery.bytes += bytes.len() as u64;
                self.entries[entries].iter().for_each(|entry| self.view.sent(&entry.receipt));
            }
            Err(Refusal::TooLarge) => self.send_line_by_line(bytes.start, entries),
            Err(Refusal::NotNow { taken, reason }) => {
                // Of a stream the kernel may have taken the first lines; one counts when its newline was taken too.
                let lines = if taken > 0 { self.lines(bytes.start, entries) } else { Vec::new() };
                let taken_lines = lines.iter().filter(|(_, line)| line.end < bytes.start + taken);
                taken_lines.for_each(|(receipt, _)| self.view.sent(receipt));
                self.delivery.bytes += taken as u64;
                self.stopped = Some(reason);
            }
        }
    }

    /// What is in a datagram line by line (those that must arrive together as one), and where each stands.
    fn lines(&self, mut begin: usize, entries: Range<usize>) -> Vec<(Receipt, Range<usize>)> {
        let mut lines = Vec::new();
        for entry in &self.entries[entries] {
            if entry.one_each {
                let parts = self.buffer.as_bytes()[begin..entry.end].split(|b| *b == b'\n');
                for (at, line) in parts.enumerate() {
                    lines.push((entry.receipt.part(at..at + 1), begin..begin + line.len()));
                    begin += line.len() + 1;
                }
            } else {
                lines.push((entry.receipt, begin..entry.end));
                begin = entry.end + 1;
            }
        }
        lines
    }

    /// The transport carries less than `max_datagram`: each line in a datagram of its own, so that only what is too large alone is dropped.
    fn send_line_by_line(&mut self, begin: usize, entries: Range<usize>) {
        for (receipt, line) in self.lines(begin, entries) {
            match self.connection.send(&self.buffer.as_bytes()[line.clone()], self.until) {
                Ok(()) => {
                    self.delivery.packets += 1;
                    self.delivery.bytes += line.len() as u64;
                    self.view.sent(&receipt);
                }
                Err(Refusal::TooLarge) => {
                    self.too_large = true;
                    self.view.dropped(&receipt, Cause::TooLarge);
                }
                Err(Refusal::NotNow { reason, .. }) => {
                    self.stopped = Some(reason);
                    return;
                }
            }
        }
    }

    /// Sends what is left, and says how it went.
    pub(crate) fn finish(mut self) -> (Delivery, Option<BackendError>) {
        if self.buffer.len() > self.begin {
            self.end_datagram();
        }
        self.send();
        let what = "a line is larger than max_datagram or the transport allows, and is not delivered";
        let too_large = self.too_large.then(|| what.to_owned());
        (self.delivery, self.stopped.or(too_large).map(BackendError::new))
    }
}
