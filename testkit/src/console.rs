//! Blocks of a page that are marked `console`, run as they stand: each line behind a `$`, and what the page says it prints.
//!
//! A page runs in an empty folder and in a network of its own, so that the usual ports are free; whatever it started ends with it. In what the page shows, `…` stands for
//! anything, and a number of ten digits and more, a time, for any number. A line that only asks is run again until it prints what is expected: what was sent is
//! on its way for a moment.

use crate::wait::SOON;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Words with which lines begin that change nothing.
const ASKS: [&str; 3] = ["curl -sG ", "whisper-fetch ", "sleep "];

/// A command, and the lines that it prints.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// As it is typed, here documents with their lines.
    pub command: String,
    /// Empty where the page shows none.
    pub expected: Vec<String>,
}

/// Reads the blocks of a part of a page: one list of steps for each.
pub fn blocks(page: &str) -> Vec<Vec<Step>> {
    let blocks = page.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    blocks.map(steps).collect()
}

fn steps(block: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = block.lines();
    while let Some(line) = lines.next() {
        let Some(command) = line.strip_prefix("$ ") else {
            steps.last_mut().expect("a command stands before what it prints").expected.push(line.to_owned());
            continue;
        };
        let mut command = command.to_owned();
        if command.contains("<<END") {
            for line in lines.by_ref().take_while(|line| *line != "END") {
                write!(command, "\n{line}").expect("a String");
            }
            command.push_str("\nEND");
        }
        steps.push(Step { command, expected: Vec::new() });
    }
    steps
}

