//! One line of statsd, in any dialect: what it says, or why it says nothing.
//!
//! | dialect | form |
//! |---|---|
//! | Etsy | `name:1\|c\|@0.1`, `name:1\|ms:2\|ms` |
//! | DogStatsD | `name:1:2\|h\|@0.5\|#key:value,flag\|T1656581400\|c:container\|e:card` |
//! | Telegraf, InfluxDB | `name,key=value:1\|c` |
//! | Graphite | `name;key=value:1\|c` |
//! | SignalFx | `name[key=value]:1\|c` |

use super::counts::StatsdCause as Cause;
use ferrometer_archive::{Nanos, SECOND};

/// Kinds of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Timer,
    Set,
}

impl Kind {
    /// The letters behind the name of a metric.
    pub(super) fn letters(self) -> &'static str {
        match self {
            Kind::Counter => "c",
            Kind::Gauge => "g",
            Kind::Timer => "ms",
            Kind::Set => "s",
        }
    }
}

/// Values of one kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Piece<'l> {
    /// Joined with colons.
    pub values: &'l str,
    pub kind: Kind,
    pub rate: Option<f64>,
}

/// A line.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Line<'l> {
    pub name: &'l str,
    /// Tags as they came, each a key with a value or alone.
    pub tags: Vec<(&'l str, &'l str)>,
    pub pieces: Vec<Piece<'l>>,
    /// The moment that the line says it is of.
    pub time: Option<Nanos>,
}

/// Reads a line.
pub(super) fn parse(line: &str) -> Result<Line<'_>, Cause> {
    if line.starts_with("_e{") {
        return Err(Cause::Event);
    }
    if line.starts_with("_sc|") {
        return Err(Cause::ServiceCheck);
    }
    let (head, rest) = line.split_once(':').ok_or(Cause::NoValue)?;
    let mut out = Line::default();
    out.name = name(head, &mut out.tags);
    let mut fields = rest.split('|');
    let mut values = fields.next().unwrap_or("");
    let mut wants_kind = true;
    for field in fields {
        if wants_kind {
            // Etsy's way of several: the next value behind the kind.
            let (letters, next) = field.split_once(':').map_or((field, None), |(kind, next)| (kind, Some(next)));
            out.pieces.push(Piece { values, kind: kind(letters)?, rate: None });
            wants_kind = next.is_some();
            values = next.unwrap_or("");
            continue;
        }
        match field.as_bytes().first() {
            Some(b'@') => {
                let (rate, next) =
                    field[1..].split_once(':').map_or((&field[1..], None), |(rate, next)| (rate, Some(next)));
                let rate: f64 = rate.parse().map_err(|_| Cause::Rate)?;
                let is_rate = rate > 0.0 && rate <= 1.0;
                let piece = out.pieces.last_mut().filter(|piece| is_rate && piece.rate.is_none());
                piece.ok_or(Cause::Rate)?.rate = Some(rate);
                wants_kind = next.is_some();
                values = next.unwrap_or("");
            }
            Some(b'#') => {
                out.tags.extend(field[1..].split(',').filter(|tag| !tag.is_empty()).map(|tag| pair(tag, ':')))
            }
            Some(b'T') => {
                let seconds: i64 = field[1..].parse().map_err(|_| Cause::Time)?;
                out.time = Some(seconds.checked_mul(SECOND).filter(|at| *at >= 0).ok_or(Cause::Time)?);
            }
            // A container and its origin do not change the value.
            Some(b'c' | b'e') => {}
            _ => return Err(Cause::Part),
        }
    }
    if wants_kind { Err(Cause::NoType) } else { Ok(out) }
}

/// Reads a line as gnocchi-statsd does: one value, a type, and a rate that counters alone have.
pub(super) fn parse_exactly(line: &str) -> Result<Line<'_>, Cause> {
    let mut fields = line.split('|');
    let (head, letters, rate, more) = (fields.next().unwrap_or(""), fields.next(), fields.next(), fields.next());
    let (Some(letters), None) = (letters, more) else { return Err(Cause::Bars) };
    let rate = rate.map(|rate| rate.get(1..).and_then(|rate| rate.trim().parse::<f64>().ok()).ok_or(Cause::Fatal));
    let rate = rate.transpose()?;
    let (name, values) = head.split_once(':').ok_or(Cause::Fatal)?;
    if values.trim().parse::<f64>().is_err() {
        return Err(Cause::Fatal);
    }
    let kind = match letters {
        "c" => Kind::Counter,
        "g" => Kind::Gauge,
        "ms" => Kind::Timer,
        _ => return Err(Cause::Type),
    };
    match rate {
        Some(_) if kind != Kind::Counter => Err(Cause::Rate),
        Some(0.0) => Err(Cause::Rate),
        _ => Ok(Line { name, tags: Vec::new(), pieces: vec![Piece { values, kind, rate }], time: None }),
    }
}

