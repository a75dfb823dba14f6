//! The HTTP client: blocking, on the backend's own thread; one request at a time over connections that are kept.
//!
//! No redirect is followed, replies are read up to 64 KiB, certificates are verified unless the settings say otherwise, and a proxy of the
//! environment (`ALL_PROXY`, `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`) is used.

use crate::destination::Destinations;
#[cfg(feature = "https")]
use crate::https;
use crate::invalid::Invalid;
use crate::moment::LONGEST;
use crate::resolver::Addresses;
use crate::secret::Secret;
use crate::verdict::{Extent, Verdict};
use crate::words;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fmt;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};
use ureq::Agent;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use ureq::unversioned::transport::DefaultConnector;

/// The most bytes of a reply that are read.
pub const MOST_REPLY: u64 = 64 * 1024;

/// Where and how requests are sent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HttpSettings {
    /// The whole address, `http://` or `https://`, without user and password.
    pub url: String,
    /// Further headers. Their values count as secrets.
    pub headers: Vec<(String, Secret)>,
    /// How long one request may take, its reply included.
    pub timeout: Duration,
    /// Refuses a server whose certificate is not valid or not its own. Default: `true`.
    pub verify_certificate: bool,
    /// Certificates, as PEM, of authorities that are trusted instead of the system's.
    pub ca: Option<PathBuf>,
    /// Where requests may be sent. With a policy no proxy of the environment is used: it would look names up by itself. Default: everywhere.
    pub destinations: Option<Destinations>,
}

impl HttpSettings {
    /// Settings for an address; a request may take 5 s.
    #[must_use]
    pub fn new(url: impl Into<String>) -> HttpSettings {
        HttpSettings {
            url: url.into(),
            headers: Vec::new(),
            timeout: Duration::from_secs(5),
            verify_certificate: true,
            ca: None,
            destinations: None,
        }
    }
}

/// A server's reply.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Reply {
    /// The status, 200 for example.
    pub status: u16,
    /// How long the server asks to be left alone.
    pub retry_after: Option<Duration>,
    /// The bytes behind the head, up to [`MOST_REPLY`].
    pub body: Vec<u8>,
    /// True when the end of them came, or more than are kept.
    pub is_whole: bool,
    headers: HeaderMap,
}

