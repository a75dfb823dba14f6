//! Conditions on resources: as JSON, and as text (`project_id = "x" and not (ended_at = null)`).

use crate::references::resource_id;
use crate::reply::Refusal;
use crate::request::Request;
use crate::schema::{Checked, Invalid, dictionary, list};
use ferrometer_archive::search::{Compare, Filter, Value as Wanted};
use serde_json::Value;

const DEEPEST: usize = 64;

fn comparison(name: &str) -> Option<Compare> {
    Some(match name {
        "=" | "==" | "eq" => Compare::Eq,
        "<" | "lt" => Compare::Lt,
        ">" | "gt" => Compare::Gt,
        "<=" | "≤" | "le" => Compare::Le,
        ">=" | "≥" | "ge" => Compare::Ge,
        "!=" | "≠" | "ne" => Compare::Ne,
        "like" => Compare::Like,
        _ => return None,
    })
}

fn scalar(value: &Value) -> Checked<Wanted> {
    Ok(match value {
        Value::Null => Wanted::Null,
        Value::Bool(truth) => Wanted::Bool(*truth),
        Value::Number(number) => Wanted::Number(number.as_f64().unwrap_or(0.0)),
        Value::String(text) => Wanted::Text(text.clone()),
        _ => return Err(Invalid::new("expected str")),
    })
}

/// Returns a value of an attribute; ids become UUIDs as those of resources do.
fn value(attribute: &str, value: &Value, creator: &str) -> Checked<Wanted> {
    match (attribute, value) {
        ("id", Value::String(text)) => Ok(Wanted::Text(resource_id(text, creator)?.to_string())),
        ("id", _) => Err(Invalid::new("not a valid value")),
        _ => scalar(value),
    }
}

/// Reads a condition of JSON; none for an empty object.
pub(crate) fn from_json(body: &Value, creator: &str) -> Checked<Option<Filter>> {
    read(body, creator, 0)
}

fn read(body: &Value, creator: &str, depth: usize) -> Checked<Option<Filter>> {
    let map = dictionary(body)?;
    if map.len() > 1 {
        return Err(Invalid::new("length of value must be at most 1"));
    }
    if depth > DEEPEST {
        return Err(Invalid::new(format!("a filter may be nested {DEEPEST} deep")));
    }
    let Some((name, inner)) = map.iter().next() else { return Ok(None) };
    let filter = match name.as_str() {
        "and" | "∧" | "or" | "∨" => {
            let items =
                list(inner).and_then(|items| if items.is_empty() { Err(Invalid::new(SHORT)) } else { Ok(items) });
            let items = items.map_err(|invalid| invalid.in_key(name))?;
            let part = |(at, item)| {
                read(item, creator, depth + 1).map_err(|invalid: Invalid| invalid.in_item(at).in_key(name))
            };
            let parts: Vec<Filter> =
                items.iter().enumerate().map(part).filter_map(Result::transpose).collect::<Result<_, _>>()?;
            if matches!(name.as_str(), "and" | "∧") { Filter::And(parts) } else { Filter::Or(parts) }
        }
        "not" => {
            let part = read(inner, creator, depth + 1).map_err(|invalid| invalid.in_key(name))?;
            Filter::Not(Box::new(part.unwrap_or(Filter::And(Vec::new()))))
        }
        "in" => {
            let (attribute, items) = pair(inner).map_err(|invalid| invalid.in_key(name))?;
            let items =
                list(items).and_then(|items| if items.is_empty() { Err(Invalid::new(SHORT)) } else { Ok(items) });
            let items = items.map_err(|invalid| invalid.in_key(attribute).in_key(name))?;
            let item = |(at, item)| {
                value(attribute, item, creator)
                    .map_err(|invalid: Invalid| invalid.in_item(at).in_key(attribute).in_key(name))
            };
            Filter::In(attribute.into(), items.iter().enumerate().map(item).collect::<Result<_, _>>()?)
        }
        other => {
            let compare = comparison(other).ok_or_else(|| Invalid::new("not a valid value").at_key(other))?;
            let (attribute, wanted) = pair(inner).map_err(|invalid| invalid.in_key(name))?;
            if compare == Compare::Like && attribute == "id" {
                return Err(Invalid::new("value must not be one of ['id']").at_key("id").at_key(name));
            }
            let wanted = value(attribute, wanted, creator).map_err(|invalid| invalid.in_key(attribute).in_key(name))?;
            Filter::Compare(compare, attribute.into(), wanted)
        }
    };
    Ok(Some(filter))
}

const SHORT: &str = "length of value must be at least 1";

fn pair(value: &Value) -> Checked<(&str, &Value)> {
    let map = dictionary(value)?;
    match map.len() {
        0 => Err(Invalid::new(SHORT)),
        1 => map.iter().next().map(|(name, value)| (name.as_str(), value)).ok_or_else(|| Invalid::new(SHORT)),
        _ => Err(Invalid::new("length of value must be at most 1")),
    }
}

/// Returns the condition of a request: its body, or its parameter `filter`.
pub(crate) fn of_request(request: &Request<'_>, creator: &str) -> Result<Option<Filter>, Refusal> {
    if !request.body.is_empty() {
        return Ok(from_json(&request.json()?, creator)?);
    }
    match request.parameter("filter").filter(|text| !text.is_empty()) {
        Some(text) => from_text(text, creator).map(Some),
        None => Ok(None),
    }
}

/// Reads a condition of text.
pub(crate) fn from_text(text: &str, creator: &str) -> Result<Filter, Refusal> {
    let mut parser = Parser { rest: text, all: text, depth: 0 };
    let tree = parser.either()?;
    parser.space();
    if !parser.rest.is_empty() {
        return Err(parser.expected("end of text"));
    }
    let filter = from_json(&tree, creator)?;
    filter.ok_or_else(|| parser.expected("a condition"))
}

