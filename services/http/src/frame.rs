//! A frame in the making: where it stands, who may ask, how much they may take, and which services are mounted.

use crate::error::ServeError;
use crate::gate::Gate;
use crate::host_check::{self, Hosts};
use crate::limits::Limits;
use crate::reloaded_file;
use crate::router::assemble;
use crate::server::Server;
use crate::service::Service;
use crate::start::Start;
use crate::stats::Stats;
#[cfg(feature = "tls")]
use crate::tls::Tls;
use crate::tokens::Tokens;
use axum::Router;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// The address of a frame unless told otherwise: `127.0.0.1:9620`, which this machine alone can reach.
pub const DEFAULT_ADDRESS: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9620));

/// Builds a server: mounts services, and then serves them with a [`Server`] of its own ([`serve`](Frame::serve)), or as a [`Router`] for
/// yours ([`router`](Frame::router)). See the [crate](crate) for an example.
///
/// - Without tokens and TLS only a loopback address is served, unless [`allow_anonymous`](Frame::allow_anonymous) and
///   [`allow_plaintext`](Frame::allow_plaintext) say that this is what you want.
/// - With tokens, every request needs one, from this machine too. Only `/healthz`, `/readyz` and what a service declares public are
///   open to all.
/// - On a loopback address without tokens, only requests for `localhost`, a loopback address or an
///   [allowed host](Frame::allowed_hosts) are answered, so that no page in a browser can read along.
#[derive(Clone)]
#[must_use = "nothing is served until `serve` or `router` is called"]
pub struct Frame {
    title: String,
    index: bool,
    services: Vec<(String, Arc<dyn Service>)>,
    address: SocketAddr,
    limits: Limits,
    tokens: Vec<String>,
    tokens_file: Option<PathBuf>,
    allowed_hosts: Vec<String>,
    allow_plaintext: bool,
    allow_anonymous: bool,
    reload: Duration,
    #[cfg(feature = "tls")]
    tls: Option<(PathBuf, PathBuf)>,
}

impl Default for Frame {
    fn default() -> Frame {
        Frame::new()
    }
}

impl Frame {
    /// Begins a frame at [`DEFAULT_ADDRESS`], for everyone on this machine, with nothing mounted.
    pub fn new() -> Frame {
        Frame {
            title: "ferrometer".to_owned(),
            index: true,
            services: Vec::new(),
            address: DEFAULT_ADDRESS,
            limits: Limits::default(),
            tokens: Vec::new(),
            tokens_file: None,
            allowed_hosts: Vec::new(),
            allow_plaintext: false,
            allow_anonymous: false,
            reload: reloaded_file::EVERY,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Mounts a service below a path: `/` or `/api2`, with or without a slash at its end.
    pub fn mount(mut self, path: &str, service: Arc<dyn Service>) -> Frame {
        self.services.push((path.trim_end_matches('/').to_owned(), service));
        self
    }

    /// Sets the first line of the index.
    pub fn title(mut self, title: impl Into<String>) -> Frame {
        self.title = title.into();
        self
    }

    /// Leaves the path `/` to a mounted service: there is no index. Without one that has it, nothing is there.
    pub fn without_index(mut self) -> Frame {
        self.index = false;
        self
    }

    /// Sets where to listen; port 0 takes a free one. A router does not listen.
    pub fn address(mut self, address: SocketAddr) -> Frame {
        self.address = address;
        self
    }

    /// Sets what clients may take.
    pub fn limits(mut self, limits: Limits) -> Frame {
        self.limits = limits;
        self
    }

    /// Sets who may ask: each `name=sha256:<64 hex digits>`, the SHA-256 of a long random token. At most 1024.
    ///
    /// Behind it may stand [privileges](crate::Privilege) that the mounted services declare, `;<privilege>@<path>`, each of which holds on
    /// its path and below. Such a token may do what they say and no more. A token without them reads what is open to readers.
    pub fn tokens<T: Into<String>>(mut self, tokens: impl IntoIterator<Item = T>) -> Frame {
        self.tokens = tokens.into_iter().map(Into::into).collect();
        self
    }

    /// Sets a file of further tokens, read again when it changes: one `name=sha256:<64 hex digits>` or `name=plain:<token>` a line, at most
    /// 1024; a token of at least 16 characters. Lines that begin with `#` are remarks. A file that is removed later, or emptied, lets nobody in
    /// any more with the tokens it had.
    pub fn tokens_file(mut self, path: impl Into<PathBuf>) -> Frame {
        self.tokens_file = Some(path.into());
        self
    }

    /// Serves over TLS with a certificate chain and its key, both PEM files; read again when they change. For a server only.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Frame {
        self.tls = Some((cert.into(), key.into()));
        self
    }

    /// Sets names and addresses, without port, by which the frame may be asked beside `localhost` and those of the loopback. When
    /// there are some, requests are checked for them wherever the frame stands.
    pub fn allowed_hosts<T: Into<String>>(mut self, hosts: impl IntoIterator<Item = T>) -> Frame {
        self.allowed_hosts = hosts.into_iter().map(Into::into).collect();
        self
    }

    /// Allows an address that other machines can reach without TLS. Default `false`.
    pub fn allow_plaintext(mut self, allow: bool) -> Frame {
        self.allow_plaintext = allow;
        self
    }

    /// Allows an address that other machines can reach without tokens. Default `false`.
    pub fn allow_anonymous(mut self, allow: bool) -> Frame {
        self.allow_anonymous = allow;
        self
    }

    /// Sets how often files are looked at for changes, at most; default 2 s. They are looked at when somebody asks, on a thread of its own; a
    /// request waits for that for a second at most, and is then answered by what was read before.
    pub fn reload_interval(mut self, interval: Duration) -> Frame {
        self.reload = interval;
        self
    }

    /// Checks whether the frame could be served, but for the address being free: reads all files.
    ///
    /// # Errors
    /// As [`serve`](Frame::serve).
    pub fn check(&self) -> Result<(), ServeError> {
        self.exposure()?;
        drop(assemble(self.gate(None)?, self.index_title())?);
        #[cfg(feature = "tls")]
        self.acceptor()?;
        Ok(())
    }

    /// Serves on a thread of its own, until the [`Server`] is dropped.
    ///
    /// # Errors
    /// [`ServeError`]: the address cannot be bound or is open to others without TLS or tokens, a limit is out of its range, a file is
    /// wrong, or two services have the same path.
    pub fn serve(self) -> Result<Server, ServeError> {
        self.start(None)
    }

    /// Serves as [`serve`](Frame::serve) does, on a socket that listens already: one that a service manager has opened. Its address takes the
    /// place of the frame's. The socket is not shut when the server ends, because its opener may hand it to the next one: connections
    /// that come meanwhile wait in it.
    ///
    /// ```
    /// use ferrometer_http::Frame;
    ///
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let kept = listener.try_clone()?;
    /// drop(Frame::new().serve_on(listener)?);
    /// let server = Frame::new().serve_on(kept)?;
    /// # drop(server);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`serve`](Frame::serve).
    pub fn serve_on(mut self, listener: TcpListener) -> Result<Server, ServeError> {
        self.address = listener.local_addr().map_err(|cause| ServeError::Bind { address: self.address, cause })?;
        self.start(Some(listener))
    }

    fn start(self, listener: Option<TcpListener>) -> Result<Server, ServeError> {
        self.exposure()?;
        let gate = self.gate(Some(self.address.ip()))?;
        #[cfg(feature = "tls")]
        let tls = self.acceptor()?;
        Server::start(Start {
            address: self.address,
            listener,
            limits: self.limits,
            stats: Arc::clone(&gate.stats),
            router: assemble(gate, self.index_title())?,
            #[cfg(feature = "tls")]
            tls,
        })
    }

    /// Returns the routes, to be mounted in a server of your own with `nest`. Tokens, allowed hosts and the limits of a request hold as with
    /// [`serve`](Frame::serve); address, TLS, connections and their time limits are that server's. Without tokens, anyone who reaches
    /// that server may ask.
    ///
    /// # Errors
    /// [`ServeError`]: a limit is out of its range, a file is wrong, or two services have the same path.
    ///
    /// ```
    /// use ferrometer_http::Frame;
    ///
    /// let routes = Frame::new().allowed_hosts(["metrics.example.com"]).router()?;
    /// let app: axum::Router = axum::Router::new().nest("/internal", routes);
    /// # Ok::<(), ferrometer_http::ServeError>(())
    /// ```
    pub fn router(self) -> Result<Router, ServeError> {
        assemble(self.gate(None)?, self.index_title())
    }

    fn index_title(&self) -> Option<&str> {
        self.index.then_some(self.title.as_str())
    }

    /// Checks that an address which other machines can reach is wanted so.
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
        if self.tokens.is_empty() && self.tokens_file.is_none() && !self.allow_anonymous {
            return Err(ServeError::Anonymous { address });
        }
        Ok(())
    }

