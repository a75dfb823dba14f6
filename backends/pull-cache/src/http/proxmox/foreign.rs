//! What another node says at `/v1/metrics` and `/v1/instruments`, read strictly and written anew: what is handed on holds nothing but
//! records and instruments, whoever answered.

use super::state::State;
use super::{foreign_rows, reply};
use crate::http::answer::json;
use crate::http::cursor::Cursor;
use crate::http::query::Query;
use ferrometer_core::name::{MAX_NAME_BYTES, is_name_char};
use ferrometer_core::object::is_object;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What is asked of another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Metrics,
    Instruments,
}

impl Kind {
    pub(super) fn route(self) -> &'static str {
        match self {
            Kind::Metrics => "/v1/metrics",
            Kind::Instruments => "/v1/instruments",
        }
    }
}

/// The answer, with the node's state before it.
pub(super) fn hand_on(kind: Kind, bytes: &[u8], node: &State) -> Result<Vec<u8>, String> {
    let wrong = |why: serde_json::Error| format!("is none: {}", why.to_string().chars().take(160).collect::<String>());
    Ok(match kind {
        Kind::Metrics => {
            let records: Records<'_> = serde_json::from_slice(bytes).map_err(wrong)?;
            records.check().map_err(|why| format!("is none: {why}"))?;
            json(&Whole { node, said: records })
        }
        Kind::Instruments => {
            let instruments: Instruments = serde_json::from_slice(bytes).map_err(wrong)?;
            instruments.check().map_err(|why| format!("is none: {why}"))?;
            json(&Whole { node, said: instruments })
        }
    })
}

/// The instruments of a node that serves the export alone.
pub(super) fn bare_instruments(node: &State) -> Vec<u8> {
    json(&Whole { node, said: foreign_rows::instruments() })
}

/// The export of such a node, as records. `Ok(None)`: what stood before the cursor is not there.
pub(super) fn export(bytes: &[u8], node: &State, name: &str, query: &Query) -> Result<Option<Vec<u8>>, String> {
    let mut rows = reply::parse(bytes, name)?;
    Ok(foreign_rows::records(&mut rows, name, query).map(|said| json(&Whole { node, said })))
}

/// The answer where the node gives none: its state, and nothing else.
pub(super) fn nothing(kind: Kind, node: &State) -> Vec<u8> {
    match kind {
        Kind::Metrics => json(&Whole { node, said: Records::default() }),
        Kind::Instruments => json(&Whole { node, said: Instruments::default() }),
    }
}

#[derive(Serialize)]
struct Whole<'a, T> {
    node: &'a State,
    #[serde(flatten)]
    said: T,
}

#[derive(Default, Deserialize, Serialize)]
pub(super) struct Records<'a> {
    #[serde(borrow)]
    pub(super) data: Vec<Record<'a>>,
    pub(super) window: Window,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

#[derive(Default, Deserialize, Serialize)]
pub(super) struct Window {
    pub(super) from: Option<i64>,
    pub(super) to: Option<i64>,
}

#[derive(Deserialize, Serialize)]
pub(super) struct Record<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) metric: Cow<'a, str>,
    pub(super) timestamp: i64,
    #[serde(rename = "type")]
    pub(super) kind: Type,
    pub(super) value: f64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) labels: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Type {
    Gauge,
    Counter,
    Derive,
}

impl Records<'_> {
    fn check(&self) -> Result<(), String> {
        for (at, record) in self.data.iter().enumerate() {
            let wrong = |what: &str| Err(format!("the {what} of record {} is none", at + 1));
            if !is_object(&record.id) {
                return wrong("id");
            }
            if !is_name(&record.metric) {
                return wrong("metric");
            }
            if !record.value.is_finite() {
                return wrong("value");
            }
            if !record.labels.keys().all(|key| !key.is_empty() && key.chars().all(is_name_char)) {
                return wrong("key of a label");
            }
        }
        match &self.next {
            Some(next) if Cursor::parse(next).is_none() => Err("next is none".into()),
            _ => Ok(()),
        }
    }
}

#[derive(Default, Deserialize, Serialize)]
pub(super) struct Instruments {
    pub(super) interval: f64,
    pub(super) generations: u64,
    pub(super) window: f64,
    pub(super) left_out: u64,
    pub(super) instruments: Vec<Instrument>,
}

