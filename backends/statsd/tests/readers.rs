//! Lines as servers read them that no package registry has, each by the rules of its own parser: what such a server holds afterwards is what
//! was recorded. `docs/statsd.md` has the table; the servers that can be installed are tested by `tests/interop_statsd_servers.rs`.
//!
//! | reader | rules |
//! |---|---|
//! | Telegraf | `plugins/inputs/statsd/statsd.go`: parts split at `:`, each split at `\|`; a sign on `g` and `c` alone, anything else loses the rest of the line |
//! | Vector | `src/sources/statsd/parser.rs`: one `:` parts name and value; a sign on `g` is a change |
//! | OpenTelemetry | `receiver/statsdreceiver`: one `:`, one value; a sign on `g` is a change |
//! | statsd_exporter | `pkg/line/line.go`: values repeated without tags, packed for `ms`, `h` and `d`; a sign on `g` is a change |
//! | Datadog's agent | DogStatsD protocol 1.1: packed values, type and tags stand once; a sign is part of the value |

mod support;

use ferrometer_core::{Cause, flush, get_logger, install, remove};
use ferrometer_statsd::{Dialect, Settings, Statsd};
use ferrometer_testkit::{NEVER, SOON};
use std::collections::BTreeMap;
use std::time::Duration;
use support::{Receiver, alone};

/// State of a server.
#[derive(Debug, Default)]
struct Held {
    counters: BTreeMap<String, f64>,
    gauges: BTreeMap<String, f64>,
    values: BTreeMap<String, Vec<f64>>,
}

impl Held {
    fn take(&mut self, name: &str, value: &str, kind: &str, rate: f64, sign_is_change: bool) {
        let number: f64 = value.parse().unwrap_or_else(|_| panic!("{name}: {value} is no number"));
        match kind {
            "c" => *self.counters.entry(name.to_owned()).or_default() += number / rate,
            "g" if sign_is_change && value.starts_with(['+', '-']) => {
                *self.gauges.entry(name.to_owned()).or_default() += number;
            }
            "g" => drop(self.gauges.insert(name.to_owned(), number)),
            _ => self.values.entry(name.to_owned()).or_default().push(number),
        }
    }
}

/// The rate and the tags behind the type, in any order.
fn extras<'a>(parts: &[&'a str]) -> (f64, &'a str) {
    let rate = parts.iter().find_map(|part| part.strip_prefix('@')).map_or(1.0, |rate| rate.parse().unwrap());
    let tags = parts.iter().find_map(|part| part.strip_prefix('#')).unwrap_or("");
    (rate, tags)
}

fn with_tags(name: &str, tags: &str) -> String {
    if tags.is_empty() { name.to_owned() } else { format!("{name} {}", tags.replace(',', " ")) }
}

fn telegraf(line: &str, held: &mut Held) {
    let mut bits = line.trim().split(':');
    let bucket = bits.next().unwrap();
    let (name, tags) = bucket.split_once(',').unwrap_or((bucket, ""));
    for tag in tags.split(',').filter(|tag| !tag.is_empty()) {
        assert_eq!(tag.split('=').count(), 2, "a tag that is not read: {line}");
    }
    let name = with_tags(name, &tags.replace('=', ":"));
    for bit in bits {
        let parts: Vec<&str> = bit.split('|').collect();
        assert!(parts.len() >= 2 && ["g", "c", "s", "ms", "h", "d"].contains(&parts[1]), "lost: {line}");
        let signed = parts[0].starts_with(['+', '-']);
        assert!(!signed || ["g", "c"].contains(&parts[1]), "a sign loses the rest of the line: {line}");
        held.take(&name, parts[0], parts[1], extras(&parts[2..]).0, true);
    }
}

fn vector(line: &str, held: &mut Held) {
    let (name, body) = line.split_once(':').unwrap();
    let parts: Vec<&str> = body.split('|').collect();
    assert!(["g", "c", "s", "ms", "h", "d"].contains(&parts[1]), "unknown type: {line}");
    let (rate, tags) = extras(&parts[2..]);
    held.take(&with_tags(name, tags), parts[0], parts[1], rate, true);
}

fn opentelemetry(line: &str, held: &mut Held) {
    let (head, rest) = line.split_once('|').unwrap();
    let (name, value) = head.split_once(':').unwrap();
    let parts: Vec<&str> = rest.split('|').collect();
    assert!(["g", "c", "ms", "h", "d"].contains(&parts[0]), "unsupported type: {line}");
    let (rate, tags) = extras(&parts[1..]);
    held.take(&with_tags(name, tags), value, parts[0], rate, true);
}

fn statsd_exporter(line: &str, held: &mut Held) {
    let (name, rest) = line.split_once(':').unwrap();
    let parts: Vec<&str> = rest.split('|').collect();
    let (rate, tags) = extras(&parts[2..]);
    let name = with_tags(name, tags);
    if parts[0].contains(':') {
        assert!(["ms", "h", "d"].contains(&parts[1]), "lost: {line}");
        parts[0].split(':').for_each(|value| held.take(&name, value, parts[1], rate, true));
    } else {
        assert!(!tags.is_empty() || !rest.contains(':'), "mixed: {line}");
        held.take(&name, parts[0], parts[1], rate, true);
    }
}

