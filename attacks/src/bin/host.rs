//! The host program: recording where programs seldom are when they are tested. In `Drop` while a panic unwinds, in thread-local destructors, in
//! `atexit` handlers, from within a backend, during and after shutdown, in threads that the process leaves behind, after `fork`, in
//! libraries that are loaded twice and unloaded; and in a program built with `panic = "abort"`. Nothing hangs and nothing crashes but what is meant
//! to. Each case is a process of its own, with a time limit.

use ferrometer::backend::{Backend, BackendError, Delivery, SnapshotView};
use ferrometer::{Ledger, get_logger};
use ferrometer_attacks::option;
use ferrometer_testkit::{NEVER, SOON, sink, wait_until};
use std::ffi::CString;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, exit};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

fn begin(interval: Duration) {
    ferrometer::install("all", sink(), interval).expect("installed");
}

fn end() -> Ledger {
    let ledger = ferrometer::remove("all", SOON).expect("there was one");
    assert!(ledger.balances(), "{ledger}");
    ledger
}

/// Records when it goes.
struct Counts(&'static str);

impl Drop for Counts {
    fn drop(&mut self) {
        let logger = get_logger("host");
        logger.send_counter(self.0, 1);
        logger.send_timer("t", Duration::from_millis(1));
        drop(logger.in_flight("busy").enter());
    }
}

/// In `Drop`, while a panic unwinds; and again while the next one does.
fn unwinding() {
    begin(NEVER);
    for _ in 0..100 {
        let result = std::panic::catch_unwind(|| {
            let _first = Counts("first");
            let _timer = get_logger("host").timer("guard").start();
            let _busy = get_logger("host").in_flight("guarded").enter();
            let _second = Counts("second");
            panic!("told to");
        });
        assert!(result.is_err());
    }
    let ledger = end();
    // Twice four of each `Drop`, a timer, and one up and down.
    assert_eq!(ledger.recorded.recordings, 100 * (2 * 4 + 1 + 2), "{ledger}");
}

thread_local! {
    static LATE: Counts = const { Counts("late") };
}

/// In thread-local destructors, registered before anything was recorded and after.
fn destructors() {
    begin(Duration::from_millis(1));
    for round in 0..500 {
        let one = thread::spawn(move || {
            if round % 2 == 0 {
                LATE.with(|_| {});
            }
            get_logger("host").send_counter("early", 1);
            LATE.with(|_| {});
        });
        one.join().expect("no panic");
    }
    let ledger = end();
    assert_eq!(ledger.recorded.recordings, 500 * 5, "{ledger}");
}

extern "C" fn at_exit() {
    drop(Counts("atexit"));
    let _ = ferrometer::flush(Duration::from_millis(100));
    let _ = ferrometer::remove("all", Duration::from_millis(100));
}

/// In an `atexit` handler, when `main` has returned, with a backend installed and without.
fn leaving() {
    // SAFETY: registers a function without arguments.
    assert_eq!(unsafe { libc::atexit(at_exit) }, 0);
    begin(Duration::from_millis(1));
    get_logger("host").send_counter("c", 1);
    // Threads that record while the process ends.
    for _ in 0..4 {
        thread::spawn(|| {
            loop {
                drop(Counts("left"));
            }
        });
    }
    thread::sleep(Duration::from_millis(20));
}

/// During a shutdown and after it, from other threads; and with the guard of the facade.
fn shutting_down() {
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let stop = std::sync::Arc::clone(&stop);
            thread::spawn(move || {
                while !stop.load(SeqCst) {
                    drop(Counts("during"));
                }
            })
        })
        .collect();
    for _ in 0..100 {
        begin(Duration::from_millis(1));
        thread::sleep(Duration::from_micros(500));
        end();
    }
    stop.store(true, SeqCst);
    threads.into_iter().for_each(|t| t.join().expect("no panic"));
    drop(Counts("after"));
    assert!(!ferrometer::is_on());
}

