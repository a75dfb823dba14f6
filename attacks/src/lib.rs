//! Attacks on the promises, each a program: `soak`, `memory`, `operations`. What they share.

use std::time::Duration;

/// The value behind `--name` on the command line.
pub fn option(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|a| a != name);
    arguments.next()?;
    arguments.next()
}

/// A number behind `--name`, or the default.
pub fn number(name: &str, default: f64) -> f64 {
    option(name).map_or(default, |text| {
        text.parse().unwrap_or_else(|_| {
            eprintln!("{name} {text:?}: expected a number");
            std::process::exit(2)
        })
    })
}

/// Processor time of this process, user and system.
pub fn cpu() -> Duration {
    // SAFETY: a plain structure that the call fills.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let time = |t: libc::timeval| Duration::from_secs(t.tv_sec as u64) + Duration::from_micros(t.tv_usec as u64);
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// The largest resident set so far, in bytes.
pub fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 1024
}
