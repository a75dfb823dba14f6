//! `/v1/archive_policy` and `/v1/archive_policy_rule`.

use crate::Gnocchi;
use crate::reply::{Answer, Refusal, Reply};
use crate::request::{Request, not_allowed, span_of};
use crate::schema::{Checked, Invalid, dictionary, list, name as name_of, only, optional, required, text, whole};
use ferrometer_archive::method::resolve;
use ferrometer_archive::{Definition, Error, Nanos, Policy, Rule, SECOND};
use http::{Method, StatusCode, header::LOCATION};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Returns a span of time as Python prints one: `365 days, 0:00:00`.
fn span(nanos: Nanos) -> String {
    let seconds = nanos / SECOND;
    let (days, rest, fraction) = (seconds / 86_400, seconds % 86_400, nanos % SECOND / 1000);
    let day = match days {
        0 => String::new(),
        1 => "1 day, ".into(),
        days => format!("{days} days, "),
    };
    let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:06}") };
    format!("{day}{}:{:02}:{:02}{fraction}", rest / 3600, rest / 60 % 60, rest % 60)
}

pub(crate) fn policy_json(policy: &Policy) -> Value {
    let definition = |definition: &Definition| {
        json!({
            "granularity": span(definition.granularity),
            "points": definition.points,
            "timespan": definition.timespan().map(span),
        })
    };
    let methods: Vec<String> = policy.methods().iter().map(ToString::to_string).collect();
    let mut json = json!({
        "name": policy.name,
        "back_window": policy.back_window,
        "aggregation_methods": methods,
        "definition": policy.as_told().map(definition).collect::<Vec<_>>(),
    });
    // Gnocchi's clients see what they know.
    if let (Some(life), Some(map)) = (policy.time_to_live(), json.as_object_mut()) {
        map.insert("time_to_live".into(), span(life).into());
    }
    json
}

/// Returns a policy with the most that a metric takes under it; none where it keeps without end.
fn costed(policy: &Policy) -> Value {
    let (mut json, cost) = (policy_json(policy), policy.cost());
    if let Some(map) = json.as_object_mut() {
        map.insert("cost".into(), json!({"aggregates": cost.aggregates, "bytes": cost.bytes}));
    }
    json
}

fn rule_json(rule: &Rule) -> Value {
    json!({"name": rule.name, "metric_pattern": rule.pattern, "archive_policy_name": rule.policy})
}

/// Most granularities of a policy: each metric under it has all of them.
const MOST_DEFINITIONS: usize = 100;

type Parts = (Option<Nanos>, Option<u64>, Option<Nanos>);

fn parts(value: &Value) -> Checked<Vec<Parts>> {
    let items = list(value)?;
    if items.is_empty() {
        return Err(Invalid::new("length of value must be at least 1"));
    }
    if items.len() > MOST_DEFINITIONS {
        return Err(Invalid::new(format!("length of value must be at most {MOST_DEFINITIONS}")));
    }
    let item = |item: &Value| {
        let map = dictionary(item)?;
        only(map, &["granularity", "points", "timespan"])?;
        let points = optional(map, "points", |value| whole(value, 1))?.map(|points| points as u64);
        Ok((optional(map, "granularity", span_of)?, points, optional(map, "timespan", span_of)?))
    };
    items.iter().enumerate().map(|(at, value)| item(value).map_err(|invalid: Invalid| invalid.in_item(at))).collect()
}

fn definitions(parts: Vec<Parts>) -> Result<Vec<Definition>, Error> {
    parts.into_iter().map(|(granularity, points, timespan)| Definition::new(granularity, points, timespan)).collect()
}

fn back_window(value: &Value) -> Checked<u32> {
    whole(value, 0).and_then(|number| {
        u32::try_from(number).map_err(|_| Invalid::new(format!("value must be at most {}", u32::MAX)))
    })
}

fn methods(value: &Value) -> Checked<Vec<String>> {
    let names = list(value)?;
    let name = |(at, value): (usize, &Value)| {
        let name = value.as_str().filter(|name| *name == "*" || resolve(&[name]).is_ok());
        name.map(Into::into).ok_or_else(|| Invalid::new("not a valid value").in_item(at))
    };
    names.iter().enumerate().map(name).collect()
}

/// Reads a policy's time to live: a span, or null for none.
fn time_to_live(value: &Value) -> Checked<Option<Nanos>> {
    if value.is_null() { Ok(None) } else { span_of(value).map(Some) }
}

/// Reads a policy that has no name of its own: the name is made of what it says, so that all metrics with the same one share it.
pub(crate) fn unnamed_policy(value: &Value) -> Result<Policy, Refusal> {
    let map = dictionary(value)?;
    only(map, &["back_window", "aggregation_methods", "definition", "time_to_live"])?;
    let policy = read_policy(map, "given")?;
    let said = json!([policy_json(&policy), policy.time_to_live()]).to_string();
    let name = format!("given-{}", Uuid::new_v5(&ferrometer_archive::RESOURCE_NAMESPACE, said.as_bytes()).simple());
    read_policy(map, &name)
}

