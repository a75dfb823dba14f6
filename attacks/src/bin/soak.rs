//! Everything at once, for as long as you like: threads that are born, record in every way and die; backends that are swapped every 50 ms, whether or not
//! those before have said their last; a statsd server that goes and comes back at random; a system's clock that is set by seconds and by years. At
//! the end the account, the snapshot and the pull cache agree with what the threads counted themselves, to the unit, and the server has not got
//! more than was sent.

#[path = "../../../metrics-core/tests/support/wall.rs"]
mod wall;

use ferrometer::backend::{Backend, BackendError, Delivery, SnapshotView};
use ferrometer::pull_cache::{PullCacheBackend, PullCacheHandle, Settings as PullSettings};
use ferrometer::statsd::{Settings, Statsd, Transport};
use ferrometer::{Amount, Cause, Kind, Ledger, Logger, Total, Value, counter, logger, timer};
use ferrometer_attacks::number;
use ferrometer_testkit::server::StatsdServer;
use ferrometer_testkit::{Random, sink};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

static SOAK: Logger = logger!("soak");
const WORKERS: u64 = 6;
const SOON: Duration = Duration::from_secs(60);
/// How often a backend is swapped.
const SWAP: Duration = Duration::from_millis(50);
/// The most backends of one name that are on their way out at once; with more, the next swap waits.
const LEAVING: usize = 100;

/// Counts of the threads: (calls, increments, decrements) by metric name; for timers and histograms the calls alone.
type Truth = BTreeMap<&'static str, [u64; 3]>;

static TRUTH: Mutex<Truth> = Mutex::new(BTreeMap::new());
static LATE: AtomicU64 = AtomicU64::new(0);
static SAMPLED: AtomicU64 = AtomicU64::new(0);
static THREADS: AtomicU64 = AtomicU64::new(0);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn truth() -> MutexGuard<'static, Truth> {
    lock(&TRUTH)
}

fn add(name: &'static str, calls: u64, up: u64, down: u64) {
    let mut truth = truth();
    let all = truth.entry(name).or_default();
    for (all, more) in all.iter_mut().zip([calls, up, down]) {
        *all += more;
    }
}

/// Records when its thread is nearly gone.
struct Late;

impl Drop for Late {
    fn drop(&mut self) {
        SOAK.send_counter("late", 1);
        LATE.fetch_add(1, Relaxed);
    }
}

thread_local! {
    static AT_THE_END: Late = const { Late };
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

#[counter(SOAK, "attribute.count")]
#[timer(SOAK, "attribute.time")]
fn attribute() {
    CALLS.set(CALLS.get() + 1);
}

/// One life: `rounds` of some thousand recordings.
fn life(id: u64, rounds: u64) {
    AT_THE_END.with(|_| {});
    THREADS.fetch_add(1, Relaxed);
    let mut random = Random::new(id * 2 + 1);
    let labelled = SOAK.with("worker", &(id % 16).to_string());
    let (one, many, down) = (SOAK.counter("one"), SOAK.counter("many"), SOAK.counter("down"));
    let with_label = labelled.counter("labelled");
    let (gauge, moved) = (SOAK.gauge("gauge"), SOAK.gauge("moved"));
    let (timer, histogram, busy) = (SOAK.timer("timer"), SOAK.histogram("histogram"), SOAK.in_flight("busy"));
    let sampled = SOAK.counter("sampled").sampled(0.01);
    let made = ["made.0", "made.1", "made.2", "made.3"];
    let (mut sum, mut dynamic) = (0, 0);
    for round in 0..rounds {
        for i in 0..2000_u64 {
            one.increment();
            one.increment();
            many.add(i & 7);
            with_label.increment();
        }
        sum += (0..2000).map(|i: u64| i & 7).sum::<u64>();
        for _ in 0..200 {
            down.add(-3);
            sampled.increment();
            moved.add(1);
            drop(busy.enter());
        }
        for _ in 0..60 {
            timer.record(Duration::from_nanos(random.below(1 << 30)));
            histogram.record(random.below(1000) as f64);
            attribute();
            gauge.set(random.below(100) as f64);
        }
        // A name made at run time, and one by its text.
        SOAK.send_counter(format!("made.{}", round % 4), 1);
        SOAK.send_counter("text", 2);
        dynamic += 1;
    }
    add("one", rounds * 4000, rounds * 4000, 0);
    add("many", rounds * 2000, sum, 0);
    add("labelled", rounds * 2000, rounds * 2000, 0);
    add("down", rounds * 200, 0, rounds * 600);
    add("moved", rounds * 200, 0, 0);
    add("busy", rounds * 400, 0, 0);
    add("timer", rounds * 60, 0, 0);
    add("histogram", rounds * 60, 0, 0);
    add("attribute.count", rounds * 60, rounds * 60, 0);
    add("attribute.time", rounds * 60, 0, 0);
    assert_eq!(CALLS.get(), rounds * 60);
    add("gauge", rounds * 60, 0, 0);
    add("text", dynamic, 2 * dynamic, 0);
    for (at, name) in made.into_iter().enumerate() {
        let n = (0..rounds).filter(|r| r % 4 == at as u64).count() as u64;
        add(name, n, n, 0);
    }
    SAMPLED.fetch_add(rounds * 200, Relaxed);
}

/// Takes everything, or fails at random, or panics.
struct Sink(Random);

impl Backend for Sink {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        match self.0.below(8) {
            0 => Err(BackendError::new("told to fail")),
            1 => std::panic::panic_any(()),
            2 => {
                for delta in view.deltas() {
                    if self.0.below(2) == 0 {
                        view.delta_sent(&delta);
                    } else {
                        view.delta_dropped(&delta, Cause::Transport);
                    }
                }
                Ok(Delivery::default())
            }
            _ => {
                view.all_sent();
                Ok(Delivery::default())
            }
        }
    }
}

