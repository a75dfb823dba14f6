//! Room 1: the things a program holds. Loggers, handles and guards.
//!
//! - **In**: calls of the program, with names, labels and values of its own types.
//! - **Out**: a [`Series`](crate::Series) from the registry, and a number for the recording path.
//! - **Invariants**: a handle is a plain reference to its series; it is `Copy` and never goes stale. A guard records exactly once, on whichever
//!   way its block is left. While nothing is recorded, a call reads one word and returns.
//!
//! Read in this order: [`logger`] (names begin here), [`sampled`] (a logger with a rate), [`handle`] (one instrument, looked up once), [`guard`]
//! (records when a block ends), [`timed_future`] (records when a future ends), [`observed`] (gauges that are asked for),
//! [`recordable`] (the types that can be recorded, and the forms a name may have).

pub(crate) mod guard;
pub(crate) mod handle;
pub(crate) mod logger;
pub(crate) mod observed;
pub(crate) mod recordable;
pub(crate) mod sampled;
pub(crate) mod timed_future;
