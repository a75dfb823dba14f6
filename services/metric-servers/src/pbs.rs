//! The routes of Proxmox Backup Server: `/config/metrics/influxdb-{http,udp}[/{name}]` and `/admin/metrics`.

use crate::kind::Kind;
use crate::manage::{Change, Failure, MetricServers};
use crate::params::{Params, list};
use crate::plan::destination;
use crate::pve::values;
use crate::reply::{missing, unknown};
use crate::rule::{Rule, Words, is_set};
use crate::section_file::{Section, check_id};
use ferrometer_http::shorten;
use serde_json::{Map, Value};

const WORDS: Words = Words::Pbs;
const DIGEST: Rule = Rule::Text(64, 64);

/// Refuses parameters where none are taken.
pub(crate) fn none(params: &Params) -> Result<(), Failure> {
    let wrong: Vec<_> = params.keys().map(|key| (shorten(key), unknown(WORDS))).collect();
    if wrong.is_empty() { Ok(()) } else { Err(Failure::Parameters(wrong)) }
}

/// A server as it is described, without its secret.
fn shown(section: &Section) -> Value {
    let mut all = values(section);
    all.insert("name".into(), section.id.as_str().into());
    if section.is_enabled() {
        all.remove("enable");
    }
    Value::Object(all)
}

/// The servers of a kind, and the digest of the file.
pub(crate) fn list_all(servers: &MetricServers, kind: Kind) -> Result<(Value, String), Failure> {
    let state = servers.read()?;
    let all = state.file.sections().filter(|section| section.kind == kind).map(shown).collect();
    Ok((all, state.sha256()))
}

pub(crate) fn read(servers: &MetricServers, kind: Kind, name: &str) -> Result<(Value, String), Failure> {
    check(name)?;
    let state = servers.read()?;
    let section = servers.find(&state.file, WORDS, Some(kind), name)?;
    Ok((shown(section), state.sha256()))
}

/// All servers, in short.
pub(crate) fn admin(servers: &MetricServers) -> Result<(Value, String), Failure> {
    let state = servers.read()?;
    let one = |section: &Section| {
        let mut entry = Map::new();
        entry.insert("name".into(), section.id.as_str().into());
        entry.insert("type".into(), section.kind.name().into());
        if !section.is_enabled() {
            entry.insert("enable".into(), false.into());
        }
        entry.insert("server".into(), destination(section).into());
        if let Some(comment) = section.get("comment") {
            entry.insert("comment".into(), comment.into());
        }
        Value::Object(entry)
    };
    let all = state.file.sections().filter(|section| section.kind.words() == WORDS).map(one).collect();
    Ok((all, state.sha256()))
}

fn check(name: &str) -> Result<(), Failure> {
    check_id(WORDS, name).map_err(|why| Failure::Parameters(vec![("name".to_owned(), why)]))
}

/// Checks the parameters that describe a server. Beside them only `further` ones are allowed, which are left in `params`.
fn described(
    kind: Kind,
    params: &mut Params,
    further: &[&str],
    is_new: bool,
) -> Result<Vec<(String, String)>, Failure> {
    let (mut described, mut wrong) = (Vec::new(), Vec::new());
    for (key, value) in std::mem::take(params) {
        if further.contains(&key.as_str()) {
            params.insert(key, value);
            continue;
        }
        match kind.option(&key).map(|option| option.rule.check(value.trim(), WORDS)) {
            None => wrong.push((shorten(&key), unknown(WORDS))),
            Some(Err(why)) => wrong.push((key, why)),
            Some(Ok(value)) => described.push((key, value)),
        }
    }
    let is_there = |name: &str| described.iter().chain(&wrong).any(|(given, _)| given == name);
    let absent = kind.options().iter().filter(|option| is_new && option.is_required && !is_there(option.name));
    let absent: Vec<_> = absent.map(|option| (option.name.to_owned(), missing(WORDS))).collect();
    wrong.extend(absent);
    if wrong.is_empty() { Ok(described) } else { Err(Failure::Parameters(wrong)) }
}

pub(crate) fn create(servers: &MetricServers, kind: Kind, mut params: Params) -> Result<(), Failure> {
    let values = described(kind, &mut params, &["name"], true);
    let name = params.remove("name");
    let id = match &name {
        Some(name) => check(name),
        None => Err(Failure::Parameters(vec![("name".to_owned(), missing(WORDS))])),
    };
    let values = match (values, id) {
        (Ok(values), Ok(())) => values,
        (Err(Failure::Parameters(mut wrong)), Err(Failure::Parameters(more))) => {
            wrong.extend(more);
            return Err(Failure::Parameters(wrong));
        }
        (values, id) => {
            id?;
            values?
        }
    };
    // What is as it is without being said is not written.
    let values = values.into_iter().filter(|(key, value)| !(value.is_empty() || key == "enable" && is_set(value)));
    servers.create(kind, name.as_deref().unwrap_or_default(), values.collect())
}

pub(crate) fn update(servers: &MetricServers, kind: Kind, name: &str, mut params: Params) -> Result<(), Failure> {
    check(name)?;
    let set = described(kind, &mut params, &["delete", "digest"], false)?;
    let digest = digest(&mut params)?;
    let mut delete = params.remove("delete").map(|delete| list(&delete)).unwrap_or_default();
    let deletable = |key: &String| kind.option(key).is_some_and(|option| !option.is_required);
    if let Some(key) = delete.iter().find(|key| !deletable(key)) {
        let why = format!("value '{}' is not defined in the enumeration.", shorten(key));
        return Err(Failure::Parameters(vec![("delete".to_owned(), why)]));
    }
    // An empty comment is none.
    let (empty, set): (Vec<_>, Vec<_>) = set.into_iter().partition(|(key, value)| key == "comment" && value.is_empty());
    delete.extend(empty.into_iter().map(|(key, _)| key));
    servers.update(WORDS, Some(kind), name, Change { set, delete, digest })
}

pub(crate) fn delete(servers: &MetricServers, kind: Kind, name: &str, mut params: Params) -> Result<(), Failure> {
    check(name)?;
    let digest = digest(&mut params)?;
    none(&params)?;
    servers.delete(WORDS, Some(kind), name, digest.as_deref())
}

fn digest(params: &mut Params) -> Result<Option<String>, Failure> {
    let digest = params.remove("digest");
    let checked = digest.map(|digest| DIGEST.check(&digest, WORDS)).transpose();
    checked.map_err(|why| Failure::Parameters(vec![("digest".to_owned(), why)]))
}
