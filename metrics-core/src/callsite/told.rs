//! A call site says of itself what it can record: bytes that the compiler writes, and that stay in the program.
//!
//! The macros put such a record beside each site, and the site refers to it: a program holds the records of the sites that it holds, and of no
//! others. There is no address in a record, so that anyone who has the program's file can read it, on every platform and in every format. A recording
//! never looks at it. [`call_site`](crate::callsite::call_site) reads it.
//!
//! Layout, numbers in little endian: [`MAGIC`], [`VERSION`], what it is (1 byte), rate (8 bytes; 0.0: none given), line (4), length of the whole (4),
//! length of the logger's name (2) and its first [`LOGGER_BYTES`] bytes; then texts, each behind its length (2): metric, logger as written (empty:
//! that of the module), module, file, and the keys of labels. A description has its unit and its sentence in their place.

use crate::instrument::logger::Logger;
use crate::registry::kind::Kind;

/// Begins a record. Some of its bytes are in no text.
pub(super) const MAGIC: [u8; 16] = *b"\xf5ferrometer\xfasit\xfe";
/// The form of a record.
pub(super) const VERSION: u8 = 1;
/// Most bytes that are kept of a logger's name. How long it is is not known before the memory for it is laid out.
pub(super) const LOGGER_BYTES: usize = 64;
/// Bytes of a record before its texts.
pub(super) const HEAD: usize = MAGIC.len() + 1 + 1 + 8 + 4 + 4 + 2 + LOGGER_BYTES;
/// Mark of a timer with the parts of [`TimedFuture::busy`](crate::TimedFuture::busy).
pub(super) const BUSY: u8 = b'b';
/// Mark of a description, which is no kind of instrument.
pub(super) const DESCRIPTION: u8 = b'd';

/// A byte of a record. A program may have another `u8`.
pub type Byte = u8;

/// Facts that a macro knows of the site that it writes.
pub struct Told {
    what: u8,
    rate: f64,
    line: u32,
    texts: [&'static str; 4],
    labels: &'static [&'static str],
}

impl Told {
    /// `rate` 0.0: none given. `place` is the logger as written, the module and the file.
    #[must_use]
    pub const fn site(
        kind: Kind,
        name: &'static str,
        labels: &'static [&'static str],
        rate: f64,
        place: [&'static str; 3],
        line: u32,
    ) -> Told {
        let [logger, module, file] = place;
        Told { what: letter(kind), rate, line, texts: [name, logger, module, file], labels }
    }

    /// Returns what is told of a timer with its parts.
    #[must_use]
    pub const fn busy(mut self) -> Told {
        self.what = BUSY;
        self
    }

    /// Tells what a metric measures. `words` are the unit and a sentence.
    #[must_use]
    pub const fn description(
        name: &'static str,
        words: &'static [&'static str; 2],
        place: [&'static str; 3],
        line: u32,
    ) -> Told {
        let [logger, module, file] = place;
        Told { what: DESCRIPTION, rate: 0.0, line, texts: [name, logger, module, file], labels: words }
    }

    /// Returns the length of the record.
    #[must_use]
    #[allow(clippy::len_without_is_empty)]
    pub const fn len(&self) -> usize {
        let mut len = HEAD;
        let mut at = 0;
        while at < self.texts.len() + self.labels.len() {
            len += 2 + self.text(at).len();
            at += 1;
        }
        len
    }

    const fn text(&self, at: usize) -> &'static str {
        match at < self.texts.len() {
            true => self.texts[at],
            false => self.labels[at - self.texts.len()],
        }
    }

    /// Writes the record, of [`len`](Told::len) bytes. `logger`: the logger's name, or empty.
    #[must_use]
    pub const fn record<const N: usize>(&self, logger: &str) -> [u8; N] {
        let mut out = [0; N];
        let mut at = put(&mut out, 0, &MAGIC);
        at = put(&mut out, at, &[VERSION, self.what]);
        at = put(&mut out, at, &self.rate.to_le_bytes());
        at = put(&mut out, at, &self.line.to_le_bytes());
        at = put(&mut out, at, &(N as u32).to_le_bytes());
        at = put(&mut out, at, &(logger.len() as u16).to_le_bytes());
        let kept = if logger.len() < LOGGER_BYTES { logger.len() } else { LOGGER_BYTES };
        put(&mut out, at, logger.as_bytes().split_at(kept).0);
        at += LOGGER_BYTES;
        let mut number = 0;
        while number < self.texts.len() + self.labels.len() {
            let text = self.text(number);
            assert!(text.len() <= u16::MAX as usize, "a text of a call site is longer than 65,535 bytes");
            at = put(&mut out, at, &(text.len() as u16).to_le_bytes());
            at = put(&mut out, at, text.as_bytes());
            number += 1;
        }
        assert!(at == N, "the record of a call site has another length than it was laid out with");
        out
    }
}

