//! Checks that operators make: a statsd server that is away for a minute at a million recordings a second costs no more processor time than one that is there,
//! one line in the log for each cause and minute, and gets everything within one interval of its return; a server that moves is followed; `flush` and
//! drop end within their deadline, whatever the server does. `--seconds` says how long it is there and away; `--interval` is that of the deliveries.

use ferrometer::statsd::{Settings, Statsd, Transport};
use ferrometer::{Ledger, get_logger};
use ferrometer_attacks::{cpu, number, option};
use ferrometer_testkit::server::{Counts, StatsdServer, read};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio, exit};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Keeps what is logged, and when.
struct Log;

static LOGGED: Mutex<BTreeMap<String, Vec<Instant>>> = Mutex::new(BTreeMap::new());

struct Text(String);

impl tracing::field::Visit for Text {
    fn record_debug(&mut self, _: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        self.0 += &format!("{value:?} ");
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        // The number suppressed differs from line to line; the cause does not.
        let cause: String = text.0.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        LOGGED.lock().unwrap_or_else(PoisonError::into_inner).entry(cause).or_default().push(Instant::now());
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

/// A server in a process of its own: prints the microseconds from its start to the first line, and at the end of its input what it got.
fn serve(port: u16) {
    let socket = UdpSocket::bind(("127.0.0.1", port)).expect("the port");
    let begin = Instant::now();
    println!("ready");
    let counts = Arc::new(Counts::default());
    let theirs = Arc::clone(&counts);
    thread::spawn(move || {
        let mut buffer = vec![0; 65_536];
        let mut first = true;
        while let Ok(len) = socket.recv(&mut buffer) {
            read(&buffer[..len], &theirs);
            if std::mem::take(&mut first) {
                println!("first {}", begin.elapsed().as_micros());
            }
        }
    });
    let _ = std::io::stdin().read_line(&mut String::new());
    println!("got {}", counts.up.load(Relaxed));
    exit(0);
}

struct Server {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
}

impl Server {
    fn start(port: u16) -> Server {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.args(["--serve", &port.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a server");
        let out = BufReader::new(child.stdout.take().expect("its output"));
        let mut server = Server { child, out };
        server.line("ready");
        server
    }

    fn line(&mut self, begins: &str) -> u64 {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.out.read_line(&mut line).expect("a line") > 0, "the server is gone");
            if let Some(rest) = line.trim_end().strip_prefix(begins) {
                return rest.trim().parse().unwrap_or(0);
            }
        }
    }

    /// Ends it; what its counters came to.
    fn stop(mut self) -> u64 {
        drop(self.child.stdin.take());
        let got = self.line("got");
        let _ = self.child.wait();
        got
    }
}

/// How late this machine lets a thread run, measured all the time: what takes longer than it should by no more than that says nothing.
struct Lateness(Arc<AtomicU64>);

impl Lateness {
    fn watch() -> Lateness {
        let most = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&most);
        thread::spawn(move || {
            let pause = Duration::from_millis(20);
            loop {
                let begin = Instant::now();
                thread::sleep(pause);
                seen.fetch_max(begin.elapsed().saturating_sub(pause).as_micros() as u64, Relaxed);
            }
        });
        Lateness(most)
    }

    /// Returns what is allowed for the time since it was asked last: 150 ms, and each of several threads that follow on one another may be as late as the
    /// latest was.
    fn take(&self) -> Duration {
        Duration::from_millis(150) + Duration::from_micros(self.0.swap(0, Relaxed)) * 8
    }
}

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("a port").port()
}

/// A million recordings a second for so long; the least processor time that the whole process took in a slice of it. The least, because what others on the
/// machine do is added to the others.
fn load(length: Duration, slice: Duration) -> Duration {
    let end = Instant::now() + length;
    let mut least = Duration::MAX;
    while Instant::now() < end {
        least = least.min(one_slice(slice));
    }
    least
}

