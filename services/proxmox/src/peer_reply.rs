//! Reads the answer of another node strictly: a reply that is not an export from its first byte to its last is none at all.

use ferrometer_core::name::{MAX_NAME_BYTES, is_name_char};
use ferrometer_core::object::{HOST, is_object};
use ferrometer_pull_cache::RecordType;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

/// A row of another node. Less than the text it was read from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PeerRow {
    pub(crate) id: Arc<str>,
    pub(crate) metric: Arc<str>,
    pub(crate) timestamp: i64,
    pub(crate) kind: RecordType,
    pub(crate) value: f64,
}

/// The rows of `{"data":{"data":[…]}}`. What a node calls `host` is shown under the node's name.
pub(crate) fn parse(bytes: &[u8], node: &str) -> Result<Vec<PeerRow>, String> {
    let mut rows = Rows { out: Vec::new(), texts: HashSet::new(), host: format!("node/{node}").into() };
    let mut input = serde_json::Deserializer::from_slice(bytes);
    let read = Layer { depth: 2, rows: &mut rows }.deserialize(&mut input).and_then(|()| input.end());
    match read {
        Ok(()) => Ok(rows.out),
        // The words of the parser hold nothing of the reply but names of fields.
        Err(why) => Err(format!("is no export: {}", why.to_string().chars().take(160).collect::<String>())),
    }
}

struct Rows {
    out: Vec<PeerRow>,
    /// Ids and names are few, and come again and again.
    texts: HashSet<Arc<str>>,
    host: Arc<str>,
}

impl Rows {
    fn share(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&new));
        new
    }
}

/// An object with one `data`, whatever else is in it; within the inner one, the rows.
struct Layer<'r> {
    depth: u8,
    rows: &'r mut Rows,
}

impl<'de> DeserializeSeed<'de> for Layer<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.depth == 0 { deserializer.deserialize_seq(self) } else { deserializer.deserialize_map(self) }
    }
}

impl<'de> Visitor<'de> for Layer<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.depth == 0 { "a list of rows" } else { "an object with data" })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut found = false;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if key != "data" {
                map.next_value::<IgnoredAny>()?;
            } else if std::mem::replace(&mut found, true) {
                return Err(A::Error::duplicate_field("data"));
            } else {
                map.next_value_seed(Layer { depth: self.depth - 1, rows: &mut *self.rows })?;
            }
        }
        if found { Ok(()) } else { Err(A::Error::missing_field("data")) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        if self.depth > 0 {
            return Err(A::Error::invalid_type(de::Unexpected::Seq, &self));
        }
        while let Some(row) = rows.next_element::<Given<'de>>()? {
            let wrong = |what: &str| A::Error::custom(format!("the {what} of row {} is none", self.rows.out.len() + 1));
            if !is_object(&row.id) {
                return Err(wrong("id"));
            }
            let is_name = |part: &str| !part.is_empty() && part.chars().all(is_name_char);
            if row.metric.len() > MAX_NAME_BYTES || !row.metric.split('.').all(is_name) {
                return Err(wrong("metric"));
            }
            if !row.value.is_finite() {
                return Err(wrong("value"));
            }
            let kind = match row.kind {
                Kind::Gauge => RecordType::Gauge,
                Kind::Counter => RecordType::Counter,
                Kind::Derive => RecordType::Derive,
            };
            let id = if row.id == HOST { Arc::clone(&self.rows.host) } else { self.rows.share(&row.id) };
            let metric = self.rows.share(&row.metric);
            self.rows.out.push(PeerRow { id, metric, timestamp: row.timestamp, kind, value: row.value });
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    metric: Cow<'a, str>,
    timestamp: i64,
    #[serde(rename = "type")]
    kind: Kind,
    value: f64,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Gauge,
    Counter,
    Derive,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_is_read() {
        let row = |id: &str, metric: &str, timestamp, kind, value| PeerRow {
            id: id.into(),
            metric: metric.into(),
            timestamp,
            kind,
            value,
        };
        let text = r#"{"success":1,"data":{"data":[
            {"id":"node/b","metric":"cpu","timestamp":1,"type":"gauge","value":5},
            {"timestamp":2,"value":-1.5e3,"type":"derive","metric":"a.b-c_d","id":"qemu/1"},
            {"id":"host","metric":"up","timestamp":-3,"type":"counter","value":0.0}],"x":[[]]}}"#;
        let expected = [
            row("node/b", "cpu", 1, RecordType::Gauge, 5.0),
            row("qemu/1", "a.b-c_d", 2, RecordType::Derive, -1500.0),
            row("node/n", "up", -3, RecordType::Counter, 0.0),
        ];
        assert_eq!(parse(text.as_bytes(), "n").unwrap(), expected);
        assert_eq!(parse(b"{\"data\":{\"data\":[]}}", "n").unwrap(), []);
    }

    #[test]
    fn what_is_none_is_refused_whole() {
        let with = |row: &str| {
            format!(
                "{{\"data\":{{\"data\":[{{\"id\":\"a\",\"metric\":\"b\",\"timestamp\":1,\"type\":\"gauge\",\"value\":1}},{row}]}}}}"
            )
        };
        let row = |id: &str, metric: &str, timestamp: &str, kind: &str, value: &str| {
            with(&format!(
                "{{\"id\":{id},\"metric\":{metric},\"timestamp\":{timestamp},\"type\":{kind},\"value\":{value}}}"
            ))
        };
        assert_eq!(parse(row("\"a\"", "\"b\"", "2", "\"gauge\"", "2").as_bytes(), "n").unwrap().len(), 2);
        for bad in [
            String::new(),
            "garbage".into(),
            "null".into(),
            "[]".into(),
            "{}".into(),
            "{\"data\":[]}".into(),
            "{\"data\":null}".into(),
            "{\"data\":{\"data\":{}}}".into(),
            "{\"data\":{\"data\":[]}} x".into(),
            "{\"data\":{\"data\":[],\"data\":[]}}".into(),
            "{\"data\":{\"data\":[".into(),
            "[".repeat(100_000),
            with("{}"),
            with("1"),
            row("\"a b\"", "\"b\"", "1", "\"gauge\"", "1"),
            row("\"../a\"", "\"b\"", "1", "\"gauge\"", "1"),
            row("\"a\\nb\"", "\"b\"", "1", "\"gauge\"", "1"),
            row("1", "\"b\"", "1", "\"gauge\"", "1"),
            row("\"a\"", "\"b\\\"\"", "1", "\"gauge\"", "1"),
            row("\"a\"", "\"\"", "1", "\"gauge\"", "1"),
            row("\"a\"", "\"b..c\"", "1", "\"gauge\"", "1"),
            row("\"a\"", "\"b\"", "1.5", "\"gauge\"", "1"),
            row("\"a\"", "\"b\"", "99999999999999999999", "\"gauge\"", "1"),
            row("\"a\"", "\"b\"", "1", "\"absolute\"", "1"),
            row("\"a\"", "\"b\"", "1", "\"gauge\"", "\"1\""),
            row("\"a\"", "\"b\"", "1", "\"gauge\"", "1e999"),
            row("\"a\"", "\"b\"", "1", "\"gauge\"", "NaN"),
            row("\"a\"", "\"b\"", "1", "\"gauge\"", "1,\"x\":1"),
        ] {
            assert!(parse(bad.as_bytes(), "n").is_err(), "{:?}", &bad[..bad.len().min(200)]);
        }
    }
}
