//! The rows, a file for each group.

#[cfg(feature = "peers")]
pub mod bridge;
pub mod counter;
pub mod exemplars;
pub mod exposition;
pub mod labels;
pub mod memory;
pub mod off;
pub mod push;
pub mod receiver;
pub mod record;
pub mod statsd;
pub mod step;
pub mod timer;

use crate::row::Row;

/// Every row: of each group the floors, ours, and with the feature `peers` those of other libraries.
pub fn rows() -> Vec<Row> {
    let own = [
        off::ROWS,
        counter::ROWS,
        labels::ROWS,
        record::ROWS,
        timer::ROWS,
        exemplars::ROWS,
        statsd::ROWS,
        exposition::ROWS,
        push::ROWS,
        memory::ROWS,
    ];
    #[cfg(feature = "peers")]
    let peers = [
        bridge::ROWS,
        off::peers::ROWS,
        counter::peers::ROWS,
        labels::peers::ROWS,
        record::peers::ROWS,
        timer::peers::ROWS,
        statsd::peers::ROWS,
        exposition::peers::ROWS,
        push::peers::ROWS,
        memory::peers::ROWS,
    ];
    #[cfg(not(feature = "peers"))]
    let peers: [&[Row]; 0] = [];
    [own.as_slice(), peers.as_slice()].concat().concat()
}
