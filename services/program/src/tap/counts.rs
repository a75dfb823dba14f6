//! Counts of what was heard: lines, bad lines by reason, the names and senders with most lines. Bounded, whatever comes.

use crate::table::{Align, Table};
use crate::text::{bytes, number};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{self, Write};
use std::time::Instant;

/// Different names, senders and reasons that are counted by themselves; further ones are counted together.
const MOST: usize = 10_000;
/// Bytes of a name that are kept.
const LONGEST: usize = 512;

/// See the [module](self).
pub(crate) struct Counts {
    since: Instant,
    pub(crate) datagrams: u64,
    pub(crate) lines: u64,
    pub(crate) bad: u64,
    pub(crate) bytes: u64,
    /// Connections that were closed because there were too many, and lines of streams that are longer than a line may be.
    pub(crate) closed: u64,
    /// Datagrams that the system threw away before they could be read.
    pub(crate) lost: u64,
    pub(crate) names: Tally,
    pub(crate) senders: Tally,
    pub(crate) reasons: Tally,
}

/// Counts by text.
#[derive(Default)]
pub(crate) struct Tally {
    counts: HashMap<String, u64>,
    others: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, text: &str) {
        let text = text.get(..LONGEST).unwrap_or(text);
        let is_full = self.counts.len() >= MOST;
        match self.counts.get_mut(text) {
            Some(count) => *count += 1,
            None if is_full => self.others += 1,
            None => drop(self.counts.insert(text.to_owned(), 1)),
        }
    }

    /// The largest, and how many are not among all that are counted by themselves.
    fn top(&self, most: usize) -> Vec<(&str, u64)> {
        let mut all: Vec<(&str, u64)> = self.counts.iter().map(|(text, count)| (text.as_str(), *count)).collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        all.truncate(most);
        if self.others > 0 {
            all.push(("(names beyond the first 10000)", self.others));
        }
        all
    }
}

impl Counts {
    pub(crate) fn new() -> Counts {
        Counts {
            since: Instant::now(),
            datagrams: 0,
            lines: 0,
            bad: 0,
            bytes: 0,
            closed: 0,
            lost: 0,
            names: Tally::default(),
            senders: Tally::default(),
            reasons: Tally::default(),
        }
    }

    fn per_second(&self) -> f64 {
        self.lines as f64 / self.since.elapsed().as_secs_f64().max(0.001)
    }

    pub(crate) fn json(&self, most: usize) -> Value {
        let list =
            |tally: &Tally| tally.top(most).into_iter().map(|(text, count)| json!([text, count])).collect::<Value>();
        json!({"summary": {
            "seconds": self.since.elapsed().as_secs_f64(),
            "datagrams": self.datagrams,
            "lines": self.lines,
            "bad": self.bad,
            "bytes": self.bytes,
            "closed": self.closed,
            "lost": self.lost,
            "lines_per_second": self.per_second(),
            "reasons": list(&self.reasons),
            "names": list(&self.names),
            "senders": list(&self.senders),
        }})
    }

    pub(crate) fn write(&self, out: &mut dyn Write, most: usize) -> io::Result<()> {
        let (lines, datagrams, rate) = (self.lines, self.datagrams, number(self.per_second()));
        let size = bytes(self.bytes);
        writeln!(
            out,
            "\n{lines} lines in {datagrams} datagrams or lines of streams, {size}; {rate} lines/s; {} bad",
            self.bad
        )?;
        if self.closed > 0 {
            writeln!(out, "{} connections too many were closed, or lines too long skipped", self.closed)?;
        }
        if self.lost > 0 {
            writeln!(out, "{} datagrams were lost before they could be read: they came too fast", self.lost)?;
        }
        for (head, tally) in [("BAD, BECAUSE", &self.reasons), ("NAME", &self.names), ("SENDER", &self.senders)] {
            let top = tally.top(most);
            if !top.is_empty() {
                let mut table = Table::new([("LINES", Align::Right), (head, Align::Left)]);
                top.into_iter().for_each(|(text, count)| table.row([count.to_string(), text.to_owned()]));
                writeln!(out)?;
                table.write(out)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_is_bounded_and_loses_no_count() {
        let mut tally = Tally::default();
        for at in 0..MOST + 5 {
            tally.add(&at.to_string());
        }
        tally.add("7");
        tally.add(&"ä".repeat(1000));
        let top = tally.top(1);
        assert_eq!(top, [("7", 2), ("(names beyond the first 10000)", 6)]);
    }
}
