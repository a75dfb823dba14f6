//! An API over an archive in a directory of its own.
#![allow(dead_code, reason = "not every test needs all of it")]

use ferrometer_archive::{Archive, Options, Sync};
use ferrometer_gnocchi::{Gnocchi, Settings};
use http::{HeaderMap, Method, header};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// An API, and the directory that goes with it.
pub struct Api {
    pub gnocchi: Arc<Gnocchi>,
    archive: Arc<Archive>,
    directory: PathBuf,
}

/// An answer.
#[derive(Debug)]
pub struct Told {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Told {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// Returns the JSON of an answer with this status.
    #[track_caller]
    pub fn is(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Api {
    pub fn new(settings: Settings) -> Api {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("ferrometer-gnocchi-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        let options = Options { sync: Sync::None, workers: 1, ..Options::default() };
        let archive = Arc::new(Archive::open(&directory, options).unwrap());
        Api { gnocchi: Arc::new(Gnocchi::new(Arc::clone(&archive), settings)), archive, directory }
    }

    pub fn archive(&self) -> Arc<Archive> {
        Arc::clone(&self.archive)
    }

    pub fn send(&self, user: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Told {
        use base64::Engine as _;
        let mut all = HeaderMap::new();
        let name = base64::engine::general_purpose::STANDARD.encode(format!("{user}:"));
        all.insert(header::AUTHORIZATION, format!("basic {name}").parse().unwrap());
        all.insert(header::ACCEPT, "application/json".parse().unwrap());
        all.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        all.insert(header::HOST, "here".parse().unwrap());
        for (name, value) in headers {
            all.insert(header::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let response = self.gnocchi.handle(method, &path.parse().unwrap(), all, body.to_vec().into());
        let (parts, body) = response.into_parts();
        Told { status: parts.status.as_u16(), headers: parts.headers, text: String::from_utf8(body.to_vec()).unwrap() }
    }

    pub fn get(&self, path: &str) -> Told {
        self.send("admin", "GET", path, &[], b"")
    }

    pub fn post(&self, path: &str, body: Value) -> Told {
        self.send("admin", "POST", path, &[], body.to_string().as_bytes())
    }

    pub fn patch(&self, path: &str, body: Value) -> Told {
        self.send("admin", "PATCH", path, &[], body.to_string().as_bytes())
    }

    pub fn delete(&self, path: &str) -> Told {
        self.send("admin", "DELETE", path, &[], b"")
    }

    /// Makes a metric, and returns its id.
    pub fn metric(&self, body: Value) -> String {
        self.post("/v1/metric", body).is(201)["id"].as_str().unwrap().to_owned()
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
