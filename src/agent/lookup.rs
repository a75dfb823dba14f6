//! How an agent asks: the builder, and the thread that asks for as long as the program runs.

use super::guard::{Agent, Shared};
use crate::config::Config;
use crate::error::Error;
use crate::init::{put_in_force, until};
use ferrometer_agent::{Answer, Client, Failure, NodeId, Settings};
use ferrometer_push::{Patience, Secret};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Sets metrics up as the conductor says, and returns at once: [`Lookup::new`] and [`Lookup::init`]. What the environment says (`FERROMETER_…`)
/// holds where the conductor says nothing.
///
/// # Errors
/// When the address is none, `node` is neither a UUID nor MAC addresses, or the environment is wrong. A conductor that does not answer is no error.
pub fn init(lookup_url: impl Into<String>, node: &str) -> Result<Agent, Error> {
    Lookup::new(lookup_url, node).init()
}

/// How an agent asks its conductor.
///
/// ```no_run
/// use ferrometer::agent::Lookup;
/// use std::time::Duration;
///
/// let metrics = Lookup::new("https://conductor:6385/v1/lookup", "52:54:00:ab:cd:01,52:54:00:ab:cd:02")
///     .token("s3cr3t")
///     .ca("/etc/agent/ca.pem")
///     .interval(Duration::from_secs(300))
///     .init()?;
/// metrics.wait_configured(Duration::from_secs(10));
/// println!("{:?}", metrics.status());
/// # Ok::<(), ferrometer::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Lookup {
    settings: Result<Settings, String>,
    base: Option<Config>,
    interval: Option<Duration>,
    timeout: Duration,
}

impl Lookup {
    /// Asks at an address for a node: its UUID, or MAC addresses of its ports, joined with commas. An address that ends in `/vendor_passthru/lookup` is
    /// posted to, as agents did before there was `/v1/lookup`.
    pub fn new(lookup_url: impl Into<String>, node: &str) -> Lookup {
        let settings = Settings::new(lookup_url, node).map_err(|wrong| wrong.to_string());
        Lookup { settings, base: None, interval: None, timeout: Duration::from_secs(5) }
    }

    fn with(mut self, change: impl FnOnce(Settings) -> Settings) -> Lookup {
        self.settings = self.settings.map(change);
        self
    }

    /// Sends `Authorization: Bearer <token>`.
    pub fn token(self, token: impl Into<Secret>) -> Lookup {
        self.with(|settings| settings.token(token))
    }

    /// Sends a further header, `X-Auth-Token` say. Its value counts as a secret.
    pub fn header(self, name: impl Into<String>, value: impl Into<Secret>) -> Lookup {
        self.with(|settings| settings.header(name, value))
    }

    /// Trusts the authorities in a PEM file, in place of the system's.
    pub fn ca(self, path: impl Into<PathBuf>) -> Lookup {
        self.with(|settings| settings.ca(path))
    }

    /// Sets whether the conductor's certificate is verified; default `true`.
    pub fn verify_certificate(self, verify: bool) -> Lookup {
        self.with(|settings| settings.verify_certificate(verify))
    }

    /// Sets how long one lookup may take; default 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Lookup {
        self.timeout = timeout;
        self.with(|settings| settings.timeout(timeout))
    }

    /// Sets the configuration that holds where the conductor says nothing, in place of the environment's. One with a backend is in force until the
    /// answer comes; without one, what is recorded until then goes to the backend of the answer.
    pub fn base(mut self, base: Config) -> Lookup {
        self.base = Some(base);
        self
    }

    /// Sets how often the conductor is asked whether something has changed, in place of the key `metrics.lookup_interval` (60 s unless set, by the
    /// conductor or in the base); from 10 ms to a year.
    pub fn interval(mut self, interval: Duration) -> Lookup {
        self.interval = Some(interval);
        self
    }

    /// Switches recording on, begins to ask, and returns at once.
    ///
    /// # Errors
    /// When the address is none, the node is neither a UUID nor MAC addresses, the file of authorities cannot be used, or the base is wrong. A
    /// conductor that does not answer is no error.
    pub fn init(self) -> Result<Agent, Error> {
        let settings = self.settings.map_err(Error::Lookup)?;
        let client = Client::new(&settings).map_err(|invalid| Error::Setting {
            key: format!("the lookup's {}", invalid.setting),
            found: invalid.found,
            allowed: invalid.allowed.to_string(),
        })?;
        let mut base = match self.base {
            Some(base) => base,
            None => Config::from_env()?,
        };
        base.validate()?;
        let uuid = match settings.node() {
            NodeId::Uuid(uuid) => Some(uuid.clone()),
            NodeId::Addresses(_) => None,
        };
        base.uuid = base.uuid.or_else(|| uuid.clone());
        let metrics = put_in_force(&base)?;
        let records_already = base.backends().iter().any(|name| name != "noop");
        match records_already {
            true => crate::report::in_force(&base),
            false => ferrometer_core::hold(),
        }
        let shared = Arc::new(Shared::new(metrics, &base, uuid));
        let asking = Asking {
            shared: Arc::clone(&shared),
            client,
            base,
            applied: None,
            interval: self.interval,
            timeout: self.timeout,
            holds: !records_already,
        };
        ferrometer_core::spawn("agent", move || asking.run()).map_err(|error| {
            shared.end(Duration::ZERO);
            Error::Install(ferrometer_core::InstallError::Thread(error))
        })?;
        Ok(Agent::new(shared))
    }
}

