//! Labels through a format's gate: each key once, sorted. Values are as the program gave them.

use std::collections::{HashMap, HashSet};

/// Passes keys through a gate. Of keys that come out alike the first keeps the name, the others get `_2`, `_3`, …; sorted by what came out.
///
/// ```
/// let labels = ferrometer_push::gated([("a.b", "1"), ("a:b", "2")].into_iter(), |key| key.replace(['.', ':'], "_"));
/// assert_eq!(labels, [("a_b".to_owned(), "1"), ("a_b_2".to_owned(), "2")]);
/// ```
pub fn gated<'a>(
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
