//! Work that takes long enough to be felt by others: it is done on another thread, and the one that serves goes on.

use super::answer::error;
use axum::http::StatusCode;
use axum::response::Response;
use tokio::runtime::Handle;

/// What `work` gives; or, if it panicked, an answer that says that something went wrong.
pub(super) async fn heavy<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Response> {
    // A mounted router may be driven by something else than tokio: then here and now.
    let Ok(runtime) = Handle::try_current() else { return Ok(work()) };
    let done = runtime.spawn_blocking(work).await;
    done.map_err(|_| error(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong in making the answer"))
}
