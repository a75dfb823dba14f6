//! `serve`: every way in and out, signals, sockets of a service manager, tokens, the end.

use crate::common::{FAST, Prometheus, Serve, ferrometer, get, good, post, run, text};
use ferrometer_testkit::scratch::Scratch;
use ferrometer_testkit::wait::{SOON, wait_until};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn lines_of_statsd_come_by_every_socket_and_go_into_cache_and_archive() {
    let serve = Serve::start("program-serve", FAST);
    serve.send("udp.sales:2|c|#till:3");
    let tcp = serve.statsd("tcp");
    TcpStream::connect(tcp.strip_prefix("tcp://").unwrap())
        .unwrap()
        .write_all(b"tcp.sales:3|c\ntcp.depth:7|g\n")
        .unwrap();
    let unix = serve.scratch.path().join("statsd.sock");
    UnixDatagram::unbound().unwrap().send_to(b"unix.pay:125|ms", unix).unwrap();
    for name in ["udp.sales", "tcp.sales", "tcp.depth", "unix.pay.count"] {
        serve.wait_for(name);
    }
    let url = serve.url();
    let (status, metrics) = get(&url, "/metrics");
    assert!(status == 200 && metrics.contains("udp_sales_total{till=\"3\"} 2\n"), "{metrics}");
    let (status, page) = http_page(&url);
    assert!(status == 200 && page.contains("<html"), "{page}");
    assert!(page.contains("href=\"./archive\">Archive"), "{page}");
    let (status, page) = http_at(&url, "/archive");
    assert!(status == 200 && page.contains("data-api=\"./gnocchi\""), "{page}");
    assert_eq!(get(&url, "/readyz").0, 200);
    let (status, index) = get(&url, "/");
    assert!(
        status == 200 && index.contains("\nGET /gnocchi/v1 ") && index.contains("\nPOST /api/v1/write "),
        "{index}"
    );
    let api = format!("{url}/gnocchi");
    wait_until("measures in the archive", || {
        let list = run(["archive", "--url", &api, "metric", "list", "--name", "*.sales|c"]);
        list.code == 0 && list.out.lines().count() == 3
    });
    let list: serde_json::Value =
        serde_json::from_str(&good(["--json", "archive", "--url", &api, "metric", "list", "--name", "tcp.sales|c"]))
            .unwrap();
    let id = list[0]["id"].as_str().unwrap();
    wait_until("the measure", || {
        let shown = good(["--json", "archive", "--url", &api, "measures", "show", id, "--method", "sum"]);
        shown.contains("3.0]")
    });
}

fn http_page(url: &str) -> (u16, String) {
    http_at(url, "/")
}

