//! The form of a row: everything that is known about one key, and the macro that makes rows into settings.
//!
//! ```text
//!  /// Meaning, for the reference, the field and the setter.
//!  field: Type = "default" in allowed, eg "another value", unit "bytes", also "metrics.other", set setter(Type), to other way;
//! ```
//!
//! | part | says | left out |
//! |---|---|---|
//! | `= "default"` | the default, as TOML writes it; `= unset "words"` for none, and in words what holds then | never |
//! | `as "word"` | the name of the key, where no field can have it | that of the field |
//! | `in allowed` | the [`Kind`] | the one of the field's type |
//! | `eg` | a value other than the default, for the reference's example | never |
//! | `unit` | the unit, for the reference | there is none |
//! | `also` | a second table in a file where the key may stand | there is none |
//! | `set` | the setter of the owner: `set name(u16)`, `set name(into String)` or `set name(list)` | the field is set by a table's closure |
//! | `to` | the field of the backend's own settings that takes the value: always, only `(if set)`, or as an option `(mapped)` | the value is handed over by hand |
//!
//! The key is the table's and the field's name; the variable is named after the key. So a new option is one row.

use super::kind::Kind;
use super::setting::Field;
use super::value::Value;

/// One key of a `T`: the configuration, a logger's rule or a peer.
pub(super) struct Key<T: 'static> {
    /// In full, such as `metrics.statsd.interval`; for a rule or a peer the last part alone.
    pub(super) path: &'static str,
    /// Another place in a file where the key may stand.
    #[cfg_attr(not(feature = "config-file"), allow(dead_code))]
    pub(super) alias: Option<&'static str>,
    pub(super) kind: Kind,
    pub(super) default: Fallback,
    #[cfg(test)]
    pub(super) unit: &'static str,
    #[cfg(test)]
    pub(super) doc: &'static str,
    /// A value other than the default, as TOML writes it.
    #[cfg(test)]
    pub(super) example: &'static str,
    /// The number of the field among those of its table.
    pub(super) number: usize,
    pub(super) fields: &'static Fields<T>,
}

/// The ways to the fields of one table, by their numbers. Two functions for all of them: hundreds of small ones take seconds to compile.
pub(super) struct Fields<T> {
    pub(super) get: fn(&T, usize) -> &dyn Field,
    pub(super) get_mut: fn(&mut T, usize) -> &mut dyn Field,
}

impl<T> Key<T> {
    /// Returns the value for the check; `None` where nothing was given and nothing has to be.
    pub(super) fn get(&self, of: &T) -> Option<Value> {
        let field = (self.fields.get)(of, self.number);
        match self.default {
            Fallback::Given(_) => field.value(),
            Fallback::Absent(..) => field.given(),
        }
    }

    /// Takes a value that the check has let through.
    pub(super) fn set(&self, of: &mut T, value: Value) {
        (self.fields.get_mut)(of, self.number).take(value);
    }
}

/// Returns a target whose keys have their defaults.
pub(super) fn with_defaults<T: 'static>(mut target: T, keys: impl IntoIterator<Item = &'static Key<T>>) -> T {
    for key in keys {
        if let Some(value) = key.default.value(&key.kind) {
            key.set(&mut target, value);
        }
    }
    target
}

