//! Values of a span's fields that become labels: those that the layer was told to take, and no other.

use std::fmt::{self, Write};
use tracing_core::field::{Field, Visit};

/// Greatest length of a label's value, in bytes. The rest is cut: a field may hold a whole document.
const MAX_VALUE_BYTES: usize = 256;

/// Values of the wanted fields, in the order in which the layer names them.
#[derive(Debug)]
pub(crate) struct Values {
    wanted: &'static [&'static str],
    values: Vec<Option<String>>,
}

impl Values {
    pub(crate) fn new(wanted: &'static [&'static str]) -> Values {
        Values { wanted, values: vec![None; wanted.len()] }
    }

    /// Returns the labels. A field that has no value, or an empty one, gives none.
    pub(crate) fn labels(&self) -> Vec<(&'static str, &str)> {
        let values = self.wanted.iter().copied().zip(&self.values);
        values.filter_map(|(key, value)| Some((key, value.as_deref().filter(|value| !value.is_empty())?))).collect()
    }

    fn set(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if let Some(at) = self.wanted.iter().position(|name| *name == field.name()) {
            let mut text = Cut(String::new());
            // A value that is too long, or that cannot be written, is as long as it came.
            let _ = text.write_fmt(value);
            self.values[at] = Some(text.0);
        }
    }
}

/// Text that takes no more than its limit.
struct Cut(String);

impl Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MAX_VALUE_BYTES - self.0.len();
        let end = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        self.0.push_str(&text[..end]);
        if end < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

impl Visit for Values {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, format_args!("{value:?}"));
    }
}
