//! Meaning of the server's file, for who reads it: a part, and what it does.

use super::{Cache, Settings};

impl Settings {
    /// Returns what the document means: a part, and what it does.
    pub(crate) fn meaning(&self) -> Vec<(String, String)> {
        let mut out = Vec::new();
        let mut say = |what: &str, how: String| out.push((what.to_owned(), how));
        say("data", self.data.display().to_string());
        let http = self.http.clone().unwrap_or_default();
        let scheme = if http.tls_cert.is_some() { "https" } else { "http" };
        let at = format!("{scheme}://{}", http.address);
        if self.has_http() {
            let tokens = http.tokens.len();
            let who = match (tokens, &http.tokens_file) {
                (0, None) => "without tokens".to_owned(),
                (_, None) => format!("{tokens} tokens"),
                (_, Some(path)) => format!("{tokens} tokens, and those of {}", path.display()),
            };
            say("http", format!("{at}, {who}"));
        }
        if let Some(statsd) = &self.statsd {
            let places: Vec<String> = statsd.listen.iter().map(ToString::to_string).collect();
            let to = match (statsd.archive, statsd.record) {
                (true, true) => "into the archive, and recorded",
                (true, false) => "into the archive",
                _ => "recorded",
            };
            say("statsd", format!("{}, {to}", places.join(", ")));
        }
        if let Some(remote_write) = &self.remote_write {
            say("remote write", format!("{at}{}", remote_write.path));
        }
        if self.influx.is_some() {
            say("influx", format!("{at}/write and {at}/api/v2/write"));
        }
        if self.has_archive() {
            say("archive", self.data.join("archive").display().to_string());
        }
        if let Some(gnocchi) = &self.gnocchi {
            let place = gnocchi
                .address
                .map_or_else(|| format!("{at}{}", gnocchi.prefix), |address| format!("{scheme}://{address}"));
            say("gnocchi", place);
        }
        if let Some(cache) = &self.cache {
            let Cache { interval, generations, .. } = cache;
            say("cache", format!("{at}/v1/metrics, {} generations, one every {interval:?}", generations + 1));
        }
        if self.proxmox.is_some() {
            say("proxmox", format!("{at}/api2/json/…"));
        }
        if self.metric_servers.is_some() {
            say("metric servers", format!("{at}/api2/json/cluster/metrics/server"));
        }
        if self.page.is_some() {
            say("page", format!("{at}/"));
        }
        if let Some(lookup) = &self.lookup {
            let who = match lookup.nodes.len() {
                0 => "any node".to_owned(),
                known => format!("{known} nodes"),
            };
            say("lookup", format!("{at}/v1/lookup, for {who}"));
        }
        say("the end", format!("takes at most {:?}", self.drain));
        out
    }
}
