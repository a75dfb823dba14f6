//! Packs lines into datagrams of at most a configured size, whole lines only, and remembers whose values are in each.
//!
//! What the transport takes is handed in as sent; what it does not take stays pending, and the rest of the delivery is put off.

use crate::packet::{Packet, Piece};
use crate::transport::{Refusal, Wire};
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

/// What is in the datagram: a line, or lines of one value each.
struct Entry {
    receipt: Receipt,
    end: usize,
    one_each: bool,
}

/// The memory of a [`Batch`], kept from delivery to delivery.
#[derive(Default)]
pub(crate) struct Memory {
    packet: Packet,
    entries: Vec<Entry>,
}

pub(crate) struct Batch<'b, 'v> {
    view: &'b SnapshotView<'v>,
    wire: &'b mut Wire,
    max: usize,
    until: Instant,
    packet: &'b mut Packet,
    entries: &'b mut Vec<Entry>,
    delivery: Delivery,
    stopped: Option<String>,
    too_large: bool,
}

impl<'b, 'v> Batch<'b, 'v> {
    pub(crate) fn new(
        view: &'b SnapshotView<'v>,
        wire: &'b mut Wire,
        max: usize,
        until: Instant,
        memory: &'b mut Memory,
    ) -> Batch<'b, 'v> {
        let Memory { packet, entries } = memory;
        packet.truncate(0);
        entries.clear();
        let delivery = Delivery::default();
        Batch { view, wire, max, until, packet, entries, delivery, stopped: None, too_large: false }
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
        mut write: impl FnMut(&mut Packet, f64),
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
            let begin = self.packet.len();
            if begin > 0 {
                self.packet.push(b"\n");
            }
            self.packet.push(&frame.head);
            write(self.packet, *first);
            if self.packet.len() > max {
                // Not in this datagram, or in none.
                self.packet.truncate(begin);
                if begin > 0 {
                    self.send();
                } else {
                    self.drop_too_large(&receipt(at..at + 1));
                    at += 1;
                }
                continue;
            }
            let from = at;
            at += 1;
            for value in &values[at..] {
                let end = self.packet.len();
                self.packet.push_piece(&frame.between);
                write(self.packet, *value);
                if self.packet.len() > max {
                    self.packet.truncate(end);
                    break;
                }
                at += 1;
            }
            self.packet.push(&frame.tail);
            let end = self.packet.len();
            self.entries.push(Entry { receipt: receipt(from..at), end, one_each: frame.one_each });
        }
    }

    /// Adds lines that must arrive together, in this order.
    pub(crate) fn together(&mut self, lines: &[u8], receipt: Receipt) {
        if lines.len() > self.max {
            return self.drop_too_large(&receipt);
        }
        if self.packet.len() > 0 {
            if self.packet.len() + 1 + lines.len() > self.max {
                self.send();
            } else {
                self.packet.push(b"\n");
            }
        }
        self.packet.push(lines);
        self.entries.push(Entry { receipt, end: self.packet.len(), one_each: false });
    }

    fn drop_too_large(&mut self, receipt: &Receipt) {
        self.too_large = true;
        self.view.dropped(receipt, Cause::TooLarge);
    }

    fn send(&mut self) {
        // After a refusal lines are still packed by whoever is in the middle of a series, and go nowhere.
        if self.packet.len() > 0 && self.stopped.is_none() {
            let packet = self.packet.as_bytes();
            match self.wire.send(packet, self.until) {
                Ok(()) => {
                    self.delivery.packets += 1;
                    self.delivery.bytes += packet.len() as u64;
                    self.entries.iter().for_each(|entry| self.view.sent(&entry.receipt));
                }
                Err(Refusal::TooLarge) => self.send_one_by_one(),
                Err(Refusal::NotNow { taken, reason }) => {
                    // Of a stream the kernel may have taken the first lines; one counts when its newline was taken too.
                    let lines = if taken > 0 { self.lines() } else { Vec::new() };
                    lines.iter().filter(|(_, at)| at.end < taken).for_each(|(receipt, _)| self.view.sent(receipt));
                    self.delivery.bytes += taken as u64;
                    self.stopped = Some(reason);
                }
            }
        }
        self.packet.truncate(0);
        self.entries.clear();
    }

    /// What is in the datagram line by line (those that must arrive together as one), and where each stands.
    fn lines(&self) -> Vec<(Receipt, Range<usize>)> {
        let mut lines = Vec::new();
        let mut begin = 0;
        for entry in self.entries.iter() {
            if entry.one_each {
                let parts = self.packet.as_bytes()[begin..entry.end].split(|b| *b == b'\n');
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
    fn send_one_by_one(&mut self) {
        for (receipt, line) in self.lines() {
            match self.wire.send(&self.packet.as_bytes()[line.clone()], self.until) {
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

    /// Sends what is left and says how it went.
    pub(crate) fn finish(mut self) -> Result<Delivery, BackendError> {
        self.send();
        match (self.stopped, self.too_large) {
            (Some(reason), _) => Err(BackendError::new(reason).after(self.delivery)),
            (None, true) => {
                let what = "a line is larger than max_datagram or the transport allows, and is not delivered";
                Err(BackendError::new(what).after(self.delivery))
            }
            (None, false) => Ok(self.delivery),
        }
    }
}
