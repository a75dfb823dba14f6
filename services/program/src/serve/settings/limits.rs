//! Bounds of the values of the server's file, and which tables need each other.

use super::{Http, Settings};
use crate::text::visible;
use std::time::Duration;

impl Settings {
    pub(super) fn check(&self) -> Result<(), String> {
        let most = Duration::from_secs(3600);
        if self.drain > most {
            return Err(format!("drain = {:?}: expected at most 1h", self.drain));
        }
        if let Some(http) = &self.http
            && http.tls_cert.is_some() != http.tls_key.is_some()
        {
            return Err("http.tls_cert and http.tls_key belong together, and one is missing".to_owned());
        }
        if let Some(statsd) = &self.statsd {
            if statsd.listen.is_empty() {
                return Err("statsd.listen is empty: expected addresses such as \"udp://127.0.0.1:8125\"; without statsd, leave the table out".into());
            }
            let twice = statsd
                .listen
                .iter()
                .enumerate()
                .find(|(at, one)| !one.to_string().ends_with(":0") && statsd.listen[..*at].contains(one));
            if let Some((_, one)) = twice {
                return Err(format!("statsd.listen has {:?} twice", one.to_string()));
            }
            if !statsd.archive && !statsd.record {
                return Err("statsd.archive and statsd.record are both false: lines would go nowhere".into());
            }
            if statsd.flush < Duration::from_millis(100) {
                return Err(format!("statsd.flush = {:?}: expected at least 100ms", statsd.flush));
            }
        }
        let body = |key: &str, bytes: usize| match (1024..=1 << 30).contains(&bytes) {
            true => Ok(()),
            false => Err(format!("{key} = {bytes}: expected bytes from 1024 to {}", 1 << 30)),
        };
        if let Some(remote_write) = &self.remote_write {
            body("remote_write.max_body", remote_write.max_body)?;
            path("remote_write.path", &remote_write.path)?;
            if let Some(table) = self.serves(&remote_write.path) {
                return Err(format!("remote_write.path = {:?}: [{table}] is served there", remote_write.path));
            }
        }
        if let Some(influx) = &self.influx {
            body("influx.max_body", influx.max_body)?;
            if influx.resource_tag.is_empty() || influx.resource_tag.contains(|c: char| c.is_control() || !c.is_ascii())
            {
                return Err("influx.resource_tag: expected the name of a tag, such as \"host\"".into());
            }
        }
        if let Some(gnocchi) = &self.gnocchi {
            body("gnocchi.max_body", gnocchi.max_body)?;
            if gnocchi.address.is_none() {
                path("gnocchi.prefix", &gnocchi.prefix)?;
            }
            let http = self.http.as_ref().map_or(Http::default().address, |http| http.address);
            if gnocchi.address.is_some_and(|address| address == http && http.port() != 0) && self.has_http() {
                return Err(
                    "gnocchi.address is that of [http]: leave it out to be served there, below gnocchi.prefix".into()
                );
            }
            if gnocchi.max_limit == 0 {
                return Err("gnocchi.max_limit = 0: expected at least 1".into());
            }
        }
        if let Some(archive) = &self.archive {
            if archive.workers.is_some_and(|workers| !(1..=64).contains(&workers)) {
                return Err("archive.workers: expected 1 to 64".into());
            }
            if archive.memory < 1 << 20 {
                return Err(format!("archive.memory = {}: expected at least {} bytes", archive.memory, 1 << 20));
            }
        }
        if let Some(cache) = &self.cache
            && (cache.interval < Duration::from_secs(1) || !(1..=100_000).contains(&cache.generations))
        {
            return Err("cache: expected an interval of at least 1s, and 1 to 100000 generations".into());
        }
        if let Some(servers) = &self.metric_servers {
            let http = self.http.clone().unwrap_or_default();
            let is_guarded = !http.tokens.is_empty() || http.tokens_file.is_some();
            if !is_guarded && !http.address.ip().to_canonical().is_loopback() {
                return Err("[metric_servers] needs tokens at an address that other machines can reach: anyone who reaches it could send metrics anywhere".into());
            }
            if !(1..=256).contains(&servers.max_servers) {
                return Err(format!("metric_servers.max_servers = {}: expected 1 to 256", servers.max_servers));
            }
            if servers.interval < Duration::from_millis(10) {
                return Err(format!("metric_servers.interval = {:?}: expected at least 10ms", servers.interval));
            }
        }
        if self.page.is_some() && self.cache.is_none() {
            return Err("[page] shows what [cache] keeps, and that table is not there".into());
        }
        if self.proxmox.is_some() && self.cache.is_none() {
            return Err("[proxmox] shows what [cache] keeps, and that table is not there".into());
        }
        Ok(())
    }

    /// Returns the table that is served at a path.
    fn serves(&self, path: &str) -> Option<&'static str> {
        let tables: [(&str, bool, &[&str]); 3] = [
            ("influx", self.influx.is_some(), &["/write", "/api/v2/write"]),
            ("cache", self.cache.is_some(), &["/v1/metrics", "/v1/instruments", "/v1/cardinality", "/metrics"]),
            ("lookup", self.lookup.is_some(), &["/v1/lookup"]),
        ];
        tables.into_iter().find(|(_, is_on, paths)| *is_on && paths.contains(&path)).map(|(table, ..)| table)
    }
}

/// Checks a path of a route.
fn path(key: &str, text: &str) -> Result<(), String> {
    let letter = |b: u8| b.is_ascii_alphanumeric() || b"/-_.".contains(&b);
    let parts = text.strip_prefix('/').unwrap_or_default();
    match !parts.is_empty() && !parts.ends_with('/') && !parts.contains("//") && text.bytes().all(letter) {
        true => Ok(()),
        false => {
            Err(format!("{key} = {:?}: expected a path such as \"/gnocchi\", of letters, digits, - _ .", visible(text)))
        }
    }
}
