//! Writes instruments as Graphite's lines, `name value seconds`.

use ferrometer_core::name::push_part;
use ferrometer_core::{Cause, Naming, Series, SnapshotView};
use ferrometer_export::{folded_name, full_name, gated_labels, labels_with_object, push_mark};
use ferrometer_push::parts::{self, Interval, Number};
use ferrometer_push::{
    Claims, Exporter, Instruments, Limit, Memory, Packer, Texts, ids, moment, push_plain, push_whole, summary,
};

/// The exporter.
#[derive(Debug)]
pub(crate) struct Lines {
    path: String,
    tags: bool,
    limit: Limit,
    naming: Option<Naming>,
    instruments: Instruments,
    claims: Claims,
    /// Two for each instrument: its name, and its tags.
    texts: Texts,
    interval: Interval,
}

impl Lines {
    pub(crate) fn new(path: String, tags: bool, limit: Limit) -> Lines {
        Lines {
            path,
            tags,
            limit,
            naming: None,
            instruments: Instruments::default(),
            claims: Claims::default(),
            texts: Texts::default(),
            interval: Interval::default(),
        }
    }

    fn begin(&mut self, naming: &Naming) {
        if self.naming.as_ref() != Some(naming) {
            self.naming = Some(naming.clone());
            self.claims = Claims::default();
            self.texts.clear();
        }
    }
}

/// The name and the tags of a series.
fn render(path: &str, tags: bool, naming: &Naming, series: &Series) -> (String, String) {
    let mut name = String::from(path);
    let own = if tags { full_name(naming, series) } else { folded_name(naming, series) };
    if !name.is_empty() && !own.is_empty() {
        name.push('.');
    }
    // A name that is empty stays empty, whatever the path is.
    if own.is_empty() {
        name.clear()
    } else {
        name.push_str(&own)
    }
    let mut written = String::new();
    if tags {
        for (key, value) in gated_labels(labels_with_object(naming, series), tag_name) {
            written.push(';');
            written.push_str(&key);
            written.push('=');
            push_tag_value(&mut written, value);
        }
    }
    (name, written)
}

/// A key as a tag's name: `[A-Za-z0-9_-]`, and not `name`, which is the metric's own.
fn tag_name(key: &str) -> String {
    let mut out = String::new();
    push_part(&mut out, key);
    match out.as_str() {
        "" => "_".to_owned(),
        "name" => "name_".to_owned(),
        _ => out,
    }
}

/// A value as a tag's: without `;`, white space and control characters, not empty, and without `~` in front. One of which something was replaced
/// gets a mark, so that values that differ stay two.
fn push_tag_value(out: &mut String, value: &str) {
    let mut is_replaced = value.is_empty();
    if is_replaced {
        out.push('_');
    }
    for (at, c) in value.chars().enumerate() {
        let is_reserved = c == ';' || c.is_whitespace() || c.is_control() || (at == 0 && c == '~');
        is_replaced |= is_reserved;
        out.push(if is_reserved { '_' } else { c });
    }
    if is_replaced {
        push_mark(out, value);
    }
}

fn claim(claims: &mut Claims, series: &'static Series, name: &str, tags: &str) -> Result<(), Cause> {
    let mut names = Vec::new();
    for part in parts::names(series.kind()) {
        names.push(if part.is_empty() { format!("{name}{tags}") } else { format!("{name}.{part}{tags}") });
    }
    claims.claim(series, name, names.iter().map(String::as_str))
}

impl Exporter for Lines {
    fn limit(&self) -> Limit {
        self.limit
    }

    fn write(&mut self, view: &SnapshotView<'_>, packer: &mut Packer<'_, '_>) {
        self.begin(view.naming());
        let Lines { path, tags, instruments, claims, texts, interval, .. } = self;
        let totals = view.snapshot().totals();
        instruments.update(totals);
        let mut end = Vec::new();
        end.push(b' ');
        push_whole(&mut end, moment::nanos(view.snapshot().time()) / 1_000_000_000);
        end.push(b'\n');
        for (at, instrument) in instruments.iter() {
            if packer.is_stopped() {
                return;
            }
            let series = instrument.first;
            let Some(summary) = summary(instrument, totals) else { continue };
            if texts.get(2 * at).is_none() && claims.known(series).is_none_or(|known| known.is_ok()) {
                let (name, written) = render(path, *tags, view.naming(), series);
                if claim(claims, series, &name, &written).is_ok() {
                    texts.set(2 * at, name.as_bytes());
                    texts.set(2 * at + 1, written.as_bytes());
                }
            }
            if let Some(Err(cause)) = claims.known(series) {
                ids(instrument, totals).for_each(|id| packer.dropped(id, cause));
                continue;
            }
            let (name, tags) = (texts.get(2 * at).unwrap_or_default(), texts.get(2 * at + 1).unwrap_or_default());
            interval.parts(&summary, ids(instrument, totals), |part, number| {
                packer.piece(0, 0, ids(instrument, totals), |out| {
                    out.extend_from_slice(name);
                    if !part.is_empty() {
                        out.push(b'.');
                        out.extend_from_slice(part.as_bytes());
                    }
                    out.extend_from_slice(tags);
                    out.push(b' ');
                    match number {
                        Number::Whole(value) => push_whole(out, value),
                        Number::Signed(value) => push_whole(out, value),
                        Number::Float(value) => push_plain(out, value),
                    }
                    out.extend_from_slice(&end);
                });
            });
        }
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
    fn no_name_or_label_can_end_a_line_or_begin_a_tag() {
        let logger =
            get_logger("g:\n").with("name", "a b;c=d\n").with("k;=", "~x").with("empty", "").with("u", "é\u{85}");
        let series = logger.counter("c d").series();
        let (name, tags) = render("p.q", true, &Naming::default(), series);
        assert_eq!(
            (name.as_str(), tags.as_str()),
            ("p.q.g__.c_d", ";empty=_-811c9dc5;k__=_x-4d5d5e5b;name_=a_b_c=d_-722d2d91;u=é_-945ad274")
        );
        let (name, tags) = render("", false, &Naming::default(), series);
        assert_eq!(
            (name.as_str(), tags.as_str()),
            ("g__.c_d.empty.k__._x-4d5d5e5b.name.a_b_c_d_-722d2d91.u.__-945ad274", "")
        );
        let nothing = get_logger("").counter("").series();
        assert_eq!(render("p", true, &Naming::default(), nothing).0, "");
    }
}
