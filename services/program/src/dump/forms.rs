//! Records as a table, as JSON lines and as CSV: written as they come, so that a history of any length takes no memory.

use super::Output;
use crate::outcome::Result;
use crate::records::Record;
use crate::text::{moment, number, visible};
use std::io::Write;
use unicode_width::UnicodeWidthStr;

/// Columns for people. A generation has a head of its own, and widths that fit it.
pub(crate) struct Columns {
    out: Box<dyn Write>,
    /// The records of one generation.
    held: Vec<Record>,
}

/// Records of a generation that are aligned with each other at most.
const AT_ONCE: usize = 10_000;

impl Columns {
    pub(crate) fn new(out: Box<dyn Write>) -> Columns {
        Columns { out, held: Vec::new() }
    }

    fn write(&mut self) -> Result {
        let Some(first) = self.held.first() else { return Ok(()) };
        writeln!(self.out, "{}  ({})", moment(first.timestamp), first.timestamp)?;
        let rows: Vec<[String; 4]> = self
            .held
            .drain(..)
            .map(|record| {
                let name = match record.id.as_str() {
                    "host" => record.metric.clone(),
                    id => format!("{id} {}", record.metric),
                };
                [
                    visible(&name).into_owned(),
                    number(record.value),
                    record.kind.clone(),
                    visible(&record.label_text()).into_owned(),
                ]
            })
            .collect();
        let width = |at: usize| rows.iter().map(|row| row[at].width()).max().unwrap_or(0);
        let (names, values, kinds) = (width(0), width(1), width(2));
        for [name, value, kind, labels] in &rows {
            let gap = " ".repeat(names.saturating_sub(name.width()));
            let line = format!("  {name}{gap}  {value:>values$}  {kind:kinds$}  {labels}");
            writeln!(self.out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

impl Output for Columns {
    fn record(&mut self, record: &Record) -> Result {
        if self.held.first().is_some_and(|first| first.timestamp != record.timestamp) || self.held.len() >= AT_ONCE {
            self.write()?;
        }
        self.held.push(record.clone());
        Ok(())
    }

    fn end(mut self: Box<Self>) -> Result<Vec<String>> {
        self.write()?;
        self.out.flush()?;
        Ok(Vec::new())
    }
}

/// The records as `/v1/metrics` gives them.
pub(crate) struct JsonLines(pub(crate) Box<dyn Write>);

impl Output for JsonLines {
    fn record(&mut self, record: &Record) -> Result {
        serde_json::to_writer(&mut self.0, record).map_err(std::io::Error::from)?;
        writeln!(self.0)?;
        Ok(())
    }

    fn end(mut self: Box<Self>) -> Result<Vec<String>> {
        self.0.flush()?;
        Ok(Vec::new())
    }
}

/// Comma-separated values, RFC 4180: lines end with CR LF, texts with commas, quotes or line feeds are quoted.
pub(crate) struct Csv {
    out: Box<dyn Write>,
    has_head: bool,
}

impl Csv {
    pub(crate) fn new(out: Box<dyn Write>) -> Csv {
        Csv { out, has_head: false }
    }

    fn head(&mut self) -> Result {
        if !std::mem::replace(&mut self.has_head, true) {
            self.out.write_all(b"timestamp,id,metric,type,value,labels\r\n")?;
        }
        Ok(())
    }
}

/// A field. One that a spreadsheet would take for a formula gets an apostrophe.
fn field(text: &str) -> String {
    let guarded = match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text.to_owned(),
    };
    match guarded.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", guarded.replace('"', "\"\"")),
        false => guarded,
    }
}

impl Output for Csv {
    fn record(&mut self, record: &Record) -> Result {
        self.head()?;
        let Record { id, metric, timestamp, kind, value, .. } = record;
        let labels = field(&record.label_text());
        write!(self.out, "{timestamp},{},{},{},{value},{labels}\r\n", field(id), field(metric), field(kind))?;
        Ok(())
    }

    fn end(mut self: Box<Self>) -> Result<Vec<String>> {
        self.head()?;
        self.out.flush()?;
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_and_are_no_formulas() {
        assert_eq!(field("a.b"), "a.b");
        assert_eq!(field("a,b"), "\"a,b\"");
        assert_eq!(field("a\"b\n"), "\"a\"\"b\n\"");
        assert_eq!(field("=1+1"), "'=1+1");
    }
}