/// The thread that asks.
struct Asking {
    shared: Arc<Shared>,
    client: Client,
    base: Config,
    /// The configuration that the last good answer came to.
    applied: Option<Config>,
    interval: Option<Duration>,
    timeout: Duration,
    /// Recording goes on without a backend until the first answer.
    holds: bool,
}

/// Tells that what is in force belongs to somebody else now.
struct TakenOver;

impl Asking {
    fn run(mut self) {
        let mut patience = Patience::default();
        while !self.shared.is_ended() {
            let asked = self.client.lookup(until(self.timeout));
            let now = Instant::now();
            let wait = match asked {
                Ok(answer) => {
                    patience.answered();
                    match self.take(&answer) {
                        Ok(()) => spread(self.interval()),
                        Err(TakenOver) => break,
                    }
                }
                Err(Failure { reason, retry_after, .. }) => {
                    patience.failed(now, retry_after, &reason);
                    self.shared.failed(&reason);
                    ferrometer_core::warn(
                        "agent: lookup",
                        &format!("the lookup brought no configuration, and is tried again: {reason}"),
                    );
                    patience.waits(now).map_or(Duration::ZERO, |(_, until)| until.saturating_duration_since(now))
                }
            };
            self.shared.wait(wait);
        }
        self.shared.end_in_thread();
    }

    fn interval(&self) -> Duration {
        let config = self.applied.as_ref().unwrap_or(&self.base);
        self.interval.unwrap_or(config.lookup_interval)
    }

    /// Puts in force what an answer says, if that is right and something else than before.
    fn take(&mut self, answer: &Answer) -> Result<(), TakenOver> {
        let uuid = answer.uuid.clone().or_else(|| self.shared.uuid());
        let source = format!("the lookup at {}", self.client.url());
        let told = match self.base.told(&source, uuid.clone(), &answer.metrics, &answer.statsd) {
            Ok(told) => told,
            Err(error) => {
                self.refused(&error.to_string());
                return Ok(());
            }
        };
        for ignored in &told.ignored {
            ferrometer_core::warn(&format!("agent: {ignored}"), &format!("{source} says what is ignored: {ignored}"));
        }
        if self.applied.as_ref() == Some(&told.config) {
            self.shared.unchanged(uuid, told.ignored);
            return Ok(());
        }
        match self.shared.replace(&told.config) {
            Ok(true) => {}
            Ok(false) => return Err(TakenOver),
            Err(error) => {
                if self.holds && matches!(error, Error::Install(_)) {
                    // A backend may have begun with what was held: it is not given to another.
                    ferrometer_core::hold();
                }
                self.refused(&error.to_string());
                return Ok(());
            }
        }
        // That has released what was held.
        self.holds = false;
        self.shared.changed(uuid, told.config.backends(), told.ignored);
        self.applied = Some(told.config);
        Ok(())
    }

    fn refused(&self, why: &str) {
        self.shared.failed(why);
        ferrometer_core::warn(
            "agent: answer",
            &format!("the conductor's answer is not applied, what was in force stays so: {why}"),
        );
    }
}

/// The shortest time between two lookups, and the longest.
const BETWEEN: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(365 * 24 * 3600));

/// A time that many agents do not share: up to a tenth shorter or longer.
fn spread(interval: Duration) -> Duration {
    let interval = interval.clamp(BETWEEN.0, BETWEEN.1);
    let bits = RandomState::new().build_hasher().finish();
    interval.mul_f64(0.9 + 0.2 * (bits >> 11) as f64 / (1u64 << 53) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_many_agents_differ_and_stay_near() {
        let mut times: Vec<Duration> = (0..100).map(|_| spread(Duration::from_secs(60))).collect();
        assert!(times.iter().all(|time| (54.0..=66.0).contains(&time.as_secs_f64())), "{times:?}");
        times.dedup();
        assert!(times.len() > 50);
        // Neither without a pause nor without an end.
        assert!(spread(Duration::ZERO) >= Duration::from_millis(9));
        assert!(spread(Duration::MAX) <= BETWEEN.1 * 2);
    }
}
