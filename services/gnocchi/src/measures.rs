//! Measures: their lists in bodies, read without a tree of values, and the aggregates that come back.

use crate::Gnocchi;
use crate::compact;
use crate::reply::{Answer, Refusal, Reply};
use crate::request::{Form, Request, read_form, words};
use crate::schema::{Checked, Invalid};
use crate::season::{self, Season};
use ferrometer_archive::across::{Sampling, resample};
use ferrometer_archive::time::{Calendar, parse_timespan, read_seconds, timestamp, write_timestamp};
use ferrometer_archive::{Method, Metric, Nanos, Point, Policy, Range};
use http::StatusCode;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Value, json};
use std::fmt;

const FORMAT: &str = "unexpected measures format";
const VALUE: &str = "unexpected measures value";

/// Reads `[{"timestamp": …, "value": …}, …]` into points, as they stand in the bytes.
#[derive(Clone, Copy)]
pub(crate) struct Measures;

impl<'de> DeserializeSeed<'de> for Measures {
    type Value = Vec<Point>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Vec<Point>, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Measures {
    type Value = Vec<Point>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORMAT)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Point>, A::Error> {
        let mut points = Vec::with_capacity(list.size_hint().unwrap_or(0).min(4096));
        let mut told = None;
        while let Some((form, point)) = list.next_element_seed(Measure)? {
            if *told.get_or_insert(form) != form {
                return Err(de::Error::custom(format_args!("{REASON}{}", quoted("Unable to convert timestamps"))));
            }
            points.push(point);
        }
        Ok(points)
    }
}

struct Measure;

impl<'de> DeserializeSeed<'de> for Measure {
    type Value = (Form, Point);

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(Form, Point), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Measure {
    type Value = (Form, Point);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORMAT)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(Form, Point), A::Error> {
        let (mut at, mut value) = (None, None);
        while let Some(key) = map.next_key::<Key>()? {
            match key {
                Key::Timestamp => at = Some(map.next_value::<Stamp>()?.0),
                Key::Value => value = Some(map.next_value::<Number>()?.0),
                Key::Other => drop(map.next_value::<de::IgnoredAny>()?),
            }
        }
        match (at, value) {
            (Some((form, at)), Some(value)) => Ok((form, Point { at, value })),
            (None, _) => {
                Err(de::Error::custom(format_args!("{REASON}unexpected timestamp 'a measure without a timestamp'")))
            }
            (_, None) => Err(de::Error::custom(format_args!("{REASON}{VALUE}"))),
        }
    }
}

enum Key {
    Timestamp,
    Value,
    Other,
}

impl<'de> de::Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Key, D::Error> {
        struct Keys;
        impl Visitor<'_> for Keys {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E: de::Error>(self, key: &str) -> Result<Key, E> {
                Ok(match key {
                    "timestamp" => Key::Timestamp,
                    "value" => Key::Value,
                    _ => Key::Other,
                })
            }
        }
        from.deserialize_identifier(Keys)
    }
}

/// Marks a reason of ours within an error of the reader.
const REASON: &str = "\u{1}";

/// Implements a reader of one scalar from text and numbers.
macro_rules! scalar {
    ($name:ident, $of_text:expr, $of_number:expr, $otherwise:expr) => {
        struct $name(<$name as Scalar>::Of);

        impl<'de> de::Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<$name, D::Error> {
                struct Reads;
                impl<'de> Visitor<'de> for Reads {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        write!(f, "{REASON}{}", $otherwise)
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        $of_text(text).map($name).map_err(|why: String| E::custom(format_args!("{REASON}{why}")))
                    }

                    fn visit_f64<E: de::Error>(self, number: f64) -> Result<$name, E> {
                        $of_number(number).map($name).map_err(|why: String| E::custom(format_args!("{REASON}{why}")))
                    }

                    fn visit_u64<E: de::Error>(self, number: u64) -> Result<$name, E> {
                        self.visit_f64(number as f64)
                    }

                    fn visit_i64<E: de::Error>(self, number: i64) -> Result<$name, E> {
                        self.visit_f64(number as f64)
                    }

                    fn visit_bool<E: de::Error>(self, truth: bool) -> Result<$name, E> {
                        self.visit_f64(f64::from(u8::from(truth)))
                    }

                    fn visit_unit<E: de::Error>(self) -> Result<$name, E> {
                        Err(E::custom(format_args!("{REASON}{}", $otherwise)))
                    }

                    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<$name, A::Error> {
                        Err(de::Error::custom(format_args!("{REASON}{}", $otherwise)))
                    }

                    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<$name, A::Error> {
                        Err(de::Error::custom(format_args!("{REASON}{}", $otherwise)))
                    }
                }
                from.deserialize_any(Reads)
            }
        }
    };
}

