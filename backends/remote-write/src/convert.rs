//! Whole requests of one version as those of the other: a body that was kept while a server was away is sent as what the server takes when it is back.
//!
//! Values, times, labels and exemplars stay what they are. 1.0 has no place for the type, the help and the unit of a series, nor for the moment since when it counts; one
//! of 1.0 becomes a request of 2.0 without them.

use crate::fields;
use crate::message;
use crate::request_v2::{exemplar, label};
use crate::symbols::{Room, Symbols, Table};
use ferrometer_push::protobuf::{bytes, message as nested};

/// The most bytes of a body that was kept, far more than one has: a file that is damaged may name any number.
pub(crate) const MOST_KEPT: usize = 1 << 28;
/// The most bytes of the labels of a series, far more than it has.
const LONGEST_LABELS: usize = 1 << 20;

/// Returns a request of 1.0 as one of 2.0, and how many series are in it. `None`: it is damaged.
pub(crate) fn to_second(body: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (symbols, mut room) = (Symbols::default(), Room::default());
    let mut table = Table::new(&symbols, &mut room);
    let (mut series, mut count) = (Vec::new(), 0);
    for field in fields::of(body) {
        let field = field?;
        // 2.0 has no list of families.
        if field.number != 1 {
            continue;
        }
        let (mut refs, mut values, mut exemplars) = (Vec::new(), Vec::new(), Vec::new());
        for part in fields::of(field.content) {
            let part = part?;
            match part.number {
                1 => label(&mut refs, part.content, &mut table)?,
                2 => bytes(&mut values, 2, part.content),
                3 => exemplar(&mut exemplars, part.content, &mut table)?,
                4 => bytes(&mut values, 3, part.content),
                _ => {}
            }
        }
        nested(&mut series, 5, |out| {
            bytes(out, 1, &refs);
            out.extend_from_slice(&values);
            out.extend_from_slice(&exemplars);
        });
        count += 1;
    }
    Some(([table.fields(), &series].concat(), count))
}

/// Returns a request of 2.0 as one of 1.0. `None`: it is damaged.
pub(crate) fn to_first(body: &[u8]) -> Option<Vec<u8>> {
    let (mut symbols, mut out) = (Vec::new(), Vec::new());
    for field in fields::of(body) {
        let field = field?;
        match field.number {
            // All of them stand in front.
            4 => symbols.push(std::str::from_utf8(field.content).ok()?),
            5 => {
                let series = first(field.content, &symbols)?;
                bytes(&mut out, 1, &series);
                if out.len() > MOST_KEPT {
                    return None;
                }
            }
            _ => {}
        }
    }
    Some(out)
}

/// Returns a series of 2.0 as one of 1.0.
fn first(series: &[u8], symbols: &[&str]) -> Option<Vec<u8>> {
    // Fields of 1.0 in the order of their numbers.
    let (mut labels, mut samples, mut exemplars, mut histograms) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for part in fields::of(series) {
        let part = part?;
        match part.number {
            1 => texts(&mut labels, part.content, symbols)?,
            2 => bytes(&mut samples, 2, &without(part.content, 3)?),
            3 => bytes(&mut histograms, 4, &without(part.content, 17)?),
            4 => {
                let (mut all, mut others) = (Vec::new(), Vec::new());
                for part in fields::of(part.content) {
                    let part = part?;
                    match part.number {
                        1 => texts(&mut all, part.content, symbols)?,
                        _ => others.extend_from_slice(part.whole),
                    }
                }
                all.extend_from_slice(&others);
                bytes(&mut exemplars, 3, &all);
            }
            _ => {}
        }
    }
    Some([labels, samples, exemplars, histograms].concat())
}

/// Appends the labels that these numbers stand for. A number of one byte may stand for a symbol of any length.
fn texts(out: &mut Vec<u8>, mut refs: &[u8], symbols: &[&str]) -> Option<()> {
    let text = |rest: &mut &[u8]| symbols.get(usize::try_from(fields::number(rest)?).ok()?).copied();
    while !refs.is_empty() {
        let name = text(&mut refs)?;
        let value = text(&mut refs)?;
        if out.len() + name.len() + value.len() > LONGEST_LABELS {
            return None;
        }
        message::label(out, name, value.as_bytes());
    }
    Some(())
}

/// Returns a message without one field.
fn without(value: &[u8], number: u32) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(value.len());
    for field in fields::of(value) {
        let field = field?;
        if field.number != number {
            out.extend_from_slice(field.whole);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families::Form;
    use crate::message::{Labels, Time, sample, stale_histogram};
    use ferrometer_core::exemplars::TraceContext;

    /// A request of 1.0: a sample with exemplars, a gauge that is 0, and a histogram.
    fn first_of_all() -> Vec<u8> {
        let (mut body, mut labels, mut exemplars) = (Vec::new(), Vec::new(), Vec::new());
        for (name, value) in [("__name__", "sold_total"), ("city", "Oslo"), ("same", "Oslo")] {
            message::label(&mut labels, name, value.as_bytes());
        }
        for trace in [7, 7, 8] {
            message::exemplar(&mut exemplars, 1.5, 99, TraceContext::new(trace, 3).unwrap());
        }
        let labels = Labels { before: &labels, between: &[], behind: &[] };
        for value in [(2.0, exemplars.as_slice()), (0.0, &[])] {
            sample(&mut body, Form::First, labels, (&[], &[]), value, &Time::new(1_700_000_000_000));
        }
        message::series(&mut body, Form::First, labels, &[], |out| stale_histogram(out, 300));
        body
    }

    #[test]
    fn there_and_back_is_the_same_request() {
        let first = first_of_all();
        let (second, count) = to_second(&first).unwrap();
        assert_eq!(count, 3);
        assert!(second.len() < first.len());
        assert_eq!(to_first(&second).unwrap(), first);
        assert_eq!(to_second(&[]).unwrap(), (crate::request_v2::EMPTY.to_vec(), 0));
        assert_eq!(to_first(&crate::request_v2::EMPTY).unwrap(), []);
    }

    #[test]
    fn a_long_symbol_that_many_numbers_stand_for_is_damage_and_no_memory() {
        let request = |symbol: usize, labels: usize, series: usize| {
            let mut body = vec![crate::symbols::SYMBOL, 0];
            bytes(&mut body, 4, &vec![b'x'; symbol]);
            (0..series).for_each(|_| nested(&mut body, 5, |out| bytes(out, 1, &vec![1; 2 * labels])));
            to_first(&body)
        };
        assert!((2_000_000..2_100_000).contains(&request(1000, 500, 2).unwrap().len()));
        assert!(request(1000, 530, 1).is_none());
        assert!(request(1000, 500, 300).is_none());
    }

    #[test]
    fn damaged_requests_are_none_and_no_panic() {
        let first = first_of_all();
        let (second, _) = to_second(&first).unwrap();
        let whole: Vec<usize> = fields::of(&first)
            .scan(0, |at, f| {
                *at += f?.whole.len();
                Some(*at)
            })
            .collect();
        for cut in 1..first.len() {
            assert_eq!(to_second(&first[..cut]).is_some(), whole.contains(&cut), "{cut}");
        }
        // Symbols that are missing, and bytes that are others.
        assert!(to_first(&second[second.len() - 60..]).is_none());
        for at in 0..second.len() {
            let mut other = second.clone();
            other[at] ^= 0xff;
            let _ = (to_first(&other), to_second(&other));
        }
    }
}
