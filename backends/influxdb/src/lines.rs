//! Writes instruments as InfluxDB's lines, `measurement,tag=value field=value nanoseconds`.

use ferrometer_core::{Cause, Kind, Naming, Series, SnapshotView, warn};
use ferrometer_export::{full_name, gated_labels, labels_with_object, push_mark};
use ferrometer_push::parts::{self, Interval, Number};
use ferrometer_push::{
    Claims, Exporter, Instruments, Limit, Memory, Packer, Summary, Texts, ids, moment, push_float, push_whole, summary,
};
use std::collections::{HashMap, HashSet};

/// The exporter.
#[derive(Debug)]
pub(crate) struct Lines {
    limit: Limit,
    naming: Option<Naming>,
    instruments: Instruments,
    claims: Claims,
    /// Measurements whose field `value` is known, with `true` for a float. The server takes one type for a field, whatever the tags are.
    floats: HashMap<String, bool>,
    /// Instruments of the other type.
    mistyped: HashSet<usize>,
    /// Measurement and tags of each instrument, with the space behind them, and the field where it is the only one that is always there.
    texts: Texts,
    interval: Interval,
}

impl Lines {
    pub(crate) fn new(limit: Limit) -> Lines {
        Lines {
            limit,
            naming: None,
            instruments: Instruments::default(),
            claims: Claims::default(),
            floats: HashMap::new(),
            mistyped: HashSet::new(),
            texts: Texts::default(),
            interval: Interval::default(),
        }
    }

    fn begin(&mut self, naming: &Naming) {
        if self.naming.as_ref() != Some(naming) {
            self.naming = Some(naming.clone());
            self.claims = Claims::default();
            self.floats.clear();
            self.mistyped.clear();
            self.texts.clear();
        }
    }

    /// Decides whether an instrument can be written, the first time; and keeps what stands before its fields.
    fn name(&mut self, at: usize, series: &'static Series, naming: &Naming) -> Result<(), Cause> {
        if self.texts.get(at).is_some() {
            return Ok(());
        }
        if self.mistyped.contains(&at) {
            return Err(Cause::Collision);
        }
        if let Some(Err(cause)) = self.claims.known(series) {
            return Err(cause);
        }
        let measurement = full_name(naming, series);
        let tags = tags(naming, series);
        let mut names = Vec::new();
        for part in parts::names(series.kind()) {
            names.push(format!("{measurement}{tags} {part}"));
        }
        self.claims.claim(series, &measurement, names.iter().map(String::as_str))?;
        if series.kind().scheme().is_none() {
            let is_float = series.kind() == Kind::Gauge;
            if *self.floats.entry(measurement.clone()).or_insert(is_float) != is_float {
                self.mistyped.insert(at);
                let what =
                    format!("the measurement {measurement} has values of another type; {series:?} is not delivered");
                warn(&format!("collision {measurement}"), &what);
                return Err(Cause::Collision);
            }
        }
        let field = if series.kind().scheme().is_none() { VALUE } else { "" };
        self.texts.set(at, format!("{measurement}{tags} {field}").as_bytes());
        Ok(())
    }
}

/// The tags of a series, each with a comma in front. A label without a value is none.
fn tags(naming: &Naming, series: &Series) -> String {
    let mut out = String::new();
    let given = labels_with_object(naming, series).filter(|(_, value)| !value.is_empty());
    for (key, value) in gated_labels(given, tag_key) {
        out.push(',');
        push_escaped(&mut out, &key);
        out.push('=');
        if push_escaped(&mut out, value) {
            push_mark(&mut out, value);
        }
    }
    out
}

/// A key on one line, and none of those that InfluxDB keeps for itself.
fn tag_key(key: &str) -> String {
    let key: String = key.chars().map(|c| if c.is_control() || c == '\\' { '_' } else { c }).collect();
    match key.as_str() {
        "" => "_".to_owned(),
        "time" | "_field" | "_measurement" => format!("{key}_"),
        _ => key,
    }
}

