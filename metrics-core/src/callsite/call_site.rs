//! Records that call sites tell of themselves, read: from the bytes of a program's file, or of one site.

use crate::callsite::told::{BUSY, DESCRIPTION, HEAD, LOGGER_BYTES, MAGIC, VERSION, letter};
use crate::instrument::logger::Logger;
use crate::instrument::timed_future::{PARTS, part_name};
use crate::naming::name::logger_name;
use crate::registry::descriptions;
use crate::registry::kind::Kind;
use crate::registry::series::Series;
use std::collections::HashMap;

/// A place in a program's source that can record a metric: an attribute or a verb macro.
///
/// The place where a handle is made ([`Logger::counter`] and the like) is none: its name may be made at run time.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CallSite {
    /// Kind of the instrument.
    pub kind: Kind,
    /// Name of the metric, without its logger's.
    pub name: String,
    /// Name of the logger, if it stands in a `static` or is the module's own. One that is longer than 64 bytes ends with `…`.
    pub logger: Option<String>,
    /// The logger as the source has it; empty for the module's own.
    pub logger_source: String,
    /// Keys of the labels at this place. A logger may have more.
    pub labels: Vec<String>,
    /// Sample rate at this place; `None` for that of the logger.
    pub rate: Option<f64>,
    /// Unit that [`describe!`](crate::describe) tells, such as `bytes`.
    pub unit: Option<String>,
    /// Sentence that [`describe!`](crate::describe) tells.
    pub description: Option<String>,
    /// Path of the module.
    pub module: String,
    /// Path of the file, as the compiler was given it.
    pub file: String,
    /// Line in the file, from 1.
    pub line: u32,
}

/// A record taken apart.
struct Read<'r> {
    what: u8,
    rate: f64,
    line: u32,
    /// How much of its name a logger has in the record, and whether that is all.
    logger: (&'r str, bool),
    texts: Vec<&'r str>,
    /// The bytes of the record.
    len: usize,
}

/// Returns the call sites in the bytes of a program, a library or an object file, sorted by file and line.
///
/// Any bytes may be given: those that are no record are passed over. Sites that a linker left out, or a packer compressed, are not found.
///
/// ```no_run
/// # use ferrometer_core as ferrometer;
/// let program = std::fs::read(std::env::current_exe()?)?;
/// for site in ferrometer::call_sites(&program) {
///     println!("{}:{} {} {}", site.file, site.line, site.kind, site.name);
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
// Compiled in the program that calls it: most do not.
#[must_use]
#[inline]
pub fn call_sites(program: &[u8]) -> Vec<CallSite> {
    // Not as it stands: a program that looks for records would hold what is none.
    const INVERTED: [u8; MAGIC.len()] = {
        let mut inverted = MAGIC;
        let mut at = 0;
        while at < inverted.len() {
            inverted[at] = !inverted[at];
            at += 1;
        }
        inverted
    };
    let mut rest = program;
    let (mut sites, mut described) = (Vec::new(), HashMap::new());
    while let Some(at) = rest.iter().position(|byte| *byte == !INVERTED[0]) {
        rest = &rest[at..];
        let is_record = rest.len() >= HEAD && rest.iter().zip(INVERTED).all(|(byte, inverted)| *byte == !inverted);
        let Some(read) = is_record.then(|| read(rest)).flatten() else {
            rest = &rest[1..];
            continue;
        };
        rest = &rest[read.len..];
        match read.what {
            DESCRIPTION => {
                if let (Some(key), [_, _, _, _, unit, text]) = (key(&read), &read.texts[..]) {
                    described.entry(key).or_insert(((*unit).to_owned(), (*text).to_owned()));
                }
            }
            _ => {
                let logger = key(&read).map(|(logger, _)| logger);
                for site in site(&read).into_iter().flat_map(|site| with_parts(site, read.what)) {
                    let key = logger.clone().map(|logger| (logger, site.name.clone()));
                    sites.push((site, key));
                }
            }
        }
    }
    let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let mut sites: Vec<CallSite> = sites
        .into_iter()
        .map(|(mut site, key)| {
            if let Some((unit, text)) = key.and_then(|key| described.get(&key)) {
                (site.unit, site.description) = (some(unit), some(text));
            }
            site
        })
        .collect();
    sites.sort_by(|a, b| (&a.file, a.line, &a.name).cmp(&(&b.file, b.line, &b.name)));
    sites.dedup();
    sites
}

