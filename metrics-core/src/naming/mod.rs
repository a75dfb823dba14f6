//! Room 3: how things are called. The one gate that every name and id passes before it reaches a wire.
//!
//! - **In**: texts of the program, of any length and content.
//! - **Out**: names of `[A-Za-z0-9_.-]` and ids of objects, joined as every format can carry them.
//! - **Invariants**: a gated name can add no line, type, tag or rate to any format. Gating depends on the text alone.
//!
//! Read in this order: [`name`] (names and labels), [`pattern`] (which names a rule is about), [`prefix`] (how full names begin), [`uuid`] (the one that a host may have behind it), [`object`] (ids of virtual machines, stores and the like).

pub mod name;
pub mod object;
pub(crate) mod pattern;
pub(crate) mod prefix;
pub(crate) mod uuid;