trait Scalar {
    type Of;
}

impl Scalar for Stamp {
    type Of = (Form, Nanos);
}

impl Scalar for Number {
    type Of = f64;
}

fn quoted(why: impl fmt::Display) -> String {
    format!("unexpected timestamp '{why}'")
}

fn finite(number: f64) -> Result<f64, String> {
    if number.is_finite() { Ok(number) } else { Err(VALUE.into()) }
}

scalar!(
    Stamp,
    |text: &str| read_form(text).map_err(quoted),
    |seconds: f64| read_seconds(seconds).map(|stamp| (Form::Seconds, stamp)).map_err(|why| quoted(words(why))),
    quoted("Unable to convert timestamps")
);
scalar!(Number, |text: &str| text.trim().parse().map_err(|_| VALUE.into()).and_then(finite), finite, VALUE);

/// Returns what was wrong with measures: the body itself, or a measure.
pub(crate) fn explain(error: &serde_json::Error) -> Result<Invalid, Refusal> {
    if !error.is_data() {
        return Err(Refusal::unable_to_decode(error));
    }
    let text = error.to_string();
    match text.split_once(REASON) {
        // Behind the reason the reader says where it was.
        Some((_, reason)) => {
            Ok(Invalid::new(reason.split(" at line ").next().unwrap_or(reason).split(REASON).next().unwrap_or(reason)))
        }
        None => Ok(Invalid::new(FORMAT)),
    }
}

/// Reads measures out of a value that is read already.
pub(crate) fn measures_of(value: &Value) -> Checked<Vec<Point>> {
    Measures.deserialize(value).map_err(|error| explain(&error).unwrap_or_else(|_| Invalid::new(FORMAT)))
}

impl Gnocchi {
    /// `POST …/measures`.
    pub(crate) fn post_measures(&self, request: &Request<'_>, metric: &Metric) -> Answer {
        request.owner(&metric.creator)?;
        if compact::is_compact(request) {
            self.archive.append(vec![(metric.id, compact::measures(&request.body)?)])?;
            return Ok(Reply::empty(StatusCode::ACCEPTED));
        }
        request.check_content_type("application/json")?;
        if request.body.iter().all(u8::is_ascii_whitespace) {
            return Err(Refusal::unable_to_decode("Expected object or value"));
        }
        let mut reader = serde_json::Deserializer::from_slice(&request.body);
        let points = Measures.deserialize(&mut reader).and_then(|points| reader.end().map(|()| points));
        let points = points.map_err(|error| explain(&error).map_or_else(|refusal| refusal, Refusal::from))?;
        self.archive.append(vec![(metric.id, points)])?;
        Ok(Reply::empty(StatusCode::ACCEPTED))
    }

    /// `GET …/measures`.
    pub(crate) fn get_measures(&self, request: &Request<'_>, metric: &Metric) -> Answer {
        request.owner(&metric.creator)?;
        let policy = self.archive.policy(&metric.policy)?;
        let to = sampling(request)?;
        let range = Range { start: request.time("start")?, stop: request.time("stop")? };
        let asked = granularity(request)?;
        let name = request.parameter("aggregation").unwrap_or("mean");
        let method = kept(&policy, name).ok_or_else(|| {
            Refusal::new(
                StatusCode::NOT_FOUND,
                json!({
                    "cause": "Aggregation method does not exist for this metric",
                    "detail": {"metric": metric.id.to_string(), "aggregation_method": name},
                }),
            )
        })?;
        // Every answer has what is acknowledged, so there is nothing to refresh; a value that is none is still refused.
        request.truth("refresh", false)?;
        let granularities = match asked {
            Some(granularity) if policy.definition(granularity).is_none() => {
                return Err(Refusal::missing(no_aggregation(name, granularity, metric)));
            }
            Some(granularity) => vec![granularity],
            None => policy.definitions().iter().rev().map(|definition| definition.granularity).collect(),
        };
        if let Some(season) = Season::of(request)? {
            let again = request.parameter("reaggregation").unwrap_or("");
            let kind = if again.is_empty() { method.kind } else { season::kind(again)? };
            let [granularity] = granularities[..] else {
                return Err(Refusal::bad("A granularity must be specified to aggregate by weekday or hour"));
            };
            season.check(granularity)?;
            let points = self.archive.measures(metric.id, method, granularity, range)?;
            return Ok(Reply::ok(&season.rows(&points, kind)));
        }
        let mut out = String::from("[");
        for granularity in granularities {
            let points = self.archive.measures(metric.id, method, granularity, range)?;
            write_measures(&mut out, &points, granularity, method, to);
        }
        out.push(']');
        Ok(Reply::raw(StatusCode::OK, out))
    }
}

