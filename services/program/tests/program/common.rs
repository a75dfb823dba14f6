//! Helpers of the tests: running the binary, and a server that ends with its test.

use ferrometer_testkit::scratch::Scratch;
use ferrometer_testkit::wait::wait_until;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// The binary, without this machine's own settings.
pub fn ferrometer() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferrometer"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("FERROMETER_")
            || name.starts_with("LISTEN_")
            || name.ends_with("_proxy")
            || name.ends_with("_PROXY")
        {
            command.env_remove(name);
        }
    }
    command
        .env_remove("NOTIFY_SOCKET")
        .env_remove("STATE_DIRECTORY")
        .env_remove("WATCHDOG_USEC")
        .env("LC_ALL", "C.UTF-8")
        .env("NO_COLOR", "1");
    command
}

/// Result of a command.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs the binary with arguments.
pub fn run<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Ran {
    ferrometer().args(arguments).stdin(Stdio::null()).output().unwrap().into()
}

/// Runs the binary with arguments that are to be taken.
pub fn good<'a>(arguments: impl IntoIterator<Item = &'a str>) -> String {
    let ran = run(arguments);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.out
}

/// The server at work.
pub struct Serve {
    pub child: Child,
    pub scratch: Scratch,
    /// The text that it printed when it was ready.
    pub places: Vec<String>,
}

impl Serve {
    /// Starts one with a file, and waits until it is ready.
    pub fn start(name: &str, file: &str) -> Serve {
        let scratch = Scratch::new(name);
        Serve::start_in(scratch, file)
    }

    pub fn start_in(scratch: Scratch, file: &str) -> Serve {
        let config = scratch.file("serve.toml", file);
        let mut command = ferrometer();
        command.args(["serve", "--config"]).arg(config);
        Serve::spawn(scratch, command)
    }

    /// Starts a command that is a server.
    pub fn spawn(scratch: Scratch, mut command: Command) -> Serve {
        let (out, err) = (scratch.path().join("out"), scratch.path().join("err"));
        let child = command
            .current_dir(scratch.path())
            .stdin(Stdio::null())
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(err).unwrap())
            .spawn()
            .unwrap();
        let mut serve = Serve { child, scratch, places: Vec::new() };
        wait_until("the server", || {
            let ended = serve.child.try_wait().unwrap();
            assert!(ended.is_none(), "the server ended: {ended:?} {}", serve.log());
            let printed = std::fs::read_to_string(&out).unwrap();
            serve.places = printed.lines().map(str::to_owned).collect();
            printed.ends_with('\n')
        });
        serve
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.scratch.path().join("err")).unwrap()
    }

    /// Returns the base address, `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        let first = self.places.iter().find(|place| place.starts_with("http")).unwrap();
        first.split('/').take(3).collect::<Vec<_>>().join("/")
    }

    /// Returns the address of statsd of a kind: `udp`, `tcp`, `unix`.
    pub fn statsd(&self, kind: &str) -> String {
        let found = self.places.iter().filter_map(|place| place.strip_prefix("statsd "));
        found.filter(|place| place.starts_with(kind)).map(str::to_owned).next().unwrap()
    }

    pub fn signal(&self, name: &str) {
        let done = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status().unwrap();
        assert!(done.success());
    }

    /// Waits for its end, and returns its exit code.
    pub fn wait(&mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// Sends lines in one datagram.
    pub fn send(&self, lines: &str) {
        let to = self.statsd("udp");
        let to = to.strip_prefix("udp://").unwrap();
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(lines.as_bytes(), to).unwrap();
    }

    /// Waits until the server shows a record.
    pub fn wait_for(&self, needle: &str) {
        let url = self.url();
        wait_until(needle, || get(&url, "/v1/metrics").1.contains(needle));
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks for a path; returns status and body.
pub fn get(url: &str, path: &str) -> (u16, String) {
    http(url, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), b"")
}

/// Sends a body; returns status and body.
pub fn post(url: &str, path: &str, headers: &str, body: &[u8]) -> (u16, String) {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n"
    );
    http(url, &head, body)
}

fn http(url: &str, head: &str, body: &[u8]) -> (u16, String) {
    let Ok(mut stream) = TcpStream::connect(url.trim_start_matches("http://")) else { return (0, String::new()) };
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, text.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned())
}

/// Returns a path as text.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A server of everything on free ports, with generations so fast that tests need not wait.
pub const FAST: &str = r#"
data = "data"
[http]
address = "127.0.0.1:0"
[statsd]
listen = ["udp://127.0.0.1:0", "tcp://127.0.0.1:0", "unix:statsd.sock"]
flush = "100ms"
[remote_write]
[influx]
[gnocchi]
[cache]
interval = "1s"
host_metrics = false
[page]
[metric_servers]
interval = "100ms"
"#;

/// A Prometheus that ends with its test.
pub struct Prometheus {
    child: Child,
    pub port: u16,
}

impl Prometheus {
    /// Starts one that scrapes a server each second. `more` is what its configuration says besides.
    pub fn scraping(serve: &Serve, more: &str) -> Prometheus {
        let url = serve.url();
        let target = url.trim_start_matches("http://");
        let config = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: self\n  static_configs: [{{targets: ['{target}']}}]\n{more}"
        );
        let config = serve.scratch.file("prometheus.yml", config);
        let port = ferrometer_testkit::scratch::free_tcp_port();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", text(&config)))
            .arg(format!("--storage.tsdb.path={}/tsdb", text(serve.scratch.path())))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus is missing: apt-get install prometheus");
        Prometheus { child, port }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
