//! After `fork`: the child has one thread, and none of ours. Recording in it is off until it calls `init` again.
//!
//! The registry's and the slabs' locks are held while the process forks, so that the child gets them free. No thread of ours is half born then. A
//! recording that needs one of them waits for a moment, and is turned away when the fork takes longer: a handler of the program's that runs after ours may
//! wait for the thread that records. The pipeline of the parent is forgotten in the child, even while another thread held its lock.
//!
//! `_Fork` and the system call itself run no handlers. Recording is off in such a child too, because the switch is in memory that the system wipes; but locks
//! may be held there for ever, so it must not call `init`.

use std::sync::Once;

/// Installs the handlers, once.
pub(crate) fn watch(forget: fn()) {
    // Makes now whatever is made once: no fork can find it half made.
    crate::registry::prepare();
    crate::record::clock::system_nanos();
    #[cfg(unix)]
    unix::watch(forget);
    #[cfg(not(unix))]
    let _ = (Once::new(), forget);
}

#[cfg(unix)]
mod unix {
    use super::Once;
    use crate::instrument::observed;
    use crate::pipeline::{readings, threads};
    use crate::record::enabled;
    use crate::record::sampling;
    use crate::record::skipped;
    use crate::registry;
    use crate::storage::{collector_waker, exemplar_slots, thread_slab};
    use crate::sync::{diagnostics, reentrancy};
    use std::any::Any;
    use std::cell::RefCell;
    use std::ffi::c_int;
    use std::sync::OnceLock;

    type Handler = Option<unsafe extern "C" fn()>;

    // As POSIX has it. It is all the core asks of the C library: the `libc` crate takes a tenth of the build.
    unsafe extern "C" {
        fn pthread_atfork(prepare: Handler, parent: Handler, child: Handler) -> c_int;
    }

    thread_local! {
        /// The locks held while this thread forks.
        static HELD: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
    }

    /// Forgets the parent's pipeline; set by the pipeline.
    static FORGET: OnceLock<fn()> = OnceLock::new();

    pub(super) fn watch(forget: fn()) {
        let _ = FORGET.set(forget);
        static WATCH: Once = Once::new();
        WATCH.call_once(|| {
            enabled::watch_forks();
            // SAFETY: the handlers are plain functions that live as long as the program. They lock, unlock and store; what they allocate
            // is allocated before the fork, and freed after it in the one thread that forked, which the C library allows.
            unsafe { pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
        });
    }

    extern "C" fn before() {
        // An allocator that records must not wait for the locks that are held from here on.
        let busy = reentrancy::section();
        reentrancy::fork_is_on(true);
        // First: a thread that is being born may need one of the others.
        let birth = threads::freeze();
        let held: Box<dyn Any> = Box::new((
            birth,
            registry::freeze(),
            thread_slab::freeze(),
            diagnostics::freeze(),
            collector_waker::freeze(),
            observed::freeze(),
            readings::freeze(),
            busy,
        ));
        let _ = HELD.try_with(|h| *h.borrow_mut() = Some(held));
    }

    extern "C" fn in_parent() {
        reentrancy::fork_is_on(false);
        let _ = HELD.try_with(|h| h.borrow_mut().take());
    }

    extern "C" fn in_child() {
        enabled::switch_all_off();
        reentrancy::fork_is_on(false);
        skipped::count();
        sampling::in_child();
        exemplar_slots::in_child();
        let _ = HELD.try_with(|h| h.borrow_mut().take());
        if let Some(forget) = FORGET.get() {
            forget();
        }
    }
}
