//! Requests of remote write 2.0, made of the pieces that are series of 1.0: texts become numbers of a table of symbols, and each series gets
//! what its family is and since when it counts.
//!
//! The numbers of fields are those of `io.prometheus.write.v2`. The moment since when a series counts has two places: the series, up to the third candidate of
//! the specification, and the sample, from the fourth on. It is written in both; a receiver passes over the one it does not know.

use crate::families::{Meta, Type};
use ferrometer_push::protobuf::{bytes, key, message, unsigned, varint};
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// The first byte of a request of 2.0: the key of its symbols. One of 1.0 begins with another one.
const SYMBOLS: u8 = 4 << 3 | 2;

/// A request without series.
pub(crate) const EMPTY: [u8; 2] = [SYMBOLS, 0];

/// Texts and their numbers. The first one is empty.
struct Symbols<'a> {
    numbers: HashMap<&'a [u8], u32, RandomState>,
    table: Vec<u8>,
    most: usize,
    /// The texts of the last series by their place in it: the next one has most of them, too, at the same place.
    recent: Vec<(&'a [u8], u32)>,
}

impl<'a> Symbols<'a> {
    /// Makes a table with room for this many texts.
    fn new(most: usize, room: usize) -> Symbols<'a> {
        let mut numbers = HashMap::with_capacity_and_hasher(room, RandomState::default());
        numbers.insert(&b""[..], 0);
        Symbols { numbers, table: EMPTY.to_vec(), most, recent: Vec::new() }
    }

    /// The number of the text at a place in a series.
    fn number_at(&mut self, place: usize, text: &'a [u8]) -> Option<u32> {
        if let Some((_, number)) = self.recent.get(place).filter(|(recent, _)| *recent == text) {
            return Some(*number);
        }
        let number = self.number(text)?;
        match self.recent.get_mut(place) {
            Some(recent) => *recent = (text, number),
            // Places come in order.
            None => self.recent.push((text, number)),
        }
        Some(number)
    }

    /// The number of a text; `None` when there are too many.
    fn number(&mut self, text: &'a [u8]) -> Option<u32> {
        let next = self.numbers.len();
        match self.numbers.entry(text) {
            Entry::Occupied(known) => Some(*known.get()),
            Entry::Vacant(_) if next >= self.most => None,
            Entry::Vacant(new) => {
                bytes(&mut self.table, 4, text);
                Some(*new.insert(u32::try_from(next).ok()?))
            }
        }
    }
}

/// Writes a request of at most `most` bytes, and returns how many series are in it. `groups` are families, how many series of 1.0 each has, and those; a group
/// that is no family has no series. `None`: it cannot be written, and `body` holds nothing of use.
///
/// `started` is the moment since when counters and histograms count, in milliseconds since 1970.
pub(crate) fn request<'a>(
    body: &mut Vec<u8>,
    series: &mut Vec<u8>,
    groups: impl Iterator<Item = (u32, usize, &'a [u8])>,
    families: &'a [Option<Meta>],
    started: i64,
    most: usize,
) -> Option<usize> {
    series.clear();
    let mut groups = groups.peekable();
    // Mostly each series has one text of its own.
    let room = groups.peek().map_or(0, |(_, pieces, _)| (pieces + 16).min(most / 32));
    let mut symbols = Symbols::new(most / 32, room);
    let mut refs = Vec::new();
    let mut count = 0;
    for (number, _, mut pieces) in groups {
        let Some(meta) = families.get(number as usize).and_then(Option::as_ref) else { continue };
        let help = symbols.number(meta.help.as_bytes())?;
        let unit = symbols.number(meta.unit.as_bytes())?;
        let since = if meta.kind == Type::Gauge { 0 } else { started };
        while !pieces.is_empty() {
            let piece = field(&mut pieces).filter(|(number, _)| *number == 1)?.1;
            one(series, piece, &mut symbols, &mut refs, (meta.kind, help, unit), since)?;
            count += 1;
            if series.len() + symbols.table.len() > most {
                return None;
            }
        }
    }
    body.extend_from_slice(&symbols.table);
    body.extend_from_slice(series);
    (count > 0).then_some(count)
}

/// Writes one series.
fn one<'a>(
    out: &mut Vec<u8>,
    piece: &'a [u8],
    symbols: &mut Symbols<'a>,
    refs: &mut Vec<u8>,
    (kind, help, unit): (Type, u32, u32),
    since: i64,
) -> Option<()> {
    refs.clear();
    let mut rest = piece;
    let (mut value, mut place) = (None, 0);
    let mut exemplars = Vec::new();
    while !rest.is_empty() {
        match field(&mut rest)? {
            (1, mut label) => {
                for _ in 0..2 {
                    varint(refs, u64::from(symbols.number_at(place, field(&mut label)?.1)?));
                    place += 1;
                }
            }
            // A sample has the same fields, and a histogram too; its place is another one.
            (2, sample) => value = Some((2, sample, 3)),
            (4, histogram) => value = Some((3, histogram, 17)),
            (3, found) => exemplar(&mut exemplars, found, symbols)?,
            _ => return None,
        }
    }
    let (place, value, start) = value?;
    message(out, 5, |out| {
        bytes(out, 1, refs);
        message(out, place, |out| {
            out.extend_from_slice(value);
            if since > 0 {
                unsigned(out, start, since as u64);
            }
        });
        out.extend_from_slice(&exemplars);
        message(out, 5, |out| {
            unsigned(out, 1, kind as u64);
            for (number, text) in [(3, help), (4, unit)] {
                if text > 0 {
                    unsigned(out, number, u64::from(text));
                }
            }
        });
        if since > 0 {
            key(out, 6, 0);
            varint(out, since as u64);
        }
    });
    Some(())
}

