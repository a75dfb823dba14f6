//! The formats, and which of them a reader gets for the `Accept` it sends.

use std::fmt;

/// How totals are written for Prometheus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// The text format, version 0.0.4: what every reader understands.
    #[default]
    Text,
    /// OpenMetrics 1.0: text with units and creation times.
    OpenMetrics,
    /// Prometheus' own messages, each with its length in front; the only one with native histograms.
    Protobuf,
}

/// In the order in which the server prefers them when the reader does not care.
const ALL: [Format; 3] = [Format::Text, Format::OpenMetrics, Format::Protobuf];
/// Ranges of one `Accept` that are looked at; Prometheus sends five.
const MAX_RANGES: usize = 64;

impl Format {
    /// Returns the value of `Content-Type`.
    ///
    /// ```
    /// # mod ferrometer { pub use ferrometer_core::*; pub use ferrometer_prometheus as prometheus; }
    /// use ferrometer::prometheus::Format;
    /// assert_eq!(Format::Text.content_type(), "text/plain; version=0.0.4; charset=utf-8");
    /// ```
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }

    /// The format for an `Accept` header: the one with the highest `q`, where the range that names a format most exactly says its
    /// `q` ([RFC 9110, 12.5.1](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1)). Of equals, the one
    /// named most exactly, then the one named first. [`Format::Text`] when there is no header, or nothing in it fits: an answer in the
    /// common format serves a reader better than a refusal.
    ///
    /// OpenMetrics is meant by `application/openmetrics-text` with version 1.0.0 or none, the text by `text/plain` with version
    /// 0.0.4 or none, and Prometheus' messages by `application/vnd.google.protobuf` with
    /// `proto=io.prometheus.client.MetricFamily` and `encoding=delimited`. A range that is no valid one, or whose `q` is none, is passed
    /// over.
    ///
    /// ```
    /// # mod ferrometer { pub use ferrometer_core::*; pub use ferrometer_prometheus as prometheus; }
    /// use ferrometer::prometheus::Format;
    /// assert_eq!(Format::negotiate(None), Format::Text);
    /// // As Prometheus sends it.
    /// let accept = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
    ///               text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    /// assert_eq!(Format::negotiate(Some(accept)), Format::OpenMetrics);
    /// assert_eq!(Format::negotiate(Some("application/json")), Format::Text);
    /// ```
    #[must_use]
    pub fn negotiate(accept: Option<&str>) -> Format {
        let Some(accept) = accept else { return Format::Text };
        let ranges: Vec<Range<'_>> =
            split(accept, ',').take(MAX_RANGES).enumerate().filter_map(|(at, r)| Range::parse(at, r)).collect();
        let rated = |format: Format| {
            let (specificity, best) = ranges
                .iter()
                .filter_map(|range| Some((range.specificity(format)?, range)))
                // The first of two equally exact ones counts.
                .max_by_key(|(specificity, range)| (*specificity, std::cmp::Reverse(range.at)))?;
            (best.q > 0).then_some((best.q, specificity, std::cmp::Reverse(best.at), format))
        };
        let preferred = |format| std::cmp::Reverse(ALL.iter().position(|f| *f == format));
        let best = ALL.into_iter().filter_map(rated).max_by_key(|(q, exact, at, f)| (*q, *exact, *at, preferred(*f)));
        best.map_or(Format::Text, |(.., format)| format)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Text => "Prometheus text",
            Format::OpenMetrics => "OpenMetrics",
            Format::Protobuf => "Prometheus protobuf",
        })
    }
}

/// One media range of an `Accept`.
struct Range<'a> {
    at: usize,
    /// Type and subtype, in lower case.
    media: String,
    parameters: Vec<(String, &'a str)>,
    /// In thousandths.
    q: u16,
}

impl<'a> Range<'a> {
    fn parse(at: usize, text: &'a str) -> Option<Range<'a>> {
        let mut parts = split(text, ';');
        let media = parts.next()?.trim().to_ascii_lowercase();
        let mut range = Range { at, media, parameters: Vec::new(), q: 1000 };
        for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=')?;
            let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
            let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
            if key == "q" {
                range.q = quality(value)?;
                // Text behind it belongs to no format.
                break;
            }
            range.parameters.push((key, value));
        }
        range.media.contains('/').then_some(range)
    }

