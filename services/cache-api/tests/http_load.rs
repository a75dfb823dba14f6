//! Hundreds of clients at once, slow and silent ones among them, while threads record at full speed: answers are exact, memory and
//! limits hold, and nothing recorded is lost.

#![cfg(target_os = "linux")]

mod common;

use common::client::{ask_slowly_with, get, get_whole};
use common::{Cache, fill, frame};
use ferrometer_core::get_logger;
use ferrometer_http::{Limits, Server};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const ASKING: usize = 200;
const READING_ALL: usize = 18;
const NOT_READING: usize = 30;
const SILENT: usize = 30;
const DRIPPING: usize = 20;
const CLIENTS: usize = ASKING + READING_ALL + NOT_READING + SILENT + DRIPPING;
const RECORDING: usize = 2;
/// So long at least, and until there is enough to judge by.
const LOAD: Duration = Duration::from_secs(5);
const LOAD_AT_MOST: Duration = Duration::from_secs(600);

const LIMITS: Limits = Limits {
    max_connections: 200,
    max_requests: 48,
    max_query_bytes: 4096,
    max_header_bytes: 16 << 10,
    max_bodies_bytes: 64 << 10,
    offload_threads: 2,
    header_timeout: Duration::from_secs(2),
    body_timeout: None,
    write_timeout: Duration::from_secs(2),
    answer_timeout: Duration::from_secs(120),
    idle_timeout: Duration::from_secs(2),
};

/// Bytes that the load may take beyond those in use before it: for each answer in progress an encoder (about 1 MB for zstd) and a few
/// pieces of 16 KiB; for each connection hyper's buffers, at most 64 KiB; two new Prometheus texts (3 MB each), the new generations, and
/// what the clients in this process use. Answers as a whole would not fit, as the test checks.
const GROWTH: u64 = 80 << 20;

/// Bytes of memory this process has in use.
fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// Nanoseconds this thread has run.
fn ran() -> u64 {
    fs::read_to_string("/proc/thread-self/schedstat").unwrap().split(' ').next().unwrap().parse().unwrap()
}

/// Values of `load.hits` by timestamp, of generations that nothing can replace any more.
type Known = Mutex<BTreeMap<i64, f64>>;

/// Outcome of a request.
enum Reading {
    Whole,
    /// The server had too many answers in progress.
    Busy,
    /// The end of the load, or a thread that did not get to send or to read within the time it is given.
    Nothing,
}

/// Asks for one series, newest and history in turn.
fn ask_one(server: &Server, known: &Known, turn: usize) -> Reading {
    let history = turn.is_multiple_of(2);
    let path = if history { "/v1/metrics?name=load.hits&history=1" } else { "/v1/metrics?name=load.hits" };
    // On a machine that has other things to do, a thread may not come to send its request within the time it is given, nor to read.
    let begun = Instant::now();
    let Some(answer) = get_whole(server, path).filter(|answer| answer.status != 408) else {
        assert!(begun.elapsed() > LIMITS.write_timeout / 2, "no whole answer, after {:?}", begun.elapsed());
        return Reading::Nothing;
    };
    if answer.status == 503 {
        assert_eq!(answer.header("retry-after"), Some("1"));
        return Reading::Busy;
    }
    assert_eq!(answer.status, 200, "{}", answer.text());
    let json = answer.json();
    let data = json["data"].as_array().unwrap();
    let values: Vec<(i64, f64)> =
        data.iter().map(|r| (r["timestamp"].as_i64().unwrap(), r["value"].as_f64().unwrap())).collect();
    assert!(values.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 <= w[1].1), "{values:?}");
    assert_eq!(values.last().map(|(t, _)| *t), json["window"]["to"].as_i64());
    if history {
        let mut known = known.lock().unwrap();
        for (timestamp, value) in &values[..values.len() - 1] {
            assert_eq!(known.entry(*timestamp).or_insert(*value), value, "two answers for {timestamp}");
        }
    }
    Reading::Whole
}