/// The value when nothing is given.
#[derive(Clone, Copy)]
pub(super) enum Fallback {
    /// As TOML writes it.
    Given(&'static str),
    /// No value; in words, the effect of that, for the reference.
    Absent(#[cfg(test)] &'static str),
}

impl Fallback {
    #[cfg_attr(not(test), allow(unused_variables))]
    pub(super) const fn absent(words: &'static str) -> Fallback {
        Fallback::Absent(
            #[cfg(test)]
            words,
        )
    }

    /// Returns the default in its checked form.
    pub(super) fn value(self, kind: &Kind) -> Option<Value> {
        let Fallback::Given(text) = self else { return None };
        let value = match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            Some(text) => Value::text(text),
            None => plain(text),
        };
        // A default that its own check refuses would be a mistake in the table; the table's test finds it.
        kind.check(&value).ok()
    }
}

/// Reads what stands in a row without quotes. No default is a fraction, so a program that reads neither file nor environment has nothing that reads one.
fn plain(text: &str) -> Value {
    match (text, text.parse::<u64>()) {
        ("true" | "false", _) => Value::Bool(text == "true"),
        (_, Ok(number)) => Value::integer(number),
        _ => Value::text(text),
    }
}

/// Returns table and name of a key in full.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

/// Makes a struct, its keys and its setters from rows; see the [module](self).
macro_rules! settings {
    (
        $(#[$meta:meta])*
        [$table:literal] $name:ident of $owner:ident at $at:tt fills $fills:tt {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $type:ty = $(unset $absent:literal)? $($default:literal)? $(as $word:literal)? $(in $kind:expr)?
                , eg $example:tt
                $(, unit $unit:literal)?
                $(, also $alias:literal)?
                $(, set $setter:ident $argument:tt)?
                $(, to $target:ident $way:tt)?
                ;
            )+
        }
        $(and { $($(#[doc = $more_doc:literal])+ $(#[cfg($more_when:meta)])? $more_vis:vis $more:ident: $more_type:ty = $more_value:expr;)+ })?
    ) => {
        $(#[$meta])*
        #[non_exhaustive]
        pub struct $name {
            $(
                #[doc = concat!(
                    "`", $table, settings!(@word $field $($word)?), "`;", $(" no default: ", $absent,)? $(" default `", stringify!($default), "`",)?
                    ". `docs/configuration.md` says which values are allowed."
                )]
                #[doc = ""]
                $(#[doc = $doc])+
                pub $field: $type,
            )+
            $($($(#[doc = $more_doc])+ $(#[cfg($more_when)])? $more_vis $more: $more_type,)+)?
        }

        impl $name {
            /// The keys, in the order of the reference.
            pub(super) const KEYS: &'static [Key<$owner>] = &{
                fn field(owner: &$owner, number: usize) -> &dyn Field {
                    let mut left = number + 1;
                    $(
                        left -= 1;
                        if left == 0 {
                            return &settings!(@place owner $at $field);
                        }
                    )+
                    panic!("no key of this table has the number")
                }

                fn field_mut(owner: &mut $owner, number: usize) -> &mut dyn Field {
                    let mut left = number + 1;
                    $(
                        left -= 1;
                        if left == 0 {
                            return &mut settings!(@place owner $at $field);
                        }
                    )+
                    panic!("no key of this table has the number")
                }

                const FIELDS: &Fields<$owner> = &Fields { get: field, get_mut: field_mut };
                let mut keys = [$(
                    Key {
                        path: concat!($table, settings!(@word $field $($word)?)),
                        alias: settings!(@option $(concat!($alias, ".", stringify!($field)))?),
                        kind: settings!(@kind $type $(, $kind)?),
                        default: settings!(@default $(unset $absent)? $($default)?),
                        #[cfg(test)]
                        unit: concat!($($unit)?),
                        #[cfg(test)]
                        doc: concat!($($doc),+),
                        #[cfg(test)]
                        example: stringify!($example),
                        number: 0,
                        fields: FIELDS,
                    },
                )+];
                let mut number = 0;
                while number < keys.len() {
                    keys[number].number = number;
                    number += 1;
                }
                keys
            };

            /// Every key without a value: what [`with_defaults`](super::table::with_defaults) begins with.
            pub(super) fn bare() -> Self {
                $name {
                    $($field: Setting::absent(),)+
                    $($($(#[cfg($more_when)])? $more: $more_value,)+)?
                }
            }
        }

        impl $owner {
            $(
                settings! { @setter [$($setter $argument)?] $at $field
                    [concat!(
                        "Sets `", $table, stringify!($field), "`; ", $("no default: ", $absent,)? $("`", stringify!($default), "` by default",)?
                        ". `docs/configuration.md` says which values are allowed."
                    )]
                    $($doc)+
                }
            )+
        }

        settings!{ @fill $name $fills $($($field $target $way)?)+ }
    };

    (@word $field:ident) => { stringify!($field) };
    (@word $field:ident $word:literal) => { $word };

    (@option) => { None };
    (@option $value:expr) => { Some($value) };

    (@kind $type:ty) => { <$type as Setting>::KIND };
    (@kind $type:ty, $kind:expr) => { $kind };

    (@default unset $words:literal) => { Fallback::absent($words) };
    (@default $value:literal) => { Fallback::Given(stringify!($value)) };

    (@place $owner:ident () $field:ident) => { $owner.$field };
    (@place $owner:ident ($at:ident) $field:ident) => { $owner.$at.$field };

    (@setter [] $($rest:tt)*) => {};
    (@setter [$setter:ident (list)] $at:tt $field:ident [$first:expr] $($doc:literal)+) => {
        #[doc = $first]
        #[doc = ""]
        $(#[doc = $doc])+
        #[doc = ""]
        #[doc = "Replaces the values that were set before."]
        #[must_use]
        #[inline]
        pub fn $setter(mut self, values: impl IntoIterator<Item = impl Into<String>>) -> Self {
            let values: Vec<String> = values.into_iter().map(Into::into).collect();
            settings!(@place self $at $field) = values.into();
            self
        }
    };
    (@setter [$setter:ident (into $type:ty)] $at:tt $field:ident [$first:expr] $($doc:literal)+) => {
        #[doc = $first]
        #[doc = ""]
        $(#[doc = $doc])+
        #[must_use]
        #[inline]
        pub fn $setter(mut self, value: impl Into<$type>) -> Self {
            let value: $type = value.into();
            settings!(@place self $at $field) = FromGiven::from_given(value);
            self
        }
    };
    (@setter [$setter:ident ($type:ty)] $at:tt $field:ident [$first:expr] $($doc:literal)+) => {
        #[doc = $first]
        #[doc = ""]
        $(#[doc = $doc])+
        #[must_use]
        #[inline]
        pub fn $setter(mut self, value: $type) -> Self {
            settings!(@place self $at $field) = value.into();
            self
        }
    };

    (@fill $name:ident () $($rest:tt)*) => {};
    (@fill $name:ident ($settings:ty, $when:meta) $($field:ident $target:ident $way:tt)+) => {
        #[cfg($when)]
        impl $name {
            /// Hands over to the backend all that needs no thought.
            pub(crate) fn fill(&self, settings: &mut $settings) {
                $( settings!(@hand $way, settings.$target, self.$field); )+
            }
        }
    };
    (@hand (always), $to:expr, $from:expr) => { $to = $from.clone().into() };
    (@hand (if set), $to:expr, $from:expr) => { if let Some(value) = $from.clone() { $to = value.into() } };
    (@hand (mapped), $to:expr, $from:expr) => { $to = $from.map(Into::into) };
}

pub(super) use settings;