/// Reads what a policy says beside its name.
fn read_policy(map: &Map<String, Value>, name: &str) -> Result<Policy, Refusal> {
    let window = optional(map, "back_window", back_window)?.unwrap_or(0);
    let names = optional(map, "aggregation_methods", methods)?.unwrap_or_default();
    let life = optional(map, "time_to_live", time_to_live)?.flatten();
    let parts = optional(map, "definition", parts)?;
    let parts = parts.ok_or_else(|| Invalid::new("required key not provided").at_key("definition"))?;
    Ok(Policy::new(name, window, definitions(parts)?, &resolve(&names)?)?.with_time_to_live(life)?)
}

impl Gnocchi {
    pub(crate) fn archive_policies(&self, request: &Request<'_>, rest: &[String]) -> Answer {
        match (&request.method, rest) {
            (&Method::GET, []) => {
                request.user()?;
                let with_cost = request.truth("cost", false)?;
                let json = |policy: &Policy| if with_cost { costed(policy) } else { policy_json(policy) };
                Ok(Reply::ok(&self.archive.policies().iter().map(|policy| json(policy)).collect()))
            }
            (&Method::POST, []) => self.post_policy(request),
            (_, []) => not_allowed("GET, POST"),
            (&Method::GET, [name]) => {
                request.user()?;
                Ok(Reply::ok(&policy_json(&*self.archive.policy(name)?)))
            }
            (&Method::PATCH, [name]) => {
                self.archive.policy(name)?;
                request.admin()?;
                let body = request.json()?;
                let map = dictionary(&body)?;
                only(map, &["definition", "back_window", "time_to_live"])?;
                let life = optional(map, "time_to_live", time_to_live)?;
                let window = optional(map, "back_window", back_window)?;
                if life.is_none() || map.contains_key("definition") || window.is_some() {
                    let parts = required(map, "definition", parts)?;
                    self.archive.resize_policy(name, definitions(parts)?, window)?;
                }
                if let Some(life) = life {
                    self.archive.set_time_to_live(name, life)?;
                }
                Ok(Reply::ok(&policy_json(&*self.archive.policy(name)?)))
            }
            (&Method::DELETE, [name]) => {
                request.admin()?;
                self.archive.remove_policy(name)?;
                Ok(Reply::empty(StatusCode::NO_CONTENT))
            }
            (_, [_]) => not_allowed("GET, PATCH, DELETE"),
            _ => Err(crate::request::not_found()),
        }
    }

    fn post_policy(&self, request: &Request<'_>) -> Answer {
        request.admin()?;
        let body = request.json()?;
        let map = dictionary(&body)?;
        only(map, &["name", "back_window", "aggregation_methods", "definition", "time_to_live"])?;
        // In the order in which Gnocchi names what is wrong.
        optional(map, "back_window", back_window)?;
        optional(map, "aggregation_methods", methods)?;
        optional(map, "definition", parts)?;
        let name = required(map, "name", name_of)?;
        let policy = read_policy(map, &name)?;
        self.archive.add_policy(&policy)?;
        Ok(Reply::json(StatusCode::CREATED, &policy_json(&policy))
            .with(LOCATION, self.location(request, &["archive_policy", &name])))
    }

    pub(crate) fn archive_policy_rules(&self, request: &Request<'_>, rest: &[String]) -> Answer {
        let find = |name: &str| {
            let rules = self.archive.rules();
            rules.into_iter().find(|rule| rule.name == name).ok_or_else(|| Error::NoSuchRule(name.into()))
        };
        match (&request.method, rest) {
            (&Method::GET, []) => {
                request.user()?;
                Ok(Reply::ok(&self.archive.rules().iter().map(rule_json).collect()))
            }
            (&Method::POST, []) => {
                request.admin()?;
                let body = request.json()?;
                let map = dictionary(&body)?;
                only(map, &["name", "metric_pattern", "archive_policy_name"])?;
                let rule = Rule {
                    name: required(map, "name", name_of)?,
                    pattern: required(map, "metric_pattern", name_of)?,
                    policy: required(map, "archive_policy_name", text)?,
                };
                self.archive.add_rule(&rule).map_err(|error| match error {
                    Error::NoSuchPolicy(name) => {
                        Refusal::bad(json!({"cause": "Archive policy does not exist", "detail": name}))
                    }
                    other => other.into(),
                })?;
                let location = self.location(request, &["archive_policy_rule", &rule.name]);
                Ok(Reply::json(StatusCode::CREATED, &rule_json(&rule)).with(LOCATION, location))
            }
            (_, []) => not_allowed("GET, POST"),
            (&Method::GET, [name]) => {
                let rule = find(name)?;
                request.user()?;
                Ok(Reply::ok(&rule_json(&rule)))
            }
            (&Method::PATCH, [name]) => {
                find(name)?;
                let body = request.json()?;
                let map = dictionary(&body)?;
                only(map, &["name"])?;
                let new = required(map, "name", name_of)?;
                request.admin()?;
                self.archive.rename_rule(name, &new)?;
                Ok(Reply::ok(&rule_json(&find(&new)?)))
            }
            (&Method::DELETE, [name]) => {
                find(name)?;
                request.admin()?;
                self.archive.remove_rule(name)?;
                Ok(Reply::empty(StatusCode::NO_CONTENT))
            }
            (_, [_]) => not_allowed("GET, PATCH, DELETE"),
            _ => Err(crate::request::not_found()),
        }
    }
}
