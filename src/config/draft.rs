//! A configuration in the making: values as they arrive, where each came from, and all that is wrong so far.

use super::error::{Error, Place, Problem};
use super::key::Key;
use super::keys::{PEER_KEYS, RULE_KEYS, keys};
use super::kind::Kind;
use super::peer::Peer;
use super::rule::Rule;
use super::settings::{Config, Transport};
use super::value::Value;

/// Rules are compared one by one, and a logger is compared with all of them.
const MOST_RULES: usize = 4096;

/// Stands for a value that may be secret.
const HIDDEN: &str = "(not shown)";

pub(super) struct Draft {
    pub(super) config: Config,
    /// Of each key that some source has given, the last place.
    places: Vec<(&'static str, Place)>,
    problems: Vec<Problem>,
}

impl Draft {
    pub(super) fn new() -> Self {
        Draft::over(Config::new())
    }

    /// One that begins with what another configuration says.
    pub(super) fn over(config: Config) -> Self {
        Draft { config, places: Vec::new(), problems: Vec::new() }
    }

    pub(super) fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Where a key was given, if it was.
    pub(super) fn place(&self, path: &str) -> Option<&Place> {
        self.places.iter().rev().find(|(known, _)| *known == path).map(|(_, place)| place)
    }

    /// Checks a value and takes it. `path` is the key as its source calls it, `shown` the value as its source writes it.
    pub(super) fn give(&mut self, key: &Key<Config>, path: &str, value: &Value, shown: &str, place: Place) {
        match key.kind.check(value) {
            Ok(checked) => {
                (key.set)(&mut self.config, checked);
                self.places.push((key.path, place));
            }
            Err(refused) => {
                self.problem(Problem::refused(place, path, &self::shown(&key.kind, shown), value, refused));
            }
        }
    }

    /// Checks a value for agents and takes it, as [`give`](Self::give) does for the program's own.
    pub(super) fn tell(&mut self, key: &Key<Config>, path: &str, value: &Value, shown: &str, place: Place) {
        match key.kind.check(value) {
            Ok(checked) => self.config.agent.put(key.path, checked),
            Err(refused) => {
                self.problem(Problem::refused(place, path, &self::shown(&key.kind, shown), value, refused));
            }
        }
    }

    /// The configuration, or everything that is wrong with it.
    pub(super) fn finish(mut self) -> Result<Config, Error> {
        // What does not fit together is looked for among right values only: the rest would be guesswork.
        if self.problems.is_empty() {
            let place = |path: &str| self.place(path).cloned().unwrap_or(Place::Builder);
            self.problems = fit(&self.config, &place);
        }
        report(self.problems)?;
        Ok(self.config)
    }
}

/// Checks every value of a finished configuration, as if the builder had given them all.
pub(super) fn validate(config: &Config) -> Result<(), Error> {
    let mut problems = Vec::new();
    for key in keys() {
        check(key, config, key.path, &mut problems);
    }
    for (i, rule) in config.rules.iter().enumerate() {
        if let Some(problem) = name_problem(rule, &config.rules[..i], Place::Builder) {
            problems.push(problem);
        }
        for key in RULE_KEYS {
            check(key, rule, &format!("{}.{}", rule.path(), key.path), &mut problems);
        }
    }
    for (at, peer) in config.pull_cache.peers.iter().enumerate() {
        if let Some(problem) = peer_problem(peer, &config.pull_cache.peers[..at], Place::Builder) {
            problems.push(problem);
        }
        for key in PEER_KEYS {
            check(key, peer, &format!("{}.{}", Peer::path(at), key.path), &mut problems);
        }
    }
    if problems.is_empty() {
        problems = fit(config, &|_| Place::Builder);
    }
    report(problems)
}

fn check<T>(key: &Key<T>, target: &T, path: &str, problems: &mut Vec<Problem>) {
    if let Some(value) = (key.get)(target) {
        check_value(&key.kind, value, path, problems);
    }
}

fn check_value(kind: &Kind, value: Value, path: &str, problems: &mut Vec<Problem>) {
    if let Err(refused) = kind.check(&value) {
        let shown = shown(kind, &value.to_string());
        problems.push(Problem::refused(Place::Builder, path, &shown, &value, refused));
    }
}

/// A value for a message, unless it may be secret.
pub(super) fn shown(kind: &Kind, value: &str) -> String {
    if kind.is_secret() { HIDDEN.to_owned() } else { value.to_owned() }
}

/// What a node lacks, seen beside those before it.
pub(super) fn peer_problem(peer: &Peer, before: &[Peer], place: Place) -> Option<Problem> {
    peer.fault(before).map(|fault| Problem::new(place, Peer::path(before.len()), format!(": {fault}")))
}

/// What is wrong with a rule's name, seen beside the rules before it.
pub(super) fn name_problem(rule: &Rule, before: &[Rule], place: Place) -> Option<Problem> {
    let fault = rule.name_fault().or_else(|| {
        let twice = before.iter().any(|other| other.logger == rule.logger);
        let fault = twice.then_some("this logger has a rule already");
        fault.or((before.len() >= MOST_RULES).then_some("there are more than 4096 rules"))
    });
    fault.map(|fault| Problem::new(place, rule.path(), format!(": {fault}")))
}

/// Rules that span keys.
fn fit(config: &Config, place: &dyn Fn(&str) -> Place) -> Vec<Problem> {
    let mut problems = Vec::new();
    let no_path = (config.statsd.path.as_ref()).is_none_or(|path| path.as_os_str().is_empty());
    if config.statsd.transport == Transport::Unix && no_path {
        let key = "metrics.statsd.transport";
        let what = " = \"unix\" (string): needs metrics.statsd.path, the path of a socket";
        problems.push(Problem::new(place(key), key, what));
    }
    problems
}

fn report(
    #[cfg_attr(not(feature = "config-file"), allow(unused_mut))] mut problems: Vec<Problem>,
) -> Result<(), Error> {
    if problems.is_empty() {
        return Ok(());
    }
    // Those of the environment and of the builder come in order.
    #[cfg(feature = "config-file")]
    problems.sort_by_cached_key(Problem::order);
    Err(Error::Invalid(problems))
}
