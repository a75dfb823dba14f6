//! A backend knows its last delivery, in `publish` and in `flush`, and no other.

use ferrometer_core::{Backend, BackendError, Delivery, SnapshotView, flush, get_logger, install, remove};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

struct Last(Arc<Mutex<Vec<(&'static str, bool)>>>);

impl Backend for Last {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        self.0.lock().unwrap().push(("publish", view.is_last()));
        Ok(Delivery::default())
    }

    fn flush(&mut self, view: &mut SnapshotView<'_>, _: Instant) -> Result<Delivery, BackendError> {
        self.0.lock().unwrap().push(("flush", view.is_last()));
        Ok(Delivery::default())
    }
}

#[test]
fn only_the_delivery_of_a_removal_is_the_last() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    install("last", Box::new(Last(Arc::clone(&calls))), Duration::from_secs(3600)).unwrap();
    get_logger("last").send_counter("c", 1);
    flush(Duration::from_secs(60));
    remove("last", Duration::from_secs(60)).unwrap();
    let expected = [("publish", false), ("flush", false), ("publish", true), ("flush", true)];
    assert_eq!(*calls.lock().unwrap(), expected);
}