    fn parameter(&self, key: &str) -> Option<&'a str> {
        self.parameters.iter().find(|(k, _)| k == key).map(|(_, value)| *value)
    }

    /// How exactly the range names a format; `None` when it does not mean it.
    fn specificity(&self, format: Format) -> Option<u8> {
        let version = |wanted: &str| match self.parameter("version") {
            None => Some(2),
            Some(version) => (version == wanted).then_some(3),
        };
        match (self.media.as_str(), format) {
            ("*/*", _) => Some(0),
            ("text/*", Format::Text) | ("application/*", Format::OpenMetrics | Format::Protobuf) => Some(1),
            ("text/plain", Format::Text) => version("0.0.4"),
            ("application/openmetrics-text", Format::OpenMetrics) => version("1.0.0"),
            ("application/vnd.google.protobuf", Format::Protobuf) => {
                let is = |key, wanted| self.parameter(key).is_some_and(|value| value == wanted);
                (is("proto", "io.prometheus.client.MetricFamily") && is("encoding", "delimited")).then_some(3)
            }
            _ => None,
        }
    }
}

/// A weight from 0 to 1 with at most three decimals, in thousandths.
fn quality(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|b| b.is_ascii_digit()) || !matches!(whole, "0" | "1") {
        return None;
    }
    let thousandths = format!("{whole}{decimals:0<3}").parse().ok()?;
    (thousandths <= 1000).then_some(thousandths)
}

/// Splits at a separator outside of quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        c == separator && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_accepted_is_what_is_sent() {
        use Format::*;
        const NATIVE: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,\
             application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, expected) in [
            ("", Text),
            ("*/*", Text),
            ("text/*", Text),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Text),
            ("application/*", OpenMetrics),
            ("application/openmetrics-text", OpenMetrics),
            ("application/openmetrics-text, */*", OpenMetrics),
            ("application/openmetrics-text; version=\"1.0.0\"; charset=utf-8", OpenMetrics),
            ("application/openmetrics-text; version=0.0.1", Text),
            ("application/openmetrics-text; version=2.0.0, text/plain", Text),
            ("APPLICATION/OpenMetrics-Text;VERSION=1.0.0;Q=0.9,text/plain;q=0.8", OpenMetrics),
            ("text/plain, application/openmetrics-text", Text),
            ("application/openmetrics-text, text/plain", OpenMetrics),
            ("application/openmetrics-text;q=0.3, text/plain;q=0.31", Text),
            ("application/openmetrics-text;q=0, */*", Text),
            ("text/plain;q=0, application/*;q=0.1", OpenMetrics),
            ("text/plain;q=0,*/*;q=0.1", OpenMetrics),
            ("*/*;q=0", Text),
            ("application/openmetrics-text;q=1.5, text/plain;q=0.1", Text),
            ("application/openmetrics-text;q=nan, text/plain;q=0.1", Text),
            ("application/openmetrics-text;q=-1, text/plain;q=0.1", Text),
            ("application/openmetrics-text;q=0.0001, text/plain;q=0.001", Text),
            ("application/vnd.google.protobuf", Text),
            ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text", Text),
            ("application/vnd.google.protobuf;proto=other;encoding=delimited", Text),
            (Protobuf.content_type(), Protobuf),
            (OpenMetrics.content_type(), OpenMetrics),
            (Text.content_type(), Text),
            (NATIVE, Protobuf),
            ("x/y;a=\",text/plain\", application/openmetrics-text;q=0.1", OpenMetrics),
            (";;;,,,=,q=1,/;q=", Text),
        ] {
            assert_eq!(Format::negotiate(Some(accept)), expected, "{accept}");
        }
        assert_eq!(Format::negotiate(Some(&"a/b,".repeat(100_000))), Text);
    }
}
