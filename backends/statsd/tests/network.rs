//! Real networks that fail: two network namespaces with a cable between them, whose routes, filters, queues and sizes are changed while the backend
//! delivers. What the kernel refused is delivered when it can be, what it took has arrived or is in the drop counter of a queue, and nothing is
//! counted twice. Needs root, and the tools `ip`, `tc` and `nft`; `scripts/test` runs it.

#![cfg(target_os = "linux")]

mod support;

use ferrometer_core::{Ledger, flush, get_logger, install, ledgers, remove};
use ferrometer_statsd::{Dialect, Settings, Statsd};
use ferrometer_testkit::{NEVER, SOON};
use std::net::UdpSocket;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use support::{Alone, alone};

const SERVER: &str = "10.99.0.2";
const PORT: u16 = 8125;

fn run(command: &str) {
    told(command);
}

/// Returns the output of a command.
fn told(command: &str) -> String {
    let words: Vec<&str> = command.split_whitespace().collect();
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap_or_else(|e| panic!("{command}: {e}"));
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// This thread, and those it starts from now on, have a network of their own.
fn leave() -> i64 {
    // SAFETY: concerns this thread alone, and no memory.
    let (left, thread) = unsafe { (libc::unshare(libc::CLONE_NEWNET), libc::syscall(libc::SYS_gettid)) };
    assert_eq!(left, 0, "a network namespace needs root: {}", std::io::Error::last_os_error());
    thread
}

/// Lines that arrived at the server.
#[derive(Default)]
struct Got {
    sum: AtomicU64,
    values: AtomicU64,
    datagrams: AtomicU64,
    last_gauge: AtomicU64,
}

/// A server at the other end of a cable.
struct Network {
    got: Arc<Got>,
    ended: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
    _alone: Alone,
}

impl Network {
    fn new() -> Network {
        let _alone = alone();
        leave();
        let (got, ended) = (Arc::<Got>::default(), Arc::<AtomicBool>::default());
        let (here, there) = mpsc::channel();
        let (laid, begin) = mpsc::channel();
        let (ready, served) = mpsc::channel();
        let server = {
            let (got, ended) = (Arc::clone(&got), Arc::clone(&ended));
            thread::spawn(move || {
                here.send(leave()).unwrap();
                begin.recv().unwrap();
                run("ip link set lo up");
                run(&format!("ip addr add {SERVER}/24 dev v1"));
                run("ip link set v1 up");
                while !told("ip -o link show v1").contains("state UP") {
                    thread::sleep(Duration::from_millis(10));
                }
                let socket = UdpSocket::bind((SERVER, PORT)).unwrap();
                socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
                ready.send(()).unwrap();
                serve(&socket, &got, &ended);
            })
        };
        let namespace = there.recv().unwrap();
        run("ip link set lo up");
        run("ip link add v0 type veth peer name v1");
        run(&format!("ip link set v1 netns {namespace}"));
        run("ip addr add 10.99.0.1/24 dev v0");
        run("ip link set v0 up");
        laid.send(()).unwrap();
        served.recv().unwrap();
        // Until then the device takes what it is given, and throws it away.
        let until = Instant::now() + SOON;
        while !told("ip -o link show v0").contains("state UP") {
            assert!(Instant::now() < until, "the cable was never up");
            thread::sleep(Duration::from_millis(10));
        }
        let settings = Settings::udp(SERVER, PORT).max_datagram(1432);
        install("statsd", Box::new(Statsd::new(settings)), NEVER).unwrap();
        Network { got, ended, server: Some(server), _alone }
    }

    /// Waits until no more arrives.
    fn settle(&self) {
        let mut before = u64::MAX;
        while before != self.got.datagrams.load(SeqCst) {
            before = self.got.datagrams.load(SeqCst);
            thread::sleep(Duration::from_millis(300));
        }
    }

    fn sum(&self) -> u64 {
        self.got.sum.load(SeqCst)
    }

    /// Delivers everything, however often it takes.
    fn deliver(&self) {
        let until = Instant::now() + SOON;
        while !flush(Duration::from_secs(1)).complete {
            assert!(Instant::now() < until, "never delivered: {}", account());
        }
        self.settle();
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        remove("statsd", Duration::ZERO);
        self.ended.store(true, SeqCst);
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

/// Each datagram is read alone: what it says does not depend on those before it.
fn serve(socket: &UdpSocket, got: &Got, ended: &AtomicBool) {
    let mut buffer = [0; 65_536];
    while !ended.load(SeqCst) {
        let Ok(len) = socket.recv(&mut buffer) else { continue };
        for sample in support::parse(Dialect::Etsy, &buffer[..len]).unwrap() {
            if sample.name.starts_with("ferrometer.") {
                continue;
            }
            match sample.kind.as_str() {
                "c" => drop(got.sum.fetch_add(sample.value.parse().unwrap(), SeqCst)),
                // One that stands for many has a rate.
                "ms" => {
                    let many = sample.rate.map_or(1, |rate| (1.0 / rate.parse::<f64>().unwrap()).round() as u64);
                    got.values.fetch_add(many, SeqCst);
                }
                _ => got.last_gauge.store(sample.value.parse::<f64>().unwrap().to_bits(), SeqCst),
            }
        }
        got.datagrams.fetch_add(1, SeqCst);
    }
}

fn account() -> Ledger {
    ledgers().into_iter().find(|l| l.backend == "statsd").unwrap()
}

/// The account once it has this many recordings: a delivery may take longer than the flush that asked for it.
fn account_of(recordings: u64) -> Ledger {
    let until = Instant::now() + SOON;
    while account().recorded.recordings < recordings {
        assert!(Instant::now() < until, "{}", account());
        thread::sleep(Duration::from_millis(10));
    }
    account()
}

/// Some recordings: what they add to the sum.
fn record(values: u64) -> u64 {
    let logger = get_logger("net");
    logger.send_counter("c", 1000);
    (0..values).for_each(|i| logger.send_timer("t", Duration::from_micros(i)));
    1000
}

/// While it is broken nothing arrives and everything waits; once it is mended all of it arrives, once.
fn breaks_and_is_mended(network: &Network, breaks: &str, mends: &str, says: &str) {
    let mut sum = network.sum() + record(10);
    network.deliver();
    assert_eq!(network.sum(), sum, "{breaks}");
    let (values, before) = (network.got.values.load(SeqCst), account());
    run(breaks);
    for _ in 0..3 {
        sum += record(200);
        let report = flush(Duration::from_millis(300));
        assert!(!report.complete && report.ledgers.iter().all(Ledger::balances), "{breaks}: {:?}", report.ledgers);
    }
    let ledger = account_of(before.recorded.recordings + 3 * 201);
    assert_eq!(ledger.sent, before.sent, "{breaks}: {ledger}");
    assert_eq!(ledger.pending.recordings, 3 * 201, "{breaks}: {ledger}");
    assert!(ledger.errors > before.errors && ledger.dropped == before.dropped, "{breaks}: {ledger}");
    run(mends);
    network.deliver();
    assert_eq!(network.sum(), sum, "{says}");
    assert_eq!(network.got.values.load(SeqCst), values + 600, "{says}");
}

#[test]
#[ignore = "needs root and the tools ip, tc and nft: makes network namespaces"]
fn what_the_kernel_refuses_waits_and_arrives_once() {
    let network = Network::new();
    for (breaks, mends, says) in [
        ("nft add rule ip f o udp dport 8125 drop", "nft flush chain ip f o", "EPERM of a filter"),
        ("nft add rule ip f o udp dport 8125 reject", "nft flush chain ip f o", "a filter that refuses"),
        ("ip route add unreachable 10.99.0.2", "ip route del unreachable 10.99.0.2", "EHOSTUNREACH"),
        ("ip route add prohibit 10.99.0.2", "ip route del prohibit 10.99.0.2", "EACCES"),
        ("ip route add blackhole 10.99.0.2", "ip route del blackhole 10.99.0.2", "EINVAL"),
        ("ip route del 10.99.0.0/24", "ip route add 10.99.0.0/24 dev v0 src 10.99.0.1", "ENETUNREACH"),
    ] {
        if breaks.starts_with("nft") {
            run("nft add table ip f");
            run("nft add chain ip f o { type filter hook output priority 0 ; }");
        }
        breaks_and_is_mended(&network, breaks, mends, says);
    }
    let ledger = remove("statsd", SOON).unwrap();
    assert_eq!(ledger.sent, ledger.recorded, "{ledger}");
}

#[test]
#[ignore = "needs root and the tools ip, tc and nft: makes network namespaces"]
fn a_device_that_grows_narrow_gets_smaller_pieces() {
    let network = Network::new();
    let mut sum = record(3000);
    network.deliver();
    assert_eq!((network.sum(), network.got.values.load(SeqCst)), (sum, 3000));
    // Less than a datagram: the kernel no longer takes many at once, and what it takes goes in fragments.
    for (size, values) in [(600, 6000), (1500, 9000)] {
        run(&format!("ip link set v0 mtu {size}"));
        sum += record(3000);
        network.deliver();
        assert_eq!((network.sum(), network.got.values.load(SeqCst)), (sum, values), "{size}: {}", account());
    }
    let ledger = remove("statsd", SOON).unwrap();
    assert_eq!(ledger.sent, ledger.recorded, "{ledger}");
}

#[test]
#[ignore = "needs root and the tools ip, tc and nft: makes network namespaces"]
fn a_slow_device_is_waited_for() {
    let network = Network::new();
    record(1);
    network.deliver();
    // A queue that holds more than a socket may have under way: then the socket says that it would block.
    run("tc qdisc add dev v0 root tbf rate 1mbit burst 3000 limit 10000000");
    let logger = get_logger("a_rather_long_name_that_fills_datagrams");
    (0..8000).for_each(|i| logger.send_counter(format!("counter_{i}"), 1));
    let sum = network.sum() + 8000;
    let report = flush(Duration::from_millis(500));
    assert!(!report.complete, "{:?}", report.ledgers);
    let ledger = account_of(8002);
    assert!(ledger.balances() && ledger.errors > 0 && !ledger.pending.is_zero(), "{ledger}");
    network.deliver();
    let ledger = remove("statsd", SOON).unwrap();
    network.settle();
    assert_eq!(network.sum(), sum);
    assert_eq!((ledger.sent, network.got.datagrams.load(SeqCst)), (ledger.recorded, ledger.packets), "{ledger}");
}

#[test]
#[ignore = "needs root and the tools ip, tc and nft: makes network namespaces"]
fn what_a_short_queue_drops_was_sent_and_nothing_else_is_missing() {
    let network = Network::new();
    record(1);
    network.deliver();
    // Linux does not tell a UDP socket what a device's queue drops, though it has an error for it (ENOBUFS): "sent" is up to here.
    run("tc qdisc add dev v0 root tbf rate 2mbit burst 3000 limit 6000");
    record(20_000);
    network.deliver();
    let statistics = told("tc -s qdisc show dev v0");
    let dropped =
        statistics.split("dropped ").nth(1).and_then(|rest| rest.split(',').next()?.trim().parse::<u64>().ok());
    let dropped = dropped.unwrap_or_else(|| panic!("{statistics}"));
    let ledger = remove("statsd", SOON).unwrap();
    network.settle();
    let arrived = network.got.datagrams.load(SeqCst);
    assert!(dropped > 0, "{statistics}");
    assert_eq!(ledger.packets, arrived + dropped, "{ledger} {statistics}");
    assert_eq!(ledger.sent, ledger.recorded, "{ledger}");
    assert!(network.got.values.load(SeqCst) < 20_001);
}

#[test]
#[ignore = "needs root and the tools ip, tc and nft: makes network namespaces"]
fn a_network_that_doubles_datagrams_doubles_nothing_in_the_account() {
    let network = Network::new();
    run("nft add table ip d");
    run("nft add chain ip d o { type filter hook output priority 0 ; }");
    run("nft add rule ip d o udp dport 8125 dup to 10.99.0.2 device v0");
    let sum = record(500);
    get_logger("net").send_gauge("g", -5);
    network.deliver();
    let ledger = remove("statsd", SOON).unwrap();
    network.settle();
    assert_eq!(ledger.sent, ledger.recorded, "{ledger}");
    assert_eq!((network.sum(), network.got.values.load(SeqCst)), (2 * sum, 1000), "the network did not double");
    assert_eq!(network.got.datagrams.load(SeqCst), 2 * ledger.packets, "{ledger}");
    // A negative gauge is two lines, of which the second alone would be a difference; they travel together.
    assert_eq!(f64::from_bits(network.got.last_gauge.load(SeqCst)), -5.0);
}
