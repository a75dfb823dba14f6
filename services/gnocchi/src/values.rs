//! `/v1/search/metric`: the aggregates whose value meets a condition.

use crate::Gnocchi;
use crate::measures::write_points;
use crate::measures::{kept, no_aggregation, seconds};
use crate::reply::{Answer, Refusal, Reply};
use crate::request::{Request, not_allowed, read_time};
use crate::schema::{Checked, Invalid, list};
use ferrometer_archive::across::Binary;
use ferrometer_archive::time::parse_timespan;
use ferrometer_archive::{Nanos, Point, Range};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

const DEEPEST: usize = 64;

/// A condition on a value: comparisons of arithmetic.
#[derive(Debug)]
enum Condition {
    Number(f64),
    /// On the value itself and one number, or on two results.
    Binary(Binary, Box<Condition>, Box<Condition>),
    Value,
    All(Vec<Condition>),
    Any(Vec<Condition>),
}

impl Condition {
    fn of(&self, value: f64) -> f64 {
        match self {
            Condition::Number(number) => *number,
            Condition::Value => value,
            Condition::Binary(operator, a, b) => operator.of(a.of(value), b.of(value)),
            Condition::All(parts) => f64::from(u8::from(parts.iter().all(|part| part.of(value) != 0.0))),
            Condition::Any(parts) => f64::from(u8::from(parts.iter().any(|part| part.of(value) != 0.0))),
        }
    }
}

pub(crate) fn operator(name: &str) -> Option<Binary> {
    Some(match name {
        "=" | "==" | "eq" => Binary::Eq,
        "<" | "lt" => Binary::Lt,
        ">" | "gt" => Binary::Gt,
        "<=" | "≤" | "le" => Binary::Le,
        ">=" | "≥" | "ge" => Binary::Ge,
        "!=" | "≠" | "ne" => Binary::Ne,
        "%" | "mod" => Binary::Mod,
        "+" | "add" => Binary::Add,
        "-" | "sub" => Binary::Sub,
        "*" | "×" | "mul" => Binary::Mul,
        "/" | "÷" | "div" => Binary::Div,
        "**" | "^" | "pow" => Binary::Pow,
        _ => return None,
    })
}

fn condition(body: &Value, depth: usize) -> Checked<Condition> {
    if let Some(number) = body.as_f64() {
        return Ok(Condition::Number(number));
    }
    let map = body.as_object().filter(|map| map.len() == 1).ok_or_else(|| Invalid::new("expected a dictionary"))?;
    if depth > DEEPEST {
        return Err(Invalid::new(format!("a condition may be nested {DEEPEST} deep")));
    }
    let Some((name, inner)) = map.iter().next() else { return Err(Invalid::new("expected a dictionary")) };
    let parts = |value: &Value| -> Checked<Vec<Condition>> {
        list(value)
            .map_err(|invalid| invalid.in_key(name))?
            .iter()
            .enumerate()
            .map(|(at, part)| condition(part, depth + 1).map_err(|invalid| invalid.in_item(at).in_key(name)))
            .collect()
    };
    match (name.as_str(), inner) {
        ("and" | "∧", parts_of) => parts(parts_of).map(Condition::All),
        ("or" | "∨", parts_of) => parts(parts_of).map(Condition::Any),
        (other, inner) => {
            let operator = operator(other).ok_or_else(|| Invalid::new("extra keys not allowed").at_key(other))?;
            if let Some(number) = inner.as_f64() {
                return Ok(Condition::Binary(
                    operator,
                    Box::new(Condition::Value),
                    Box::new(Condition::Number(number)),
                ));
            }
            match <[Condition; 2]>::try_from(parts(inner)?) {
                Ok([a, b]) => Ok(Condition::Binary(operator, Box::new(a), Box::new(b))),
                Err(_) => Err(Invalid::new("length of value must be 2").in_key(name)),
            }
        }
    }
}

impl Gnocchi {
    pub(crate) fn search_values(&self, request: &Request<'_>) -> Answer {
        if request.method != Method::POST {
            return not_allowed("POST");
        }
        request.user()?;
        let ids: Vec<Uuid> = request.parameters("metric_id").iter().filter_map(|id| Uuid::parse_str(id).ok()).collect();
        let metrics = self.archive.index().metrics_by_id(&ids)?;
        metrics.iter().try_for_each(|metric| request.owner(&metric.creator))?;
        if request.body.is_empty() {
            return Err(Refusal::bad("No query specified in body"));
        }
        let condition = condition(&request.json()?, 0)?;
        let time = |name: &str| -> Result<Option<Nanos>, Refusal> {
            request
                .parameter(name)
                .map(|text| read_time(text).map_err(|_| Refusal::bad(format!("Invalid value for {name}"))))
                .transpose()
        };
        let range = Range { start: time("start")?, stop: time("stop")? };
        let parse = |text: &&str| parse_timespan(text, false).map_err(Refusal::bad);
        let mut asked: Vec<Nanos> = request.parameters("granularity").iter().map(parse).collect::<Result<_, _>>()?;
        asked.sort_unstable_by(|a, b| b.cmp(a));
        let name = request.parameter("aggregation").unwrap_or("mean");
        let mut out = String::from("{");
        for metric in &metrics {
            let policy = self.archive.policy(&metric.policy)?;
            let all = policy.definitions().iter().rev().map(|definition| definition.granularity);
            let granularities = if asked.is_empty() { all.collect() } else { asked.clone() };
            out.push_str(&format!("{}\"{}\":[", if out.ends_with('{') { "" } else { "," }, metric.id));
            for granularity in granularities {
                let method = kept(&policy, name).filter(|_| policy.definition(granularity).is_some()).ok_or_else(|| {
                    let detail = json!({"metric": metric.id.to_string(), "granularity": granularity as f64 / 1e9, "aggregation_method": name});
                    let description = json!({"cause": "Aggregation does not exist", "detail": detail, "reason": no_aggregation(name, granularity, metric)});
                    Refusal::new(StatusCode::BAD_REQUEST, description)
                })?;
                let points = self.archive.measures(metric.id, method, granularity, range)?;
                let found: Vec<Point> = points.into_iter().filter(|point| condition.of(point.value) != 0.0).collect();
                write_points(&mut out, &found, &seconds(granularity));
            }
            out.push(']');
        }
        out.push('}');
        Ok(Reply::raw(StatusCode::OK, out))
    }
}