impl Reply {
    /// Returns the value of a header, where it is there and is a text. The name is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A client of one server.
pub struct Http {
    agent: Agent,
    url: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    secrets: Vec<Secret>,
    timeout: Duration,
}

impl Http {
    /// Makes a client. Nothing is connected yet.
    ///
    /// # Errors
    /// When the address, a header or the file of authorities cannot be used.
    pub fn new(settings: &HttpSettings) -> Result<Http, Invalid> {
        let url = check_url(&settings.url)?;
        let mut headers = Vec::new();
        for (name, value) in &settings.headers {
            let allowed = "a header's name: letters, digits and `-`";
            let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Invalid::new("headers", name, allowed))?;
            let bad = |_| {
                let found = format!("{parsed}: (a value with characters that a header cannot have)");
                Invalid::new("headers", found, "values on one line, without control characters")
            };
            let value = HeaderValue::from_str(value.reveal()).map_err(bad)?;
            headers.push((parsed, value));
        }
        // Zero would be no limit at all.
        let timeout = settings.timeout.clamp(Duration::from_millis(1), LONGEST);
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("ferrometer/", env!("CARGO_PKG_VERSION")))
            .max_idle_connections(1);
        #[cfg(feature = "https")]
        let config = config.tls_config(https::config(settings.ca.as_deref(), settings.verify_certificate)?);
        let policy = settings.destinations.clone();
        // A proxy would look names up by itself.
        let config = if policy.is_some() { config.proxy(None) } else { config };
        let agent = Agent::with_parts(config.build(), DefaultConnector::default(), Addresses::new(policy));
        let secrets = settings.headers.iter().map(|(_, value)| value.clone()).collect();
        Ok(Http { agent, url, headers, secrets, timeout })
    }

    /// The address that is posted to.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Makes one line of a server's words, without the secrets of this client.
    #[must_use]
    pub fn words(&self, body: &[u8]) -> String {
        words::shown(body, &self.secrets)
    }

    /// Posts a body; returns the reply, whatever its status.
    ///
    /// # Errors
    /// Why there is no reply, in words for the log.
    pub fn post(&self, headers: &[(&str, &str)], body: &[u8], until: Instant) -> Result<Reply, String> {
        let mut request = self.agent.post(&self.url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.config().timeout_global(Some(self.time_left(until))).build();
        let answer = request.send(body).map_err(|error| self.failure(&self.url, &error))?;
        Ok(reply(answer))
    }

    /// Gets another path of the same server, to see whether it is there.
    ///
    /// # Errors
    /// As for [`post`](Self::post).
    pub fn get(&self, url: &str, until: Instant) -> Result<Reply, String> {
        self.get_with(url, &[], until)
    }

    /// Gets a path of the same server, with further headers.
    ///
    /// # Errors
    /// As for [`post`](Self::post).
    pub fn get_with(&self, url: &str, headers: &[(&str, &str)], until: Instant) -> Result<Reply, String> {
        let mut request = self.agent.get(url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.config().timeout_global(Some(self.time_left(until))).build();
        let answer = request.call().map_err(|error| self.failure(url, &error))?;
        Ok(reply(answer))
    }

    fn time_left(&self, until: Instant) -> Duration {
        let left = until.saturating_duration_since(Instant::now());
        left.min(self.timeout).max(Duration::from_millis(1))
    }

    fn failure(&self, url: &str, error: &ureq::Error) -> String {
        let said = match error {
            ureq::Error::Timeout(_) => "no answer in time".to_owned(),
            ureq::Error::HostNotFound => "the host's name is not known".to_owned(),
            ureq::Error::Io(error) => self.words(error.to_string().as_bytes()),
            error => self.words(error.to_string().as_bytes()),
        };
        format!("{url}: {said}")
    }

    /// Judges a reply by its status alone.
    #[must_use]
    pub fn verdict(&self, reply: &Reply) -> Verdict {
        let status = reply.status;
        let reason = || match self.words(&reply.body) {
            said if said.is_empty() => format!("{} answers {status}", self.url),
            said => format!("{} answers {status}: {said}", self.url),
        };
        match status {
            200..=299 => Verdict::Accepted,
            413 => Verdict::TooLarge { reason: reason() },
            // One piece may be what the server does not like; the others it takes.
            400 | 409 | 422 => Verdict::Refused { reason: reason(), extent: Extent::Part },
            408 | 425 | 429 => Verdict::Later { reason: reason(), after: reply.retry_after },
            300..=399 => {
                let reason = format!("{} answers {status}: a redirect, which is not followed", self.url);
                Verdict::Later { reason, after: reply.retry_after }
            }
            401..=499 => Verdict::Refused { reason: reason(), extent: Extent::All },
            _ => Verdict::Later { reason: reason(), after: reply.retry_after },
        }
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("url", &self.url).finish_non_exhaustive()
    }
}

fn reply(answer: ureq::http::Response<ureq::Body>) -> Reply {
    let (head, body) = answer.into_parts();
    let retry_after = head.headers.get("retry-after").and_then(|value| wait(value.to_str().ok()?));
    let mut read = Vec::new();
    // The status is known; that the rest of the reply is cut changes nothing for what was sent.
    let is_whole = body.into_reader().take(MOST_REPLY).read_to_end(&mut read).is_ok();
    Reply { status: head.status.as_u16(), retry_after, body: read, is_whole, headers: head.headers }
}

/// Reads `Retry-After`: seconds, or a date.
fn wait(value: &str) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More than there are is a long time, too.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// Checks that an address can be posted to, and shows no secret.
fn check_url(url: &str) -> Result<String, Invalid> {
    let allowed = "http://host[:port]/path or https://host[:port]/path, without user and password";
    let Ok(uri) = url.parse::<Uri>() else { return Err(Invalid::new("url", url, allowed)) };
    let host = uri.host().unwrap_or_default();
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(Invalid::new("url", "(one with a user or password in it)", allowed));
    }
    if host.is_empty() || !matches!(uri.scheme_str(), Some("http" | "https")) || url.contains('#') {
        return Err(Invalid::new("url", url, allowed));
    }
    if cfg!(not(feature = "https")) && uri.scheme_str() == Some("https") {
        return Err(Invalid::new(
            "url",
            url,
            "http://host[:port]/path: TLS is not compiled in, which the feature `https` does",
        ));
    }
    Ok(url.to_owned())
}

