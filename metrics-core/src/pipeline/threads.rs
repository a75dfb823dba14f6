//! Threads of ferrometer's own: how each of them begins.
//!
//! A program must not notice them. Two things would show. A signal that the program blocks after `init`, and waits for with `sigwait`, would be
//! delivered to a thread that does not block it, and end the program. And a process that forks while a thread is being born copies the locks that the
//! standard library holds at that moment, which nobody opens in the child.

use super::signals;
use std::sync::{Arc, Barrier, Mutex, MutexGuard, PoisonError};
use std::{io, thread};

/// Held while a thread is being born, and by a fork: no child is made of a process where one is half born.
static BIRTH: Mutex<()> = Mutex::new(());

/// Starts a thread, as [`control::spawn`](super::control::spawn) does, in a process whose forks are watched.
pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<thread::JoinHandle<()>> {
    // Boxed, so that there is one function of this kind.
    start(name, Box::new(work))
}

fn start(name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<thread::JoinHandle<()>> {
    let builder = thread::Builder::new().name(format!("ferrometer-{name}"));
    let begun = Arc::new(Barrier::new(2));
    let begin = Arc::clone(&begun);
    let birth = freeze();
    let thread = without_signals(|| {
        builder.spawn(move || {
            begin.wait();
            drop(begin);
            work();
        })
    })?;
    begun.wait();
    drop(birth);
    Ok(thread)
}

/// Calls `make` with the program's signals blocked, and then sets the thread's mask to what it was. Threads that `make` starts never take a signal of the
/// program. For libraries that start their threads themselves; else see [`spawn`](crate::spawn).
///
/// ```
/// let thread = ferrometer_core::without_signals(|| std::thread::spawn(|| 1 + 1));
/// assert_eq!(thread.join().unwrap(), 2);
/// ```
pub fn without_signals<T>(make: impl FnOnce() -> T) -> T {
    let _blocked = signals::block();
    make()
}

/// Lets no thread be born while the guard lives: for `fork`.
pub(super) fn freeze() -> MutexGuard<'static, ()> {
    BIRTH.lock().unwrap_or_else(PoisonError::into_inner)
}