/// From a backend's own thread: recording, flushing, removing and replacing itself and others. What waits for itself ends with its deadline.
fn inside() {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    struct Inside;
    impl Backend for Inside {
        fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
            let at = CALLS.fetch_add(1, SeqCst);
            drop(Counts("inside"));
            let short = Duration::from_millis(20);
            match at % 4 {
                0 => drop(ferrometer::flush(short)),
                1 => drop(ferrometer::snapshot()),
                2 => drop(ferrometer::install(&format!("other{at}"), sink(), Duration::from_millis(1))),
                _ => drop(ferrometer::remove(&format!("other{}", at - 1), short)),
            }
            view.all_sent();
            Ok(Delivery::default())
        }
    }
    ferrometer::install("inside", Box::new(Inside), Duration::from_millis(1)).expect("installed");
    let until = Instant::now() + SOON;
    while CALLS.load(SeqCst) < 40 {
        drop(Counts("outside"));
        assert!(Instant::now() < until, "it waits for itself");
        thread::sleep(Duration::from_millis(1));
    }
    // And one that removes itself.
    struct Itself;
    impl Backend for Itself {
        fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
            let ledger = ferrometer::remove("itself", Duration::from_millis(20));
            assert!(ledger.is_none_or(|l| l.balances()));
            view.all_sent();
            Ok(Delivery::default())
        }
    }
    ferrometer::install("itself", Box::new(Itself), Duration::from_millis(1)).expect("installed");
    wait_until("it to be gone", || !ferrometer::ledgers().iter().any(|l| l.backend == "itself"));
    let ledger = ferrometer::remove("inside", SOON).expect("there was one");
    assert!(ledger.balances(), "{ledger}");
}

/// `fork` in the middle of everything: the child records nothing, can leave, and can start over.
fn forking() {
    begin(Duration::from_millis(1));
    let recording = thread::spawn(|| (0..200_000).for_each(|_| drop(Counts("beside"))));
    for round in 0..40 {
        // SAFETY: the child does what is documented to work, and leaves by `_exit`.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let mut good = !ferrometer::is_on();
            drop(Counts("child"));
            if round % 4 == 0 {
                begin(NEVER);
                drop(Counts("child"));
                good &= end().recorded.recordings == 4;
            }
            // SAFETY: ends the child.
            unsafe { libc::_exit(i32::from(!good)) };
        }
        let mut status = 0;
        // SAFETY: waits for the child made above.
        unsafe { libc::waitpid(pid, &raw mut status, 0) };
        assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "round {round}: {status}");
    }
    recording.join().expect("no panic");
    end();
}

/// A library, opened.
struct Library(*mut libc::c_void);
// SAFETY: the loader's handles may be used by any thread, and what is found with them here locks for itself.
unsafe impl Sync for Library {}

impl Library {
    fn open(path: &Path) -> Library {
        let name = CString::new(path.to_str().expect("a path of text")).expect("no NUL");
        // SAFETY: loads our own plugin.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        assert!(!handle.is_null(), "{} cannot be loaded", path.display());
        Library(handle)
    }

    fn find(&self, name: &str) -> *mut libc::c_void {
        let name = CString::new(name).expect("no NUL");
        // SAFETY: the handle is open.
        let found = unsafe { libc::dlsym(self.0, name.as_ptr()) };
        assert!(!found.is_null(), "{name:?}");
        found
    }

    fn number(&self, name: &str) -> u64 {
        // SAFETY: `plugin_end` is such a function.
        let function: extern "C" fn() -> u64 = unsafe { std::mem::transmute(self.find(name)) };
        function()
    }

    fn flag(&self, name: &str) -> i32 {
        // SAFETY: `plugin_begin` and `plugin_is_on` are such functions.
        let function: extern "C" fn() -> i32 = unsafe { std::mem::transmute(self.find(name)) };
        function()
    }

    fn record(&self, times: u64) {
        // SAFETY: `plugin_record` is such a function.
        let function: extern "C" fn(u64) = unsafe { std::mem::transmute(self.find("plugin_record")) };
        function(times);
    }
}

