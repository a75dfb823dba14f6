//! One line of statsd, in any dialect: what it says, or why it is none.
//!
//! Nothing is judged here but the form: values stay as they came, and the methods read them.

use std::fmt;

/// A line: a name, and one or more samples of it.
///
/// | dialect | form |
/// |---|---|
/// | Etsy | `name:1\|c\|@0.1`, `name:1\|ms:2\|ms` |
/// | DogStatsD | `name:1:2\|h\|@0.5\|#key:value,flag\|T1656581400\|c:container\|e:card` |
/// | Telegraf, InfluxDB | `name,key=value:1\|c` |
/// | Graphite | `name;key=value:1\|c` |
/// | SignalFx | `name[key=value]:1\|c` |
///
/// ```
/// use ferrometer_statsd_input::{Kind, Line};
///
/// let line = Line::parse("till.sales,shop=3:1.5|c|@0.1")?;
/// assert_eq!(line.bare_name(), "till.sales");
/// assert_eq!(line.tags().collect::<Vec<_>>(), [("shop", Some("3"))]);
/// let sample = line.samples().next().unwrap();
/// assert_eq!((sample.kind(), sample.rate), (Some(Kind::Counter), 0.1));
/// assert_eq!(sample.numbers().collect::<Result<Vec<_>, _>>()?, [1.5]);
/// # Ok::<(), ferrometer_statsd_input::Fault<'static>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Line<'l> {
    /// The name as it came, with the tags that some dialects have in it.
    pub name: &'l str,
    /// Tags of DogStatsD as they came, without the `#`. Of several lists the last counts.
    pub tag_field: Option<&'l str>,
    /// The second since 1970 that the line says it is of (`T`).
    pub seconds: Option<i64>,
    /// The other fields of DogStatsD: `c:<container>`, `T<seconds>`, `e:<external data>`.
    pub extensions: Vec<&'l str>,
    first: Sample<'l>,
    more: Vec<Sample<'l>>,
}

/// A value, or several as DogStatsD packs them, with type and rate.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Sample<'l> {
    /// The values as they came: `1`, `+1`, `1:2:3`.
    pub values: &'l str,
    /// The type as it came, which is not empty: `c`, `g`, `ms`, `h`, `d`, `s`, or anything else.
    pub letters: &'l str,
    /// The sample rate; 1 where there is none.
    pub rate: f64,
    /// The sample rate as it came, without the `@`.
    pub rate_text: Option<&'l str>,
}

/// Kinds of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// `c`, and the `m` of a meter.
    Counter,
    /// `g`.
    Gauge,
    /// `ms`.
    Timer,
    /// `h`.
    Histogram,
    /// `d`.
    Distribution,
    /// `s`.
    Set,
}

