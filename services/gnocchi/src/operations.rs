//! Operations of `/v1/aggregates`, as JSON lists or as text in parentheses, read into a tree.

use crate::reply::Refusal;
use crate::schema::{Checked, Invalid};
use crate::values::operator;
use ferrometer_archive::across::{Aggregator, Binary, Operation, Unary};
use ferrometer_archive::time::parse_timespan;
use serde_json::{Value, json};
use std::collections::HashSet;

const DEEPEST: usize = 64;

/// A metric or a pattern, and a method.
pub(crate) type Reference = (String, String);

/// A tree, and the metrics that it names, each once, in order.
#[derive(Debug)]
pub(crate) struct Tree {
    pub operation: Operation,
    pub references: Vec<Reference>,
}

/// Reads the key `operations` of a body.
pub(crate) fn read(body: &Value) -> Result<Tree, Refusal> {
    let parsed;
    let body = match body {
        Value::String(text) => {
            parsed = from_text(text)?;
            &parsed
        }
        other => other,
    };
    if body.is_number() {
        return Err(Invalid::new("Expected a tuple/list, got a number").in_key("operations").into());
    }
    let operation = node(body, 0).map_err(|invalid| invalid.in_key("operations"))?;
    let mut references = Vec::new();
    collect(&operation, &mut references);
    let mut seen = HashSet::new();
    references.retain(|reference| seen.insert(reference.clone()));
    if references.is_empty() {
        let reason = "At least one 'metric' is required";
        return Err(Refusal::bad(json!({"cause": "Operations is invalid", "reason": reason, "detail": body})));
    }
    Ok(Tree { operation, references })
}

fn collect(operation: &Operation, references: &mut Vec<Reference>) {
    match operation {
        Operation::Number(_) => {}
        Operation::Metric(named) => references.extend_from_slice(named),
        Operation::Aggregate(_, _, inner)
        | Operation::Resample(_, _, inner)
        | Operation::Rolling(_, _, _, inner)
        | Operation::Unary(_, inner)
        | Operation::Change(_, inner) => collect(inner, references),
        Operation::Binary(_, a, b) => [a, b].into_iter().for_each(|inner| collect(inner, references)),
        Operation::Clip(a, b, c) => {
            [Some(a), Some(b), c.as_ref()].into_iter().flatten().for_each(|inner| collect(inner, references))
        }
    }
}

fn unary(name: &str) -> Option<Unary> {
    Some(match name {
        "abs" | "absolute" => Unary::Abs,
        "neg" | "negative" => Unary::Neg,
        "cos" => Unary::Cos,
        "sin" => Unary::Sin,
        "tan" => Unary::Tan,
        "floor" => Unary::Floor,
        "ceil" => Unary::Ceil,
        _ => return None,
    })
}

fn binary(name: &str) -> Option<Binary> {
    match name {
        "clip_min" => Some(Binary::ClipMin),
        "clip_max" => Some(Binary::ClipMax),
        "max" => Some(Binary::Max),
        other => operator(other),
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()).filter(|number: &f64| number.is_finite())
}

fn node(value: &Value, depth: usize) -> Checked<Operation> {
    if let Some(number) = number(value) {
        return Ok(Operation::Number(number));
    }
    let Some(parts) = value.as_array() else {
        let kind = match value {
            Value::String(_) => "str",
            Value::Object(_) => "dict",
            Value::Bool(_) => "bool",
            _ => "NoneType",
        };
        return Err(Invalid::new(format!("Expected a tuple/list, got a <class '{kind}'>")));
    };
    if depth > DEEPEST {
        return Err(Invalid::new(format!("operations may be nested {DEEPEST} deep")));
    }
    let (name, rest) = match &parts[..] {
        [] => return Err(Invalid::new("Operation must not be empty")),
        [_] => return Err(Invalid::new("Operation need at least one argument")),
        [name, rest @ ..] => (name.as_str().unwrap_or(""), rest),
    };
    let wrong = || Invalid::new(format!("'{name}' operation invalid"));
    let go = |value: &Value| node(value, depth + 1).map(Box::new);
    let aggregator = |value: &Value| value.as_str().and_then(Aggregator::from_name).ok_or_else(wrong);
    Ok(match (name, rest) {
        ("metric", _) => Operation::Metric(metrics(rest)?),
        ("aggregate", [with, inner]) => {
            let (with, rate) = aggregator(with)?;
            Operation::Aggregate(with, rate, go(inner)?)
        }
        ("resample", [with, span, inner]) => {
            let span = match span {
                Value::String(text) => parse_timespan(text, false),
                other => parse_timespan(&other.to_string(), false),
            };
            let (with, _) = aggregator(with)?;
            Operation::Resample(with, span.map_err(|_| wrong())?, go(inner)?)
        }
        ("rolling", [with, length, inner]) => {
            let length = number(length).filter(|length| *length >= 1.0 && *length < 1e9).ok_or_else(wrong)?;
            let (with, rate) = aggregator(with)?;
            Operation::Rolling(with, rate, length as usize, go(inner)?)
        }
        ("rateofchange", [inner]) => Operation::Change(false, go(inner)?),
        ("rateofchangesec", [inner]) => Operation::Change(true, go(inner)?),
        ("clip", [value, low]) => Operation::Clip(go(value)?, go(low)?, None),
        ("clip", [value, low, high]) => Operation::Clip(go(value)?, go(low)?, Some(go(high)?)),
        (name, [inner]) => Operation::Unary(unary(name).ok_or_else(wrong)?, go(inner)?),
        (name, [left, right]) => Operation::Binary(binary(name).ok_or_else(wrong)?, go(left)?, go(right)?),
        _ => return Err(wrong()),
    })
}

