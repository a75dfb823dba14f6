//! Reads the types that a client takes: media types (`Accept`) and encodings (`Accept-Encoding`), with their weights
//! ([RFC 9110, 12.4 and 12.5](https://www.rfc-editor.org/rfc/rfc9110#section-12.4)).

use axum::http::{HeaderMap, HeaderName};

/// A weight in thousandths: 0 refuses, 1000 is the most.
type Weight = u16;

/// The items of a list header with their weights, over all its lines. An item with a weight that is none is left out.
fn items<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = (&'a str, Weight)> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).filter_map(|item| {
        let mut parts = item.split(';').map(str::trim);
        let what = parts.next().filter(|what| !what.is_empty())?;
        let weight = parts.find_map(|part| {
            let (key, value) = part.split_once('=')?;
            key.trim().eq_ignore_ascii_case("q").then_some(value.trim())
        });
        Some((what, weight.map_or(Some(1000), parse_weight)?))
    })
}

/// `0`, `1`, or up to three digits behind `0.` or `1.`.
fn parse_weight(text: &str) -> Option<Weight> {
    let (whole, digits) = text.split_once('.').unwrap_or((text, ""));
    if digits.len() > 3 || !digits.bytes().all(|b| b.is_ascii_digit()) || !["0", "1"].contains(&whole) {
        return None;
    }
    let thousandths: Weight = format!("{digits:0<3}").parse().ok()?;
    Some(if whole == "1" { 1000 } else { thousandths })
}

/// Returns the one of the `offered` media types that the client likes best by its `Accept`, at equal weights the first. `None` when it
/// takes none of them. Without the header everything is welcome.
pub fn media_type(headers: &HeaderMap, offered: &[&'static str]) -> Option<&'static str> {
    let name = axum::http::header::ACCEPT;
    if !headers.contains_key(&name) {
        return offered.first().copied();
    }
    best(offered, |media| {
        let group = media.split('/').next().unwrap_or_default();
        // The most exact item counts, whatever the order.
        let found = items(headers, &name).filter_map(|(what, weight)| {
            let exactness = if what.eq_ignore_ascii_case(media) {
                2
            } else if what.strip_suffix("/*").is_some_and(|g| g.eq_ignore_ascii_case(group)) {
                1
            } else if what == "*/*" {
                0
            } else {
                return None;
            };
            Some((exactness, weight))
        });
        found.max().map_or(0, |(_, weight)| weight)
    })
}

/// The one of `offered` that the client likes best; `identity`, the plain text, is welcome unless it is refused.
#[cfg(feature = "compression")]
pub(crate) fn encoding(headers: &HeaderMap, offered: &[&'static str]) -> Option<&'static str> {
    let name = axum::http::header::ACCEPT_ENCODING;
    let given = |wanted: &str| {
        items(headers, &name).filter(|(what, _)| what.eq_ignore_ascii_case(wanted)).map(|(_, weight)| weight).max()
    };
    best(offered, |encoding| {
        let weight = given(encoding).or_else(|| given("*"));
        // Plain text that nobody asked for is the last resort, before refusal.
        weight.unwrap_or(Weight::from(encoding == "identity"))
    })
}

fn best(offered: &[&'static str], weight: impl Fn(&str) -> Weight) -> Option<&'static str> {
    let weighed = offered.iter().rev().map(|offer| (weight(offer), *offer)).filter(|(weight, _)| *weight > 0);
    weighed.max_by_key(|(weight, _)| *weight).map(|(_, offer)| offer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use axum::http::header::ACCEPT;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn media_types_by_weight_and_exactness() {
        let offered = ["application/json", "application/x-ndjson"];
        assert_eq!(media_type(&HeaderMap::new(), &offered), Some(offered[0]));
        for (accept, expected) in [
            ("*/*", Some(0)),
            ("application/*", Some(0)),
            ("application/x-ndjson", Some(1)),
            ("Application/X-NDJSON; q=0.2, text/html", Some(1)),
            ("application/json;q=0.5, application/x-ndjson;q=0.6", Some(1)),
            ("application/json;q=0, */*", Some(1)),
            ("*/*;q=0.9, application/json;q=0.1", Some(1)),
            ("text/html", None),
            ("application/json;q=0", None),
            ("application/json;q=2", None),
            ("", None),
            (",;,;q=1,", None),
        ] {
            let expected = expected.map(|at: usize| offered[at]);
            assert_eq!(media_type(&headers(ACCEPT, accept), &offered), expected, "{accept}");
        }
    }

    #[cfg(feature = "compression")]
    #[test]
    fn encodings_by_weight() {
        use axum::http::header::ACCEPT_ENCODING;
        let offered = ["zstd", "gzip", "identity"];
        assert_eq!(encoding(&HeaderMap::new(), &offered), Some("identity"));
        for (accept, expected) in [
            ("gzip", Some("gzip")),
            ("gzip, zstd", Some("zstd")),
            ("gzip;q=1.0, zstd;q=0.5", Some("gzip")),
            ("*", Some("zstd")),
            ("zstd;q=0, *", Some("gzip")),
            ("br", Some("identity")),
            ("", Some("identity")),
            ("gzip;q=0", Some("identity")),
            ("gzip;q=0.5, identity;q=0.8", Some("identity")),
            ("*;q=0", None),
            ("identity;q=0", None),
            ("identity;q=0, gzip", Some("gzip")),
            ("br, identity;q=0", None),
            ("GZIP", Some("gzip")),
            ("gzip;q=nan", Some("identity")),
        ] {
            assert_eq!(encoding(&headers(ACCEPT_ENCODING, accept), &offered), expected, "{accept}");
        }
    }
}
