//! This node of a cluster: its cache, its peers, and what its two services share.

use crate::export_rows::Names;
use crate::peers::Cluster;
use crate::settings::Proxmox;
use ferrometer_cache_api::Unwritable;
use ferrometer_http::ServeError;
use ferrometer_pull_cache::PullCacheHandle;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// This node, which [`Exports`](crate::Exports) and [`Nodes`](crate::Nodes) serve.
#[derive(Debug)]
pub struct ProxmoxNode {
    pub(crate) handle: PullCacheHandle,
    pub(crate) cluster: Cluster,
    pub(crate) names: Names,
    /// For questions of one other node that are under way: they leave places for other answers.
    pub(crate) forwarding: Semaphore,
    pub(crate) unwritable: Unwritable,
}

impl ProxmoxNode {
    /// Opens the node over a cache. Reads the files of its peers, and asks nobody yet.
    ///
    /// # Errors
    /// [`ServeError::Setting`]: the name of this node or of a peer is none, a peer is described wrongly, or a number is out of its range.
    pub fn open(settings: &Proxmox, handle: PullCacheHandle) -> Result<Arc<ProxmoxNode>, ServeError> {
        Ok(Arc::new(ProxmoxNode {
            handle,
            cluster: Cluster::new(settings)?,
            names: Names::default(),
            forwarding: Semaphore::new(settings.max_forwarded),
            unwritable: Unwritable::default(),
        }))
    }

    /// Returns the counter of rows that were left out of answers because they cannot be written, or have no name of their own.
    #[must_use]
    pub fn unwritable(&self) -> Unwritable {
        self.unwritable.clone()
    }
}

pub(crate) use ferrometer_http::api_token as credentials;

#[cfg(test)]
mod tests {
    use super::*;
    use ferrometer_http::{Credentials, HeaderMap, HeaderValue, header};

    #[test]
    fn tokens_in_the_forms_of_proxmox() {
        let read = |line: &'static str| {
            credentials(&HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(line))]))
        };
        let with_id = |id: &str| Some(Credentials::new("correct-horse").with_id(id));
        for (line, expected) in [
            ("Bearer correct-horse", Some(Credentials::new("correct-horse"))),
            ("PVEAPIToken=root@pam!second=correct-horse", with_id("root@pam!second")),
            ("PBSAPIToken=root@pam!second:correct-horse", with_id("root@pam!second")),
            ("PBSAPIToken second:correct-horse", with_id("second")),
            ("PVEAPIToken=correct-horse", None),
            ("PVEAPIToken=a@pam!second:correct-horse", None),
            ("PBSAPIToken=a@pbs!second=correct-horse", None),
            ("pveapitoken=a@pam!second=correct-horse", None),
            ("Basic correct-horse", None),
            ("", None),
        ] {
            assert_eq!(read(line), expected, "{line}");
        }
    }
}
