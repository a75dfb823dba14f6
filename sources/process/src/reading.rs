//! One look at the process: the numbers, and the names and words under which they are recorded.

use ferrometer_core::{Logger, Unit};

/// Numbers about the process; `None` where the system does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    /// CPU time since the process started.
    pub(crate) cpu_micros: Option<u64>,
    pub(crate) resident_bytes: Option<u64>,
    pub(crate) virtual_bytes: Option<u64>,
    pub(crate) virtual_max_bytes: Option<u64>,
    pub(crate) open_fds: Option<u64>,
    pub(crate) max_fds: Option<u64>,
    pub(crate) threads: Option<u64>,
    /// Seconds since 1970.
    pub(crate) start: Option<f64>,
}

impl Reading {
    /// Records all gauges.
    pub(crate) fn record_gauges(&self, logger: &Logger) {
        let whole = |value: Option<u64>| value.map(|value| value as f64);
        for (name, value) in [
            ("resident_memory_bytes", whole(self.resident_bytes)),
            ("virtual_memory_bytes", whole(self.virtual_bytes)),
            ("virtual_memory_max_bytes", whole(self.virtual_max_bytes)),
            ("open_fds", whole(self.open_fds)),
            ("max_fds", whole(self.max_fds)),
            ("threads", whole(self.threads)),
            ("start_time_seconds", self.start),
        ] {
            if let Some(value) = value {
                logger.send_gauge(name, value);
            }
        }
    }
}

/// Says what each metric means.
pub(crate) fn describe(logger: &Logger) {
    for (name, unit, text) in [
        ("cpu_microseconds", Unit::Other("microseconds"), "User and system CPU time"),
        ("resident_memory_bytes", Unit::Bytes, "Resident memory size"),
        ("virtual_memory_bytes", Unit::Bytes, "Virtual memory size"),
        ("virtual_memory_max_bytes", Unit::Bytes, "Maximum amount of virtual memory available"),
        ("open_fds", Unit::None, "Number of open file descriptors"),
        ("max_fds", Unit::None, "Maximum number of open file descriptors"),
        ("threads", Unit::None, "Number of threads of the system in the process"),
        ("start_time_seconds", Unit::Seconds, "Start time of the process since unix epoch"),
    ] {
        logger.describe(name, unit, text);
    }
}
