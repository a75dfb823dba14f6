//! Labels as a reader sees them: keys pass a format's gate, each key occurs once, keys are sorted. Values stay as the program gave
//! them.

// `#[inline]` stands at what is long here, so that it is compiled with the exporters that use it: most programs have none.

use crate::full_name::labels;
use ferrometer_core::name::{MAX_LABELS, MAX_RAW_BYTES};
use ferrometer_core::{Naming, Series};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The labels of a record, sorted by key. A clone shares the texts.
///
/// With the feature `serde` it is serialized as a map of strings.
///
/// ```
/// use ferrometer_export::Labels;
///
/// let labels = Labels::of_record([("till", "3"), ("a:b", "x")].into_iter());
/// assert_eq!(labels.iter().collect::<Vec<_>>(), [("a_b", "x"), ("till", "3")]);
/// ```
#[derive(Clone, Default)]
pub struct Labels(Texts);

/// Where the texts are.
#[derive(Clone, Default)]
enum Texts {
    #[default]
    None,
    /// In the registry: they are shown as the program gave them.
    Given(&'static Series),
    Packed(Arc<Packed>),
}

/// Key, value, key, value, … in one string, and where each ends.
struct Packed {
    text: Box<str>,
    ends: Box<[(u32, u32)]>,
}

impl Labels {
    /// The largest size of one series' labels in bytes. The core limits labels in number and in bytes, and each key may get a suffix.
    pub const MAX_BYTES: usize = MAX_RAW_BYTES + MAX_LABELS * (size_of::<(u32, u32)>() + 5) + 64;

    /// Packs pairs of key and value, in the order given. The keys must be unique and sorted.
    #[must_use]
    #[inline]
    pub fn pack(pairs: &[(String, &str)]) -> Labels {
        if pairs.is_empty() {
            return Labels::default();
        }
        let mut text = String::new();
        let mut ends = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            text.push_str(key);
            let key_end = text.len() as u32;
            text.push_str(value);
            ends.push((key_end, text.len() as u32));
        }
        Labels(Texts::Packed(Arc::new(Packed { text: text.into_boxed_str(), ends: ends.into_boxed_slice() })))
    }

    /// Returns labels as records show them: keys hold `[A-Za-z0-9_-]` alone.
    #[inline]
    pub fn of_record<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> Labels {
        Labels::pack(&gated_labels(labels, record_key))
    }

    /// Returns the labels of a series, those of the whole process included, as [`of_record`](Labels::of_record) does. Where they are shown as they were
    /// given, as most are, they take no memory of their own.
    ///
    /// ```
    /// use ferrometer_core::{Naming, get_logger};
    /// use ferrometer_export::Labels;
    ///
    /// let series = get_logger("shop").with("till", "3").counter("sales").series();
    /// assert_eq!(Labels::of_series(&Naming::default(), series), Labels::of_record([("till", "3")].into_iter()));
    /// ```
    #[must_use]
    #[inline]
    pub fn of_series(naming: &Naming, series: &'static Series) -> Labels {
        let given = series.labels();
        let are_more = labels(naming, series).count() > given.len();
        let are_sorted = given.clone().zip(given.clone().skip(1)).all(|((a, _), (b, _))| a < b);
        match !are_more && are_sorted && given.clone().all(|(key, _)| record_key(key) == key) {
            true if given.len() == 0 => Labels::default(),
            true => Labels(Texts::Given(series)),
            false => Labels::of_record(labels(naming, series)),
        }
    }

    /// Returns the pairs of key and value, sorted by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        (0..self.len()).map(|at| self.pair(at))
    }

    #[inline]
    fn pair(&self, at: usize) -> (&str, &str) {
        match &self.0 {
            Texts::None => ("", ""),
            Texts::Given(series) => series.labels().nth(at).unwrap_or_default(),
            Texts::Packed(packed) => {
                let start = if at == 0 { 0 } else { packed.ends[at - 1].1 };
                let (key_end, value_end) = packed.ends[at];
                (&packed.text[start as usize..key_end as usize], &packed.text[key_end as usize..value_end as usize])
            }
        }
    }

    /// Returns the number of labels.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Texts::None => 0,
            Texts::Given(series) => series.labels().len(),
            Texts::Packed(packed) => packed.ends.len(),
        }
    }

    /// Returns `true` when there are no labels.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the value of a key; `None` when there is no such key.
    #[must_use]
    #[inline]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(k, _)| *k == key).map(|(_, value)| value)
    }
}

/// Returns the key of a label as records show it.
#[inline]
fn record_key(key: &str) -> String {
    let mut out = String::new();
    ferrometer_core::name::push_part(&mut out, key);
    if out.is_empty() { String::from("_") } else { out }
}

impl PartialEq for Labels {
    #[inline]
    fn eq(&self, other: &Labels) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for Labels {}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.len().hash(state);
        self.iter().for_each(|label| label.hash(state));
    }
}