fn kind(letters: &str) -> Result<Kind, Cause> {
    match letters {
        // A meter counts.
        "c" | "m" => Ok(Kind::Counter),
        "g" => Ok(Kind::Gauge),
        "ms" | "h" | "d" => Ok(Kind::Timer),
        "s" => Ok(Kind::Set),
        "" => Err(Cause::NoType),
        _ => Err(Cause::Type),
    }
}

fn pair(tag: &str, between: char) -> (&str, &str) {
    tag.split_once(between).unwrap_or((tag, ""))
}

/// Takes the tags off a name.
fn name<'l>(head: &'l str, tags: &mut Vec<(&'l str, &'l str)>) -> &'l str {
    let end = head.find([',', ';', '[']).filter(|end| head[*end..].contains('='));
    let Some(end) = end else { return head };
    let (name, rest) = head.split_at(end);
    let (rest, behind) = match rest.strip_prefix('[') {
        // SignalFx has its tags anywhere within the name; where they are in front, the name is behind them.
        Some(inside) => inside.split_once(']').unwrap_or((inside, "")),
        None => (&rest[1..], ""),
    };
    tags.extend(rest.split([',', ';']).filter(|tag| !tag.is_empty()).map(|tag| pair(tag, '=')));
    if name.is_empty() { behind } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(values: &str, kind: Kind, rate: Option<f64>) -> Piece<'_> {
        Piece { values, kind, rate }
    }

    #[test]
    fn every_dialect_is_read() {
        let line = parse("a.b:1|ms:2|ms|@0.5:3|h").unwrap();
        let timer = |values, rate| piece(values, Kind::Timer, rate);
        assert_eq!(line.pieces, [timer("1", None), timer("2", Some(0.5)), timer("3", None)]);
        let line = parse("a:1:2.5|d|@0.1|#env:a:b,flag|T1656581400|c:83c|e:it").unwrap();
        assert_eq!(line.pieces, [timer("1:2.5", Some(0.1))]);
        assert_eq!((line.tags, line.time), (vec![("env", "a:b"), ("flag", "")], Some(1_656_581_400 * SECOND)));
        for text in ["n,k=v,x=y:-1|g", "n;k=v;x=y:-1|g", "n[k=v,x=y]:-1|g", "[k=v,x=y]n:-1|g"] {
            let line = parse(text).unwrap();
            assert_eq!((line.name, line.tags), ("n", vec![("k", "v"), ("x", "y")]), "{text}");
            assert_eq!(line.pieces, [piece("-1", Kind::Gauge, None)]);
        }
        // No tags, because nothing is told of them.
        assert_eq!(parse("a,b:1|c").unwrap().name, "a,b");
        assert_eq!(parse("u:joe@example.org|s").unwrap().pieces, [piece("joe@example.org", Kind::Set, None)]);
        assert_eq!(parse("m:1|m").unwrap().pieces, [piece("1", Kind::Counter, None)]);
    }

    #[test]
    fn every_fault_has_its_cause() {
        for (text, cause) in [
            ("nothing", Cause::NoValue),
            ("x:1", Cause::NoType),
            ("x:1|", Cause::NoType),
            ("x:1|c:2", Cause::NoType),
            ("x:1|q", Cause::Type),
            ("x:1|c|", Cause::Part),
            ("x:1|c|?", Cause::Part),
            ("x:1|c|@0", Cause::Rate),
            ("x:1|c|@2", Cause::Rate),
            ("x:1|c|@0.5|@0.5", Cause::Rate),
            ("x:1|c|@nan", Cause::Rate),
            ("x:1|g|Tsoon", Cause::Time),
            ("x:1|g|T-1", Cause::Time),
            ("x:1|g|T9223372036854775807", Cause::Time),
            ("_e{1,1}:a|b", Cause::Event),
            ("_sc|a|0", Cause::ServiceCheck),
        ] {
            assert_eq!(parse(text), Err(cause), "{text}");
        }
    }

    #[test]
    fn exact_reading_ends_where_upstream_raises() {
        for (text, cause) in [
            ("x:1", Cause::Bars),
            ("x:1|c|@1|#t", Cause::Bars),
            ("x|c", Cause::Fatal),
            ("x:1:2|c", Cause::Fatal),
            ("x:abc|c", Cause::Fatal),
            ("x:1|c|#tag", Cause::Fatal),
            ("x:1|ms|@0.5", Cause::Rate),
            ("x:1|c|@0", Cause::Rate),
            ("x:1|s", Cause::Type),
            ("x:1|h", Cause::Type),
        ] {
            assert_eq!(parse_exactly(text), Err(cause), "{text}");
        }
        assert_eq!(parse_exactly("a/b:-3|g").unwrap().name, "a/b");
    }
}
