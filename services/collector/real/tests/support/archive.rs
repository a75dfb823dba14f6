//! An archive that answers Gnocchi's API, as a process of its own: this test binary itself.

use super::support::{Folder, free_port, until};
use ferrometer_archive::{Archive as Engine, Options};
use ferrometer_gnocchi::{Gnocchi, Settings};
use ferrometer_http::Frame;
use std::io::Read as _;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

const FOLDER: &str = "FERROMETER_COLLECTOR_ARCHIVE";
const PORT: &str = "FERROMETER_COLLECTOR_ARCHIVE_PORT";

/// An archive that ends with this value.
pub struct Archive {
    child: Child,
    folder: PathBuf,
    pub port: u16,
}

impl Archive {
    /// Starts one in a folder.
    pub fn start(folder: &Folder) -> Archive {
        let (folder, port) = (folder.0.join("archive"), free_port());
        let archive = Archive { child: spawn(&folder, port), folder, port };
        archive.ready();
        archive
    }

    /// Kills it, as `kill -9` does, and starts it again.
    pub fn kill_and_start(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.child = spawn(&self.folder, self.port);
        self.ready();
    }

    fn ready(&self) {
        until("the archive listens", || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    /// Returns the JSON of a GET, as the user `admin`.
    pub fn get(&self, path: &str) -> serde_json::Value {
        let agent = ureq::Agent::new_with_defaults();
        let asked =
            agent.get(format!("http://127.0.0.1:{}/v1/{path}", self.port)).header("authorization", "Basic YWRtaW46");
        let text = asked.call().unwrap_or_else(|e| panic!("{path}: {e}")).body_mut().read_to_string().unwrap();
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}: {text}"))
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(folder: &std::path::Path, port: u16) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["archive", "--exact", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(PORT, port.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Serves until the standard input ends.
pub fn run() {
    let (Some(folder), Ok(port)) = (std::env::var_os(FOLDER), std::env::var(PORT)) else { return };
    let archive = Arc::new(Engine::open(PathBuf::from(folder).as_path(), Options::default()).unwrap());
    let api = Arc::new(Gnocchi::new(archive, Settings::default()));
    let frame = Frame::new().address(format!("127.0.0.1:{port}").parse().unwrap()).limits(Gnocchi::limits());
    let _server = api.mount(frame.allow_anonymous(true).allow_plaintext(true)).serve().unwrap();
    let _ = std::io::stdin().read(&mut [0; 1]);
}