fn metrics(parts: &[Value]) -> Checked<Vec<Reference>> {
    let pair = |parts: &[Value]| match parts {
        [Value::String(metric), Value::String(method)] => Some((metric.clone(), method.clone())),
        _ => None,
    };
    if let Some(one) = pair(parts) {
        return Ok(vec![one]);
    }
    let many = parts.iter().map(|part| part.as_array().and_then(|part| pair(part)));
    many.collect::<Option<_>>()
        .ok_or_else(|| Invalid::new("expected a metric and an aggregation method, or a list of such pairs"))
}

/// Reads text in parentheses into lists of texts.
fn from_text(text: &str) -> Result<Value, Refusal> {
    let fail = |detail: String| {
        Refusal::bad(
            json!({"cause": "Invalid operations", "reason": "Fail to parse the operations string", "detail": detail}),
        )
    };
    let mut open: Vec<Vec<Value>> = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let at = text.len() - rest.len();
        let length = match first {
            '(' if open.len() > DEEPEST => return Err(fail(format!("nested deeper than {DEEPEST}, (at char {at})"))),
            '(' => {
                open.push(Vec::new());
                1
            }
            ')' => {
                let done = open.pop().ok_or_else(|| {
                    fail(format!("Expected '(', found ')'  (at char {at}), (line:1, col:{})", at + 1))
                })?;
                match open.last_mut() {
                    Some(outer) => outer.push(done.into()),
                    // Text behind the first list is left out, as Gnocchi does.
                    None => return Ok(done.into()),
                }
                1
            }
            quote @ ('"' | '\'') => {
                let inner = &rest[1..];
                let end =
                    inner.find(quote).ok_or_else(|| fail(format!("a quote that does not end  (at char {at})")))?;
                open.last_mut().ok_or_else(|| fail(format!("Expected '('  (at char {at})")))?.push(inner[..end].into());
                end + 2
            }
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || c == '(' || c == ')').unwrap_or(rest.len());
                open.last_mut().ok_or_else(|| fail(format!("Expected '('  (at char {at})")))?.push(rest[..end].into());
                end
            }
        };
        rest = rest[length..].trim_start();
    }
    Err(fail(format!("Expected ')', found end of text  (at char {}), (line:1, col:{})", text.len(), text.len() + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_lists_say_the_same() {
        let text = read(&json!("(+ (aggregate mean (metric (a mean) (b 'rate:max'))) 2.5)")).unwrap();
        let list =
            read(&json!(["+", ["aggregate", "mean", ["metric", ["a", "mean"], ["b", "rate:max"]]], 2.5])).unwrap();
        assert_eq!(text.operation, list.operation);
        assert_eq!(text.references, [("a".to_owned(), "mean".to_owned()), ("b".into(), "rate:max".into())]);
    }

    #[test]
    fn nonsense_is_refused_in_gnocchis_words() {
        for (body, words) in [
            (json!([]), "Operation must not be empty for dictionary value @ data['operations']"),
            (json!(["metric"]), "Operation need at least one argument"),
            (json!(["notexist", ["metric", "a", "mean"]]), "'notexist' operation invalid"),
            (json!(["rolling", "mean", 0, ["metric", "a", "mean"]]), "'rolling' operation invalid"),
            (json!(["resample", "mean", "bad", ["metric", "a", "mean"]]), "'resample' operation invalid"),
            (json!({}), "Expected a tuple/list, got a"),
            (json!("(metric a"), "Fail to parse the operations string"),
            (json!(")"), "Fail to parse the operations string"),
            (json!("x"), "Fail to parse the operations string"),
            (json!(["+", 1, 2]), "At least one 'metric' is required"),
            (json!(["metric", "a"]), "expected a metric"),
            (json!("(".repeat(100_000)), "nested deeper"),
        ] {
            let refusal = read(&body).unwrap_err();
            assert!(refusal.description.to_string().contains(words), "{body}: {}", refusal.description);
        }
    }
}
