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
            // VictoriaMetrics moves the moments to multiples of the step, unless it is told not to. Others ignore it.
            parameters.push(("nocache", "1".into()));
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
    fn credentials_leave_the_address() {
        let (base, user) = without_user("https://us%40er:pa%3Ass@host:9090/api/v1/");
        assert_eq!(base, "https://host:9090/api/v1");
        assert_eq!(user, Some(("us@er".into(), "pa:ss".into())));
    }
}
