//! Random histories of a statsd backend and its server: bursts and flushes while the server goes and comes back, refuses, cannot be reached, takes no
//! more, while the kernel gives every error it has, and while the server's name cannot be looked up, moves or hangs. The truth is counted next to the calls and by the servers: whatever
//! happens the account balances, nobody receives more than was sent, and what was sent over a way that loses nothing was received.
//!
//! The servers, the script of a history and the judge belong to one law; hence the length.

#[cfg(target_os = "linux")]
#[path = "support/kernel.rs"]
mod kernel;
mod support;

use ferrometer_core::{Amount, Cause, Ledger, flush, get_logger, install, ledgers, remove};
use ferrometer_statsd::{Dialect, Settings, Statsd, Transport};
use ferrometer_testkit::SOON;
use proptest::prelude::*;
use std::io::{self, ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
#[cfg(unix)]
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use support::alone;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Udp,
    Tcp,
    #[cfg(unix)]
    Unix,
}

/// Answer of a lookup.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Names {
    Server,
    /// Where nobody listens.
    Elsewhere,
    /// An address that the kernel refuses to send to.
    Unreachable,
    /// The kernel's own refusal first, then the server.
    Both,
    Fail,
    Nothing,
    Hang,
    Panic,
}

#[derive(Clone, Debug)]
enum Step {
    Count(u16),
    Time(u16),
    Gauge(i16),
    /// A line that no datagram holds.
    Large,
    Flush,
    /// Lets some intervals pass.
    Wait,
    Up,
    Down,
    /// Reads what has arrived.
    Read,
    Names(Names),
    /// The kernel's error by its place in the list, in one call of this many; `None`: all is well again.
    #[cfg(target_os = "linux")]
    Trouble(Option<(usize, u32)>),
}

#[cfg(target_os = "linux")]
fn trouble() -> impl Strategy<Value = Step> {
    let some = (0..kernel::ERRORS.len(), prop::sample::select(vec![1, 1, 2, 3, 7]));
    prop::option::weighted(0.7, some).prop_map(Step::Trouble)
}

#[cfg(not(target_os = "linux"))]
fn trouble() -> impl Strategy<Value = Step> {
    Just(Step::Wait)
}

fn step() -> impl Strategy<Value = Step> {
    use Names::*;
    let names =
        prop::sample::select(vec![Server, Server, Server, Elsewhere, Unreachable, Both, Fail, Nothing, Hang, Panic]);
    prop_oneof![
        6 => (1..300u16).prop_map(Step::Count),
        4 => prop_oneof![1..50u16, Just(6000u16)].prop_map(Step::Time),
        2 => any::<i16>().prop_map(Step::Gauge),
        1 => Just(Step::Large),
        3 => Just(Step::Flush),
        3 => Just(Step::Wait),
        3 => Just(Step::Up),
        2 => Just(Step::Down),
        2 => Just(Step::Read),
        2 => names.prop_map(Step::Names),
        4 => trouble(),
    ]
}

fn way() -> impl Strategy<Value = Way> {
    prop::sample::select(vec![
        Way::Udp,
        Way::Udp,
        Way::Tcp,
        #[cfg(unix)]
        Way::Unix,
    ])
}

enum Socket {
    Udp(UdpSocket),
    Tcp(TcpListener, Vec<(TcpStream, Vec<u8>)>),
    #[cfg(unix)]
    Unix(UnixDatagram),
}

/// Values that arrived: the sum of the counter, and their number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Got {
    sum: u64,
    values: u64,
}

struct Server {
    way: Way,
    at: SocketAddr,
    path: std::path::PathBuf,
    socket: Option<Socket>,
    got: Got,
    datagrams: u64,
}

impl Server {
    fn new(way: Way, case: u64) -> Server {
        let any = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = any.local_addr().unwrap();
        let path = std::env::temp_dir().join(format!("ferrometer-conservation-{}-{case}", std::process::id()));
        let mut server = Server { way, at, path, socket: None, got: Got::default(), datagrams: 0 };
        drop(any);
        server.up();
        server
    }

