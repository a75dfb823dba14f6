//! A `tracing` subscriber is somebody else's code: a slow one breaks no deadline, one that asks us something does not deadlock, one that
//! panics takes no thread with it, and it gets one line for each cause and minute.

#[path = "support/subscriber.rs"]
mod foreign;
mod support;

use ferrometer_core::*;
use foreign::Subscriber;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::*};
use std::thread;
use std::time::{Duration, Instant};
use support::{NEVER, Publish, SOON};

static MODE: AtomicU8 = AtomicU8::new(0);
static LINES: AtomicU64 = AtomicU64::new(0);

/// Those that are more than one line, or colour a terminal.
static BROKEN: AtomicU64 = AtomicU64::new(0);

fn heard(line: String) {
    LINES.fetch_add(1, SeqCst);
    BROKEN.fetch_add(u64::from(line.contains(char::is_control)), SeqCst);
    match MODE.load(SeqCst) {
        1 => {
            while MODE.load(SeqCst) == 1 {
                thread::sleep(Duration::from_millis(5));
            }
        }
        2 => drop((ledgers(), flush(Duration::ZERO))),
        3 => panic!("subscriber"),
        _ => {}
    }
}

fn failing(message: &'static str, calls: &Arc<AtomicU64>) -> Box<dyn Backend> {
    let calls = Arc::clone(calls);
    let fail = move |_: &mut SnapshotView<'_>| {
        calls.fetch_add(1, SeqCst);
        Err(BackendError::new(message))
    };
    Box::new(Publish(fail, Wants::TOTALS))
}

#[test]
fn subscribers_are_foreign_code() {
    tracing::subscriber::set_global_default(Subscriber(heard)).unwrap();
    let calls = Arc::new(AtomicU64::new(0));

    MODE.store(1, SeqCst);
    install("slow", failing("slow", &calls), NEVER).unwrap();
    let begin = Instant::now();
    flush(Duration::from_millis(200));
    remove("slow", Duration::from_millis(200));
    // For ever, if they waited for the subscriber.
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());

    MODE.store(2, SeqCst);
    install("asks", failing("asks", &calls), NEVER).unwrap();
    let (done, wait) = std::sync::mpsc::channel();
    thread::spawn(move || {
        flush(Duration::from_millis(200));
        done.send(()).unwrap();
    });
    wait.recv_timeout(SOON).expect("a deadlock");
    remove("asks", SOON);

    MODE.store(3, SeqCst);
    let before = calls.load(SeqCst);
    install("panics", failing("panics", &calls), Duration::from_millis(5)).unwrap();
    // The collector has something to say too, and must survive it.
    get_logger("subscriber").sampled(7.0).send_counter("bad rate", 1);
    let until = Instant::now() + SOON;
    while calls.load(SeqCst) < before + 5 {
        assert!(Instant::now() < until, "a thread died with the subscriber");
        thread::sleep(Duration::from_millis(1));
    }
    remove("panics", SOON);

    MODE.store(0, SeqCst);
    let before = LINES.load(SeqCst);
    (0..3000).for_each(|i| warn("a backend's cause", &format!("line {i}")));
    assert_eq!((LINES.load(SeqCst) - before, BROKEN.load(SeqCst)), (1, 0));
}
