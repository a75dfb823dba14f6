//! Call sites that count what is in flight: a part of what `#[measured]` expands to.

use crate::callsite::cached_series::Site;
use crate::instrument::guard::InFlightGuard;
use crate::instrument::logger::Logger;
use crate::record::enabled::enabled;
use crate::registry::kind::Kind;

/// A place that counts what is in flight.
pub struct InFlightSite(Site);

impl InFlightSite {
    /// Returns a site that has seen no call.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(Site::new(name, 0.0))
    }

    /// Returns the site with what the macro says of it; see [`Told`](crate::callsite::told::Told).
    #[must_use]
    pub const fn told(self, record: &'static [u8]) -> Self {
        Self(self.0.told(record))
    }

    /// Counts one more, until the guard is dropped.
    #[inline(always)]
    pub fn enter(&'static self, logger: &Logger) -> Option<InFlightGuard> {
        enabled().then(|| self.enter_on(logger))
    }

    #[inline(never)]
    fn enter_on(&'static self, logger: &Logger) -> InFlightGuard {
        InFlightGuard::enter(self.0.series(logger, Kind::InFlight))
    }
}
