//! The kinds of values: the one place where a value is found right or wrong.
//!
//! A [`Kind`] reads the text of an environment variable, checks a [`Value`] of whatever source, and says in words
//! what it would have taken; messages and the reference use the same words.
//!
//! All kinds stand together, so that none words its messages by itself; hence the length.

#[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
use std::net::SocketAddr;
use std::time::Duration;

use super::duration;
use super::error::{Refused, clean};
use super::faults::{
    bounds, has_control, host_fault, key_fault, name_fault, pair_fault, repeated_name, text_fault, too_many,
    without_scheme,
};
use super::suggest::nearest;
use super::value::Value;
use ferrometer_core::name::{MAX_LABELS, MAX_NAME_BYTES, UUID_FORM, uuid};

/// No interval or deadline is longer; keeps sums of an instant and a duration far from overflow.
const ONE_DAY: Duration = Duration::from_secs(86_400);

/// An integer within both bounds.
pub(super) const fn between(min: u64, max: u64) -> Kind {
    Kind::Integer { min, max }
}

/// A number of things, at least one.
pub(super) const fn up_to(max: u64) -> Kind {
    Kind::Integer { min: 1, max }
}

/// A text of `min` to `max` bytes.
pub(super) const fn length(min: usize, max: usize) -> Kind {
    Kind::Text { min, max }
}

/// The path of a file or a directory, of `min` to `max` bytes.
#[cfg_attr(not(feature = "every-key"), allow(dead_code))]
pub(super) const fn file(min: usize, max: usize) -> Kind {
    Kind::File { min, max }
}

/// The path of a socket, of at most `max` bytes.
pub(super) const fn path(max: usize) -> Kind {
    Kind::Path { max }
}

/// A duration of at least `millis` milliseconds.
pub(super) const fn at_least_ms(millis: u64) -> Kind {
    Kind::Duration { min: Duration::from_millis(millis) }
}

/// Upper bounds of buckets; those of a time are above 0.
pub(super) const fn bounds_above(above: Option<f64>) -> Kind {
    Kind::Bounds { above }
}

/// A list of `name=value`.
#[cfg_attr(not(feature = "every-key"), allow(dead_code))]
pub(super) const fn pairs() -> Kind {
    Kind::Pairs { secret: false, once: false }
}

/// A list of `name=value` that messages do not show.
#[cfg_attr(not(feature = "every-key"), allow(dead_code))]
pub(super) const fn headers() -> Kind {
    Kind::Pairs { secret: true, once: false }
}

/// A list of `name=value` in which each name is there once.
pub(super) const fn labels() -> Kind {
    Kind::Pairs { secret: false, once: true }
}

/// A list of texts: see [`Kind::Texts`].
#[derive(Debug)]
pub(super) struct Texts {
    /// The allowed values in words.
    pub(super) expected: &'static str,
    /// Returns what is wrong with one of them.
    pub(super) fault: fn(&str) -> Option<String>,
    /// Messages do not show them.
    pub(super) secret: bool,
}

/// Type and range of a key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Bool,
    Integer {
        min: u64,
        max: u64,
    },
    PowerOfTwo {
        min: u64,
        max: u64,
    },
    /// Bytes, both ends included.
    Text {
        min: usize,
        max: usize,
    },
    /// The path of a file or a directory: a text, looked up in the directory that the program was started in.
    #[cfg_attr(not(feature = "every-key"), allow(dead_code))]
    File {
        min: usize,
        max: usize,
    },
    /// At most `max` bytes, no URL; empty for none.
    Path {
        max: usize,
    },
    /// A name or address as a resolver takes it: no port, no scheme, no space.
    Host,
    /// A UUID; empty for none.
    Uuid,
    Choice(&'static [&'static str]),
    /// One of the names, and for messages other words with the name that is meant by each.
    Server(&'static [&'static str], &'static [(&'static str, &'static str)]),
    /// One of the names, or a list; the first name means "none" and comes alone. For messages other words, with the advice for each.
    Backends(&'static [&'static str], &'static [(&'static str, &'static str)]),
    Duration {
        min: Duration,
    },
    /// A share in (0, 1].
    Rate,
    #[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
    SocketAddress,
    /// A list of texts that a function of the key's own finds right or wrong: no program has it that does without the key.
    Texts(&'static Texts),
    /// A metric's name in which each `*` stands for any text.
    Pattern,
    /// A metric's name in which each `*` stands for a text of its pattern's.
    Name,
    /// A list of labels' keys.
    Keys,
    /// A token itself: never shown.
    Secret,
    /// A list of finite numbers in rising order, above `above`.
    Bounds {
        above: Option<f64>,
    },
    /// A list of `name=value`, or in a file a table: the values may be secrets, and a name may have to be there once.
    Pairs {
        secret: bool,
        once: bool,
    },
}

