//! The pull cache with what works beside it on the same snapshots: the totals that `/metrics` shows, and the reader of the node's own
//! metrics. The account is the cache's alone.

use ferrometer_core::{Backend, BackendError, Delivery, SnapshotView, Wants};
use ferrometer_pull_cache::PullCacheBackend;
use std::time::Instant;

/// See the [module](self).
pub(crate) struct Accompanied {
    pub(crate) backend: PullCacheBackend,
    #[cfg(feature = "http")]
    pub(crate) totals: Option<ferrometer_prometheus::Prometheus>,
    #[cfg(all(feature = "host-metrics", target_os = "linux"))]
    pub(crate) host: Option<ferrometer_host::HostMetrics>,
}

impl Accompanied {
    fn deliver(
        &mut self,
        view: &mut SnapshotView<'_>,
        deliver: impl FnOnce(&mut PullCacheBackend, &mut SnapshotView<'_>) -> Result<Delivery, BackendError>,
    ) -> Result<Delivery, BackendError> {
        // Before the generation is there, so that who sees it sees its totals too.
        #[cfg(feature = "http")]
        if let Some(totals) = &mut self.totals {
            totals.observe(view);
        }
        let delivered = deliver(&mut self.backend, view);
        #[cfg(all(feature = "host-metrics", target_os = "linux"))]
        if let Some(host) = &self.host {
            host.published();
        }
        delivered
    }
}

impl Backend for Accompanied {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        self.deliver(view, |backend, view| backend.publish(view))
    }

    fn wants(&self) -> Wants {
        self.backend.wants()
    }

    fn flush(&mut self, view: &mut SnapshotView<'_>, deadline: Instant) -> Result<Delivery, BackendError> {
        self.deliver(view, |backend, view| backend.flush(view, deadline))
    }
}