/// Copies bytes to a place, and returns where they end.
const fn put(out: &mut [u8], at: usize, bytes: &[u8]) -> usize {
    let (_, rest) = out.split_at_mut(at);
    let (place, _) = rest.split_at_mut(bytes.len());
    place.copy_from_slice(bytes);
    at + bytes.len()
}

/// Returns the letter of a kind in a record.
pub(super) const fn letter(kind: Kind) -> u8 {
    match kind {
        Kind::Counter => b'c',
        Kind::Gauge => b'g',
        Kind::InFlight => b'i',
        Kind::Timer => b't',
        Kind::Histogram => b'h',
    }
}

/// Says what a metric measures, and in what unit, as [`Logger::describe`] does; and in the program's catalogue, which lists it before it runs.
///
/// `describe!(LOGGER, "name", UNIT, "text")`: the logger is a path to a `static`, the name and the text are literals, the unit is a constant.
///
/// ```
/// # use ferrometer_core as ferrometer;
/// use ferrometer::{Logger, Unit, describe, logger};
///
/// static METRICS: Logger = logger!("shop");
///
/// describe!(METRICS, "queue.depth", Unit::Bytes, "Bytes that wait to be written.");
/// assert_eq!(METRICS.gauge("queue.depth").series().unit(), Some("bytes"));
/// ```
#[macro_export]
macro_rules! describe {
    ($logger:path, $name:literal, $unit:expr, $text:literal $(,)?) => {{
        const TOLD: $crate::__private::Told = $crate::__private::Told::description(
            $name,
            &[$crate::Unit::as_str($unit), $text],
            [
                $crate::__private::core::stringify!($logger),
                $crate::__private::core::module_path!(),
                $crate::__private::core::file!(),
            ],
            $crate::__private::core::line!(),
        );
        static RECORD: [$crate::__private::Byte; TOLD.len()] =
            TOLD.record($crate::__private::name_of(&$logger, &|| {
                #[allow(unused_imports)]
                use $crate::__private::{IsLogger as _, NoLogger as _};
                (&$crate::__private::LoggerProbe(&$logger)).__ferrometer_place()
            }));
        $crate::__private::describe(&$logger, &RECORD[..])
    }};
}

/// Returns the name that a logger in a `static` was given, while compiling; empty for what is no [`Logger`], but leads to one.
///
/// `probe` is never called. Its type says which of the two it is.
#[must_use]
pub const fn name_of<T, R: Place<T>, F: Fn() -> R>(place: &T, probe: &F) -> &'static str {
    let _ = probe;
    match R::IS_LOGGER {
        // SAFETY: the one type whose `Place<T>` says so is `InPlace`, for `T` = `Logger` alone, and `Place` is sealed.
        true => unsafe { &*std::ptr::from_ref(place).cast::<Logger>() }.path,
        false => "",
    }
}

/// The answer to whether a `T` is a [`Logger`] itself.
pub trait Place<T>: sealed::Sealed {
    #[doc(hidden)]
    const IS_LOGGER: bool;
}

/// It is.
pub struct InPlace;
/// It is something else.
pub struct Elsewhere;

impl Place<Logger> for InPlace {
    const IS_LOGGER: bool = true;
}

impl<T> Place<T> for Elsewhere {
    const IS_LOGGER: bool = false;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::InPlace {}
    impl Sealed for super::Elsewhere {}
}

/// Tells by method lookup over two traits whether something is a [`Logger`] itself.
pub struct LoggerProbe<'a, T>(pub &'a T);

/// Answers for loggers.
pub trait IsLogger {
    #[doc(hidden)]
    fn __ferrometer_place(&self) -> InPlace {
        InPlace
    }
}

impl IsLogger for LoggerProbe<'_, Logger> {}

/// Answers for everything else, one reference further.
pub trait NoLogger {
    #[doc(hidden)]
    fn __ferrometer_place(&self) -> Elsewhere {
        Elsewhere
    }
}

impl<T> NoLogger for &LoggerProbe<'_, T> {}
