//! Values from environment variables.
//!
//! `FERROMETER_` and the key in capitals; a table's name comes before its key with `__` between them.
//!
//! Kubernetes and Docker put variables into every container that tell where services are. Those of a service named `ferrometer`, or
//! `ferrometer-` and more, begin like ours; they are passed over.

use std::ffi::OsString;

use super::absent::absent;
use super::choices::Dialect;
use super::draft::Draft;
use super::error::{Place, Problem, clean};
use super::faults::split_at_first;
use super::for_agents;
use super::settings::keys;
use super::suggest::{self, nearest};
use super::table::{Key, split};
use super::value::Value;

/// Every variable that begins so is ours.
const PREFIX: &str = "FERROMETER_";

impl<T> Key<T> {
    /// The name of the variable that sets this key, such as `FERROMETER_STATSD__INTERVAL`.
    pub(super) fn variable(&self) -> String {
        let mut name = String::from(PREFIX);
        for c in self.path.strip_prefix("metrics.").unwrap_or(self.path).chars() {
            match c {
                '.' => name.push_str("__"),
                c => name.push(c.to_ascii_uppercase()),
            }
        }
        name
    }
}

/// Variables that begin so are not ours; a key behind it was probably meant to be.
const LOOKS_LIKE: &str = "METRICS_";

/// The variable that names the file.
#[cfg_attr(not(feature = "config-file"), allow(dead_code))]
const FILE: &str = "FERROMETER_CONFIG";

/// Datadog's variables for an address, each with the key that it stands for.
const DATADOG_ADDRESS: [(&str, &str); 2] =
    [("DD_AGENT_HOST", "metrics.statsd_host"), ("DD_DOGSTATSD_PORT", "metrics.statsd_port")];

/// Datadog's variables for labels, each with the label's name.
const DATADOG_LABELS: [(&str, &str); 3] = [("DD_ENV", "env"), ("DD_SERVICE", "service"), ("DD_VERSION", "version")];

/// Name and value.
pub(super) type Variable = (String, OsString);

/// Those that are ours, and those that look so.
pub(super) fn ours<I, N, V>(variables: I) -> Vec<Variable>
where
    I: IntoIterator<Item = (N, V)>,
    N: Into<OsString>,
    V: Into<OsString>,
{
    let mut ours = Vec::new();
    for (name, value) in variables {
        let name: OsString = name.into();
        let name = name.to_string_lossy();
        let is_datadog = DATADOG_ADDRESS.iter().chain(&DATADOG_LABELS).any(|(known, _)| name == *known);
        if name.starts_with(PREFIX) || name.starts_with(LOOKS_LIKE) || is_datadog {
            ours.push((name.into_owned(), value.into()));
        }
    }
    ours
}

/// Returns the file that a variable names, if one does.
#[cfg_attr(not(feature = "config-file"), allow(dead_code))]
pub(super) fn file(variables: &[Variable]) -> Option<&OsString> {
    variables.iter().find(|(name, _)| name == FILE).map(|(_, value)| value)
}

