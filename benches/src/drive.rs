//! The loop all rows share, and its clocks.

use crate::run::{Run, Timing, WARM};
use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

/// In how many parts a loop runs: what others do with the machine comes and goes within a run, and two cores are seldom left alone for
/// the whole of it. Ours, peers' and floors' alike.
const PARTS: u64 = 4;
/// Below this share of the cores' time, threads that were to run at the same time did not: a part, or a sample, says nothing about
/// contention then, and is left out. The same for ours and for peers.
pub const PARALLEL: f64 = 0.9;

/// Runs an operation on each thread, in parts, and tells the best of them: `make` gives a thread its own closure, which gets the number of
/// the iteration.
///
/// Several threads are pinned to the cores in turn. Left to the scheduler, two threads may share a core for the whole of a short
/// run: an atomic that is never contended then looks several times faster than it is, and a best of several runs picks just that.
pub fn drive<F: FnMut(u64)>(run: &Run, make: impl Fn() -> F + Sync) -> Timing {
    drive_in(PARTS, run, make)
}

/// Drives in one part: for cases in which the work beside the loop belongs to the measurement.
pub fn drive_whole<F: FnMut(u64)>(run: &Run, make: impl Fn() -> F + Sync) -> Timing {
    drive_in(1, run, make)
}

fn drive_in<F: FnMut(u64)>(parts: u64, run: &Run, make: impl Fn() -> F + Sync) -> Timing {
    let barrier = Barrier::new(run.threads);
    let cores = cores();
    let sizes: Vec<u64> = (0..parts).map(|n| run.iterations / parts + u64::from(n < run.iterations % parts)).collect();
    let one = |thread: usize| -> Vec<Span> {
        if run.threads > 1 {
            pin(cores[thread % cores.len()]);
        }
        measured_loop(WARM, make());
        let part = |iterations: &u64| {
            let op = make();
            barrier.wait();
            let (cpu, start) = (thread_cpu_ns(), Instant::now());
            measured_loop(*iterations, op);
            Span { start, end: Instant::now(), cpu: thread_cpu_ns() - cpu }
        };
        sizes.iter().map(part).collect()
    };
    let spans = match run.threads {
        1 => vec![one(0)],
        n => thread::scope(|scope| {
            let one = &one;
            let threads: Vec<_> = (0..n).map(|n| scope.spawn(move || one(n))).collect();
            threads.into_iter().map(|t| t.join().expect("a measuring thread")).collect()
        }),
    };
    let timings = sizes.iter().enumerate().map(|(part, iterations)| {
        let spans: Vec<&Span> = spans.iter().map(|parts| &parts[part]).collect();
        timing(&spans, *iterations, cores.len())
    });
    // Takes those whose threads ran at the same time, if there are any.
    let (parallel, others): (Vec<Timing>, Vec<Timing>) =
        timings.partition(|t| run.threads == 1 || t.parallel >= PARALLEL);
    let best = if parallel.is_empty() { others } else { parallel };
    let figure = |t: &Timing| if run.threads == 1 { t.cpu_ns } else { t.wall_ns };
    best.into_iter().min_by(|a, b| figure(a).total_cmp(&figure(b))).expect("a part")
}

/// One thread's loop.
struct Span {
    start: Instant,
    end: Instant,
    cpu: u64,
}

fn timing(spans: &[&Span], iterations: u64, cores: usize) -> Timing {
    let start = spans.iter().map(|s| s.start).min().expect("a thread");
    let end = spans.iter().map(|s| s.end).max().expect("a thread");
    let threads = spans.len();
    let ops = (iterations * threads as u64) as f64;
    let wall = (end - start).as_nanos() as f64;
    let cpu: u64 = spans.iter().map(|s| s.cpu).sum();
    let parallel = cpu as f64 / (wall * threads.min(cores) as f64);
    Timing { wall_ns: wall * threads as f64 / ops, cpu_ns: cpu as f64 / ops, mops: ops * 1e3 / wall, parallel }
}

/// The cores this process may run on.
pub fn cores() -> Vec<usize> {
    // SAFETY: an all-zero set is a valid one, and the call writes within it.
    let set = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        assert!(libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) == 0, "no affinity");
        set
    };
    // SAFETY: the numbers are below the size of the set.
    (0..libc::CPU_SETSIZE as usize).filter(|core| unsafe { libc::CPU_ISSET(*core, &set) }).collect()
}

/// Keeps the calling thread on one core.
pub fn pin(core: usize) {
    // SAFETY: as in `cores`; the set is only read.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        assert!(libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) == 0, "no such core");
    }
}

/// The measured loop: what callgrind counts is what happens in here.
///
/// When it ends is hidden from the compiler, which otherwise unrolls the loop of one row and not that of another. The counter itself
/// stays in a register: the value that is hidden is a copy, which nothing waits for but a predicted branch.
#[inline(never)]
pub fn measured_loop<F: FnMut(u64)>(iterations: u64, mut op: F) {
    let mut i = 0;
    while black_box(i) != iterations {
        op(i);
        i += 1;
    }
}

pub fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writing, and the clocks asked for exist on every Linux.
    let failed = unsafe { libc::clock_gettime(clock, &mut time) };
    assert!(failed == 0, "no such clock");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

pub fn thread_cpu_ns() -> u64 {
    clock_ns(libc::CLOCK_THREAD_CPUTIME_ID)
}

pub fn process_cpu_ns() -> u64 {
    clock_ns(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// Resident memory of this process, in bytes.
pub fn resident_bytes() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("statm");
    let resident: f64 = pages.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("a number of pages");
    resident * 4096.0
}

/// Memory that this process has allocated and not freed, in bytes, the allocator's own included, over all of its arenas.
pub fn allocated_bytes() -> f64 {
    // SAFETY: the call has no conditions.
    let info = unsafe { libc::mallinfo2() };
    (info.uordblks + info.hblkhd) as f64
}