/// Returns what a description and the sites of its metric have in common: the logger and the name. A logger whose name is not known is the same
/// one where it is written the same way in the same module.
#[inline]
fn key(read: &Read<'_>) -> Option<(String, String)> {
    let [name, source, module, ..] = read.texts[..] else { return None };
    let logger = logger_of(read).unwrap_or_else(|| format!("{module} {source}"));
    Some((logger, name.to_owned()))
}

#[inline]
fn logger_of(read: &Read<'_>) -> Option<String> {
    let (name, is_whole) = read.logger;
    let dotted = logger_name(name);
    match (name.is_empty(), is_whole) {
        (true, _) => None,
        (false, true) => Some(dotted),
        (false, false) => Some(format!("{dotted}…")),
    }
}

#[inline]
fn site(read: &Read<'_>) -> Option<CallSite> {
    let kind = match read.what {
        BUSY => Kind::Timer,
        what => Kind::ALL.iter().copied().find(|kind| letter(*kind) == what)?,
    };
    let (texts, labels) = read.texts.split_at_checked(4)?;
    let [name, source, module, file] = *texts else { return None };
    Some(CallSite {
        kind,
        name: name.to_owned(),
        logger: logger_of(read),
        logger_source: source.to_owned(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        rate: Some(read.rate).filter(|rate| *rate != 0.0),
        unit: None,
        description: None,
        module: module.to_owned(),
        file: file.to_owned(),
        line: read.line,
    })
}

/// Returns a site, and those of its parts where it has some.
#[inline]
fn with_parts(site: CallSite, what: u8) -> Vec<CallSite> {
    let parts = if what == BUSY { &PARTS[..] } else { &[] };
    let part =
        |(part, kind): &(&str, Kind)| CallSite { name: part_name(&site.name, part), kind: *kind, ..site.clone() };
    let mut all: Vec<CallSite> = parts.iter().map(part).collect();
    all.push(site);
    all
}

/// Takes a record apart that begins here; `None` where there is none.
#[inline]
fn read(bytes: &[u8]) -> Option<Read<'_>> {
    let (head, _) = bytes.split_at_checked(HEAD)?;
    let head = &head[MAGIC.len()..];
    let (&[version, what], head) = head.split_first_chunk()?;
    let (rate, head) = head.split_first_chunk()?;
    let (line, head) = head.split_first_chunk()?;
    let (len, head) = head.split_first_chunk()?;
    let (logger_len, logger) = head.split_first_chunk()?;
    let (len, logger_len) = (u32::from_le_bytes(*len) as usize, usize::from(u16::from_le_bytes(*logger_len)));
    if version != VERSION {
        return None;
    }
    let kept = &logger[..logger_len.min(LOGGER_BYTES)];
    // It may have been cut within a character.
    let kept = match std::str::from_utf8(kept) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&kept[..error.valid_up_to()]).ok()?,
    };
    let mut rest = bytes.get(HEAD..len)?;
    let mut texts = Vec::new();
    while let Some((text_len, after)) = rest.split_first_chunk() {
        let (text, after) = after.split_at_checked(usize::from(u16::from_le_bytes(*text_len)))?;
        texts.push(std::str::from_utf8(text).ok()?);
        rest = after;
    }
    (rest.is_empty() && texts.len() >= 4).then_some(Read {
        what,
        rate: f64::from_le_bytes(*rate),
        line: u32::from_le_bytes(*line),
        logger: (kept, logger_len <= LOGGER_BYTES),
        texts,
        len,
    })
}

impl Series {
    /// Returns the place in the source that recorded here first, if it is an attribute or a verb macro.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// let series = ferrometer::get_logger("shop").counter("sales").series();
    /// assert_eq!(series.call_site(), None); // a handle
    /// ```
    #[must_use]
    #[inline]
    pub fn call_site(&self) -> Option<CallSite> {
        site(&read(self.told()?)?)
    }
}

/// Describes a metric at run time as its record does; see [`describe!`](crate::describe).
///
/// Never inlined: what refers to the record is then in the program. For a record of any type, so that it is compiled with the programs that describe.
#[inline(never)]
pub fn describe<R: AsRef<[u8]> + ?Sized>(logger: &Logger, record: &'static R) {
    if let Some(Read { texts, .. }) = read(record.as_ref())
        && let [name, _, _, _, unit, text] = texts[..]
    {
        descriptions::describe(logger.name(), name, unit, text);
    }
}
