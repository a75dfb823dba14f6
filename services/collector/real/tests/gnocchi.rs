//! A real Gnocchi as the sink, with PostgreSQL: what is collected is there as measures, each once, whatever is sent again.
//!
//! Its programs are those of `FERROMETER_GNOCCHI`, the `bin` of a Python environment, or of `target/interop/gnocchi-server`, which `scripts/test` makes.

#![cfg(unix)]

#[path = "support/collecting.rs"]
mod collecting;
#[path = "../../tests/support/instant.rs"]
mod instant;
#[path = "../../tests/support/postgres.rs"]
mod postgres;
#[path = "../../tests/support/mod.rs"]
mod support;

use collecting::{collect, done, everything_once, files};
use postgres::Postgres;
use serde_json::Value;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::{Folder, free_port, until};

const HOURS: i64 = 24;

/// The programs of the Python environment.
fn programs() -> PathBuf {
    let told = std::env::var_os("FERROMETER_GNOCCHI").map(PathBuf::from);
    let bin = told.unwrap_or_else(|| {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../target/interop/gnocchi-server/bin")
    });
    assert!(
        bin.join("gnocchi-upgrade").exists(),
        "{} has no gnocchi-upgrade: `pip install 'gnocchi[postgresql]==4.7.1' oslo.db==17.2.1 gunicorn`, and FERROMETER_GNOCCHI",
        bin.display()
    );
    bin
}

/// A Gnocchi that ends with this value: its API and its worker.
struct Gnocchi {
    folder: Folder,
    port: u16,
    parts: Vec<Child>,
    _postgres: Postgres,
}

impl Gnocchi {
    fn start() -> Gnocchi {
        let (bin, folder, port) = (programs(), Folder::new("gnocchi-real"), free_port());
        let postgres = Postgres::start("gnocchi-postgres");
        let told = |key: &str| {
            let mut words = postgres.address.split_whitespace();
            words.find_map(|word| word.strip_prefix(key)?.strip_prefix('=')).unwrap().to_owned()
        };
        std::fs::create_dir(folder.0.join("data")).unwrap();
        let config = folder.write(
            "gnocchi.conf",
            format!(
                "[api]\nauth_mode = basic\n[indexer]\nurl = postgresql://{}@127.0.0.1:{}/{}\n[storage]\ndriver = file\nfile_basepath = {}\n\
                 [metricd]\nworkers = 1\nmetric_processing_delay = 1\n",
                told("user"),
                told("port"),
                told("dbname"),
                folder.0.join("data").display()
            ),
        );
        folder.write(
            "wsgi_app.py",
            format!(
                "import sys\nsys.argv = ['gnocchi-api', '--config-file', '{}']\nfrom gnocchi.cli import api\napplication = api.wsgi()\n",
                config.display()
            ),
        );
        let mut gnocchi = Gnocchi { folder, port, parts: Vec::new(), _postgres: postgres };
        let config = config.display().to_string();
        let mut upgrade =
            gnocchi.begin("upgrade", Command::new(bin.join("gnocchi-upgrade")).args(["--config-file", &config]));
        assert!(upgrade.wait().unwrap().success(), "{}", gnocchi.log("upgrade"));
        let address = format!("127.0.0.1:{port}");
        let api = gnocchi.begin(
            "api",
            Command::new(bin.join("gunicorn")).args([
                "-w",
                "1",
                "--threads",
                "4",
                "-b",
                &address,
                "wsgi_app:application",
            ]),
        );
        gnocchi.parts.push(api);
        let worker =
            gnocchi.begin("metricd", Command::new(bin.join("gnocchi-metricd")).args(["--config-file", &config]));
        gnocchi.parts.push(worker);
        until("the API answers", || gnocchi.ask("archive_policy").is_ok());
        gnocchi
    }

    /// Starts a program of it, in a process group of its own.
    fn begin(&self, name: &str, command: &mut Command) -> Child {
        let log = File::create(self.folder.0.join(name)).unwrap();
        command.current_dir(&self.folder.0).process_group(0).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
    }

    fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.0.join(name)).unwrap_or_default()
    }

    fn ask(&self, path: &str) -> Result<Value, String> {
        let agent = ureq::Agent::new_with_defaults();
        let asked =
            agent.get(format!("http://127.0.0.1:{}/v1/{path}", self.port)).header("authorization", "Basic YWRtaW46");
        let text = asked.call().map_err(|e| e.to_string())?.body_mut().read_to_string().map_err(|e| e.to_string())?;
        serde_json::from_str(&text).map_err(|e| format!("{e}: {text}"))
    }

    fn get(&self, path: &str) -> Value {
        self.ask(path).unwrap_or_else(|why| panic!("{path}: {why}\n{}", self.log("api")))
    }
}

impl Drop for Gnocchi {
    fn drop(&mut self) {
        for part in &mut self.parts {
            // The whole group: each part has workers.
            let _ = Command::new("kill").args(["-9", "--", &format!("-{}", part.id())]).status();
            let _ = part.wait();
        }
    }
}

#[test]
#[ignore = "is the collector of the test below"]
fn child() {
    collecting::run();
}

#[test]
#[ignore = "needs PostgreSQL, and Gnocchi 4.7.1 of PyPI; scripts/test installs and runs it"]
fn every_period_is_a_measure_of_a_real_gnocchi() {
    let gnocchi = Gnocchi::start();
    let folder = Folder::new("gnocchi-collected");
    files(&folder, &format!("url = http://127.0.0.1:{}\nuser = admin", gnocchi.port), Duration::from_millis(2));
    // Killed in the middle, whatever it had done by then.
    let mut killed = collect(&folder, HOURS, "state");
    until("something is there", || {
        gnocchi.ask("resource/ferrometer_usage").is_ok_and(|found| found.as_array().is_some_and(|all| !all.is_empty()))
    });
    let _ = killed.kill();
    let _ = killed.wait();
    done(collect(&folder, HOURS, "state"));
    everything_once(&|path| gnocchi.get(path), HOURS);
    // Sent again without checkpoints, nothing is there twice.
    done(collect(&folder, HOURS, "another"));
    everything_once(&|path| gnocchi.get(path), HOURS);
}
