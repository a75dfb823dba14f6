//! The strict statsd parser that judges everything else: it never panics, and what it reads, written down from what it understood, it reads as
//! the same again.

#![no_main]

use ferrometer_fuzz::statsd::{Sample, parse};
use ferrometer_statsd::Dialect;
use libfuzzer_sys::fuzz_target;

fn write(dialect: Dialect, sample: &Sample) -> String {
    let tags = |between: char| -> Vec<String> {
        sample.tags.iter().map(|(key, value)| format!("{key}{between}{value}")).collect()
    };
    let mut line = sample.name.clone();
    if dialect == Dialect::Telegraf && !sample.tags.is_empty() {
        line += &format!(",{}", tags('=').join(","));
    }
    line += &format!(":{}|{}", sample.value, sample.kind);
    if let Some(rate) = &sample.rate {
        line += &format!("|@{rate}");
    }
    if matches!(dialect, Dialect::DogStatsD | Dialect::Tagged) && !sample.tags.is_empty() {
        line += &format!("|#{}", tags(':').join(","));
    }
    line
}

fuzz_target!(|data: &[u8]| {
    for dialect in
        [Dialect::Etsy, Dialect::DogStatsD, Dialect::Telegraf, Dialect::Gnocchi, Dialect::Plain, Dialect::Tagged]
    {
        let Ok(samples) = parse(dialect, data) else { continue };
        // Every value stands in the text, and nothing came from nowhere: a value needs a name, a colon, a digit and a type.
        assert!(samples.len() <= data.len() / 2, "{samples:?}");
        let lines: Vec<String> = samples.iter().map(|s| write(dialect, s)).collect();
        assert_eq!(parse(dialect, lines.join("\n").as_bytes()).as_ref(), Ok(&samples));
        for sample in &samples {
            let value: f64 = sample.value.parse().expect("a number");
            assert!(value.is_finite() || sample.value.len() > 300);
        }
    }
});
