//! Every command, as an operator types it: the real binary, real servers, what is printed, and the exit code.

mod archive;
#[cfg(feature = "archive-servers")]
#[path = "../../../archive/tests/common/servers.rs"]
#[allow(dead_code, reason = "a test of the program needs PostgreSQL alone")]
mod archive_servers;
mod catalogue;
mod check;
mod collect;
mod common;
mod dump;
mod help;
mod image;
mod lookup;
mod paths;
mod serve;
mod servers;
mod tap;
mod top;

/// A directory of a server of a test.
#[cfg(feature = "archive-servers")]
use ferrometer_testkit::scratch::Scratch;
