//! Scopes: which there are, and which processor collects which.

use crate::client::{AskError, Client, When};
use crate::config::Fetcher;
use crate::query;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

/// Returns all scopes, sorted, each once. `client` is one of the fetcher's server.
///
/// # Errors
/// A server that cannot be asked.
pub fn fetch(fetcher: &Fetcher, client: &Client, now: i64) -> Result<Vec<String>, AskError> {
    let scopes: BTreeSet<String> = match fetcher {
        Fetcher::Source(scopes) => scopes.iter().cloned().collect(),
        Fetcher::Prometheus { metric, attribute, filters, .. } => {
            let answer = client.ask(&query::scopes(metric, filters, attribute), When::At(now))?;
            let labels = answer.series.into_iter().filter_map(|mut s| s.labels.remove(attribute));
            labels.filter(|scope| !scope.is_empty()).collect()
        }
    };
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
