//! Reads another node's `/v1/metrics` and `/v1/instruments` strictly and writes them again: the answer that is handed on holds nothing but
//! records and instruments, no matter who answered.

use crate::peer_model::{Instruments, Records};
use crate::peer_state::State;
use crate::{peer_reply, peer_rows};
use ferrometer_cache_api::Query;
use ferrometer_http::json;
use serde::Serialize;

/// Kinds of questions to another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Metrics,
    Instruments,
}

impl Kind {
    pub(crate) fn route(self) -> &'static str {
        match self {
            Kind::Metrics => "/v1/metrics",
            Kind::Instruments => "/v1/instruments",
        }
    }
}

/// The answer, with the node's state before it.
pub(crate) fn hand_on(kind: Kind, bytes: &[u8], node: &State) -> Result<Vec<u8>, String> {
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
pub(crate) fn bare_instruments(node: &State) -> Vec<u8> {
    json(&Whole { node, said: peer_rows::instruments() })
}

/// The export of such a node, as records. `Ok(None)`: what stood before the cursor is not there.
pub(crate) fn export(bytes: &[u8], node: &State, name: &str, query: &Query) -> Result<Option<Vec<u8>>, String> {
    let mut rows = peer_reply::parse(bytes, name)?;
    Ok(peer_rows::records(&mut rows, name, query).map(|said| json(&Whole { node, said })))
}

/// The answer where the node gives none: its state, and nothing else.
pub(crate) fn nothing(kind: Kind, node: &State) -> Vec<u8> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer_state::Known;

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
        // Unknown parts are not handed on.
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
