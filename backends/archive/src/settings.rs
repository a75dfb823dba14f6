//! Settings of an archive backend.

use base64::Engine as _;
use ferrometer_push::memory_bound::{self, DISTRIBUTION, NAME_AND_LABELS};
use ferrometer_push::{HttpSettings, Invalid, Secret};
use std::path::PathBuf;
use std::time::Duration;

/// Where measures go.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Target {
    /// A server that speaks Gnocchi's API: everything in front of `/v1`, `http://localhost:8041` for example.
    Remote(String),
    /// An archive in this process: its directory, which is made where it is missing.
    #[cfg(feature = "embedded")]
    Embedded(PathBuf),
}

/// How a request shows who sends it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Auth {
    /// `Authorization: Basic …`.
    Basic {
        /// The user's name, without a colon.
        user: String,
        /// The password, which may be empty.
        password: Secret,
    },
    /// `Authorization: Bearer …`.
    Bearer(Secret),
    /// Not at all; a header of [`Settings::headers`] may.
    None,
}

/// Says which number is the measure of a counter, and of a timer's count and sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Counters {
    /// Count since the last delivery that arrived: the method `sum` of a policy says how much there was in an hour. A delivery whose answer was
    /// lost counts twice.
    #[default]
    Delta,
    /// Count since the program started: the methods with `rate:` say how much there was in an hour. Nothing counts twice, and a start is a
    /// step down.
    Total,
}

/// Configuration of the [`ArchiveBackend`](crate::ArchiveBackend).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Where measures go.
    pub target: Target,
    /// The resource that has the metrics: a UUID, or a text of at most 255 characters without `/`. Default `program@host`, so that two processes do
    /// not write the same metrics.
    pub resource: String,
    /// The type of the resource, where it has to be made; it must exist on the server. Default `generic`.
    pub resource_type: String,
    /// The archive policy of metrics that are made. Default none: the rules of the archive choose by name.
    pub policy: Option<String>,
    /// The number that is a counter's measure. Default: what came since the last delivery.
    pub counters: Counters,
    /// How a request shows who sends it, and in an archive of this process who makes resource and metrics. Default the user `admin` without a
    /// password, as Gnocchi comes out of the box.
    pub auth: Auth,
    /// Further headers. Their values count as secrets.
    pub headers: Vec<(String, Secret)>,
    /// How long a request may take. Default 5 s.
    pub timeout: Duration,
    /// The largest body of a request before it is compressed, in bytes: at least 8192. Default 1,000,000.
    pub max_body_size: usize,
    /// True if bodies are compressed with gzip: Ferrometer's archive takes them, Gnocchi does not. Default: no.
    pub gzip: bool,
    /// True if the server's certificate must be valid and its own. Default: yes.
    pub verify_certificate: bool,
    /// Certificates, as PEM, of authorities that are trusted instead of the system's.
    pub ca: Option<PathBuf>,
    /// A directory in which bodies are kept that a server missed, for this process or a later one. The server gets them in order, with their own time
    /// stamps, when it is back. It is made where it is missing, and is for one backend of one process at a time; while another process has it, nothing is kept. It goes with
    /// [`Counters::Total`] alone: a delta that is kept and is in the next delivery too would count twice. Default none.
    pub spool: Option<PathBuf>,
    /// The most bytes that are kept there; beyond them the oldest go. Default 100,000,000.
    pub spool_max_bytes: u64,
    /// The most memory that an archive in this process keeps for raw points, in bytes: at least 1 MiB. Default 64 MiB.
    pub memory: usize,
}

impl Settings {
    fn new(target: Target) -> Settings {
        Settings {
            target,
            resource: default_resource(),
            resource_type: "generic".to_owned(),
            policy: None,
            counters: Counters::default(),
            auth: Auth::Basic { user: "admin".to_owned(), password: Secret::default() },
            headers: Vec::new(),
            timeout: Duration::from_secs(5),
            max_body_size: 1_000_000,
            gzip: false,
            verify_certificate: true,
            ca: None,
            spool: None,
            spool_max_bytes: 100_000_000,
            memory: 64 << 20,
        }
    }

    /// The defaults, for a server.
    #[must_use]
    pub fn remote(url: impl Into<String>) -> Settings {
        Settings::new(Target::Remote(url.into()))
    }

    /// The defaults, for an archive in this process.
    #[cfg(feature = "embedded")]
    #[must_use]
    pub fn embedded(directory: impl Into<PathBuf>) -> Settings {
        Settings::new(Target::Embedded(directory.into()))
    }

    /// Sets the resource that has the metrics.
    #[must_use]
    pub fn resource(mut self, resource: impl Into<String>) -> Settings {
        self.resource = resource.into();
        self
    }

    /// Sets the archive policy of metrics that are made.
    #[must_use]
    pub fn policy(mut self, policy: impl Into<String>) -> Settings {
        self.policy = Some(policy.into());
        self
    }

    /// Sets what a counter's measure is.
    #[must_use]
    pub fn counters(mut self, counters: Counters) -> Settings {
        self.counters = counters;
        self
    }

    /// Sets how a request shows who sends it.
    #[must_use]
    pub fn auth(mut self, auth: Auth) -> Settings {
        self.auth = auth;
        self
    }

