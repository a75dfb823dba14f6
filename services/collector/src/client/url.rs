//! Addresses of queries.

use super::When;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::fmt::Write as _;

/// Everything that is escaped in a parameter: what JavaScript's `encodeURIComponent` escapes.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// Returns what is wrong with the address of an API, if anything is. The text shows no credentials.
#[must_use]
pub fn url_problem(url: &str) -> Option<String> {
    let expected = "expected an address such as http://127.0.0.1:9090/api/v1";
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let Some(rest) = rest else { return Some(format!("{expected}: it begins with http:// or https://")) };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if url.contains(['?', '#']) {
        return Some(format!("{expected}: it has no ? and no #"));
    }
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if host.is_empty() || host.starts_with(':') || url.bytes().any(|b| b.is_ascii_whitespace() || b.is_ascii_control())
    {
        return Some(format!("{expected}: it has a host and no white space"));
    }
    let port = host.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
    if port.is_some_and(|(_, port)| port.parse::<u16>().is_err()) {
        return Some(format!("{expected}: a port is a number up to 65535"));
    }
    if path.trim_matches('/').is_empty() {
        let (scheme, _) = url.split_at(url.len() - rest.len());
        return Some(format!("has no path; did you mean {scheme}{host}/api/v1?"));
    }
    None
}

/// Takes `user:password@` out of an address.
pub(super) fn without_user(url: &str) -> (String, Option<(String, String)>) {
    let url = url.trim_end_matches('/');
    let Some((scheme, rest)) = url.split_once("://") else { return (url.to_owned(), None) };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let Some((user, host)) = authority.rsplit_once('@') else { return (url.to_owned(), None) };
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    (format!("{scheme}://{host}/{path}"), Some((decoded(user), decoded(password))))
}

/// Returns the address of the API's function for such a query.
pub(super) fn endpoint(base: &str, when: When) -> String {
    match when {
        When::At(_) => format!("{base}/query"),
        When::Every { .. } => format!("{base}/query_range"),
    }
}

/// Returns the parameters of a query.
pub(super) fn parameters(query: &str, when: When) -> Vec<(&'static str, String)> {
    let mut parameters = vec![("query", query.to_owned())];
    match when {
        When::At(moment) => parameters.push(("time", moment.to_string())),
        When::Every { start, end, step } => {
            parameters.extend([("start", start.to_string()), ("end", end.to_string()), ("step", step.to_string())]);
        }
    }
    parameters
}

/// Returns the address with the parameters.
pub(super) fn full(base: &str, query: &str, when: When) -> String {
    let mut url = endpoint(base, when);
    for (n, (name, value)) in parameters(query, when).iter().enumerate() {
        let _ = write!(url, "{}{name}={}", if n == 0 { '?' } else { '&' }, utf8_percent_encode(value, ESCAPED));
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_refused() {
        for (url, says) in [
            ("", "begins with"),
            ("host:9090/api/v1", "begins with"),
            ("ftp://host/api/v1", "begins with"),
            ("http://host:9090", "did you mean http://host:9090/api/v1?"),
            ("http://user:secret@host:9090/", "did you mean http://host:9090/api/v1?"),
            ("http://:9090/api/v1", "has a host"),
            ("http://host:99999/api/v1", "a port is a number"),
            ("http://host/api/v1?x=1", "no ?"),
            ("http://ho st/api/v1", "no white space"),
        ] {
            let message = url_problem(url).unwrap();
            assert!(message.contains(says) && !message.contains("secret"), "{url}: {message}");
        }
        for url in [
            "http://127.0.0.1:9090/api/v1",
            "https://[::1]:9090/prometheus/api/v1/",
            "http://u:p@h/api/v1",
            "http://[::1]/a",
        ] {
            assert_eq!(url_problem(url), None);
        }
    }

    #[test]
    fn credentials_leave_the_address() {
        let (base, user) = without_user("https://us%40er:pa%3Ass@host:9090/api/v1/");
        assert_eq!(base, "https://host:9090/api/v1");
        assert_eq!(user, Some(("us@er".into(), "pa:ss".into())));
    }
}
