//! The way to a server: batches by REST, and the resource, which is made when the server says that it is not there.

use crate::settings::Settings;
use ferrometer_push::{Carrier, Extent, Http, Invalid, Packed, Reply, Verdict, gzip, moment};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The way to a server.
pub(crate) struct Remote {
    batches: Http,
    resources: Http,
    /// Everything before `/v1`.
    base: String,
    /// The resource, as a request makes it.
    resource: String,
    /// Text before the metrics of a batch: `{"resource":{`.
    head: Vec<u8>,
    gzip: bool,
}

const JSON: [(&str, &str); 2] = [("Content-Type", "application/json"), ("Accept", "application/json")];

impl Remote {
    pub(crate) fn new(settings: &Settings, url: &str) -> Result<Remote, Invalid> {
        let base = url.trim_end_matches('/').to_owned();
        if base.contains('?') {
            return Err(Invalid::new("url", url, "everything in front of `/v1`: `http://localhost:8041` for example"));
        }
        let base = base.strip_suffix("/v1").map(ToOwned::to_owned).unwrap_or(base);
        let batches = format!("{base}/v1/batch/resources/metrics/measures?create_metrics=true");
        let kind: String = settings.resource_type.bytes().map(escaped).collect();
        Ok(Remote {
            batches: Http::new(&settings.http(batches))?,
            resources: Http::new(&settings.http(format!("{base}/v1/resource/{kind}")))?,
            base,
            resource: json!({"id": settings.resource}).to_string(),
            head: format!("{{{}:{{", Value::from(settings.resource.as_str())).into_bytes(),
            gzip: settings.gzip,
        })
    }

    pub(crate) fn test(&self, timeout: Duration) -> Result<(), String> {
        let url = format!("{}/v1/archive_policy", self.base);
        let reply = self.batches.get(&url, moment::within(timeout))?;
        if (200..300).contains(&reply.status) {
            return Ok(());
        }
        Err(format!("{url} answers {}: {}", reply.status, self.batches.words(&reply.body)))
    }

    fn post(&self, body: &[u8], is_compressed: bool, until: Instant) -> Result<Reply, String> {
        let encoding = [("Content-Encoding", "gzip")];
        let headers = [&JSON[..], if is_compressed { &encoding } else { &[] }].concat();
        self.batches.post(&headers, body, until)
    }

    /// Makes the resource; `Ok` when it is there.
    fn make_resource(&self, until: Instant) -> Result<(), Verdict> {
        let later = |reason| Verdict::Later { reason, after: None };
        let reply = self.resources.post(&JSON, self.resource.as_bytes(), until).map_err(later)?;
        match self.resources.verdict(&reply) {
            Verdict::Accepted => Ok(()),
            // Another process made it meanwhile.
            Verdict::Refused { .. } if reply.status == 409 => Ok(()),
            // Without its resource no measure is taken.
            Verdict::Refused { reason, .. } => Err(Verdict::Refused { reason, extent: Extent::All }),
            other => Err(other),
        }
    }
}

/// A byte of a path.
fn escaped(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

/// Tells whether a refusal is about a resource that is not there.
fn lacks_resource(reply: &Reply) -> bool {
    let body: Option<Value> = serde_json::from_slice(&reply.body).ok();
    reply.status == 400 && body.is_some_and(|body| body["description"]["cause"] == "Unknown resources")
}

impl Carrier for Remote {
    fn frame(&mut self, packed: &Packed<'_>, body: &mut Vec<u8>) -> bool {
        body.extend_from_slice(&self.head);
        for (at, piece) in packed.pieces().enumerate() {
            if at > 0 {
                body.push(b',');
            }
            body.extend_from_slice(piece);
        }
        body.extend_from_slice(b"}}");
        true
    }

    fn compress(&mut self, body: &[u8], wire: &mut Vec<u8>) -> bool {
        self.gzip && gzip(body, wire)
    }

    fn send(&mut self, body: &[u8], is_compressed: bool, _: usize, until: Instant) -> Verdict {
        let later = |reason| Verdict::Later { reason, after: None };
        let mut reply = match self.post(body, is_compressed, until) {
            Ok(reply) => reply,
            Err(reason) => return later(reason),
        };
        if lacks_resource(&reply) {
            if let Err(verdict) = self.make_resource(until) {
                return verdict;
            }
            reply = match self.post(body, is_compressed, until) {
                Ok(reply) => reply,
                Err(reason) => return later(reason),
            };
        }
        self.batches.verdict(&reply)
    }
}
