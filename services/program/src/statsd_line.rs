//! One statsd line taken apart, in any dialect: `name:value|type`, and what servers allow beside it. It is for showing a line: the archive has a
//! reader of its own, which keeps less of it.
//!
//! Nothing is judged here but the form: a [`StatsdLine`] keeps values and types as they came, and its methods read them. A line that has no
//! such form gets a [`StatsdFault`], which says why.

use std::fmt;

/// A line: a name, and one or more samples of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StatsdLine<'a> {
    /// The name, with Telegraf's tags where it has some: `name,key=value`.
    pub(crate) name: &'a str,
    /// Values with their types: one, or several as Etsy's statsd and Telegraf have it, `name:1|ms:2|ms`.
    pub(crate) samples: Vec<StatsdSample<'a>>,
    /// DogStatsD's tags, without the `#`: `key:value,flag`.
    pub(crate) tags: Option<&'a str>,
    /// The other fields of DogStatsD: `c:<container>`, `T<seconds>`, `e:<external data>`.
    pub(crate) extensions: Vec<&'a str>,
}

/// A value, or several as DogStatsD packs them, with type and rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct StatsdSample<'a> {
    /// The values as they came: `1`, `+1`, `1:2:3`.
    pub(crate) values: &'a str,
    /// The type: `c`, `g`, `ms`, `h`, `d`, `s`, or anything else.
    pub(crate) kind: &'a str,
    /// The sample rate; 1 where there is none.
    pub(crate) rate: f64,
    /// The sample rate as it came, without the `@`.
    pub(crate) rate_text: Option<&'a str>,
}

/// The reason why a line is no statsd, or a value no number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StatsdFault {
    /// There is no `:`.
    NoValue,
    /// There is nothing before the `:`.
    NoName,
    /// There is no `|` behind a value.
    NoType,
    /// A sample rate that is no number above 0 and up to 1.
    Rate(String),
    /// A field behind the type that no dialect has.
    Field(String),
    /// A value that is no finite number.
    Value(String),
}

impl fmt::Display for StatsdFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StatsdFault::NoValue => f.write_str("there is no `:` behind the name; expected name:value|type"),
            StatsdFault::NoName => f.write_str("there is no name before the `:`"),
            StatsdFault::NoType => {
                f.write_str("there is no `|` with a type behind the value; expected name:value|type")
            }
            StatsdFault::Rate(found) => {
                write!(f, "the sample rate {found:?} is no number above 0 and at most 1; expected |@0.1")
            }
            StatsdFault::Field(found) => {
                write!(f, "the field {found:?} behind the type is none; expected @rate, #tags, c:container or Ttime")
            }
            StatsdFault::Value(found) => write!(f, "the value {found:?} is no number"),
        }
    }
}

impl std::error::Error for StatsdFault {}

/// Longest piece of a line that a fault shows.
const SHOWN: usize = 64;

fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

impl<'a> StatsdLine<'a> {
    /// Takes a line apart. It has no line feed.
    ///
    /// # Errors
    /// [`StatsdFault`] where it has not the form of one.
    pub(crate) fn parse(line: &'a str) -> Result<StatsdLine<'a>, StatsdFault> {
        let (name, mut rest) = line.split_once(':').ok_or(StatsdFault::NoValue)?;
        if name.is_empty() {
            return Err(StatsdFault::NoName);
        }
        let mut out = StatsdLine { name, samples: Vec::new(), tags: None, extensions: Vec::new() };
        'samples: loop {
            let (values, behind) = rest.split_once('|').ok_or(StatsdFault::NoType)?;
            let end = behind.find(['|', ':']).unwrap_or(behind.len());
            let kind = &behind[..end];
            let mut sample = StatsdSample { values, kind, rate: 1.0, rate_text: None };
            rest = &behind[end..];
            while let Some(field) = rest.strip_prefix('|') {
                // A rate ends where the next sample begins; the other fields have colons of their own.
                let ends: &[char] = if field.starts_with('@') { &['|', ':'] } else { &['|'] };
                let end = field.find(ends).unwrap_or(field.len());
                let (field, behind) = field.split_at(end);
                rest = behind;
                match field.as_bytes().first() {
                    Some(b'@') => {
                        let rate = field[1..].parse().ok().filter(|rate: &f64| *rate > 0.0 && *rate <= 1.0);
                        sample.rate = rate.ok_or_else(|| StatsdFault::Rate(shown(&field[1..])))?;
                        sample.rate_text = Some(&field[1..]);
                    }
                    Some(b'#') => out.tags = Some(&field[1..]),
                    Some(b'c' | b'T' | b'e') => out.extensions.push(field),
                    _ => return Err(StatsdFault::Field(shown(field))),
                }
            }
            out.samples.push(sample);
            match rest.strip_prefix(':') {
                Some(next) => rest = next,
                None => break 'samples,
            }
        }
        Ok(out)
    }
}

