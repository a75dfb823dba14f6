//! The parameters of a request: of its address and of its body, a form or JSON.

use crate::manage::Failure;
use ferrometer_http::{Bytes, HeaderMap, decode, header, shorten};
use serde_json::Value;
use std::collections::BTreeMap;

/// The most bytes of a body.
pub(crate) const MOST_BODY: usize = 64 * 1024;
/// Between several values of one parameter, as the HTTP server of Proxmox VE hands them on.
const BETWEEN: char = '\0';

/// Parameters by name.
pub(crate) type Params = BTreeMap<String, String>;

/// Reads all parameters.
pub(crate) fn read(query: Option<&str>, headers: &HeaderMap, body: &Bytes) -> Result<Params, Failure> {
    let mut params = Params::new();
    form(&mut params, query.unwrap_or_default());
    if body.is_empty() {
        return Ok(params);
    }
    let wrong = |why: &str| Failure::Parameters(vec![("body".to_owned(), why.to_owned())]);
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "application/json" => {
            let parsed: Result<Value, _> = serde_json::from_slice(body);
            let Ok(Value::Object(all)) = parsed else { return Err(wrong("expected a JSON object")) };
            for (key, value) in all {
                let text = text(value)
                    .ok_or_else(|| wrong(&format!("'{}' is no text, number or list of them", shorten(&key))))?;
                add(&mut params, key, &text);
            }
        }
        "application/x-www-form-urlencoded" | "" => {
            let text = std::str::from_utf8(body).map_err(|_| wrong("expected a form in UTF-8"))?;
            form(&mut params, text);
        }
        _ => return Err(wrong("expected application/x-www-form-urlencoded or application/json")),
    }
    Ok(params)
}

fn form(params: &mut Params, text: &str) {
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        add(params, decode(key), &decode(value));
    }
}

fn add(params: &mut Params, key: String, value: &str) {
    params
        .entry(key)
        .and_modify(|all| {
            all.push(BETWEEN);
            all.push_str(value);
        })
        .or_insert_with(|| value.to_owned());
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(if flag { "1" } else { "0" }.to_owned()),
        Value::Array(all) => {
            let all: Option<Vec<String>> = all.into_iter().map(text).collect();
            all.map(|all| all.join(&BETWEEN.to_string()))
        }
        Value::Null | Value::Object(_) => None,
    }
}

/// Splits a list at commas, semicolons and white space.
pub(crate) fn list(text: &str) -> Vec<String> {
    let names = text.split([',', ';', BETWEEN, ' ', '\t', '\n', '\r']).filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferrometer_http::HeaderValue;

    #[test]
    fn forms_json_and_addresses_say_the_same() {
        let read = |query, kind: &'static str, body: &'static [u8]| {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
            super::read(query, &headers, &Bytes::from_static(body))
        };
        let expected = Params::from([("a".into(), "1 2".into()), ("d".into(), "x\0y".into())]);
        for (query, kind, body) in [
            (Some("a=1+2&d=x&d=y"), "", &b""[..]),
            (None, "application/x-www-form-urlencoded", b"a=1%202&d=x&d=y"),
            (Some("a=1%202"), "application/json; charset=utf-8", br#"{"d":["x","y"]}"#),
        ] {
            assert_eq!(read(query, kind, body), Ok(expected.clone()));
        }
        assert_eq!(list("a,b;c d\0e"), ["a", "b", "c", "d", "e"]);
        for (kind, body) in [
            ("application/json", &b"[]"[..]),
            ("application/json", b"{"),
            ("application/json", br#"{"a":{}}"#),
            ("application/json", br#"{"a":null}"#),
            ("text/plain", b"a=1"),
            ("", b"\xff"),
        ] {
            assert!(matches!(read(None, kind, body), Err(Failure::Parameters(_))), "{kind} {body:?}");
        }
    }
}
