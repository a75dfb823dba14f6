//! The corpus of statsd lines, for the tests that send it to a server or read it themselves. `README.md` beside this file says what its lines mean.

use serde_json::Value;

/// Datagrams about one name, and what each reader makes of them.
pub struct Case {
    /// File and line in this folder.
    pub place: String,
    /// The beginning of every name in it; no other case's name begins so.
    pub name: String,
    /// The datagrams, in order.
    pub send: Vec<String>,
    value: Value,
}

impl Case {
    /// Returns what a reader holds afterwards, sorted; `None` where the corpus does not judge it.
    pub fn held(&self, reader: &str) -> Option<Vec<String>> {
        let held = self.value.get(reader)?.as_array().unwrap_or_else(|| panic!("{}: {reader} is no list", self.place));
        let mut held: Vec<String> = held.iter().map(|one| one.as_str().unwrap().replace('$', &self.name)).collect();
        held.sort();
        Some(held)
    }
}

/// Reads all files.
pub fn corpus() -> Vec<Case> {
    const FILES: [(&str, &str); 7] = [
        ("counters.jsonl", include_str!("counters.jsonl")),
        ("datagrams.jsonl", include_str!("datagrams.jsonl")),
        ("faults.jsonl", include_str!("faults.jsonl")),
        ("gauges.jsonl", include_str!("gauges.jsonl")),
        ("names.jsonl", include_str!("names.jsonl")),
        ("tags.jsonl", include_str!("tags.jsonl")),
        ("timers.jsonl", include_str!("timers.jsonl")),
    ];
    let mut all: Vec<Case> = Vec::new();
    for (file, text) in FILES {
        for (at, line) in text.lines().enumerate() {
            let place = format!("tests/statsd-conformance/{file}:{}", at + 1);
            let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{place}: {error}"));
            let name = value["name"].as_str().unwrap_or_else(|| panic!("{place}: no name")).to_owned();
            let clash = all.iter().find(|other| other.name.starts_with(&name) || name.starts_with(&other.name));
            assert!(clash.is_none(), "{place}: {name} begins as the name of {}", clash.unwrap().place);
            let send = value["send"].as_array().unwrap().iter();
            let send = send.map(|datagram| datagram.as_str().unwrap().replace('$', &name)).collect();
            all.push(Case { place, name, send, value });
        }
    }
    assert!(all.len() > 30);
    all
}

/// Compares what a reader holds with what the corpus says, and fails with all lines that differ.
pub fn compare(reader: &str, held: impl Fn(&Case) -> Vec<String>) {
    let mut judged = 0;
    let mut differences = String::new();
    for case in corpus() {
        let Some(expected) = case.held(reader) else { continue };
        judged += 1;
        let mut found = held(&case);
        found.sort();
        if found != expected {
            let (place, send) = (&case.place, &case.send);
            differences +=
                &format!("{place}: {send:?}\n  the corpus says {expected:?}\n  {reader} holds   {found:?}\n");
        }
    }
    assert!(differences.is_empty(), "{reader} differs:\n{differences}");
    assert!(judged > 30, "{reader}: {judged} cases are few");
}

/// Returns a number as the corpus writes it: with three decimals at most.
#[allow(dead_code)]
pub fn number(value: f64) -> String {
    if value.is_finite() { ((value * 1000.0).round() / 1000.0).to_string() } else { value.to_string().to_lowercase() }
}
