//! One statsd line: which servers read it, and why others do not.
//!
//! The rules are those of the servers' own parsers, as `docs/statsd.md` and the dialects of the statsd backend have them.

use crate::text::visible;
use ferrometer_statsd_input::{Fault, Kind, Line, Sample};

/// The dialects, by the names that `metrics.statsd.dialect` knows.
pub(crate) const DIALECTS: [&str; 7] = ["etsy", "dogstatsd", "telegraf", "gnocchi", "collectd", "plain", "tagged"];

/// Verdict on a line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Judged<'a> {
    /// A metric, with the dialects that do not read it, and why.
    Metric { line: Line<'a>, refused: Vec<(&'static str, String)> },
    /// An event or a service check of DogStatsD.
    Event(&'a str),
    /// Nothing that any server reads.
    Bad(String),
}

/// Judges a line without its line feed.
pub(crate) fn judge(bytes: &[u8]) -> Judged<'_> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.trim_end_matches('\r'),
        Err(error) => return Judged::Bad(format!("byte {} is no UTF-8", error.valid_up_to() + 1)),
    };
    if let Some(hidden) = text.chars().find(|c| c.is_control()) {
        return Judged::Bad(format!("the line has a control character, {}", visible(&hidden.to_string())));
    }
    let line = match Line::parse(text) {
        Ok(line) => line,
        Err(Fault::Event) => return Judged::Event("event"),
        Err(Fault::ServiceCheck) => return Judged::Event("service check"),
        Err(fault) => return Judged::Bad(visible(&fault.to_string()).into_owned()),
    };
    for sample in line.samples() {
        // A member of a set may be any text.
        if sample.kind() != Some(Kind::Set)
            && let Some(Err(fault)) = sample.numbers().find(Result::is_err)
        {
            return Judged::Bad(visible(&fault.to_string()).into_owned());
        }
    }
    let refused: Vec<(&'static str, String)> =
        DIALECTS.into_iter().filter_map(|dialect| Some((dialect, reason(dialect, &line)?))).collect();
    match refused.first() {
        // The reason of the dialect that takes most.
        Some(_) if refused.len() == DIALECTS.len() => {
            let most = refused.iter().find(|(dialect, _)| *dialect == "dogstatsd").or(refused.first());
            Judged::Bad(most.map(|(_, reason)| reason.clone()).unwrap_or_default())
        }
        _ => Judged::Metric { line, refused },
    }
}

/// Why a dialect does not read a line as it is meant; `None`: it does.
fn reason(dialect: &str, line: &Line<'_>) -> Option<String> {
    let types: &[&str] = match dialect {
        "etsy" => &["c", "g", "ms", "s"],
        "gnocchi" | "plain" => &["c", "g", "ms"],
        "collectd" => &["c", "g", "ms", "s"],
        _ => &["c", "g", "ms", "h", "d", "s"],
    };
    let has_tags = line.tag_field.is_some();
    let is_tagged = matches!(dialect, "dogstatsd" | "tagged");
    if !is_tagged && dialect != "etsy" && has_tags {
        let more = if dialect == "telegraf" { " unless datadog_extensions is on" } else { "" };
        return Some(format!("tags behind |# are not read{more}"));
    }
    if dialect != "dogstatsd" && !line.extensions.is_empty() {
        return Some("fields such as c:container and Ttime are DogStatsD's alone".to_owned());
    }
    if line.name.contains(',') && line.name.contains('=') && dialect != "telegraf" {
        return Some("tags in the name, as name,key=value, are Telegraf's alone".to_owned());
    }
    if line.samples().count() > 1 && !matches!(dialect, "etsy" | "telegraf") {
        return Some("several values as name:1|c:2|c are read by Etsy's statsd and Telegraf alone".to_owned());
    }
    line.samples().find_map(|sample| reason_of_sample(dialect, types, line, sample))
}

