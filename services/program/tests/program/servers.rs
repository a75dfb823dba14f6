//! `servers`: against a server that manages some; what is asked of the routes of Proxmox VE, byte for byte, and what is made of their answers.

use crate::common::{FAST, Serve, ferrometer, good, run, text};
use ferrometer_testkit::scratch::Scratch;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Requests that were asked: method and path, the token, the body.
type Asked = Vec<(String, String, String)>;

/// Answers one request after the other as given, and returns what was asked.
fn answers(replies: Vec<(u16, &'static str)>) -> (String, JoinHandle<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let thread = thread::spawn(move || {
        let mut asked = Vec::new();
        for (status, body) in replies {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                reader.read_line(&mut head).unwrap();
            }
            let header = |name: &str| {
                let line = head.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}:")));
                line.map_or("", |line| line.split_once(':').unwrap().1.trim()).to_owned()
            };
            let mut sent = vec![0; header("content-length").parse().unwrap_or(0)];
            reader.read_exact(&mut sent).unwrap();
            let first = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
            asked.push((first, header("authorization"), String::from_utf8(sent).unwrap()));
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
            (&stream).write_all(answer.as_bytes()).unwrap();
        }
        asked
    });
    (url, thread)
}

const ONE: &str =
    r#"{"data":{"id":"tsdb","type":"influxdb","server":"10.0.0.1","port":8086,"disable":0,"digest":"abc"}}"#;

#[test]
fn servers_are_listed_and_shown() {
    let list = r#"{"data":[{"id":"a","type":"graphite","server":"h","port":2003},{"id":"b\u001b[1m","type":"influxdb","server":"i","port":"8086","disable":1}]}"#;
    let (url, asked) = answers(vec![(200, list), (200, ONE)]);
    let listed = run(["servers", "--url", &url, "list"]);
    assert_eq!(
        listed.out,
        "ID            TYPE      SERVER  PORT  STATE\na             graphite  h       2003  enabled\nb\\u{1b}[1m  influxdb  i       8086  disabled\n"
            .replace("ID            ", "ID          ")
            .replace("a             ", "a           ")
    );
    let shown = run(["servers", "--url", &url, "show", "tsdb"]);
    assert!(shown.out.contains("server   10.0.0.1\n"), "{}", shown.out);
    let asked = asked.join().unwrap();
    assert_eq!(asked[0].0, "GET /api2/json/cluster/metrics/server");
    assert_eq!(asked[1].0, "GET /api2/json/cluster/metrics/server/tsdb");
}

