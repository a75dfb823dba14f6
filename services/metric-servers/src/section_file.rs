//! The section file: text into sections and back. What is not changed stays byte for byte as it was, remarks and damage included.
//!
//! A section is a line `type: id` and indented lines `key value` below it, up to an empty line. One that is damaged is named, kept, and not used.
//!
//! A third of the file are its tests; hence the length.

use crate::kind::Kind;
use crate::rule::{Words, is_set};
use ferrometer_http::shorten;
use std::collections::BTreeMap;

/// A server as the file describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    /// Values in the form in which they are kept.
    pub(crate) values: BTreeMap<String, String>,
    /// Lines of remarks between its lines.
    notes: Vec<u8>,
}

impl Section {
    pub(crate) fn new(kind: Kind, id: &str) -> Section {
        Section { kind, id: id.to_owned(), values: BTreeMap::new(), notes: Vec::new() }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// Returns `true` unless the section says that its server is not used.
    pub(crate) fn is_enabled(&self) -> bool {
        !self.get("disable").is_some_and(is_set) && self.get("enable").is_none_or(is_set)
    }

    /// Writes the section as upstream does: what is off first, then what is required, then the rest, each in the order of names.
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{}: {}\n", self.kind.name(), self.id).as_bytes());
        out.extend_from_slice(&self.notes);
        let is_pbs = self.kind.words() == Words::Pbs;
        // Proxmox Backup Server writes the names in one order, Proxmox VE what is required before the rest.
        let passes: &[Option<bool>] = if is_pbs { &[None] } else { &[Some(true), Some(false)] };
        let mut lines = Vec::new();
        for pass in passes {
            for option in
                self.kind.options().iter().filter(|option| pass.is_none_or(|wanted| option.is_required == wanted))
            {
                let Some(value) = self.get(option.name).filter(|value| !value.is_empty()) else { continue };
                match option.name {
                    "disable" if is_set(value) => lines.insert(0, ("disable", "")),
                    "disable" => {}
                    "enable" if is_set(value) => {}
                    name => lines.push((name, value)),
                }
            }
        }
        for (key, value) in lines {
            let gap = if value.is_empty() { "" } else { " " };
            out.extend_from_slice(format!("\t{key}{gap}{value}\n").as_bytes());
        }
    }
}

/// A section that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damaged {
    /// As it stands in the header, perhaps cut.
    pub(crate) kind: String,
    /// Empty where there is none.
    pub(crate) id: String,
    /// The line of the header, or of the stray text.
    pub(crate) line: usize,
    pub(crate) why: String,
}

/// A part of the file: its bytes as they stand there, and what they say.
#[derive(Clone, Debug)]
struct Block {
    raw: Vec<u8>,
    says: Says,
}

#[derive(Clone, Debug)]
enum Says {
    /// Empty lines and remarks.
    Nothing,
    Server(Section),
    Damage(Damaged),
}

/// The whole file.
#[derive(Clone, Debug, Default)]
pub(crate) struct SectionFile {
    blocks: Vec<Block>,
}

impl SectionFile {
    /// Reads a file. Any bytes at all are one: what cannot be read is damage.
    pub(crate) fn parse(bytes: &[u8]) -> SectionFile {
        let mut file = SectionFile::default();
        let mut open: Option<(usize, Vec<&[u8]>)> = None;
        for (at, line) in bytes.split_inclusive(|b| *b == b'\n').enumerate() {
            let text = line.trim_ascii();
            let is_indented = line.first().is_some_and(|b| matches!(b, b' ' | b'\t'));
            let is_remark = text.first() == Some(&b'#');
            match &mut open {
                Some((_, lines)) if !text.is_empty() && (is_indented || is_remark) => {
                    lines.push(line);
                    continue;
                }
                _ => file.close(open.take()),
            }
            if text.is_empty() || is_remark {
                file.blocks.push(Block { raw: line.to_vec(), says: Says::Nothing });
            } else {
                open = Some((at + 1, vec![line]));
            }
        }
        file.close(open);
        file
    }

    fn close(&mut self, open: Option<(usize, Vec<&[u8]>)>) {
        let Some((number, lines)) = open else { return };
        let raw = lines.concat();
        let says = match read(number, &lines) {
            Ok(section) if self.has(&section.id) => Says::Damage(Damaged {
                kind: section.kind.name().to_owned(),
                line: number,
                why: format!("the id {} is that of a section above", section.id),
                id: section.id,
            }),
            Ok(section) => Says::Server(section),
            Err(damaged) => Says::Damage(damaged),
        };
        self.blocks.push(Block { raw, says });
    }