impl StatsdSample<'_> {
    /// Reads the values.
    ///
    /// # Errors
    /// [`StatsdFault::Value`] for the first that is no finite number.
    pub(crate) fn numbers(&self) -> Result<Vec<f64>, StatsdFault> {
        let read = |text: &str| text.parse::<f64>().ok().filter(|value| value.is_finite());
        self.values.split(':').map(|text| read(text).ok_or_else(|| StatsdFault::Value(shown(text)))).collect()
    }

    /// Returns `true` for a value with a sign, which changes a gauge in most dialects and does not set it.
    #[must_use]
    pub(crate) fn is_signed(&self) -> bool {
        self.values.starts_with(['+', '-'])
    }
}

#[cfg(test)]
#[path = "../../../tests/statsd-conformance/corpus.rs"]
mod corpus;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpus_is_read_as_it_says() {
        let sample = |sample: &StatsdSample<'_>| match sample.numbers() {
            Ok(_) => format!("{} {} @{}", sample.kind, sample.values, sample.rate),
            // The members of a set are no numbers.
            Err(_) if sample.kind == "s" => format!("s {} @{}", sample.values, sample.rate),
            Err(fault) => format!("!{fault}"),
        };
        super::corpus::compare("tap", |case| {
            let lines = case.send.iter().flat_map(|datagram| datagram.lines()).filter(|line| !line.is_empty());
            let read = |line| match StatsdLine::parse(line) {
                Ok(line) => line.samples.iter().map(sample).collect(),
                Err(fault) => vec![format!("!{fault}")],
            };
            lines.flat_map(read).collect()
        });
    }

    fn samples(line: &str) -> Vec<(&str, &str, f64)> {
        StatsdLine::parse(line).unwrap().samples.iter().map(|s| (s.values, s.kind, s.rate)).collect()
    }

    #[test]
    fn every_form_is_taken_apart() {
        assert_eq!(samples("a.b:1|c"), [("1", "c", 1.0)]);
        assert_eq!(samples("a:1|c|@0.5"), [("1", "c", 0.5)]);
        assert_eq!(samples("a:1|ms:2|ms"), [("1", "ms", 1.0), ("2", "ms", 1.0)]);
        assert_eq!(samples("a:1|ms|@0.5:2|ms"), [("1", "ms", 0.5), ("2", "ms", 1.0)]);
        assert_eq!(samples("a:1:2:3|d"), [("1:2:3", "d", 1.0)]);
        assert_eq!(samples("a:-1|g"), [("-1", "g", 1.0)]);
        assert_eq!(samples("a:|x"), [("", "x", 1.0)]);
        let full = StatsdLine::parse("a,k=v:1|h|@0.5|#k:v,f|c:in-1:2|T1656581400").unwrap();
        assert_eq!((full.name, full.tags), ("a,k=v", Some("k:v,f")));
        assert_eq!((full.samples.len(), full.extensions), (1, vec!["c:in-1:2", "T1656581400"]));
    }

    #[test]
    fn every_fault_is_told() {
        for (line, fault) in [
            ("", StatsdFault::NoValue),
            ("abc", StatsdFault::NoValue),
            (":1|c", StatsdFault::NoName),
            ("a:1", StatsdFault::NoType),
            ("a:1|c:2", StatsdFault::NoType),
            ("a:1|c|@", StatsdFault::Rate(String::new())),
            ("a:1|c|@0", StatsdFault::Rate("0".into())),
            ("a:1|c|@1.5", StatsdFault::Rate("1.5".into())),
            ("a:1|c|@NaN", StatsdFault::Rate("NaN".into())),
            ("a:1|c|", StatsdFault::Field(String::new())),
            ("a:1|c|x", StatsdFault::Field("x".into())),
        ] {
            assert_eq!(StatsdLine::parse(line), Err(fault), "{line}");
        }
        for (line, value) in
            [("a:|c", ""), ("a:x|c", "x"), ("a:nan|g", "nan"), ("a:1:x|d", "x"), ("a:1e999|g", "1e999")]
        {
            let line = StatsdLine::parse(line).unwrap();
            assert_eq!(line.samples[0].numbers(), Err(StatsdFault::Value(value.into())));
        }
    }
}
