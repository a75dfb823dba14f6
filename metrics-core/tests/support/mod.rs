//! What the tests of the core share, which stands in the testkit.

#![allow(unused_imports)]

pub use ferrometer_testkit::{Alone, NEVER, Publish, Random, SOON, alone, sink};
