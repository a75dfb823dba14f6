//! The text of a label's value: what is text already, and integers and `bool`, which are written.

use std::fmt::{self, Write};

/// A value that a label of a logger or a handle takes: a reference to text (`&str`, `&String`, whatever is `AsRef<str>`), an integer, `bool`, or, for
/// anything that is [`Display`](fmt::Display), `format_args!("{value}")`.
///
/// ```
/// # use ferrometer_core as ferrometer;
/// let logger = ferrometer::get_logger("http");
/// let status: u16 = 200;
/// let ok = logger.with("status", status).with("cached", true).with("method", "GET");
/// assert_eq!(ok, logger.with("status", "200").with("cached", "true").with("method", &String::from("GET")));
/// let address: std::net::Ipv4Addr = [10, 0, 0, 1].into();
/// assert_eq!(logger.with("peer", format_args!("{address}")), logger.with("peer", "10.0.0.1"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no value of a label",
    label = "neither a reference to text nor an integer or `bool`",
    note = "text is given by reference (`&name`); anything else as text: `&value.to_string()`"
)]
pub trait LabelArgument {
    /// Calls `take` with the text.
    #[doc(hidden)]
    fn __ferrometer_with_text<R>(self, take: impl FnOnce(&str) -> R) -> R;
}

impl<T: AsRef<str> + ?Sized> LabelArgument for &T {
    fn __ferrometer_with_text<R>(self, take: impl FnOnce(&str) -> R) -> R {
        take(self.as_ref())
    }
}

/// Made by `format_args!("{id}")`: anything that is `Display`.
impl LabelArgument for fmt::Arguments<'_> {
    fn __ferrometer_with_text<R>(self, take: impl FnOnce(&str) -> R) -> R {
        match self.as_str() {
            Some(text) => take(text),
            None => take(&self.to_string()),
        }
    }
}

/// Returns the text of a value that is marked with `%` in a macro.
pub fn display(value: &(impl fmt::Display + ?Sized)) -> String {
    value.to_string()
}

/// The text of an integer or `bool`.
#[derive(Clone, Copy)]
pub struct ShortText {
    bytes: [u8; ShortText::LONGEST],
    len: u8,
}

impl ShortText {
    /// As long as `i128::MIN`.
    const LONGEST: usize = 40;

    // Compiled once for all types.
    fn of(value: &dyn fmt::Display) -> ShortText {
        let mut text = ShortText { bytes: [0; ShortText::LONGEST], len: 0 };
        // A number that does not fit is left out, and everything that is shown fits.
        let _ = write!(text, "{value}");
        text
    }
}

impl Write for ShortText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let begin = usize::from(self.len);
        let place = self.bytes.get_mut(begin..begin + text.len()).ok_or(fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.len += text.len() as u8;
        Ok(())
    }
}

impl AsRef<str> for ShortText {
    fn as_ref(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or("")
    }
}

/// An integer or `bool`, or a reference to one.
pub trait Short {
    /// Returns its text.
    fn short_text(&self) -> ShortText;
}

macro_rules! short {
    ($($ty:ty)*) => {$(
        impl Short for $ty {
            fn short_text(&self) -> ShortText {
                ShortText::of(self)
            }
        }

        impl LabelArgument for $ty {
            fn __ferrometer_with_text<R>(self, take: impl FnOnce(&str) -> R) -> R {
                take(ShortText::of(&self).as_ref())
            }
        }
    )*};
}
short!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize bool);

impl<T: Short + ?Sized> Short for &T {
    fn short_text(&self) -> ShortText {
        T::short_text(self)
    }
}

/// Finds the text of a label's value by its type: `(&&TextProbe(&value)).__ferrometer_text()` is something that is `AsRef<str>`. [`RefText`]
/// is found first, then [`WrittenText`], then [`NoText`], because each takes one more step to reach.
pub struct TextProbe<'a, T: ?Sized>(pub &'a T);

/// The text of what is text.
pub trait RefText<'a> {
    /// Marks types that are text.
    type Text: ?Sized + AsRef<str>;
    /// Returns it.
    fn __ferrometer_text(&self) -> &'a Self::Text;
}

impl<'a, T: AsRef<str> + ?Sized> RefText<'a> for &TextProbe<'a, T> {
    type Text = T;

    #[inline(always)]
    fn __ferrometer_text(&self) -> &'a T {
        self.0
    }
}

/// The text of what is written.
pub trait WrittenText {
    /// Writes it.
    fn __ferrometer_text(&self) -> ShortText;
}

impl<T: Short + ?Sized> WrittenText for &&TextProbe<'_, T> {
    fn __ferrometer_text(&self) -> ShortText {
        self.0.short_text()
    }
}

/// Stands for what any other type would have to be. No type is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no value of a label",
    label = "neither text (`AsRef<str>`) nor an integer or `bool`",
    note = "anything else that can be shown is marked: `\"key\" => %value`"
)]
pub trait LabelText {}

/// Any other type, for the sake of the message.
pub trait NoText {
    /// The type.
    type Of: ?Sized;
    /// Never called.
    fn __ferrometer_text(&self) -> &'static str
    where
        Self::Of: LabelText,
    {
        ""
    }
}

impl<T: ?Sized> NoText for TextProbe<'_, T> {
    type Of = T;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_texts_fit() {
        assert_eq!(ShortText::of(&i128::MIN).as_ref(), i128::MIN.to_string());
        assert_eq!(ShortText::of(&u128::MAX).as_ref(), u128::MAX.to_string());
        assert_eq!((ShortText::of(&false).as_ref(), ShortText::of(&-1).as_ref()), ("false", "-1"));
        assert_eq!(ShortText::of(&"x".repeat(41)).as_ref(), "");
    }

    #[test]
    fn each_type_has_its_text() {
        let text = String::from("text");
        assert_eq!((&&TextProbe(&text)).__ferrometer_text(), "text");
        assert_eq!((&&TextProbe("text")).__ferrometer_text(), "text");
        assert_eq!((&&TextProbe(&&7u8)).__ferrometer_text().as_ref(), "7");
        assert_eq!((&&TextProbe(&true)).__ferrometer_text().as_ref(), "true");
    }
}
