//! What the tests of the macros ask of a capture, in one place: the only file here that knows the capture scope's API.
#![allow(dead_code, unreachable_pub)]

use std::future::Future;

use ferrometer::stub::{EVENTS, Event, ON};

/// What was recorded inside one [`capture`].
pub struct Captured(Vec<Event>);

/// Runs `body` with recording on, and returns what this thread recorded.
pub fn capture(body: impl FnOnce()) -> Captured {
    struct Off;
    impl Drop for Off {
        fn drop(&mut self) {
            ON.set(false);
        }
    }
    let off = Off;
    ON.set(true);
    body();
    drop(off);
    Captured(EVENTS.take())
}

/// [`capture`] for a future.
pub fn capture_async(future: impl Future<Output = ()>) -> Captured {
    capture(|| block_on(future))
}

/// Runs a future to its end on this thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

/// Runs `body` and says whether it panicked; the panic's message is kept off the output.
pub fn panics(body: impl FnOnce()) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).is_err()
}

impl Captured {
    /// The sum a counter reached, over all labels.
    pub fn counter(&self, name: &str) -> i64 {
        self.of("counter", name)
            .map(|event| event.value as i64)
            .sum()
    }

    /// The sum a counter reached with exactly these labels.
    pub fn counter_with(&self, name: &str, labels: &[(&str, &str)]) -> i64 {
        self.of("counter", name)
            .filter(|event| has(event, labels))
            .map(|event| event.value as i64)
            .sum()
    }

    /// How often a timer was recorded, over all labels.
    pub fn timer(&self, name: &str) -> usize {
        self.of("timer", name).count()
    }

    /// How often a timer was recorded with exactly these labels.
    pub fn timer_with(&self, name: &str, labels: &[(&str, &str)]) -> usize {
        self.of("timer", name)
            .filter(|event| has(event, labels))
            .count()
    }

    /// The longest time recorded, in milliseconds.
    pub fn longest(&self, name: &str) -> f64 {
        self.of("timer", name)
            .map(|event| event.value)
            .fold(0.0, f64::max)
    }

    /// The last value of a gauge.
    pub fn gauge(&self, name: &str) -> Option<f64> {
        self.of("gauge", name).last().map(|event| event.value)
    }

    /// The last value of a gauge with exactly these labels.
    pub fn gauge_with(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.of("gauge", name)
            .rfind(|event| has(event, labels))
            .map(|event| event.value)
    }

    /// The logger a metric was recorded through.
    pub fn logger(&self, name: &str) -> Option<String> {
        self.0
            .iter()
            .find(|event| event.name == name)
            .map(|event| event.logger.replace("::", "."))
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn of<'a>(
        &'a self,
        kind: &'a str,
        name: &'a str,
    ) -> impl DoubleEndedIterator<Item = &'a Event> {
        self.0
            .iter()
            .filter(move |event| event.kind == kind && event.name == name)
    }
}

fn has(event: &Event, labels: &[(&str, &str)]) -> bool {
    event.labels.len() == labels.len()
        && event
            .labels
            .iter()
            .all(|(key, value)| labels.contains(&(key.as_str(), value.as_str())))
}
