//! The node's own metrics, recorded like any program's: under the names and types that Proxmox VE and Proxmox Backup Server give those of
//! their node, by a logger without a name, for the program itself.
//!
//! A thread reads the kernel's counters shortly before each delivery, so nothing that is slow there holds up a backend.
//! Values that the kernel does not give are not recorded.

use ferrometer_core::{Logger, get_logger, is_on};
use ferrometer_fork::PerProcess;
use procfs::{Current, CurrentSI};
use std::collections::BTreeMap;
use std::os::linux::fs::MetadataExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long before a generation, at most; a tenth of the interval where that is less.
const LEAD: Duration = Duration::from_millis(250);
/// How often it is looked whether recording has begun.
const LOOK: Duration = Duration::from_millis(20);
/// A share of fewer ticks of the processors' time says little.
const LEAST_TICKS: u64 = 10;

/// Last recorded values of the counters here. They are the process's, no matter who reads.
static COUNTED: PerProcess<Mutex<Counted>> = PerProcess::new();

/// For each counter, the last value of each of its parts.
type Counted = BTreeMap<&'static str, BTreeMap<String, u64>>;

/// Records the node's own metrics, on a thread that ends when this is dropped.
#[derive(Debug)]
pub struct HostMetrics(Arc<Signal>);

#[derive(Debug, Default)]
struct Signal {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    published: bool,
    stop: bool,
}

impl HostMetrics {
    /// Begins to record, for a backend that delivers at this interval: shortly before each delivery.
    #[must_use = "recording ends when this is dropped"]
    pub fn start(interval: Duration) -> HostMetrics {
        let signal = Arc::new(Signal::default());
        let theirs = Arc::clone(&signal);
        let run = move || run(&theirs, interval.saturating_sub(LEAD.min(interval / 10)));
        if let Err(why) = ferrometer_core::spawn("host", run) {
            let message = format!("no thread for the host's metrics, there are none: {why}");
            ferrometer_core::warn("host metrics: no thread", &message);
        }
        HostMetrics(signal)
    }

    /// Says that a delivery was made: the next reading is for the next one.
    pub fn published(&self) {
        self.0.lock().published = true;
        self.0.changed.notify_all();
    }
}

impl Drop for HostMetrics {
    fn drop(&mut self) {
        self.0.lock().stop = true;
        self.0.changed.notify_all();
    }
}

impl Signal {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether to go on, after so long.
    fn rest(&self, time: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.lock(), time, |state| !state.stop);
        !waited.unwrap_or_else(PoisonError::into_inner).0.stop
    }

    /// Returns whether to go on, after the next generation.
    fn next_generation(&self) -> bool {
        let waited = self.changed.wait_while(self.lock(), |state| !state.stop && !state.published);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.published = false;
        !state.stop
    }
}

fn run(signal: &Signal, rest: Duration) {
    let mut reader = Reader::new();
    // Recordings made while recording is off go nowhere.
    while !is_on() {
        if !signal.rest(LOOK) {
            return;
        }
    }
    loop {
        reader.record();
        if !signal.next_generation() || !signal.rest(rest) {
            return;
        }
    }
}

/// The processors' time, in ticks.
#[derive(Clone, Copy, Debug, Default)]
struct Ticks {
    all: u64,
    idle: u64,
    waiting: u64,
}

impl Ticks {
    fn of(time: &procfs::CpuTime) -> Ticks {
        let waiting = time.iowait.unwrap_or(0);
        let others = [time.irq, time.softirq, time.steal].into_iter().flatten().sum::<u64>();
        let all = time.user + time.nice + time.system + time.idle + waiting + others;
        Ticks { all, idle: time.idle, waiting }
    }
}

struct Reader {
    logger: Logger,
    before: Ticks,
}

impl Reader {
    fn new() -> Reader {
        let before = procfs::KernelStats::current().map(|stats| Ticks::of(&stats.total)).unwrap_or_default();
        Reader { logger: get_logger(""), before }
    }

    fn record(&mut self) {
        self.processors();
        self.load();
        self.memory();
        self.network();
        self.disk();
    }

    fn gauge(&self, name: &'static str, value: f64) {
        self.logger.send_gauge(name, value);
    }

    /// A total since the machine was started. What falls (a device was taken away, and another has its name) counts from 0.
    fn total(&self, name: &'static str, parts: impl IntoIterator<Item = (String, u64)>) {
        let mut counted = COUNTED.get().lock().unwrap_or_else(PoisonError::into_inner);
        // The child of a fork goes on from its parent's totals: what it reads first is in them.
        let is_in_total = !counted.contains_key(name) && COUNTED.ancestors().next().is_some();
        let before = counted.entry(name).or_default();
        let mut more = 0u64;
        for (part, now) in parts {
            let before = before.entry(part).or_insert(if is_in_total { now } else { 0 });
            more = more.saturating_add(now.checked_sub(*before).unwrap_or(now));
            *before = now;
        }
        drop(counted);
        self.logger.send_counter(name, i64::try_from(more).unwrap_or(i64::MAX));
    }