/// Lays the variables over the draft.
pub(super) fn read(draft: &mut Draft, variables: Vec<Variable>) {
    let mut datadog = Vec::new();
    for (name, value) in variables {
        if name.starts_with("DD_") {
            datadog.push((name, value));
            continue;
        }
        if name == FILE {
            if cfg!(not(feature = "config-file")) {
                let what = "needs the cargo feature \"config-file\" of ferrometer";
                draft.problem(Problem::new(Place::Variable(name), "", what));
            } else if value.is_empty() {
                let what = "names no file; unset it to read none";
                draft.problem(Problem::new(Place::Variable(name), "", what));
            }
            continue;
        }
        if let Some(rest) = name.strip_prefix(LOOKS_LIKE) {
            let meant = format!("{PREFIX}{rest}");
            if keys().any(|key| key.variable() == meant) {
                let hint = format!("environment variable {name} is not looked at; did you mean {meant}?");
                draft.config.origin.strange_variables.push(hint);
            }
            continue;
        }
        if is_of_service(&name, &value) {
            continue;
        }
        let place = Place::Variable(name.clone());
        let is = |name: &str| keys().find(|key| key.variable() == name);
        let (own, theirs) = (is(&name), without_agent(&name).and_then(|name| is(&name)));
        let Some(key) = own.or(theirs) else {
            match absent(|table| is_below(&name, table)) {
                Some(absent) => {
                    draft.pass_over(place, absent, &|key| name.to_ascii_lowercase().ends_with(&format!("__{key}")))
                }
                None => draft.problem(Problem::new(place, "", unknown(&name))),
            }
            continue;
        };
        match value.into_string() {
            Ok(text) => {
                draft.config.origin.variables.push(name);
                let value = key.kind.read(&text);
                match own {
                    Some(_) => draft.give(key, key.path, &value, &value.to_string(), place),
                    None => {
                        let (table, word) = split(key.path);
                        let path = format!("{table}.{}{word}", for_agents::PREFIX);
                        draft.tell(key, &path, &value, &value.to_string(), place);
                    }
                }
            }
            Err(value) => {
                let shown = clean(&value.to_string_lossy());
                draft.problem(Problem::new(place, key.path, format!(" = \"{shown}\": is not UTF-8")));
            }
        }
    }
    read_datadog(draft, &datadog);
}

