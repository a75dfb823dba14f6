//! The lines that each dialect writes for a recording, as `tests/statsd-conformance/encoded.jsonl` has them.

mod support;

use ferrometer_core::{Dynamic, flush, get_logger, install, remove};
use ferrometer_statsd::{Dialect, Settings, Statsd};
use ferrometer_testkit::{NEVER, SOON};
use serde_json::Value;
use std::time::Duration;
use support::{Receiver, alone};

const DIALECTS: [(&str, Dialect); 7] = [
    ("etsy", Dialect::Etsy),
    ("dogstatsd", Dialect::DogStatsD),
    ("telegraf", Dialect::Telegraf),
    ("gnocchi", Dialect::Gnocchi),
    ("collectd", Dialect::Collectd),
    ("plain", Dialect::Plain),
    ("tagged", Dialect::Tagged),
];

#[test]
fn each_dialect_writes_what_the_corpus_says() {
    let _alone = alone();
    let text = include_str!("../../../tests/statsd-conformance/encoded.jsonl");
    let cases: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut judged = 0;
    for (word, dialect) in DIALECTS {
        let receiver = Receiver::new(dialect);
        let settings = Settings::udp("127.0.0.1", receiver.port()).dialect(dialect).state_interval(Duration::ZERO);
        install("statsd", Box::new(Statsd::new(settings)), NEVER).unwrap();
        for (at, case) in cases.iter().enumerate() {
            let logger = get_logger(&format!("encoded.{word}"));
            let logger = match case["label"].as_array() {
                Some(label) => logger.with(label[0].as_str().unwrap(), label[1].as_str().unwrap()),
                None => logger,
            };
            let name = format!("case_{at}");
            for value in case["values"].as_array().unwrap() {
                let value = value.as_f64().unwrap();
                match case["record"].as_str().unwrap() {
                    "counter" => logger.send_counter(Dynamic(&name), value as i64),
                    "gauge" => logger.send_gauge(Dynamic(&name), value),
                    "timer" => logger.send_timer(Dynamic(&name), Duration::from_secs_f64(value / 1000.0)),
                    "histogram" => logger.send_histogram(Dynamic(&name), value),
                    other => panic!("line {}: {other} is no instrument", at + 1),
                }
            }
        }
        assert!(flush(SOON).complete);
        remove("statsd", SOON).unwrap();
        let mut lines: Vec<String> = Vec::new();
        let mut buffer = [0; 65536];
        while let Ok(len) = receiver.socket.recv(&mut buffer) {
            lines.extend(std::str::from_utf8(&buffer[..len]).unwrap().lines().map(str::to_owned));
        }
        for (at, case) in cases.iter().enumerate() {
            let Some(expected) = case[word].as_array() else { continue };
            let name = format!("encoded.{word}.case_{at}");
            let expected: Vec<String> =
                expected.iter().map(|line| line.as_str().unwrap().replace('$', &name)).collect();
            let of_case = |line: &&String| {
                line.strip_prefix(&name).is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
            };
            let found: Vec<&String> = lines.iter().filter(of_case).collect();
            assert_eq!(
                found,
                expected.iter().collect::<Vec<_>>(),
                "tests/statsd-conformance/encoded.jsonl:{}: {word}",
                at + 1
            );
            judged += 1;
        }
    }
    assert!(judged > 40, "{judged} cases are few");
}