    fn up(&mut self) {
        if self.socket.is_some() {
            return;
        }
        let open = |way| -> io::Result<Socket> {
            match way {
                Way::Udp => {
                    let socket = UdpSocket::bind(self.at)?;
                    socket.set_nonblocking(true)?;
                    Ok(Socket::Udp(socket))
                }
                Way::Tcp => {
                    let listener = TcpListener::bind(self.at)?;
                    listener.set_nonblocking(true)?;
                    Ok(Socket::Tcp(listener, Vec::new()))
                }
                #[cfg(unix)]
                Way::Unix => {
                    let _ = std::fs::remove_file(&self.path);
                    let socket = UnixDatagram::bind(&self.path)?;
                    socket.set_nonblocking(true)?;
                    Ok(Socket::Unix(socket))
                }
            }
        };
        // Another program may have taken the port meanwhile; then the server stays away.
        self.socket = open(self.way).ok();
    }

    /// Reads all that has arrived, then goes. What a stream still holds when it is closed is lost, as with a server that dies.
    fn down(&mut self) {
        self.read();
        self.socket = None;
        let _ = std::fs::remove_file(&self.path);
    }

    fn read(&mut self) {
        let mut text = Vec::new();
        let mut buffer = vec![0; 65_536];
        match &mut self.socket {
            None => {}
            Some(Socket::Udp(socket)) => {
                while let Ok(len) = socket.recv(&mut buffer) {
                    self.datagrams += 1;
                    text.extend_from_slice(&buffer[..len]);
                    text.push(b'\n');
                }
            }
            #[cfg(unix)]
            Some(Socket::Unix(socket)) => {
                while let Ok(len) = socket.recv(&mut buffer) {
                    self.datagrams += 1;
                    text.extend_from_slice(&buffer[..len]);
                    text.push(b'\n');
                }
            }
            Some(Socket::Tcp(listener, streams)) => {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true).unwrap();
                    streams.push((stream, Vec::new()));
                }
                streams.retain_mut(|(stream, rest)| {
                    let open = loop {
                        match stream.read(&mut buffer) {
                            Ok(0) => break false,
                            Ok(len) => rest.extend_from_slice(&buffer[..len]),
                            Err(e) => break e.kind() == ErrorKind::WouldBlock,
                        }
                    };
                    // A line counts when its end has come.
                    let end = rest.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
                    text.extend(rest.drain(..end));
                    open
                });
            }
        }
        for line in text.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            for sample in support::parse(Dialect::Etsy, line).unwrap() {
                if sample.name.starts_with("ferrometer.") {
                    continue;
                }
                match sample.kind.as_str() {
                    "c" => self.got.sum += sample.value.parse::<u64>().unwrap(),
                    "ms" => {
                        self.got.values += sample.rate.map_or(1, |r| (1.0 / r.parse::<f64>().unwrap()).round() as u64)
                    }
                    _ => {}
                }
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn addresses(names: Names, server: SocketAddr) -> io::Result<Vec<SocketAddr>> {
    // The discard port: nobody listens there.
    let elsewhere = SocketAddr::from(([127, 0, 0, 1], 9));
    // Reserved, and broadcast: refused by the kernel itself.
    let unreachable = SocketAddr::from(([255, 255, 255, 255], 8125));
    match names {
        Names::Server => Ok(vec![server]),
        Names::Elsewhere => Ok(vec![elsewhere]),
        Names::Unreachable => Ok(vec![unreachable]),
        Names::Both => Ok(vec![unreachable, server]),
        Names::Fail => Err(io::Error::other("no such name")),
        Names::Nothing => Ok(Vec::new()),
        Names::Hang => {
            std::thread::sleep(Duration::from_millis(120));
            Ok(vec![server])
        }
        Names::Panic => std::panic::panic_any("told to"),
    }
}

fn all_is_well() {
    #[cfg(target_os = "linux")]
    kernel::trouble(kernel::Trouble::NONE);
}

fn errors_met() -> u64 {
    #[cfg(target_os = "linux")]
    return kernel::met();
    #[cfg(not(target_os = "linux"))]
    0
}

/// Returns whether the histories may have had a datagram be too large.
fn may_be_too_large(history: &[Step]) -> bool {
    #[cfg(target_os = "linux")]
    let too_large =
        |step: &Step| matches!(step, Step::Trouble(Some((at, _))) if kernel::ERRORS[*at].2 == libc::EMSGSIZE);
    #[cfg(not(target_os = "linux"))]
    let too_large = |_: &Step| false;
    history.iter().any(too_large)
}

fn account() -> Ledger {
    ledgers().into_iter().find(|l| l.backend == "statsd").unwrap()
}

/// Returns how many errors the kernel gave.
fn run(way: Way, max: usize, history: &[Step]) -> Result<u64, TestCaseError> {
    static CASE: AtomicU64 = AtomicU64::new(0);
    let case = CASE.fetch_add(1, SeqCst);
    let _alone = alone();
    all_is_well();
    let errors_before = errors_met();
    let mut server = Server::new(way, case);
    let names = Arc::new(Mutex::new(Names::Server));
    let (asked, at) = (Arc::clone(&names), server.at);
    let host = "metrics.test".to_owned();
    let transport = match way {
        Way::Udp => Transport::Udp { host, port: at.port() },
        Way::Tcp => Transport::Tcp { host, port: at.port() },
        #[cfg(unix)]
        Way::Unix => Transport::Unix { path: server.path.clone() },
    };
    let settings =
        Settings::new(transport).max_datagram(max).resolve_interval(Duration::from_millis(10)).lookup(move |_, _| {
            let now = *asked.lock().unwrap_or_else(PoisonError::into_inner);
            addresses(now, at)
        });
    // Trouble that a history begins with is there before the first connection.
    #[cfg(target_os = "linux")]
    if let Some(Step::Trouble(Some((at, one_in)))) = history.first() {
        let (_, call, errno) = kernel::ERRORS[*at];
        kernel::trouble(kernel::Trouble { errno, call, one_in: *one_in });
    }
    install("statsd", Box::new(Statsd::new(settings)), Duration::from_millis(10)).unwrap();

    let logger = get_logger("model");
    let mut truth = Amount::default();
    let (mut timed, mut large) = (0, 0);
    for step in history {
        match step {
            Step::Count(n) => {
                for i in 0..u64::from(*n) {
                    logger.send_counter("c", i);
                    truth += Amount::new(1).with_value(i, 0);
                }
            }
            Step::Time(n) => {
                (0..u64::from(*n)).for_each(|i| logger.send_timer("t", Duration::from_nanos(i)));
                truth += Amount::new((*n).into());
                timed += u64::from(*n);
            }
            Step::Gauge(value) => {
                logger.send_gauge("g", f64::from(*value));
                truth += Amount::new(1);
            }
            Step::Large => {
                // Longer than any datagram here.
                logger.send_gauge("x".repeat(500), 1);
                truth += Amount::new(1);
                large += 1;
            }
            Step::Flush => {
                let begin = Instant::now();
                let report = flush(Duration::from_millis(150));
                prop_assert!(report.ledgers.iter().all(Ledger::balances));
                // Generously: the machine may be busy. A flush that hangs takes for ever.
                prop_assert!(begin.elapsed() < SOON, "a flush of 150 ms took {:?}", begin.elapsed());
            }
            Step::Wait => std::thread::sleep(Duration::from_millis(25)),
            Step::Up => server.up(),
            Step::Down => server.down(),
            Step::Read => server.read(),
            Step::Names(new) => *names.lock().unwrap() = *new,
            #[cfg(target_os = "linux")]
            Step::Trouble(None) => all_is_well(),
            #[cfg(target_os = "linux")]
            Step::Trouble(Some((at, one_in))) => {
                let (_, call, errno) = kernel::ERRORS[*at];
                kernel::trouble(kernel::Trouble { errno, call, one_in: *one_in });
            }
        }
        let ledger = account();
        prop_assert!(ledger.balances(), "{step:?}: {ledger}");
        prop_assert!(ledger.recorded.recordings <= truth.recordings, "{step:?}: {ledger}");
    }
    // In the end all is well, and everything arrives, however it went before.
    all_is_well();
    *names.lock().unwrap() = Names::Server;
    server.up();
    let until = Instant::now() + SOON;
    if server.socket.is_some() {
        loop {
            server.read();
            if flush(Duration::from_millis(200)).complete {
                break;
            }
            prop_assert!(Instant::now() < until, "never delivered: {}", account());
        }
    }
    let ledger = remove("statsd", SOON).unwrap();
    std::thread::sleep(Duration::from_millis(2));
    server.read();
    prop_assert!(ledger.balances(), "{ledger}");
    prop_assert_eq!(ledger.recorded, truth, "{}", ledger);
    prop_assert!(ledger.pending.is_zero(), "{ledger}");
    let dropped = |cause| ledger.dropped[cause].recordings;
    if server.socket.is_some() {
        prop_assert_eq!(dropped(Cause::Removed), 0, "{}", ledger);
        // A line that is too large is dropped each time it is tried; those it replaced meanwhile are superseded.
        let of_lines = dropped(Cause::TooLarge) <= large && (dropped(Cause::TooLarge) > 0) == (large > 0);
        prop_assert!(of_lines || may_be_too_large(history), "{ledger}");
    }
    prop_assert!(server.got.sum <= ledger.sent.increments, "{:?} of {ledger}", server.got);
    prop_assert!(server.got.values <= timed, "{:?} of {ledger}", server.got);
    let went = history.iter().any(|s| matches!(s, Step::Down));
    let elsewhere = history.iter().any(|s| matches!(s, Step::Names(Names::Elsewhere)));
    if !went
        && !elsewhere
        && server.socket.is_some()
        && (way != Way::Udp || support::dropped_by_kernel(server.at.port()) == 0)
    {
        // Nothing was lost on the way, so what was sent has arrived, to the unit, whatever the kernel said meanwhile.
        prop_assert_eq!(server.got.sum, ledger.sent.increments, "{}", ledger);
        if way != Way::Tcp {
            prop_assert_eq!(server.datagrams, ledger.packets, "{}", ledger);
        }
        if dropped(Cause::TooLarge) == large.min(1) || !may_be_too_large(history) {
            prop_assert_eq!(server.got, Got { sum: truth.increments, values: timed }, "{}", ledger);
        }
    }
    Ok(errors_met() - errors_before)
}

#[test]
fn whatever_the_server_and_its_name_do_the_account_is_right() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref::<&str>() != Some(&"told to") {
            hook(info);
        }
    }));
    let cases = std::env::var("CONSERVATION_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    let config =
        ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() };
    let mut runner = prop::test_runner::TestRunner::new(config);
    let input = (way(), 64usize..480, prop::collection::vec(step(), 1..30));
    let errors = std::cell::Cell::new(0);
    let result = runner.run(&input, |(way, max, history)| {
        errors.set(errors.get() + run(way, max, &history)?);
        Ok(())
    });
    println!("{} errors of the kernel", errors.get());
    if let Err(error) = result {
        panic!("{error}");
    }
    // How many depends on the histories; mostly several in each.
    assert!(errors.get() > 0 || !cfg!(target_os = "linux"), "the kernel's errors do not reach the backend");
}

/// Each error alone, in every call, on each way: what is recorded meanwhile waits, a flush ends in time, and all of it arrives once the error is gone.
#[cfg(target_os = "linux")]
#[test]
fn each_error_of_the_kernel_is_lived_with() {
    for way in [Way::Udp, Way::Tcp, Way::Unix] {
        for at in 0..kernel::ERRORS.len() {
            let (name, call, _) = kernel::ERRORS[at];
            // A datagram is whole.
            if call == kernel::Call::Short && way != Way::Tcp {
                continue;
            }
            let history = [
                Step::Trouble(Some((at, 1))),
                Step::Count(20),
                Step::Time(300),
                Step::Flush,
                Step::Count(30),
                Step::Flush,
                Step::Trouble(Some((at, 2))),
                Step::Time(200),
                Step::Flush,
                Step::Trouble(None),
            ];
            let errors = run(way, 300, &history).unwrap_or_else(|e| panic!("{way:?}, {name} in {call:?}: {e}"));
            // And nobody spins: of a call that fails each time, there are some for each of its naps of half a millisecond.
            assert!((1..20_000).contains(&errors), "{way:?}: {name} in {call:?} happened {errors} times");
            println!("{way:?}: {name} in {call:?}: {errors} times");
        }
    }
}
