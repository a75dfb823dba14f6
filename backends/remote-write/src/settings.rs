//! Settings of a backend for Prometheus' remote write.

use crate::names;
use ferrometer_core::name::MAX_LABELS;
use ferrometer_push::memory_bound::{self, NAME_AND_LABELS};
use ferrometer_push::{HttpSettings, Invalid, Secret};
use std::path::PathBuf;
use std::time::Duration;

/// How a request shows who sends it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Auth {
    /// Not at all.
    #[default]
    None,
    /// `Authorization: Bearer …`.
    Bearer(Secret),
    /// `Authorization: Basic …`.
    Basic {
        /// The user's name, without a colon.
        user: String,
        /// The password.
        password: Secret,
    },
}

/// Which version of remote write requests have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Version {
    /// 2.0 where the server takes it, and else 1.0. A request without series asks it, before the first one.
    #[default]
    Auto,
    /// 1.0.
    V1,
}

/// How timers and histograms travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Histograms {
    /// As `_bucket`, `_sum` and `_count`, which every receiver takes.
    #[default]
    Classic,
    /// As native histograms, which Prometheus takes from 2.40 on when they are enabled there.
    Native,
}

/// Configuration of the [`RemoteWrite`](crate::RemoteWrite) backend.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Where requests go: `http://localhost:9090/api/v1/write`, say.
    pub url: String,
    /// How a request shows who sends it. Default not at all.
    pub auth: Auth,
    /// Further headers, `X-Scope-OrgID` for example. Their values count as secrets.
    pub headers: Vec<(String, Secret)>,
    /// Labels of all series. [`Settings::new`] gives `job`, the program's name, and `instance`, the host's, so that two processes do not write the same
    /// series. A label of a series' own counts more.
    pub labels: Vec<(String, String)>,
    /// How timers and histograms travel. Default classic.
    pub histograms: Histograms,
    /// Which version of remote write requests have. Default 2.0 where the server takes it.
    pub version: Version,
    /// How long a request may take. Default 5 s.
    pub timeout: Duration,
    /// The most samples in a request, at least 1. Default 2000.
    pub max_samples: usize,
    /// The largest body of a request before it is compressed, in bytes: at least 8192. Default 4,000,000.
    pub max_body_size: usize,
    /// Refuses a server whose certificate is not valid or not its own. Default: yes.
    pub verify_certificate: bool,
    /// Certificates, as PEM, of authorities that are trusted instead of the system's.
    pub ca: Option<PathBuf>,
    /// A directory in which bodies are kept that a server missed, for this process or a later one. The server gets them in order, with their own time
    /// stamps, when it is back. It is made where it is missing, and is for one backend of one process at a time; while another process has it, nothing is kept. Default none.
    pub spool: Option<PathBuf>,
    /// The most bytes that are kept there; beyond them the oldest go. Default 100,000,000.
    pub spool_max_bytes: u64,
}

