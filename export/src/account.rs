//! The account of a delivery by a backend that takes everything, but for instruments whose name is refused.

use ferrometer_core::{Cause, Change, Series, SnapshotView};

/// Hands in the changes of refused series as dropped, and all others as sent. `refused` returns why a series is not delivered.
///
/// ```
/// use ferrometer_core::{Backend, BackendError, Cause, Delivery, SnapshotView};
///
/// /// Delivers nothing whose name begins with `secret`.
/// struct Discreet;
///
/// impl Backend for Discreet {
///     fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
///         ferrometer_export::account(view, |series| {
///             series.metric_name().starts_with("secret").then_some(Cause::Name)
///         });
///         Ok(Delivery::default())
///     }
/// }
/// # ferrometer_core::install("discreet", Box::new(Discreet), std::time::Duration::from_secs(3600)).unwrap();
/// # let logger = ferrometer_core::get_logger("account");
/// # logger.send_counter("secret", 3);
/// # logger.send_counter("open", 5);
/// # assert!(ferrometer_core::flush(std::time::Duration::from_secs(2)).complete);
/// # let ledger = ferrometer_core::ledgers().into_iter().find(|ledger| ledger.backend == "discreet").unwrap();
/// # assert_eq!(ledger.dropped[Cause::Name].value, 3);
/// # ferrometer_core::remove("discreet", std::time::Duration::from_secs(2));
/// ```
pub fn account(view: &SnapshotView<'_>, refused: impl Fn(&'static Series) -> Option<Cause>) {
    for delta in view.deltas() {
        let Some(cause) = refused(delta.series) else { continue };
        if let Change::Values { singles, merged, .. } = &delta.change {
            singles.iter().for_each(|value| view.dropped(&delta.value_receipt(*value), cause));
            for (bucket, count) in merged {
                view.dropped(&delta.merged_receipt(*bucket, *count), cause);
            }
        } else {
            view.dropped(&delta.receipt(), cause);
        }
    }
    view.all_sent();
}
