//! Requests of Gnocchi's API: policies, types, resources and batches.

use super::measures::Batch;
use crate::config::settings::Archive;
use crate::error::clean;
use crate::transport::{AskError, Body, Failure, Limits, Reply, Transport};
use serde_json::{Value, json};
use std::io;

/// A connection to an archive.
#[derive(Debug)]
pub(super) struct Api {
    transport: Transport,
}

/// Makes an error of the output's kind, which names the archive.
fn failed(base: &str, error: &AskError) -> io::Error {
    io::Error::other(format!("the archive at {base}: {error}"))
}

impl Api {
    pub fn new(archive: &Archive, limits: Limits) -> Result<Api, AskError> {
        Ok(Api { transport: Transport::new(&archive.server, limits)? })
    }

    pub fn error(&self, message: &str) -> io::Error {
        io::Error::other(format!("the archive at {}: {message}", self.transport.base()))
    }

    /// Asks until a reply comes whose status is not one that may pass.
    fn ask(&self, method: &str, path: &str, body: Body<'_>) -> io::Result<Reply> {
        let url = format!("{}/v1/{path}", self.transport.base());
        let asked = self.transport.patiently(|| {
            let reply = self.transport.send(method, &url, body)?;
            match reply.status {
                429 | 500..=599 => Err(reply.refused(self.transport.status(&reply))),
                300..=399 => Err(Failure::lasting(self.transport.status(&reply))),
                _ => Ok(reply),
            }
        });
        asked.map_err(|error| failed(self.transport.base(), &error))
    }

    /// Returns the error of a reply: the reason that it gives, or how it begins.
    fn refused(&self, doing: &str, reply: &Reply) -> io::Error {
        let body = self.transport.scrubbed(&reply.body);
        let description = match serde_json::from_slice::<Value>(&body) {
            Ok(mut json) => match json["description"].take() {
                Value::String(text) => text,
                other => other.to_string(),
            },
            Err(_) => String::from_utf8_lossy(&body[..body.len().min(400)]).into_owned(),
        };
        let hint = match reply.status {
            401 => "; user and password are those of [ferrometer_archive]",
            403 => "; a user that may not create policies and types can be given ones that are there",
            404 => "; url stands before /v1",
            _ => "",
        };
        let description = clean(description.split_whitespace().collect::<Vec<_>>().join(" ").as_str());
        self.error(&format!("{doing}: it answered {}: {description}{hint}", reply.status))
    }

    /// Returns a thing, if it is there.
    pub fn get(&self, path: &str) -> io::Result<Option<Value>> {
        let reply = self.ask("GET", path, Body::None)?;
        match serde_json::from_slice(&reply.body) {
            Ok(value) if reply.is_success() => Ok(Some(value)),
            Err(_) if reply.is_success() => Err(self.error("its answer is not one of Gnocchi's API")),
            // Only an answer of the API says that something is not there; a page of somebody else does not.
            Ok(Value::Object(_)) if reply.status == 404 => Ok(None),
            _ => Err(self.refused(&format!("asking for {path}"), &reply)),
        }
    }

    /// Creates a thing. One that is there already, because another processor was faster, is no failure.
    pub fn create(&self, path: &str, body: &Value) -> io::Result<()> {
        let reply = self.ask("POST", path, Body::Json(&serde_json::to_vec(body)?))?;
        if reply.is_success() || reply.status == 409 {
            Ok(())
        } else {
            Err(self.refused(&format!("creating {path}"), &reply))
        }
    }

    /// Adds attributes to a type.
    pub fn add_attributes(&self, path: &str, names: &[String]) -> io::Result<()> {
        let operation =
            |name: &String| json!({"op": "add", "path": format!("/attributes/{name}"), "value": attribute()});
        let body = serde_json::to_vec(&names.iter().map(operation).collect::<Vec<_>>())?;
        let reply = self.ask("PATCH", path, Body::JsonPatch(&body))?;
        if reply.is_success() { Ok(()) } else { Err(self.refused(&format!("changing {path}"), &reply)) }
    }

    /// Sends measures. Returns the ids of resources that are not there; then nothing was taken.
    pub fn measures(&self, batch: &Batch<'_>) -> io::Result<Vec<String>> {
        let path = "batch/resources/metrics/measures?create_metrics=true";
        let reply = self.ask("POST", path, Body::Json(&serde_json::to_vec(batch)?))?;
        if reply.is_success() {
            return Ok(Vec::new());
        }
        let unknown = serde_json::from_slice::<Value>(&reply.body).ok().and_then(|json| {
            let description = &json["description"];
            let listed = description["detail"].as_array().filter(|_| description["cause"] == "Unknown resources")?;
            listed.iter().map(|one| one["resource_id"].as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        });
        match unknown {
            Some(unknown) if reply.status == 400 && !unknown.is_empty() => Ok(unknown),
            _ => Err(self.refused("sending measures", &reply)),
        }
    }
}

/// Returns an attribute that holds a label.
pub(super) fn attribute() -> Value {
    json!({"type": "string", "required": false, "min_length": 0, "max_length": 255})
}