fn http_at(url: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

#[test]
fn lines_of_influx_are_taken_in_both_versions_of_its_api() {
    let serve = Serve::start("program-serve-influx", FAST);
    let url = serve.url();
    assert_eq!(get(&url, "/ping").0, 204);
    assert_eq!(get(&url, "/health").0, 200);
    let (status, said) = post(&url, "/write?db=x&precision=s", "", b"cpu,host=a used=1.5 1700000000\n");
    assert_eq!((status, said.as_str()), (204, ""));
    let (status, said) =
        post(&url, "/api/v2/write?bucket=b&org=o&precision=ms", "", b"cpu,host=a used=2.5 1700000300000\n");
    assert_eq!((status, said.as_str()), (204, ""));
    let (status, said) = post(&url, "/write", "", b"cpu,host=a used=\n");
    assert!(status == 400 && said.contains("line 1"), "{status} {said}");
    let (status, said) = post(&url, "/write", "", b"cpu used=1\n");
    assert!(status == 400 && said.contains("host"), "{status} {said}");
    assert_eq!(post(&url, "/write?precision=days", "", b"cpu,host=a used=1 1\n").0, 400);
    let api = format!("{url}/gnocchi");
    let list: serde_json::Value =
        serde_json::from_str(&good(["--json", "archive", "--url", &api, "metric", "list", "--name", "cpu.used"]))
            .unwrap();
    let id = list[0]["id"].as_str().unwrap();
    let csv = good(["archive", "--url", &api, "measures", "show", id, "--csv"]);
    assert_eq!(
        csv,
        "timestamp,granularity,value\r\n2023-11-14T22:10:00+00:00,300,1.5\r\n2023-11-14T22:15:00+00:00,300,2.5\r\n"
    );
}

#[test]
fn a_message_of_remote_write_that_is_not_known_is_refused_and_not_taken_for_nothing() {
    let serve = Serve::start("program-serve-remote-write", FAST);
    let url = serve.url();
    // A request of 2.0 without series, and one of 1.0, compressed.
    let (second, first) = ([2, 4, 0x22, 0], [0]);
    for path in ["/api/v1/write", "/gnocchi/v1/prometheus/write"] {
        let own = "Authorization: Basic YWRtaW46\r\nContent-Type: application/x-protobuf";
        let (status, said) = post(&url, path, &format!("{own};proto=io.prometheus.write.v2.Request\r\n"), &second);
        assert_eq!(status, 415, "{path}: {said}");
        for kind in ["", ";proto=prometheus.WriteRequest"] {
            let (status, said) = post(&url, path, &format!("{own}{kind}\r\n"), &first);
            assert!([202, 204].contains(&status), "{path}{kind}: {status} {said}");
        }
    }
}

#[test]
#[ignore = "needs prometheus, of Debian's package prometheus"]
fn a_prometheus_writes_to_it() {
    let serve = Serve::start("program-serve-prometheus", FAST);
    let url = serve.url();
    let to = format!("remote_write:\n- url: {url}/api/v1/write\n  queue_config: {{batch_send_deadline: 1s}}\n");
    let _prometheus = Prometheus::scraping(&serve, &to);
    let api = format!("{url}/gnocchi");
    wait_until("a metric of Prometheus", || {
        run(["archive", "--url", &api, "metric", "list", "--name", "up"]).out.lines().count() == 2
    });
}

#[test]
fn a_changed_file_is_read_again_and_a_wrong_one_changes_nothing() {
    let mut serve = Serve::start("program-serve-hup", FAST);
    serve.send("shop.sales:2|c");
    serve.wait_for("shop.sales");
    let config = serve.scratch.path().join("serve.toml");
    std::fs::write(&config, FAST.replace("[page]", "[pgae]")).unwrap();
    serve.signal("HUP");
    wait_until("the complaint", || serve.log().contains("did you mean \"page\"?"));
    assert_eq!(get(&serve.url(), "/v1/metrics").0, 200);
    // The page goes, a new listener comes; the port and what was recorded stay.
    let more = FAST.replace("[page]", "").replace("\"unix:statsd.sock\"", "\"unix:statsd.sock\", \"unix:second.sock\"");
    std::fs::write(&config, more).unwrap();
    serve.signal("HUP");
    wait_until("the new file", || serve.log().contains("the file was read again\n"));
    let second = serve.scratch.path().join("second.sock");
    UnixDatagram::unbound().unwrap().send_to(b"shop.sales:5|c", second).unwrap();
    serve.wait_for("\"value\":7.0");
    assert!(!http_page(&serve.url()).1.contains("<html"));
    // The sockets that stayed hear as before.
    serve.send("shop.sales:1|c");
    serve.wait_for("\"value\":8.0");
    // A key that needs a restart says so.
    std::fs::write(&config, FAST.replace("data = \"data\"", "data = \"other\"")).unwrap();
    serve.signal("HUP");
    wait_until("the complaint", || serve.log().contains("restart the server"));
    serve.signal("TERM");
    assert_eq!(serve.wait(), 0, "{}", serve.log());
    assert!(!serve.scratch.path().join("statsd.sock").exists());
}

#[test]
fn what_was_accepted_before_the_end_is_there_after_it() {
    let slow = FAST.replace("flush = \"100ms\"", "flush = \"1h\"").replace("interval = \"1s\"", "interval = \"1h\"");
    let mut serve = Serve::start("program-serve-term", &slow);
    let place = serve.statsd("udp");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..100 {
        socket.send_to(b"shop.sales:1|c", place.strip_prefix("udp://").unwrap()).unwrap();
    }
    let begun = Instant::now();
    serve.signal("TERM");
    assert_eq!(serve.wait(), 0, "{}", serve.log());
    assert!(begun.elapsed() < Duration::from_secs(60));
    let folder = serve.scratch.path().join("data/cache");
    let dumped = good(["--json", "dump", text(&folder), "--name", "shop.sales"]);
    assert!(dumped.lines().last().unwrap().contains("\"value\":100.0"), "{dumped}");
    // And in the archive.
    let archive = serve.scratch.path().join("data/archive");
    let copy = serve.scratch.path().join("copy");
    assert!(good(["archive", "backup", text(&archive), text(&copy)]).ends_with("1 metrics\n"));
}

#[test]
fn a_connection_that_never_ends_does_not_hold_up_the_end() {
    let file = FAST.replace("data = \"data\"", "data = \"data\"\ndrain = \"1s\"");
    let mut serve = Serve::start("program-serve-drain", &file);
    let url = serve.url();
    let mut held = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    held.write_all(b"POST /write HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\ncpu").unwrap();
    let stream = TcpStream::connect(serve.statsd("tcp").strip_prefix("tcp://").unwrap()).unwrap();
    serve.signal("TERM");
    let code = serve.wait();
    assert!([0, 4].contains(&code), "{code}");
    drop((held, stream));
}

#[test]
fn tokens_are_asked_for_on_every_way_in() {
    let digest = |token: &str| {
        use sha2::Digest;
        sha2::Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let (reader, writer) = (digest("a-reader-of-metrics"), digest("a-writer-of-measures"));
    let tokens = format!("tokens = [\"r=sha256:{reader}\", \"w=sha256:{writer};Archive.Read@/;Archive.Write@/\"]");
    let serve = Serve::start("program-serve-tokens", &FAST.replace("[http]\n", &format!("[http]\n{tokens}\n")));
    let url = serve.url();
    for path in ["/v1/metrics", "/metrics", "/gnocchi/v1/metric"] {
        assert_eq!(get(&url, path).0, 401, "{path}");
    }
    let line = b"cpu,host=a used=1\n";
    assert_eq!(post(&url, "/write", "", line).0, 401);
    assert_eq!(post(&url, "/api/v1/write", "", line).0, 401);
    assert_eq!(post(&url, "/write", "Authorization: Bearer a-reader-of-metrics\r\n", line).0, 403);
    assert_eq!(post(&url, "/write", "Authorization: Token a-writer-of-measures\r\n", line).0, 204);
    let file = serve.scratch.file("token", "a-reader-of-metrics\n");
    wait_until("what a reader may see", || {
        good(["dump", &url, "--token-file", text(&file), "--format", "jsonl"]).contains("ferrometer.")
    });
    let file = serve.scratch.file("token", "a-writer-of-measures\n");
    let api = format!("{url}/gnocchi");
    assert!(good(["archive", "--url", &api, "--token-file", text(&file), "metric", "list"]).contains("cpu.used"));
    let ran = run(["archive", "--url", &api, "metric", "list"]);
    assert!(ran.code == 3 && ran.err.contains("answers 401"), "{ran:?}");
}

#[test]
fn without_a_file_everything_is_there() {
    // The usual ports may be taken on this machine: then that is what is said.
    let scratch = Scratch::new("program-serve-default");
    let data = scratch.path().join("data");
    // A test of another working copy has it for a moment, and a server for longer.
    let until = Instant::now() + SOON;
    let mut taken = TcpListener::bind("127.0.0.1:9620");
    while taken.is_err() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
        taken = TcpListener::bind("127.0.0.1:9620");
    }
    let ran = ferrometer()
        .args(["serve", "--data", text(&data)])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap();
    drop(taken);
    let said = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(4), "{said}");
    assert!(said.contains("[http] address = \"127.0.0.1:9620\": Address already in use"), "{said}");
}