/// Compresses a body into `out`; `false`, and nothing of use in `out`, when that would not make it smaller.
pub fn gzip(plain: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    let mut encoder = GzEncoder::new(std::mem::take(out), Compression::fast());
    // Writing to memory does not fail.
    let written = encoder.write_all(plain);
    if let Ok(done) = encoder.finish() {
        *out = done;
    }
    written.is_ok() && out.len() < plain.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_cannot_be_used_say_why_and_show_no_password() {
        for bad in ["", "localhost", "ftp://host/", "http://", "/path", "http:///x", "http://a b/", "http://h/#x"] {
            let error = Http::new(&HttpSettings::new(bad)).unwrap_err();
            assert_eq!((error.setting, error.found.as_str()), ("url", bad));
        }
        let error = Http::new(&HttpSettings::new("http://me:pass@host/")).unwrap_err().to_string();
        assert!(error.starts_with("url is") && !error.contains("pass@") && !error.contains("me:"), "{error}");
    }

    #[test]
    fn headers_with_line_feeds_are_refused_and_not_shown() {
        let mut settings = HttpSettings::new("http://host/");
        settings.headers = vec![("Authorization".into(), "Token x\r\nEvil: y".into())];
        let error = Http::new(&settings).unwrap_err().to_string();
        assert!(error.contains("authorization") && !error.contains("Evil") && !error.contains("Token"), "{error}");
        settings.headers = vec![("Bad name\n".into(), "x".into())];
        assert_eq!(Http::new(&settings).unwrap_err().setting, "headers");
    }

    #[test]
    fn a_pause_is_read_as_seconds_or_as_a_date() {
        assert_eq!(wait(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
        assert!((90..=100).contains(&wait(&soon).unwrap().as_secs()));
        assert_eq!((wait("-1"), wait("soon"), wait("")), (None, None, None));
        assert_eq!(wait(&"9".repeat(40)), Some(Duration::from_secs(u64::MAX)));
    }

    #[test]
    fn a_status_says_what_becomes_of_a_body() {
        let mut settings = HttpSettings::new("http://host/write");
        settings.headers = vec![("Authorization".into(), "Token hush".into())];
        let http = Http::new(&settings).unwrap();
        let judge = |status| http.verdict(&Reply { status, body: b"said hush\n".to_vec(), ..Reply::default() });
        for status in [200, 204, 299] {
            assert_eq!(judge(status), Verdict::Accepted);
        }
        for status in [100, 302, 308, 408, 429, 500, 503, 599, 700] {
            assert!(matches!(judge(status), Verdict::Later { .. }), "{status}");
        }
        let reason = "http://host/write answers 400: said [hidden]".to_owned();
        assert_eq!(judge(400), Verdict::Refused { reason, extent: Extent::Part });
        assert!(matches!(judge(401), Verdict::Refused { extent: Extent::All, .. }));
        assert!(matches!(judge(413), Verdict::TooLarge { .. }));
        assert!(!format!("{http:?} {settings:?}").contains("hush"));
    }

    #[cfg(not(feature = "https"))]
    #[test]
    fn a_url_of_https_names_the_feature_that_is_missing() {
        let error = Http::new(&HttpSettings::new("https://host/")).unwrap_err();
        assert!(error.setting == "url" && error.allowed.contains("the feature `https`"), "{error}");
    }

    #[test]
    fn gzip_says_when_it_is_of_no_use() {
        let mut out = Vec::new();
        assert!(gzip(&[b'a'; 1000], &mut out) && out.len() < 100);
        assert!(!gzip(b"a", &mut out));
    }
}
