//! An agent's side: one question to the conductor, over the blocking client that the pushing backends have.
//!
//! A reply is read up to 64 KiB, no redirect is followed, certificates are verified unless told otherwise, and no message shows a token.

use crate::answer::Answer;
use crate::node::{BadNode, NodeId};
use ferrometer_push::{Http, HttpSettings, Invalid, MOST_REPLY, Reply, Secret, Verdict};
use serde_json::json;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Where and how an agent asks.
///
/// ```
/// use ferrometer_agent::{Client, Settings};
///
/// let settings = Settings::new("http://conductor:6385/v1/lookup", "1be26c0b-03f2-4d2e-ae87-c02d7f33c123")?;
/// let client = Client::new(&settings.token("s3cr3t"))?;
/// assert_eq!(client.url(), "http://conductor:6385/v1/lookup?node_uuid=1be26c0b-03f2-4d2e-ae87-c02d7f33c123");
/// assert!(!format!("{client:?}").contains("s3cr3t"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Settings {
    http: HttpSettings,
    node: NodeId,
}

impl Settings {
    /// Asks for a node at an address. One that ends in `/vendor_passthru/lookup` is posted to, as agents did before there was `/v1/lookup`.
    ///
    /// # Errors
    /// When `node` is neither a UUID nor MAC addresses.
    pub fn new(url: impl Into<String>, node: &str) -> Result<Settings, BadNode> {
        Ok(Settings { http: HttpSettings::new(url), node: node.parse()? })
    }

    /// Sends `Authorization: Bearer <token>`.
    pub fn token(self, token: impl Into<Secret>) -> Settings {
        let bearer = format!("Bearer {}", token.into().reveal());
        self.header("Authorization", bearer)
    }

    /// Sends a further header, `X-Auth-Token` say. Its value counts as a secret.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Settings {
        self.http.headers.push((name.into(), value.into()));
        self
    }

    /// Sets how long one question may take, the answer included; default 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Settings {
        self.http.timeout = timeout;
        self
    }

    /// Trusts the authorities in a PEM file, in place of the system's.
    pub fn ca(mut self, path: impl Into<PathBuf>) -> Settings {
        self.http.ca = Some(path.into());
        self
    }

    /// Sets whether the conductor's certificate is verified; default `true`.
    pub fn verify_certificate(mut self, verify: bool) -> Settings {
        self.http.verify_certificate = verify;
        self
    }

    /// Returns the node that is asked for.
    #[must_use]
    pub fn node(&self) -> &NodeId {
        &self.node
    }
}

/// The client of one conductor.
pub struct Client {
    http: Http,
    node: NodeId,
    /// The body that is posted; `None` where the question is asked by the address alone.
    body: Option<Vec<u8>>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// Reason, for the log; without secrets.
    pub reason: String,
    /// How long the conductor asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl Failure {
    fn new(reason: String) -> Failure {
        Failure { reason, retry_after: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Failure {}

impl Client {
    /// Makes a client. Nothing is connected yet.
    ///
    /// # Errors
    /// When the address, a header or the file of authorities cannot be used.
    pub fn new(settings: &Settings) -> Result<Client, Invalid> {
        let mut http = settings.http.clone();
        let path = http.url.split('?').next().unwrap_or_default().trim_end_matches('/');
        let body = path.ends_with("/vendor_passthru/lookup").then(|| body(&settings.node));
        if body.is_none() {
            // UUIDs and MAC addresses have no character that a query cannot have.
            let join = if http.url.contains('?') { '&' } else { '?' };
            http.url = match &settings.node {
                NodeId::Uuid(uuid) => format!("{}{join}node_uuid={uuid}", http.url),
                NodeId::Addresses(all) => format!("{}{join}addresses={}", http.url, all.join(",")),
            };
        }
        Ok(Client { http: Http::new(&http)?, node: settings.node.clone(), body })
    }

    /// Returns the whole address that is asked.
    #[must_use]
    pub fn url(&self) -> &str {
        self.http.url()
    }

    /// Asks once, until then at most.
    ///
    /// # Errors
    /// When there is no answer, or one that is not about this node.
    pub fn lookup(&self, until: Instant) -> Result<Answer, Failure> {
        // Ironic has `/v1/lookup` since version 1.22 of its interface, and shows it only to who names one.
        let common = [("Accept", "application/json"), ("X-OpenStack-Ironic-API-Version", "1.22")];
        let reply = match &self.body {
            None => self.http.get_with(self.http.url(), &common, until),
            Some(body) => {
                let headers = [common[0], common[1], ("Content-Type", "application/json")];
                self.http.post(&headers, body, until)
            }
        };
        self.read(&reply.map_err(Failure::new)?)
    }

    fn read(&self, reply: &Reply) -> Result<Answer, Failure> {
        match self.http.verdict(reply) {
            Verdict::Accepted => {}
            Verdict::Later { reason, after } => return Err(Failure { reason, retry_after: after }),
            Verdict::Refused { reason, .. } | Verdict::TooLarge { reason } => return Err(Failure::new(reason)),
        }
        let says = |what: String| Failure::new(format!("{} answers {what}", self.http.url()));
        if !reply.is_whole {
            return Err(says("the beginning of something, whose end did not come in time".to_owned()));
        }
        if reply.body.len() as u64 >= MOST_REPLY {
            return Err(says(format!("{MOST_REPLY} bytes or more, which is too long for a lookup")));
        }
        let answer =
            Answer::read(&reply.body).map_err(|garbled| says(self.http.words(garbled.to_string().as_bytes())))?;
        match (&self.node, &answer.uuid) {
            (NodeId::Uuid(asked), Some(got)) if asked != got => Err(says(format!("for another node, {got}"))),
            _ => Ok(answer),
        }
    }
}

/// The body that agents posted before there was `/v1/lookup`.
fn body(node: &NodeId) -> Vec<u8> {
    let body = match node {
        NodeId::Uuid(uuid) => json!({"version": "2", "inventory": {"interfaces": []}, "node_uuid": uuid}),
        NodeId::Addresses(all) => {
            let interfaces: Vec<_> = all.iter().map(|address| json!({"mac_address": address})).collect();
            json!({"version": "2", "inventory": {"interfaces": interfaces}})
        }
    };
    body.to_string().into_bytes()
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("http", &self.http).finish_non_exhaustive()
    }
}