impl PartialOrd for Labels {
    #[inline]
    fn partial_cmp(&self, other: &Labels) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By the texts of all labels in one, and then by where each ends.
impl Ord for Labels {
    #[inline]
    fn cmp(&self, other: &Labels) -> Ordering {
        let texts = |(key, value)| [key, value];
        let (mut ours, mut theirs) = (self.iter().flat_map(texts), other.iter().flat_map(texts));
        loop {
            let (one, another) = match (ours.next(), theirs.next()) {
                (None, None) => return Ordering::Equal,
                (Some(one), Some(another)) if one == another => continue,
                (one, another) => (one.unwrap_or_default(), another.unwrap_or_default()),
            };
            let len = one.len().min(another.len());
            let first = one.as_bytes()[..len].cmp(&another.as_bytes()[..len]);
            let rest =
                || one.bytes().chain(ours.flat_map(str::bytes)).cmp(another.bytes().chain(theirs.flat_map(str::bytes)));
            let ends = |labels: &Labels| labels.iter().map(|(key, value)| (key.len(), value.len())).collect::<Vec<_>>();
            // Where the texts are equal, the one whose first difference ends earlier comes first.
            return first.then_with(rest).then_with(|| ends(self).cmp(&ends(other)));
        }
    }
}

impl fmt::Debug for Labels {
    #[inline]
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
#[inline]
pub fn gated_labels<'a>(
    labels: impl Iterator<Item = (&'a str, &'a str)>,
    gate: impl Fn(&str) -> String,
) -> Vec<(String, &'a str)> {
    let mut out = Vec::new();
    for (key, value) in labels {
        put(&mut out, gate(key), value);
    }
    out
}

/// Labels are few, so that each finds its place among those that are there.
#[inline]
fn put<'a>(out: &mut Vec<(String, &'a str)>, gated: String, value: &'a str) {
    let (len, mut unique) = (gated.len(), gated);
    for n in 2.. {
        match out.binary_search_by(|(key, _)| key.cmp(&unique)) {
            Err(place) => return out.insert(place, (unique, value)),
            Ok(_) => {
                unique.truncate(len);
                unique.push_str(&format!("_{n}"));
            }
        }
    }
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
    fn labels_are_the_same_wherever_their_texts_are() {
        let logger = ferrometer_core::get_logger("labels");
        let naming = |labels: &[(&str, &str)]| {
            let mut naming = Naming::default();
            naming.labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            naming
        };
        let sets = [&[("a", "bc")][..], &[("ab", "c")], &[("a", "b"), ("c", "d")], &[("a", "")], &[("a:b", "c")], &[]];
        let mut all = Vec::new();
        for given in sets {
            let series = logger.with_all(given).counter("c").series();
            for naming in [naming(&[]), naming(&[("zone", "1")]), naming(&[("a", "1")])] {
                let (shared, packed) = (Labels::of_series(&naming, series), Labels::of_record(labels(&naming, series)));
                assert_eq!(shared, packed);
                assert_eq!(shared.cmp(&packed), Ordering::Equal);
                assert!(shared.iter().eq(packed.iter()) && format!("{shared:?}") == format!("{packed:?}"));
                all.extend([shared, packed]);
            }
        }
        assert!(
            all.iter().any(|l| matches!(l.0, Texts::Given(_))) && all.iter().any(|l| matches!(l.0, Texts::Packed(_)))
        );
        // The order is that of the packed form: its text, and then its ends.
        let key = |labels: &Labels| {
            let (mut text, mut ends) = (String::new(), Vec::new());
            for (key, value) in labels.iter() {
                text.push_str(key);
                let key_end = text.len();
                text.push_str(value);
                ends.push((key_end, text.len()));
            }
            (text, ends)
        };
        let hash = |labels: &Labels| {
            let mut hasher = std::hash::DefaultHasher::new();
            labels.hash(&mut hasher);
            hasher.finish()
        };
        for a in &all {
            for b in &all {
                assert_eq!(a.cmp(b), key(a).cmp(&key(b)), "{a:?} {b:?}");
                assert_eq!(a == b, hash(a) == hash(b), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn the_worst_label_set_stays_within_the_bound() {
        // As many keys as there may be, all of which come out as underscores, and as long values as fit.
        let keys: Vec<String> =
            (0..MAX_LABELS as u32).map(|i| char::from_u32(0x800 + i).unwrap().to_string()).collect();
        let value = "v".repeat(MAX_RAW_BYTES / MAX_LABELS - 3);
        let labels = Labels::of_record(keys.iter().map(|k| (k.as_str(), value.as_str())));
        assert_eq!(labels.len(), MAX_LABELS);
        let Texts::Packed(packed) = &labels.0 else { panic!("{labels:?}") };
        assert!(packed.text.len() + size_of_val(&*packed.ends) < Labels::MAX_BYTES);
    }
}