    /// Returns the most memory that a backend of these settings takes, in bytes, in a program with `series` series.
    #[must_use]
    pub fn max_bytes(&self, series: usize) -> usize {
        let kept = series.saturating_mul(DISTRIBUTION + 64);
        let pushed = memory_bound::max_bytes(series, self.max_body_size, 2 * NAME_AND_LABELS).saturating_add(kept);
        match self.target {
            Target::Remote(_) => pushed,
            // Names with their ids, six for a timer; what the archive knows of its metrics; SQLite's pages.
            #[cfg(feature = "embedded")]
            Target::Embedded(_) => {
                let known = series.saturating_mul(6 * 2 * (512 + 200));
                pushed.saturating_add(known).saturating_add(self.memory).saturating_add(16 << 20)
            }
        }
    }

    pub(crate) fn check(&self) -> Result<(), Invalid> {
        for (name, text) in [("resource", &self.resource), ("resource_type", &self.resource_type)] {
            let long = text.chars().count() > 255;
            if text.is_empty() || long || text.contains(|c: char| c == '/' || c.is_control()) {
                return Err(Invalid::new(name, text, "a text of 1 to 255 characters, without `/`"));
            }
        }
        if self.policy.as_ref().is_some_and(String::is_empty) {
            return Err(Invalid::new("policy", "", "the name of an archive policy"));
        }
        if self.max_body_size < 8192 {
            return Err(Invalid::new("max_body_size", self.max_body_size.to_string(), "at least 8192 bytes"));
        }
        if self.memory < 1 << 20 {
            return Err(Invalid::new("memory", self.memory.to_string(), "at least 1048576 bytes"));
        }
        let spooled = self.spool.as_ref().map(|spool| spool.display().to_string());
        if let (Some(found), Counters::Delta) = (&spooled, self.counters) {
            return Err(Invalid::new("spool", found, "none while `counters` is `delta`: kept deltas count twice"));
        }
        #[cfg(feature = "embedded")]
        if let (Some(found), Target::Embedded(_)) = (&spooled, &self.target) {
            return Err(Invalid::new("spool", found, "none for an archive in this process, which has a log"));
        }
        match &self.auth {
            Auth::Basic { user, .. } if user.is_empty() || user.contains(':') => {
                Err(Invalid::new("user", user, "a name that is not empty, without a colon"))
            }
            _ => Ok(()),
        }
    }

    /// The name under which resource and metrics are made.
    #[cfg(feature = "embedded")]
    pub(crate) fn creator(&self) -> &str {
        match &self.auth {
            Auth::Basic { user, .. } => user,
            _ => "admin",
        }
    }

    pub(crate) fn http(&self, url: String) -> HttpSettings {
        let mut http = HttpSettings::new(url);
        http.headers.clone_from(&self.headers);
        let shown = match &self.auth {
            Auth::None => None,
            Auth::Bearer(token) => Some(format!("Bearer {}", token.reveal())),
            Auth::Basic { user, password } => {
                let text = format!("{user}:{}", password.reveal());
                Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text)))
            }
        };
        http.headers.extend(shown.map(|value| ("Authorization".to_owned(), Secret::new(value))));
        http.timeout = self.timeout;
        http.verify_certificate = self.verify_certificate;
        http.ca.clone_from(&self.ca);
        http
    }
}

/// Returns `program@host`, as far as they are known, with what a resource's id cannot have replaced.
fn default_resource() -> String {
    let program = std::env::current_exe().ok();
    let program = program.as_deref().and_then(|path| path.file_stem()).map(|name| name.to_string_lossy().into_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    let parts = [program, host].into_iter().flatten().map(|part| part.trim().to_owned());
    let name = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("@");
    let name: String = name.chars().map(|c| if c == '/' || c.is_control() { '_' } else { c }).take(255).collect();
    if name.is_empty() { "ferrometer".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_is_named_and_no_secret_is_shown() {
        let basic = Auth::Basic { user: "me".into(), password: "hush".into() };
        let good = Settings::remote("http://localhost:8041").auth(basic);
        assert!(good.check().is_ok());
        assert!(!format!("{good:?}").contains("hush"));
        let wrong = |change: fn(&mut Settings)| {
            let mut settings = good.clone();
            change(&mut settings);
            settings.check().unwrap_err().setting
        };
        assert_eq!(wrong(|s| s.resource = "a/b".into()), "resource");
        assert_eq!(wrong(|s| s.resource = String::new()), "resource");
        assert_eq!(wrong(|s| s.resource_type = "x".repeat(256)), "resource_type");
        assert_eq!(wrong(|s| s.policy = Some(String::new())), "policy");
        assert_eq!(wrong(|s| s.max_body_size = 100), "max_body_size");
        assert_eq!(wrong(|s| s.memory = 100), "memory");
        assert_eq!(wrong(|s| s.spool = Some("x".into())), "spool");
        assert_eq!(wrong(|s| s.auth = Auth::Basic { user: "a:b".into(), password: "".into() }), "user");
        let mut total = good.clone().counters(Counters::Total);
        total.spool = Some("x".into());
        assert!(total.check().is_ok());
    }

    #[test]
    fn the_resource_is_one_that_gnocchi_takes() {
        assert!(Settings::remote("http://h").check().is_ok(), "{}", default_resource());
    }
}