#[test]
fn a_wrong_file_ends_with_2() {
    let scratch = Scratch::new("program-serve-wrong");
    for (content, says) in [
        ("[htpp]\n", "did you mean \"http\"?"),
        ("[cache]\n[http]\naddress = \"0.0.0.0:0\"\n", "[http]"),
        ("[cache]\n[http]\ntokens = [\"x\"]\n", "[http]"),
        ("[cache]\n[metrics]\nbackend = \"pull-cache\"\n", "the server has its own"),
        ("[cache]\n[metrics]\nbackend = \"statd\"\n", "statsd"),
        ("[statsd]\n[metrics]\nbackend = \"statsd\"\n", "send to itself"),
        ("[cache]\n[proxmox]\nnode = \"a b\"\n", "[proxmox]"),
    ] {
        let file = scratch.file("serve.toml", content);
        let data = scratch.path().join("data");
        let ran = run(["serve", "--config", text(&file), "--data", text(&data)]);
        assert_eq!(ran.code, 2, "{content} {ran:?}");
        assert!(ran.err.contains(says), "{content} {ran:?}");
    }
}

#[test]
fn a_policy_that_the_archive_has_not_is_refused_at_the_start_and_by_check() {
    let scratch = Scratch::new("program-serve-policy");
    let data = scratch.path().join("a data % directory");
    let content = |policy: &str| {
        let rest =
            "[http]\naddress = \"127.0.0.1:0\"\n[gnocchi]\n[statsd]\nlisten = [\"127.0.0.1:0\"]\narchive = true\n";
        format!("data = {:?}\n{rest}policy = \"{policy}\"\n", text(&data))
    };
    let ask = |command: &str, policy: &str| {
        let file = scratch.file("serve.toml", content(policy));
        match command {
            "check" => run(["check", "--without-env", text(&file)]),
            _ => run(["serve", "--config", text(&file)]),
        }
    };
    let says = "[statsd] policy = \"mediun\": the archive's policies are \"bool\", \"high\", \"low\", \"medium\"; did you mean \"medium\"?";
    // Before there is an archive, `check` knows those that it will have, and makes none.
    assert!(ask("check", "mediun").out.contains(says) && !data.exists());
    assert_eq!(ask("check", "medium").code, 0);
    let refused = ask("serve", "mediun");
    assert!(refused.code == 2 && refused.err.contains(says), "{refused:?}");

    // Policies of its own are known to both, while it runs and after its end.
    let file = scratch.file("serve.toml", content("medium"));
    let mut command = ferrometer();
    command.args(["serve", "--config", text(&file)]);
    let mut server = Serve::spawn(Scratch::new("program-serve-policy-out"), command);
    let policy = br#"{"name": "own", "definition": [{"granularity": "1m", "points": 60}]}"#;
    let (status, said) = post(
        &server.url(),
        "/gnocchi/v1/archive_policy",
        "Authorization: Basic YWRtaW46\r\nContent-Type: application/json\r\n",
        policy,
    );
    assert_eq!(status, 201, "{said}");
    assert_eq!(ask("check", "own").code, 0);
    assert!(ask("check", "owm").out.contains("did you mean \"own\"?"));
    server.signal("TERM");
    assert_eq!(server.wait(), 0);
    let before = names(&data.join("archive"));
    assert_eq!(ask("check", "own").code, 0);
    assert!(ask("check", "owm").out.contains("did you mean \"own\"?"));
    assert_eq!(names(&data.join("archive")), before, "a look writes nothing");
}

