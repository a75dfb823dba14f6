//! Usage of one scope by one definition: the query is asked, its samples become data points.

use crate::client::{Answer, AskError, Client, When};
use crate::config::{Boundaries, Config};
use crate::definition::Definition;
use crate::error::clean;
use crate::number::{self, NotANumber};
use crate::period::{Period, calendar, iso};
use crate::point::DataPoint;
use crate::query::{self, Ranges};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

/// Cause of a remark about a period; it is no failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The server has no samples.
    NoData,
    /// A value is `NaN`; it is not rated.
    NaN,
    /// A value is infinite; it is not rated.
    Infinite,
    /// A value's text is no number; it is not rated.
    Malformed,
    /// The server gave the same series twice, with the same value; it is rated once.
    Twice,
    /// `skip_datapoints_expression` holds.
    Skipped,
    /// The server warns that its answer may lack data.
    ServerWarning,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::NoData => "no data",
            Cause::NaN => "NaN, not rated",
            Cause::Infinite => "infinite, not rated",
            Cause::Malformed => "not a number, not rated",
            Cause::Twice => "given twice by the server, rated once",
            Cause::Skipped => "skipped by skip_datapoints_expression",
            Cause::ServerWarning => "warning of the server",
        })
    }
}

/// A cause, and where it was met.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notice {
    /// The cause.
    pub cause: Cause,
    /// Period, or the first of those that were asked for together.
    pub period: Period,
    /// Name of the definition.
    pub metric: Arc<str>,
    /// Scope.
    pub scope: Arc<str>,
    /// Text that says more; may be empty.
    pub detail: String,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (metric, scope) = (clean(&self.metric), clean(&self.scope));
        write!(f, "{} of scope {scope}, period from {}: {}", metric, iso(self.period.begin), self.cause)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

/// Data points of some periods, in the order of time, and what is told about them.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Usage {
    /// Data points.
    pub points: Vec<DataPoint>,
    /// Remarks.
    pub notices: Vec<Notice>,
}

/// A definition that is ready to be collected.
#[derive(Debug)]
struct Prepared {
    definition: Definition,
    name: Arc<str>,
    unit: Arc<str>,
    description: Option<Arc<str>>,
    groupby: Vec<Arc<str>>,
    metadata: Vec<Arc<str>>,
}

/// Collects usage from one server by the definitions of a configuration.
#[derive(Debug)]
pub struct Collector {
    client: Client,
    definitions: Vec<Prepared>,
    scope_key: Arc<str>,
    config: Config,
}

impl Collector {
    /// Puts a client and a configuration together.
    #[must_use]
    pub fn new(client: Client, config: Config) -> Collector {
        let shared = |texts: &[String]| texts.iter().map(|t| Arc::from(t.as_str())).collect();
        let prepared = |d: &Definition| Prepared {
            name: Arc::from(d.name()),
            unit: Arc::from(d.unit.as_str()),
            description: d.description.as_deref().map(Arc::from),
            groupby: shared(&d.groupby),
            metadata: shared(&d.metadata),
            definition: d.clone(),
        };
        let definitions = config.definitions.iter().map(prepared).collect();
        Collector { client, definitions, scope_key: Arc::from(config.scope_key.as_str()), config }
    }

    /// Returns the configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Returns each definition's query for a scope and a period that ends so, with its address, without asking anything.
    #[must_use]
    pub fn explain(&self, scope: &str, end: i64) -> Vec<(String, String)> {
        let queries = self.definitions.iter().map(|d| self.query(&d.definition, scope, Ranges::LeftOpen));
        queries.map(|query| (query.clone(), self.client.url(&query, When::At(end)))).collect()
    }