fn one_slice(length: Duration) -> Duration {
    let logger = get_logger("load");
    let (counter, timer) = (logger.counter("c"), logger.timer("t"));
    let (begin, before) = (Instant::now(), cpu());
    let mut done = 0_u32;
    // Each makes an equal number of recordings, however busy the machine is.
    while u128::from(done) < length.as_millis() {
        for i in 0..1000_u64 {
            if i % 20 == 0 {
                timer.record(Duration::from_nanos(i * 1000));
            } else {
                counter.increment();
            }
        }
        done += 1;
        let due = begin + Duration::from_millis(1) * done;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    cpu() - before
}

fn account() -> Ledger {
    ferrometer::ledgers().into_iter().find(|l| l.backend == "statsd").expect("an account")
}

fn main() {
    if let Some(port) = option("--serve") {
        return serve(port.parse().expect("a port"));
    }
    let length = Duration::from_secs_f64(number("--seconds", 3.0));
    let interval = Duration::from_secs_f64(number("--interval", 0.2));
    let lateness = Lateness::watch();
    tracing::subscriber::set_global_default(Log).expect("the first");
    let mut good = true;
    let mut check = |holds: bool, what: String| {
        println!("operations: {}{what}", if holds { "" } else { "FAILED: " });
        good &= holds;
    };

    // There, away, and back.
    let port = free_port();
    let server = Server::start(port);
    ferrometer::install("statsd", Box::new(Statsd::new(Settings::udp("127.0.0.1", port))), interval)
        .expect("installed");
    let slice = interval * 2;
    load(slice, slice);
    let there = load(length, slice);
    let got_there = server.stop();
    // Noticed before the time is taken.
    load(slice, slice);
    let away = load(length, slice);
    check(
        away <= there.mul_f64(1.1) + Duration::from_millis(5),
        format!(
            "{slice:?} of {length:?} at a million recordings a second took {there:?} with a server, {away:?} without"
        ),
    );
    lateness.take();
    let mut server = Server::start(port);
    let first = Duration::from_micros(server.line("first"));
    check(
        first <= interval + lateness.take(),
        format!("the first datagram {first:?} after the server's return; the interval is {interval:?}"),
    );
    let report = ferrometer::flush(Duration::from_secs(60));
    check(report.complete, format!("everything was delivered then: {}", account()));
    thread::sleep(Duration::from_millis(100));
    let ledger = account();
    let got = got_there + server.stop();
    check(
        got > ledger.sent.increments / 2 && got <= ledger.sent.increments,
        format!("the servers counted {got} of {} that were sent", ledger.sent.increments),
    );
    ferrometer::remove("statsd", Duration::from_secs(1));

    // Moved.
    let (one, two) = (StatsdServer::start(), StatsdServer::start());
    let now = Arc::new(AtomicU64::new(one.port.into()));
    let asked = Arc::clone(&now);
    let resolve = interval * 2;
    let settings = Settings::udp("metrics.test", 1)
        .resolve_interval(resolve)
        .lookup(move |_, _| Ok(vec![SocketAddr::from(([127, 0, 0, 1], asked.load(Relaxed) as u16))]));
    ferrometer::install("statsd", Box::new(Statsd::new(settings)), interval).expect("installed");
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let recording = thread::spawn(move || {
        let counter = get_logger("moved").counter("c");
        while !stopped.load(Relaxed) {
            counter.increment();
            thread::sleep(Duration::from_millis(1));
        }
    });
    let wait = |receiver: &StatsdServer| {
        let begin = Instant::now();
        let before = receiver.counts.up.load(Relaxed);
        while receiver.counts.up.load(Relaxed) == before && begin.elapsed() < Duration::from_secs(60) {
            thread::sleep(Duration::from_millis(1));
        }
        begin.elapsed()
    };
    wait(&one);
    lateness.take();
    now.store(two.port.into(), Relaxed);
    let followed = wait(&two);
    check(
        followed <= resolve + interval + lateness.take(),
        format!(
            "a server that moved was followed after {followed:?}; looked up every {resolve:?}, delivered every {interval:?}"
        ),
    );
    stop.store(true, Relaxed);
    let _ = recording.join();
    ferrometer::remove("statsd", Duration::from_secs(1));

    // Deadlines.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a server that reads nothing");
    let silent = silent.local_addr().map(|at| (silent, at.port())).expect("a port");
    let hanging = || {
        Settings::udp("metrics.test", 1).lookup(|_, _| {
            thread::sleep(Duration::from_secs(3600));
            Ok(Vec::new())
        })
    };
    let tcp = |port| Settings::new(Transport::Tcp { host: "127.0.0.1".into(), port });
    for (what, settings) in [
        ("nobody listens", Settings::udp("127.0.0.1", free_port())),
        ("nobody takes connections", tcp(free_port())),
        ("nobody reads", tcp(silent.1)),
        ("the name server is silent", hanging()),
        ("no way there", Settings::udp("255.255.255.255", 8125)),
    ] {
        ferrometer::install("statsd", Box::new(Statsd::new(settings)), interval).expect("installed");
        let timer = get_logger("deadline").timer("t");
        (0..200_000).for_each(|i| timer.record(Duration::from_nanos(i)));
        let deadline = Duration::from_millis(300);
        lateness.take();
        let begin = Instant::now();
        let flushed = ferrometer::flush(deadline);
        let flush = begin.elapsed();
        let begin = Instant::now();
        let ledger = ferrometer::remove("statsd", deadline).expect("there was one");
        let removal = begin.elapsed();
        let balanced = ledger.balances() && flushed.ledgers.iter().all(Ledger::balances);
        let late = lateness.take();
        check(
            flush <= deadline + late && removal <= deadline + late && balanced,
            format!("{what}: a flush within {deadline:?} took {flush:?}, the removal {removal:?}; {ledger}"),
        );
    }

    // The log.
    let logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let lines: usize = logged.values().map(Vec::len).sum();
    for (cause, times) in &logged {
        let close = times.windows(2).any(|w| w[1] - w[0] < Duration::from_secs(59));
        // Another backend or another server with an equal cause is another line.
        let others = ["moved", "listens", "connect", "full", "looked up"].iter().any(|w| cause.contains(w));
        if close && !others {
            check(false, format!("logged more often than once a minute: {cause}"));
        }
        println!("operations: logged {} times: {}", times.len(), cause.chars().take(150).collect::<String>());
    }
    let most = 2 * (length.as_secs() as usize / 60 + 1) + 12;
    check(lines <= most, format!("{lines} lines in the log in all"));
    exit(i32::from(!good));
}
