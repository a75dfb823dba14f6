//! A strict statsd parser, written from the servers' documents and sharing nothing with the encoder, and a receiver that uses it. What the
//! grammar does not name is an error.

#![allow(dead_code)]

use ferrometer_statsd::Dialect;
pub use ferrometer_testkit::Alone;
use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::time::Duration;

/// One value, as a server reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub name: String,
    pub tags: Vec<(String, String)>,
    pub kind: String,
    pub value: String,
    pub rate: Option<String>,
}

fn word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn decimal(text: &str) -> bool {
    match text.split_once('.') {
        None => digits(text),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
    }
}

fn name(text: &str) -> Result<String, String> {
    if text.len() <= 512 && text.split('.').all(word) { Ok(text.to_owned()) } else { Err(format!("name {text:?}")) }
}

/// Returns whether the documents of the format let a character stand in a tag's value.
fn in_tag(c: char, between: char) -> bool {
    match between {
        ':' => c.is_alphanumeric() || "_-:./".contains(c),
        _ => !",:|=".contains(c) && !c.is_whitespace() && !c.is_control(),
    }
}

fn tag(text: &str, between: char) -> Result<(String, String), String> {
    let fits = |value: &str| !value.is_empty() && value.chars().all(|c| in_tag(c, between));
    match text.split_once(between) {
        Some((key, value)) if word(key) && fits(value) => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("tag {text:?}")),
    }
}

/// Every value in a datagram, in order.
pub fn parse(dialect: Dialect, datagram: &[u8]) -> Result<Vec<Sample>, String> {
    let text = std::str::from_utf8(datagram).map_err(|e| e.to_string())?;
    let mut all = Vec::new();
    for line in text.split('\n') {
        parse_line(dialect, line, &mut all).map_err(|e| format!("{e} in line {line:?}"))?;
    }
    Ok(all)
}

/// Returns whether a server drops a distribution's value with a sign.
fn refuses_sign(dialect: Dialect, kind: &str) -> bool {
    match kind {
        "ms" => dialect != Dialect::Gnocchi,
        "h" => dialect == Dialect::Telegraf,
        _ => false,
    }
}

fn parse_line(dialect: Dialect, line: &str, all: &mut Vec<Sample>) -> Result<(), String> {
    let (line, mut tags) = match line.split_once("|#") {
        None => (line, vec![]),
        Some(_) if !matches!(dialect, Dialect::DogStatsD | Dialect::Tagged) => return Err("tags".into()),
        Some((line, tags)) => (line, tags.split(',').map(|t| tag(t, ':')).collect::<Result<_, _>>()?),
    };
    let mut parts = line.split(':');
    let mut head = parts.next().ok_or("nothing")?;
    if let (Dialect::Telegraf, Some((n, t))) = (dialect, head.split_once(',')) {
        tags = t.split(',').map(|t| tag(t, '=')).collect::<Result<_, _>>()?;
        head = n;
    }
    let name = name(head)?;
    let parts: Vec<&str> = parts.collect();
    if parts.is_empty() {
        return Err("no value".into());
    }
    let keys: std::collections::BTreeSet<_> = tags.iter().map(|(key, _)| key).collect();
    if keys.len() < tags.len() {
        return Err("a tag twice".into());
    }
    if matches!(dialect, Dialect::Gnocchi | Dialect::Collectd | Dialect::Plain | Dialect::Tagged) && parts.len() > 1 {
        return Err("several values".into());
    }
    // DogStatsD 1.1: the type and rate stand once, behind the last value.
    let last_fields: Vec<&str> = parts[parts.len() - 1].split('|').collect();
    for (at, part) in parts.iter().enumerate() {
        let mut fields: Vec<&str> = part.split('|').collect();
        if dialect == Dialect::DogStatsD && at + 1 < parts.len() {
            if fields.len() != 1 {
                return Err(format!("fields {part:?}"));
            }
            fields.extend_from_slice(&last_fields[1..]);
        }
        let (value, kind, rate) = match fields[..] {
            [value, kind] => (value, kind, None),
            [value, kind, rate] => (value, kind, Some(rate.strip_prefix('@').ok_or("rate")?)),
            _ => return Err(format!("fields {part:?}")),
        };
        let known = match dialect {
            Dialect::Etsy | Dialect::Gnocchi | Dialect::Collectd | Dialect::Plain => ["c", "g", "ms", "ms"],
            _ => ["c", "g", "ms", "h"],
        };
        if !known.contains(&kind) {
            return Err(format!("type {kind:?}"));
        }
        let unsigned = value.strip_prefix('-').unwrap_or(value);
        if !decimal(unsigned) || (unsigned != value && refuses_sign(dialect, kind)) {
            return Err(format!("value {value:?}"));
        }
        if let Some(rate) = rate {
            let number: f64 = rate.parse().map_err(|_| "rate")?;
            if kind == "g" || !(decimal(rate) && number > 0.0 && number <= 1.0) {
                return Err(format!("rate {rate:?}"));
            }
            if matches!(dialect, Dialect::Gnocchi | Dialect::Collectd) && kind != "c" {
                return Err("rate on a timer".into());
            }
        }
        all.push(Sample {
            name: name.clone(),
            tags: tags.clone(),
            kind: kind.to_owned(),
            value: value.to_owned(),
            rate: rate.map(str::to_owned),
        });
    }
    Ok(())
}