impl Settings {
    /// The defaults, for an address.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Settings {
        let program = std::env::current_exe().ok();
        let program =
            program.as_deref().and_then(|path| path.file_stem()).map(|name| name.to_string_lossy().into_owned());
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
        let host = host.map(|name| name.trim().to_owned());
        let labels = [("job", program), ("instance", host)].into_iter();
        let labels =
            labels.filter_map(|(name, value)| Some((name.to_owned(), value.filter(|value| !value.is_empty())?)));
        Settings {
            url: url.into(),
            auth: Auth::None,
            headers: Vec::new(),
            labels: labels.collect(),
            histograms: Histograms::default(),
            version: Version::default(),
            timeout: Duration::from_secs(5),
            max_samples: 2000,
            max_body_size: 4_000_000,
            verify_certificate: true,
            ca: None,
            spool: None,
            spool_max_bytes: 100_000_000,
        }
    }

    /// Sets how a request shows who sends it.
    #[must_use]
    pub fn auth(mut self, auth: Auth) -> Settings {
        self.auth = auth;
        self
    }

    /// Sets a label of all series; an empty value takes it away.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Settings {
        let (name, value) = (name.into(), value.into());
        self.labels.retain(|(other, _)| *other != name);
        if !value.is_empty() {
            self.labels.push((name, value));
        }
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Settings {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets how timers and histograms travel.
    #[must_use]
    pub fn histograms(mut self, histograms: Histograms) -> Settings {
        self.histograms = histograms;
        self
    }

    /// Sets which version of remote write requests have.
    #[must_use]
    pub fn version(mut self, version: Version) -> Settings {
        self.version = version;
        self
    }

    /// Returns the most memory that a backend of these settings takes, in bytes, in a program with `series` series.
    #[must_use]
    pub fn max_bytes(&self, series: usize) -> usize {
        let common: usize = self.labels.iter().map(|(name, value)| name.len() + value.len() + 16).sum();
        // And the names of families, with each suffix.
        let text = NAME_AND_LABELS + common + 6 * 560;
        // Places of a text in tables that double: where it ends, its number by its hash, and the one that it has in a request.
        const SYMBOL: usize = 2 * (8 + 20 + 8);
        // And of 2.0 the series without their texts, and the symbols. At worst no two labels have a text in common, the names of a family's samples included.
        let labels = MAX_LABELS + self.labels.len() + 4;
        let symbols = series.saturating_mul(2 * labels * SYMBOL);
        let second = if self.version == Version::Auto { 4 * self.max_body_size + symbols } else { 0 };
        memory_bound::max_bytes(series, self.max_body_size, text) + second
    }

    pub(crate) fn http(&self) -> Result<HttpSettings, Invalid> {
        if self.max_samples == 0 {
            return Err(Invalid::new("max_samples", "0", "at least 1"));
        }
        if self.max_body_size < 8192 {
            return Err(Invalid::new("max_body_size", self.max_body_size.to_string(), "at least 8192 bytes"));
        }
        for (at, (name, _)) in self.labels.iter().enumerate() {
            if !names::is_label(name) || self.labels[..at].iter().any(|(other, _)| other == name) {
                let allowed = "names of `[a-zA-Z_][a-zA-Z0-9_]*`, each once, not `le`, and not with `__` in front";
                return Err(Invalid::new("labels", name, allowed));
            }
        }
        let mut http = HttpSettings::new(&self.url);
        http.headers.clone_from(&self.headers);
        match &self.auth {
            Auth::None => {}
            Auth::Bearer(token) => {
                let value = Secret::new(format!("Bearer {}", token.reveal()));
                http.headers.push(("Authorization".to_owned(), value));
            }
            Auth::Basic { user, password } => {
                if user.is_empty() || user.contains(':') {
                    return Err(Invalid::new("user", user, "a name that is not empty, without a colon"));
                }
                let value =
                    Secret::new(format!("Basic {}", base64(format!("{user}:{}", password.reveal()).as_bytes())));
                http.headers.push(("Authorization".to_owned(), value));
            }
        }
        http.timeout = self.timeout;
        http.verify_certificate = self.verify_certificate;
        http.ca.clone_from(&self.ca);
        Ok(http)
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let at = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let is_there = digit <= three.len();
            out.push(if is_there { char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63]) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        for (text, expected) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(text.as_bytes()), expected);
        }
        assert_eq!(base64(b"Aladdin:open sesame"), "QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(base64(&[0xff, 0xff, 0xfe]), "///+");
    }

    #[test]
    fn what_cannot_be_used_is_named_and_no_secret_is_shown() {
        let good = Settings::new("http://localhost:9090/api/v1/write")
            .auth(Auth::Basic { user: "me".into(), password: "hush".into() });
        assert!(good.http().is_ok());
        assert!(!format!("{good:?}").contains("hush"));
        for name in ["", "9", "le", "__name__", "a-b", "é"] {
            assert_eq!(good.clone().label(name, "x").http().unwrap_err().setting, "labels", "{name}");
        }
        let basic = Auth::Basic { user: "a:b".into(), password: "x".into() };
        assert_eq!(good.clone().auth(basic).http().unwrap_err().setting, "user");
        let none = Settings { max_samples: 0, ..good.clone() };
        assert_eq!(none.http().unwrap_err().setting, "max_samples");
        assert_eq!(Settings { max_body_size: 1, ..good }.http().unwrap_err().setting, "max_body_size");
    }
}