/// The names in a directory.
fn names(directory: &std::path::Path) -> Vec<std::ffi::OsString> {
    let mut all: Vec<_> = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().file_name()).collect();
    all.sort();
    all
}

#[test]
fn one_directory_has_one_server() {
    let serve = Serve::start("program-serve-two", FAST);
    let config = serve.scratch.path().join("serve.toml");
    let output =
        ferrometer().current_dir(serve.scratch.path()).args(["serve", "--config", text(&config)]).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
}

/// A shell makes a socket, which it has as its standard input, the first that is handed over, as a service manager does.
fn handed_over(scratch: &Scratch, socket: OwnedFd, name: &str) -> Command {
    let mut shell = Command::new("sh");
    let binary = env!("CARGO_BIN_EXE_ferrometer");
    let config = scratch.path().join("serve.toml");
    let script = format!(
        "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES={name} exec {binary} serve --config {}",
        text(&config)
    );
    shell.args(["-c", &script]).stdin(Stdio::from(socket)).env_remove("NOTIFY_SOCKET");
    shell
}

#[test]
fn sockets_of_a_service_manager_are_used_and_stay() {
    for name in ["http", "statsd"] {
        let scratch = Scratch::new("program-serve-activation");
        scratch.file("serve.toml", FAST);
        let (socket, place): (OwnedFd, String) = match name {
            "http" => {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let place = listener.local_addr().unwrap().to_string();
                (listener.into(), format!("http://{place}/v1/metrics"))
            }
            _ => {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                let place = socket.local_addr().unwrap().to_string();
                (socket.into(), format!("statsd udp://{place}"))
            }
        };
        let kept = socket.try_clone().unwrap();
        let (out, err) = (scratch.path().join("out"), scratch.path().join("err"));
        let mut child = handed_over(&scratch, socket, name)
            .current_dir(scratch.path())
            .stdout(std::fs::File::create(&out).unwrap())
            .stderr(std::fs::File::create(&err).unwrap())
            .spawn()
            .unwrap();
        wait_until("the server", || std::fs::read_to_string(&out).unwrap().ends_with('\n'));
        let printed = std::fs::read_to_string(&out).unwrap();
        assert!(printed.lines().any(|line| line == place), "{place}: {printed}");
        if name == "http" {
            assert_eq!(get(place.trim_end_matches("/v1/metrics"), "/healthz").0, 200);
        }
        Command::new("kill").arg(child.id().to_string()).status().unwrap();
        assert!(child.wait().unwrap().success(), "{}", std::fs::read_to_string(&err).unwrap());
        if name == "http" {
            // The manager's socket listens on: a client that comes between two servers waits, and is not refused.
            let address = place.trim_start_matches("http://").trim_end_matches("/v1/metrics").to_owned();
            assert!(TcpStream::connect(address).is_ok());
        }
        drop(kept);
    }
}