    pub(crate) fn render(&self) -> Vec<u8> {
        self.blocks.iter().flat_map(|block| block.raw.iter().copied()).collect()
    }

    /// The servers, in the order of the file.
    pub(crate) fn sections(&self) -> impl Iterator<Item = &Section> {
        self.blocks.iter().filter_map(|block| match &block.says {
            Says::Server(section) => Some(section),
            _ => None,
        })
    }

    pub(crate) fn damaged(&self) -> impl Iterator<Item = &Damaged> {
        self.blocks.iter().filter_map(|block| match &block.says {
            Says::Damage(damaged) => Some(damaged),
            _ => None,
        })
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Section> {
        self.sections().find(|section| section.id == id)
    }

    pub(crate) fn damage_of(&self, id: &str) -> Option<&Damaged> {
        self.damaged().find(|damaged| damaged.id == id && !id.is_empty())
    }

    /// Returns `true` when a section of this id is there, usable or damaged.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.get(id).is_some() || self.damage_of(id).is_some()
    }

    /// Puts a section in the place of the one with its id, or behind all others.
    pub(crate) fn put(&mut self, section: Section) {
        let mut raw = Vec::new();
        section.write(&mut raw);
        let is_it = |block: &Block| matches!(&block.says, Says::Server(there) if there.id == section.id);
        if let Some(at) = self.blocks.iter().position(is_it) {
            self.blocks[at] = Block { raw, says: Says::Server(section) };
            return;
        }
        let nothing = |raw: &[u8]| Block { raw: raw.to_vec(), says: Says::Nothing };
        if let Some(last) = self.blocks.last_mut() {
            if !last.raw.ends_with(b"\n") {
                last.raw.push(b'\n');
            }
            if !last.raw.trim_ascii().is_empty() {
                self.blocks.push(nothing(b"\n"));
            }
        }
        self.blocks.push(Block { raw, says: Says::Server(section) });
        self.blocks.push(nothing(b"\n"));
    }

    /// Takes a section out, usable or damaged, with the empty line behind it. `false`: there is none.
    pub(crate) fn remove(&mut self, id: &str) -> bool {
        let is_it = |block: &Block| match &block.says {
            Says::Server(section) => section.id == id,
            Says::Damage(damaged) => damaged.id == id && !id.is_empty(),
            Says::Nothing => false,
        };
        let Some(at) = self.blocks.iter().position(is_it) else { return false };
        self.blocks.remove(at);
        if self.blocks.get(at).is_some_and(|next| next.raw.trim_ascii().is_empty()) {
            self.blocks.remove(at);
        }
        true
    }
}

/// Reads one section.
fn read(number: usize, lines: &[&[u8]]) -> Result<Section, Damaged> {
    let header = String::from_utf8_lossy(lines[0]);
    let header = header.trim();
    let (kind, id) = header.split_once(':').unwrap_or((header, ""));
    // Without an id the type is one.
    let id = if id.trim().is_empty() { kind.to_lowercase() } else { id.trim().to_owned() };
    let damage = |line: usize, why: String| Damaged {
        kind: shorten(kind),
        id: if header.contains(':') { shorten(&id) } else { String::new() },
        line,
        why,
    };
    if lines.iter().any(|line| std::str::from_utf8(line).is_err()) {
        return Err(damage(number, "it is not UTF-8".to_owned()));
    }
    if !header.contains(':') || kind.is_empty() || kind.contains(char::is_whitespace) {
        return Err(damage(number, "it does not begin with type: id".to_owned()));
    }
    let Some(known) = Kind::of(&kind.to_lowercase()) else {
        return Err(damage(number, format!("unsupported type '{}'", shorten(kind))));
    };
    check_id(known.words(), &id).map_err(|why| damage(number, why))?;
    let mut section = Section::new(known, &id);
    for (at, line) in lines.iter().enumerate().skip(1) {
        let text = std::str::from_utf8(line).unwrap_or_default().trim();
        if text.starts_with('#') {
            section.notes.extend_from_slice(line);
            if !line.ends_with(b"\n") {
                section.notes.push(b'\n');
            }
            continue;
        }
        let wrong = |why: String| damage(number + at, why);
        let (key, value) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let Some(option) = known.option(key) else {
            return Err(wrong(format!("unexpected property '{}'", shorten(key))));
        };
        // A flag by itself is set.
        let is_flag = option.rule == crate::rule::Rule::Boolean && value.trim().is_empty();
        let value = option.rule.check(if is_flag { "1" } else { value.trim() }, known.words());
        let value = value.map_err(|why| wrong(format!("unable to parse value of '{key}': {}", why.trim_end())))?;
        if section.values.insert(key.to_owned(), value).is_some() {
            return Err(wrong(format!("duplicate attribute '{key}'")));
        }
    }
    let missing = known.options().iter().find(|option| option.is_required && !section.values.contains_key(option.name));
    match missing {
        Some(option) => Err(damage(number, format!("missing value for required option '{}'", option.name))),
        None => Ok(section),
    }
}

