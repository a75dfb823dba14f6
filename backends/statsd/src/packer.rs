//! Packs lines into datagrams of at most a configured size, whole lines only, and remembers whose values are in each.
//!
//! A value that the transport takes is handed in as sent, once it is known that it was not refused; any other stays pending, and the rest of the
//! delivery is put off. A line that a stream took a part of is ended by the next delivery, before anything else: servers take the beginning of a
//! line for a line.
//!
//! Where the transport takes many datagrams at once, all but the last must have the same size. A datagram that is full misses it by a few bytes;
//! its last value is then written with more zeros at the end: `1.25` as `1.25000`.
//!
//! The file is long because what is shown of a delivery, and what is counted of a half of one, must follow the packing to the byte.

use crate::connection::Connection;
use crate::datagram::DatagramBuffer;
use crate::packed::{Closed, Entry, Frame, Line, Memory, Torn};
use crate::refusal::{NotNow, Refusal, Sent};
use ferrometer_core::{BackendError, Cause, Delivery, Preview, Receipt, SnapshotView};
use std::ops::Range;
use std::time::Instant;

/// The most zeros that a value is lengthened by.
const MOST_ZEROS: usize = 32;

pub(crate) struct Packer<'b, 'v> {
    view: &'b SnapshotView<'v>,
    connection: &'b mut Connection,
    max: usize,
    until: Instant,
    /// Datagrams one behind the other: the closed ones, and the open one.
    buffer: &'b mut DatagramBuffer,
    entries: &'b mut Vec<Entry>,
    closed: &'b mut Vec<Closed>,
    parts: &'b mut Vec<Receipt>,
    unconfirmed: &'b mut Vec<Receipt>,
    /// The last datagrams that were handed over and are not confirmed.
    last: Delivery,
    torn: &'b mut Option<Torn>,
    is_stream: bool,
    /// Where the open datagram begins.
    begin: usize,
    /// Where the last value of the open datagram ends, if that is one that may be lengthened.
    last_value: Option<usize>,
    /// How many datagrams are handed over at once.
    at_once: usize,
    delivery: Delivery,
    stopped: Option<String>,
    too_large: bool,
    /// Where everything goes instead of to the server.
    shown: Option<&'b mut Vec<Preview>>,
}

impl<'b, 'v> Packer<'b, 'v> {
    pub(crate) fn new(
        view: &'b SnapshotView<'v>,
        connection: &'b mut Connection,
        max: usize,
        until: Instant,
        memory: &'b mut Memory,
    ) -> Packer<'b, 'v> {
        let at_once = connection.at_once();
        let mut packer = Packer::begin(view, connection, max, until, memory, at_once);
        packer.end_line();
        packer
    }

    /// Packs what a delivery would send, into `shown`. Nothing is sent.
    pub(crate) fn showing(
        view: &'b SnapshotView<'v>,
        connection: &'b mut Connection,
        max: usize,
        memory: &'b mut Memory,
        shown: &'b mut Vec<Preview>,
    ) -> Packer<'b, 'v> {
        // The first datagram of a delivery goes alone.
        let mut packer = Packer::begin(view, connection, max, Instant::now(), memory, 1);
        if let Some(torn) = packer.torn.take().filter(|torn| torn.stream == packer.connection.number()) {
            torn.receipts.iter().for_each(|receipt| packer.view.sent(receipt));
            shown.push(Preview::new(torn.rest));
        }
        packer.shown = Some(shown);
        packer
    }

    fn begin(
        view: &'b SnapshotView<'v>,
        connection: &'b mut Connection,
        max: usize,
        until: Instant,
        memory: &'b mut Memory,
        at_once: usize,
    ) -> Packer<'b, 'v> {
        let Memory { buffer, entries, closed, parts, unconfirmed, torn } = memory;
        buffer.truncate(0);
        entries.clear();
        closed.clear();
        parts.clear();
        unconfirmed.clear();
        let is_stream = connection.is_stream();
        Packer {
            view,
            connection,
            max,
            until,
            buffer,
            entries,
            closed,
            parts,
            unconfirmed,
            last: Delivery::default(),
            torn,
            is_stream,
            begin: 0,
            last_value: None,
            at_once,
            delivery: Delivery::default(),
            stopped: None,
            too_large: false,
            shown: None,
        }
    }

