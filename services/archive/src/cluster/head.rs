//! The head of a metric: which objects of the storage are its aggregates now, and which measures they hold.
//!
//! A round of a worker puts one object, the bundle, with everything that it changed; older bundles keep what was not changed since.
//! A bundle is never replaced: its key has a version that nobody uses twice. Behind its objects stands a copy of the head that was to be
//! committed with it, so that the loss of a head is none:
//!
//! ```text
//! objects … | head | generation i64 | length of the head u32 | magic u32
//! ```

use crate::column::{Reader, damaged, put_number};
use crate::storage::Key;
use crate::{Error, Nanos};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

const FORM: u8 = 1;
/// In the place of a granularity in the key of a bundle, whose stretch is its version.
pub(crate) const BUNDLE: Nanos = -1;
const MOST: usize = 1 << 24;
const COPY: u32 = 0x6461_6568;
/// Bytes behind the copy of a head.
#[cfg(feature = "postgresql")]
const TAIL: usize = 16;

/// Where a part of the aggregates is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub version: i64,
    pub offset: u32,
    pub length: u32,
}

/// Which objects are the aggregates of a metric.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// Stretches by granularity and number; the window at granularity 0.
    pub places: BTreeMap<(Nanos, i64), Place>,
    /// Entries of the incoming that the newest round put into the aggregates. Those of rounds before are not there any more.
    pub applied: Vec<i64>,
    /// Versions of bundles that nothing refers to any more, and that may still be there.
    pub stale: Vec<i64>,
}

/// Returns the key of a bundle.
pub(crate) fn bundle(metric: Uuid, version: i64) -> Key {
    Key { metric, granularity: BUNDLE, stretch: version }
}

impl Head {
    /// Returns the versions of the bundles that are referred to.
    pub fn versions(&self) -> BTreeSet<i64> {
        self.places.values().map(|place| place.version).collect()
    }

    /// Returns the bytes that are referred to.
    pub fn bytes(&self) -> u64 {
        self.places.values().map(|place| u64::from(place.length)).sum()
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORM];
        for ids in [&self.applied, &self.stale] {
            put_number(&mut out, ids.len() as u64);
            ids.iter().for_each(|id| put_number(&mut out, *id as u64));
        }
        // Few bundles hold many places: a place names its bundle by number.
        let versions: Vec<i64> = self.versions().into_iter().collect();
        put_number(&mut out, versions.len() as u64);
        versions.iter().for_each(|version| put_number(&mut out, *version as u64));
        put_number(&mut out, self.places.len() as u64);
        for ((granularity, stretch), place) in &self.places {
            let number = versions.binary_search(&place.version).unwrap_or_default();
            for value in [*granularity as u64, *stretch as u64, number as u64, place.offset.into(), place.length.into()]
            {
                put_number(&mut out, value);
            }
        }
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    /// # Errors
    /// [`Error::Damaged`].
    pub fn decode(bytes: &[u8]) -> Result<Head, Error> {
        if bytes.is_empty() {
            return Ok(Head::default());
        }
        let (body, crc) = bytes.split_at(bytes.len().saturating_sub(4));
        if crc != crc32fast::hash(body).to_le_bytes() {
            return Err(damaged("a head with a wrong checksum"));
        }
        let mut reader = Reader(body);
        if reader.byte()? != FORM {
            return Err(damaged("a head of an unknown form"));
        }
        let ids = |reader: &mut Reader<'_>| {
            let count = reader.count(MOST)?;
            (0..count).map(|_| Ok(reader.number()? as i64)).collect::<Result<Vec<i64>, Error>>()
        };
        let (applied, stale, versions) = (ids(&mut reader)?, ids(&mut reader)?, ids(&mut reader)?);
        let mut head = Head { applied, stale, places: BTreeMap::new() };
        for _ in 0..reader.count(MOST)? {
            let key = (reader.number()? as i64, reader.number()? as i64);
            let number = reader.number()? as usize;
            let version = *versions.get(number).ok_or_else(|| damaged("a head that names no bundle"))?;
            let place = Place { version, offset: reader.number()? as u32, length: reader.number()? as u32 };
            head.places.insert(key, place);
        }
        Ok(head)
    }
}

/// Adds a copy of the head to the bundle that is put before it is committed under this generation.
pub(crate) fn add_copy(bundle: &mut Vec<u8>, head: &Head, generation: i64) {
    let head = head.encode();
    bundle.extend_from_slice(&head);
    bundle.extend_from_slice(&generation.to_le_bytes());
    bundle.extend_from_slice(&(head.len() as u32).to_le_bytes());
    bundle.extend_from_slice(&COPY.to_le_bytes());
}

/// Returns the generation and the head of which a bundle has a copy; none for one without, or an unreadable one.
#[cfg(feature = "postgresql")]
pub(crate) fn copy_in(bundle: &[u8]) -> Option<(i64, Head)> {
    let (rest, tail) = bundle.split_at_checked(bundle.len().checked_sub(TAIL)?)?;
    let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| tail[at + i]));
    if word(12) != COPY {
        return None;
    }
    let generation = i64::from_le_bytes(std::array::from_fn(|i| tail[i]));
    let head = rest.get(rest.len().checked_sub(word(8) as usize)?..)?;
    Some((generation, Head::decode(head).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_comes_back_and_half_of_one_does_not() {
        let place = |version, offset| Place { version, offset, length: 77 };
        let head = Head {
            places: [((0, 0), place(9, 0)), ((60, -5), place(9, 77)), ((60, 4), place(1 << 40, 0))].into(),
            applied: vec![1, i64::MAX],
            stale: vec![3],
        };
        let bytes = head.encode();
        assert_eq!(Head::decode(&bytes).unwrap(), head);
        assert_eq!(Head::decode(&[]).unwrap(), Head::default());
        for cut in 1..bytes.len() {
            assert!(Head::decode(&bytes[..cut]).is_err());
        }
        #[cfg(feature = "postgresql")]
        {
            let mut bundle = b"objects".to_vec();
            assert_eq!(copy_in(&bundle), None);
            add_copy(&mut bundle, &head, 12);
            assert_eq!(copy_in(&bundle), Some((12, head)));
            bundle[9] ^= 1;
            assert_eq!(copy_in(&bundle), None);
        }
    }
}
