//! Helpers that the tests of the workspace share. Dev-only: no published crate depends on it.
//!
//! | module | holds |
//! |---|---|
//! | [`alone`](mod@alone) | the lock that gives one test the process-wide pipeline |
//! | [`wait`] | how long a test waits for what must happen, and for what must not |
//! | [`backend`] | backends made of a closure, a sink, and one that remembers what it was given |
//! | [`receiver`] | a UDP receiver of statsd lines |
//! | [`server`] | a counting statsd server over UDP and TCP that can be away for a while |
//! | [`scratch`] | directories and ports that belong to one test |
//! | `child` | work in the child of a fork |
//! | [`console`] | a page's lines of shell, run as they stand |
//! | [`random`] | repeatable random numbers |
//!
//! A test waits for an event with an end so late that only a hang reaches it, and never asserts how fast something was: the machine
//! may be busy with something else.

pub mod alone;
pub mod backend;
#[cfg(unix)]
pub mod child;
pub mod console;
pub mod random;
pub mod receiver;
pub mod scratch;
pub mod server;
pub mod wait;

pub use alone::{Alone, alone};
pub use backend::{Publish, Record, Recorder, sink};
#[cfg(unix)]
pub use child::in_a_child;
pub use random::Random;
pub use receiver::Receiver;
pub use scratch::{Scratch, free_tcp_port, free_udp_port};
pub use wait::{NEVER, SOON, wait_until};
