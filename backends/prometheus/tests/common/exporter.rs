//! An installed exporter; nobody else uses the pipeline meanwhile, which is one for the process.

use super::SOON;
use ferrometer_core::{Ledger, Limits, Naming, configure, flush, install, remove};
use ferrometer_prometheus::{Prometheus, PrometheusHandle, Settings};
use ferrometer_testkit::{Alone, alone};
use std::time::Duration;

pub struct Cache {
    pub handle: PrometheusHandle,
    installed: bool,
    _alone: Alone,
}

impl Cache {
    pub fn install(interval: Duration) -> Cache {
        let alone = alone();
        configure(Naming::default(), Limits::default(), Vec::new());
        let backend = Prometheus::new(Settings::default());
        let handle = backend.handle();
        install("prometheus", Box::new(backend), interval).unwrap();
        Cache { handle, installed: true, _alone: alone }
    }

    /// Delivers now.
    pub fn flush(&self) {
        let report = flush(SOON);
        assert!(report.complete, "{report:?}");
        assert!(report.ledgers.iter().all(Ledger::balances), "{report:?}");
    }

    pub fn remove(mut self) -> Ledger {
        self.installed = false;
        let ledger = remove("prometheus", SOON).unwrap();
        assert!(ledger.balances(), "{ledger}");
        assert_eq!((ledger.errors, ledger.panics), (0, 0));
        ledger
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        if self.installed {
            remove("prometheus", SOON);
        }
    }
}
