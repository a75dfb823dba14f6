//! The types that a setting may have, each with its way to and from a [`Value`].

use std::fmt;
#[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::faults::token_fault;
use super::kind::{Kind, Texts};
use super::value::Value;

/// A field of the configuration, by way of its key.
pub(super) trait Field {
    /// Takes a value that a check has let through.
    fn take(&mut self, value: Value);

    /// Returns the value; `None` for an option without one, and for an empty list.
    fn value(&self) -> Option<Value>;

    /// Returns the value of a key without a default; an empty text is none.
    fn given(&self) -> Option<Value> {
        self.value()
    }
}

/// The type of a field.
pub(super) trait Setting: Field + Sized {
    /// The kind of a key of this type whose row names none.
    const KIND: Kind = panic!("a row of this type names its kind");

    /// Returns the field when nothing is given and the key has no default.
    fn absent() -> Self;
}

/// A text or a path that a setter was given.
pub(super) trait FromGiven<T> {
    fn from_given(given: T) -> Self;
}

impl<T> FromGiven<T> for T {
    fn from_given(given: T) -> T {
        given
    }
}

/// An empty text or path means "not given".
impl FromGiven<String> for Option<String> {
    fn from_given(given: String) -> Self {
        Some(given).filter(|given| !given.is_empty())
    }
}

impl FromGiven<PathBuf> for Option<PathBuf> {
    fn from_given(given: PathBuf) -> Self {
        Some(given).filter(|given| !given.as_os_str().is_empty())
    }
}

impl<T: Setting> Setting for Option<T> {
    const KIND: Kind = T::KIND;

    fn absent() -> Self {
        None
    }
}

impl<T: Setting> Field for Option<T> {
    fn take(&mut self, value: Value) {
        *self = None;
        if !value.is_empty_text() {
            self.insert(T::absent()).take(value);
        }
    }

    fn value(&self) -> Option<Value> {
        self.as_ref().and_then(T::value)
    }
}

impl Setting for String {
    fn absent() -> Self {
        String::new()
    }
}

impl Field for String {
    fn take(&mut self, value: Value) {
        *self = value.into_text();
    }

    fn value(&self) -> Option<Value> {
        Some(Value::text(self))
    }

    fn given(&self) -> Option<Value> {
        self.value().filter(|_| !self.is_empty())
    }
}

/// A type without more to say than its default, its kind and its two ways.
macro_rules! setting {
    ($type:ty $(, $kind:expr)?; $absent:expr, |$value:ident| $take:expr, |$given:ident| $show:expr) => {
        impl Setting for $type {
            $(const KIND: Kind = $kind;)?

            fn absent() -> Self {
                $absent
            }
        }

        impl Field for $type {
            fn take(&mut self, $value: Value) {
                *self = $take;
            }

            fn value(&self) -> Option<Value> {
                let $given = self;
                $show
            }
        }
    };
}

setting!(bool, Kind::Bool; false, |value| value.into_bool(), |given| Some(Value::Bool(*given)));
setting!(u16; 0, |value| value.into_integer(u16::MAX.into()) as u16, |given| Some(Value::integer(*given)));
setting!(u64; 0, |value| value.into_integer(u64::MAX), |given| Some(Value::integer(*given)));
setting!(usize; 0, |value| value.into_integer(usize::MAX as u64) as usize, |given| Some(Value::integer(*given)));
setting!(f64; 0.0, |value| value.into_float(), |given| Some(Value::Float(*given)));
setting!(Duration; Duration::ZERO, |value| value.into_duration(), |given| Some(Value::Duration(*given)));
setting!(PathBuf; PathBuf::new(), |value| value.into_text().into(), |given| Some(Value::text(given.to_string_lossy())));
setting!(Hidden, Kind::Secret; Hidden::new(""), |value| Hidden::new(value.into_text()), |given| Some(Value::text(given.reveal())));
setting!(Vec<String>; Vec::new(), |value| value.into_texts(), |given| Value::texts(given));
setting!(Vec<f64>; Vec::new(), |value| value.into_floats(), |given| Value::floats(given));
setting!(Tokens, TOKENS; Tokens::default(), |value| Tokens(value.into_texts()), |given| Value::texts(&given.0));
setting!(Pairs; Pairs::default(), |value| Pairs(value.into_texts()), |given| Value::texts(&given.0));
#[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
setting!(SocketAddr, Kind::SocketAddress; SocketAddr::from(([127, 0, 0, 1], 0)),
    |value| value.into_text().parse().unwrap_or_else(|_| Self::absent()), |given| Some(Value::text(given.to_string())));

/// Each perhaps with privileges behind it.
const TOKENS: Kind = Kind::Texts(&Texts {
    expected: "a list of texts of the form name=sha256:<64 hex digits>",
    fault: token_fault,
    secret: true,
});

/// A text that `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Hidden {
        Hidden(text.into())
    }

    /// The text itself.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// The clients that may read what is served: each `name=sha256:<64 hex digits>`. `Debug` shows their number alone.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Tokens(Vec<String>);

impl Tokens {
    /// As the endpoint takes them.
    #[cfg_attr(not(feature = "prometheus"), allow(dead_code))]
    pub(crate) fn texts(&self) -> &[String] {
        &self.0
    }
}

impl From<Vec<String>> for Tokens {
    fn from(texts: Vec<String>) -> Tokens {
        Tokens(texts)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tokens", self.0.len())
    }
}

/// A list of `name=value`. `Debug` shows the names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Pairs(Vec<String>);

impl Pairs {
    /// Each of the form `name=value`.
    pub fn new<I>(texts: I) -> Pairs
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        Pairs(texts.into_iter().map(Into::into).collect())
    }

    /// Names and values. A text without `=` is a name without a value; the check refuses it.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|text| text.split_once('=').unwrap_or((text, "")))
    }
}

impl From<Vec<String>> for Pairs {
    fn from(texts: Vec<String>) -> Pairs {
        Pairs(texts)
    }
}

impl fmt::Debug for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|text| text.split_once('=').map_or("?", |(name, _)| name));
        f.debug_list().entries(names).finish()
    }
}
