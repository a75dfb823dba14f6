//! Labels as a reader sees them: keys through a format's gate, each key once, sorted. Values are kept as the program gave them.

use ferrometer_core::name::{MAX_LABELS, MAX_RAW_BYTES};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::collections::{HashMap, HashSet};
use std::fmt;

/// The labels of a record, sorted by key. Two allocations, however many there are.
///
/// Serialized as a map of strings.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels {
    /// Key, value, key, value, … in one string, and where each ends.
    text: Box<str>,
    ends: Box<[(u32, u32)]>,
}

impl Labels {
    /// The longest labels of one series: the core keeps so many bytes of so many labels, and each key may get a suffix.
    pub(crate) const MAX_BYTES: usize = MAX_RAW_BYTES + MAX_LABELS * (size_of::<(u32, u32)>() + 5) + 64;

    /// Keeps labels whose keys are unique, sorted.
    pub(crate) fn pack(pairs: &[(String, &str)]) -> Labels {
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

    /// The labels as records show them: keys hold `[A-Za-z0-9_-]` alone.
    pub(crate) fn of_record<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> Labels {
        let gate = |key: &str| {
            let mut out = String::new();
            ferrometer_core::name::push_part(&mut out, key);
            if out.is_empty() { String::from("_") } else { out }
        };
        Labels::pack(&gated(labels, gate))
    }

    /// The pairs of key and value, sorted by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        (0..self.ends.len()).map(|at| {
            let start = if at == 0 { 0 } else { self.ends[at - 1].1 };
            let (key_end, value_end) = self.ends[at];
            (&self.text[start as usize..key_end as usize], &self.text[key_end as usize..value_end as usize])
        })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The value of a key.
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

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (key, value) in self.iter() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// Passes keys through a gate. Of keys that come out alike the first keeps the name, the others get `_2`, `_3`, … Sorted by what
/// came out.
pub(crate) fn gated<'a>(
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
        let json = serde_json::to_string(&labels).unwrap();
        assert_eq!(json, r#"{"_":"empty","__":"\u0000\"é","a_b":"1","a_b_2":"2","a_b_2_2":"3"}"#);
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
