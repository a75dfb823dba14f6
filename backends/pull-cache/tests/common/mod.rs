//! Helpers of the tests: a cache with totals beside it, installed as the facade installs them.

#![allow(dead_code)]

#[path = "../../../prometheus/tests/common/mod.rs"]
pub mod prometheus;

pub use prometheus::{NEVER, SOON, parse};

use ferrometer_core::{
    Backend, BackendError, Delivery, Ledger, Limits, Naming, SnapshotView, configure, flush, install, remove,
};
use ferrometer_prometheus::{Prometheus, PrometheusHandle};
use ferrometer_pull_cache::{PullCacheBackend, PullCacheHandle, Settings};
use ferrometer_testkit::{Alone, alone};
use std::time::Duration;

/// A cache, and totals of the same snapshots. The account is the cache's.
pub struct Pair {
    pub cache: PullCacheBackend,
    pub totals: Prometheus,
}

impl Pair {
    pub fn new(cache: PullCacheBackend, totals: ferrometer_prometheus::Settings) -> Pair {
        Pair { cache, totals: Prometheus::new(totals) }
    }

    pub fn handles(&self) -> Handles {
        Handles { cache: self.cache.handle(), totals: self.totals.handle() }
    }
}

impl Backend for Pair {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        self.totals.observe(view);
        self.cache.publish(view)
    }
}

/// Readers of both.
#[derive(Clone)]
pub struct Handles {
    pub cache: PullCacheHandle,
    pub totals: PrometheusHandle,
}

impl From<PullCacheHandle> for Handles {
    /// With totals of nothing.
    fn from(cache: PullCacheHandle) -> Handles {
        Handles { cache, totals: Prometheus::new(Default::default()).handle() }
    }
}

impl From<&Cache> for Handles {
    fn from(cache: &Cache) -> Handles {
        Handles { cache: cache.handle.clone(), totals: cache.totals.clone() }
    }
}

/// An installed cache; nobody else uses the pipeline meanwhile, which is one for the process.
pub struct Cache {
    pub handle: PullCacheHandle,
    pub totals: PrometheusHandle,
    installed: bool,
    _alone: Alone,
}

impl Cache {
    pub fn install(interval: Duration) -> Cache {
        Cache::install_with(Naming::default(), interval)
    }

    pub fn install_with(naming: Naming, interval: Duration) -> Cache {
        let alone = alone();
        configure(naming, Limits::default(), Vec::new());
        let backend = Pair::new(PullCacheBackend::new(Settings::default()), Default::default());
        let Handles { cache, totals } = backend.handles();
        install("pull-cache", Box::new(backend), interval).unwrap();
        Cache { handle: cache, totals, installed: true, _alone: alone }
    }

    /// Makes a generation now.
    pub fn flush(&self) {
        let report = flush(SOON);
        assert!(report.complete, "{report:?}");
        assert!(report.ledgers.iter().all(Ledger::balances), "{report:?}");
    }

    pub fn remove(mut self) -> Ledger {
        self.installed = false;
        let ledger = remove("pull-cache", SOON).unwrap();
        assert!(ledger.balances(), "{ledger}");
        assert_eq!((ledger.errors, ledger.panics), (0, 0));
        ledger
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        if self.installed {
            remove("pull-cache", SOON);
        }
    }
}

/// Some megabytes of history: generations of many timers each.
pub fn fill(cache: &Cache, generations: usize, timers: usize) {
    let logger = ferrometer_core::get_logger("fill.orders.service");
    for generation in 0..generations {
        if generation > 0 {
            std::thread::sleep(Duration::from_millis(1050));
        }
        for at in 0..timers {
            let name = format!("endpoint_{at:04}.request.time");
            let timer = logger.timer(ferrometer_core::Dynamic(&name));
            for step in 0..3_u64 {
                timer.record(Duration::from_micros(
                    500 + (at as u64 * 7919 + generation as u64 * 104_729 + step * 977) % 90_000,
                ));
            }
        }
        cache.flush();
    }
}
