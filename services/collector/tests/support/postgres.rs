//! A PostgreSQL of its own, on loopback.

use super::support::{Folder, free_port};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A database that ends with this value.
pub struct Postgres {
    folder: Folder,
    pub address: String,
}

/// A command of PostgreSQL's; as root, as the user that it wants to be.
fn command(name: &str) -> Command {
    let found = glob("/usr/lib/postgresql").map(|version| version.join("bin").join(name)).filter(|path| path.exists());
    let path = found.unwrap_or_else(|| PathBuf::from(name));
    let root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n");
    if root {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(path);
        command
    } else {
        Command::new(path)
    }
}

fn glob(folder: &str) -> Option<PathBuf> {
    std::fs::read_dir(folder).ok()?.flatten().map(|e| e.path()).max()
}

fn run(command: &mut Command) {
    // The server keeps what it inherits open, so nothing of it is waited for.
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(
        status.is_ok_and(|s| s.success()),
        "PostgreSQL is needed (Debian: apt-get install postgresql): {command:?}"
    );
}

impl Postgres {
    pub fn start(name: &str) -> Postgres {
        Postgres::with(name, "trust", "", |_| {})
    }

    /// Starts one that asks for the password `hunter2`, and shows a certificate that `write` makes of it as `server.crt` and `server.key`.
    #[allow(dead_code)]
    pub fn with_tls(name: &str, write: impl FnOnce(&Folder)) -> Postgres {
        Postgres::with(name, "scram-sha-256", " -c ssl=on", write)
    }

    fn with(name: &str, method: &str, more: &str, write: impl FnOnce(&Folder)) -> Postgres {
        let folder = Folder::new(name);
        let port = free_port();
        let password = folder.write("password", "hunter2\n");
        let data = folder.0.join("data");
        std::fs::create_dir(&data).unwrap();
        let _ = Command::new("chown").arg("-R").arg("postgres").arg(&folder.0).stderr(Stdio::null()).status();
        let data = data.display();
        let password = format!("--pwfile={}", password.display());
        run(command("initdb").args(["-A", method, "-U", "ferrometer", "-N", &password, "-D", &data.to_string()]));
        let files = Folder::new(&format!("{name}-files"));
        write(&files);
        for file in ["server.crt", "server.key"] {
            if let Ok(bytes) = std::fs::read(files.0.join(file)) {
                let path = folder.write(&format!("data/{file}"), bytes);
                run(Command::new("chmod").arg("600").arg(&path));
                let _ = Command::new("chown").arg("postgres").arg(&path).stderr(Stdio::null()).status();
            }
        }
        let options = format!("-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off{more}");
        run(command("pg_ctl").args([
            "-w",
            "-l",
            &format!("{data}/log"),
            "-o",
            &options,
            "-D",
            &data.to_string(),
            "start",
        ]));
        Postgres { folder, address: format!("host=127.0.0.1 port={port} user=ferrometer dbname=postgres") }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let data = self.folder.0.join("data").display().to_string();
        let _ = command("pg_ctl").args(["-m", "immediate", "-D", &data, "stop"]).stdout(Stdio::null()).status();
    }
}
