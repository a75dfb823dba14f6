//! Judges that the targets share: strict parsers of everything that comes out. They are those of the tests, and share nothing with what
//! they judge.

/// Lines of statsd, and who receives them.
#[path = "../../backends/statsd/tests/support/mod.rs"]
pub mod statsd;

/// The Prometheus text.
#[path = "../../backends/prometheus/tests/common/mod.rs"]
pub mod prometheus;

pub mod process;