    /// Collects all definitions for one scope and `count` periods from `begin` on.
    ///
    /// # Errors
    /// The first definition that cannot be collected; nothing of the scope's periods is to be kept then.
    pub fn collect(&self, scope: &Arc<str>, begin: i64, count: usize) -> Result<Usage, CollectError> {
        let mut all = Usage::default();
        for prepared in &self.definitions {
            let fail = |cause| CollectError { metric: prepared.name.clone(), scope: scope.clone(), cause };
            let ranges = match self.config.options.boundaries {
                Boundaries::Once => self.client.ranges().map_err(Reason::Ask).map_err(fail)?,
                Boundaries::AsServed => Ranges::LeftOpen,
            };
            let query = self.query(&prepared.definition, scope, ranges);
            self.ask(prepared, &query, scope, begin, count, &mut all).map_err(fail)?;
        }
        // Stable: the definitions of a period stay in their order.
        all.points.sort_by_key(|p| p.period.begin);
        Ok(all)
    }

    /// Makes usage of an answer that a program asked for by itself: of one definition, for one scope and `count` periods from `begin` on.
    ///
    /// # Errors
    /// An answer of other moments, of a server whose clock is behind, or an expression that cannot be evaluated. Returns no usage for a
    /// name that no definition has.
    pub fn usage(
        &self,
        name: &str,
        scope: &Arc<str>,
        begin: i64,
        count: usize,
        answer: Answer,
    ) -> Result<Usage, CollectError> {
        let mut all = Usage::default();
        if let Some(prepared) = self.definitions.iter().find(|p| &*p.name == name) {
            let fail = |cause| CollectError { metric: prepared.name.clone(), scope: scope.clone(), cause };
            self.take(prepared, scope, begin, count, answer, &mut all).map_err(fail)?;
        }
        Ok(all)
    }

    fn query(&self, definition: &Definition, scope: &str, ranges: Ranges) -> String {
        query::usage(definition, &self.scope_key, scope, self.config.period, self.config.options.by_order, ranges)
    }

    /// Asks for some periods at once, and for half of them where the server cannot answer for this many.
    fn ask(
        &self,
        d: &Prepared,
        query: &str,
        scope: &Arc<str>,
        begin: i64,
        count: usize,
        all: &mut Usage,
    ) -> Result<(), Reason> {
        let step = i64::from(self.config.period);
        let (first, last) = (begin + step, begin + step * count as i64);
        let when = match count {
            1 => When::At(first),
            _ => When::Every { start: first, end: last, step: self.config.period },
        };
        match self.client.ask(query, when) {
            Ok(answer) => self.take(d, scope, begin, count, answer, all),
            Err(AskError::TooLarge(_) | AskError::Refused { status: 422 | 500..=599, .. }) if count > 1 => {
                let half = count / 2;
                self.ask(d, query, scope, begin, half, all)?;
                self.ask(d, query, scope, begin + step * half as i64, count - half, all)
            }
            Err(error) => Err(Reason::Ask(error)),
        }
    }

