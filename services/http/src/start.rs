//! Everything that a server is started with.

use crate::limits::Limits;
use crate::stats::Stats;
#[cfg(feature = "tls")]
use crate::tls::Tls;
use axum::Router;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

/// See the [module](self).
pub(crate) struct Start {
    pub(crate) address: SocketAddr,
    /// A socket that listens already, and belongs to somebody else too.
    pub(crate) listener: Option<TcpListener>,
    pub(crate) router: Router,
    pub(crate) limits: Limits,
    pub(crate) stats: Arc<Stats>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Tls>,
}