fn datadog(line: &str, held: &mut Held) {
    let (head, rest) = line.split_once('|').unwrap();
    let (name, values) = head.split_once(':').unwrap();
    let parts: Vec<&str> = rest.split('|').collect();
    let (rate, tags) = extras(&parts[1..]);
    assert!(tags.split(',').all(|tag| tag.chars().count() <= 200));
    let name = with_tags(name, tags);
    for value in values.split(':') {
        held.take(&name, value, parts[0], rate, false);
    }
}

/// Returns the state of such a reader after two deliveries.
fn held(name: &str, dialect: Dialect, read: fn(&str, &mut Held)) -> (Held, u64) {
    let _alone = alone();
    let receiver = Receiver::new(dialect);
    let settings = Settings::udp("127.0.0.1", receiver.port()).dialect(dialect).state_interval(Duration::ZERO);
    install("statsd", Box::new(Statsd::new(settings)), NEVER).unwrap();
    let logger = get_logger(name);
    let near = logger.sampled(1.0 - 1e-9);
    (1..=10).for_each(|i| logger.send_timer("time", Duration::from_millis(10 * i)));
    (1..=4).for_each(|i| near.send_timer("rated", Duration::from_millis(i)));
    near.send_counter("rated_hits", 5);
    logger.send_counter("hits", 3);
    logger.send_counter("cancels", 2);
    logger.send_counter("cancels", -2);
    logger.send_gauge("below", -7);
    logger.send_gauge("up", 64.5);
    let _open = logger.in_flight("open").enter();
    [21.5, -3.0, 22.0].iter().for_each(|value| logger.send_histogram("temperature", *value));
    for (at, value) in ["GET", "1.2", "1_2", "北京", "上海", "/orders/{id}", "/orders/_id_", "a b"].iter().enumerate()
    {
        logger.with("label", value).send_counter("labelled", 1 << at);
    }
    assert!(flush(SOON).complete);
    logger.send_gauge("below", -8);
    assert!(flush(SOON).complete);
    let ledger = remove("statsd", SOON).unwrap();
    let (mut held, mut buffer) = (Held::default(), [0; 65_536]);
    while let Ok(len) = receiver.socket.recv(&mut buffer) {
        let text = std::str::from_utf8(&buffer[..len]).unwrap();
        text.lines().filter(|line| line.starts_with(name)).for_each(|line| read(line, &mut held));
    }
    assert!(ledger.balances());
    assert_eq!(ledger.recorded.recordings, ledger.sent.recordings + ledger.dropped_in_all().recordings);
    (held, ledger.dropped[Cause::Invalid].recordings)
}

#[test]
fn each_server_holds_what_was_recorded() {
    type Read = fn(&str, &mut Held);
    let readers: [(&str, Dialect, Read, bool); 6] = [
        ("telegraf", Dialect::Telegraf, telegraf, false),
        ("vector", Dialect::Tagged, vector, true),
        ("opentelemetry", Dialect::Tagged, opentelemetry, true),
        ("exporter", Dialect::Tagged, statsd_exporter, true),
        ("datadog", Dialect::DogStatsD, datadog, true),
        ("vector_plain", Dialect::Plain, vector, false),
    ];
    for (name, dialect, read, takes_negative) in readers {
        let (held, refused) = held(name, dialect, read);
        let of = |map: &BTreeMap<String, f64>, what: &str| map[&format!("{name}.{what}")];
        assert_eq!(of(&held.counters, "hits"), 3.0, "{name}");
        assert!((of(&held.counters, "rated_hits") - 5.0).abs() < 1e-6, "{name}");
        assert_eq!(of(&held.counters, "cancels"), 0.0, "{name}");
        assert_eq!(of(&held.gauges, "below"), -8.0, "{name}");
        assert_eq!(of(&held.gauges, "up"), 64.5, "{name}");
        assert_eq!(of(&held.gauges, "open"), 1.0, "{name}");
        let values = |what: &str| &held.values[&format!("{name}.{what}")];
        assert_eq!(values("time"), &(1..=10).map(|i| f64::from(10 * i)).collect::<Vec<_>>(), "{name}");
        assert_eq!(values("rated"), &[1.0, 2.0, 3.0, 4.0], "{name}");
        let (temperature, dropped): (&[f64], u64) =
            if takes_negative { (&[21.5, -3.0, 22.0], 0) } else { (&[21.5, 22.0], 1) };
        assert_eq!((values("temperature").as_slice(), refused), (temperature, dropped), "{name}");
        // Eight values of a label are eight series.
        let labelled: Vec<f64> =
            held.counters.iter().filter(|(of, _)| of.contains(".labelled")).map(|(_, sum)| *sum).collect();
        assert_eq!((labelled.len(), labelled.iter().sum::<f64>()), (8, 255.0), "{name}: {:?}", held.counters);
    }
}
