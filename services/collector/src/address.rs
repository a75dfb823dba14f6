//! Addresses of an API, as a file or a program names them.

/// Returns what is wrong with the address of Prometheus' API, if anything is. The text shows no credentials.
#[must_use]
pub fn url_problem(url: &str) -> Option<String> {
    problem(url, "http://127.0.0.1:9090/api/v1").or_else(|| {
        let (scheme, rest) = url.split_once("://")?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        path.trim_matches('/').is_empty().then(|| format!("has no path; did you mean {scheme}://{host}/api/v1?"))
    })
}

/// Returns what is wrong with an address that may have a path or none, if anything is. The text shows no credentials.
pub(crate) fn base_problem(url: &str) -> Option<String> {
    problem(url, "http://127.0.0.1:8041")
}

fn problem(url: &str, example: &str) -> Option<String> {
    let expected = format!("expected an address such as {example}");
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let Some(rest) = rest else { return Some(format!("{expected}: it begins with http:// or https://")) };
    let authority = rest.split_once('/').map_or(rest, |(authority, _)| authority);
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
    None
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
}