#[test]
fn a_server_is_added_with_a_token_that_no_argument_shows() {
    let scratch = Scratch::new("program-servers");
    let token = scratch.file("token", "s&cret\n");
    let (url, asked) = answers(vec![(200, r#"{"data":null}"#)]);
    let output = ferrometer()
        .env("FERROMETER_TOKEN", "PVEAPIToken=root@pam!x=0123456789abcdef")
        .args(["servers", "--url", &url, "add", "tsdb", "--type", "influxdb", "--server", "10.0.0.1", "--port", "8086"])
        .args(["-o", "bucket=a b*", "--server-token-file", text(&token)])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "tsdb: added\n");
    let asked = asked.join().unwrap();
    let expected = (
        "POST /api2/json/cluster/metrics/server/tsdb".to_owned(),
        "PVEAPIToken=root@pam!x=0123456789abcdef".to_owned(),
        "type=influxdb&server=10.0.0.1&port=8086&bucket=a%20b%2A&token=s%26cret".to_owned(),
    );
    assert_eq!(asked, [expected]);
}

#[test]
fn a_change_carries_the_digest_of_what_was_read() {
    for (arguments, body, said) in [
        (vec!["disable", "tsdb"], "disable=1&server=10.0.0.1&port=8086&digest=abc", "tsdb: disabled\n"),
        (vec!["enable", "tsdb"], "disable=0&server=10.0.0.1&port=8086&digest=abc", "tsdb: enabled\n"),
        (
            vec!["set", "tsdb", "-o", "mtu=1400", "--delete", "timeout"],
            "mtu=1400&delete=timeout&server=10.0.0.1&port=8086&digest=abc",
            "tsdb: changed\n",
        ),
    ] {
        let (url, asked) = answers(vec![(200, ONE), (200, r#"{"data":null}"#)]);
        let ran = run(["servers", "--url", &url].into_iter().chain(arguments));
        assert_eq!((ran.code, ran.out.as_str()), (0, said), "{ran:?}");
        let asked = asked.join().unwrap();
        assert_eq!(
            (asked[1].0.as_str(), asked[1].2.as_str()),
            ("PUT /api2/json/cluster/metrics/server/tsdb", body.replace(',', "%2C").as_str())
        );
    }
    let (url, asked) = answers(vec![(200, ONE), (200, ONE), (200, r#"{"data":null}"#)]);
    assert_eq!(run(["servers", "--url", &url, "test", "tsdb"]).out, "tsdb: answers\n");
    assert_eq!(asked.join().unwrap()[2].2, "port=8086&server=10.0.0.1&digest=abc");
    let (url, asked) = answers(vec![(200, r#"{"data":null}"#)]);
    assert_eq!(run(["servers", "--url", &url, "remove", "tsdb"]).out, "tsdb: removed\n");
    assert_eq!(asked.join().unwrap()[0].0, "DELETE /api2/json/cluster/metrics/server/tsdb");
}

#[test]
fn a_refusal_is_told_in_the_servers_words() {
    let refusal = r#"{"data":null,"message":"Parameter verification failed.\n","errors":{"port":"value must have a maximum value of 65536"}}"#;
    let (url, asked) = answers(vec![(400, refusal)]);
    let ran = run(["servers", "--url", &url, "add", "x", "--type", "graphite", "--server", "h", "--port", "1"]);
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("answers 400: Parameter verification failed."), "{}", ran.err);
    assert!(ran.err.contains("value must have a maximum"), "{}", ran.err);
    asked.join().unwrap();
    let ran = run(["servers", "--url", "http://127.0.0.1:1", "set", "x"]);
    assert!(ran.code == 2 && ran.err.contains("nothing is to be changed"), "{ran:?}");
}

#[test]
fn a_real_program_sends_to_a_server_while_it_is_enabled() {
    let serve = Serve::start("program-servers-real", FAST);
    let url = serve.url();
    let carbon = UdpSocket::bind("127.0.0.1:0").unwrap();
    carbon.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let port = carbon.local_addr().unwrap().port().to_string();
    let servers = |arguments: &[&str]| good(["servers", "--url", &url].into_iter().chain(arguments.iter().copied()));
    assert_eq!(servers(&["list"]), "ID  TYPE  SERVER  PORT  STATE\n");
    let added =
        servers(&["add", "carbon", "--type", "graphite", "--server", "127.0.0.1", "--port", &port, "-o", "path=shop"]);
    assert_eq!(added, "carbon: added\n");
    serve.send("till.sales:2|c");
    let mut buffer = [0; 65_536];
    let mut came = String::new();
    while !came.contains("shop.till.sales 2 ") {
        let length = carbon.recv(&mut buffer).unwrap();
        came.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
    }
    assert!(servers(&["list"]).contains("enabled"));
    assert!(servers(&["show", "carbon"]).contains("graphite"));
    assert_eq!(servers(&["test", "carbon"]), "carbon: answers\n");
    assert_eq!(servers(&["disable", "carbon"]), "carbon: disabled\n");
    assert!(servers(&["list"]).contains("disabled"));
    let ran = run(["servers", "--url", &url, "test", "carbon"]);
    assert!(ran.code == 2 && ran.err.contains("is disabled"), "{ran:?}");
    assert_eq!(servers(&["enable", "carbon"]), "carbon: enabled\n");
    let ran = run(["servers", "--url", &url, "set", "carbon", "-o", "mtu=5"]);
    assert!(ran.code == 3 && ran.err.contains("mtu"), "{ran:?}");
    assert_eq!(servers(&["remove", "carbon"]), "carbon: removed\n");
    assert_eq!(run(["servers", "--url", &url, "show", "carbon"]).code, 3);
}