fn statsd(random: &mut Random, port: u16) -> Box<dyn Backend> {
    let host = "127.0.0.1".to_owned();
    match random.below(4) {
        0 => Box::new(Sink(Random::new(random.draw() | 1))),
        1 => Box::new(Statsd::new(Settings::new(Transport::Tcp { host, port }))),
        _ => Box::new(Statsd::new(Settings::udp(host, port).max_datagram(512 + random.below(8000) as usize))),
    }
}

fn pull() -> (Box<dyn Backend>, PullCacheHandle) {
    let backend = PullCacheBackend::new(PullSettings::default().generations(3));
    let handle = backend.handle();
    (Box::new(backend), handle)
}

/// The sum of many accounts.
#[derive(Default)]
struct Accounts {
    recorded: Amount,
    sent: Amount,
    dropped: Amount,
    superseded: Amount,
    count: u64,
}

impl Accounts {
    fn add(&mut self, ledger: &Ledger) {
        assert!(ledger.balances(), "{ledger}");
        assert!(ledger.pending.is_zero(), "{ledger}");
        self.recorded += ledger.recorded;
        self.sent += ledger.sent;
        self.superseded += ledger.superseded;
        self.dropped += ledger.dropped.in_all();
        self.count += 1;
    }
}

/// The backends of one name, swapped without waiting for those before: each swap waits for the last account of the one it replaced on a thread of
/// its own, as a program would that must not be held up.
struct Swapped {
    name: &'static str,
    accounts: Arc<Mutex<Accounts>>,
    leaving: Vec<JoinHandle<()>>,
    swaps: u64,
    most_leaving: usize,
}

impl Swapped {
    fn new(name: &'static str) -> Swapped {
        Swapped { name, accounts: Arc::default(), leaving: Vec::new(), swaps: 0, most_leaving: 0 }
    }

    fn swap(&mut self, next: Box<dyn Backend>, interval: Duration, deadline: Duration) {
        let (done, leaving): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.leaving).into_iter().partition(JoinHandle::is_finished);
        self.leaving = leaving;
        done.into_iter().for_each(joined);
        if self.leaving.len() >= LEAVING {
            joined(self.leaving.remove(0));
        }
        let (name, accounts) = (self.name, Arc::clone(&self.accounts));
        self.leaving.push(thread::spawn(move || {
            let old = ferrometer::replace(name, next, interval, deadline).expect("replaced");
            old.iter().for_each(|ledger| lock(&accounts).add(ledger));
        }));
        self.swaps += 1;
        self.most_leaving = self.most_leaving.max(self.leaving.len());
    }

    /// Waits for all that were replaced.
    fn end(self) -> Accounts {
        self.leaving.into_iter().for_each(joined);
        std::mem::take(&mut *lock(&self.accounts))
    }
}

fn joined(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        eprintln!("a swap has panicked");
        std::process::exit(1);
    }
}

