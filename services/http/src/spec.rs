//! A route as the guards know it.

use crate::access::Access;
use std::sync::Arc;

/// See the [module](self).
pub(crate) struct Spec {
    /// The number of its service; `None` for the frame's own.
    pub(crate) service: Option<usize>,
    pub(crate) access: Access,
    pub(crate) max_body_bytes: usize,
}

impl Spec {
    pub(crate) fn new(service: Option<usize>, access: Access) -> Arc<Spec> {
        Arc::new(Spec { service, access, max_body_bytes: 0 })
    }
}