/// Runs steps in a folder, with programs that take the place of others: each is a name and a script for `bash`.
///
/// # Panics
/// When a line prints something else than the page says.
pub fn run(steps: &[Step], folder: &Path, programs: &[(&str, String)]) {
    let tools = folder.join(".tools");
    std::fs::create_dir_all(&tools).expect("a folder");
    for (name, script) in programs {
        let path = tools.join(name);
        std::fs::write(&path, format!("#!/usr/bin/env bash\n{script}\n")).expect("a script");
        assert!(Command::new("chmod").arg("755").arg(&path).status().is_ok_and(|status| status.success()));
    }
    let out = |at: usize| tools.join(format!("out{at}"));
    let tries = SOON.as_millis() / 200;
    let mut script = String::from("ip link set lo up\n");
    for (at, step) in steps.iter().enumerate() {
        let (command, to) = (&step.command, out(at).display().to_string());
        let expected = quoted(&pattern(&step.expected));
        if step.expected.is_empty() {
            writeln!(script, "{{ {command}\n}} >'{to}' 2>&1 </dev/null").expect("a String");
        } else if is_of_another(step) {
            writeln!(script, "{{ {command}\n}} >'{to}' 2>&1 </dev/null").expect("a String");
            let all = format!("cat '{}'/out*", tools.display());
            writeln!(script, "for i in $(seq {tries}); do {all} | grep -qzP {expected} && break; sleep 0.2; done")
                .expect("a String");
        } else if ASKS.iter().any(|word| step.command.starts_with(word)) {
            writeln!(script, "for i in $(seq {tries}); do {{ {command}\n}} >'{to}' 2>&1 </dev/null; grep -qzP {expected} '{to}' && break; sleep 0.2; done")
                .expect("a String");
        } else {
            writeln!(script, "{{ {command}\n}} >'{to}' 2>&1 </dev/null").expect("a String");
        }
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([tools.clone()].into_iter().chain(std::env::split_paths(&path))).expect("a PATH");
    let ran = Command::new("unshare")
        .args(["--map-root-user", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", &script])
        .current_dir(folder)
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .expect("unshare, of Debian's util-linux");
    let said = String::from_utf8_lossy(&ran.stderr);
    let print = |at: usize| std::fs::read_to_string(out(at)).unwrap_or_default();
    let all: String = (0..steps.len()).map(print).collect();
    for (at, step) in steps.iter().enumerate().filter(|(_, step)| !step.expected.is_empty()) {
        let found = if is_of_another(step) { all.clone() } else { print(at) };
        let fits = fits(&step.expected, &found, is_of_another(step));
        assert!(
            fits,
            "$ {}\nexpected:\n{}\nfound:\n{found}\n{said}\nall:\n{all}",
            step.command,
            step.expected.join("\n")
        );
    }
}

/// Returns `true` when what a line leads to is printed by something that was started before.
fn is_of_another(step: &Step) -> bool {
    step.command.starts_with("cargo run ") && !step.command.ends_with('&')
}

/// Returns `true` when lines are as a page shows them: all of them, or, where others may stand between them, in their order.
fn fits(expected: &[String], found: &str, may_have_others: bool) -> bool {
    let mut lines = found.lines().filter(|line| !line.trim().is_empty());
    let expected: Vec<&String> = expected.iter().filter(|line| !line.trim().is_empty()).collect();
    if may_have_others {
        return expected.iter().all(|line| lines.any(|found| is_like(line.trim(), found.trim())));
    }
    let lines: Vec<&str> = lines.collect();
    lines.len() == expected.len() && lines.iter().zip(expected).all(|(found, line)| is_like(line, found.trim_end()))
}

/// Takes a line of a page apart.
fn parts(line: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        if let Some(behind) = rest.strip_prefix('…') {
            parts.push(Part::Anything);
            rest = behind;
        } else if digits >= 10 {
            let behind = &rest[digits..];
            let fraction = behind
                .strip_prefix('.')
                .map_or(0, |text| 1 + text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
            parts.push(Part::Time);
            rest = &behind[fraction..];
        } else {
            let len = digits.max(rest.chars().next().map_or(0, char::len_utf8));
            match parts.last_mut() {
                Some(Part::Text(text)) => text.push_str(&rest[..len]),
                _ => parts.push(Part::Text(rest[..len].to_owned())),
            }
            rest = &rest[len..];
        }
    }
    parts
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Anything,
    Time,
}

fn is_like(line: &str, found: &str) -> bool {
    like(&parts(line), found)
}

fn like(parts: &[Part], found: &str) -> bool {
    match parts {
        [] => found.is_empty(),
        [Part::Text(text), rest @ ..] => found.strip_prefix(text.as_str()).is_some_and(|found| like(rest, found)),
        [Part::Time, rest @ ..] => {
            let len = found.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(found.len());
            len > 0 && like(rest, &found[len..])
        }
        [Part::Anything, rest @ ..] => {
            found.char_indices().map(|(at, _)| at).chain([found.len()]).any(|at| like(rest, &found[at..]))
        }
    }
}

/// Does so for `grep -P`, for the wait alone.
fn pattern(expected: &[String]) -> String {
    let line = |line: &String| -> String {
        let part = |part: Part| match part {
            Part::Text(text) => format!("\\Q{text}\\E"),
            Part::Anything => "[\\s\\S]*".to_owned(),
            Part::Time => "[0-9.]+".to_owned(),
        };
        parts(line.trim()).into_iter().map(part).collect()
    };
    expected.iter().map(line).collect::<Vec<_>>().join("[\\s\\S]*")
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_taken_apart() {
        let page = "x\n```console\n$ a\n1\n2\n$ cat >f <<END\nk\nEND\n$ b &\n```\n```console\n$ c\n```\n";
        let step = |command: &str, expected: &[&str]| Step {
            command: command.to_owned(),
            expected: expected.iter().map(|line| (*line).to_owned()).collect(),
        };
        let expected = vec![
            vec![step("a", &["1", "2"]), step("cat >f <<END\nk\nEND", &[]), step("b &", &[])],
            vec![step("c", &[])],
        ];
        assert_eq!(blocks(page), expected);
    }

    #[test]
    fn dots_stand_for_anything_and_times_for_times() {
        for (expected, found, fit) in [
            ("a…c", "abc", true),
            ("a…c", "abcd", false),
            ("[1795918427.278,\"50\"]", "[1895918427,\"50\"]", true),
            ("[1795918427.278,\"50\"]", "[1895918427,\"51\"]", false),
            ("[1795918427,\"50\"]", "[x,\"50\"]", false),
            ("…", "", true),
            ("12", "13", false),
            ("a,…]}", "a,b]}]}", true),
        ] {
            assert_eq!(is_like(expected, found), fit, "{expected} {found}");
        }
    }

    #[test]
    fn other_lines_may_stand_between_only_where_they_may() {
        let expected = ["a".to_owned(), "b".to_owned()];
        assert!(fits(&expected, "a\nb\n", false) && !fits(&expected, "a\nx\nb\n", false));
        assert!(fits(&expected, "x\na\nx\nb\n", true) && !fits(&expected, "b\na\n", true));
    }

    #[test]
    #[ignore = "needs unshare and ip, and rights for a network of its own"]
    fn what_a_page_says_is_checked() {
        let scratch = crate::Scratch::new("console");
        let page = "```console\n$ hello > f\n$ X=1\n$ cat f; echo $X\nworld\n1\n```\n";
        run(&blocks(page)[0], scratch.path(), &[("hello", "echo world".to_owned())]);
        let wrong = page.replace("world\n1", "world\n2");
        let ran =
            std::panic::catch_unwind(|| run(&blocks(&wrong)[0], scratch.path(), &[("hello", "echo world".to_owned())]));
        assert!(ran.is_err());
    }
}
