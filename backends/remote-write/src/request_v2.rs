//! Requests of remote write 2.0, made of pieces: the numbers of their labels become those of the request's symbols, and each series gets what its family is
//! and since when it counts.
//!
//! The numbers of fields are those of `io.prometheus.write.v2`. The moment since when a series counts has two places: the series, up to the third candidate of
//! the specification, and the sample, from the fourth on. It is written in both; a receiver passes over the one it does not know.

use crate::families::{Known, Meta, Type};
use crate::fields;
use crate::symbols::{Room, SYMBOL, Table};
use ferrometer_push::protobuf::{bytes, message, unsigned, varint};

/// A request without series.
pub(crate) const EMPTY: [u8; 2] = [SYMBOL, 0];

/// The part that all series of a family share: what stands behind a value, and behind all else.
#[derive(Debug, Default)]
struct About {
    sample: Vec<u8>,
    histogram: Vec<u8>,
    series: Vec<u8>,
}

impl About {
    fn new<'a>(meta: &'a Meta, started: i64, table: &mut Table<'a>) -> About {
        let mut about = About::default();
        message(&mut about.series, 5, |out| {
            unsigned(out, 1, meta.kind as u64);
            for (number, text) in [(3, &meta.help), (4, &meta.unit)] {
                let text = table.of_text(text.as_bytes());
                if text > 0 {
                    unsigned(out, number, u64::from(text));
                }
            }
        });
        if meta.kind != Type::Gauge && started > 0 {
            unsigned(&mut about.sample, 3, started as u64);
            unsigned(&mut about.histogram, 17, started as u64);
            unsigned(&mut about.series, 6, started as u64);
        }
        about
    }
}

/// Writes a request: `pieces` are of the form for it, each with the number of its family.
///
/// `started` is the moment since when counters and histograms count, in milliseconds since 1970.
pub(crate) fn request<'a>(
    body: &mut Vec<u8>,
    (series, room): (&mut Vec<u8>, &mut Room),
    pieces: impl Iterator<Item = (u32, &'a [u8])>,
    known: &'a Known,
    started: i64,
) {
    series.clear();
    let mut table = Table::new(&known.symbols, room);
    let (mut family, mut about) = (None, About::default());
    for (number, piece) in pieces {
        if family != Some(number) {
            let meta = known.families.get(number as usize).and_then(Option::as_ref);
            about = meta.map_or_else(About::default, |meta| About::new(meta, started, &mut table));
            family = Some(number);
        }
        let written = one(series, piece, &about, &mut table);
        debug_assert!(written.is_some(), "a piece of another form");
    }
    body.extend_from_slice(table.fields());
    body.extend_from_slice(series);
}

/// Writes one series.
#[inline]
fn one<'a>(out: &mut Vec<u8>, piece: &'a [u8], about: &About, table: &mut Table<'a>) -> Option<()> {
    let mut rest = piece;
    let len = usize::try_from(fields::number(&mut rest)?).ok()?;
    let (labels, mut rest) = rest.split_at_checked(len)?;
    let (mut value, mut exemplars) = (None, Vec::new());
    while !rest.is_empty() {
        let field = fields::take(&mut rest)?;
        match field.number {
            // A sample has the same fields, and a histogram too; its place is another one.
            2 => value = Some((2, field.content, &about.sample)),
            4 => value = Some((3, field.content, &about.histogram)),
            3 => exemplar(&mut exemplars, field.content, table)?,
            _ => return None,
        }
    }
    let (place, value, since) = value?;
    message(out, 5, |out| {
        message(out, 1, |out| {
            let (numbers, _) = labels.as_chunks::<4>();
            numbers.iter().for_each(|number| varint(out, u64::from(table.number(u32::from_le_bytes(*number)))));
        });
        message(out, place, |out| {
            out.extend_from_slice(value);
            out.extend_from_slice(since);
        });
        out.extend_from_slice(&exemplars);
        out.extend_from_slice(&about.series);
    });
    Some(())
}

/// Appends an exemplar of 1.0. Its value and its time have the fields that they have there.
pub(crate) fn exemplar<'a>(out: &mut Vec<u8>, found: &'a [u8], table: &mut Table<'a>) -> Option<()> {
    let (mut refs, mut others) = (Vec::new(), Vec::new());
    for field in fields::of(found) {
        let field = field?;
        match field.number {
            1 => label(&mut refs, field.content, table)?,
            _ => others.extend_from_slice(field.whole),
        }
    }
    message(out, 4, |out| {
        bytes(out, 1, &refs);
        out.extend_from_slice(&others);
    });
    Some(())
}

/// Appends the numbers of a label of 1.0.
pub(crate) fn label<'a>(refs: &mut Vec<u8>, label: &'a [u8], table: &mut Table<'a>) -> Option<()> {
    let mut texts = [&[][..]; 2];
    for field in fields::of(label) {
        let field = field?;
        *texts.get_mut((field.number as usize).checked_sub(1)?)? = field.content;
    }
    texts.iter().for_each(|text| varint(refs, u64::from(table.of_text(text))));
    Some(())
}

/// Returns `true` when a body, compressed with snappy, is a request of 2.0.
pub(crate) fn is_second(wire: &[u8]) -> bool {
    let mut rest = wire;
    // The length; then the first element, which is always a literal; its length, if long, has up to four bytes of its own.
    let Some(_) = fields::number(&mut rest) else { return false };
    let Some((tag, behind)) = rest.split_first() else { return false };
    let more = usize::from((tag >> 2).saturating_sub(59));
    tag & 3 == 0 && behind.get(more) == Some(&SYMBOL)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            for (first, expected) in [(SYMBOL, true), (1 << 3 | 2, false), (3 << 3 | 2, false)] {
                let body = [&[first], noise.as_slice()].concat();
                assert_eq!(is_second(&encoder.compress_vec(&body).unwrap()), expected, "{len}");
            }
        }
        assert!(!is_second(&encoder.compress_vec(&[]).unwrap()) && !is_second(&[]) && !is_second(&[0x80]));
    }
}
