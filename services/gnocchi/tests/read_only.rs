//! A file system that becomes read-only while the archive is open: nothing that was acknowledged is lost, and the rest is refused until it is mounted
//! again.
//!
//! The kernel lets nobody remount a file system read-only that has files open for writing, as those of an archive are. It becomes so by itself, when
//! its journal breaks off: that is what happens here, to an ext4 in a file.
#![cfg(target_os = "linux")]

mod common;

use common::{Told, ask};
use ferrometer_archive::{Archive, Options};
use ferrometer_gnocchi::{Gnocchi, Settings};
use ferrometer_http::{Frame, Server};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// Runs a program; an error is what it said.
fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let ran = Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    let said = String::from_utf8_lossy(&ran.stderr);
    if ran.status.success() { Ok(()) } else { Err(format!("{program} {arguments:?}: {}", said.trim())) }
}

/// An ext4 in a file, taken away in the end.
struct Disk(PathBuf);

impl Disk {
    fn make() -> Result<Disk, String> {
        let directory = std::env::temp_dir().join(format!("ferrometer-gnocchi-read-only-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(directory.join("mount")).unwrap();
        let disk = Disk(directory);
        fs::File::create(disk.path("image")).and_then(|file| file.set_len(64 << 20)).unwrap();
        run("mkfs.ext4", &["-q", "-F", &disk.path("image")])?;
        disk.mount()?;
        Ok(disk)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn mount(&self) -> Result<(), String> {
        run("mount", &["-o", "loop,errors=remount-ro", &self.path("image"), &self.path("mount")])
    }

    /// Lets its journal break off.
    fn break_off(&self) {
        run("mount", &["-o", "remount,abort", &self.path("mount")]).unwrap();
        let refused = fs::write(self.path("mount/file"), "").unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    }

    /// Does what an administrator does about it.
    fn repair(&self) {
        run("umount", &[&self.path("mount")]).unwrap();
        // Its code says that something was corrected.
        let _ = run("e2fsck", &["-fy", &self.path("image")]);
        self.mount().unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = run("umount", &[&self.path("mount")]);
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn serve(directory: &Path) -> Server {
    let archive = Archive::open(directory, Options { workers: 1, ..Options::default() }).unwrap();
    let api = Arc::new(Gnocchi::new(archive.into(), Settings::default()));
    api.mount(Frame::new().address("127.0.0.1:0".parse().unwrap()).limits(Gnocchi::limits())).serve().unwrap()
}

#[test]
fn a_file_system_that_becomes_read_only_loses_nothing_that_was_acknowledged() {
    let disk = match Disk::make() {
        Ok(disk) => disk,
        Err(why) => {
            // Past the harness, which keeps what a test prints.
            let _ = writeln!(std::io::stderr(), "\nIGNORED, nothing may be mounted here (it takes root): {why}\n");
            return;
        }
    };
    let directory = disk.0.join("mount/archive");
    let server = serve(&directory);
    let metric = |server: &Server| ask(server.local_addr(), "POST", "/v1/metric", r#"{"archive_policy_name": "low"}"#);
    let made = metric(&server).is(201);
    let measures = format!("/v1/metric/{}/measures", made["id"].as_str().unwrap());
    let send = |server: &Server, number: i64| {
        let body = format!("[{{\"timestamp\": {}, \"value\": 1}}]", 1_700_000_000 + number);
        ask(server.local_addr(), "POST", &measures, &body)
    };
    let mut acknowledged = 0;
    for _ in 0..20 {
        send(&server, acknowledged).is(202);
        acknowledged += 1;
    }
    let count = |server: &Server| {
        let rows = ask(server.local_addr(), "GET", &format!("{measures}?aggregation=count"), "").is(200);
        let rows: Vec<(String, f64, f64)> = serde_json::from_value(rows).unwrap();
        rows.iter().map(|row| row.2 as i64).sum::<i64>()
    };
    assert_eq!(count(&server), acknowledged);
    disk.break_off();
    let is_refused = |told: Told| {
        told.is(503);
        assert!(!told.header("retry-after").is_empty(), "{:?}", told.headers);
    };
    for number in 0..3 {
        is_refused(send(&server, acknowledged + number));
        is_refused(metric(&server));
    }
    // Reads go on.
    assert_eq!(count(&server), acknowledged);
    drop(server);
    disk.repair();
    let server = serve(&directory);
    assert_eq!(count(&server), acknowledged, "a measure was lost, or one that was refused is there");
    metric(&server).is(201);
    send(&server, acknowledged).is(202);
    assert_eq!(count(&server), acknowledged + 1);
    drop(server);
    let report = ferrometer_archive::fsck::check_directory(&directory, false).unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
}
