//! Ledgers and snapshots for `serde`: for a program that writes them into its own log, or shows them on a page of its own.

use crate::collect::ledger::{Amount, Dropped, Ledger};
use crate::collect::snapshot::{Snapshot, Total, Totals, Value};
use crate::pipeline::control::FlushReport;
use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Amount", 3)?;
        fields.serialize_field("recordings", &self.recordings)?;
        fields.serialize_field("increments", &self.increments)?;
        fields.serialize_field("decrements", &self.decrements)?;
        fields.end()
    }
}

/// By the causes that have any.
impl Serialize for Dropped {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(cause, amount)| (cause.as_str(), amount)))
    }
}

impl Serialize for Ledger {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Ledger", 12)?;
        fields.serialize_field("backend", &self.backend)?;
        fields.serialize_field("recorded", &self.recorded)?;
        fields.serialize_field("sent", &self.sent)?;
        fields.serialize_field("merged", &self.merged)?;
        fields.serialize_field("pending", &self.pending)?;
        fields.serialize_field("superseded", &self.superseded)?;
        fields.serialize_field("dropped", &self.dropped)?;
        fields.serialize_field("deliveries", &self.deliveries)?;
        fields.serialize_field("errors", &self.errors)?;
        fields.serialize_field("panics", &self.panics)?;
        fields.serialize_field("packets", &self.packets)?;
        fields.serialize_field("bytes", &self.bytes)?;
        fields.end()
    }
}

impl Serialize for FlushReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("FlushReport", 2)?;
        fields.serialize_field("complete", &self.complete)?;
        fields.serialize_field("ledgers", &self.ledgers)?;
        fields.end()
    }
}

/// Its totals.
impl Serialize for Snapshot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.totals().serialize(serializer)
    }
}

impl Serialize for Totals<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// Labels as a map.
struct Labels<'a>(&'a Total<'a>);

impl Serialize for Labels<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.series.labels_with_object())
    }
}

/// `logger`, `metric`, `labels`, `kind`, `recordings`, and by kind `increments` and `decrements`, `value`, or `count`, `sum` and `max`: of a timer in
/// nanoseconds.
impl Serialize for Total<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_map(None)?;
        fields.serialize_entry("logger", self.series.logger_name())?;
        fields.serialize_entry("metric", self.series.metric_name())?;
        fields.serialize_entry("labels", &Labels(self))?;
        fields.serialize_entry("kind", self.series.kind().as_str())?;
        fields.serialize_entry("rate", &self.series.rate())?;
        fields.serialize_entry("recordings", &self.recordings)?;
        match self.value {
            Value::Counter { increments, decrements } => {
                fields.serialize_entry("increments", &increments)?;
                fields.serialize_entry("decrements", &decrements)?;
            }
            Value::Gauge(value) => fields.serialize_entry("value", &value)?,
            Value::InFlight(value) => fields.serialize_entry("value", &value)?,
            Value::Distribution(all) => {
                fields.serialize_entry("count", &all.count())?;
                fields.serialize_entry("sum", &all.sum())?;
                fields.serialize_entry("max", &all.max())?;
            }
        }
        fields.end()
    }
}
