//! The limits of a configuration, as the recording takes them.

use crate::config::Config;
use ferrometer_core::Limits;

pub(crate) fn limits(config: &Config) -> Limits {
    let l = &config.limits;
    Limits {
        max_loggers: l.max_loggers,
        max_instruments: l.max_instruments,
        max_label_sets: l.max_label_sets,
        max_threads: l.max_threads,
        max_cell_bytes: l.max_cell_bytes,
        timer_chunk: l.timer_chunk,
        max_held_values: l.max_held_values,
    }
}