/// The reason why a line is no metric of statsd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault<'l> {
    /// There is no `:`.
    NoValue,
    /// There is nothing before the `:`.
    NoName,
    /// There is no `|` with a type behind a value.
    NoType,
    /// A sample rate that is no number above 0 and up to 1, or a second one of the same sample.
    Rate(&'l str),
    /// A time stamp that is no second from 1970 to 2262.
    Time(&'l str),
    /// A field behind the type that no dialect has.
    Field(&'l str),
    /// A value that is no finite number.
    Value(&'l str),
    /// An event of DogStatsD.
    Event,
    /// A service check of DogStatsD.
    ServiceCheck,
}

/// Most characters of a line that a fault shows.
const SHOWN: usize = 64;

impl fmt::Display for Fault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| text.chars().take(SHOWN).collect::<String>();
        match self {
            Fault::NoValue => f.write_str("there is no `:` behind the name; expected name:value|type"),
            Fault::NoName => f.write_str("there is no name before the `:`"),
            Fault::NoType => f.write_str("there is no `|` with a type behind the value; expected name:value|type"),
            Fault::Rate(found) => {
                let found = shown(found);
                write!(f, "the sample rate {found:?} is no number above 0 and at most 1; expected |@0.1")
            }
            Fault::Time(found) => {
                let found = shown(found);
                write!(f, "the time stamp {found:?} is no second from 1970 to 2262; expected |T1656581400")
            }
            Fault::Field(found) => {
                let found = shown(found);
                write!(f, "the field {found:?} behind the type is none; expected @rate, #tags, c:container or Ttime")
            }
            Fault::Value(found) => write!(f, "the value {:?} is no number", shown(found)),
            Fault::Event => f.write_str("it is an event of DogStatsD, and no metric"),
            Fault::ServiceCheck => f.write_str("it is a service check of DogStatsD, and no metric"),
        }
    }
}

impl std::error::Error for Fault<'_> {}

impl<'l> Line<'l> {
    /// Takes a line apart. It has no line feed. Nothing is allocated for one sample without DogStatsD's further fields.
    ///
    /// # Errors
    /// [`Fault`] where it has not the form of a metric.
    pub fn parse(line: &'l str) -> Result<Line<'l>, Fault<'l>> {
        if line.starts_with("_e{") {
            return Err(Fault::Event);
        }
        if line.starts_with("_sc|") {
            return Err(Fault::ServiceCheck);
        }
        let (name, rest) = line.split_once(':').ok_or(Fault::NoValue)?;
        if name.is_empty() {
            return Err(Fault::NoName);
        }
        let (first, rest) = Sample::begin(rest)?;
        let mut out = Line { name, tag_field: None, seconds: None, extensions: Vec::new(), first, more: Vec::new() };
        let mut rest = out.fields(rest)?;
        while let Some(next) = rest.strip_prefix(':') {
            let (sample, behind) = Sample::begin(next)?;
            out.more.push(sample);
            rest = out.fields(behind)?;
        }
        Ok(out)
    }

    /// Reads the fields behind the last sample; returns what is behind them, which is empty or the next sample with its colon.
    fn fields(&mut self, mut rest: &'l str) -> Result<&'l str, Fault<'l>> {
        while let Some(field) = rest.strip_prefix('|') {
            // A rate ends where the next sample begins; the other fields have colons of their own.
            let ends: &[char] = if field.starts_with('@') { &['|', ':'] } else { &['|'] };
            let (field, behind) = field.split_at(field.find(ends).unwrap_or(field.len()));
            rest = behind;
            match field.as_bytes().first() {
                Some(b'@') => {
                    let sample = self.more.last_mut().unwrap_or(&mut self.first);
                    let rate = field[1..].parse().ok().filter(|rate: &f64| *rate > 0.0 && *rate <= 1.0);
                    let rate = rate.filter(|_| sample.rate_text.is_none());
                    sample.rate = rate.ok_or(Fault::Rate(&field[1..]))?;
                    sample.rate_text = Some(&field[1..]);
                }
                Some(b'#') => self.tag_field = Some(&field[1..]),
                Some(b'T') => {
                    let seconds = field[1..].parse().ok().filter(|at: &i64| *at >= 0);
                    let seconds = seconds.filter(|at| at.checked_mul(1_000_000_000).is_some());
                    self.seconds = Some(seconds.ok_or(Fault::Time(&field[1..]))?);
                    self.extensions.push(field);
                }
                // A container and its origin do not change the value.
                Some(b'c' | b'e') => self.extensions.push(field),
                _ => return Err(Fault::Field(field)),
            }
        }
        Ok(rest)
    }

    /// Returns the samples, one or more.
    pub fn samples(&self) -> impl Iterator<Item = &Sample<'l>> + Clone {
        std::iter::once(&self.first).chain(&self.more)
    }

    /// Returns the name without the tags that are in it.
    #[must_use]
    pub fn bare_name(&self) -> &'l str {
        self.split_name().0
    }

    /// Returns all tags, those in the name first; one without a value is there alone.
    pub fn tags(&self) -> impl Iterator<Item = (&'l str, Option<&'l str>)> {
        let pair =
            |between: char| move |tag: &'l str| tag.split_once(between).map_or((tag, None), |(k, v)| (k, Some(v)));
        let in_name = self.split_name().1.split([',', ';']).filter(|tag| !tag.is_empty()).map(pair('='));
        let behind = self.tag_field.unwrap_or_default().split(',').filter(|tag| !tag.is_empty()).map(pair(':'));
        in_name.chain(behind)
    }

    /// Takes the tags off the name.
    fn split_name(&self) -> (&'l str, &'l str) {
        let end = self.name.find([',', ';', '[']).filter(|end| self.name[*end..].contains('='));
        let Some(end) = end else { return (self.name, "") };
        let (name, rest) = self.name.split_at(end);
        let (tags, behind) = match rest.strip_prefix('[') {
            // SignalFx has its tags anywhere within the name; where they are in front, the name is behind them.
            Some(inside) => inside.split_once(']').unwrap_or((inside, "")),
            None => (&rest[1..], ""),
        };
        (if name.is_empty() { behind } else { name }, tags)
    }
}