    fn processors(&mut self) {
        let Ok(stats) = procfs::KernelStats::current() else { return };
        let now = Ticks::of(&stats.total);
        self.gauge("cpu_max", stats.cpu_time.len() as f64);
        // The kernel's counts of idle time may fall by a little.
        let since = |now: u64, before: u64| now.saturating_sub(before) as f64;
        let all = since(now.all, self.before.all);
        if all < LEAST_TICKS as f64 {
            return;
        }
        let waiting = since(now.waiting, self.before.waiting);
        let busy = all - since(now.idle, self.before.idle) - waiting;
        self.gauge("cpu_current", (busy / all).clamp(0.0, 1.0));
        self.gauge("cpu_iowait", (waiting / all).clamp(0.0, 1.0));
        self.before = now;
    }

    fn load(&self) {
        if let Ok(load) = procfs::LoadAverage::current() {
            for (name, value) in [("cpu_avg1", load.one), ("cpu_avg5", load.five), ("cpu_avg15", load.fifteen)] {
                // The digits that the kernel wrote.
                self.gauge(name, value.to_string().parse().unwrap_or_else(|_| f64::from(value)));
            }
        }
        if let Ok(uptime) = procfs::Uptime::current() {
            self.gauge("uptime", uptime.uptime.floor());
        }
    }

    fn memory(&self) {
        let Ok(memory) = procfs::Meminfo::current() else { return };
        let available = memory.mem_available.unwrap_or(memory.mem_free);
        for (name, bytes) in [
            ("mem_total", memory.mem_total),
            ("mem_used", memory.mem_total.saturating_sub(available)),
            ("swap_total", memory.swap_total),
            ("swap_used", memory.swap_total.saturating_sub(memory.swap_free)),
        ] {
            self.gauge(name, bytes as f64);
        }
    }

    fn network(&self) {
        let Ok(devices) = procfs::net::dev_status() else { return };
        let physical = || devices.iter().filter(|(name, _)| is_physical(name));
        self.total("net_in", physical().map(|(name, device)| (name.clone(), device.recv_bytes)));
        self.total("net_out", physical().map(|(name, device)| (name.clone(), device.sent_bytes)));
    }

    /// The file system at `/`, and the device that it is on, if it is on one.
    fn disk(&self) {
        if let Ok(stats) = fs4::statvfs("/") {
            for (name, bytes) in [
                ("disk_total", stats.total_space()),
                ("disk_used", stats.total_space().saturating_sub(stats.free_space())),
                ("disk_available", stats.available_space()),
            ] {
                self.gauge(name, bytes as f64);
            }
        }
        let (Ok(root), Ok(disks)) = (std::fs::metadata("/"), procfs::diskstats()) else { return };
        let number = device_number(root.st_dev());
        let Some(disk) = disks.iter().find(|disk| (disk.major as u64, disk.minor as u64) == number) else { return };
        for (name, sectors) in [("disk_read", disk.sectors_read), ("disk_write", disk.sectors_written)] {
            self.total(name, [(disk.name.clone(), sectors.saturating_mul(512))]);
        }
    }
}

/// The interfaces whose traffic Proxmox counts: those named as the kernel and systemd name physical ones.
fn is_physical(name: &str) -> bool {
    let rest = |prefix: &str| name.strip_prefix(prefix).filter(|rest| !rest.is_empty());
    let plain = |rest: &str| !rest.contains([':', '.']);
    rest("eth").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
        || rest("en").is_some_and(plain)
        || rest("ib").is_some_and(plain)
}

/// Major and minor number, as glibc has them in one.
fn device_number(device: u64) -> (u64, u64) {
    let major = (device >> 8 & 0xfff) | (device >> 32 & !0xfff);
    let minor = (device & 0xff) | (device >> 12 & !0xff & 0xffff_ffff);
    (major, minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_interfaces_are_physical() {
        for (name, expected) in [
            ("eth0", true),
            ("eth", false),
            ("ethx", false),
            ("enp3s0f1", true),
            ("eno1.5", false),
            ("ib0", true),
            ("lo", false),
            ("vmbr0", false),
            ("veth1234", false),
            ("tap100i0", false),
        ] {
            assert_eq!(is_physical(name), expected, "{name}");
        }
        assert_eq!(device_number(0x0000_0000_0000_0801), (8, 1));
        assert_eq!(device_number(0x0000_0000_0010_0305), (3, 0x105));
    }
}
