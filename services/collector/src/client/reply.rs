//! Replies of the API: series with samples whose values stay the text that was sent.

use crate::error::clean;
use crate::transport::AskError;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Series of a reply, and what the server remarked.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// Series, as sent.
    pub series: Vec<Series>,
    /// Warnings of the server: a part of its data may be missing.
    pub warnings: Vec<String>,
    /// Seconds since 1970 on the server's clock, from the reply's `Date`.
    pub server_time: Option<i64>,
}

impl Answer {
    /// Parses the body of a reply of Prometheus' API.
    ///
    /// # Errors
    /// A text that is none, or that says why there is no answer: with the status 200.
    ///
    /// ```
    /// use ferrometer_collector::client::Answer;
    ///
    /// let body = br#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[60,"1e3"]}]}}"#;
    /// assert_eq!(Answer::parse(body)?.series[0].samples, [(60_000, "1e3".to_owned())]);
    /// # Ok::<(), ferrometer_collector::client::AskError>(())
    /// ```
    pub fn parse(body: &[u8]) -> Result<Answer, AskError> {
        parse(body).map_err(|malformed| match malformed {
            Malformed::Refused(kind, message) => AskError::Refused { status: 200, kind, message },
            Malformed::Unexpected(message) => AskError::unexpected(&message, body),
        })
    }
}

/// A series of a reply.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Series {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Samples: milliseconds since 1970, and the value's text.
    pub samples: Vec<(i64, String)>,
}

/// Why a text is no answer.
pub(super) enum Malformed {
    /// `status: error`, with its type and text.
    Refused(String, String),
    /// Something else.
    Unexpected(String),
}

#[derive(Deserialize)]
struct Reply<'a> {
    status: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<Data<'a>>,
    #[serde(borrow, rename = "errorType")]
    error_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
    warnings: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(rename = "resultType")]
    result_type: Cow<'a, str>,
    #[serde(borrow)]
    result: &'a RawValue,
}

#[derive(Deserialize)]
struct Row {
    metric: BTreeMap<String, String>,
    value: Option<(f64, String)>,
    values: Option<Vec<(f64, String)>>,
}

/// Parses a body.
pub(super) fn parse(body: &[u8]) -> Result<Answer, Malformed> {
    let unexpected = |e: serde_json::Error| Malformed::Unexpected(e.to_string());
    let reply: Reply<'_> = serde_json::from_slice(body).map_err(unexpected)?;
    if reply.status != "success" {
        let kind = reply.error_type.map_or_else(|| "error".into(), |t| clean(&t));
        return Err(Malformed::Refused(kind, reply.error.map_or_else(|| "no reason is given".into(), |e| clean(&e))));
    }
    let Some(data) = reply.data else { return Err(Malformed::Unexpected("it has no data".into())) };
    if data.result_type != "vector" && data.result_type != "matrix" {
        let found = clean(&data.result_type);
        return Err(Malformed::Unexpected(format!("the result is a {found}, expected a vector or a matrix")));
    }
    let rows: Vec<Row> = serde_json::from_str(data.result.get()).map_err(unexpected)?;
    let series = rows.into_iter().map(|row| {
        let samples = match (row.value, row.values) {
            (Some(value), None) => vec![value],
            (None, Some(values)) => values,
            _ => return Err(Malformed::Unexpected("a series has neither value nor values".into())),
        };
        let samples = samples.into_iter().map(|(at, text)| ((at * 1000.0).round() as i64, text)).collect();
        Ok(Series { labels: row.metric, samples })
    });
    let series = series.collect::<Result<_, _>>()?;
    let warnings = reply.warnings.unwrap_or_default().iter().map(|w| clean(w)).collect();
    Ok(Answer { series, warnings, server_time: None })
}