/// The longest id. It is a part of file names and of metrics' names.
const MOST_ID: usize = 64;

/// Checks an id as Proxmox VE or Proxmox Backup Server does.
pub(crate) fn check_id(words: Words, id: &str) -> Result<(), String> {
    let mut bytes = id.bytes();
    let first = bytes.next().unwrap_or_default();
    match words {
        Words::Pve => {
            let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
            let is_id = first.is_ascii_alphabetic() && id.len() >= 2 && id.len() <= MOST_ID && bytes.all(inner);
            if is_id { Ok(()) } else { Err(format!("invalid configuration ID '{}'", shorten(id))) }
        }
        Words::Pbs => {
            let inner = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
            match id.len() {
                ..3 => Err("value must be at least 3 characters long".to_owned()),
                33.. => Err("value may only be 32 characters long".to_owned()),
                _ if (first.is_ascii_alphanumeric() || first == b'_') && bytes.all(inner) => Ok(()),
                _ => Err("value does not match the regex pattern".to_owned()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# kept by hand\n\ngraphite: old\n\tserver carbon.example\n\tport 2003\n\tproto tcp\n\n\
        influxdb: influx\n\tdisable\n\tport 8086\n\tserver 192.0.2.1\n\tbucket b\n\tinfluxdbproto https\n\tverify-certificate 0\n\n\
        influxdb-http: pbs.1\n\tcomment two words\n\tenable false\n\turl https://h:8086\n\n";

    #[test]
    fn a_file_comes_back_byte_for_byte() {
        for text in
            ["", "\n\n", "# only\n", FILE, &FILE.replace('\n', "\r\n"), FILE.trim_end(), "garbage", "a: b\n x y\n"]
        {
            let file = SectionFile::parse(text.as_bytes());
            assert_eq!(file.render(), text.as_bytes(), "{text:?}");
        }
        let file = SectionFile::parse(FILE.as_bytes());
        assert_eq!(file.damaged().count(), 0, "{:?}", file.damaged().collect::<Vec<_>>());
        let found: Vec<_> = file.sections().map(|section| (section.id.as_str(), section.is_enabled())).collect();
        assert_eq!(found, [("old", true), ("influx", false), ("pbs.1", false)]);
        assert_eq!(file.get("influx").unwrap().get("verify-certificate"), Some("0"));
    }

    #[test]
    fn a_change_touches_its_section_alone_and_is_written_as_upstream_writes() {
        let mut file = SectionFile::parse(FILE.as_bytes());
        let mut section = file.get("influx").unwrap().clone();
        section.values.remove("disable");
        section.values.insert("mtu".into(), "9000".into());
        file.put(section);
        let expected = FILE.replace(
            "\tdisable\n\tport 8086\n\tserver 192.0.2.1\n\tbucket b\n\tinfluxdbproto https\n\tverify-certificate 0\n",
            "\tport 8086\n\tserver 192.0.2.1\n\tbucket b\n\tinfluxdbproto https\n\tmtu 9000\n\tverify-certificate 0\n",
        );
        assert_eq!(String::from_utf8(file.render()).unwrap(), expected);
        assert!(file.remove("influx") && !file.remove("influx"));
        let mut new = Section::new(Kind::OpenTelemetry, "otel");
        for (key, value) in [("server", "h"), ("port", "4318"), ("disable", "1"), ("otel-protocol", "http")] {
            new.values.insert(key.into(), value.into());
        }
        file.put(new);
        let text = String::from_utf8(file.render()).unwrap();
        assert!(
            text.ends_with("\n\nopentelemetry: otel\n\tdisable\n\tserver h\n\totel-protocol http\n\tport 4318\n\n"),
            "{text}"
        );
        assert!(text.starts_with("# kept by hand\n\ngraphite: old\n\tserver carbon.example\n\tport 2003\n\tproto tcp\n\ninfluxdb-http: pbs.1\n"));
        let again = SectionFile::parse(text.as_bytes());
        assert_eq!(again.render(), text.as_bytes());
        assert_eq!(again.sections().count(), 3);
    }

    #[test]
    fn remarks_in_a_section_stay_when_it_changes() {
        let text = b"graphite: aa\n\t# why it is so\n\tserver h";
        let mut file = SectionFile::parse(text);
        let mut section = file.get("aa").unwrap().clone();
        section.values.insert("port".into(), "1".into());
        file.put(section);
        assert_eq!(file.render(), b"graphite: aa\n\t# why it is so\n\tserver h\n\tport 1\n");
    }

    #[test]
    fn every_kind_of_damage_is_named_and_kept_and_the_rest_loads() {
        let good = "graphite: good\n\tserver h\n\n";
        for (bad, id, line, why) in [
            ("graphite: bad\n\tserver h\n\tbucket x\n", "bad", 3, "unexpected property 'bucket'"),
            ("graphite: bad\n\tport 2003\n", "bad", 1, "missing value for required option 'server'"),
            (
                "graphite: bad\n\tserver h\n\tport 0\n",
                "bad",
                3,
                "unable to parse value of 'port': value must have a minimum value of 1",
            ),
            (
                "graphite: bad\n\tserver h\n\tmtu many\n",
                "bad",
                3,
                "unable to parse value of 'mtu': type check ('integer') failed",
            ),
            ("graphite: bad\n\tserver h\n\tserver i\n", "bad", 3, "duplicate attribute 'server'"),
            ("graphite: bad\n\tserver a\u{1}b\n", "bad", 2, "unable to parse value of 'server': invalid format"),
            ("carbon: bad\n\tserver h\n", "bad", 1, "unsupported type 'carbon'"),
            ("graphite: 1bad\n\tserver h\n", "1bad", 1, "invalid configuration ID '1bad'"),
            ("graphite: ../bad\n\tserver h\n", "../bad", 1, "invalid configuration ID '../bad'"),
            ("influxdb-udp: x\n\thost h:1\n", "x", 1, "value must be at least 3"),
            ("graphite: good\n\tserver other\n", "good", 1, "the id good is that of a section above"),
            ("stray text\n", "", 1, "it does not begin with type: id"),
            (": bad\n", "bad", 1, "it does not begin with type: id"),
            (
                "influxdb: bad\n\tserver h\n\tport 1\n\tinfluxdbproto icmp\n",
                "bad",
                4,
                "unable to parse value of 'influxdbproto'",
            ),
            (
                "opentelemetry: bad\n\tserver h\n\totel-headers !!\n",
                "bad",
                3,
                "unable to parse value of 'otel-headers': invalid format - value is not base64",
            ),
            ("\tindented first\n", "", 1, "it does not begin with type: id"),
        ] {
            let text = format!("{good}{bad}\ninfluxdb: last\n\tserver h\n\tport 1\n");
            let file = SectionFile::parse(text.as_bytes());
            assert_eq!(file.render(), text.as_bytes(), "{bad:?}");
            let ids: Vec<_> = file.sections().map(|section| section.id.as_str()).collect();
            assert_eq!(ids, ["good", "last"], "{bad:?}");
            let damaged: Vec<_> = file.damaged().collect();
            assert_eq!(damaged.len(), 1, "{bad:?} {damaged:?}");
            assert_eq!((damaged[0].id.as_str(), damaged[0].line), (id, line + 3), "{bad:?}");
            assert!(damaged[0].why.starts_with(why), "{bad:?}: {}", damaged[0].why);
        }
        let bytes = b"graphite: bad\n\tserver \xff\xfe\n\ngraphite: good\n\tserver h\n";
        let file = SectionFile::parse(bytes);
        assert_eq!((file.render().as_slice(), file.sections().count()), (&bytes[..], 1));
        assert_eq!(file.damaged().next().unwrap().why, "it is not UTF-8");
        // A damaged one can be taken out.
        let mut file = file;
        assert!(file.has("bad") && file.remove("bad") && !file.has("bad"));
        assert_eq!(file.render(), b"graphite: good\n\tserver h\n");
    }

    #[test]
    fn a_secret_in_a_section_is_not_in_what_is_said_of_it() {
        let file = SectionFile::parse(b"influxdb: aa\n\tserver h\n\tport 1\n\ttoken h\xc3\xbcsh-secret\n");
        let why = &file.damaged().next().unwrap().why;
        assert!(!why.contains("secret"), "{why}");
    }
}