impl Kind {
    /// Returns the value in its final form (durations as such, a single backend as a list of one), or the reason to refuse it.
    pub(super) fn check(&self, value: &Value) -> Result<Value, Refused> {
        let mut hint = None;
        // The value in its final form, where that differs.
        let mut becomes = None;
        let fits = match (self, value) {
            (Kind::Bool, Value::Bool(_)) => true,
            (Kind::Bool, Value::Text(text)) => {
                let meant = ["true", "false"].into_iter().find(|word| text.eq_ignore_ascii_case(word));
                hint = meant.map(|word| format!("did you mean {word}?"));
                false
            }
            (Kind::Integer { min, max }, Value::Integer(n)) => is_between(*n, *min, *max),
            (Kind::PowerOfTwo { min, max }, Value::Integer(n)) => is_between(*n, *min, *max) && n.count_ones() == 1,
            (Kind::Text { min, max } | Kind::File { min, max }, Value::Text(text)) => {
                hint = text_fault(text, *max);
                hint.is_none() && text.len() >= *min
            }
            (Kind::Path { max }, Value::Text(text)) => {
                hint = match without_scheme(text).filter(|_| !has_control(text)) {
                    Some(path) => Some(format!("it is given without scheme; did you mean \"{}\"?", clean(path))),
                    None => text_fault(text, *max),
                };
                hint.is_none()
            }
            (Kind::Host, Value::Text(text)) => {
                let fault = host_fault(text);
                hint = fault.map(str::to_owned);
                fault.is_none() && !text.is_empty() && text.len() <= 253
            }
            (Kind::Uuid, Value::Text(text)) if text.is_empty() => true,
            (Kind::Uuid, Value::Text(text)) => match uuid(text) {
                Ok(uuid) => {
                    becomes = Some(Value::Text(uuid));
                    true
                }
                Err(wrong) => {
                    hint = wrong.meant.map(|meant| format!("did you mean \"{meant}\"?"));
                    false
                }
            },
            (Kind::Choice(known), Value::Text(text)) => {
                hint = nearest(text, known.iter().copied()).map(|word| format!("did you mean \"{word}\"?"));
                known.contains(&text.as_str())
            }
            (Kind::Server(known, others), Value::Text(text)) => {
                let other = others.iter().find(|(other, _)| text.eq_ignore_ascii_case(other)).map(|(_, name)| *name);
                let word = other.or_else(|| nearest(text, known.iter().copied()));
                hint = word.map(|word| format!("did you mean \"{word}\"?"));
                known.contains(&text.as_str())
            }
            (Kind::Backends(known, others), Value::Text(_)) => {
                return backends(self, known, others, std::slice::from_ref(value));
            }
            (Kind::Backends(known, others), Value::List(items)) => return backends(self, known, others, items),
            (Kind::Duration { min }, value) => {
                let read = match value {
                    Value::Duration(given) => Some(*given),
                    // An i128 as a float is exact enough to be refused when it is out of range.
                    Value::Integer(seconds) => duration::from_seconds(*seconds as f64),
                    Value::Float(seconds) => duration::from_seconds(*seconds),
                    Value::Text(text) => duration::parse(text),
                    _ => None,
                };
                if let (None, Value::Text(text)) = (read, value)
                    && !text.is_empty()
                    && text.bytes().all(|b| b.is_ascii_digit())
                {
                    hint = Some(format!("did you mean \"{text}s\"?"));
                }
                becomes = read.map(Value::Duration);
                read.is_some_and(|read| *min <= read && read <= ONE_DAY)
            }
            (Kind::Rate, Value::Float(rate)) => *rate > 0.0 && *rate <= 1.0,
            (Kind::Rate, Value::Integer(1)) => {
                becomes = Some(Value::Float(1.0));
                true
            }
            (Kind::Pattern | Kind::Name, Value::Text(text)) => {
                hint = name_fault(text, matches!(self, Kind::Pattern));
                hint.is_none() && !text.is_empty()
            }
            #[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
            (Kind::SocketAddress, Value::Text(text)) => {
                let address = text.parse::<SocketAddr>();
                becomes = address.ok().map(|address| Value::Text(address.to_string()));
                becomes.is_some()
            }
            (Kind::Bounds { above }, Value::List(items)) => match bounds(items, *above) {
                Ok(bounds) => {
                    becomes = Some(bounds);
                    true
                }
                Err(fault) => {
                    hint = Some(fault);
                    false
                }
            },
            (Kind::Texts(texts), Value::List(items)) => return list(self, items, &texts.fault),
            (Kind::Keys, Value::List(items)) if items.len() > MAX_LABELS => {
                hint = Some(format!("it has {} of them", items.len()));
                false
            }
            (Kind::Keys, Value::List(items)) => return list(self, items, &key_fault),
            (Kind::Pairs { once, .. }, Value::List(items)) => {
                if let Some(fault) = too_many(items).filter(|_| *once) {
                    return Err(Refused { expected: self.expected(), hint: Some(fault) });
                }
                return list(self, items, &|text| {
                    pair_fault(text).or_else(|| once.then(|| repeated_name(text, items)).flatten())
                });
            }
            (Kind::Secret, Value::Text(text)) => {
                !text.is_empty() && text.len() <= 1024 && text.bytes().all(|b| b.is_ascii_graphic())
            }
            _ => false,
        };
        if !fits {
            return Err(Refused { expected: self.expected(), hint });
        }
        Ok(becomes.unwrap_or_else(|| value.clone()))
    }

