//! Compares what is recorded with what the system says, read another way.

#![cfg(target_os = "linux")]

use ferrometer_core::{flush, install, remove};
use ferrometer_process::ProcessMetrics;
use ferrometer_testkit::{NEVER, Record, Recorder, SOON, alone, wait_until};
use std::fs::{self, File};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

const OFTEN: Duration = Duration::from_millis(100);

fn now(recorder: &Recorder) -> Record {
    assert!(flush(SOON).complete);
    recorder.record()
}

/// CPU time of this process in microseconds, by the system call and not by `/proc`.
fn cpu_micros() -> i64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `usage` is as large as the call writes, and zeroed before.
    let usage = unsafe {
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()), 0);
        usage.assume_init()
    };
    let micros = |time: libc::timeval| time.tv_sec * 1_000_000 + time.tv_usec;
    micros(usage.ru_utime) + micros(usage.ru_stime)
}

#[test]
fn the_process_is_recorded_as_it_is() {
    let _alone = alone().then(|| drop(remove("record", SOON)));
    let recorder = Recorder::default();
    // It is started before recording is on, and waits for that.
    let metrics = ProcessMetrics::start(OFTEN);
    install("record", Box::new(recorder.clone()), NEVER).unwrap();
    let gauge = |name: &str| now(&recorder).gauges.get(&format!("process.{name}")).copied();
    wait_until("the first reading", || gauge("start_time_seconds").is_some());

    // Files and threads, as they come and go.
    let (files, threads) = (gauge("open_fds").unwrap(), gauge("threads").unwrap());
    let open: Vec<_> = (0..100).map(|_| File::open("/proc/self/stat").unwrap()).collect();
    let (end, ended) = mpsc::channel::<()>();
    let ended = std::sync::Arc::new(std::sync::Mutex::new(ended));
    let waiting: Vec<_> = (0..5)
        .map(|_| {
            let ended = ended.clone();
            thread::spawn(move || ended.lock().unwrap().recv().is_err())
        })
        .collect();
    wait_until("the files are seen", || gauge("open_fds") >= Some(files + 100.0));
    wait_until("the threads are seen", || gauge("threads") >= Some(threads + 5.0));
    drop((open, end));
    waiting.into_iter().for_each(|thread| assert!(thread.join().unwrap()));
    wait_until("the files are gone", || gauge("open_fds") <= Some(files + 2.0));

    // Memory that is touched is resident.
    let before = gauge("resident_memory_bytes").unwrap();
    let memory = vec![1u8; 64 << 20];
    wait_until("the memory is seen", || gauge("resident_memory_bytes") >= Some(before + f64::from(60 << 20)));
    assert!(gauge("virtual_memory_bytes") >= gauge("resident_memory_bytes"));
    drop(memory);

    // CPU time: all of it since the process started, counted once, however many record it.
    let second = ProcessMetrics::start(OFTEN);
    let busy = Instant::now();
    while cpu_micros() < 300_000 || busy.elapsed() < Duration::from_millis(50) {
        std::hint::black_box(fs::read("/proc/self/stat").unwrap());
    }
    let counted = || now(&recorder).counters.get("process.cpu_microseconds").copied().unwrap_or(0);
    let until = cpu_micros();
    wait_until("the CPU time is seen", || counted() >= until - 20_000);
    let counted = counted();
    assert!(counted <= cpu_micros() + 20_000, "{counted} of {}", cpu_micros());

    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let soft = soft.split_ascii_whitespace().next().unwrap().parse::<f64>().ok();
    assert_eq!(gauge("max_fds"), soft);
    let started = gauge("start_time_seconds").unwrap();
    let today = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!(started <= today + 1.0 && started > today - 86_400.0, "{started} {today}");

    // Dropped, it records no more.
    drop((metrics, second));
    let open: Vec<_> = (0..500).map(|_| File::open("/proc/self/stat").unwrap()).collect();
    thread::sleep(3 * OFTEN);
    assert!(gauge("open_fds") < Some(files + 500.0));
    drop(open);
}
