//! Real servers of a test, on loopback: PostgreSQL, Redis, and s3rver.

use super::Scratch;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Returns a port that is free at the moment.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until somebody listens.
pub fn wait_for(port: u16, what: &str) {
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(120), "{what} does not listen on {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A PostgreSQL of its own.
pub struct Postgres {
    scratch: Scratch,
    port: u16,
    pub address: String,
}

/// A command of PostgreSQL's; as root, as the user that it wants to be.
fn command(name: &str) -> Command {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok();
    let newest = versions.and_then(|versions| versions.flatten().map(|entry| entry.path()).max());
    let path = newest.map(|version| version.join("bin").join(name)).filter(|path| path.exists());
    let path = path.unwrap_or_else(|| PathBuf::from(name));
    if Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n") {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(path);
        command
    } else {
        Command::new(path)
    }
}

fn run(command: &mut Command) {
    // The server keeps open what it inherits, so nothing of it is waited for.
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "PostgreSQL is needed (Debian: apt-get install postgresql): {command:?}"
    );
}

impl Postgres {
    pub fn start(name: &str) -> Postgres {
        let scratch = Scratch::new(name);
        let port = free_port();
        let _ = Command::new("chown").arg("postgres").arg(scratch.path()).stderr(Stdio::null()).status();
        let data = scratch.path().join("data").display().to_string();
        run(command("initdb").args([
            "-A",
            "trust",
            "-U",
            "archive",
            "-N",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "-D",
            &data,
        ]));
        let server = Postgres { scratch, port, address: format!("postgresql://archive@127.0.0.1:{port}/postgres") };
        server.run();
        server
    }

    fn data(&self) -> String {
        self.scratch.path().join("data").display().to_string()
    }

    fn run(&self) {
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c max_connections=300",
            self.port
        );
        let data = self.data();
        run(command("pg_ctl").args(["-w", "-l", &format!("{data}/log"), "-o", &options, "-D", &data, "start"]));
    }

    /// Ends the server without letting it finish anything.
    pub fn stop(&self) {
        run(command("pg_ctl").args(["-m", "immediate", "-w", "-D", &self.data(), "stop"]));
    }

    /// Starts it again, where it was.
    pub fn again(&self) {
        self.run();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = command("pg_ctl")
            .args(["-m", "immediate", "-D", &self.data(), "stop"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

/// A server that is one process.
pub struct Server {
    scratch: Scratch,
    pub port: u16,
    process: Child,
    start: fn(&Path, u16) -> Command,
    name: &'static str,
}

impl Server {
    fn new(name: &'static str, start: fn(&Path, u16) -> Command) -> Server {
        let (scratch, port) = (Scratch::new(name), free_port());
        let process = Server::spawn(name, start(scratch.path(), port), port);
        Server { scratch, port, process, start, name }
    }

    fn spawn(name: &str, mut command: Command, port: u16) -> Child {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.unwrap_or_else(|error| panic!("{name} is needed: {command:?}: {error}"));
        wait_for(port, name);
        child
    }

    /// A Redis that has everything on disk before it answers.
    pub fn redis() -> Server {
        Server::new("redis-server (Debian: apt-get install redis-server)", |directory, port| {
            let mut command = Command::new("redis-server");
            command.arg("--port").arg(port.to_string()).arg("--dir").arg(directory);
            command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
            command
        })
    }

    /// An S3 server with a bucket named `archive`, from npm.
    pub fn s3() -> Server {
        let server =
            Server::new("s3rver 3.7.1 (npm install --prefix target/interop s3rver@3.7.1)", |directory, port| {
                let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
                let mut command = Command::new(root.join("target/interop/node_modules/.bin/s3rver"));
                command.args(["-a", "127.0.0.1", "-s", "--configure-bucket", "archive", "-p"]).arg(port.to_string());
                command.arg("-d").arg(directory);
                command
            });
        std::fs::create_dir_all(server.scratch.path().join("archive")).unwrap();
        server
    }

    /// Ends the server at once.
    pub fn stop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again, where it was.
    pub fn again(&mut self) {
        self.process = Server::spawn(self.name, (self.start)(self.scratch.path(), self.port), self.port);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
