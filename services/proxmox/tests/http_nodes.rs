//! Other nodes over real servers: their rows beside ours, by which certificate they are known, and what becomes of those that misbehave.
//!
//! All cases share one strange node; hence the length.

mod common;

use common::client::{Answer, get, get_with};
use common::proxmox::{PVE, SECRET, any, half_an_hour_of, hash, ids, rows};
use common::{Cache, clustered, frame};
use ferrometer_core::get_logger;
use ferrometer_http::Server;
use ferrometer_proxmox::{Peer, Proxmox};
use ferrometer_testkit::wait_until;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

struct Strange {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

fn strange(speak: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> Strange {
    let listener = TcpListener::bind(any()).unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let (speak, count) = (Arc::new(speak), Arc::clone(&asked));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (speak, count) = (Arc::clone(&speak), Arc::clone(&count));
            thread::spawn(move || {
                count.fetch_add(1, Relaxed);
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]);
                speak(&mut stream);
            });
        }
    });
    Strange { address, asked }
}

fn says(text: impl Into<Vec<u8>>) -> Strange {
    let text = text.into();
    strange(move |stream| drop(stream.write_all(&text)))
}

#[test]
fn nodes_that_misbehave_are_left_out_and_named() {
    let cache = Cache::install(Duration::from_secs(3600));
    get_logger("px.self").send_gauge("g", 1);
    cache.flush();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    let export = r#"{"data":{"data":[{"id":"node/good","metric":"px.g","timestamp":5,"type":"gauge","value":2}]}}"#;
    let target = says(format!("{head}\r\n{export}"));
    let good = says(format!("{head}\r\n{export}"));
    let row = r#"{"id":"a","metric":"b","timestamp":1,"type":"gauge","value":1},"#;
    let endless = move |stream: &mut TcpStream| {
        let _ = stream.write_all(format!("{head}\r\n{{\"data\":{{\"data\":[").as_bytes());
        while stream.write_all(row.repeat(100).as_bytes()).is_ok() {}
    };
    let dribble = move |stream: &mut TcpStream| {
        let _ = stream.write_all(head.as_bytes());
        while stream.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    };
    let redirect =
        format!("HTTP/1.1 302 Found\r\nLocation: http://{}{PVE}\r\nContent-Length: 0\r\n\r\n", target.address);
    let mut nodes = vec![
        ("good", good),
        ("garbage", says("garbage\r\n\r\n")),
        ("html", says("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>")),
        ("nojson", says(format!("{head}\r\n{{\"data\":"))),
        ("injects", says(format!("{head}\r\n{}", export.replace("px.g", "px.g\\n")))),
        ("short", says(format!("{head}Content-Length: 5000\r\n\r\n{export}"))),
        ("errs", says("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")),
        ("redirect", says(redirect)),
        ("zipped", says(format!("{head}Content-Encoding: gzip\r\n\r\n{export}"))),
        ("endless", strange(endless)),
        ("dribble", strange(dribble)),
        ("closes", says("")),
    ];
    let silent = ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9"];
    nodes.extend(silent.map(|name| (name, strange(|_| thread::sleep(Duration::from_secs(120))))));
    let free = TcpListener::bind(any()).unwrap().local_addr().unwrap();
    // So long that a good one answers in time on a machine that is busy.
    let limit = Duration::from_secs(5);
    let mut proxmox = Proxmox::new("us").peer_timeout(limit).max_peer_bytes(1 << 20);
    for (name, node) in &nodes {
        proxmox = proxmox.peer(Peer::new(*name, format!("http://{}", node.address)));
    }
    proxmox = proxmox.peer(Peer::new("gone", format!("http://{free}")));
    let server = clustered(&cache, proxmox).serve().unwrap();
    let began = Instant::now();
    let answer = get(&server, PVE);
    let took = began.elapsed();
    // All at once: one after the other, the silent ones alone would take a time limit each.
    assert!(took < limit * silent.len() as u32, "{took:?}");
    let mut failed: Vec<&str> = answer.header("ferrometer-failed-peers").unwrap().split(", ").collect();
    let mut expected: Vec<&str> = nodes.iter().map(|(name, _)| *name).filter(|name| *name != "good").collect();
    expected.push("gone");
    expected.sort_unstable();
    failed.sort_unstable();
    assert_eq!(failed, expected);
    let shown = rows(&answer);
    assert_eq!(shown[0], json!({"id": "node/good", "metric": "px.g", "timestamp": 5, "type": "gauge", "value": 2.0}));
    assert!(shown[1..].iter().any(|row| row["id"] == "node/us" && row["metric"] == "px.self.g"), "{shown:?}");
    // Other tests record of objects, too.
    let of_nodes =
        |answer: &Answer| -> Vec<String> { ids(answer).into_iter().filter(|id| id.starts_with("node/")).collect() };
    assert_eq!(target.asked.load(Relaxed), 0, "a redirect was followed");
    // Those that are not wanted are not asked.
    let before: usize = nodes.iter().map(|(_, node)| node.asked.load(Relaxed)).sum();
    let answer = get(&server, &format!("{PVE}?local-only=1"));
    assert_eq!((of_nodes(&answer), answer.header("ferrometer-failed-peers")), (vec!["node/us".to_owned()], None));
    let answer = get(&server, &format!("{PVE}?local-only=1&node-list=good"));
    assert_eq!((of_nodes(&answer), answer.header("ferrometer-failed-peers")), (vec!["node/good".to_owned()], None));
    let after: usize = nodes.iter().map(|(_, node)| node.asked.load(Relaxed)).sum();
    assert_eq!(after, before + 1);
}

