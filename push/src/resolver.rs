//! Addresses of a server: an address needs no look-up, and a name is looked up once a second at most. The client asks with each request, also where its
//! connection is there already, and a look-up takes a thread.

use crate::destination::Destinations;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// How long the addresses of a name are believed.
const BELIEVED: Duration = Duration::from_secs(1);

/// Looks names up, and gives addresses only where the policy allows all of them.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    policy: Option<Destinations>,
    resolver: DefaultResolver,
    found: Mutex<Option<Found>>,
}

/// The addresses of the name that was looked up last.
#[derive(Debug)]
struct Found {
    name: String,
    port: u16,
    addresses: Vec<SocketAddr>,
    when: Instant,
}

impl Addresses {
    pub(crate) fn new(policy: Option<Destinations>) -> Addresses {
        Addresses { policy, ..Addresses::default() }
    }

    /// Returns the addresses of a name that were found a moment ago.
    fn known(&self, name: &str, port: u16) -> Option<ResolvedSocketAddrs> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |found: &&Found| found.name == name && found.port == port && found.when.elapsed() < BELIEVED;
        found.as_ref().filter(is_it).map(|found| self.all(&found.addresses))
    }

    fn all(&self, addresses: &[SocketAddr]) -> ResolvedSocketAddrs {
        let mut all = self.resolver.empty();
        addresses.iter().for_each(|address| all.push(*address));
        all
    }
}

impl Resolver for Addresses {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let usual = match uri.scheme_str() {
            Some("http") => 80,
            Some("https") => 443,
            // A proxy of another kind.
            _ => return self.resolver.resolve(uri, config, timeout),
        };
        let port = uri.port_u16().unwrap_or(usual);
        let addresses = if let Ok(address) = host.parse::<IpAddr>() {
            self.all(&[SocketAddr::new(address, port)])
        } else if let Some(known) = self.known(host, port) {
            known
        } else {
            let all = self.resolver.resolve(uri, config, timeout)?;
            let found = Found { name: host.to_owned(), port, addresses: all.to_vec(), when: Instant::now() };
            *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
            all
        };
        if let Some(policy) = &self.policy {
            for address in addresses.iter() {
                policy.check(host, address.ip()).map_err(|reason| Error::Io(std::io::Error::other(reason)))?;
            }
        }
        Ok(addresses)
    }
}
