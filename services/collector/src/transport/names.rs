//! Addresses of a server's name.
//!
//! ureq resolves the name before each request, also where it has a connection already, and starts a thread for it, because the system's
//! resolver knows no timeout. An address that is one already needs neither, and a name is asked for once in a while.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Age at which a name is resolved again.
const AGE: Duration = Duration::from_secs(5);

/// Resolves names, and remembers the one that was asked for last.
#[derive(Debug, Default)]
pub(super) struct Names {
    resolver: DefaultResolver,
    known: Mutex<Option<(Uri, Instant, ResolvedSocketAddrs)>>,
}

/// Returns if two addresses name the same host and port.
fn same(a: &Uri, b: &Uri) -> bool {
    a.authority() == b.authority() && a.scheme() == b.scheme()
}

impl Resolver for Names {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((name, since, addresses)) = &*known
                && same(name, uri)
                && since.elapsed() < AGE
            {
                return Ok(addresses.clone());
            }
        }
        let addresses = self.resolver.resolve(uri, config, timeout)?;
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((uri.clone(), Instant::now(), addresses.clone()));
        Ok(addresses)
    }
}
