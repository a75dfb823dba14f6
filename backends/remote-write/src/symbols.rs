//! Texts of labels by numbers that last, for pieces of requests of 2.0; and the symbols of one request, which have numbers of their own.

use ferrometer_push::protobuf::bytes;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasher;

/// The key of a symbol in a request, which is the first byte of it. A request of 1.0 begins with another one.
pub(crate) const SYMBOL: u8 = 4 << 3 | 2;

/// Every text that a label has had, each once, in one buffer. The first one is empty.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    bytes: Vec<u8>,
    /// Where each ends, the first one left out.
    ends: Vec<usize>,
    /// By the hash of the text, or one behind it where another text has that.
    numbers: HashMap<u64, u32, RandomState>,
    hashes: RandomState,
}

impl Symbols {
    pub(crate) fn len(&self) -> usize {
        self.ends.len() + 1
    }

    /// Returns the text of a number.
    pub(crate) fn text(&self, number: u32) -> &[u8] {
        let end = |at: usize| at.checked_sub(1).and_then(|at| self.ends.get(at)).copied().unwrap_or(0);
        let at = number as usize;
        self.bytes.get(end(at.saturating_sub(1))..end(at)).unwrap_or_default()
    }

    /// Returns the number of a text that is there.
    fn find(&self, text: &[u8]) -> Option<u32> {
        if text.is_empty() {
            return Some(0);
        }
        let mut hash = self.hashes.hash_one(text);
        loop {
            let number = *self.numbers.get(&hash)?;
            if self.text(number) == text {
                return Some(number);
            }
            hash = hash.wrapping_add(1);
        }
    }

    /// Returns the number of a text, which it gets where it has none.
    pub(crate) fn number(&mut self, text: &[u8]) -> u32 {
        if let Some(known) = self.find(text) {
            return known;
        }
        let number = self.len() as u32;
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
        let mut hash = self.hashes.hash_one(text);
        loop {
            match self.numbers.entry(hash) {
                Entry::Vacant(place) => return *place.insert(number),
                Entry::Occupied(_) => hash = hash.wrapping_add(1),
            }
        }
    }
}

/// Room for the symbols of a request, which is kept from one to the next.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// By the number that lasts: the request that it was last in, and its number there.
    numbers: Vec<(u32, u32)>,
    request: u32,
    table: Vec<u8>,
}

/// The symbols of one request.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    symbols: &'a Symbols,
    room: &'a mut Room,
    /// Texts that have no number that lasts.
    others: HashMap<&'a [u8], u32, RandomState>,
    next: u32,
}

impl<'a> Table<'a> {
    pub(crate) fn new(symbols: &'a Symbols, room: &'a mut Room) -> Table<'a> {
        room.request = room.request.wrapping_add(1);
        if room.request == 0 {
            room.numbers.clear();
            room.request = 1;
        }
        room.numbers.resize(symbols.len(), (0, 0));
        room.numbers[0] = (room.request, 0);
        room.table.clear();
        bytes(&mut room.table, 4, b"");
        Table { symbols, room, others: HashMap::default(), next: 1 }
    }

    /// Returns the number in this request of a text by its number that lasts.
    #[inline]
    pub(crate) fn number(&mut self, lasting: u32) -> u32 {
        match self.room.numbers.get(lasting as usize) {
            Some((request, number)) if *request == self.room.request => *number,
            _ => self.add(lasting),
        }
    }

    fn add(&mut self, lasting: u32) -> u32 {
        let number = self.push(self.symbols.text(lasting));
        if let Some(known) = self.room.numbers.get_mut(lasting as usize) {
            *known = (self.room.request, number);
        }
        number
    }

    fn push(&mut self, text: &[u8]) -> u32 {
        bytes(&mut self.room.table, 4, text);
        self.next += 1;
        self.next - 1
    }

    /// Returns the number in this request of any text.
    pub(crate) fn of_text(&mut self, text: &'a [u8]) -> u32 {
        if let Some(lasting) = self.symbols.find(text) {
            return self.number(lasting);
        }
        if let Some(known) = self.others.get(text) {
            return *known;
        }
        let number = self.push(text);
        self.others.insert(text, number);
        number
    }

    /// Returns the symbols as fields of the request.
    pub(crate) fn fields(&self) -> &[u8] {
        &self.room.table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_has_one_number_and_each_request_its_own() {
        let mut symbols = Symbols::default();
        let texts: Vec<String> = (0..500).map(|i| format!("text {}", i % 250)).collect();
        let numbers: Vec<u32> = texts.iter().map(|text| symbols.number(text.as_bytes())).collect();
        assert_eq!(numbers, (0..500).map(|i| i % 250 + 1).collect::<Vec<u32>>());
        assert_eq!((symbols.len(), symbols.number(b""), symbols.text(0)), (251, 0, &b""[..]));
        assert!(texts.iter().zip(&numbers).all(|(text, number)| symbols.text(*number) == text.as_bytes()));
        let mut room = Room::default();
        for _ in 0..3 {
            let mut table = Table::new(&symbols, &mut room);
            let found = [table.number(7), table.of_text(b"other"), table.number(3), table.of_text(b"text 6")];
            assert_eq!(found, [1, 2, 3, 1]);
            assert_eq!((table.of_text(b"other"), table.of_text(b""), table.number(0)), (2, 0, 0));
            assert_eq!(table.fields(), b"\x22\0\x22\x06text 6\x22\x05other\x22\x06text 2");
        }
        // The numbers of requests have an end, and old ones say nothing then.
        room.request = u32::MAX - 1;
        for _ in 0..3 {
            assert_eq!(Table::new(&symbols, &mut room).number(7), 1);
        }
    }
}
