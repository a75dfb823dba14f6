//! The basement: primitives that the other rooms stand on.
//!
//! - **In**: nothing of the other rooms.
//! - **Out**: atomics and locks (the model checker's, where it is on), a pointer that is published once, the guard against waiting for ever, memory that a fork wipes, and diagnostics.
//! - **Invariants**: a lock never stays poisoned. A subscriber of diagnostics is called with no lock of ours held.
//!
//! Read in this order: [`shims`], [`publish_once`], [`reentrancy`], [`wiped`], [`diagnostics`], `models` (the model checks of the hand-overs; tests only).

#[cfg(not(ferrometer_loom))]
pub(crate) mod diagnostics;
#[cfg(all(test, ferrometer_loom))]
mod models;
pub(crate) mod publish_once;
#[cfg(not(ferrometer_loom))]
pub(crate) mod reentrancy;
mod shims;
#[cfg(not(ferrometer_loom))]
pub(crate) mod wiped;

pub(crate) use shims::*;
