//! An endpoint in the making: where it stands, who may read, and how much they may take.

use super::counts::Counts;
use super::error::ServeError;
use super::hosts::{self, Hosts};
use super::limits::Limits;
use super::server::{DEFAULT_ADDRESS, Server};
#[cfg(feature = "tls")]
use super::tls::Tls;
use super::tokens::Tokens;
use super::{App, routes, watch};
use crate::handle::PullCacheHandle;
use axum::Router;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Builds an endpoint: a [`Server`] of its own with [`serve`](Endpoint::serve), or a [`Router`] for yours with
/// [`router`](Endpoint::router).
///
/// - Without tokens and TLS only a loopback address is served, unless [`allow_anonymous`](Endpoint::allow_anonymous) and
///   [`allow_plaintext`](Endpoint::allow_plaintext) say that this is what you want.
/// - With tokens, every request needs one, from this machine too. Only `/healthz` and `/readyz` are open to all.
/// - On a loopback address without tokens, only requests for `localhost`, a loopback address or an
///   [allowed host](Endpoint::allowed_hosts) are answered, so that no page in a browser can read along.
///
/// ```
/// use ferrometer_pull_cache::{Endpoint, Limits, PullCacheBackend, Settings};
///
/// let backend = PullCacheBackend::new(Settings::default());
/// let server = Endpoint::new(backend.handle())
///     .address("127.0.0.1:0".parse().unwrap())
///     .tokens(["prometheus=sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"])
///     .limits(Limits { max_connections: 32, ..Limits::default() })
///     .serve()?;
/// assert!(server.local_addr().ip().is_loopback());
/// # Ok::<(), ferrometer_pull_cache::ServeError>(())
/// ```
#[derive(Clone)]
#[must_use = "nothing is served until `serve` or `router` is called"]
pub struct Endpoint {
    handle: PullCacheHandle,
    address: SocketAddr,
    limits: Limits,
    tokens: Vec<String>,
    tokens_file: Option<PathBuf>,
    allowed_hosts: Vec<String>,
    allow_plaintext: bool,
    allow_anonymous: bool,
    reload: Duration,
    #[cfg(feature = "page")]
    page: bool,
    #[cfg(feature = "tls")]
    tls: Option<(PathBuf, PathBuf)>,
    #[cfg(feature = "proxmox")]
    proxmox: Option<super::Proxmox>,
}

