//! A rehearsal of the server: what of a file is only found wrong when its parts are put together. Certificates, tokens and the names of an archive's policies
//! are read, no address is bound, and nothing is written.

use super::settings::Settings;
use super::{message, mount, running};
use crate::outcome::Result;
use ferrometer::Config;
use ferrometer::agent::Options;
use ferrometer::services::proxmox::ProxmoxNode;
use ferrometer_archive::Archive;
use ferrometer_http::Frame;
use ferrometer_pull_cache::{PullCacheBackend, Settings as CacheSettings};

/// Returns what [`serve`](super) would refuse, a message each.
pub(crate) fn faults(settings: &Settings, config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    let mut look = |result: Result| found.extend(result.err().map(|failure| message(&failure)));
    look(running::with_cache(settings, config.clone()).map(drop));
    let http = settings.http.clone().unwrap_or_default();
    let check = |frame: Frame| frame.check().map_err(|error| mount::wrong("http", &error));
    if settings.has_http() {
        look(check(mount::secured(&http, Frame::new(), settings)));
    }
    if let Some(address) = settings.gnocchi.as_ref().and_then(|gnocchi| gnocchi.address) {
        look(check(mount::secured(&http, Frame::new(), settings).address(address)));
    }
    if let Some(proxmox) = &settings.proxmox {
        let cache = PullCacheBackend::new(CacheSettings::default());
        look(mount::node(proxmox).and_then(|node| {
            ProxmoxNode::open(&node, cache.handle()).map(drop).map_err(|error| mount::wrong("proxmox", &error))
        }));
    }
    if let Some(given) = &settings.lookup {
        look(mount::lookup(given, &Options::from(config)).map(drop));
    }
    if settings.has_archive() {
        let own = settings.archive.clone().unwrap_or_default();
        // An index that cannot be read is not for a rehearsal to judge.
        if let Ok(known) = Archive::policies_in(&settings.data.join("archive"), own.default_policies) {
            look(mount::has_policy(settings, &known));
        }
    }
    found
}