/// Builds the JSON form, which is then checked as one that came as JSON.
struct Parser<'a> {
    rest: &'a str,
    all: &'a str,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn expected(&self, what: &str) -> Refusal {
        let at = self.all.len() - self.rest.len();
        Refusal::bad(format!(
            "Invalid filter: Expected {what}, found {:?}  (at char {at}), (line:1, col:{})",
            self.rest.chars().take(16).collect::<String>(),
            at + 1
        ))
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        self.space();
        match self.rest.strip_prefix(token) {
            // A word ends where its letters do.
            Some(rest)
                if !(token.ends_with(char::is_alphanumeric)
                    && rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')) =>
            {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn either(&mut self) -> Result<Value, Refusal> {
        let mut parts = vec![self.all()?];
        while self.take("or") || self.take("∨") {
            parts.push(self.all()?);
        }
        Ok(group("or", parts))
    }

    fn all(&mut self) -> Result<Value, Refusal> {
        let mut parts = vec![self.single()?];
        while self.take("and") || self.take("∧") {
            parts.push(self.single()?);
        }
        Ok(group("and", parts))
    }

    fn single(&mut self) -> Result<Value, Refusal> {
        self.depth += 1;
        if self.depth > 4 * DEEPEST {
            return Err(self.expected("a shorter filter"));
        }
        if self.take("not") {
            return Ok(serde_json::json!({"not": self.single()?}));
        }
        if self.take("(") {
            let inner = self.either()?;
            return if self.take(")") { Ok(inner) } else { Err(self.expected("')'")) };
        }
        let attribute = match self.term()? {
            Value::String(name) => name,
            _ => return Err(self.expected("the name of an attribute")),
        };
        // Longer ones first, so that none is taken for a part of it.
        const OPERATORS: [&str; 17] =
            [">=", "<=", "!=", "≠", "≥", "≤", ">", "<", "=", "eq", "ne", "lt", "gt", "ge", "le", "in", "like"];
        let operator = OPERATORS.into_iter().find(|operator| self.take(operator));
        let operator = operator.ok_or_else(|| self.expected("an operator"))?;
        let value = self.term()?;
        Ok(serde_json::json!({operator: {attribute: value}}))
    }

    fn term(&mut self) -> Result<Value, Refusal> {
        self.space();
        if self.take("[") {
            let mut items = Vec::new();
            while !self.take("]") {
                if !items.is_empty() && !self.take(",") {
                    return Err(self.expected("','"));
                }
                items.push(self.term()?);
            }
            return Ok(items.into());
        }
        if let Some(quote) = self.rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
            let inner = &self.rest[1..];
            let end = inner.find(quote).ok_or_else(|| self.expected("the end of a quoted text"))?;
            self.rest = &inner[end + 1..];
            return Ok(inner[..end].into());
        }
        let end = self
            .rest
            .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '+')))
            .unwrap_or(self.rest.len());
        let word: &'a str = &self.rest[..end];
        let value = match word {
            "" => return Err(self.expected("a name or a value")),
            "None" | "none" | "null" => Value::Null,
            "True" | "true" => true.into(),
            "False" | "false" => false.into(),
            word if uuid::Uuid::parse_str(word).is_ok() => word.into(),
            word => match word.parse::<f64>() {
                Ok(number) if word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-')) => number.into(),
                _ if word.starts_with(char::is_alphabetic) && !word.contains(['.', '+']) => word.into(),
                _ => return Err(self.expected("a name or a value")),
            },
        };
        self.rest = &self.rest[end..];
        Ok(value)
    }
}

fn group(name: &str, mut parts: Vec<Value>) -> Value {
    if parts.len() == 1 { parts.remove(0) } else { serde_json::json!({name: parts}) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(filter: &str) -> Filter {
        from_text(filter, "me").unwrap()
    }

    #[test]
    fn text_and_json_say_the_same() {
        let json = |body: Value| from_json(&body, "me").unwrap().unwrap();
        assert_eq!(text("a=1"), json(serde_json::json!({"=": {"a": 1.0}})));
        assert_eq!(
            text("not (a = \"x y\" or b in [1, 'two', null]) and c >= 2"),
            json(
                serde_json::json!({"and": [{"not": {"or": [{"=": {"a": "x y"}}, {"in": {"b": [1.0, "two", null]}}]}}, {">=": {"c": 2.0}}]})
            )
        );
        assert_eq!(
            text("a≠true∧b like '%x'"),
            json(serde_json::json!({"and": [{"≠": {"a": true}}, {"like": {"b": "%x"}}]}))
        );
        assert_eq!(text("inner like 'x'"), json(serde_json::json!({"like": {"inner": "x"}})));
        // Ids become those of resources.
        assert_eq!(text("id = my-thing"), json(serde_json::json!({"=": {"id": "my-thing"}})));
    }

    #[test]
    fn nonsense_is_refused_with_the_place() {
        for wrong in
            ["", "a", "a=", "a=1 b=2", "(a=1", "a in [1", "a='x", "a=1 and", "1=a", "and", "not", "é", "a=[1,2]]"]
        {
            let refusal = from_text(wrong, "me").unwrap_err();
            assert!(refusal.description.to_string().contains("Invalid"), "{wrong}: {}", refusal.description);
        }
        assert!(from_text(&"(".repeat(100_000), "me").is_err());
        assert!(from_text(&"not ".repeat(100_000), "me").is_err());
        let mut deep = serde_json::json!({"=": {"a": 1}});
        for _ in 0..100 {
            deep = serde_json::json!({"not": deep});
        }
        assert!(from_json(&deep, "me").is_err());
    }
}
