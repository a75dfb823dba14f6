//! A frame with the two services on loopback, and a client that says exactly what it sends.

#![allow(dead_code)]

use ferrometer_http::{Frame, Server};
use ferrometer_metric_servers::{Core, Management, MetricServers, Settings, Status};
use ferrometer_push_testkit::Scratch;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The servers of one directory, served.
pub struct Served {
    pub servers: Arc<MetricServers>,
    pub scratch: Scratch,
    server: Server,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// What stands behind the status in its line.
    pub reason: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    pub fn message(&self) -> String {
        self.json()["message"].as_str().unwrap_or_default().to_owned()
    }
}

impl Served {
    pub fn start(name: &str) -> Served {
        Served::with(name, |frame| frame, |settings| settings)
    }

    pub fn with(name: &str, frame: impl FnOnce(Frame) -> Frame, settings: impl FnOnce(Settings) -> Settings) -> Served {
        let scratch = Scratch::new(name);
        Served::over(scratch, frame, settings)
    }

    pub fn over(
        scratch: Scratch,
        frame: impl FnOnce(Frame) -> Frame,
        settings: impl FnOnce(Settings) -> Settings,
    ) -> Served {
        let set = settings;
        let settings = set(Settings::new(scratch.path().join("status.cfg")).interval(Duration::from_secs(3600)));
        let core = Core::new(settings.interval, settings.deadline);
        let servers = MetricServers::open(&settings, Arc::new(core)).unwrap();
        servers.start();
        let server = frame(Frame::new().address("127.0.0.1:0".parse().unwrap()))
            .mount("/api2", Arc::new(Management::new(Arc::clone(&servers))))
            .mount("/", Arc::new(Status::new(Arc::clone(&servers))))
            .serve()
            .unwrap();
        Served { servers, scratch, server }
    }

    pub fn address(&self) -> SocketAddr {
        self.server.local_addr()
    }

    pub fn path(&self) -> PathBuf {
        self.scratch.path().join("status.cfg")
    }

    /// The section file.
    pub fn file(&self) -> String {
        std::fs::read_to_string(self.path()).unwrap_or_default()
    }

    pub fn secret(&self, id: &str) -> Option<String> {
        std::fs::read_to_string(self.scratch.path().join(format!("priv/metricserver/{id}.pw"))).ok()
    }

    pub fn ask_with(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        ask(self.address(), method, path, headers, body)
    }

    pub fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        self.ask_with(method, path, "", body)
    }

    pub fn pve(&self, method: &str, id: &str, body: &str) -> Answer {
        self.ask(method, &format!("/api2/json/cluster/metrics/server/{id}"), body)
    }

    /// The state of one server.
    pub fn status(&self, id: &str) -> Value {
        let all = self.ask("GET", "/v1/metric-servers", "").json();
        let found = all["servers"].as_array().unwrap().iter().find(|server| server["id"] == id);
        found.cloned().unwrap_or_else(|| panic!("{id} in {all}"))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.servers.stop();
    }
}

/// One request with a form as its body.
pub fn ask(address: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let kind = if body.is_empty() { "" } else { "Content-Type: application/x-www-form-urlencoded\r\n" };
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{kind}{length}{headers}\r\n{body}"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
    let mut words = head.lines().next().unwrap_or_default().splitn(3, ' ').skip(1);
    let status = words.next().unwrap().parse().unwrap();
    Answer { status, reason: words.next().unwrap_or_default().to_owned(), body: body.to_owned() }
}
