//! The reading on Linux, from `/proc/self`.

use crate::reading::Reading;
use procfs::process::{LimitValue, Process};
use procfs::{CurrentSI, WithCurrentSystemInfo};

/// Reads what can be read; a file that is not there leaves its numbers out.
pub(crate) fn read() -> Reading {
    let Ok(process) = Process::myself() else { return Reading::default() };
    let mut reading = Reading::default();
    if let Ok(stat) = process.stat() {
        let ticks = stat.utime.saturating_add(stat.stime);
        reading.cpu_micros = ticks.saturating_mul(1_000_000).checked_div(procfs::ticks_per_second());
        reading.resident_bytes = Some(stat.rss_bytes().get());
        reading.virtual_bytes = Some(stat.vsize);
        reading.threads = u64::try_from(stat.num_threads).ok();
        reading.start = start(stat.starttime);
    }
    if let Ok(limits) = process.limits() {
        reading.max_fds = number(limits.max_open_files.soft_limit);
        reading.virtual_max_bytes = number(limits.max_address_space.soft_limit);
    }
    // The one through which the folder is read is none of the program's.
    reading.open_fds = process.fd_count().ok().map(|count| (count as u64).saturating_sub(1));
    reading
}

/// Returns the start of the process in seconds since 1970, from ticks since the machine was started.
fn start(ticks: u64) -> Option<f64> {
    let booted = procfs::KernelStats::current().ok()?.btime;
    Some(booted as f64 + ticks as f64 / procfs::ticks_per_second() as f64)
}

/// Returns a limit; none where there is none.
fn number(limit: LimitValue) -> Option<u64> {
    match limit {
        LimitValue::Value(value) => Some(value),
        LimitValue::Unlimited => None,
    }
}
