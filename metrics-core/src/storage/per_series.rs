//! A number for each of the series that need one, by the series' id.

use crate::storage::cell_address::{MAX_DISTRIBUTIONS, MAX_SCALARS};
use crate::storage::chunked::{CHUNK, Chunked};
use std::sync::atomic::AtomicU64;

/// Numbers by the ids of series, or by their cells. All begin at 0.
pub(crate) type PerSeries = Chunked<AtomicU64, { (MAX_SCALARS + MAX_DISTRIBUTIONS).div_ceil(CHUNK) }>;
