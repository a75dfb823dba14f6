//! A route as the guards know it.

use crate::access::Access;
use axum::http::Method;
use std::sync::Arc;

/// See the [module](self).
pub(crate) struct Spec {
    /// The number of its service; `None` for the frame's own.
    pub(crate) service: Option<usize>,
    pub(crate) access: Access,
    pub(crate) max_body_bytes: usize,
    /// True if OPTIONS needs no token.
    pub(crate) open_options: bool,
}

impl Spec {
    pub(crate) fn new(service: Option<usize>, access: Access) -> Arc<Spec> {
        Arc::new(Spec { service, access, max_body_bytes: 0, open_options: false })
    }

    /// Returns whether everyone may ask with a method, with or without a token.
    pub(crate) fn is_open_to(&self, method: &Method) -> bool {
        self.access.is_public() || (self.open_options && method == Method::OPTIONS)
    }
}
