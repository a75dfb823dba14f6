//! The groups of an aggregation with the largest values, and the others added up: `top=5`, `top_by=max`, `rest=false`.

use crate::reply::Refusal;
use crate::request::Request;
use ferrometer_archive::{Kind, aggregate, sum};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Parameters of the question.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Top {
    groups: usize,
    by: Kind,
    rest: bool,
}

/// One row: when, its granularity, and the value.
type Row = (String, f64, f64);

impl Top {
    /// Reads what is asked for; none where it is not.
    pub fn of(request: &Request<'_>) -> Result<Option<Top>, Refusal> {
        let Some(text) = request.parameter("top") else { return Ok(None) };
        let groups = text.trim().parse().ok().filter(|groups| *groups > 0);
        let groups = groups.ok_or_else(|| Refusal::argument("top", "Must be a number of at least 1"))?;
        let by = match request.parameter("top_by").unwrap_or("mean") {
            "mean" => Kind::Mean,
            "sum" => Kind::Sum,
            "max" => Kind::Max,
            "min" => Kind::Min,
            "last" => Kind::Last,
            _ => return Err(Refusal::argument("top_by", "Must be mean, sum, max, min or last")),
        };
        Ok(Some(Top { groups, by, rest: request.truth("rest", true)? }))
    }

    /// Returns the answer: the groups, from the largest, and behind them what the others come to at each time.
    pub fn answer(self, groups: Vec<(Map<String, Value>, String)>) -> Result<String, Refusal> {
        let mut ranked = Vec::with_capacity(groups.len());
        for (group, body) in groups {
            let rows = rows(&body).ok_or_else(|| {
                Refusal::argument("top", "Must be used with an operation that aggregates: (aggregate …)")
            })?;
            // All granularities tell of the same points; the finest does it best.
            let finest = rows.iter().map(|row| row.1).fold(f64::INFINITY, f64::min);
            let values: Vec<f64> = rows.iter().filter(|row| row.1 == finest).map(|row| row.2).collect();
            ranked.push((aggregate(self.by, &values), group, body, rows));
        }
        // Groups without a value are last, equals stay in their order.
        ranked.sort_by(|a, b| {
            let value = |rank: &Option<f64>| rank.unwrap_or(f64::NEG_INFINITY);
            value(&b.0).total_cmp(&value(&a.0))
        });
        let rest = ranked.split_off(self.groups.min(ranked.len()));
        let part = |(_, group, body, _): &(Option<f64>, Map<String, Value>, String, Vec<Row>)| {
            format!("{{\"group\":{},\"measures\":{body}}}", Value::from(group.clone()))
        };
        let mut parts: Vec<String> = ranked.iter().map(part).collect();
        if self.rest && !rest.is_empty() {
            let measures = added(rest.iter().flat_map(|(.., rows)| rows));
            parts.push(
                json!({"group": null, "groups": rest.len(), "measures": {"measures": {"aggregated": measures}}})
                    .to_string(),
            );
        }
        Ok(format!("[{}]", parts.join(",")))
    }
}

/// The rows of what an aggregation came to; none where it is no aggregation.
fn rows(body: &str) -> Option<Vec<Row>> {
    let body: Value = serde_json::from_str(body).ok()?;
    let row = |row: &Value| Some((row[0].as_str()?.to_owned(), row[1].as_f64()?, row[2].as_f64()?));
    // A value that is none takes no part.
    Some(body["measures"]["aggregated"].as_array()?.iter().filter_map(row).collect())
}

/// Rows added up at each time and granularity, longest first, as measures are told.
fn added<'r>(rows: impl Iterator<Item = &'r Row>) -> Vec<Value> {
    let mut all: BTreeMap<(std::cmp::Reverse<u64>, &str), Vec<f64>> = BTreeMap::new();
    for (at, granularity, value) in rows {
        // The bits of positive floats are in their order.
        all.entry((std::cmp::Reverse(granularity.to_bits()), at)).or_default().push(*value);
    }
    let row = |((granularity, at), values): ((std::cmp::Reverse<u64>, &str), Vec<f64>)| {
        json!([at, f64::from_bits(granularity.0), sum(&values)])
    };
    all.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str, rows: &[(&str, f64, f64)]) -> (Map<String, Value>, String) {
        let group = [("host".to_owned(), Value::from(name))].into_iter().collect();
        (group, json!({"measures": {"aggregated": rows}}).to_string())
    }

    #[test]
    fn the_largest_stay_and_the_others_are_added_up() {
        let groups = || {
            vec![
                group("small", &[("a", 300.0, 1.0), ("a", 60.0, 1.0), ("b", 60.0, 2.0)]),
                group("none", &[]),
                group("big", &[("a", 60.0, 50.0)]),
                group("middle", &[("a", 300.0, 5.0), ("b", 60.0, 5.0)]),
            ]
        };
        let top = Top { groups: 1, by: Kind::Max, rest: true };
        let answer: Value = serde_json::from_str(&top.answer(groups()).unwrap()).unwrap();
        assert_eq!(answer[0]["group"], json!({"host": "big"}));
        let rest = json!([["a", 300.0, 6.0], ["a", 60.0, 1.0], ["b", 60.0, 7.0]]);
        assert_eq!(answer[1], json!({"group": null, "groups": 3, "measures": {"measures": {"aggregated": rest}}}));
        let all = Top { groups: 9, by: Kind::Mean, rest: true }.answer(groups()).unwrap();
        let all: Value = serde_json::from_str(&all).unwrap();
        let names: Vec<&str> =
            all.as_array().unwrap().iter().map(|part| part["group"]["host"].as_str().unwrap()).collect();
        assert_eq!(names, ["big", "middle", "small", "none"]);
        let apart = (Map::new(), json!({"measures": {"x": {}}}).to_string());
        assert!(top.answer(vec![apart]).is_err());
    }
}
