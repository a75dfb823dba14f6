//! Work that takes long enough to be felt by others: it is done on another thread, and the one that serves goes on.
//!
//! Work for a client that is gone before it was begun is not done: else clients that ask and close at once could leave hours of it.

use crate::refusal::Refusal;
use axum::http::StatusCode;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// What is waited for; not begun any more when nobody waits.
struct Awaited<T>(JoinHandle<T>);

impl<T> Drop for Awaited<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Does `work` on another thread, and returns its result. Work whose caller is dropped before it began is not done.
///
/// # Errors
/// When the work panicked, a refusal that says that something went wrong.
pub async fn offload<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
    // A mounted router may be driven by something else than tokio: then here and now.
    let Ok(runtime) = Handle::try_current() else { return Ok(work()) };
    let mut awaited = Awaited(runtime.spawn_blocking(work));
    let done = (&mut awaited.0).await;
    done.map_err(|_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong in making the answer"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn what_nobody_waits_for_is_not_begun() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(1).build().unwrap();
        let done = Arc::new(AtomicUsize::new(0));
        let (go, gate) = mpsc::channel::<()>();
        runtime.block_on(async {
            let first = tokio::spawn(offload(move || gate.recv().is_ok()));
            tokio::task::yield_now().await;
            for _ in 0..100 {
                let done = Arc::clone(&done);
                let gone = offload(move || done.fetch_add(1, SeqCst));
                assert!(tokio::time::timeout(Duration::from_millis(1), gone).await.is_err());
            }
            go.send(()).unwrap();
            assert!(matches!(first.await, Ok(Ok(true))));
            let last = Arc::clone(&done);
            assert_eq!(offload(move || last.load(SeqCst)).await.ok(), Some(0));
        });
    }
}
