//! Metrics that every Prometheus client gives of its process, read from `/proc`; none where there is no `/proc`.
//!
//! A program's own metric comes first: when it has a name, the process' metric of that name is left out.

use crate::number;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

/// One number about the process. For a counter `name` ends in `_total`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About {
    pub(crate) name: &'static str,
    pub(crate) counter: bool,
    pub(crate) unit: &'static str,
    pub(crate) help: &'static str,
}

const fn gauge(name: &'static str, unit: &'static str, help: &'static str) -> About {
    About { name, counter: false, unit, help }
}

pub(crate) const ALL: [About; 8] = [
    About {
        name: "process_cpu_seconds_total",
        counter: true,
        unit: "seconds",
        help: "Total user and system CPU time spent in seconds.",
    },
    gauge("process_max_fds", "", "Maximum number of open file descriptors."),
    gauge("process_open_fds", "", "Number of open file descriptors."),
    gauge("process_resident_memory_bytes", "bytes", "Resident memory size in bytes."),
    gauge("process_start_time_seconds", "seconds", "Start time of the process since unix epoch in seconds."),
    gauge("process_threads", "", "Number of OS threads in the process."),
    gauge("process_virtual_memory_bytes", "bytes", "Virtual memory size in bytes."),
    gauge("process_virtual_memory_max_bytes", "bytes", "Maximum amount of virtual memory available in bytes."),
];

impl About {
    /// The family's name in OpenMetrics.
    pub(crate) fn family(&self) -> &'static str {
        if self.counter { self.name.trim_end_matches("_total") } else { self.name }
    }
}

/// A value of each of [`ALL`]; `None` where it cannot be known.
pub(crate) type Values = [Option<f64>; ALL.len()];

/// Clock ticks per second in `/proc`: part of Linux' interface, the same for every architecture Rust runs on.
const TICKS: f64 = 100.0;

#[cfg(target_os = "linux")]
pub(crate) fn read() -> Values {
    let stat = fs::read_to_string("/proc/self/stat").ok();
    let stat = stat.as_deref().and_then(fields);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    [
        stat.as_ref().and_then(|f| Some((number_at(f, 11)? + number_at(f, 12)?) / TICKS)),
        limit(&limits, "Max open files"),
        // The one through which the folder is read is none of the program's.
        fs::read_dir("/proc/self/fd").ok().map(|all| (all.count() as f64 - 1.0).max(0.0)),
        kilobytes(&status, "VmRSS:"),
        start(),
        stat.as_ref().and_then(|f| number_at(f, 17)),
        stat.as_ref().and_then(|f| number_at(f, 20)),
        limit(&limits, "Max address space"),
    ]
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn read() -> Values {
    [None; ALL.len()]
}

/// When the process started, in seconds since 1970.
fn start() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let ticks = number_at(&fields(&stat)?, 19)?;
    let boot = fs::read_to_string("/proc/stat").ok()?;
    let boot: f64 = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(boot + ticks / TICKS)
}

/// When the process started, in milliseconds since 1970; where that cannot be known, now.
pub(crate) fn start_millis() -> i64 {
    start().map_or_else(|| millis(SystemTime::now()), |seconds| (seconds * 1000.0) as i64)
}

/// Milliseconds since 1970.
pub(crate) fn millis(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Returns the fields of `stat` behind the program's name, which may hold anything; the state is the first.
fn fields(stat: &str) -> Option<Vec<&str>> {
    Some(stat.rsplit_once(')')?.1.split_ascii_whitespace().collect())
}

fn number_at(fields: &[&str], at: usize) -> Option<f64> {
    fields.get(at)?.parse().ok()
}

#[cfg(any(target_os = "linux", test))]
fn kilobytes(status: &str, key: &str) -> Option<f64> {
    let value = status.lines().find_map(|line| line.strip_prefix(key))?;
    value.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok().map(|kb| kb * 1024.0)
}

/// A soft limit. No limit is written as the largest number there is, as Prometheus' own client does.
#[cfg(any(target_os = "linux", test))]
fn limit(limits: &str, key: &str) -> Option<f64> {
    let soft = limits.lines().find_map(|line| line.strip_prefix(key))?.split_ascii_whitespace().next()?;
    if soft == "unlimited" { Some(u64::MAX as f64) } else { soft.parse().ok() }
}

/// The value as text.
pub(crate) fn push(out: &mut Vec<u8>, value: f64) {
    number::float(out, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_numbers_are_those_of_this_process() {
        let open: Vec<_> = (0..50).filter_map(|_| fs::File::open("/proc/self/stat").ok()).collect();
        let now = millis(SystemTime::now()) as f64 / 1000.0;
        let [cpu, max_fds, fds, resident, start, threads, memory, max_memory] = read().map(Option::unwrap);
        assert!((0.0..1e6).contains(&cpu) && fds >= 50.0 && fds <= max_fds, "{cpu} {fds} {max_fds}");
        assert!(resident > 1e5 && resident <= memory && memory <= max_memory, "{resident} {memory} {max_memory}");
        assert!(threads >= 1.0 && start <= now + 1.0 && start > now - 86_400.0, "{threads} {start} {now}");
        drop(open);
        assert!(read()[2].unwrap() < fds);
    }

    #[test]
    fn odd_contents_are_no_numbers() {
        assert_eq!(fields("7 (a) b) S 1 2"), Some(vec!["S", "1", "2"]));
        assert_eq!(
            limit("Max open files            unlimited            4 files", "Max open files"),
            Some(u64::MAX as f64)
        );
        assert_eq!((limit("", "Max open files"), kilobytes("VmRSS: x kB", "VmRSS:")), (None, None));
    }
}