impl Endpoint {
    /// At [`DEFAULT_ADDRESS`], for everyone on this machine.
    pub fn new(handle: PullCacheHandle) -> Endpoint {
        Endpoint {
            handle,
            address: DEFAULT_ADDRESS,
            limits: Limits::default(),
            tokens: Vec::new(),
            tokens_file: None,
            allowed_hosts: Vec::new(),
            allow_plaintext: false,
            allow_anonymous: false,
            reload: watch::EVERY,
            #[cfg(feature = "page")]
            page: true,
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "proxmox")]
            proxmox: None,
        }
    }

    /// Where to listen; port 0 takes a free one. A router does not listen.
    pub fn address(mut self, address: SocketAddr) -> Endpoint {
        self.address = address;
        self
    }

    /// What clients may take.
    pub fn limits(mut self, limits: Limits) -> Endpoint {
        self.limits = limits;
        self
    }

    /// Who may read: each `name=sha256:<64 hex digits>`, the SHA-256 of a long random token. At most 1024.
    ///
    /// Behind it may stand privileges, `;Sys.Audit@<path>` and `;Datastore.Audit@<path>`, each of which holds on its path and below.
    /// Such a token may do what they say and no more: the routes of Proxmox show it what Proxmox would, and the others are open to
    /// it with `Sys.Audit@/`. A token without them reads the other routes, and has no privilege on those of Proxmox.
    pub fn tokens<T: Into<String>>(mut self, tokens: impl IntoIterator<Item = T>) -> Endpoint {
        self.tokens = tokens.into_iter().map(Into::into).collect();
        self
    }

    /// A file of further tokens, read again when it changes: one `name=sha256:<64 hex digits>` or `name=plain:<token>` a line,
    /// at most 1024; a token of at least 16 characters. Lines that begin with `#` are remarks.
    pub fn tokens_file(mut self, path: impl Into<PathBuf>) -> Endpoint {
        self.tokens_file = Some(path.into());
        self
    }

    /// TLS with a certificate chain and its key, both PEM files; read again when they change. For a server only.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Endpoint {
        self.tls = Some((cert.into(), key.into()));
        self
    }

    /// Serves the routes of Proxmox VE and Proxmox Backup Server too, `/api2/json/cluster/metrics/export` and
    /// `/api2/json/status/metrics`.
    #[cfg(feature = "proxmox")]
    pub fn proxmox(mut self, proxmox: super::Proxmox) -> Endpoint {
        self.proxmox = Some(proxmox);
        self
    }

    /// Names and addresses, without port, by which the endpoint may be asked beside `localhost` and those of the loopback. When there
    /// are some, requests are checked for them wherever the endpoint stands.
    pub fn allowed_hosts<T: Into<String>>(mut self, hosts: impl IntoIterator<Item = T>) -> Endpoint {
        self.allowed_hosts = hosts.into_iter().map(Into::into).collect();
        self
    }

    /// Whether an address that other machines can reach may be served without TLS. Default `false`.
    pub fn allow_plaintext(mut self, allow: bool) -> Endpoint {
        self.allow_plaintext = allow;
        self
    }

    /// Whether an address that other machines can reach may be served without tokens. Default `false`.
    pub fn allow_anonymous(mut self, allow: bool) -> Endpoint {
        self.allow_anonymous = allow;
        self
    }

    /// How often files are looked at for changes, at most; default 2 s. They are looked at when somebody asks.
    pub fn reload_interval(mut self, interval: Duration) -> Endpoint {
        self.reload = interval;
        self
    }

    /// Whether a browser that asks for `/` gets the page; default `true`. The page's own files need no token: they hold no data, and
    /// what the page shows it asks for as any other reader does.
    #[cfg(feature = "page")]
    pub fn page(mut self, page: bool) -> Endpoint {
        self.page = page;
        self
    }

    /// Whether the endpoint could be served, but for the address being free: reads all files.
    ///
    /// # Errors
    /// As [`serve`](Endpoint::serve).
    pub fn check(&self) -> Result<(), ServeError> {
        self.exposure()?;
        self.app(None)?;
        #[cfg(feature = "tls")]
        self.acceptor()?;
        Ok(())
    }

    /// Serves on a thread of its own, until the [`Server`] is dropped.
    ///
    /// # Errors
    /// [`ServeError`]: the address cannot be bound or is open to others without TLS or tokens, a limit is out of its range, or a
    /// file is wrong.
    pub fn serve(self) -> Result<Server, ServeError> {
        self.exposure()?;
        let app = self.app(Some(self.address.ip()))?;
        let counts = Arc::clone(&app.counts);
        #[cfg(feature = "tls")]
        let tls = self.acceptor()?;
        Server::start(super::server::Start {
            address: self.address,
            router: routes(app),
            limits: self.limits,
            counts,
            #[cfg(feature = "tls")]
            tls,
        })
    }

    /// The routes, to be mounted in a server of your own. Tokens, allowed hosts and the limits of a request hold as with
    /// [`serve`](Endpoint::serve); address, TLS, connections and their time limits are that server's. Without tokens, whoever
    /// reaches that server may read.
    ///
    /// # Errors
    /// [`ServeError`]: a limit is out of its range, or a file is wrong.
    ///
    /// ```
    /// # use ferrometer_pull_cache::{Endpoint, PullCacheBackend, Settings};
    /// # let backend = PullCacheBackend::new(Settings::default());
    /// let metrics = Endpoint::new(backend.handle()).allowed_hosts(["metrics.example.com"]).router()?;
    /// let app: axum::Router = axum::Router::new().nest("/internal", metrics);
    /// # Ok::<(), ferrometer_pull_cache::ServeError>(())
    /// ```
    pub fn router(self) -> Result<Router, ServeError> {
        Ok(routes(self.app(None)?))
    }

    /// What other machines can reach must be wanted so.
    fn exposure(&self) -> Result<(), ServeError> {
        let address = self.address;
        if address.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        #[cfg(feature = "tls")]
        let encrypted = self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        let encrypted = false;
        if !encrypted && !self.allow_plaintext {
            return Err(ServeError::Plaintext { address });
        }
        if !self.has_tokens() && !self.allow_anonymous {
            return Err(ServeError::Anonymous { address });
        }
        Ok(())
    }

    fn has_tokens(&self) -> bool {
        !self.tokens.is_empty() || self.tokens_file.is_some()
    }

    /// `bound`: the address, when we listen ourselves.
    fn app(&self, bound: Option<IpAddr>) -> Result<Arc<App>, ServeError> {
        self.limits.check()?;
        if let Some(found) = self.allowed_hosts.iter().find(|host| !hosts::is_host(host)) {
            return Err(ServeError::Host { found: found.chars().take(64).collect() });
        }
        let tokens = Tokens::new(&self.tokens, self.tokens_file.clone(), self.reload)?;
        let rebinding = bound.is_some_and(|ip| ip.to_canonical().is_loopback()) && tokens.is_none();
        let hosts = (rebinding || !self.allowed_hosts.is_empty()).then(|| Hosts::new(&self.allowed_hosts, bound));
        Ok(Arc::new(App {
            handle: self.handle.clone(),
            tags: super::records::Tags::default(),
            tokens,
            hosts,
            limits: self.limits,
            #[cfg(feature = "page")]
            page: self.page,
            #[cfg(feature = "proxmox")]
            proxmox: self.service()?,
            places: Arc::new(Semaphore::new(self.limits.max_requests)),
            counts: Arc::new(Counts::default()),
        }))
    }

    #[cfg(feature = "proxmox")]
    fn service(&self) -> Result<Option<super::proxmox::Service>, ServeError> {
        let cluster = self.proxmox.as_ref().map(|proxmox| super::proxmox::Cluster::new(proxmox, self.reload));
        let most = self.limits.max_requests;
        Ok(cluster.transpose()?.map(|cluster| super::proxmox::Service::new(cluster, most)))
    }

    #[cfg(feature = "tls")]
    fn acceptor(&self) -> Result<Option<Tls>, ServeError> {
        let tls = self.tls.clone().map(|(cert, key)| Tls::new(cert, key, self.reload));
        tls.transpose().map_err(ServeError::Tls)
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint")
            .field("address", &self.address)
            .field("limits", &self.limits)
            .field("tokens", &self.tokens.len())
            .field("tokens_file", &self.tokens_file)
            .field("allowed_hosts", &self.allowed_hosts)
            .finish_non_exhaustive()
    }
}
