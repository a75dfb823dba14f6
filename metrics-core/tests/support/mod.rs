//! A backend made of a closure.

#![allow(dead_code)]

use ferrometer_core::{Backend, BackendError, Delivery, SnapshotView, Wants};
use std::time::Duration;

pub const SOON: Duration = Duration::from_secs(10);
pub const NEVER: Duration = Duration::from_secs(3600);

pub struct Publish<F>(pub F, pub Wants);

impl<F> Backend for Publish<F>
where
    F: FnMut(&mut SnapshotView<'_>) -> Result<Delivery, BackendError> + Send + 'static,
{
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        (self.0)(view)
    }

    fn flush(&mut self, view: &mut SnapshotView<'_>, _: std::time::Instant) -> Result<Delivery, BackendError> {
        (self.0)(view)
    }

    fn wants(&self) -> Wants {
        self.1
    }
}

/// Accepts everything.
pub fn sink() -> Box<dyn Backend> {
    Box::new(Publish(
        |view: &mut SnapshotView<'_>| {
            view.all_sent();
            Ok(Delivery::default())
        },
        Wants::TOTALS,
    ))
}
