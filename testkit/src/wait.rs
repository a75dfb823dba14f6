//! How long a test waits: for what must happen, and for what must not.

use std::thread;
use std::time::{Duration, Instant};

/// The end of a wait for something that happens at once on an idle machine. Only a hang reaches it.
pub const SOON: Duration = Duration::from_secs(60);

/// The interval of something that is not to happen by itself while a test runs.
pub const NEVER: Duration = Duration::from_secs(3600);

/// Waits until `done` is true.
///
/// # Panics
///
/// When it is not within [`SOON`]; the message names `what`.
#[track_caller]
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + SOON;
    while !done() {
        assert!(Instant::now() < until, "after {} s still waiting for {what}", SOON.as_secs());
        thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_ends_with_the_event() {
        let mut asked = 0;
        wait_until("the third question", || {
            asked += 1;
            asked == 3
        });
        assert_eq!(asked, 3);
    }
}