/// Two copies of a library beside the program itself: three ferrometers, which know nothing of each other. Then the libraries are unloaded.
fn libraries() {
    let program = std::env::current_exe().expect("this program");
    let built = program.with_file_name("libferrometer_plugin.so");
    let directory = std::env::temp_dir().join(format!("ferrometer-host-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let copies = ["one.so", "two.so"].map(|name| directory.join(name));
    for copy in &copies {
        std::fs::copy(&built, copy).expect("the plugin, built beside this program");
    }
    let [one, two] = copies.each_ref().map(|copy| Library::open(copy));
    let both = || {
        begin(Duration::from_millis(1));
        assert_eq!((one.flag("plugin_is_on"), two.flag("plugin_is_on")), (0, 0));
        assert_eq!(one.flag("plugin_begin"), 0);
        one.record(10);
        two.record(1000); // off
        assert_eq!(two.flag("plugin_begin"), 0);
        one.record(1);
        two.record(100);
        drop(Counts("host"));
        assert_eq!(one.number("plugin_end"), 2 * (10 + 1 + 1 + 1));
        assert_eq!(two.number("plugin_end"), 2 * (100 + 1));
        assert_eq!(end().recorded.recordings, 4);
    };
    let threads = || std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    let before = threads();
    // A library stays as long as a thread has to run destructors of it.
    thread::scope(|scope| scope.spawn(both).join()).expect("no panic");
    wait_until("their threads to end", || threads() <= before);
    for library in [one, two] {
        // SAFETY: nothing of it runs.
        assert_eq!(unsafe { libc::dlclose(library.0) }, 0);
    }
    let mapped = std::fs::read_to_string("/proc/self/maps").expect("what is mapped");
    assert!(copies.iter().all(|copy| !mapped.contains(copy.to_str().expect("a path"))), "still loaded: {mapped}");
    let _ = std::fs::remove_dir_all(&directory);
    begin(Duration::from_millis(1));
    // SAFETY: the child leaves at once.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: as above.
        unsafe { libc::_exit(i32::from(ferrometer::is_on())) };
    }
    let mut status = 0;
    // SAFETY: waits for the child made above.
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert_eq!(status, 0, "a fork after the libraries were unloaded");
    thread::spawn(|| drop(Counts("thread"))).join().expect("no panic");
    assert_eq!(end().recorded.recordings, 4);
}

/// Ends the process by `exit` while everything goes on.
fn exiting() {
    begin(Duration::from_millis(1));
    for _ in 0..4 {
        thread::spawn(|| {
            loop {
                drop(Counts("exit"));
            }
        });
    }
    thread::sleep(Duration::from_millis(10));
    exit(0);
}

/// A backend that panics, under `panic = "abort"`: the process is ended, at once.
fn aborting() {
    struct Panics;
    impl Backend for Panics {
        fn publish(&mut self, _: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
            panic!("told to");
        }
    }
    ferrometer::install("panics", Box::new(Panics), Duration::from_millis(1)).expect("installed");
    let _ = ferrometer::flush(SOON);
    let ledgers = ferrometer::ledgers();
    assert!(ledgers[0].panics > 0 && ledgers[0].balances(), "{ledgers:?}");
}

type Case = (&'static str, fn());

const CASES: [Case; 9] = [
    ("unwinding", unwinding),
    ("destructors", destructors),
    ("leaving", leaving),
    ("shutting_down", shutting_down),
    ("inside", inside),
    ("forking", forking),
    ("libraries", libraries),
    ("exiting", exiting),
    ("aborting", aborting),
];

fn run(name: &str) -> Option<ExitStatus> {
    let program = std::env::current_exe().expect("this program");
    let mut child =
        Command::new(program).args(["--case", name]).stderr(std::process::Stdio::piped()).spawn().expect("a child");
    let until = Instant::now() + Duration::from_secs(300);
    loop {
        if let Some(status) = child.try_wait().expect("a status") {
            if !status.success()
                && let Some(mut text) = child.stderr.take()
            {
                let mut said = String::new();
                let _ = std::io::Read::read_to_string(&mut text, &mut said);
                let lines: Vec<&str> = said.lines().filter(|l| !l.contains("told to")).collect();
                println!("{}", lines[lines.len().saturating_sub(6)..].join("\n"));
            }
            return Some(status);
        }
        if Instant::now() > until {
            let _ = child.kill();
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn main() {
    if let Some(name) = option("--case") {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&str>() != Some(&"told to") {
                hook(info);
            }
        }));
        return CASES.iter().filter(|(n, _)| *n == name).for_each(|(_, case)| case());
    }
    let aborts = cfg!(panic = "abort");
    let mut good = true;
    for (name, _) in CASES {
        let times = if ["leaving", "exiting"].contains(&name) { 20 } else { 1 };
        let aborted = |status: ExitStatus| status.signal() == Some(libc::SIGABRT);
        let meant = |status: ExitStatus| {
            if aborts && ["unwinding", "aborting"].contains(&name) { aborted(status) } else { status.success() }
        };
        for _ in 0..times {
            let status = run(name);
            if !status.is_some_and(meant) {
                println!("host: FAILED: {name}: {}", status.map_or("it hangs".to_owned(), |s| s.to_string()));
                good = false;
                break;
            }
        }
    }
    println!("host: {} cases, panic = {:?}", CASES.len(), if aborts { "abort" } else { "unwind" });
    exit(i32::from(!good));
}