    /// Reads the text of an environment variable. Text that fits nothing stays text, and fails the check.
    pub(super) fn read(&self, text: &str) -> Value {
        let as_integer = || text.parse::<i128>().ok().map(Value::Integer);
        let as_float = || text.parse::<f64>().ok().map(Value::Float);
        let read = match self {
            Kind::Bool => match text {
                "true" | "1" => Some(Value::Bool(true)),
                "false" | "0" => Some(Value::Bool(false)),
                _ => None,
            },
            Kind::Integer { .. } | Kind::PowerOfTwo { .. } => as_integer(),
            Kind::Duration { .. } | Kind::Rate => as_integer().or_else(as_float),
            Kind::Bounds { .. } if !text.is_empty() => {
                let items = text.split(',').map(str::trim);
                let number = |item: &str| item.parse().map_or_else(|_| Value::text(item), Value::Float);
                Some(Value::List(items.map(number).collect()))
            }
            Kind::Backends(..) | Kind::Texts(_) | Kind::Keys | Kind::Pairs { .. } if !text.is_empty() => {
                let mut items = Vec::new();
                for item in text.split(',') {
                    items.push(Value::text(item.trim()));
                }
                Some(Value::List(items))
            }
            _ => None,
        };
        read.unwrap_or_else(|| Value::text(text))
    }

    /// Returns the allowed values in words, for messages and the reference.
    pub(super) fn expected(&self) -> String {
        match self {
            Kind::Bool => "true or false".to_owned(),
            Kind::Integer { min, max } => format!("an integer from {min} to {max}"),
            Kind::PowerOfTwo { min, max } => format!("a power of two from {min} to {max}"),
            Kind::Text { min, max } | Kind::File { min, max } => {
                format!("a string of {min} to {max} bytes without control characters")
            }
            Kind::Path { max } => format!("a path of at most {max} bytes, without scheme and control characters"),
            Kind::Host => "a host name or an IP address of 1 to 253 bytes".to_owned(),
            Kind::Uuid => format!("a UUID {UUID_FORM}, or nothing"),
            Kind::Choice(known) | Kind::Server(known, _) => alternatives(known),
            Kind::Backends(known, _) => format!("{}, or a list of them", alternatives(known)),
            Kind::Duration { min } => format!(
                "seconds as a number, or a string such as \"500ms\", \"10s\", \"1m\", from {} to {}",
                duration::show(*min),
                duration::show(ONE_DAY)
            ),
            Kind::Rate => "a number greater than 0 and at most 1".to_owned(),
            #[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
            Kind::SocketAddress => "an IP address with a port, such as \"127.0.0.1:9620\" or \"[::1]:9620\"".to_owned(),
            Kind::Bounds { above } => {
                let above = above.map_or_else(String::new, |above| format!(", the first above {above}"));
                format!("a list of 1 to 200 numbers in rising order{above}")
            }
            Kind::Pattern => {
                format!("1 to {MAX_NAME_BYTES} bytes of [A-Za-z0-9_.*-], in which each * stands for any text")
            }
            Kind::Name => {
                format!("a name of 1 to {MAX_NAME_BYTES} bytes: parts of [A-Za-z0-9_*-], joined with dots")
            }
            Kind::Keys => format!("a list of 1 to {MAX_LABELS} keys of labels"),
            Kind::Texts(texts) => texts.expected.to_owned(),
            Kind::Pairs { .. } => "a list of texts of the form name=value".to_owned(),
            Kind::Secret => "1 to 1024 printable ASCII characters without spaces".to_owned(),
        }
    }

