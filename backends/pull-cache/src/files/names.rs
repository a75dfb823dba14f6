//! Names of columns as bytes. What a name shares with the one before it is not written again.

use super::bytes::{Input, Malformed, push_number, push_text};
use crate::record::{Head, Identity, Part, RecordType};
use ferrometer_core::object::{HOST, MAX_OBJECT_BYTES, is_object};
use ferrometer_export::Labels;
use std::collections::HashSet;
use std::sync::Arc;

/// A name that is longer is none of ours.
const LONGEST_METRIC: usize = 1024;
/// As many columns as the core has series, six for each.
const MAX_COLUMNS: usize = 6 * 1_048_576;
/// The core keeps 2048 bytes of labels.
const MAX_LABELS: usize = 2048;
/// How many times longer than their bytes names may be: what makes many long names of few bytes is none of ours.
const MAX_GROWTH: usize = 256;

const SAME_LABELS: u8 = 1 << 4;
const SAME_RATE: u8 = 1 << 5;
/// The object's id follows. Without this and the next flag, the record is of the program itself, as all are in version 1.
const OBJECT: u8 = 1 << 6;
const SAME_OBJECT: u8 = 1 << 7;

/// Appends the name of a column; `before` is the one before it in the segment.
pub(super) fn push(out: &mut Vec<u8>, identity: &Identity, before: Option<&Identity>) {
    let metric = identity.metric().as_bytes();
    let shared = before.map_or(0, |b| b.metric().bytes().zip(metric).take_while(|(a, b)| a == *b).count());
    let same_labels = before.is_some_and(|b| b.labels() == identity.labels());
    let same_rate = before.is_some_and(|b| b.rate().to_bits() == identity.rate().to_bits());
    let kind = match identity.kind() {
        RecordType::Gauge => 0,
        RecordType::Counter => 1,
        RecordType::Derive => 2,
    };
    let object = match identity.object() {
        None => 0,
        same if before.is_some_and(|b| b.object() == same) => SAME_OBJECT,
        Some(_) => OBJECT,
    };
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    out.push(
        kind | (identity.part() as u8) << 2 | flag(same_labels, SAME_LABELS) | flag(same_rate, SAME_RATE) | object,
    );
    push_number(out, shared);
    push_number(out, metric.len() - shared);
    out.extend_from_slice(&metric[shared..]);
    if !same_labels {
        push_number(out, identity.labels().len());
        for (key, value) in identity.labels().iter() {
            push_text(out, key);
            push_text(out, value);
        }
    }
    if !same_rate {
        out.extend_from_slice(&identity.rate().to_le_bytes());
    }
    if let (OBJECT, Some(id)) = (object, identity.object()) {
        push_text(out, id);
    }
}

/// Reads the names of columns that are added to `known` others, of which `before` is the last.
pub(super) fn read(
    input: &mut Input<'_>,
    known: usize,
    mut before: Option<Arc<Identity>>,
) -> Result<Vec<Arc<Identity>>, Malformed> {
    let count = input.number()?;
    let bytes = input.0.len();
    // A name takes three bytes at least, so what is reserved is no more than what is there.
    if count > bytes / 3 || known + count > MAX_COLUMNS {
        return Err(Malformed);
    }
    let mut all: Vec<Arc<Identity>> = Vec::with_capacity(count);
    let mut heads = HashSet::new();
    let mut text = 0;
    for _ in 0..count {
        let one = Arc::new(read_one(input, before.as_deref(), &mut heads)?);
        text += one.metric().len();
        if text > 4096 + bytes.saturating_mul(MAX_GROWTH) {
            return Err(Malformed);
        }
        before = Some(Arc::clone(&one));
        all.push(one);
    }
    Ok(all)
}

fn read_one(
    input: &mut Input<'_>,
    before: Option<&Identity>,
    heads: &mut HashSet<Arc<Head>>,
) -> Result<Identity, Malformed> {
    let [flags] = input.array()?;
    let kind = match flags & 3 {
        0 => RecordType::Gauge,
        1 => RecordType::Counter,
        2 => RecordType::Derive,
        _ => return Err(Malformed),
    };
    let part = match flags >> 2 & 3 {
        0 => Part::Value,
        1 => Part::Total,
        2 => Part::Quantile,
        _ => return Err(Malformed),
    };
    let shared = input.number()?;
    let known = before.map_or("", Identity::metric).get(..shared).ok_or(Malformed)?;
    let metric = format!("{known}{}", input.text(LONGEST_METRIC)?);
    if metric.len() > LONGEST_METRIC {
        return Err(Malformed);
    }
    let labels = if flags & SAME_LABELS != 0 {
        before.ok_or(Malformed)?.labels().clone()
    } else {
        let count = input.number()?;
        if count > MAX_LABELS {
            return Err(Malformed);
        }
        let mut pairs = Vec::with_capacity(count);
        for _ in 0..count {
            pairs.push((input.text(Labels::MAX_BYTES)?.to_owned(), input.text(Labels::MAX_BYTES)?));
        }
        Labels::pack(&pairs)
    };
    let rate =
        if flags & SAME_RATE != 0 { before.ok_or(Malformed)?.rate() } else { f64::from_le_bytes(input.array()?) };
    let object = match flags & (OBJECT | SAME_OBJECT) {
        0 => None,
        OBJECT => {
            let id = input.text(MAX_OBJECT_BYTES)?;
            if !is_object(id) || id == HOST {
                return Err(Malformed);
            }
            Some(id)
        }
        SAME_OBJECT => Some(before.and_then(Identity::object).ok_or(Malformed)?),
        _ => return Err(Malformed),
    };
    Ok(Identity::new(Head::new(&metric, object, kind, part, rate).shared(heads), labels))
}
