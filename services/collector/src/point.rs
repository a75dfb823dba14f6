//! Data points: one quantity of one group in one period.

use crate::expression::Subject;
use crate::number;
use crate::period::{Period, iso};
use bigdecimal::BigDecimal;
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
use serde_json::value::RawValue;
use std::sync::Arc;

/// A quantity, and what it is a quantity of. `(metric, period, groupby, metadata)` names it for ever.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DataPoint {
    /// Name: the definition's `alt_name`, or its metric.
    pub metric: Arc<str>,
    /// Scope.
    pub scope: Arc<str>,
    /// Period.
    pub period: Period,
    /// Unit of the quantity.
    pub unit: Arc<str>,
    /// Quantity.
    pub qty: BigDecimal,
    /// Labels of the group, the scope's first, and the calendar's.
    pub groupby: Vec<(Arc<str>, String)>,
    /// Labels that are carried along.
    pub metadata: Vec<(Arc<str>, String)>,
    /// Text for people.
    pub description: Option<Arc<str>>,
}

#[derive(Serialize)]
struct Line<'a> {
    metric: &'a str,
    period: Span,
    vol: Volume<'a>,
    groupby: Labels<'a>,
    metadata: Labels<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
}

#[derive(Serialize)]
struct Span {
    begin: String,
    end: String,
}

#[derive(Serialize)]
struct Volume<'a> {
    unit: &'a str,
    qty: Box<RawValue>,
}

/// Labels as a mapping, in their order.
pub(crate) struct Labels<'a>(pub &'a [(Arc<str>, String)]);

impl Serialize for Labels<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.0 {
            map.serialize_entry(&**key, value)?;
        }
        map.end()
    }
}

impl DataPoint {
    /// Appends the point as a line of JSON, in CloudKitty's form. The quantity has all of its digits.
    ///
    /// # Errors
    /// Never in practice: a point has nothing that JSON cannot hold.
    pub fn write_json(&self, out: &mut Vec<u8>) -> std::io::Result<()> {
        let line = Line {
            metric: &self.metric,
            period: Span { begin: iso(self.period.begin), end: iso(self.period.end) },
            vol: Volume { unit: &self.unit, qty: RawValue::from_string(number::text(&self.qty))? },
            groupby: Labels(&self.groupby),
            metadata: Labels(&self.metadata),
            description: self.description.as_deref(),
        };
        serde_json::to_writer(&mut *out, &line)?;
        out.push(b'\n');
        Ok(())
    }
}

impl Subject for DataPoint {
    fn qty(&self) -> &BigDecimal {
        &self.qty
    }

    fn unit(&self) -> &str {
        &self.unit
    }

    fn groupby(&self, key: &str) -> Option<String> {
        self.groupby.iter().find(|(k, _)| &**k == key).map(|(_, v)| v.clone())
    }

    fn metadata(&self, key: &str) -> Option<String> {
        self.metadata.iter().find(|(k, _)| &**k == key).map(|(_, v)| v.clone())
    }
}
