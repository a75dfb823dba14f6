//! A configuration in the making: its values, the place of each, and the problems found so far.

use super::absent::Absent;
use super::choices::Transport;
use super::error::{Error, Place, Problem};
use super::kind::Kind;
use super::origin::Given;
#[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
use super::peer::Peer;
use super::rule::Rule;
use super::settings::{Config, keys};
use super::table::Key;
use super::value::Value;
use super::view::View;

/// Rules are compared one by one, and a logger is compared with all of them.
const MOST_RULES: usize = 4096;

/// Stands for a value that may be secret.
const HIDDEN: &str = "(not shown)";

pub(super) struct Draft {
    pub(super) config: Config,
    problems: Vec<Problem>,
    /// The number of keys that were given before the document that is read.
    #[cfg_attr(not(feature = "config-file"), allow(dead_code))]
    before: usize,
}

impl Draft {
    #[cfg(feature = "config-file")]
    pub(super) fn new() -> Self {
        Draft::over(Config::new())
    }

    /// One that begins with what another configuration says.
    pub(super) fn over(config: Config) -> Self {
        Draft { before: config.origin.given.len(), config, problems: Vec::new() }
    }

    pub(super) fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Returns `true` once there are far more problems than a message lists.
    #[cfg(feature = "config-file")]
    pub(super) fn has_many_problems(&self) -> bool {
        self.problems.len() >= 1000
    }

    /// Returns the place in the document that is read where a key was given.
    #[cfg(feature = "config-file")]
    pub(super) fn place_here(&self, path: &str) -> Option<&Place> {
        self.config.origin.given[self.before..].iter().rev().find(|given| given.key == path).map(|given| &given.place)
    }

    /// Returns the last place where a key was given.
    pub(super) fn place(&self, path: &str) -> Option<&Place> {
        self.config.origin.given.iter().rev().find(|given| given.key == path).map(|given| &given.place)
    }

    /// Checks a value and takes it. `path` is the key as its source calls it, `shown` the value as its source writes it.
    pub(super) fn give(&mut self, key: &Key<Config>, path: &str, value: &Value, shown: &str, place: Place) {
        match key.kind.check(value) {
            Ok(checked) => {
                key.set(&mut self.config, checked);
                let value = key.get(&self.config);
                self.config.origin.given.push(Given { key: key.path, place, value });
            }
            Err(mut refused) => {
                if matches!(place, Place::Variable(_)) && *value == Value::text("") {
                    let empty = "the variable is empty; unset it to leave the key as it is";
                    refused.hint.get_or_insert_with(|| empty.to_owned());
                }
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

    /// Passes over what a source says to a table that this build does without, unless it asks for what the table is about.
    pub(super) fn pass_over(&mut self, place: Place, absent: &Absent, gives: &dyn Fn(&str) -> bool) {
        let Absent { table, feature, asks } = absent;
        match asks.filter(|key| gives(key)) {
            Some(key) => {
                let key = format!("metrics.{table}.{key}");
                let what = format!(
                    " asks for what is not part of this build; enable the cargo feature \"{feature}\" of ferrometer"
                );
                self.problem(Problem::new(place, key, what));
            }
            None => {
                let what =
                    format!("metrics.{table} has no effect: it needs the cargo feature \"{feature}\" of ferrometer");
                let told = &mut self.config.origin.absent_tables;
                // Once for each table.
                if !told.iter().any(|hint| hint.ends_with(&what)) {
                    told.push(format!("{place}: {what}"));
                }
            }
        }
    }

    /// Returns the configuration, or all of its problems.
    pub(super) fn finish(mut self) -> Result<Config, Error> {
        // Rules that span keys are checked among right values only: anything else would be guesswork.
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
        for key in Rule::KEYS {
            check(key, rule, &format!("{}.{}", rule.path(), key.path), &mut problems);
        }
    }
    for (at, view) in config.views.iter().enumerate() {
        if let Some(problem) = view_problem(view, at, Place::Builder) {
            problems.push(problem);
        }
        for key in View::KEYS {
            check(key, view, &format!("{}.{}", View::path(at), key.path), &mut problems);
        }
    }
    #[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
    for (at, peer) in config.pull_cache.peers.iter().enumerate() {
        if let Some(problem) = peer_problem(peer, &config.pull_cache.peers[..at], Place::Builder) {
            problems.push(problem);
        }
        for key in Peer::KEYS {
            check(key, peer, &format!("{}.{}", Peer::path(at), key.path), &mut problems);
        }
    }
    if problems.is_empty() {
        problems = fit(config, &|_| Place::Builder);
    }
    report(problems)
}

fn check<T>(key: &Key<T>, target: &T, path: &str, problems: &mut Vec<Problem>) {
    if let Some(value) = key.get(target) {
        problems.extend(refusal(&key.kind, value, path));
    }
}

// Compiled once, and not for each kind of table.
fn refusal(kind: &Kind, mut value: Value, path: &str) -> Option<Problem> {
    // One backend is shown as a program writes it: as a name.
    if let Value::List(names) = &value
        && let (Kind::Backends(..), [name]) = (kind, names.as_slice())
    {
        value = name.clone();
    }
    let refused = kind.check(&value).err()?;
    let shown = shown(kind, &value.to_string());
    Some(Problem::refused(Place::Builder, path, &shown, &value, refused))
}

/// A value for a message, unless it may be secret.
pub(super) fn shown(kind: &Kind, value: &str) -> String {
    if kind.is_secret() { HIDDEN.to_owned() } else { value.to_owned() }
}

/// Returns the fault of a node beside those before it.
#[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
pub(super) fn peer_problem(peer: &Peer, before: &[Peer], place: Place) -> Option<Problem> {
    peer.fault(before).map(|fault| Problem::new(place, Peer::path(before.len()), format!(": {fault}")))
}

/// Returns the fault of a view behind as many others.
pub(super) fn view_problem(view: &View, before: usize, place: Place) -> Option<Problem> {
    view.fault(before).map(|fault| Problem::new(place, View::path(before), format!(": {fault}")))
}

/// Returns the fault of a rule's name beside the rules before it.
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