#[derive(Deserialize, Serialize)]
pub(super) struct Instrument {
    name: String,
    logger: String,
    kind: Form,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Form {
    Counter,
    Gauge,
    InFlight,
    Timer,
    Histogram,
}

impl Instruments {
    fn check(&self) -> Result<(), String> {
        let is_time = |seconds: f64| seconds.is_finite() && seconds > 0.0;
        if !is_time(self.interval) || !is_time(self.window) {
            return Err("interval and window are not both above 0".into());
        }
        let named = |i: &Instrument| is_name(&i.name) && (i.logger.is_empty() || is_name(&i.logger));
        match self.instruments.iter().position(|instrument| !named(instrument)) {
            Some(at) => Err(format!("the name of instrument {} is none", at + 1)),
            None => Ok(()),
        }
    }
}

fn is_name(name: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part.chars().all(is_name_char);
    name.len() <= MAX_NAME_BYTES && name.split('.').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::super::state::Known;
    use super::*;

    fn state() -> State {
        let known = Known::default();
        known.note::<()>(Err("<b>"));
        known.state("b")
    }

    fn node() -> String {
        String::from_utf8(json(&state())).unwrap()
    }

    #[test]
    fn what_is_said_is_handed_on_with_the_state_before_it() {
        let record =
            r#"{"id":"qemu/1","metric":"a.b","timestamp":5,"type":"derive","value":1.5,"labels":{"k":"<i>\u0000é"}}"#;
        let text = format!(r#"{{"data":[{record}],"window":{{"from":1,"to":5}},"next":"5.1.0000beef"}}"#);
        let handed = hand_on(Kind::Metrics, text.as_bytes(), &state()).unwrap();
        let expected = format!(r#"{{"node":{},{}"#, node(), &text[1..]);
        assert_eq!(String::from_utf8(handed).unwrap(), expected);
        // What nobody knows is not handed on.
        let more = text.replacen("{\"data\"", "{\"node\":{\"name\":\"c\"},\"x\":[[]],\"data\"", 1);
        assert_eq!(String::from_utf8(hand_on(Kind::Metrics, more.as_bytes(), &state()).unwrap()).unwrap(), expected);

        let text = r#"{"interval":0.5,"generations":180,"window":1800.0,"left_out":0,"instruments":[{"name":"a.b","logger":"","kind":"in_flight","unit":"x"}]}"#;
        let handed = hand_on(Kind::Instruments, text.as_bytes(), &state()).unwrap();
        assert_eq!(String::from_utf8(handed).unwrap(), format!(r#"{{"node":{},{}"#, node(), &text[1..]));
    }

    #[test]
    fn nothing_is_an_answer_too() {
        let empty = String::from_utf8(nothing(Kind::Metrics, &state())).unwrap();
        assert_eq!(empty, format!(r#"{{"node":{},"data":[],"window":{{"from":null,"to":null}}}}"#, node()));
        let empty = String::from_utf8(nothing(Kind::Instruments, &state())).unwrap();
        assert!(empty.ends_with(r#""instruments":[]}"#), "{empty}");
    }

    #[test]
    fn what_is_none_is_refused_whole() {
        let record = |id: &str, metric: &str, kind: &str, value: &str, labels: &str| {
            format!(
                r#"{{"data":[{{"id":{id},"metric":{metric},"timestamp":1,"type":{kind},"value":{value},"labels":{labels}}}],"window":{{"from":1,"to":1}}}}"#
            )
        };
        let good = record("\"a\"", "\"b\"", "\"gauge\"", "1", "{}");
        assert!(hand_on(Kind::Metrics, good.as_bytes(), &state()).is_ok());
        for bad in [
            String::new(),
            "null".into(),
            "[]".into(),
            "{}".into(),
            format!("{good}x"),
            "{\"data\":[],\"window\":null}".into(),
            "{\"data\":[],\"window\":{\"from\":null,\"to\":null},\"next\":\"x\"}".into(),
            "[".repeat(100_000),
            record("\"../a\"", "\"b\"", "\"gauge\"", "1", "{}"),
            record("\"a\"", "\"b c\"", "\"gauge\"", "1", "{}"),
            record("\"a\"", "\"b..c\"", "\"gauge\"", "1", "{}"),
            record("\"a\"", &format!("{:?}", "b".repeat(513)), "\"gauge\"", "1", "{}"),
            record("\"a\"", "\"b\"", "\"absolute\"", "1", "{}"),
            record("\"a\"", "\"b\"", "\"gauge\"", "1e999", "{}"),
            record("\"a\"", "\"b\"", "\"gauge\"", "null", "{}"),
            record("\"a\"", "\"b\"", "\"gauge\"", "1", "{\"a b\":\"c\"}"),
            record("\"a\"", "\"b\"", "\"gauge\"", "1", "{\"a\":1}"),
        ] {
            assert!(hand_on(Kind::Metrics, bad.as_bytes(), &state()).is_err(), "{:?}", &bad[..bad.len().min(200)]);
        }
        let said = |interval: &str, name: &str, kind: &str| {
            format!(
                r#"{{"interval":{interval},"generations":1,"window":1,"left_out":0,"instruments":[{{"name":{name},"logger":"","kind":{kind}}}]}}"#
            )
        };
        assert!(hand_on(Kind::Instruments, said("1", "\"a\"", "\"timer\"").as_bytes(), &state()).is_ok());
        for bad in [said("0", "\"a\"", "\"timer\""), said("1", "\"\"", "\"timer\""), said("1", "\"a\"", "\"x\"")] {
            assert!(hand_on(Kind::Instruments, bad.as_bytes(), &state()).is_err(), "{bad}");
        }
    }
}
