//! Parts of a path, for handlers. A part that cannot be read is a refusal like any other, in the form of the service.

use crate::query_string::shorten;
use crate::refusal::Refusal;
use axum::extract::{self, FromRequestParts};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

/// The parts of a path in braces, decoded. It stands for the extractor of axum with this name, whose refusal is plain text.
///
/// ```
/// use ferrometer_http::{Path, Route};
///
/// let route = Route::get("/nodes/{node}", |Path(node): Path<String>| async move { node });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Path<T>, Refusal> {
        match extract::Path::from_request_parts(parts, state).await {
            Ok(extract::Path(found)) => Ok(Path(found)),
            Err(rejection) => {
                let path = shorten(parts.uri.path());
                Err(Refusal::new(
                    rejection.status(),
                    format!("the path {path:?} cannot be read: {}", rejection.body_text()),
                ))
            }
        }
    }
}
