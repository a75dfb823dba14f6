//! The places of an archive by their addresses.

use super::Cluster;
use super::places::{SharedIncoming, SharedIndex};
use crate::postgres::Postgres;
use crate::storage::Storage;
use crate::{Archive, Error, Options};
use std::sync::Arc;

/// Where the parts of an archive are that many processes share.
///
/// ```no_run
/// use ferrometer_archive::{Options, Servers, connect};
///
/// let servers = Servers::new("postgresql://archive@127.0.0.1/archive")
///     .incoming("redis://127.0.0.1/0")
///     .storage("s3://bucket/prefix?endpoint=http://127.0.0.1:9000&region=us-east-1");
/// let archive = connect(&servers, Options::default())?;
/// # Ok::<(), ferrometer_archive::Error>(())
/// ```
#[derive(Clone)]
pub struct Servers {
    index: String,
    incoming: Option<String>,
    storage: Option<String>,
    cluster: Cluster,
}

/// Shows no address: they may have passwords.
impl std::fmt::Debug for Servers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Servers").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

impl Servers {
    /// Has everything in the PostgreSQL of this address.
    pub fn new(index: impl Into<String>) -> Servers {
        Servers { index: index.into(), incoming: None, storage: None, cluster: Cluster::default() }
    }

    /// Has measures that wait at another address: `redis://…` or `postgresql://…`.
    #[must_use]
    pub fn incoming(self, address: impl Into<String>) -> Servers {
        Servers { incoming: Some(address.into()), ..self }
    }

    /// Has aggregates at another address: `s3://…`, `redis://…` or `postgresql://…`.
    #[must_use]
    pub fn storage(self, address: impl Into<String>) -> Servers {
        Servers { storage: Some(address.into()), ..self }
    }

    /// Works with these settings.
    #[must_use]
    pub fn cluster(self, cluster: Cluster) -> Servers {
        Servers { cluster, ..self }
    }
}

/// Opens an archive on servers, which any number of processes may do. [`Options::workers`] of 0 leaves the aggregating to others. It must not be
/// called from within an asynchronous runtime.
///
/// # Errors
/// [`Error::Invalid`] for an address that is none, or whose kind is not compiled in; [`Error::Away`] when a server cannot be reached;
/// [`Error::Index`] when its tables were made by a later version.
pub fn connect(servers: &Servers, options: Options) -> Result<Archive, Error> {
    let (index, incoming, storage) = open(servers)?;
    Archive::join(index, incoming, storage, servers.cluster.clone(), options)
}

/// Places of an archive that are open.
pub(crate) type Opened = (Arc<dyn SharedIndex>, Arc<dyn SharedIncoming>, Arc<dyn Storage>);

/// Opens the places of an archive.
///
/// # Errors
/// Those of [`connect`].
pub(crate) fn open(servers: &Servers) -> Result<Opened, Error> {
    let index = Arc::new(postgres("index", &servers.index)?);
    let incoming: Arc<dyn SharedIncoming> = match &servers.incoming {
        None => Arc::clone(&index) as _,
        Some(address) => incoming(address)?,
    };
    let storage: Arc<dyn Storage> = match &servers.storage {
        None => Arc::clone(&index) as _,
        Some(address) => storage(address)?,
    };
    Ok((index, incoming, storage))
}

/// Returns the word before `://`.
fn scheme(address: &str) -> &str {
    address.split_once("://").map_or("", |(scheme, _)| scheme)
}

fn postgres(place: &str, address: &str) -> Result<Postgres, Error> {
    match scheme(address) {
        // libpq also takes `host=… user=…`.
        "postgresql" | "postgres" | "" => Postgres::connect(address),
        other => Err(unknown(place, other, "postgresql://")),
    }
}

fn unknown(place: &str, found: &str, allowed: &str) -> Error {
    Error::Invalid(format!(
        "the {place} cannot be at an address that begins with {found}://; it can begin with {allowed}"
    ))
}

#[cfg(not(all(feature = "redis", feature = "s3")))]
fn missing(place: &str, feature: &str) -> Error {
    Error::Invalid(format!(
        "the {place} at {feature}:// needs the feature `{feature}` of ferrometer-archive, which is not compiled in"
    ))
}

fn incoming(address: &str) -> Result<Arc<dyn SharedIncoming>, Error> {
    match scheme(address) {
        #[cfg(feature = "redis")]
        "redis" => Ok(Arc::new(crate::redis::Redis::connect(address)?)),
        #[cfg(not(feature = "redis"))]
        "redis" => Err(missing("incoming", "redis")),
        "postgresql" | "postgres" => Ok(Arc::new(Postgres::connect(address)?)),
        other => Err(unknown("incoming", other, "redis:// or postgresql://")),
    }
}

fn storage(address: &str) -> Result<Arc<dyn Storage>, Error> {
    match scheme(address) {
        #[cfg(feature = "redis")]
        "redis" => Ok(Arc::new(crate::redis::Redis::connect(address)?)),
        #[cfg(not(feature = "redis"))]
        "redis" => Err(missing("storage", "redis")),
        #[cfg(feature = "s3")]
        "s3" => Ok(Arc::new(crate::s3::S3::connect(address)?)),
        #[cfg(not(feature = "s3"))]
        "s3" => Err(missing("storage", "s3")),
        "postgresql" | "postgres" => Ok(Arc::new(Postgres::connect(address)?)),
        other => Err(unknown("storage", other, "s3://, redis:// or postgresql://")),
    }
}
