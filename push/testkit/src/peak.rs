//! The memory that one call of a backend takes at its peak, beyond what it had before.

use ferrometer_core::{Backend, BackendError, Delivery, SnapshotView};
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
