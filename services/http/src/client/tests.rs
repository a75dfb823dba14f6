//! Tests of the addresses that a client takes.

use super::*;

#[test]
fn what_is_no_node_is_told() {
    let fingerprint = "ab".repeat(32);
    let make = |url: &str, fingerprint: Option<&str>, ca: Option<&str>| {
        Client::new(url, fingerprint, ca.map(Into::into), Duration::ZERO).map(|c| (c.host, c.port, c.base))
    };
    for (url, expected) in [
        ("https://a.example", ("a.example", 443, "")),
        ("https://10.0.0.1:8006/", ("10.0.0.1", 8006, "")),
        ("https://[::1]:9620/internal/", ("::1", 9620, "/internal")),
    ] {
        let (host, port, base) = make(url, Some(&fingerprint), None).unwrap();
        assert_eq!((host.as_str(), port, base.as_str()), expected, "{url}");
    }
    assert!(make("http://127.0.0.1:1", None, None).is_ok());
    let colons = vec!["AB"; 32].join(":");
    assert!(make("https://a", Some(&colons), None).is_ok());
    for (url, fingerprint, ca, expected) in [
        ("", None, None, "is none; expected"),
        ("a.example", None, None, "is no address of a server"),
        ("/x", None, None, "is no address of a server"),
        ("https://a/?x", Some(fingerprint.as_str()), None, "is no address of a server"),
        ("ftp://a", None, None, "another scheme"),
        ("https://user:pw@a", Some(&fingerprint), None, "more or less than a host and a port"),
        ("https://a:0", Some(&fingerprint), None, "more or less than a host and a port"),
        ("https://a:99999", Some(&fingerprint), None, "more or less than a host and a port"),
        ("https://a\nb", Some(&fingerprint), None, "is none; expected"),
        ("http://10.0.0.1", None, None, "as plain text"),
        ("http://localhost", None, None, "as plain text"),
        ("http://127.0.0.1", Some(&fingerprint), None, "has no certificate"),
        ("https://a", None, None, "neither fingerprint nor ca"),
        ("https://a", Some(&fingerprint), Some("x"), "both given"),
        ("https://a", Some("ab"), None, "64 hex digits"),
        ("https://a", Some(&"é".repeat(32)), None, "64 hex digits"),
        ("https://a", None, Some("/dev/null/x"), "cannot be read"),
    ] {
        let error = make(url, fingerprint, ca).unwrap_err();
        assert!(error.contains(expected), "{url}: {error}");
    }
}