/// Swaps pull caches until it is told to end: one after the other, so that the newest is known. Returns it, and the accounts of those before.
fn swap_caches(mut cache: PullCacheHandle, ended: &AtomicBool, mut random: Random) -> (PullCacheHandle, Accounts) {
    let mut accounts = Accounts::default();
    while !ended.load(Relaxed) {
        thread::sleep(SWAP * random.below(20) as u32);
        let (backend, handle) = pull();
        let old = ferrometer::replace("pull-cache", backend, Duration::from_millis(100), SOON);
        accounts.add(&old.expect("replaced").expect("there was one"));
        cache = handle;
    }
    (cache, accounts)
}

fn main() {
    let seconds = number("--seconds", 10.0);
    let seed = number("--seed", 1.0) as u64;
    std::panic::set_hook(Box::new(|info| {
        if info.payload().downcast_ref::<()>().is_none() {
            eprintln!("{info}");
        }
    }));
    let receiver = StatsdServer::start();
    let mut random = Random::new(seed * 2 + 1);
    ferrometer::install("statsd", statsd(&mut random, receiver.port), Duration::from_millis(20)).expect("installed");
    let (backend, cache) = pull();
    ferrometer::install("pull-cache", backend, Duration::from_millis(100)).expect("installed");

    let begin = Instant::now();
    let length = Duration::from_secs_f64(seconds);
    let ended = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let ended = Arc::clone(&ended);
            thread::spawn(move || {
                let mut random = Random::new(worker * 2 + 1001);
                let mut next = worker;
                while !ended.load(Relaxed) {
                    next += WORKERS;
                    let rounds = 1 + random.below(40);
                    let one = thread::spawn(move || life(next, rounds));
                    if one.join().is_err() {
                        eprintln!("a thread that recorded has panicked");
                        std::process::exit(1);
                    }
                }
            })
        })
        .collect();

    let caches = {
        let (ended, random) = (Arc::clone(&ended), Random::new(random.draw() | 1));
        thread::spawn(move || swap_caches(cache, &ended, random))
    };
    let (mut waited_for, mut hurried) = (Swapped::new("statsd"), Swapped::new("hurried"));
    // Where nobody listens.
    let nobody = 9;
    let mut back = begin;
    let (mut restarts, mut clocks) = (0, 0);
    for tick in 1.. {
        let next = begin + SWAP * tick;
        if next >= begin + length {
            break;
        }
        thread::sleep(next.saturating_duration_since(Instant::now()));
        waited_for.swap(statsd(&mut random, receiver.port), Duration::from_millis(5 + random.below(60)), SOON);
        // One that is not waited for: what it could not say in time is in its account as dropped.
        let deadline = Duration::from_millis(random.below(40));
        hurried.swap(statsd(&mut random, nobody), Duration::from_millis(5), deadline);
        if random.below(20) == 0 {
            // By up to a minute, and up to fifty years, ahead and back.
            let most = if random.below(2) == 0 { 60 } else { 50 * 365 * 24 * 3600 };
            wall::set_off(random.below(2 * most) as i64 - most as i64);
            clocks += 1;
        }
        if Instant::now() >= back {
            receiver.set_away(false);
            if random.below(20) == 0 {
                receiver.set_away(true);
                restarts += 1;
                back = Instant::now() + Duration::from_millis(10 + random.below(1500));
            }
        }
    }
    let swapped_for = begin.elapsed();
    receiver.set_away(false);
    ended.store(true, Relaxed);
    workers.into_iter().for_each(|w| w.join().expect("a worker"));
    let recorded_for = begin.elapsed();
    let (cache, mut pulls) = caches.join().expect("the pull caches");
    let (swaps, most_leaving) = (waited_for.swaps, waited_for.most_leaving);
    let (mut statsds, mut hurried) = (waited_for.end(), hurried.end());
    thread::sleep(Duration::from_millis(50));

    // The last to come is one that takes everything, so that nothing is left.
    add("late", LATE.load(Relaxed), LATE.load(Relaxed), 0);
    let old = ferrometer::replace("statsd", sink(), Duration::from_millis(5), Duration::from_secs(3));
    statsds.add(&old.expect("replaced").expect("there was one"));
    if let Some(ledger) = ferrometer::remove("hurried", SOON) {
        hurried.add(&ledger);
    }
    let report = ferrometer::flush(SOON);
    assert!(report.complete, "{:?}", report.ledgers);
    let snapshot = ferrometer::snapshot();
    let newest = cache.most_recent().expect("a generation");

    let truth = truth().clone();
    println!("soak: turned away or refused: {:?}", ferrometer::refused());
    let mut good = true;
    let mut check = |holds: bool, what: String| {
        if !holds {
            println!("soak: FAILED: {what}");
        }
        good &= holds;
    };
    let mut recorded = Amount::default();
    let mut hits = 0;
    for (name, [calls, up, down]) in &truth {
        let of: Vec<Total<'_>> = snapshot
            .totals()
            .iter()
            .filter(|t| t.series.logger_name() == "soak" && t.series.metric_name() == *name)
            .collect();
        let found: u64 = of.iter().map(|t| t.recordings).sum();
        check(found == *calls, format!("{name}: {found} recordings in the snapshot, {calls} were made"));
        recorded += Amount::new(*calls).with_value(*up, *down);
        let value = |t: &Total<'_>| match &t.value {
            Value::Counter { increments, decrements } => (*increments, *decrements),
            Value::InFlight(now) => {
                assert_eq!(*now, 0, "{name}: in flight");
                (0, 0)
            }
            _ => (0, 0),
        };
        let (got_up, got_down) = of.iter().map(value).fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
        check(
            (got_up, got_down) == (*up, *down),
            format!("{name}: {got_up} and -{got_down} in the snapshot, recorded were {up} and -{down}"),
        );
        let kind = of.first().expect("a series").series.kind();
        let full = match kind {
            Kind::Timer | Kind::Histogram => format!("soak.{name}.count"),
            _ => format!("soak.{name}"),
        };
        let shown: f64 = newest.records().filter(|r| r.metric == full).map(|r| r.value).sum();
        let expected = match kind {
            Kind::Counter => *up as f64 - *down as f64,
            Kind::Timer | Kind::Histogram | Kind::Gauge if *name != "gauge" => *calls as f64,
            Kind::InFlight => 0.0,
            _ => shown,
        };
        check(shown == expected, format!("{full}: {shown} in the pull cache, recorded were {expected}"));
    }
    for total in snapshot.totals().iter().filter(|t| t.series.metric_name() == "sampled") {
        let Value::Counter { increments, .. } = total.value else { continue };
        hits += total.recordings;
        recorded += Amount::new(total.recordings).with_value(increments, 0);
    }
    let calls = SAMPLED.load(Relaxed) as f64;
    let (expected, deviation) = (calls * 0.01, (calls * 0.01 * 0.99).sqrt());
    assert!(
        (hits as f64 - expected).abs() < 6.0 * deviation + 1.0,
        "{hits} of {calls} calls were sampled, {expected} expected"
    );

    let last = ferrometer::remove("statsd", SOON).expect("there was one");
    statsds.add(&last);
    pulls.add(&ferrometer::remove("pull-cache", SOON).expect("there was one"));
    check(
        statsds.recorded == recorded,
        format!("the accounts of the statsd backends have {:?}, recorded were {recorded:?}", statsds.recorded),
    );
    check(
        pulls.recorded == recorded,
        format!("the accounts of the pull caches have {:?}, recorded were {recorded:?}", pulls.recorded),
    );
    let counts = receiver.end();
    let (got, values) = (counts.up.load(Relaxed), counts.values.load(Relaxed));
    assert!(got <= statsds.sent.increments, "{got} received, {} sent", statsds.sent.increments);
    assert!(values <= statsds.sent.recordings, "{values} values received, {} sent", statsds.sent.recordings);
    assert_eq!(counts.bad.load(Relaxed), 0, "lines that are none");
    assert!(got > 0 && values > 0, "the server got nothing");
    let threads = THREADS.load(Relaxed);
    println!(
        "soak: {:.1} s, {} recordings ({:.1} M/s), {threads} threads, {} backends, {restarts} restarts of the server",
        recorded_for.as_secs_f64(),
        recorded.recordings,
        recorded.recordings as f64 / recorded_for.as_secs_f64() / 1e6,
        statsds.count + pulls.count + hurried.count,
    );
    println!(
        "soak: {swaps} swaps of the statsd backend, one every {:.1} ms, up to {most_leaving} of those before still on their way out; the clock was set {clocks} times",
        swapped_for.as_secs_f64() * 1e3 / swaps.max(1) as f64
    );
    println!(
        "soak: statsd: {} sent, {} superseded, {} dropped; counters: {} sent, {got} received; {values} timer values received in {} lines",
        statsds.sent.recordings,
        statsds.superseded.recordings,
        statsds.dropped.recordings,
        statsds.sent.increments,
        counts.lines.load(Relaxed)
    );
    if !good {
        std::process::exit(1);
    }
    println!("soak: every total is what the threads counted");
}