/// A certificate, its key, and the files of both, which go with the test.
struct Files(PathBuf, String);

impl Files {
    fn new(name: &str) -> Files {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let directory = std::env::temp_dir().join(format!("ferrometer-proxmox-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("cert.pem"), made.cert.pem()).unwrap();
        fs::write(directory.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        let digest: Vec<String> = Sha256::digest(made.cert.der()).iter().map(|b| format!("{b:02X}")).collect();
        Files(directory, digest.join(":"))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn nodes_are_known_by_fingerprint_or_authority_and_asked_with_a_token() {
    let cache = Cache::install(Duration::from_secs(3600));
    get_logger("px.tls").send_gauge("g", 1);
    cache.flush();
    let token = format!("all=sha256:{};Sys.Audit@/", hash(SECRET));
    let of = |name: &'static str, peers: Vec<Peer>, files: Option<&Files>| -> Server {
        let proxmox = peers.into_iter().fold(Proxmox::new(name), Proxmox::peer);
        let endpoint = clustered(&cache, proxmox).tokens([&token]);
        let endpoint = match files {
            Some(files) => endpoint.tls(files.0.join("cert.pem"), files.0.join("key.pem")),
            None => endpoint,
        };
        endpoint.serve().unwrap()
    };
    let (files, others) = (Files::new("b"), Files::new("other"));
    // Asks back, which must not go in circles.
    let b = of("b", vec![Peer::new("a", "http://127.0.0.1:1")], Some(&files));
    let port = b.local_addr().port();
    let peer = |name: &str, host: &str| Peer::new(name, format!("https://{host}:{port}"));
    let a = of(
        "a",
        vec![
            peer("pinned", "127.0.0.1").fingerprint(&files.1),
            peer("rooted", "localhost").ca(files.0.join("cert.pem")),
            peer("wrong-pin", "127.0.0.1").fingerprint(&others.1),
            peer("wrong-ca", "localhost").ca(others.0.join("cert.pem")),
            peer("wrong-name", "127.0.0.1").ca(files.0.join("cert.pem")),
            peer("wrong-token", "127.0.0.1").fingerprint(&files.1).token("PVEAPIToken=root@pam!all=x"),
            peer("own-token", "127.0.0.1").fingerprint(&files.1).token(SECRET),
        ],
        None,
    );
    let answer = get_with(&a, PVE, &format!("Authorization: PVEAPIToken=root@pam!all={SECRET}\r\n"));
    assert_eq!(answer.header("ferrometer-failed-peers"), Some("wrong-ca, wrong-name, wrong-pin, wrong-token"));
    let nodes: Vec<String> = ids(&answer).into_iter().filter(|id| id.starts_with("node/")).collect();
    assert_eq!(nodes, ["node/a", "node/b"]);
    // Three of them are one node.
    let theirs = rows(&answer).iter().filter(|row| row["id"] == "node/b").count();
    assert_eq!(theirs, 3 * rows(&answer).iter().filter(|row| row["id"] == "node/a").count());
    assert_eq!(b.counts().denied, 1);
}

const NODE: &str = "/v1/nodes/b/metrics";

/// Returns the state of the node `b` at `/v1/nodes`.
fn state_of_b(server: &Server) -> Value {
    let all = get(server, "/v1/nodes").json();
    assert_eq!((&all["node"], &all["hidden"]), (&json!("a"), &json!(0)));
    all["nodes"].as_array().unwrap().iter().find(|node| node["name"] == "b").unwrap().clone()
}

#[test]
fn another_nodes_records_are_handed_on() {
    let (cache, handle) = half_an_hour_of("py");
    let b = frame(handle.clone()).serve().unwrap();
    let proxmox = Proxmox::new("a").peer(Peer::new("b", format!("http://{}", b.local_addr())));
    let a = clustered(&cache, proxmox).serve().unwrap();
    let before = json!({"name": "b", "reachable": null, "last_seen": null, "last_error": null, "last_error_at": null});
    assert_eq!(state_of_b(&a), before);
    for query in [
        "",
        "?history=1&start-time=1700001700",
        "?name=py.net*&label=dev=net*&id=qemu/*",
        "?history=1&limit=7&name=py.load",
    ] {
        let mut handed = get(&a, &format!("{NODE}{query}")).json();
        let state = handed.as_object_mut().unwrap().remove("node").unwrap();
        assert_eq!((&state["name"], &state["reachable"]), (&json!("b"), &json!(true)));
        let own = get(&b, &format!("/v1/metrics{query}")).json();
        assert!(!own["data"].as_array().unwrap().is_empty());
        assert_eq!(handed, own, "{query}");
    }
    let mut handed = get(&a, "/v1/nodes/b/instruments").json();
    assert_eq!(handed.as_object_mut().unwrap().remove("node").unwrap()["reachable"], true);
    assert_eq!(handed, get(&b, "/v1/instruments").json());
    assert_eq!(state_of_b(&a)["last_error"], Value::Null);

    // A wrong query is refused here, and the node is not asked.
    let asked = b.counts().requests;
    for (target, status, why) in [
        ("/v1/nodes/b/metrics?histroy=1", 400, "did you mean \"history\"?"),
        ("/v1/nodes/b/metrics?label=x", 400, "label is \"x\"; allowed is <key>=<value>"),
        ("/v1/nodes/a/metrics", 404, "no other node is called \"a\"; there are b"),
        ("/v1/nodes/c%0d%0ax/instruments", 404, "no other node is called \"c\\r\\nx\"; there are b"),
        ("/v1/nodes/b", 404, "there is nothing at"),
        ("/v1/nodes/b/../../metrics", 404, "there is nothing at"),
    ] {
        let answer = get(&a, target);
        assert_eq!(answer.status, status, "{target}");
        let said: Value = serde_json::from_slice(&answer.body).unwrap();
        assert!(said["error"].as_str().unwrap().contains(why), "{target}: {said}");
    }
    assert_eq!(b.counts().requests, asked);
    // A place in the history that is gone is the reader's concern.
    let gone = get(&a, &format!("{NODE}?after=1.1.00000000"));
    assert_eq!((gone.status, state_of_b(&a)["reachable"].clone()), (410, json!(true)));

    // Gone, it is lost, and its error stays when it is back.
    let address = b.local_addr();
    drop(b);
    let lost = get(&a, NODE);
    assert_eq!(lost.status, 200);
    let lost = lost.json();
    assert_eq!((&lost["data"], &lost["window"]), (&json!([]), &json!({"from": null, "to": null})));
    assert_eq!((&lost["node"]["reachable"], lost["node"]["last_seen"].is_i64()), (&json!(false), true));
    assert!(lost["node"]["last_error"].as_str().unwrap().starts_with("cannot be reached: "), "{lost}");
    let _b = frame(handle).address(address).serve().unwrap();
    let back = get(&a, NODE).json();
    assert_eq!(back["node"]["reachable"], true);
    assert_eq!(back["node"]["last_error"], lost["node"]["last_error"]);
}

/// A node that has the export and none of our routes, as one of Proxmox VE.
fn with_the_export_alone(asked: Arc<std::sync::Mutex<Vec<String>>>) -> SocketAddr {
    let listener = TcpListener::bind(any()).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap();
            let target = String::from_utf8_lossy(&request[..read]).split(' ').nth(1).unwrap_or_default().to_owned();
            let rows: Vec<String> = [10, 20]
                .iter()
                .flat_map(|at| {
                    ["node/b", "qemu/100"].map(|id| {
                        format!(r#"{{"id":"{id}","metric":"cpu","timestamp":{at},"type":"gauge","value":{at}.5}}"#)
                    })
                })
                .collect();
            let answer = match target.starts_with(PVE) {
                true => format!(
                    "200 OK\r\nContent-Type: application/json;charset=UTF-8\r\n\r\n{{\"data\":{{\"data\":[{}]}}}}",
                    rows.join(",")
                ),
                false => "404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
            };
            asked.lock().unwrap().push(target);
            let _ = stream.write_all(format!("HTTP/1.1 {answer}").as_bytes());
        }
    });
    address
}

#[test]
fn a_node_with_the_export_alone_is_shown_without_labels_and_kinds() {
    let cache = Cache::install(Duration::from_secs(3600));
    cache.flush();
    let asked = Arc::<std::sync::Mutex<Vec<String>>>::default();
    let b = with_the_export_alone(Arc::clone(&asked));
    let proxmox = Proxmox::new("a").peer(Peer::new("b", format!("http://{b}")));
    let a = clustered(&cache, proxmox).serve().unwrap();
    let records = get(&a, &format!("{NODE}?history=1&id=host")).json();
    let record =
        |at: i64| json!({"id": "host", "metric": "cpu", "timestamp": at, "type": "gauge", "value": at as f64 + 0.5});
    assert_eq!(records["data"], json!([record(10), record(20)]));
    assert_eq!((&records["node"]["reachable"], &records["window"]["to"]), (&json!(true), &json!(20)));
    let newer = get(&a, &format!("{NODE}?history=1&start-time=10&limit=1")).json();
    assert_eq!((&newer["data"], newer["next"].is_string()), (&json!([record(20)]), true));
    let instruments = get(&a, "/v1/nodes/b/instruments").json();
    assert_eq!((&instruments["interval"], &instruments["instruments"]), (&json!(10.0), &json!([])));
    assert_eq!(get(&a, &format!("{NODE}?after=7.1.00000000")).status, 410);
    // A parameter that it does not have is asked for once.
    let export = format!("{PVE}?local-only=1");
    let expected = [
        "/v1/metrics?history=1&id=host".to_owned(),
        format!("{export}&history=1"),
        format!("{export}&history=1&start-time=10"),
        format!("{export}&history=0"),
        format!("{export}&history=0&start-time=6"),
    ];
    assert_eq!(*asked.lock().unwrap(), expected);
}

#[test]
fn nodes_that_misbehave_are_lost_and_hand_on_nothing() {
    let cache = Cache::install(Duration::from_secs(3600));
    cache.flush();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    let whole =
        r#"{"data":[{"id":"host","metric":"b","timestamp":1,"type":"gauge","value":1}],"window":{"from":1,"to":1}}"#;
    let row = r#"{"id":"a","metric":"b","timestamp":1,"type":"gauge","value":1},"#;
    let endless = move |stream: &mut TcpStream| {
        let _ = stream.write_all(format!("{head}\r\n{{\"data\":[").as_bytes());
        while stream.write_all(row.repeat(100).as_bytes()).is_ok() {}
    };
    let late = "did not answer within 700ms";
    for (b, why) in [
        (says(format!("{head}\r\n{whole}")), ""),
        (says("garbage\r\n\r\n"), "does not speak HTTP as it should"),
        (says(format!("{head}\r\n{{\"data\":")), "answers what is none"),
        (
            says(format!("{head}\r\n{}", whole.replace("\"b\"", "\"<b>\""))),
            "answers what is none: the metric of record 1 is none",
        ),
        (says("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"), "answers 401"),
        (says("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"), "answers 302"),
        (strange(endless), "answers more than there is room for"),
        (strange(|_| thread::sleep(Duration::from_secs(60))), late),
    ] {
        let limit = if why == late { Duration::from_millis(700) } else { Duration::from_secs(60) };
        let proxmox = Proxmox::new("a")
            .peer_timeout(limit)
            .max_peer_bytes(1 << 20)
            .peer(Peer::new("b", format!("http://{}", b.address)));
        let a = clustered(&cache, proxmox).serve().unwrap();
        let answer = get(&a, NODE).json();
        if why.is_empty() {
            assert_eq!(answer["data"][0]["metric"], "b");
            continue;
        }
        assert_eq!((&answer["data"], &answer["node"]["reachable"]), (&json!([]), &json!(false)));
        let said = answer["node"]["last_error"].as_str().unwrap();
        assert!(said.starts_with(why), "{said}, not {why}");
        assert!(!said.contains('<'), "{said}");
    }
}

#[test]
fn a_lost_node_is_waited_for_once_at_a_time_and_leaves_room_for_others() {
    let cache = Cache::install(Duration::from_secs(3600));
    get_logger("px.room").send_gauge("g", 1);
    cache.flush();
    // Says nothing until it is let go, one question at a time, and then closes.
    let (go, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let b = strange(move |_| _ = gate.lock().unwrap().recv());
    let proxmox =
        Proxmox::new("a").peer_timeout(Duration::from_secs(60)).peer(Peer::new("b", format!("http://{}", b.address)));
    let limits = ferrometer_http::Limits { max_requests: 8, ..Default::default() };
    let a = clustered(&cache, proxmox.max_forwarded(4)).limits(limits).serve().unwrap();
    // Six ask, of whom so many are answered before the node is let go.
    let ask = |answered: usize, asked: usize| {
        thread::scope(|scope| {
            let asking: Vec<_> = (0..6).map(|_| scope.spawn(|| get(&a, NODE))).collect();
            wait_until("all six", || {
                let done = asking.iter().filter(|thread| thread.is_finished()).count();
                (done, b.asked.load(Relaxed)) == (answered, asked)
            });
            (answered..6).for_each(|_| go.send(()).unwrap());
            asking.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        })
    };
    // Not known to be lost, it is asked by as many as there are places for, which is half of all.
    let first = ask(2, 4);
    assert_eq!(first.iter().filter(|answer| answer.status == 503).count(), 2);
    assert!(first.iter().filter(|answer| answer.status == 503).all(|answer| answer.header("retry-after") == Some("1")));
    // Lost, it is asked by one.
    let second = ask(5, 5);
    assert!(
        second.iter().filter(|answer| answer.status == 200).all(|answer| answer.json()["node"]["reachable"] == false)
    );
    assert_eq!(b.asked.load(Relaxed), 5);
    assert_eq!(get(&a, "/v1/metrics?name=px.room.*").json()["data"].as_array().unwrap().len(), 1);
}

#[test]
fn who_may_see_other_nodes() {
    let (cache, handle) = half_an_hour_of("py");
    let named = ["plain", "audit", "none"].map(|name| {
        let list = match name {
            "audit" => ";Sys.Audit@/",
            "none" => ";Sys.Audit@/system",
            _ => "",
        };
        format!("{name}=sha256:{}{list}", hash(&format!("{name}-{SECRET}")))
    });
    let b = frame(handle).tokens(&named).serve().unwrap();
    let peer = || Peer::new("b", format!("http://{}", b.local_addr()));
    let of = |peer: Peer| {
        let proxmox = Proxmox::new("a").peer(peer);
        clustered(&cache, proxmox).tokens(&named).serve().unwrap()
    };
    let (forwards, own) = (of(peer()), of(peer().token(format!("plain-{SECRET}"))));
    let asked = |a: &Server, name: &str, target: &str| {
        get_with(a, target, &format!("Authorization: Bearer {name}-{SECRET}\r\n"))
    };
    for a in [&forwards, &own] {
        assert_eq!(asked(a, "audit", NODE).json()["node"]["reachable"], true);
        assert_eq!(asked(a, "audit", "/v1/nodes").json()["nodes"][0]["name"], "b");
        let seen = asked(a, "plain", "/v1/nodes").json();
        assert_eq!(seen, json!({"node": "a", "nodes": [], "hidden": 1}));
        for target in [NODE, "/v1/nodes/b/instruments"] {
            let refused = asked(a, "plain", target);
            assert_eq!(refused.status, 403);
            assert_eq!(refused.error(), "other nodes are shown to a token with Sys.Audit on / alone");
            assert_eq!(get(a, target).status, 401);
            assert_eq!(asked(a, "none", target).status, 403);
        }
        assert_eq!(asked(a, "none", "/v1/nodes").status, 403);
    }
}
