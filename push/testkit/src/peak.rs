//! The memory that one call of a backend takes at its peak, beyond what it had before.

use crate::http::Server;
use crate::{NEVER, SOON, alone};
use ferrometer_core::{
    Backend, BackendError, Delivery, Limits, Naming, SnapshotView, configure, flush, get_logger, install, remove,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::{Arc, Mutex};

thread_local! {
    static NOW: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn add(bytes: isize) {
    // A thread that ends has no such variables any more.
    let _ = NOW.try_with(|now| {
        now.set(now.get() + bytes);
        PEAK.try_with(|peak| peak.set(peak.get().max(now.get())))
    });
}

/// The system's allocator, which knows what each thread has.
pub struct Counting;

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size() as isize);
        // SAFETY: the caller's own promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        add(-(layout.size() as isize));
        // SAFETY: the caller's own promise.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both are there while the old one is copied.
        add(size as isize);
        // SAFETY: the caller's own promise.
        let moved = unsafe { System.realloc(pointer, layout, size) };
        add(-(layout.size() as isize));
        moved
    }
}

/// A backend, and the peak of each of its deliveries.
pub struct Watched<B> {
    inner: B,
    peaks: Arc<Mutex<Vec<usize>>>,
}

impl<B> Watched<B> {
    /// Wraps a backend. A test's program has [`Counting`] as its allocator.
    pub fn new(inner: B) -> (Watched<B>, Arc<Mutex<Vec<usize>>>) {
        let peaks = Arc::default();
        (Watched { inner, peaks: Arc::clone(&peaks) }, peaks)
    }
}

impl<B: Backend> Backend for Watched<B> {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        let before = NOW.get();
        PEAK.set(before);
        let delivered = self.inner.publish(view);
        self.peaks.lock().unwrap().push(usize::try_from(PEAK.get() - before).unwrap_or(0));
        delivered
    }
}

/// Asserts that a delivery of 20,000 series takes no more memory than one of 1,000, by a backend whose bodies have at most `body` bytes.
///
/// # Panics
/// When it takes more, or when a delivery is not accepted.
pub fn assert_bounded(server: &Server, backend: impl Backend, body: usize) {
    let _alone = alone();
    let limits = Limits::default().max_instruments(30_000).max_label_sets(30_000);
    configure(Naming::default(), limits, Vec::new());
    let (watched, peaks) = Watched::new(backend);
    install("watched", Box::new(watched), NEVER).unwrap();
    let logger = get_logger("peak");
    // Peaks of deliveries in which no name is new: the buffers and what is kept of each series are there.
    let of = |from: usize, to: usize| {
        let all: Vec<_> = (from..to).map(|i| logger.with("id", &format!("{i:05}")).counter("c")).collect();
        for _ in 0..3 {
            all.iter().for_each(|counter| counter.increment());
            peaks.lock().unwrap().clear();
            assert!(flush(SOON).complete);
        }
        peaks.lock().unwrap().iter().copied().max().unwrap()
    };
    let (few, many) = (of(0, 1000), of(0, 20_000));
    let bytes: usize = server.take().iter().map(|request| request.body.len()).sum();
    assert!(bytes > 10 * body, "{bytes}");
    // The client's buffers, gzip's window, and a body: bounds that no number of series is in.
    let most = 8 * body + 1024 * 1024;
    assert!(few <= most && many <= most && many <= few + 2 * body, "few {few}, many {many}, at most {most}");
    assert!(remove("watched", SOON).unwrap().balances());
}
