//! Re-exports the testkit, which the tests of the core share.

#![allow(unused_imports)]

pub use ferrometer_testkit::{Alone, NEVER, Publish, Random, SOON, alone, sink, wait_until};