impl<'l> Sample<'l> {
    /// Reads values and a type; returns what is behind them.
    fn begin(text: &'l str) -> Result<(Sample<'l>, &'l str), Fault<'l>> {
        let (values, behind) = text.split_once('|').ok_or(Fault::NoType)?;
        let (letters, rest) = behind.split_at(behind.find(['|', ':']).unwrap_or(behind.len()));
        if letters.is_empty() {
            return Err(Fault::NoType);
        }
        Ok((Sample { values, letters, rate: 1.0, rate_text: None }, rest))
    }

    /// Returns the kind; `None` for a type that nobody has.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        match self.letters {
            "c" | "m" => Some(Kind::Counter),
            "g" => Some(Kind::Gauge),
            "ms" => Some(Kind::Timer),
            "h" => Some(Kind::Histogram),
            "d" => Some(Kind::Distribution),
            "s" => Some(Kind::Set),
            _ => None,
        }
    }

    /// Returns the values, which for a [`Kind::Set`] need not be numbers. Blanks beside a number are allowed.
    ///
    /// # Errors
    /// [`Fault::Value`] in the place of one that is no finite number.
    pub fn numbers(&self) -> impl Iterator<Item = Result<f64, Fault<'l>>> + use<'l> {
        let read = |text: &str| text.trim().parse::<f64>().ok().filter(|value| value.is_finite());
        self.values.split(':').map(move |text| read(text).ok_or(Fault::Value(text)))
    }

    /// Returns `true` for a value with a sign, which changes a gauge in most dialects and does not set it.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.values.trim_start().starts_with(['+', '-'])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpus_is_read_as_it_says() {
        let sample = |sample: &Sample<'_>| match sample.numbers().collect::<Result<Vec<_>, _>>() {
            Ok(_) => format!("{} {} @{}", sample.letters, sample.values, sample.rate),
            // The members of a set are no numbers.
            Err(_) if sample.kind() == Some(Kind::Set) => format!("s {} @{}", sample.values, sample.rate),
            Err(fault) => format!("!{fault}"),
        };
        crate::corpus::compare("tap", |case| {
            let lines = case.send.iter().flat_map(|datagram| datagram.lines()).filter(|line| !line.is_empty());
            let read = |line| match Line::parse(line) {
                Ok(line) => line.samples().map(sample).collect(),
                Err(fault) => vec![format!("!{fault}")],
            };
            lines.flat_map(read).collect()
        });
    }

    fn samples(line: &str) -> Vec<(&str, &str, f64)> {
        Line::parse(line).unwrap().samples().map(|s| (s.values, s.letters, s.rate)).collect()
    }

    #[test]
    fn every_form_is_taken_apart() {
        assert_eq!(samples("a.b:1|c"), [("1", "c", 1.0)]);
        assert_eq!(samples("a:1|c|@0.5"), [("1", "c", 0.5)]);
        assert_eq!(samples("a:1|ms:2|ms"), [("1", "ms", 1.0), ("2", "ms", 1.0)]);
        assert_eq!(samples("a:1|ms|@0.5:2|ms"), [("1", "ms", 0.5), ("2", "ms", 1.0)]);
        assert_eq!(samples("a:1|ms:2|ms|@0.5:3|h"), [("1", "ms", 1.0), ("2", "ms", 0.5), ("3", "h", 1.0)]);
        assert_eq!(samples("a:1:2:3|d"), [("1:2:3", "d", 1.0)]);
        assert_eq!(samples("a:-1|g"), [("-1", "g", 1.0)]);
        assert_eq!(samples("a:|x"), [("", "x", 1.0)]);
        assert_eq!(samples("u:joe@example.org|s"), [("joe@example.org", "s", 1.0)]);
        let full = Line::parse("a,k=v:1|h|@0.5|#k:v:w,f|c:in-1:2|T1656581400|e:it").unwrap();
        assert_eq!((full.bare_name(), full.tag_field, full.seconds), ("a", Some("k:v:w,f"), Some(1_656_581_400)));
        assert_eq!(full.tags().collect::<Vec<_>>(), [("k", Some("v")), ("k", Some("v:w")), ("f", None)]);
        assert_eq!((full.samples().count(), &full.extensions), (1, &vec!["c:in-1:2", "T1656581400", "e:it"]));
        for text in ["n,k=v,x=y:-1|g", "n;k=v;x=y:-1|g", "n[k=v,x=y]:-1|g", "[k=v,x=y]n:-1|g"] {
            let line = Line::parse(text).unwrap();
            assert_eq!(line.bare_name(), "n", "{text}");
            assert_eq!(line.tags().collect::<Vec<_>>(), [("k", Some("v")), ("x", Some("y"))], "{text}");
        }
        // No tags, because nothing is told of them.
        assert_eq!(Line::parse("a,b:1|c").unwrap().bare_name(), "a,b");
        assert_eq!(Line::parse("m:1|m").unwrap().first.kind(), Some(Kind::Counter));
    }

    #[test]
    fn every_fault_is_told() {
        for (line, fault) in [
            ("", Fault::NoValue),
            ("abc", Fault::NoValue),
            (":1|c", Fault::NoName),
            ("a:1", Fault::NoType),
            ("a:1|", Fault::NoType),
            ("a:1|c:2", Fault::NoType),
            ("a:1|c|@", Fault::Rate("")),
            ("a:1|c|@0", Fault::Rate("0")),
            ("a:1|c|@1.5", Fault::Rate("1.5")),
            ("a:1|c|@NaN", Fault::Rate("NaN")),
            ("a:1|c|@0.5|@0.5", Fault::Rate("0.5")),
            ("a:1|g|Tsoon", Fault::Time("soon")),
            ("a:1|g|T-1", Fault::Time("-1")),
            ("a:1|g|T9223372036854775807", Fault::Time("9223372036854775807")),
            ("a:1|c|", Fault::Field("")),
            ("a:1|c|x", Fault::Field("x")),
            ("_e{1,1}:a|b", Fault::Event),
            ("_sc|a|0", Fault::ServiceCheck),
        ] {
            assert_eq!(Line::parse(line), Err(fault), "{line}");
        }
        for (line, value) in
            [("a:|c", ""), ("a:x|c", "x"), ("a:nan|g", "nan"), ("a:1:x|d", "x"), ("a:1e999|g", "1e999")]
        {
            let line = Line::parse(line).unwrap();
            assert_eq!(line.first.numbers().find_map(Result::err), Some(Fault::Value(value)));
        }
    }
}
