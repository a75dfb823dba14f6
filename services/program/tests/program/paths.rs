//! Paths at which there is no file: a pipe that nobody writes to, and a device without an end. Each command says so, or can be ended.

use crate::common::{Ran, Serve, ferrometer, run, text};
use ferrometer_testkit::scratch::Scratch;
use ferrometer_testkit::wait::wait_until;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

fn pipe(scratch: &Scratch) -> PathBuf {
    let path = scratch.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

/// A command that does not outlive its test.
struct Running(Option<Child>);

impl Running {
    fn spawn(arguments: &[&str], path: &Path) -> Running {
        let mut command = ferrometer();
        command.args(arguments).arg(path).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Running(Some(command.spawn().unwrap()))
    }

    fn child(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }

    /// Returns how it ended.
    fn ended(mut self, what: &str) -> Output {
        wait_until(&format!("the end of {what}"), || self.child().try_wait().unwrap().is_some());
        self.0.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn a_pipe_or_a_device_in_the_place_of_a_file_is_refused_by_its_kind() {
    let scratch = Scratch::new("program-paths");
    let pipe = pipe(&scratch);
    for arguments in [&["check"][..], &["serve", "--config"], &["catalogue"]] {
        for (path, kind) in [(&*pipe, "a named pipe"), (Path::new("/dev/zero"), "a device")] {
            let what = format!("{arguments:?} {}", path.display());
            let ran = Ran::from(Running::spawn(arguments, path).ended(&what));
            assert_eq!(ran.code, 4, "{what}: {ran:?}");
            assert!(ran.err.contains(kind), "{what}: {ran:?}");
        }
    }
}

#[test]
fn a_configuration_that_has_no_end_is_refused() {
    let scratch = Scratch::new("program-long");
    let path = scratch.path().join("long.toml");
    std::fs::File::create(&path).unwrap().set_len(1 << 36).unwrap();
    for arguments in [&["check"][..], &["serve", "--config"]] {
        let ran = Ran::from(Running::spawn(arguments, &path).ended("a command with a long file"));
        assert!(ran.code == 4 && ran.err.contains("longer than 1 MiB"), "{ran:?}");
    }
}

#[test]
fn a_file_that_is_not_what_is_expected_is_told() {
    let scratch = Scratch::new("program-other");
    let folder = scratch.path();
    let binary = scratch.file("binary.toml", [0xff, 0xfe]);
    let ran = run(["check", text(&binary)]);
    assert!(ran.code == 4 && ran.err.ends_with("binary.toml: is no text in UTF-8\n"), "{ran:?}");
    let ran = run(["catalogue", text(folder)]);
    assert!(ran.code == 4 && ran.err.contains(text(folder)) && !ran.err.contains("http"), "{ran:?}");
    let ran = run(["catalogue", "no-such-file.invalid"]);
    assert!(ran.code == 3 && ran.err.ends_with("; and there is no file no-such-file.invalid\n"), "{ran:?}");
    let ran = run(["archive", "restore", text(folder), text(&folder.join("restored"))]);
    assert!(ran.code == 4 && ran.err.contains("there is no backup here"), "{ran:?}");
    let ran = run(["archive", "fsck", text(folder)]);
    assert_eq!((ran.code, ran.err), (4, format!("error: there is no archive in {}\n", folder.display())));
    // A backup makes no archive where there is none.
    let empty = folder.join("empty");
    std::fs::create_dir(&empty).unwrap();
    let ran = run(["archive", "backup", text(&empty), text(&folder.join("copy"))]);
    assert!(ran.code == 4 && ran.err.contains("there is no archive here"), "{ran:?}");
    assert!(std::fs::read_dir(&empty).unwrap().next().is_none() && !folder.join("copy").exists());
    // An error of several lines is shown as it is.
    let serve = scratch.file("serve.toml", "[statsd]\naddress = \"127.0.0.1:8125\"\n");
    let ran = run(["check", "--without-env", text(&serve)]);
    assert!(ran.code == 1 && ran.out.contains("\n2 | address = ") && !ran.out.contains("\\n"), "{ran:?}");
}

#[test]
fn a_server_whose_file_became_a_pipe_goes_on_and_ends() {
    let mut server =
        Serve::start("program-became-a-pipe", "[http]\naddress = \"127.0.0.1:0\"\n[cache]\nhost_metrics = false\n");
    std::fs::remove_file(server.scratch.path().join("serve.toml")).unwrap();
    let pipe = pipe(&server.scratch);
    std::fs::rename(pipe, server.scratch.path().join("serve.toml")).unwrap();
    server.signal("HUP");
    wait_until("the log", || server.log().contains("a named pipe"));
    server.signal("TERM");
    wait_until("its end", || server.child.try_wait().unwrap().is_some());
}

#[test]
fn a_replay_that_waits_for_a_pipe_ends_when_it_is_told() {
    let scratch = Scratch::new("program-replay");
    let pipe = pipe(&scratch);
    // Nobody opened the other end; then somebody did, and writes nothing.
    let mut replay = Running::spawn(&["tap", "127.0.0.1:9", "--replay"], &pipe);
    signal(replay.child(), "-TERM");
    replay.ended("a replay that opens a pipe");
    let mut replay = Running::spawn(&["tap", "127.0.0.1:9", "--replay"], &pipe);
    let held = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    let state = PathBuf::from(format!("/proc/{}/status", replay.child().id()));
    wait_until("SIGTERM being remembered", || {
        let text = std::fs::read_to_string(&state).unwrap();
        let caught = text.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or_default();
        u64::from_str_radix(caught.trim(), 16).is_ok_and(|caught| caught & (1 << 14) != 0)
    });
    signal(replay.child(), "-TERM");
    // The second one is another signal, so that the first is not merged with it.
    signal(replay.child(), "-INT");
    replay.ended("a replay that reads a pipe");
    drop(held);
}
