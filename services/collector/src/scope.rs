//! Scopes: which there are, and which processor collects which.

use crate::client::{AskError, Client, When};
use crate::config::Fetcher;
use crate::query;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

/// Seconds that one question for the scopes of a stretch of time looks back.
const STRETCH: i64 = 86_400;

/// Returns all scopes that there are at a moment, sorted, each once. `client` is one of the fetcher's server.
///
/// # Errors
/// A server that cannot be asked.
pub fn fetch(fetcher: &Fetcher, client: &Client, now: i64) -> Result<Vec<String>, AskError> {
    found(fetcher, client, |metric, filters, attribute| vec![(query::scopes(metric, filters, attribute, None), now)])
}

/// Returns all scopes that there were at any moment of a stretch of time, sorted, each once: also those that are gone by now.
///
/// # Errors
/// A server that cannot be asked.
pub fn fetch_during(fetcher: &Fetcher, client: &Client, from: i64, to: i64) -> Result<Vec<String>, AskError> {
    let ends = (1..).map(|n| (from + n * STRETCH).min(to)).take_while({
        let mut last = from;
        move |end| std::mem::replace(&mut last, *end) < *end
    });
    found(fetcher, client, |metric, filters, attribute| {
        let mut begin = from;
        let of = |end| (query::scopes(metric, filters, attribute, Some(end - std::mem::replace(&mut begin, end))), end);
        ends.map(of).collect()
    })
}

fn found(
    fetcher: &Fetcher,
    client: &Client,
    queries: impl FnOnce(&str, &[(String, String)], &str) -> Vec<(String, i64)>,
) -> Result<Vec<String>, AskError> {
    let mut scopes = BTreeSet::new();
    match fetcher {
        Fetcher::Source(named) => scopes.extend(named.iter().cloned()),
        Fetcher::Prometheus { metric, attribute, filters, .. } => {
            for (query, at) in queries(metric, filters, attribute) {
                let answer = client.ask(&query, When::At(at))?;
                let labels = answer.series.into_iter().filter_map(|mut s| s.labels.remove(attribute));
                scopes.extend(labels.filter(|scope| !scope.is_empty()));
            }
        }
    }
    Ok(scopes.into_iter().collect())
}

/// Returns the processor that collects a scope, by rendezvous hashing: every processor finds the same without asking the others, and
/// when one comes or goes, only scopes that are won by it or were its own change hands. `None` without processors.
#[must_use]
pub fn owner<'a>(scope: &str, processors: &'a [String]) -> Option<&'a str> {
    let weight = |processor: &str| {
        let mut hash = Sha256::new();
        hash.update((processor.len() as u64).to_le_bytes());
        hash.update(processor);
        hash.update(scope);
        <[u8; 32]>::from(hash.finalize())
    };
    processors.iter().map(String::as_str).max_by_key(|processor| weight(processor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_has_one_owner_and_few_move() {
        let names = |n: usize| (0..n).map(|n| format!("p{n}")).collect::<Vec<_>>();
        let (three, four) = (names(3), names(4));
        let mut counts = [0; 3];
        for n in 0..3000 {
            let scope = format!("scope-{n}");
            let before = owner(&scope, &three).unwrap();
            let after = owner(&scope, &four).unwrap();
            assert!(after == before || after == "p3", "{scope} moved from {before} to {after}");
            counts[before[1..].parse::<usize>().unwrap()] += 1;
        }
        // A binomial of 3000 and a third has a deviation of 26.
        assert!(counts.iter().all(|n| (800..1200).contains(n)), "{counts:?}");
        assert_eq!(owner("x", &[]), None);
    }
}
