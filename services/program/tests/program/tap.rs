//! `tap`: lines as they come, recordings, and hostile ones.

use crate::common::{ferrometer, good, run, text};
use ferrometer_testkit::scratch::Scratch;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Stdio};

struct Tap {
    child: Child,
    /// Where it listens.
    place: String,
    errors: BufReader<std::process::ChildStderr>,
}

impl Tap {
    fn start(arguments: &[&str]) -> Tap {
        let mut child =
            ferrometer().arg("tap").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        errors.read_line(&mut line).unwrap();
        let place = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}")).to_owned();
        Tap { child, place, errors }
    }

    fn send(&self, datagram: &[u8]) {
        let to = self.place.strip_prefix("udp://").unwrap();
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(datagram, to).unwrap();
    }

    fn end(self) -> (i32, String) {
        let Tap { child, errors, .. } = self;
        drop(errors);
        let output = child.wait_with_output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    }
}

#[test]
fn each_line_is_shown_with_who_reads_it() {
    let tap = Tap::start(&["udp://127.0.0.1:0", "--count", "4"]);
    tap.send(b"shop.sales:2|c|@0.5\nshop.pay:1:2|ms|#till:3\nshop.sales=2");
    tap.send(b"shop.sales:x|c");
    let (code, out) = tap.end();
    assert_eq!(code, 1);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "c     shop.sales                            2 @0.5  [all]");
    assert_eq!(lines[1], "ms    shop.pay                                 1:2  #till:3  [dogstatsd]");
    assert_eq!(lines[2], "BAD   shop.sales=2   <- there is no `:` behind the name; expected name:value|type");
    assert_eq!(lines[3], "BAD   shop.sales:x|c   <- the value \"x\" is no number");
    assert!(out.contains("4 lines in 2 datagrams") && out.contains("2 bad"), "{out}");
    assert!(out.contains("    1  shop.sales\n"), "{out}");
}

#[test]
fn json_has_reasons_and_a_summary() {
    let tap = Tap::start(&["udp://127.0.0.1:0", "--count", "2", "--json", "--dialect", "etsy"]);
    tap.send(b"a:1|c\na:1|h");
    let (code, out) = tap.end();
    assert_eq!(code, 1);
    let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines[0]["bad"].is_null() && lines[0]["dialects"].as_array().unwrap().len() == 7);
    assert_eq!(lines[1]["bad"], "etsy: the type \"h\" would be counted as a counter; known are c, g, ms, s");
    assert_eq!(lines[2]["summary"]["bad"], 1);
}

#[test]
fn hostile_lines_print_no_control_characters() {
    let tap = Tap::start(&["udp://127.0.0.1:0", "--count", "3"]);
    tap.send(b"a\x1b]0;owned\x07:1|c\nb\xff\xfe:1|c\nc\xc2\x9b31m\xe2\x80\xae:1|\x1bc");
    let (code, out) = tap.end();
    assert_eq!(code, 1);
    assert!(!out.contains(|c: char| c != '\n' && (c.is_control() || c == '\u{202e}')), "{out:?}");
    assert!(out.contains("a\\u{1b}]0;owned\\u{7}:1|c") && out.contains("b\\xff\\xfe:1|c"), "{out}");
}

#[test]
fn tcp_and_unix_sockets_are_heard() {
    let tap = Tap::start(&["tcp://127.0.0.1:0", "--count", "2"]);
    let mut stream = TcpStream::connect(tap.place.strip_prefix("tcp://").unwrap()).unwrap();
    stream.write_all(b"a:1|c\nb:").unwrap();
    stream.write_all(b"2|c\n").unwrap();
    let (code, out) = tap.end();
    assert!(code == 0 && out.contains("b  "), "{out}");
    let scratch = Scratch::new("program-tap");
    let path = scratch.path().join("statsd.sock");
    let tap = Tap::start(&[&format!("unix:{}", text(&path)), "--count", "1"]);
    UnixDatagram::unbound().unwrap().send_to(b"a:1|c", &path).unwrap();
    assert_eq!(tap.end().0, 0);
    assert!(!path.exists());
}

#[test]
fn what_is_recorded_is_sent_again() {
    let scratch = Scratch::new("program-tap-record");
    let file = scratch.path().join("lines.jsonl");
    let tap = Tap::start(&["udp://127.0.0.1:0", "--count", "3", "--summary", "--record", text(&file)]);
    tap.send(b"a:1|c\nb:2|g");
    tap.send(b"c\xff:1|c");
    assert_eq!(tap.end().0, 1);
    let recorded = std::fs::read_to_string(&file).unwrap();
    assert_eq!(recorded.lines().count(), 3);
    // A file that is there is not replaced.
    let ran = run(["tap", "udp://127.0.0.1:0", "--count", "0", "--record", text(&file)]);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), recorded);
    let tap = Tap::start(&["udp://127.0.0.1:0", "--count", "3", "--json"]);
    let said = good(["tap", &tap.place, "--replay", text(&file), "--speed", "0"]);
    assert_eq!(said, format!("2 datagrams, 17 B sent to {}\n", tap.place));
    let (_, out) = tap.end();
    assert!(out.contains("\"line\":\"a:1|c\"") && out.contains("\"line\":\"c\\\\xff:1|c\""), "{out}");
    let plain = scratch.file("plain.txt", "a:1|c\n\nb:1|c\n");
    let tap = Tap::start(&["udp://127.0.0.1:0", "--count", "2"]);
    good(["tap", &tap.place, "--replay", text(&plain)]);
    assert_eq!(tap.end().0, 0);
    let broken = scratch.file("broken.jsonl", "{\"ferrometer\":\"statsd recording\",\"version\":1}\n{\"at\":0}\n");
    let ran = run(["tap", "udp://127.0.0.1:9", "--replay", text(&broken)]);
    assert!(ran.code == 4 && ran.err.contains("line 2 has neither data nor base64"), "{ran:?}");
}

#[test]
fn a_signal_ends_it_with_its_summary() {
    let tap = Tap::start(&["udp://127.0.0.1:0"]);
    tap.send(b"a:1|c");
    let mut child = tap.child;
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert!(line.starts_with("c     a "), "{line}");
    let done = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(done.success());
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut out, &mut rest).unwrap();
    assert!(rest.contains("1 lines in 1 datagrams"), "{rest}");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