fn reason_of_sample(dialect: &str, types: &[&str], line: &Line<'_>, sample: &Sample<'_>) -> Option<String> {
    let Sample { values, letters: kind, rate_text, .. } = *sample;
    if !types.contains(&kind) {
        let shown = visible(kind);
        return Some(match dialect {
            "etsy" => format!("the type {shown:?} would be counted as a counter; known are c, g, ms, s"),
            _ => format!("the type {shown:?} is none; known are {}", types.join(", ")),
        });
    }
    let is_packed = kind != "s" && values.contains(':');
    if is_packed && dialect != "dogstatsd" {
        return Some("several values as name:1:2|ms are DogStatsD's alone".to_owned());
    }
    if kind != "s" && values.contains(char::is_whitespace) && !matches!(dialect, "etsy" | "gnocchi") {
        return Some("a blank beside the value is refused".to_owned());
    }
    let is_negative = values.split(':').any(|value| value.starts_with('-'));
    if kind == "ms" && is_negative && !matches!(dialect, "dogstatsd" | "tagged" | "gnocchi") {
        return Some("a negative duration is refused".to_owned());
    }
    if dialect == "telegraf" && matches!(kind, "h" | "d") && sample.is_signed() {
        return Some("a sign on a histogram costs the rest of the line".to_owned());
    }
    if let Some(rate) = rate_text {
        if dialect == "etsy" && !rate.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Some(format!("the rate {:?} would be read as another: plain decimals alone are", visible(rate)));
        }
        if dialect == "gnocchi" && kind != "c" {
            return Some("a rate is allowed on counters alone".to_owned());
        }
        if dialect == "collectd" && kind == "ms" {
            return Some("a duration would be divided by its rate".to_owned());
        }
        if kind == "g" && matches!(dialect, "collectd") {
            return Some("a rate is not read on gauges".to_owned());
        }
    }
    if dialect == "dogstatsd"
        && line.extensions.iter().any(|field| field.starts_with('T'))
        && !matches!(kind, "c" | "g")
    {
        return Some("a time stamp is read on counters and gauges alone".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readers(line: &str) -> String {
        match judge(line.as_bytes()) {
            Judged::Metric { refused, .. } => {
                let reads = |dialect: &&str| !refused.iter().any(|(no, _)| no == dialect);
                DIALECTS.iter().copied().filter(reads).collect::<Vec<_>>().join(" ")
            }
            Judged::Event(what) => what.to_owned(),
            Judged::Bad(why) => format!("bad: {why}"),
        }
    }

    #[test]
    fn each_dialect_reads_its_own() {
        let all = DIALECTS.join(" ");
        for (line, expected) in [
            ("a.b:1|c", all.as_str()),
            ("a.b:1|c|@0.1", all.as_str()),
            ("a.b:-1|g", all.as_str()),
            ("a.b:12.5|ms", all.as_str()),
            ("a.b:12.5|ms|@0.1", "etsy dogstatsd telegraf plain tagged"),
            ("a.b:-1|ms", "dogstatsd gnocchi tagged"),
            ("a.b: 1|c", "etsy gnocchi"),
            ("a.b:1|h", "dogstatsd telegraf tagged"),
            ("a.b:u1|s", "etsy dogstatsd telegraf collectd tagged"),
            ("a.b:1|ms:2|ms", "etsy telegraf"),
            ("a.b:1:2|ms", "dogstatsd"),
            ("a.b:1|c|#k:v", "etsy dogstatsd tagged"),
            ("a.b:1|c|#k:v|c:in-1", "dogstatsd"),
            ("a.b:1|c|T1700000000", "dogstatsd"),
            ("a.b,k=v:1|c", "telegraf"),
            ("a.b:1|c|@1e-1", "dogstatsd telegraf gnocchi collectd plain tagged"),
            ("_e{1,1}:a|b", "event"),
            ("_sc|a|0", "service check"),
        ] {
            assert_eq!(readers(line), expected, "{line}");
        }
    }

    #[test]
    fn a_bad_line_says_why() {
        for (line, expected) in [
            ("", "bad: there is no `:` behind the name; expected name:value|type"),
            ("a:x|c", "bad: the value \"x\" is no number"),
            ("a:1|x", "bad: the type \"x\" is none; known are c, g, ms, h, d, s"),
            ("a:1|c|Tx", "bad: the time stamp \"x\" is no second from 1970 to 2262; expected |T1656581400"),
            ("a:1|ms|T1", "bad: a time stamp is read on counters and gauges alone"),
            ("a\x1b[2J:1|c", "bad: the line has a control character, \\u{1b}"),
            ("a:1|c|@2", "bad: the sample rate \"2\" is no number above 0 and at most 1; expected |@0.1"),
        ] {
            assert_eq!(readers(line), expected, "{line}");
        }
        assert_eq!(judge(b"a\xff:1|c"), Judged::Bad("byte 2 is no UTF-8".into()));
    }
}