impl Gnocchi {
    /// `DELETE …/measures`: removes those of a range of time, and opens the window again.
    pub(crate) fn delete_measures(&self, request: &Request<'_>, metric: &Metric) -> Answer {
        request.owner(&metric.creator)?;
        let range = Range { start: request.time("start")?, stop: request.time("stop")? };
        if range == Range::default() && !request.truth("all", false)? {
            return Err(Refusal::bad("`start` or `stop` says which measures are removed; `all=true` removes all"));
        }
        let removed = self.archive.remove_measures(metric.id, range)?;
        Ok(Reply::ok(&json!({
            "points": removed.points,
            "aggregates": removed.buckets,
            "aggregates_covered_in_part": removed.kept,
            "accepted_from": timestamp(removed.accepted_from),
        })))
    }
}

/// Returns a method of this name, when the policy keeps it.
pub(crate) fn kept(policy: &Policy, name: &str) -> Option<Method> {
    name.parse().ok().filter(|method| policy.keeps(*method))
}

/// Returns the words for a granularity that a metric has not.
pub(crate) fn no_aggregation(method: &str, granularity: Nanos, metric: &Metric) -> String {
    let seconds = granularity as f64 / 1e9;
    format!("Aggregation method '{method}' at granularity '{seconds:?}' for metric {} does not exist", metric.id)
}

/// Returns the granularity that is asked for.
pub(crate) fn granularity(request: &Request<'_>) -> Result<Option<Nanos>, Refusal> {
    let parse = |text| parse_timespan(text, false).map_err(|reason| Refusal::argument("granularity", reason));
    request.parameter("granularity").map(parse).transpose()
}

/// Returns the sampling that is asked for, which needs a granularity.
pub(crate) fn sampling(request: &Request<'_>) -> Result<Option<Sampling>, Refusal> {
    let Some(text) = request.parameter("resample").filter(|text| !text.is_empty()) else { return Ok(None) };
    if request.parameter("granularity").is_none() {
        return Err(Refusal::bad("A granularity must be specified to resample"));
    }
    match Calendar::from_letter(text) {
        Some(unit) => Ok(Some(Sampling::Calendar(unit))),
        None => parse_timespan(text, false).map(Sampling::Span).map(Some).map_err(Refusal::bad),
    }
}

/// Appends `[time stamp, granularity, value]` for each point, resampled where that is asked for.
pub(crate) fn write_measures(
    out: &mut String,
    points: &[Point],
    granularity: Nanos,
    method: Method,
    to: Option<Sampling>,
) {
    let resampled;
    let (points, label) = match to {
        None => (points, seconds(granularity)),
        Some(to) => {
            resampled = resample(points, method.kind, to);
            let label = match to {
                Sampling::Span(span) => seconds(span),
                Sampling::Calendar(unit) => format!("\"{}\"", unit.letter()),
            };
            (&resampled[..], label)
        }
    };
    write_points(out, points, &label);
}

/// Returns nanoseconds as JSON seconds.
pub(crate) fn seconds(nanos: Nanos) -> String {
    format!("{:?}", nanos as f64 / 1e9)
}

pub(crate) fn write_points(out: &mut String, points: &[Point], label: &str) {
    let mut digits = zmij::Buffer::new();
    out.reserve(points.len() * 56);
    for point in points {
        if !out.ends_with('[') {
            out.push(',');
        }
        out.push_str("[\"");
        write_timestamp(out, point.at);
        out.push_str("\",");
        out.push_str(label);
        out.push(',');
        if point.value.is_finite() {
            out.push_str(digits.format_finite(point.value));
        } else {
            out.push_str("null");
        }
        out.push(']');
    }
}