    /// One word, for the reference.
    #[cfg(test)]
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Kind::Bool => "boolean",
            Kind::Integer { .. } | Kind::PowerOfTwo { .. } => "integer",
            Kind::Text { .. }
            | Kind::File { .. }
            | Kind::Path { .. }
            | Kind::Host
            | Kind::Pattern
            | Kind::Name
            | Kind::Uuid
            | Kind::Choice(_)
            | Kind::Server(..)
            | Kind::Secret => "string",
            #[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
            Kind::SocketAddress => "string",
            Kind::Backends(..) => "string or list",
            Kind::Duration { .. } => "duration",
            Kind::Rate => "number",
            Kind::Bounds { .. } | Kind::Texts(_) | Kind::Keys | Kind::Pairs { .. } => "list",
        }
    }

    /// Returns `true` if a message must not show the value: it may be a secret in the wrong place.
    pub(super) fn is_secret(&self) -> bool {
        matches!(self, Kind::Texts(Texts { secret: true, .. }) | Kind::Secret | Kind::Pairs { secret: true, .. })
    }
}

fn is_between(number: i128, min: u64, max: u64) -> bool {
    i128::from(min) <= number && number <= i128::from(max)
}

/// A list of texts, each without fault and there once.
fn list(kind: &Kind, items: &[Value], fault: &dyn Fn(&str) -> Option<String>) -> Result<Value, Refused> {
    let refuse = |hint: String| Err(Refused { expected: kind.expected(), hint: Some(hint) });
    if items.is_empty() {
        return refuse("the list is empty".to_owned());
    }
    for (i, item) in items.iter().enumerate() {
        let at = i + 1;
        let Value::Text(text) = item else {
            return refuse(format!("item {at} is of type {}", item.type_name()));
        };
        let fault = if text.is_empty() { Some("it is empty".to_owned()) } else { fault(text) };
        if let Some(fault) = fault {
            return refuse(format!("item {at}: {fault}"));
        }
        if items[..i].contains(item) {
            return refuse(format!("item {at} is there twice"));
        }
    }
    Ok(Value::List(items.to_vec()))
}

fn backends(kind: &Kind, known: &[&str], others: &[(&str, &str)], items: &[Value]) -> Result<Value, Refused> {
    let refuse = |hint: Option<String>| Err(Refused { expected: kind.expected(), hint });
    let none = known.first().copied().unwrap_or_default();
    if items.is_empty() {
        return refuse(Some(format!("the list is empty; \"{none}\" switches everything off")));
    }
    for (i, item) in items.iter().enumerate() {
        let Value::Text(name) = item else {
            return refuse(Some(format!("the list holds a value of type {}", item.type_name())));
        };
        if !known.contains(&name.as_str()) {
            let other = others.iter().find(|(other, _)| name.eq_ignore_ascii_case(other));
            let meant = other.map(|(_, advice)| format!("did you mean {advice}?"));
            let near = || nearest(name, known.iter().copied()).map(|word| format!("did you mean \"{word}\"?"));
            let meant = meant.or_else(near);
            // With several names, the message has to say which of them is the bad one.
            return refuse(if items.len() == 1 {
                meant
            } else {
                let meant = meant.map_or_else(String::new, |meant| format!("; {meant}"));
                Some(format!("{} is unknown{meant}", clean(&item.to_string())))
            });
        }
        if items[..i].contains(item) {
            return refuse(Some(format!("\"{name}\" is there twice")));
        }
        if name == none && items.len() > 1 {
            return refuse(Some(format!("\"{none}\" switches everything off and stands alone")));
        }
    }
    Ok(Value::List(items.to_vec()))
}

/// `"a", "b" or "c"`.
fn alternatives(words: &[&str]) -> String {
    let mut text = String::new();
    for (at, word) in words.iter().enumerate() {
        text.push_str(match at {
            0 => "\"",
            _ if at + 1 == words.len() => "\" or \"",
            _ => "\", \"",
        });
        text.push_str(word);
    }
    if !words.is_empty() {
        text.push('"');
    }
    text
}
