//! Every command, as an operator types it: the real binary, real servers, what is printed, and the exit code.

mod archive;
mod catalogue;
mod check;
mod collect;
mod common;
mod dump;
mod help;
mod image;
mod lookup;
mod serve;
mod servers;
mod tap;
mod top;
