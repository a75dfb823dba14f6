//! The routes of Proxmox VE: `/cluster/metrics/server[/{id}]`.

use crate::kind::{Kind, pve_rule};
use crate::manage::{Change, Failure, MetricServers};
use crate::params::{Params, list};
use crate::plan::destination;
use crate::reply::{missing, unknown};
use crate::rule::{Rule, Words};
use crate::section_file::{Section, check_id};
use ferrometer_http::shorten;
use serde_json::{Map, Value, json};

const WORDS: Words = Words::Pve;
/// The digest of a file, as long as one may be.
const DIGEST: Rule = Rule::Text(0, 64);
/// They stand in every request that describes a server, of whichever kind.
const ALWAYS: [&str; 2] = ["port", "server"];

/// Refuses parameters where none are taken.
pub(crate) fn none(params: &Params) -> Result<(), Failure> {
    let wrong: Vec<_> = params.keys().map(|key| (shorten(key), unknown(WORDS))).collect();
    if wrong.is_empty() { Ok(()) } else { Err(Failure::Parameters(wrong)) }
}

pub(crate) fn list_all(servers: &MetricServers) -> Result<Value, Failure> {
    let state = servers.read()?;
    let mut all: Vec<&Section> = state.file.sections().filter(|section| section.kind.words() == WORDS).collect();
    all.sort_by(|a, b| a.id.cmp(&b.id));
    let one = |section: &&Section| {
        let mut entry = Map::new();
        entry.insert("id".into(), section.id.as_str().into());
        entry.insert("disable".into(), u8::from(!section.is_enabled()).into());
        entry.insert("type".into(), section.kind.name().into());
        for key in ["server", "port"] {
            let value = section.get(key).zip(section.kind.option(key)).map(|(value, option)| option.rule.json(value));
            entry.insert(key.into(), value.unwrap_or(Value::Null));
        }
        Value::Object(entry)
    };
    Ok(all.iter().map(one).collect())
}

/// One server, without its secret.
pub(crate) fn read(servers: &MetricServers, id: &str) -> Result<Value, Failure> {
    check(id)?;
    let state = servers.read()?;
    let section = match servers.find(&state.file, WORDS, None, id) {
        Err(_) if !state.file.has(id) => {
            return Err(Failure::said(format!("status server entry '{id}' does not exist\n")));
        }
        found => found?,
    };
    let mut all = values(section);
    all.insert("type".into(), section.kind.name().into());
    all.insert("digest".into(), state.sha1().into());
    Ok(Value::Object(all))
}

/// The values of a section that may be shown.
pub(crate) fn values(section: &Section) -> Map<String, Value> {
    let shown = section.values.iter().filter_map(|(key, value)| {
        let rule = section.kind.option(key)?.rule;
        (!rule.is_secret()).then(|| (key.clone(), rule.json(value)))
    });
    shown.collect()
}

fn check(id: &str) -> Result<(), Failure> {
    let wrong = |why: String| Failure::Parameters(vec![("id".to_owned(), format!("invalid format - {why}\n"))]);
    check_id(WORDS, id).map_err(wrong)
}

/// Checks the parameters that describe a server. Beside them only `further` ones are allowed, which are left in `params`.
fn described(id: &str, params: &mut Params, further: &[&str]) -> Result<Vec<(String, String)>, Failure> {
    let (mut values, mut wrong) = (Vec::new(), Vec::new());
    if let Err(Failure::Parameters(of_id)) = check(id) {
        wrong.extend(of_id);
    }
    // It stands in the path; a client may repeat it.
    if params.remove("id").is_some_and(|given| given != id) {
        wrong.push((
            "id".to_owned(),
            "duplicate parameter (already defined in URI) with conflicting values!\n".to_owned(),
        ));
    }
    for (key, value) in std::mem::take(params) {
        if further.contains(&key.as_str()) {
            params.insert(key, value);
            continue;
        }
        match pve_rule(&key).map(|rule| rule.check(&value, WORDS)) {
            None => wrong.push((shorten(&key), unknown(WORDS))),
            Some(Err(why)) => wrong.push((key, why)),
            Some(Ok(value)) => values.push((key, value)),
        }
    }
    for key in ALWAYS.into_iter().chain(further.contains(&"type").then_some("type")) {
        let is_there = values.iter().any(|(given, _)| given == key) || params.contains_key(key);
        if !is_there && !wrong.iter().any(|(given, _)| given == key) {
            wrong.push((key.to_owned(), missing(WORDS)));
        }
    }
    if wrong.is_empty() { Ok(values) } else { Err(Failure::Parameters(wrong)) }
}

/// The kind and the values of a server that is not there yet.
pub(crate) fn new(id: &str, mut params: Params) -> Result<(Kind, Vec<(String, String)>), Failure> {
    let values = described(id, &mut params, &["type"]);
    let given = params.remove("type").unwrap_or_default();
    let kind = Kind::PVE.into_iter().find(|kind| kind.name() == given);
    match (values, kind) {
        (Ok(values), Some(kind)) => Ok((kind, values)),
        (values, kind) => {
            let mut wrong = match values {
                Err(Failure::Parameters(wrong)) => wrong,
                _ => Vec::new(),
            };
            if kind.is_none() && !wrong.iter().any(|(key, _)| key == "type") {
                let why = Rule::Choice(&["graphite", "influxdb", "opentelemetry"]).check(&given, WORDS);
                wrong.extend(why.err().map(|why| ("type".to_owned(), why)));
            }
            Err(Failure::Parameters(wrong))
        }
    }
}

pub(crate) fn create(servers: &MetricServers, id: &str, params: Params) -> Result<(), Failure> {
    let (kind, values) = new(id, params)?;
    servers.create(kind, id, values)
}

pub(crate) fn update(servers: &MetricServers, id: &str, mut params: Params) -> Result<(), Failure> {
    let set = described(id, &mut params, &["delete", "digest"])?;
    let digest = params.remove("digest");
    if let Some(Err(why)) = digest.as_deref().map(|digest| DIGEST.check(digest, WORDS)) {
        return Err(Failure::Parameters(vec![("digest".to_owned(), why)]));
    }
    let delete = params.remove("delete").map(|delete| list(&delete)).unwrap_or_default();
    servers.update(WORDS, None, id, Change { set, delete, digest })
}

pub(crate) fn delete(servers: &MetricServers, id: &str, params: &Params) -> Result<(), Failure> {
    check(id)?;
    none(params)?;
    servers.delete(WORDS, None, id, None)
}

/// The state of every server, of both kinds of routes: what is described, at work, sent, and wrong.
pub(crate) fn status(servers: &MetricServers) -> Result<Value, Failure> {
    let state = servers.read()?;
    let mut all: Vec<Value> = Vec::new();
    for section in state.file.sections() {
        let at_work = servers.running().at_work(&section.id);
        let mut entry = crate::status::at_work(&at_work, section.is_enabled());
        entry.insert("id".into(), section.id.as_str().into());
        entry.insert("type".into(), section.kind.name().into());
        entry.insert("destination".into(), destination(section).into());
        entry.insert("options".into(), Value::Object(values(section)));
        all.push(Value::Object(entry));
    }
    let damaged: Vec<Value> = state
        .file
        .damaged()
        .map(|damaged| json!({ "id": damaged.id, "type": damaged.kind, "line": damaged.line, "error": damaged.why }))
        .collect();
    Ok(json!({ "servers": all, "damaged": damaged, "digest": state.sha1() }))
}