    /// Ends the line that the delivery before had to leave.
    fn end_line(&mut self) {
        let Some(torn) = self.torn.as_mut() else { return };
        match self.connection.write_rest(&torn.rest, torn.stream, self.until) {
            Some(Ok(())) => {
                self.delivery.bytes += torn.rest.len() as u64;
                torn.receipts.iter().for_each(|receipt| self.view.sent(receipt));
            }
            Some(Err(NotNow { reason, taken, .. })) => {
                self.delivery.bytes += taken as u64;
                torn.rest.drain(..taken);
                self.stopped = Some(reason);
                return;
            }
            // Nobody has its beginning; its values are pending, and part of this delivery.
            None => {}
        }
        *self.torn = None;
    }

    /// This will get no line, and why.
    pub(crate) fn dropped(&self, receipt: &Receipt, cause: Cause) {
        self.view.dropped(receipt, cause);
    }

    /// Tells if the transport has refused: nothing more will go out in this delivery.
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
        receipt_of: impl Fn(f64) -> Receipt,
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
            let parts = self.parts.len();
            if self.is_stream {
                self.parts.extend(values[from..at].iter().map(|value| receipt_of(*value)));
            }
            self.entries.push(Entry { receipt: Some(receipt(from..at)), end, one_each: frame.one_each, parts });
        }
    }

    /// Adds lines that must arrive together, in this order. Without a receipt they are told again, and stand outside the account.
    pub(crate) fn together(&mut self, lines: &[u8], receipt: Option<Receipt>) {
        if lines.len() > self.max {
            if let Some(receipt) = receipt {
                self.drop_too_large(&receipt);
            }
            return;
        }
        if self.buffer.len() > self.begin && self.buffer.len() + 1 + lines.len() > self.begin + self.max {
            self.close();
        }
        if self.buffer.len() > self.begin {
            self.buffer.push(b"\n");
        }
        self.buffer.push(lines);
        self.last_value = None;
        self.entries.push(Entry { receipt, end: self.buffer.len(), one_each: false, parts: self.parts.len() });
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
        if let Some(shown) = &mut self.shown {
            let mut begin = 0;
            for closed in self.closed.iter() {
                let mut wire = self.buffer.as_bytes()[begin..closed.end].to_vec();
                begin = closed.end;
                if self.is_stream {
                    wire.push(b'\n');
                }
                shown.push(Preview::new(wire));
            }
            self.at_once = self.connection.at_once_when_heard();
            return self.clear();
        }
        // After a refusal lines are still packed by the one that is in the middle of a series, and go nowhere.
        if self.stopped.is_none() {
            let count = self.closed.len();
            if count < 2 || !self.send_at_once(count) {
                self.send_each();
            }
            self.at_once = self.connection.at_once();
        }
        self.clear();
    }

    fn clear(&mut self) {
        self.buffer.truncate(0);
        self.begin = 0;
        self.entries.clear();
        self.closed.clear();
        self.parts.clear();
    }

    /// `false`: they are to be sent one by one.
    fn send_at_once(&mut self, count: usize) -> bool {
        self.before();
        match self.connection.send_at_once(self.buffer.as_bytes(), count, self.until) {
            Ok(Some(sent)) => {
                let delivery = Delivery::new(count as u64, self.buffer.len() as u64);
                self.handed_over(sent, delivery, 0..self.entries.len());
                true
            }
            Ok(None) | Err(Refusal::TooLarge) => false,
            Err(Refusal::NotNow(not_now)) => {
                self.stop(not_now);
                true
            }
        }
    }

    /// Confirms the datagrams that were handed over before, where a refusal would be known by now.
    fn before(&mut self) {
        if self.connection.is_prompt() {
            self.confirm();
        }
    }

    /// A datagram, or many, are handed over; those before were not refused, then.
    fn handed_over(&mut self, sent: Sent, delivery: Delivery, entries: Range<usize>) {
        self.confirm();
        self.last = delivery;
        self.unconfirmed.extend(self.entries[entries].iter().filter_map(|entry| entry.receipt));
        if sent == Sent::Surely {
            self.confirm();
        }
    }

    fn confirm(&mut self) {
        self.delivery.packets += self.last.packets;
        self.delivery.bytes += self.last.bytes;
        self.last = Delivery::default();
        self.unconfirmed.drain(..).for_each(|receipt| self.view.sent(&receipt));
    }

    fn stop(&mut self, not_now: NotNow) {
        if not_now.with_the_last {
            self.last = Delivery::default();
            self.unconfirmed.clear();
        }
        self.stopped = Some(not_now.reason);
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
        self.before();
        match self.connection.send(&self.buffer.as_bytes()[bytes.clone()], self.until) {
            Ok(sent) => {
                self.handed_over(sent, Delivery::new(1, bytes.len() as u64), entries);
            }
            Err(Refusal::TooLarge) => self.send_line_by_line(bytes.start, entries),
            Err(Refusal::NotNow(not_now)) => {
                if not_now.taken > 0 {
                    self.count_taken(bytes, entries, &not_now);
                }
                self.stop(not_now);
            }
        }
    }

    /// Counts the lines that a stream took before it was full. One counts when its newline was taken too. One that was begun is ended later, if
    /// the stream is still there.
    fn count_taken(&mut self, bytes: Range<usize>, entries: Range<usize>, not_now: &NotNow) {
        let end = bytes.start + not_now.taken;
        self.delivery.bytes += not_now.taken as u64;
        for line in self.lines(bytes.start, entries) {
            if line.bytes.end < end {
                line.receipt.iter().for_each(|receipt| self.view.sent(receipt));
            } else if line.bytes.start < end && not_now.is_open {
                let mut rest = self.buffer.as_bytes()[end..line.bytes.end].to_vec();
                rest.push(b'\n');
                let receipts = match self.parts.get(line.parts.clone()) {
                    Some(parts) if !parts.is_empty() => parts.to_vec(),
                    _ => line.receipt.into_iter().collect(),
                };
                *self.torn = Some(Torn { rest, stream: self.connection.number(), receipts });
            }
        }
    }

    /// Returns the lines of a datagram (those that must arrive together as one), and where each stands.
    fn lines(&self, mut begin: usize, entries: Range<usize>) -> Vec<Line> {
        let mut lines = Vec::new();
        for at in entries {
            let entry = &self.entries[at];
            let parts_end = self.entries.get(at + 1).map_or(self.parts.len(), |next| next.parts);
            if entry.one_each {
                let split = self.buffer.as_bytes()[begin..entry.end].split(|b| *b == b'\n');
                for (at, line) in split.enumerate() {
                    let receipt = entry.receipt.map(|receipt| receipt.part(at..at + 1));
                    let part = entry.parts + at;
                    lines.push(Line { receipt, bytes: begin..begin + line.len(), parts: part..part + 1 });
                    begin += line.len() + 1;
                }
            } else {
                lines.push(Line { receipt: entry.receipt, bytes: begin..entry.end, parts: entry.parts..parts_end });
                begin = entry.end + 1;
            }
        }
        lines
    }

    /// The transport carries less than `max_datagram`: each line in a datagram of its own, so that only what is too large alone is dropped.
    fn send_line_by_line(&mut self, begin: usize, entries: Range<usize>) {
        for line in self.lines(begin, entries) {
            self.before();
            match self.connection.send(&self.buffer.as_bytes()[line.bytes.clone()], self.until) {
                Ok(sent) => {
                    self.handed_over(sent, Delivery::new(1, line.bytes.len() as u64), 0..0);
                    match sent {
                        Sent::Surely => line.receipt.iter().for_each(|receipt| self.view.sent(receipt)),
                        Sent::Unknown => self.unconfirmed.extend(line.receipt),
                    }
                }
                Err(Refusal::TooLarge) => {
                    self.too_large = true;
                    line.receipt.iter().for_each(|receipt| self.view.dropped(receipt, Cause::TooLarge));
                }
                Err(Refusal::NotNow(not_now)) => return self.stop(not_now),
            }
        }
    }

    /// Sends what is left. Returns what was taken, whether the transport refused, and what is to be logged.
    pub(crate) fn finish(mut self) -> (Delivery, bool, Option<BackendError>) {
        if self.buffer.len() > self.begin {
            self.end_datagram();
        }
        self.send();
        if self.last.packets > 0 {
            match self.connection.settle() {
                Err(Refusal::NotNow(not_now)) => self.stop(not_now),
                _ => self.confirm(),
            }
        }
        self.confirm();
        let what = "a line is larger than max_datagram or the transport allows, and is not delivered";
        let too_large = self.too_large.then(|| what.to_owned());
        (self.delivery, self.is_stopped(), self.stopped.or(too_large).map(BackendError::new))
    }
}