/// Reads a whole generation, line by line, and keeps nothing.
fn read_all(server: &Server, stop: &AtomicBool) -> Reading {
    let mut stream = TcpStream::connect(server.local_addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // HTTP/1.0: no chunks between the lines.
    stream.write_all(b"GET /v1/metrics HTTP/1.0\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n").unwrap();
    let mut lines = BufReader::new(stream).lines();
    let Some(Ok(status)) = lines.next() else { return Reading::Nothing };
    if status.contains(" 503 ") {
        return Reading::Busy;
    }
    if status.contains(" 408 ") {
        return Reading::Nothing;
    }
    assert!(status.contains(" 200 "), "{status}");
    assert!(lines.by_ref().any(|line| line.unwrap().is_empty()));
    let (mut records, mut last, mut tail) = (0, i64::MIN, None);
    let (mut before, mut longest) = (Instant::now(), Duration::ZERO);
    for line in lines {
        longest = longest.max(before.elapsed());
        before = Instant::now();
        if stop.load(Relaxed) {
            return Reading::Nothing;
        }
        assert!(tail.is_none(), "something stands behind the end");
        // A line that is cut off is seen below.
        let Some(json) = line.ok().and_then(|line| serde_json::from_str::<Value>(&line).ok()) else { break };
        if json.get("window").is_some() {
            tail = Some(json);
            continue;
        }
        let timestamp = json["timestamp"].as_i64().unwrap();
        assert!(timestamp >= last && json["value"].is_number() && json["metric"].is_string());
        (last, records) = (timestamp, records + 1);
    }
    let Some(tail) = tail else {
        longest = longest.max(before.elapsed());
        assert!(longest > LIMITS.write_timeout / 2, "the answer has no end, and no pause was longer than {longest:?}");
        return Reading::Nothing;
    };
    assert!(records > 1000 && tail["window"]["to"].as_i64() == Some(last), "{records} {tail}");
    Reading::Whole
}

/// Asks for much, in every form, and reads nothing until it is let go.
fn do_not_read(server: &Server, turn: usize) {
    let target = ["/v1/metrics?history=1", "/metrics"][turn % 2];
    let encoding = ["identity", "gzip", "zstd"][turn % 3];
    let mut stream = ask_slowly_with(server, target, &format!("Accept-Encoding: {encoding}\r\n"));
    stream.set_read_timeout(Some(Duration::from_millis(1500))).unwrap();
    thread::sleep(Duration::from_secs(3));
    let _ = stream.read(&mut [0; 512]);
}

fn stay_silent(server: &Server, drip: bool) {
    let mut stream = TcpStream::connect(server.local_addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    if drip {
        for byte in b"GET /v1/metrics HTTP/1.1\r\n".iter() {
            thread::sleep(Duration::from_millis(100));
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
        }
    }
    let _ = stream.read_to_end(&mut Vec::new());
}

#[test]
fn under_load() {
    let cache = Cache::install(Duration::from_secs(1));
    fill(&cache, 2, 2000);
    let server = frame(&cache).limits(LIMITS).serve().unwrap();
    let hits = get_logger("load").counter("hits");
    hits.increment();
    cache.flush();
    // Everything that is made once is made.
    assert_eq!(get(&server, "/metrics").status, 200);
    let one = get(&server, "/v1/metrics").body.len() as u64;
    // At the end of the load there are two generations and one more each second. One in which nothing was timed is the smaller half of one
    // in which something was, and the newest may be such a one.
    assert!(one * (2 + LOAD.as_secs()) * NOT_READING as u64 > GROWTH, "answers of {one} bytes prove nothing");
    let (known, stop, recorded) = (Known::default(), AtomicBool::new(false), AtomicU64::new(1));
    let (answered, busy, whole) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    // Recordings, and nanoseconds they ran: without load, and with it.
    let (loaded, speeds) = (AtomicBool::new(false), [(); 4].map(|()| AtomicU64::new(0)));
    let ready = Barrier::new(CLIENTS + 1);
    let grown = thread::scope(|scope| {
        for _ in 0..RECORDING {
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    let at = 2 * usize::from(loaded.load(Relaxed));
                    let begun = ran();
                    for _ in 0..100_000 {
                        hits.increment();
                    }
                    speeds[at].fetch_add(100_000, Relaxed);
                    speeds[at + 1].fetch_add(ran() - begun, Relaxed);
                    recorded.fetch_add(100_000, Relaxed);
                }
            });
        }
        thread::sleep(Duration::from_secs(1));
        for client in 0..CLIENTS {
            let (server, known, stop, ready) = (&server, &known, &stop, &ready);
            let (answered, busy, whole) = (&answered, &busy, &whole);
            let work = move || {
                ready.wait();
                for turn in client.. {
                    // Once at least.
                    if turn > client && stop.load(Relaxed) {
                        return;
                    }
                    match client {
                        _ if client < ASKING => match ask_one(server, known, turn) {
                            Reading::Whole => _ = answered.fetch_add(1, Relaxed),
                            Reading::Busy => {
                                busy.fetch_add(1, Relaxed);
                                thread::sleep(Duration::from_millis(100));
                            }
                            Reading::Nothing => {}
                        },
                        _ if client < ASKING + READING_ALL => match read_all(server, stop) {
                            Reading::Whole => _ = whole.fetch_add(1, Relaxed),
                            Reading::Busy => {
                                busy.fetch_add(1, Relaxed);
                                thread::sleep(Duration::from_millis(5));
                            }
                            Reading::Nothing => {}
                        },
                        _ if client < ASKING + READING_ALL + NOT_READING => do_not_read(server, turn),
                        _ => stay_silent(server, client % 2 == 0),
                    }
                }
            };
            thread::Builder::new().stack_size(512 << 10).spawn_scoped(scope, work).unwrap();
        }
        loaded.store(true, Relaxed);
        ready.wait();
        let (before, begun) = (resident(), Instant::now());
        let mut most = before;
        let enough = || answered.load(Relaxed) >= 100 && whole.load(Relaxed) >= 3;
        while begun.elapsed() < LOAD || (!enough() && begun.elapsed() < LOAD_AT_MOST) {
            thread::sleep(Duration::from_millis(20));
            most = most.max(resident());
        }
        stop.store(true, Relaxed);
        most - before
    });

    let counts = server.counts();
    let [free, free_ns, under, under_ns] = speeds.map(AtomicU64::into_inner);
    let (free, under) = (free_ns as f64 / free as f64, under_ns as f64 / under as f64);
    println!("{answered:?} answers, {whole:?} whole generations, {busy:?} told to come again; {counts:?}");
    println!(
        "memory grew by {} KiB; a recording took {free:.2} ns, under load {under:.2} ns: {:.2}",
        grown >> 10,
        under / free
    );

    let (answered, whole, busy) = (answered.into_inner(), whole.into_inner(), busy.into_inner());
    assert!(answered >= 100 && whole >= 3, "{answered} {whole}");
    assert!(counts.most_connections <= LIMITS.max_connections as u64, "{counts:?}");
    assert!(counts.most_requests <= LIMITS.max_requests as u64, "{counts:?}");
    assert!(counts.too_slow >= (SILENT + DRIPPING) as u64 && counts.busy >= busy, "{counts:?}");
    assert!(grown <= GROWTH, "memory grew by {grown} bytes");

    // Nothing that was recorded is missing, and the endpoint is as it was.
    cache.flush();
    let newest = cache.handle.most_recent().unwrap();
    let total = newest.records().find(|r| r.metric == "load.hits").unwrap().value;
    assert_eq!(total, recorded.into_inner() as f64);
    let begun = Instant::now();
    while get(&server, "/v1/metrics").status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(300), "slow clients still hold their places");
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(get(&server, "/readyz").status, 200);
    drop(server);
    cache.remove();
}
