//! Records and instruments of another node, as they are read and written again.

use ferrometer_cache_api::Cursor;
use ferrometer_core::name::{MAX_NAME_BYTES, is_name_char};
use ferrometer_core::object::is_object;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

#[derive(Default, Deserialize, Serialize)]
pub(crate) struct Records<'a> {
    #[serde(borrow)]
    pub(crate) data: Vec<Record<'a>>,
    pub(crate) window: Window,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

#[derive(Default, Deserialize, Serialize)]
pub(crate) struct Window {
    pub(crate) from: Option<i64>,
    pub(crate) to: Option<i64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) loading: bool,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct Record<'a> {
    #[serde(borrow)]
    pub(crate) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) metric: Cow<'a, str>,
    pub(crate) timestamp: i64,
    #[serde(rename = "type")]
    pub(crate) kind: Type,
    pub(crate) value: f64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Type {
    Gauge,
    Counter,
    Derive,
}

impl Records<'_> {
    pub(crate) fn check(&self) -> Result<(), String> {
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
pub(crate) struct Instruments {
    pub(crate) interval: f64,
    pub(crate) generations: u64,
    pub(crate) window: f64,
    pub(crate) left_out: u64,
    pub(crate) instruments: Vec<Instrument>,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct Instrument {
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
    pub(crate) fn check(&self) -> Result<(), String> {
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