/// Takes Datadog's variables for the keys that nothing else has given.
fn read_datadog(draft: &mut Draft, variables: &[Variable]) {
    let statsd = &draft.config.statsd;
    if !statsd.datadog_variables || statsd.dialect != Dialect::Dogstatsd {
        return;
    }
    for (name, value) in variables {
        let (place, text) = (Place::Variable(name.clone()), value.to_string_lossy());
        if text.is_empty() {
            continue;
        }
        let find = |list: &[(&str, &'static str)]| list.iter().find(|(known, _)| known == name).map(|(_, ours)| *ours);
        if let Some(path) = find(&DATADOG_ADDRESS) {
            let key = keys().find(|key| key.path == path).filter(|_| draft.place(path).is_none());
            if let Some(key) = key {
                draft.config.origin.variables.push(name.clone());
                let value = key.kind.read(&text);
                draft.give(key, path, &value, &value.to_string(), place);
            }
        } else if let Some(label) = find(&DATADOG_LABELS)
            && !draft.config.labels.iter().any(|(known, _)| known == label)
            && let Some(key) = keys().find(|key| key.path == "metrics.labels")
        {
            draft.config.origin.variables.push(name.clone());
            let mut items = match key.get(&draft.config) {
                Some(Value::List(items)) => items,
                _ => Vec::new(),
            };
            items.push(Value::text(format!("{label}={text}")));
            let value = Value::List(items);
            draft.give(key, key.path, &value, &value.to_string(), place);
        }
    }
}

/// Returns the variable whose twin for agents this is: `AGENT_` stands before the last part of its name.
fn without_agent(name: &str) -> Option<String> {
    let between = name.as_bytes().windows(2).rposition(|two| two == b"__");
    let (before, key) = match between {
        Some(at) => name.split_at(at + 2),
        None => (PREFIX, name.strip_prefix(PREFIX)?),
    };
    key.strip_prefix("AGENT_").map(|key| format!("{before}{key}"))
}

/// Returns `true` for a variable that Kubernetes or Docker makes for a service whose name begins with ours. Where a key has the name of such
/// a variable (`FERROMETER_STATSD_PORT`), the value tells whose it is.
fn is_of_service(name: &str, value: &OsString) -> bool {
    let Some(value) = value.to_str() else { return false };
    // Keeps the first underscore, which begins the rest of the service's name or the word about it.
    let rest = &name[PREFIX.len() - 1..];
    if rest.ends_with("_PORT") && is_service_address(value) {
        return true;
    }
    if keys().any(|key| key.variable() == name) {
        return false;
    }
    let of_kubernetes = rest.ends_with("_SERVICE_HOST") || rest.ends_with("_SERVICE_PORT");
    let is_named_port = split_at_first(rest, "_SERVICE_PORT_").is_some_and(|(_, port)| !port.is_empty());
    // Docker, for a link: `/web/ferrometer`.
    let is_link = rest.ends_with("_NAME") && value.starts_with('/') && value[1..].contains('/');
    of_kubernetes || is_named_port || is_link || is_port(rest)
}

/// `…_PORT_9620_TCP`, and its longer forms.
fn is_port(name: &str) -> bool {
    let mut rest = name;
    while let Some((_, tail)) = split_at_first(rest, "_PORT_") {
        rest = tail;
        let mut words = tail.split('_');
        let number = words.next().is_some_and(|word| word.parse::<u16>().is_ok());
        let protocol = words.next().is_some_and(|word| ["TCP", "UDP", "SCTP"].contains(&word));
        let about = words.next().is_none_or(|word| ["PROTO", "PORT", "ADDR"].contains(&word));
        if number && protocol && about && words.next().is_none() {
            return true;
        }
    }
    false
}

/// `tcp://10.0.0.1:9620`.
fn is_service_address(value: &str) -> bool {
    let Some((scheme, place)) = split_at_first(value, "://") else { return false };
    let port = place.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    ["tcp", "udp", "sctp"].contains(&scheme) && port
}

/// Returns `true` for the variable of a key in this table.
fn is_below(name: &str, table: &str) -> bool {
    let rest = &name[PREFIX.len()..];
    rest.get(..table.len()).is_some_and(|it| it.eq_ignore_ascii_case(table)) && rest[table.len()..].starts_with("__")
}

fn unknown(name: &str) -> String {
    if name.starts_with("FERROMETER_LOGGERS") {
        return "unknown variable; rules for loggers cannot be given in the environment".to_owned();
    }
    // The table [metrics] has no part in a variable's name.
    let rest = &name[PREFIX.len()..];
    let rest = rest.strip_prefix("METRICS__").or_else(|| rest.strip_prefix("METRICS_")).unwrap_or(rest);
    let mut known = Vec::new();
    for key in keys() {
        known.push(key.variable());
    }
    // Without the prefix, which is right and would let strangers look alike.
    let suffixes = known.iter().map(|name| &name[PREFIX.len()..]);
    let meant = nearest(rest, suffixes).map(|meant| format!("{PREFIX}{meant}")).or_else(|| elsewhere(rest));
    match meant {
        Some(meant) => format!("unknown variable; did you mean {meant}?"),
        None => "unknown variable; the prefix FERROMETER_ is reserved for the keys of the configuration".to_owned(),
    }
}

/// Returns the variable of a key that stands below the name of its table, which is missing (`DIALECT`), or that other programs call otherwise
/// (`OTLP_ENDPOINT`).
fn elsewhere(rest: &str) -> Option<String> {
    let all: Vec<(&str, &str)> = keys().map(|key| split(key.path)).collect();
    let rest = rest.to_ascii_lowercase();
    let variable = |table: &str, key: &str| {
        let table = table.strip_prefix("metrics.").unwrap_or_default();
        format!("{PREFIX}{}__{}", table.to_ascii_uppercase(), key.to_ascii_uppercase())
    };
    for (table, key) in &all {
        if *key == rest {
            return Some(variable(table, key));
        }
    }
    for (table, _) in &all {
        let Some(short) = table.strip_prefix("metrics.") else { continue };
        let known: Vec<&str> = all.iter().filter(|(its, _)| its == table).map(|(_, key)| *key).collect();
        let words = suggest::key_behind(short, &rest, &known);
        // One key, and no choice between several.
        if let Some(key) = known.iter().find(|key| words.as_deref() == Some(&format!("`{key}`"))) {
            return Some(variable(table, key));
        }
    }
    None
}
