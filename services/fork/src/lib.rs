//! The child of a fork, and what it has from its parent.
//!
//! It has a copy of all memory, and one thread: a lock that another thread of its parent held is held for ever. It has its parent's open files too, and with
//! them their locks. So state of a process begins again in a child ([`PerProcess`]), and a file that is locked belongs to the parent until that has
//! ended ([`FileLock`]). A daemon is such a child: it takes over what its parent had.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod ancestor;
#[cfg(feature = "lock")]
mod file_lock;
mod per_process;

pub use ancestor::ancestor_is_running;
#[cfg(feature = "lock")]
pub use file_lock::{FileLock, is_at};
#[cfg(feature = "lock")]
pub use fs4::TryLockError;
pub use per_process::PerProcess;