/// Appends an exemplar. Its value and its time have the fields that they have in 1.0.
fn exemplar<'a>(out: &mut Vec<u8>, mut rest: &'a [u8], symbols: &mut Symbols<'a>) -> Option<()> {
    let mut refs = Vec::new();
    while rest.first() == Some(&(1 << 3 | 2)) {
        let mut label = field(&mut rest)?.1;
        for _ in 0..2 {
            varint(&mut refs, u64::from(symbols.number(field(&mut label)?.1)?));
        }
    }
    message(out, 4, |out| {
        bytes(out, 1, &refs);
        out.extend_from_slice(rest);
    });
    Some(())
}

/// Takes a field that has a length off the front: its number and content.
fn field<'a>(rest: &mut &'a [u8]) -> Option<(u32, &'a [u8])> {
    let key = number(rest)?;
    let len = usize::try_from(number(rest)?).ok()?;
    if key & 7 != 2 || len > rest.len() {
        return None;
    }
    let (content, behind) = rest.split_at(len);
    *rest = behind;
    Some((u32::try_from(key >> 3).ok()?, content))
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Returns `true` when a body, compressed with snappy, is a request of 2.0.
pub(crate) fn is_second(wire: &[u8]) -> bool {
    let mut rest = wire;
    // The length; then the first element, which is always a literal; its length, if long, has up to four bytes of its own.
    let Some(_) = number(&mut rest) else { return false };
    let Some((tag, behind)) = rest.split_first() else { return false };
    let more = usize::from((tag >> 2).saturating_sub(59));
    tag & 3 == 0 && behind.get(more) == Some(&SYMBOLS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{self, Labels, Time, sample};

    fn piece(name: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let labels = Labels { before: &[], between: &[], behind: &[] };
        sample(&mut out, labels, &message::name(name, ""), &[], (1.0, &[]), &Time::new(5));
        out
    }

    fn families(help: &str) -> Vec<Option<Meta>> {
        vec![None, Some(Meta { kind: Type::Counter, help: help.into(), unit: String::new() })]
    }

    #[test]
    fn bodies_are_told_apart_whatever_their_size() {
        let mut encoder = snap::raw::Encoder::new();
        for len in [0usize, 1, 50, 58, 59, 60, 61, 200, 300, 70_000, 20_000_000] {
            let mut state = 1u32;
            let mut noise = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            };
            let noise: Vec<u8> = (0..len).map(|_| noise()).collect();
            for (first, expected) in [(SYMBOLS, true), (1 << 3 | 2, false), (3 << 3 | 2, false)] {
                let body = [&[first], noise.as_slice()].concat();
                assert_eq!(is_second(&encoder.compress_vec(&body).unwrap()), expected, "{len}");
            }
        }
        assert!(!is_second(&encoder.compress_vec(&[]).unwrap()) && !is_second(&[]) && !is_second(&[0x80]));
    }

    #[test]
    fn a_request_that_would_be_too_large_is_none() {
        let (one, families) = (piece("a"), families("what it is"));
        let mut room = (Vec::new(), Vec::new());
        let mut made = |most| {
            room.0.clear();
            let made = request(&mut room.0, &mut room.1, [(1, 1, one.as_slice())].into_iter(), &families, 1, most);
            (made, room.0.len())
        };
        let (count, len) = made(1000);
        assert_eq!(count, Some(1));
        for most in 0..1000 {
            let (count, written) = made(most);
            // Small limits allow few symbols, too.
            assert!(count.is_none() || (most >= len && written == len), "{most}");
        }
    }

    #[test]
    fn pieces_that_are_none_and_groups_that_are_no_family_make_no_request() {
        let families = families("");
        let mut room = (Vec::new(), Vec::new());
        let mut made = |group, pieces: &[u8]| {
            room.0.clear();
            request(&mut room.0, &mut room.1, [(group, 1, pieces)].into_iter(), &families, 1, 10_000)
        };
        let whole = piece("a");
        assert_eq!(made(1, &whole), Some(1));
        assert_eq!((made(0, &whole), made(7, &whole)), (None, None));
        for cut in 1..whole.len() {
            assert_eq!(made(1, &whole[..cut]), None, "{cut}");
        }
    }
}
