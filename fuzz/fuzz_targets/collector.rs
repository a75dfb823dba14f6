//! Files and answers that a collector reads: none panics. A refusal names the file, in lines fit for a log. A query of what is accepted
//! holds the scope in one literal, whatever the scope is. A quantity is a number of JSON, and each sample is a point or a remark.

#![no_main]

use ferrometer_collector::client::{Answer, Client, Limits};
use ferrometer_collector::query::{Ranges, usage};
use ferrometer_collector::{ByOrder, Collector, Config, ConfigError, Expression, Server};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

const CONF: &str = "[collect]\nperiod = 60\n[collector_prometheus]\nprometheus_url = http://127.0.0.1:9/api/v1\n";
const METRICS: &str = "metrics: {m: {unit: x, factor: 1/3, offset: -1, groupby: [a], metadata: [b], mutate: CEIL}, \
    n: {unit: y, mutate: MAP, mutate_map: {1: 2}, skip_datapoints_expression: 'datapoint[\"vol\"][\"qty\"] == 0'}}";

const SCOPES: [&str; 4] = ["s", "\"} or vector(1) #", "\\", "a\nb\u{0}\u{7f}ü"];

/// Something that makes quantities of answers, once for all inputs: with nine digits, and with all.
static COLLECTORS: LazyLock<[Collector; 2]> = LazyLock::new(|| {
    [false, true].map(|precise| {
        let mut config = Config::from_texts(("c.conf", CONF), ("m.yml", METRICS)).expect("both are right");
        config.options.precise = precise;
        let client = Client::new(&Server::new("http://127.0.0.1:9/api/v1"), Limits::default());
        Collector::new(client.expect("the address is one"), config)
    })
});

/// Returns the literals of a query, unescaped. Between them there are only names, brackets that are closed, and separators.
fn literals(query: &str) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), Vec::new());
    let mut chars = query.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                let mut literal = String::new();
                loop {
                    match chars.next().expect("a literal ends") {
                        '"' => break,
                        '\\' => match chars.next().expect("an escape has a letter") {
                            'n' => literal.push('\n'),
                            'r' => literal.push('\r'),
                            't' => literal.push('\t'),
                            'u' => {
                                let hex: String = chars.by_ref().take(4).collect();
                                let code = u32::from_str_radix(&hex, 16).expect("four hex digits");
                                literal.push(char::from_u32(code).expect("a character"));
                            }
                            other => literal.push(other),
                        },
                        c => {
                            assert!(!c.is_control(), "{query:?}");
                            literal.push(c);
                        }
                    }
                }
                found.push(literal);
            }
            '(' | '[' | '{' => open.push(c),
            ')' | ']' | '}' => {
                let opened = open.pop().expect("a bracket was opened");
                assert!(matches!((opened, c), ('(', ')') | ('[', ']') | ('{', '}')), "{query:?}");
            }
            c => assert!(c.is_ascii_alphanumeric() || "_:=, ".contains(c), "{c:?} in {query:?}"),
        }
    }
    assert!(open.is_empty(), "{query:?}");
    found
}

fn config(conf: (&str, &str), metrics: (&str, &str)) {
    match Config::from_texts(conf, metrics) {
        Ok(config) => {
            assert!(!config.definitions.is_empty() && config.period > 0);
            let plain = |d: &&_| {
                let d: &ferrometer_collector::Definition = d;
                d.query_prefix.is_empty() && d.query_suffix.is_empty()
            };
            for definition in config.definitions.iter().filter(plain) {
                for scope in SCOPES {
                    for (order, ranges) in [(ByOrder::Document, Ranges::Closed), (ByOrder::Upstream, Ranges::LeftOpen)]
                    {
                        let query = usage(definition, &config.scope_key, scope, config.period, order, ranges);
                        let literals = literals(&query);
                        assert_eq!(literals.last().map(String::as_str), Some(scope), "{query:?}");
                        assert!(
                            literals.len() <= 2 && (literals.len() == 1 || literals[0] == definition.metric),
                            "{query:?}"
                        );
                    }
                }
            }
        }
        Err(ConfigError::Invalid(problems)) => {
            assert!(!problems.is_empty());
            let message = ConfigError::Invalid(problems).to_string();
            for line in message.lines() {
                assert!(line.len() < 3000 && !line.chars().any(char::is_control), "{line:?}");
                assert!(
                    line.starts_with(conf.0) || line.starts_with(metrics.0) || line.starts_with("and "),
                    "{line:?}"
                );
            }
        }
        Err(other) => panic!("not an error of a text: {other}"),
    }
}

fn answer(body: &[u8]) {
    let answer = match Answer::parse(body) {
        Ok(answer) => answer,
        Err(error) => {
            let message = error.to_string();
            assert!(!message.is_empty() && !message.chars().any(char::is_control), "{message:?}");
            return;
        }
    };
    let samples: usize = answer.series.iter().map(|s| s.samples.len()).sum();
    for collector in &*COLLECTORS {
        for name in ["m", "n"] {
            let Ok(usage) = collector.usage(name, &"s".into(), 0, 3, answer.clone()) else { continue };
            let remarks = usage.notices.iter().filter(|n| {
                use ferrometer_collector::Cause;
                !matches!(n.cause, Cause::NoData | Cause::ServerWarning)
            });
            assert_eq!(usage.points.len() + remarks.count(), samples);
            let mut line = Vec::new();
            for point in &usage.points {
                line.clear();
                point.write_json(&mut line).expect("a point is JSON");
                let json: Result<serde_json::Value, _> = serde_json::from_slice(&line);
                // A number beyond a float is one of JSON too, which this reader cannot hold.
                match json {
                    Ok(json) => assert_eq!(json["groupby"]["project_id"], "s"),
                    Err(error) => assert!(error.to_string().contains("number out of range"), "{error}"),
                }
            }
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else { return };
    if kind % 5 == 0 {
        return answer(data);
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    match kind % 5 {
        1 => config(("c.conf", CONF), ("m.yml", text)),
        2 => config(("c.conf", text), ("m.yml", METRICS)),
        3 => config(("c.toml", text), ("c.toml", text)),
        _ => {
            if let Err(message) = Expression::parse(text) {
                assert!(message.starts_with("character ") || message.starts_with("an expression"), "{message}");
            }
        }
    }
});