/// Appends a key or value: commas, equals signs and spaces get a backslash. Line ends and other control characters become `_`, and so does a backslash
/// where a reader would take it for an escape; then it returns true.
fn push_escaped(out: &mut String, text: &str) -> bool {
    let mut is_replaced = false;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            ',' | '=' | ' ' => {
                out.push('\\');
                out.push(c);
            }
            '\\' if rest.peek().is_none_or(|next| matches!(next, ',' | '=' | ' ' | '\\' | '"')) => {
                out.push('_');
                is_replaced = true;
            }
            c if c.is_control() => {
                out.push('_');
                is_replaced = true;
            }
            c => out.push(c),
        }
    }
    is_replaced
}

/// The field of the part that is the instrument itself. It stands at the end of the text of an instrument that has it.
const VALUE: &str = "value=";

/// The most digits of a whole number.
const DIGITS: usize = 20;

/// The largest integer of InfluxDB.
const MOST: u64 = i64::MAX as u64;

fn fits(summary: &Summary<'_>) -> bool {
    match summary {
        Summary::Counter { increments, decrements } => *increments <= MOST && *decrements <= MOST,
        _ => true,
    }
}

impl Exporter for Lines {
    fn limit(&self) -> Limit {
        self.limit
    }

    fn write(&mut self, view: &SnapshotView<'_>, packer: &mut Packer<'_, '_>) {
        self.begin(view.naming());
        let totals = view.snapshot().totals();
        self.instruments.update(totals);
        let mut end = b"i ".to_vec();
        push_whole(&mut end, moment::nanos(view.snapshot().time()));
        end.push(b'\n');
        let instruments = std::mem::take(&mut self.instruments);
        let are_all_shown = instruments.are_all_shown();
        for at in 0..instruments.len() {
            // Most are counters of which nothing else has to be looked at.
            if are_all_shown
                && let Some(head) = self.texts.get(at)
                && let Some(plain) = instruments.plain(at)
                && let Some(value) = plain.increments(totals).filter(|value| *value <= MOST)
            {
                packer.piece(0, 0, [plain.id()], |out| {
                    out.reserve(head.len() + DIGITS + end.len());
                    out.extend_from_slice(head);
                    push_whole(out, value);
                    out.extend_from_slice(&end);
                });
                continue;
            }
            if packer.is_stopped() {
                break;
            }
            let Some(instrument) = instruments.shown(at) else { continue };
            let Some(summary) = summary(instrument, totals) else { continue };
            let fits = if fits(&summary) { Ok(()) } else { Err(Cause::Invalid) };
            if let Err(cause) = self.name(at, instrument.first, view.naming()).and(fits) {
                ids(instrument, totals).for_each(|id| packer.dropped(id, cause));
                continue;
            }
            let head = self.texts.get(at).unwrap_or_default();
            packer.piece(0, 0, ids(instrument, totals), |out| {
                out.extend_from_slice(head);
                let mut is_first = true;
                self.interval.parts(&summary, ids(instrument, totals), |part, number| {
                    if !std::mem::take(&mut is_first) {
                        out.push(b',');
                    }
                    // The field of the instrument itself stands in its text.
                    if !part.is_empty() {
                        out.extend_from_slice(part.as_bytes());
                        out.push(b'=');
                    }
                    match number {
                        Number::Whole(value) => push_whole(out, value.min(MOST)),
                        Number::Signed(value) => push_whole(out, value),
                        Number::Float(value) => return push_float(out, value),
                    }
                    out.push(b'i');
                });
                out.extend_from_slice(&end[1..]);
            });
        }
        self.instruments = instruments;
    }

    fn written(&mut self, view: &SnapshotView<'_>, memory: &Memory) {
        self.interval.sent(view.snapshot().totals(), memory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferrometer_core::get_logger;

    #[test]
    fn tags_are_escaped_or_replaced() {
        let logger = get_logger("influx").with("time", "1").with("a b", "x,y=z w").with("none", "").with("", "k");
        let series = logger.with("b\\", "in\\side\\").with("n\nl", "a\\,b\n").counter("c").series();
        assert_eq!(
            tags(&Naming::default(), series),
            r",_=k,a\ b=x\,y\=z\ w,b_=in\side_-f0c129bb,n_l=a_\,b_-243c6cb8,time_=1"
        );
    }
}
