//! The rows, a file for each group.

pub mod counter;
pub mod exposition;
pub mod labels;
pub mod memory;
pub mod off;
pub mod receiver;
pub mod record;
pub mod statsd;
pub mod timer;

use crate::row::Row;

/// Every row.
pub fn rows() -> Vec<Row> {
    [off::ROWS, counter::ROWS, labels::ROWS, record::ROWS, timer::ROWS, statsd::ROWS, exposition::ROWS, memory::ROWS]
        .concat()
}
