//! Packs lines into datagrams of at most a configured size, whole lines only, and remembers whose values are in each.
//!
//! What the transport takes is handed in as sent; what it does not take stays pending, and the rest of the delivery is put off.

use crate::transport::{Refusal, Wire};
use ferrometer_core::{BackendError, Cause, Delivery, Receipt, SnapshotView};
use std::time::Instant;

pub(crate) struct Batch<'b, 'v> {
    view: &'b SnapshotView<'v>,
    wire: &'b mut Wire,
    max: usize,
    until: Instant,
    buffer: &'b mut Vec<u8>,
    /// What is in the buffer, and where the line that holds it ends.
    receipts: Vec<(Receipt, usize)>,
    /// From here on receipts belong to the line being written.
    line_receipts: usize,
    line_is_open: bool,
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
        buffer: &'b mut Vec<u8>,
    ) -> Batch<'b, 'v> {
        buffer.clear();
        Batch {
            view,
            wire,
            max,
            until,
            buffer,
            receipts: Vec::new(),
            line_receipts: 0,
            line_is_open: false,
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

    /// Adds a value to the open line, or to a new one that begins with `head`. The line will end with `tail`.
    pub(crate) fn value(&mut self, head: &[u8], piece: &[u8], tail: &[u8], receipt: Receipt) {
        if self.line_is_open && self.buffer.len() + piece.len() + tail.len() > self.max {
            // The tail of the values written so far still fits: it was kept free.
            self.end_line(tail);
        }
        if !self.line_is_open {
            let len = head.len() + piece.len() + tail.len();
            if !self.make_room(len) {
                return self.drop_too_large(&receipt);
            }
            self.buffer.extend_from_slice(head);
            self.line_is_open = true;
        }
        self.buffer.extend_from_slice(piece);
        self.receipts.push((receipt, 0));
    }

    /// Ends the open line, if there is one.
    pub(crate) fn end_line(&mut self, tail: &[u8]) {
        if !self.line_is_open {
            return;
        }
        self.line_is_open = false;
        self.buffer.extend_from_slice(tail);
        self.close_receipts();
    }

    /// Adds lines that must arrive together, in this order.
    pub(crate) fn together(&mut self, lines: &[u8], receipt: Receipt) {
        if !self.make_room(lines.len()) {
            return self.drop_too_large(&receipt);
        }
        self.buffer.extend_from_slice(lines);
        self.receipts.push((receipt, 0));
        self.close_receipts();
    }

    fn close_receipts(&mut self) {
        let end = self.buffer.len();
        self.receipts[self.line_receipts..].iter_mut().for_each(|(_, at)| *at = end);
        self.line_receipts = self.receipts.len();
    }

    /// Makes place for a line of this length, behind the others or in a datagram of its own; `false` when it is too long for any.
    fn make_room(&mut self, len: usize) -> bool {
        if len > self.max {
            return false;
        }
        if !self.buffer.is_empty() {
            if self.buffer.len() + 1 + len > self.max {
                self.send();
            } else {
                self.buffer.push(b'\n');
            }
        }
        true
    }

    fn drop_too_large(&mut self, receipt: &Receipt) {
        self.too_large = true;
        self.view.dropped(receipt, Cause::TooLarge);
    }

    fn send(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        // After a refusal lines are still packed into the buffer by whoever is in the middle of one, and go nowhere.
        if self.stopped.is_none() {
            match self.wire.send(self.buffer, self.until) {
                Ok(()) => {
                    self.delivery.packets += 1;
                    self.delivery.bytes += self.buffer.len() as u64;
                    self.receipts.iter().for_each(|(receipt, _)| self.view.sent(receipt));
                }
                Err(Refusal::TooLarge) => self.send_one_by_one(),
                Err(Refusal::NotNow { taken, reason }) => {
                    // Of a stream the kernel may have taken the first lines; one counts when its newline was taken too.
                    let taken_lines = self.receipts.iter().filter(|(_, end)| *end < taken);
                    taken_lines.for_each(|(receipt, _)| self.view.sent(receipt));
                    self.delivery.bytes += taken as u64;
                    self.stopped = Some(reason);
                }
            }
        }
        self.buffer.clear();
        self.receipts.clear();
        self.line_receipts = 0;
    }

    /// The transport carries less than `max_datagram`: each line in a datagram of its own, so that only what is too large alone is dropped.
    fn send_one_by_one(&mut self) {
        let mut begin = 0;
        for line in self.receipts.chunk_by(|a, b| a.1 == b.1) {
            let end = line[0].1;
            match self.wire.send(&self.buffer[begin..end], self.until) {
                Ok(()) => {
                    self.delivery.packets += 1;
                    self.delivery.bytes += (end - begin) as u64;
                    line.iter().for_each(|(receipt, _)| self.view.sent(receipt));
                }
                Err(Refusal::TooLarge) => {
                    self.too_large = true;
                    line.iter().for_each(|(receipt, _)| self.view.dropped(receipt, Cause::TooLarge));
                }
                Err(Refusal::NotNow { reason, .. }) => {
                    self.stopped = Some(reason);
                    return;
                }
            }
            begin = end + 1;
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
