//! Tools of the tests of the pushing backends: servers that are programs, servers that answer as they are told, also over TLS, and recordings that are hard
//! to deliver.

pub mod hard;
pub mod http;
pub mod peak;
pub mod program;
pub mod prometheus;
#[cfg(feature = "tls")]
pub mod tls;

use ferrometer_core::{Backend, BackendError, Delivery, SnapshotView};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub use ferrometer_testkit::{Alone, NEVER, SOON};

/// Keeps other tests out of the registry and the pipeline, in which nothing is installed.
pub fn alone() -> Alone {
    let alone = ferrometer_testkit::alone();
    ferrometer_core::shutdown(Duration::ZERO);
    alone
}

/// Waits until `check` returns something.
///
/// # Panics
/// When it does not within [`SOON`], with what `state` says.
pub fn wait_for<T>(mut check: impl FnMut() -> Option<T>, state: impl Fn() -> String) -> T {
    let until = Instant::now() + SOON;
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(Instant::now() < until, "not within {SOON:?}: {}", state());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A directory that is removed when it is dropped.
#[derive(Debug)]
pub struct Scratch(pub PathBuf);

impl Scratch {
    /// Makes an empty one.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("ferrometer-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    /// Writes a file in it.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A backend that hands its view to a function: for what needs one.
pub struct Look<F>(pub F);

impl<F: FnMut(&SnapshotView<'_>) + Send + 'static> Backend for Look<F> {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        (self.0)(view);
        Ok(Delivery::default())
    }
}

/// Calls a function with the view of a backend that has been installed before `record` recorded.
///
/// # Panics
/// When nothing is delivered.
pub fn with_view<T: Send + 'static>(
    record: impl FnOnce(),
    mut look: impl FnMut(&SnapshotView<'_>) -> T + Send + 'static,
) -> T {
    let seen = Arc::new(Mutex::new(None));
    let to = Arc::clone(&seen);
    let backend = Look(move |view: &SnapshotView<'_>| *to.lock().unwrap() = Some(look(view)));
    ferrometer_core::install("look", Box::new(backend), NEVER).unwrap();
    record();
    ferrometer_core::flush(SOON);
    ferrometer_core::remove("look", SOON);
    let mut seen = seen.lock().unwrap();
    seen.take().expect("a delivery")
}
