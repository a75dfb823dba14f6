//! Executes docs/pull-cache.md about the endpoint: its table of bad requests, and its commands.

mod common;

use common::client::{Answer, exactly, get_in_time};
use common::{Cache, frame};
use ferrometer_core::get_logger;
use ferrometer_http::{Frame, Limits, Server};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

const PAGE: &str = include_str!("../../../docs/pull-cache.md");
const TOKEN: &str = "5f0c3d1a9be24b7c8c1de0aa7f3b6d42";

/// Makes the cache that the page's examples ask.
fn shop() -> Cache {
    let cache = Cache::install(Duration::from_secs(3600));
    let shop = get_logger("shop");
    for _ in 0..2 {
        shop.with("till", "3").send_counter("sales", 80);
        shop.send_timer("checkout", Duration::from_millis(26));
        cache.flush();
        thread::sleep(Duration::from_millis(1100));
    }
    cache
}

fn endpoint(cache: &Cache) -> Frame {
    frame(cache)
}

/// Every `{1000}` becomes this many letters.
fn expand(text: &str) -> String {
    let Some((before, rest)) = text.split_once('{') else { return text.to_owned() };
    let (count, after) = rest.split_once('}').unwrap();
    format!("{before}{}{}", "x".repeat(count.parse().unwrap()), expand(after))
}

fn code(cell: &str) -> &str {
    cell.trim().split('`').nth(1).unwrap_or("")
}

#[test]
fn the_table_of_bad_requests() {
    let cache = shop();
    let short = Duration::from_millis(300);
    let limits = Limits { header_timeout: short, idle_timeout: short, ..Limits::default() };
    let server = endpoint(&cache).limits(limits).serve().unwrap();
    let table = PAGE.split("### Bad requests").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
    assert!(rows.len() > 25, "{rows:?}");
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        let [request, headers, status, error] = cells[..] else { panic!("{row}") };
        let mut bytes = expand(code(request));
        if !request.contains("silence") {
            let header = expand(code(headers));
            let host = if header.starts_with("Host:") { "" } else { "Host: localhost\r\n" };
            let version = if bytes.contains(" HTTP/") { "" } else { " HTTP/1.1" };
            let header = if header.is_empty() { header } else { format!("{header}\r\n") };
            bytes += &format!("{version}\r\n{host}{header}\r\n");
        }
        let expected = status.trim().parse::<u16>().unwrap();
        let ask = || exactly(&server, bytes.as_bytes()).unwrap_or_else(|| panic!("no answer: {row}"));
        // On a busy machine a thread may not get to send within the short limit.
        let late = |answer: &Answer| answer.status == 408 && expected != 408;
        let answer = (0..100).map(|_| ask()).find(|answer| !late(answer)).unwrap_or_else(ask);
        assert_eq!(answer.status, expected, "{row}\n{}", answer.text());
        if code(error).is_empty() {
            assert!(answer.status == 200 || answer.body.is_empty(), "{row}\n{}", answer.text());
        } else {
            assert!(answer.error().contains(code(error)), "{row}\n{}", answer.text());
        }
    }
    assert_eq!(get_in_time(&server, "/").status, 200);
}

/// Without white space, every number alike.
fn normal(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().filter(|c| !c.is_whitespace()) {
        match c {
            '0'..='9' if out.ends_with('0') => {}
            '0'..='9' => out.push('0'),
            '.' if out.ends_with('0') => {}
            c => out.push(c),
        }
    }
    out
}

/// Returns whether the parts of `expected`, between the dots that stand for anything, are there in order, from the beginning to the end.
fn fits(expected: &str, found: &str) -> bool {
    let (expected, found) = (normal(expected), normal(found));
    let parts: Vec<&str> = expected.split('…').collect();
    let mut rest = found.as_str();
    for (at, part) in parts.iter().enumerate() {
        match rest.find(part) {
            Some(0) => rest = &rest[part.len()..],
            Some(begin) if at > 0 => rest = &rest[begin + part.len()..],
            _ => return false,
        }
    }
    rest.is_empty() || expected.ends_with('…')
}

#[test]
fn what_fits() {
    for (expected, found, fit) in [
        ("a…c", "abc", true),
        ("a…c", "abcd", false),
        ("{\"t\": 12.5}", "{\"t\":7}", true),
        ("…b…", "abc", true),
        ("b…", "abc", false),
        ("304", "", false),
    ] {
        assert_eq!(fits(expected, found), fit, "{expected} {found}");
    }
}

fn run(command: &str, directory: &Path) -> String {
    let output = Command::new("sh").args(["-c", command]).current_dir(directory).env("TOKEN", TOKEN).output().unwrap();
    assert!(output.status.success(), "{command}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "needs curl"]
fn the_commands() {
    let cache = shop();
    let directory = std::env::temp_dir().join(format!("ferrometer-docs-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let identity = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(directory.join("tls.crt"), identity.cert.pem()).unwrap();
    fs::write(directory.join("tls.key"), identity.signing_key.serialize_pem()).unwrap();
    let hash: String = Sha256::digest(TOKEN).iter().map(|byte| format!("{byte:02x}")).collect();
    let token = format!("prometheus=sha256:{hash}");

    let plain = endpoint(&cache).serve().unwrap();
    let tokens = endpoint(&cache).tokens([token.clone()]).serve().unwrap();
    let tls =
        endpoint(&cache).tokens([token]).tls(directory.join("tls.crt"), directory.join("tls.key")).serve().unwrap();
    let port = |server: &Server| format!(":{}", server.local_addr().port());
    let (from, to) = cache.handle.window().unwrap();
    let mut next = String::new();
    let mut commands = 0;
    let section = PAGE.split("\n## Over HTTP").nth(1).unwrap().split("\n## ").next().unwrap();
    for block in section.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
        for example in block.split("$ ").skip(1) {
            let (command, expected) = example.split_once('\n').unwrap();
            let mut command = command
                .replace(":9620", &port(&plain))
                .replace(":9621", &port(&tokens))
                .replace(":9622", &port(&tls))
                .replace("=1795294901", &format!("={from}"))
                .replace("=1795294921'", &format!("={to}'"));
            if let Some((before, after)) = command.split_once("after=") {
                let behind = after.split_once('\'').unwrap().1;
                command = format!("{before}after={next}'{behind}");
            }
            let found = run(&command, &directory);
            if let Some((_, after)) = found.split_once("\"next\":\"") {
                next = after.split('"').next().unwrap().to_owned();
            }
            assert!(fits(expected, &found), "$ {command}\nexpected:\n{expected}\nfound:\n{found}");
            commands += 1;
        }
    }
    assert!(commands >= 17, "{commands}");
    fs::remove_dir_all(&directory).unwrap();
}