/// Keeps other tests out of the pipeline, and leaves nothing installed however the test ends.
pub fn alone() -> Alone {
    let alone =
        ferrometer_testkit::alone().then(|| drop(ferrometer_core::remove("statsd", Duration::from_millis(500))));
    // Names stay for the life of the process, and these tests use many.
    let limits = ferrometer_core::Limits::default().max_instruments(100_000);
    ferrometer_core::configure(Default::default(), limits, Vec::new());
    alone
}

/// Datagrams that the kernel dropped because the socket of this port was full. Not known, 0, on other systems than Linux.
#[allow(dead_code)]
pub fn dropped_by_kernel(port: u16) -> u64 {
    let sockets = std::fs::read_to_string("/proc/net/udp").unwrap_or_default();
    let local = format!(":{port:04X}");
    let mine = sockets.lines().filter(|line| line.split_whitespace().nth(1).is_some_and(|at| at.ends_with(&local)));
    mine.filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok()).sum()
}

/// A UDP receiver.
pub struct Receiver {
    pub socket: UdpSocket,
    pub dialect: Dialect,
    pub largest: usize,
}

impl Receiver {
    pub fn new(dialect: Dialect) -> Receiver {
        Receiver::at("127.0.0.1:0", dialect)
    }

    pub fn at(address: &str, dialect: Dialect) -> Receiver {
        let socket = UdpSocket::bind(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(60))).unwrap();
        Receiver { socket, dialect, largest: 0 }
    }

    pub fn port(&self) -> u16 {
        self.socket.local_addr().unwrap().port()
    }

    /// Everything that arrives until nothing more does. ferrometer's own metrics are left out.
    pub fn samples(&mut self) -> Vec<Sample> {
        let mut all = Vec::new();
        let mut buffer = [0; 65536];
        while let Ok(len) = self.socket.recv(&mut buffer) {
            self.largest = self.largest.max(len);
            all.extend(parse(self.dialect, &buffer[..len]).unwrap());
        }
        all.retain(|s| !s.name.starts_with("ferrometer."));
        all
    }
}

/// Counters summed, by name and tags.
pub fn counters(samples: &[Sample]) -> BTreeMap<String, i128> {
    let mut sums = BTreeMap::new();
    for s in samples.iter().filter(|s| s.kind == "c") {
        *sums.entry(full(s)).or_default() += s.value.parse::<i128>().unwrap();
    }
    sums
}

/// Name and tags in one text.
pub fn full(sample: &Sample) -> String {
    let tags: String = sample.tags.iter().map(|(k, v)| format!(" {k}={v}")).collect();
    format!("{}{tags}", sample.name)
}