    fn take(
        &self,
        d: &Prepared,
        scope: &Arc<str>,
        begin: i64,
        count: usize,
        answer: Answer,
        all: &mut Usage,
    ) -> Result<(), Reason> {
        let step = i64::from(self.config.period);
        let last = begin + step * count as i64;
        if let Some(server) = answer.server_time.filter(|server| *server < last) {
            let behind = format!("the server's clock says {}, before the period's end {}", iso(server), iso(last));
            return Err(Reason::Ask(AskError::Unexpected(behind)));
        }
        let notice =
            |cause, period, detail| Notice { cause, period, metric: d.name.clone(), scope: scope.clone(), detail };
        for warning in answer.warnings {
            all.notices.push(notice(Cause::ServerWarning, Period { begin, end: begin + step }, warning));
        }
        let mut seen = vec![false; count];
        let mut days: BTreeMap<i64, [(&'static str, String); 4]> = BTreeMap::new();
        let from = all.points.len();
        // Labels tell series apart: one that is there twice is the mistake of something between us and the server.
        let mut known: HashMap<&BTreeMap<String, String>, HashMap<i64, &str>> = HashMap::new();
        for series in &answer.series {
            let given = known.entry(&series.labels).or_default();
            for (at, text) in &series.samples {
                // A moment that was not asked for is an old answer, or somebody else's.
                let end = at.div_euclid(1000);
                let index = (end - begin).div_euclid(step) - 1;
                if at.rem_euclid(1000) != 0 || (end - begin).rem_euclid(step) != 0 || index < 0 || index >= count as i64
                {
                    let message =
                        format!("the server sent a value of another moment ({at} ms) than asked for: a stale answer");
                    return Err(Reason::Ask(AskError::Unexpected(message)));
                }
                seen[index as usize] = true;
                let period = Period { begin: end - step, end };
                match given.insert(*at, text) {
                    None => {}
                    Some(before) if before == text => {
                        all.notices.push(notice(Cause::Twice, period, shown(&series.labels)));
                        continue;
                    }
                    Some(before) => {
                        let (before, text) = (clean(before), clean(text));
                        let message = format!(
                            "the server gave one series twice, with {before} and with {text}: {}",
                            shown(&series.labels)
                        );
                        return Err(Reason::Ask(AskError::Unexpected(message)));
                    }
                }
                let sample = match number::parse(text) {
                    Ok(sample) => sample,
                    Err(error) => {
                        let cause = match error {
                            NotANumber::NaN => Cause::NaN,
                            NotANumber::Infinite => Cause::Infinite,
                            NotANumber::Malformed => Cause::Malformed,
                        };
                        all.notices.push(notice(cause, period, shown(&series.labels)));
                        continue;
                    }
                };
                let label = |name: &Arc<str>| (name.clone(), series.labels.get(&**name).cloned().unwrap_or_default());
                let calendar = days.entry(period.begin).or_insert_with(|| calendar(period.begin));
                let mut groupby = Vec::with_capacity(d.groupby.len() + 5);
                groupby.push((self.scope_key.clone(), scope.to_string()));
                groupby.extend(d.groupby.iter().map(label));
                groupby.extend(calendar.iter().map(|(k, v)| (Arc::from(*k), v.clone())));
                let point = DataPoint {
                    metric: d.name.clone(),
                    scope: scope.clone(),
                    period,
                    unit: d.unit.clone(),
                    qty: d.definition.conversion.apply(&sample, self.config.options.precise),
                    groupby,
                    metadata: d.metadata.iter().map(label).collect(),
                    description: d.description.clone(),
                };
                match &d.definition.skip {
                    Some(skip) if skip.holds(&point).map_err(Reason::Expression)? => {
                        all.notices.push(notice(Cause::Skipped, period, shown(&series.labels)));
                    }
                    _ => all.points.push(point),
                }
            }
        }
        all.points[from..].sort_by(|a, b| {
            let key = |p: &DataPoint| p.period.begin;
            key(a).cmp(&key(b)).then_with(|| a.groupby.cmp(&b.groupby)).then_with(|| a.metadata.cmp(&b.metadata))
        });
        for (n, _) in seen.iter().enumerate().filter(|(_, seen)| !**seen) {
            let begin = begin + step * n as i64;
            all.notices.push(notice(Cause::NoData, Period { begin, end: begin + step }, String::new()));
        }
        Ok(())
    }
}

/// Labels of a series, for a message.
fn shown(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
    clean(&pairs.join(" "))
}

/// Why a definition could not be collected for a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CollectError {
    /// Name of the definition.
    pub metric: Arc<str>,
    /// Scope.
    pub scope: Arc<str>,
    /// Why.
    pub cause: Reason,
}

/// Kinds of failures.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The server gave no answer that can be used.
    Ask(AskError),
    /// An expression could not be evaluated.
    Expression(String),
}

impl CollectError {
    /// Returns if every other scope would fail in the same way, so that there is no use in asking on.
    #[must_use]
    pub fn concerns_all(&self) -> bool {
        match &self.cause {
            Reason::Ask(AskError::Config(_) | AskError::Transport(_) | AskError::Certificate(_)) => true,
            Reason::Ask(AskError::Status { .. }) => true,
            Reason::Ask(_) | Reason::Expression(_) => false,
        }
    }
}

impl fmt::Display for CollectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (metric, scope) = (clean(&self.metric), clean(&self.scope));
        match &self.cause {
            Reason::Ask(error) => write!(f, "{metric} of scope {scope}: {error}"),
            Reason::Expression(message) => write!(f, "{metric} of scope {scope}: {message}"),
        }
    }
}

impl std::error::Error for CollectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Reason::Ask(error) => Some(error),
            Reason::Expression(_) => None,
        }
    }
}
