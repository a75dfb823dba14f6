//! The places that many processes share: what their index and their incoming can do beyond those of one process.
//!
//! [`Storage`](crate::Storage) is the same trait in both cases.

use crate::index::Index;
use crate::storage::Usage;
use crate::{Error, Point};
use std::time::Duration;
use uuid::Uuid;

/// The right of a worker to a sack of metrics, until its lease ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Number of the sack.
    pub sack: u32,
    /// Number of the claim; never used twice, and larger than that of every claim before. It is less than 2³¹.
    pub fence: i64,
    /// The holder before has not given it back: what it was doing is to be looked after.
    pub taken_over: bool,
}

/// Aggregates of a metric, as the index knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// How often they were replaced; 0 when there are none.
    pub generation: i64,
    /// Description of where they are, as it was committed.
    pub head: Vec<u8>,
    /// Bytes of them, as they were committed.
    pub bytes: u64,
}

/// An index that many processes share. It also holds which worker has which sack, and which objects are the aggregates of a metric.
pub trait SharedIndex: Index {
    /// Returns how many sacks there are. It never changes.
    ///
    /// # Errors
    /// As every method: [`Error::Away`] when the index cannot be reached, [`Error::Index`] when it refuses.
    fn sacks(&self) -> Result<u32, Error>;

    /// Tells that a worker lives, prolongs its leases, and claims or gives back sacks so that all workers have as many. Returns those that
    /// it holds.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Index`].
    fn lease(&self, worker: &str, length: Duration) -> Result<Vec<Lease>, Error>;

    /// Returns a new fence, as a claim gets one, for a change by a process that has no lease.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Index`].
    fn fence(&self) -> Result<i64, Error>;

    /// Gives all sacks of a worker back.
    ///
    /// # Errors
    /// [`Error::Away`]; then the leases end by themselves.
    fn release(&self, worker: &str) -> Result<(), Error>;

    /// Returns where the aggregates of a metric are.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Index`].
    fn found(&self, metric: Uuid) -> Result<Found, Error>;

    /// Replaces where the aggregates of a metric are, when the generation is still this one, the sack has not been claimed with a newer
    /// fence and the metric still exists, in one step. Returns `false`, with nothing changed, when one of them is not so. `bytes` is told in [`usage`](SharedIndex::usage).
    ///
    /// # Errors
    /// [`Error::Away`]; then it may have been done.
    fn commit(&self, lease: Lease, metric: Uuid, generation: i64, head: &[u8], bytes: u64) -> Result<bool, Error>;

    /// Returns those of some metrics that are being removed: they have no row any more, and their objects go.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Index`].
    fn leaving(&self, metrics: &[Uuid]) -> Result<Vec<Uuid>, Error>;

    /// Returns metrics that were removed and whose objects may still be there.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Index`].
    fn removed(&self, most: usize) -> Result<Vec<Uuid>, Error>;

    /// Forgets removed metrics: nothing of them is there any more.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Index`].
    fn cleared(&self, metrics: &[Uuid]) -> Result<(), Error>;

    /// Returns what is kept of all metrics.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Index`].
    fn usage(&self) -> Result<Usage, Error>;
}

/// A batch of one metric that waits.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The number. Of two entries of which one was acknowledged before the other was sent, it has the smaller one. No number comes twice.
    pub id: i64,
    /// The measures.
    pub points: Vec<Point>,
}

/// Measures of one metric on their way into its sack.
pub type Part = (u32, Uuid, Vec<Point>);

/// A place for measures that have been acknowledged and not aggregated yet, which many processes share.
pub trait SharedIncoming: Send + Sync {
    /// Keeps measures, all or none.
    ///
    /// # Errors
    /// [`Error::Away`] when the place cannot be reached; then they may have been kept. [`Error::Busy`] when it is full.
    fn append(&self, parts: &[Part]) -> Result<(), Error>;

    /// Returns some metrics of a sack with measures.
    ///
    /// # Errors
    /// As every method: [`Error::Away`].
    fn waiting(&self, sack: u32, most: usize) -> Result<Vec<Uuid>, Error>;

    /// Returns the first entries of a metric, by their numbers.
    ///
    /// # Errors
    /// [`Error::Away`]; [`Error::Damaged`].
    fn pending(&self, sack: u32, metric: Uuid, most: usize) -> Result<Vec<Entry>, Error>;

    /// Removes entries of a metric; those that are not there any more are none of its concern.
    ///
    /// # Errors
    /// [`Error::Away`]; then some may have been removed.
    fn remove(&self, sack: u32, metric: Uuid, ids: &[i64]) -> Result<(), Error>;

    /// Removes all entries of a metric.
    ///
    /// # Errors
    /// [`Error::Away`].
    fn forget(&self, sack: u32, metric: Uuid) -> Result<(), Error>;

    /// Returns how many metrics and measures wait.
    ///
    /// # Errors
    /// [`Error::Away`].
    fn load(&self) -> Result<(u64, u64), Error>;

    /// Counts again what waits, and with `repair` makes the counts those that were counted. Returns how many were wrong; none of a place that keeps no
    /// counts. `sack` tells the sack of a metric.
    ///
    /// # Errors
    /// [`Error::Away`].
    fn recount(&self, sack: &dyn Fn(Uuid) -> u32, repair: bool) -> Result<u64, Error> {
        let _ = (sack, repair);
        Ok(0)
    }

    /// Returns metrics with measures, and how many, at most this many metrics.
    ///
    /// # Errors
    /// [`Error::Away`].
    fn loads(&self, most: usize) -> Result<Vec<(Uuid, u64)>, Error>;
}

/// Encodes points: 16 bytes each.
#[cfg_attr(not(any(feature = "postgresql", feature = "redis")), allow(dead_code, reason = "for incoming on a server"))]
pub(crate) fn encode_points(points: &[Point]) -> Vec<u8> {
    points
        .iter()
        .flat_map(|point| point.at.to_le_bytes().into_iter().chain(point.value.to_bits().to_le_bytes()))
        .collect()
}

/// Decodes points.
///
/// # Errors
/// [`Error::Damaged`].
#[cfg_attr(not(any(feature = "postgresql", feature = "redis")), allow(dead_code, reason = "for incoming on a server"))]
pub(crate) fn decode_points(bytes: &[u8]) -> Result<Vec<Point>, Error> {
    if !bytes.len().is_multiple_of(16) {
        return Err(Error::Damaged(format!(
            "measures that wait have {} bytes, which is no multiple of 16",
            bytes.len()
        )));
    }
    let long = |bytes: &[u8], at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
    let point = |p: &[u8]| Point { at: long(p, 0) as i64, value: f64::from_bits(long(p, 8)) };
    Ok(bytes.chunks_exact(16).map(point).collect())
}