#[test]
fn a_service_manager_is_told() {
    let scratch = Scratch::new("program-serve-notify");
    scratch.file("serve.toml", FAST);
    let path = scratch.path().join("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut command = ferrometer();
    command.args(["serve", "--config", "serve.toml"]).env("NOTIFY_SOCKET", &path);
    let mut serve = Serve::spawn(scratch, command);
    let mut told = String::new();
    let mut until = |needle: &str| {
        let mut buffer = [0; 4096];
        while !told.contains(needle) {
            let length = socket.recv(&mut buffer).unwrap();
            told.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
            told.push('\n');
        }
        told.clear();
    };
    until("READY=1");
    serve.signal("HUP");
    until("RELOADING=1");
    until("READY=1");
    serve.signal("TERM");
    until("STOPPING=1");
    assert_eq!(serve.wait(), 0);
}

#[test]
fn a_file_that_is_right_is_not_doubted() {
    let mut serve = Serve::start(
        "program-serve-no-doubt",
        "[http]\naddress = \"127.0.0.1:0\"\n[statsd]\nlisten = [\"udp://127.0.0.1:0\"]\n[cache]\nhost_metrics = false\n[page]\n[metrics.graphite]\nport = 2004\n",
    );
    serve.signal("TERM");
    assert_eq!(serve.wait(), 0);
    let log = serve.log();
    let doubts: Vec<&str> = log.lines().filter(|line| line.contains(" WARN ")).collect();
    // A warning has the place in the file, and defaults have none.
    assert!(doubts.len() == 1 && doubts[0].contains("serve.toml:9:8: metrics.graphite.port has no effect"), "{log}");
}
