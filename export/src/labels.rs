//! Labels as a reader sees them: keys pass a format's gate, each key occurs once, keys are sorted. Values stay as the program gave
//! them.

use ferrometer_core::name::{MAX_LABELS, MAX_RAW_BYTES};
use std::collections::{HashMap, HashSet};
use std::fmt;

/// The labels of a record, sorted by key. Two allocations, however many there are.
///
/// With the feature `serde` it is serialized as a map of strings.
///
/// ```
/// use ferrometer_export::Labels;
///
/// let labels = Labels::of_record([("till", "3"), ("a:b", "x")].into_iter());
/// assert_eq!(labels.iter().collect::<Vec<_>>(), [("a_b", "x"), ("till", "3")]);
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels {
    /// Key, value, key, value, … in one string, and where each ends.
    text: Box<str>,
    ends: Box<[(u32, u32)]>,
}

impl Labels {
    /// The largest size of one series' labels in bytes. The core limits labels in number and in bytes, and each key may get a suffix.
    pub const MAX_BYTES: usize = MAX_RAW_BYTES + MAX_LABELS * (size_of::<(u32, u32)>() + 5) + 64;

    /// Packs pairs of key and value, in the order given. The keys must be unique and sorted.
    #[must_use]
    pub fn pack(pairs: &[(String, &str)]) -> Labels {
        let mut text = String::new();
        let mut ends = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            text.push_str(key);
            let key_end = text.len() as u32;
            text.push_str(value);
            ends.push((key_end, text.len() as u32));
        }
        Labels { text: text.into_boxed_str(), ends: ends.into_boxed_slice() }
    }

    /// Returns labels as records show them: keys hold `[A-Za-z0-9_-]` alone.
    pub fn of_record<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> Labels {
        let gate = |key: &str| {
            let mut out = String::new();
            ferrometer_core::name::push_part(&mut out, key);
            if out.is_empty() { String::from("_") } else { out }
        };
        Labels::pack(&gated_labels(labels, gate))
    }

    /// Returns the pairs of key and value, sorted by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        (0..self.ends.len()).map(|at| {
            let start = if at == 0 { 0 } else { self.ends[at - 1].1 };
            let (key_end, value_end) = self.ends[at];
            (&self.text[start as usize..key_end as usize], &self.text[key_end as usize..value_end as usize])
        })
    }

    /// Returns the number of labels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns `true` when there are no labels.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns the value of a key; `None` when there is no such key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(k, _)| *k == key).map(|(_, value)| value)
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Labels {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;

        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (key, value) in self.iter() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// Passes the keys of labels through a gate and returns the pairs sorted by the gated key. Of keys that come out alike the first
/// keeps the name; the others get `_2`, `_3`, ….
///
/// ```
/// let labels = [("a:b", "1"), ("a.b", "2")].into_iter();
/// let gated = ferrometer_export::gated_labels(labels, |key| key.replace([':', '.'], "_"));
/// assert_eq!(gated, [("a_b".to_owned(), "1"), ("a_b_2".to_owned(), "2")]);
/// ```
pub fn gated_labels<'a>(
    labels: impl Iterator<Item = (&'a str, &'a str)>,
    gate: impl Fn(&str) -> String,
) -> Vec<(String, &'a str)> {
    let mut taken = HashSet::new();
    let mut next: HashMap<String, u32> = HashMap::new();
    let mut out: Vec<(String, &str)> = Vec::new();
    for (key, value) in labels {
        let gated = gate(key);
        let mut unique = gated.clone();
        while !taken.insert(unique.clone()) {
            let n = next.entry(gated.clone()).or_insert(1);
            *n += 1;
            unique = format!("{gated}_{n}");
        }
        out.push((unique, value));
    }
    out.sort();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_gated_unique_and_sorted_and_values_are_as_given() {
        let given = [("", "empty"), ("a.b", "1"), ("a:b", "2"), ("a_b_2", "3"), ("é\n", "\u{0}\"é")];
        let labels = Labels::of_record(given.into_iter());
        let got: Vec<_> = labels.iter().collect();
        assert_eq!(got, [("_", "empty"), ("__", "\u{0}\"é"), ("a_b", "1"), ("a_b_2", "2"), ("a_b_2_2", "3")]);
        assert_eq!((labels.get("a_b"), labels.get("b"), labels.len()), (Some("1"), None, 5));
        #[cfg(feature = "serde")]
        {
            let json = serde_json::to_string(&labels).unwrap();
            assert_eq!(json, r#"{"_":"empty","__":"\u0000\"é","a_b":"1","a_b_2":"2","a_b_2_2":"3"}"#);
        }
        assert!(Labels::of_record(std::iter::empty()).is_empty());
    }

    #[test]
    fn what_is_split_differently_is_different() {
        let of = |k: &'static str, v: &'static str| Labels::of_record([(k, v)].into_iter());
        assert_ne!(of("a", "bc"), of("ab", "c"));
    }

    #[test]
    fn the_worst_label_set_stays_within_the_bound() {
        // As many keys as there may be, all of which come out as underscores, and as long values as fit.
        let keys: Vec<String> =
            (0..MAX_LABELS as u32).map(|i| char::from_u32(0x800 + i).unwrap().to_string()).collect();
        let value = "v".repeat(MAX_RAW_BYTES / MAX_LABELS - 3);
        let labels = Labels::of_record(keys.iter().map(|k| (k.as_str(), value.as_str())));
        assert_eq!(labels.len(), MAX_LABELS);
        assert!(labels.text.len() + size_of_val(&*labels.ends) < Labels::MAX_BYTES);
    }
}