    /// `bound`: the address, when we listen ourselves.
    fn gate(&self, bound: Option<IpAddr>) -> Result<Arc<Gate>, ServeError> {
        self.limits.check()?;
        if let Some(found) = self.allowed_hosts.iter().find(|host| !host_check::is_host(host)) {
            let found: String = found.chars().take(64).collect();
            let why = format!(": {found:?} is no host; expected a name or an IP address, without scheme and port");
            return Err(ServeError::Setting { setting: "allowed_hosts", why });
        }
        let mut known = Vec::new();
        for privilege in self.services.iter().flat_map(|(_, service)| service.privileges()) {
            if !known.contains(privilege) {
                known.push(*privilege);
            }
        }
        let tokens = Tokens::new(&self.tokens, self.tokens_file.clone(), self.reload, &known)?;
        let rebinding = bound.is_some_and(|ip| ip.to_canonical().is_loopback()) && tokens.is_none();
        let hosts = (rebinding || !self.allowed_hosts.is_empty()).then(|| Hosts::new(&self.allowed_hosts, bound));
        Ok(Arc::new(Gate {
            tokens,
            hosts,
            limits: self.limits,
            bodies: Arc::default(),
            permits: Arc::new(Semaphore::new(self.limits.max_requests)),
            stats: Arc::new(Stats::default()),
            services: self.services.clone(),
        }))
    }

    #[cfg(feature = "tls")]
    fn acceptor(&self) -> Result<Option<Tls>, ServeError> {
        let tls = self.tls.clone().map(|(cert, key)| Tls::new(cert, key, self.reload));
        let wrong = |why| ServeError::Setting { setting: "tls_cert", why: format!(", tls_key: {why}") };
        tls.transpose().map_err(wrong)
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let services: Vec<_> = self.services.iter().map(|(path, service)| (path, service.name())).collect();
        f.debug_struct("Frame")
            .field("address", &self.address)
            .field("limits", &self.limits)
            .field("tokens", &self.tokens.len())
            .field("tokens_file", &self.tokens_file)
            .field("allowed_hosts", &self.allowed_hosts)
            .field("services", &services)
            .finish_non_exhaustive()
    }
}
