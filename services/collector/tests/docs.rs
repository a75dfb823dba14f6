//! `docs/collector.md`: its lines of shell, run in their order from an empty folder, print what it says they print.

#![cfg(unix)]

mod support;

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use support::Folder;

/// The child: the command, with the arguments behind `--`.
#[test]
#[ignore = "is the child of the test below"]
fn child() {
    if std::env::var_os("FERROMETER_DOCS").is_none() {
        return;
    }
    let arguments = std::env::var("FERROMETER_DOCS").unwrap();
    let arguments = ["collector"].into_iter().chain(arguments.lines()).map(OsString::from);
    let code = ferrometer_collector::command::run_with(arguments);
    std::process::exit(i32::from(code != std::process::ExitCode::SUCCESS));
}

/// Blocks of shell, each with the output that the page shows below it.
fn blocks() -> Vec<(String, Option<String>)> {
    let mut blocks: Vec<(String, Option<String>)> = Vec::new();
    let mut lines = include_str!("../../../docs/collector.md").lines();
    while let Some(line) = lines.next() {
        let kind = line.strip_prefix("```").unwrap_or_default();
        if kind.is_empty() {
            continue;
        }
        let text: String = lines.by_ref().take_while(|l| *l != "```").map(|l| format!("{l}\n")).collect();
        match (kind, blocks.last_mut()) {
            ("sh", _) => blocks.push((text, None)),
            ("text", Some((_, output))) => *output = Some(text),
            _ => {}
        }
    }
    blocks
}

#[test]
#[ignore = "needs prometheus, promtool and curl"]
fn lines_of_the_page_print_what_it_says() {
    let folder = Folder::new("docs");
    let empty = folder.0.join("empty");
    std::fs::create_dir(&empty).unwrap();
    // The test binary prints lines of its own on the standard output; the command's are told apart by a descriptor.
    let binary = std::env::current_exe().unwrap();
    let script = format!(
        "#!/usr/bin/env bash\nFERROMETER_DOCS=$(printf '%s\\n' \"$@\") '{}' child --exact --ignored --nocapture | sed '/^$/d; /^running 1 test$/d'\n\
         exit ${{PIPESTATUS[0]}}\n",
        binary.display()
    );
    let command = folder.write("collector", script);
    std::fs::set_permissions(&command, std::fs::Permissions::from_mode(0o755)).unwrap();
    let blocks = blocks();
    assert!(blocks.iter().filter(|(_, output)| output.is_some()).count() >= 3);
    let mut whole = String::from("set -eu\ntrap 'kill $(jobs -p)' EXIT\n");
    for (n, (shell, _)) in blocks.iter().enumerate() {
        whole.push_str(&format!("exec >../out{n}\n{shell}"));
    }
    let path = format!("{}:{}", folder.0.display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    let ran =
        bash.args(["-c", &whole]).current_dir(&empty).env("PATH", path).env("TZ", "Pacific/Auckland").process_group(0);
    let ran = ran.output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    for (n, (shell, output)) in blocks.iter().enumerate() {
        if let Some(expected) = output {
            let found = std::fs::read_to_string(folder.0.join(format!("out{n}"))).unwrap();
            assert_eq!(found, *expected, "{shell}");
        }
    }
}
