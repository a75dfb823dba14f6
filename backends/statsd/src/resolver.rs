//! Where the server is: looks the host up on a thread of its own, again at an interval, so that neither a slow name server nor a moved
//! server stops a delivery.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Looks up a host and port.
pub(crate) type Lookup = Arc<dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// The system's resolver; for `localhost` IPv4 first, because that is where statsd servers listen.
pub(crate) fn system() -> Lookup {
    Arc::new(|host, port| {
        let is_local = host.eq_ignore_ascii_case("localhost");
        let (mut found, mut others) = (Vec::new(), Vec::new());
        for address in (host, port).to_socket_addrs()? {
            let list = if is_local && address.is_ipv6() { &mut others } else { &mut found };
            list.push(address);
        }
        found.append(&mut others);
        Ok(found)
    })
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) addresses: Vec<SocketAddr>,
    /// The last lookup failed with this; older addresses stay in use.
    pub(crate) error: Option<String>,
    /// How many lookups have ended.
    pub(crate) lookups: u64,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    answer: Answer,
    hurry: bool,
    ended: bool,
    is_looking: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Threads that wait for a name server after their resolver is gone, at most. No system call can be ended, so each backend that is replaced
/// while a name server is silent leaves one.
const MAX_LEFT: usize = 4;

/// How many there are.
static LEFT: AtomicUsize = AtomicUsize::new(0);
/// The process that they are counted in.
static LEFT_OF: AtomicU32 = AtomicU32::new(0);

/// The addresses of one host. Dropping it ends its thread, at the end of a lookup in progress.
pub(crate) struct Resolver {
    shared: Arc<Shared>,
    /// A thread that is not started yet, because too many others still wait.
    waiting: Option<Request>,
    /// The process that the thread belongs to: a forked child has none of its parent's.
    process: u32,
}

struct Request {
    host: String,
    port: u16,
    every: Duration,
    lookup: Lookup,
}

impl Resolver {
    /// An address needs no thread; a name gets one.
    pub(crate) fn start(host: &str, port: u16, every: Duration, lookup: Lookup) -> Resolver {
        let mut resolver = Resolver { shared: Arc::new(Shared::default()), waiting: None, process: std::process::id() };
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = bare.parse::<IpAddr>() {
            let addresses = vec![SocketAddr::new(address, port)];
            resolver.shared.lock().answer = Answer { addresses, error: None, lookups: 1 };
            return resolver;
        }
        resolver.waiting = Some(Request { host: host.to_owned(), port, every, lookup });
        resolver.begin();
        resolver
    }

    /// A delivery begins: starts the thread, if it is not there and may be.
    pub(crate) fn begin(&mut self) {
        if self.waiting.is_none() {
            return;
        }
        if LEFT_OF.swap(self.process, Relaxed) != self.process {
            LEFT.store(0, Relaxed);
        }
        if LEFT.load(Relaxed) >= MAX_LEFT {
            self.fail("earlier lookups have not ended: the name server is silent".to_owned());
            return;
        }
        let Some(Request { host, port, every, lookup }) = self.waiting.take() else { return };
        let shared = Arc::clone(&self.shared);
        let run = move || look_up_for_ever(&shared, &host, port, every, &lookup);
        if let Err(error) = ferrometer_core::spawn("resolver", run) {
            self.fail(format!("no thread to look up the server: {error}"));
        }
    }

    fn fail(&self, error: String) {
        let mut state = self.shared.lock();
        state.answer.error = Some(error);
        // Nobody waits for a lookup that will not be.
        state.answer.lookups = 1;
    }

    pub(crate) fn answer(&self) -> Answer {
        self.shared.lock().answer.clone()
    }

    /// Asks for a lookup now: what was found does not answer.
    pub(crate) fn hurry(&self) {
        self.shared.lock().hurry = true;
        self.shared.changed.notify_all();
    }

    /// Waits until the first lookup has ended, or the deadline passed.
    pub(crate) fn wait_first(&self, until: Instant) {
        let mut state = self.shared.lock();
        while state.answer.lookups == 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.ended = true;
        if state.is_looking && self.process == std::process::id() {
            LEFT.fetch_add(1, Relaxed);
        }
        self.shared.changed.notify_all();
    }
}

/// A failed or hurried lookup is repeated after this at the earliest, so that a name server is never hammered.
const AT_LEAST: Duration = Duration::from_secs(1);

const A_YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

fn look_up_for_ever(shared: &Shared, host: &str, port: u16, every: Duration, lookup: &Lookup) {
    loop {
        {
            let mut state = shared.lock();
            if state.ended {
                return;
            }
            state.is_looking = true;
        }
        // A program's own resolver may panic; that is a lookup that failed.
        let found = catch_unwind(AssertUnwindSafe(|| lookup(host, port)))
            .unwrap_or_else(|_| Err(io::Error::other("the resolver panicked")));
        let mut state = shared.lock();
        state.is_looking = false;
        if state.ended {
            LEFT.fetch_sub(1, Relaxed);
            return;
        }
        state.answer.lookups += 1;
        match found {
            Ok(addresses) if !addresses.is_empty() => {
                state.answer.addresses = addresses;
                state.answer.error = None;
            }
            Ok(_) => state.answer.error = Some(format!("{host} has no address")),
            Err(error) => state.answer.error = Some(format!("cannot look up {host}: {error}")),
        }
        state.hurry = false;
        shared.changed.notify_all();
        let now = Instant::now();
        let (next, soonest) = (now + every.min(A_YEAR), now + AT_LEAST.min(every));
        loop {
            if state.ended {
                return;
            }
            let until = if state.hurry || state.answer.error.is_some() { soonest } else { next };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering::*};
    use std::thread;

    /// How many lookups were left is counted for the process.
    static ALONE: Mutex<()> = Mutex::new(());

    #[test]
    fn follows_a_server_that_moves_and_keeps_the_last_address_when_names_fail() {
        let _alone = ALONE.lock();
        let calls = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&calls);
        let lookup: Lookup = Arc::new(move |host, port| {
            assert_eq!(host, "metrics.test");
            match seen.fetch_add(1, SeqCst) {
                0 => Err(io::Error::other("not yet")),
                1 => Ok(vec![([127, 0, 0, 1], port).into()]),
                2 => Ok(vec![]),
                _ => Ok(vec![([127, 0, 0, 2], port).into()]),
            }
        });
        let resolver = Resolver::start("metrics.test", 8125, Duration::from_millis(20), lookup);
        let deadline = Instant::now() + Duration::from_secs(60);
        let until = |accept: &dyn Fn(&Answer) -> bool| loop {
            let answer = resolver.answer();
            if accept(&answer) {
                return answer;
            }
            assert!(Instant::now() < deadline, "{answer:?}");
            thread::sleep(Duration::from_millis(1));
        };
        until(&|a| a.error.as_deref() == Some("cannot look up metrics.test: not yet"));
        until(&|a| a.addresses == [([127, 0, 0, 1], 8125).into()]);
        let moved = until(&|a| a.addresses == [([127, 0, 0, 2], 8125).into()]);
        assert_eq!(moved.error, None);
        assert!(moved.lookups >= 4);
    }

    #[test]
    fn localhost_is_ipv4_first() {
        let found = system()("localhost", 8125).unwrap();
        assert_eq!(found[0], ([127, 0, 0, 1], 8125).into(), "{found:?}");
    }

    #[test]
    fn an_address_is_there_at_once() {
        for (host, port) in [("127.0.0.1", 1), ("::1", 2), ("[::1]", 3)] {
            let resolver = Resolver::start(host, port, Duration::from_secs(1), Arc::new(|_, _| panic!("looked up")));
            assert_eq!(resolver.answer().addresses[0].port(), port);
        }
    }

    #[test]
    fn a_silent_name_server_keeps_a_bounded_number_of_threads() {
        let _alone = ALONE.lock();
        let (calls, end) = (Arc::new(AtomicU64::new(0)), Arc::new((Mutex::new(false), Condvar::new())));
        let lookup: Lookup = {
            let (calls, end) = (Arc::clone(&calls), Arc::clone(&end));
            Arc::new(move |_, port| {
                calls.fetch_add(1, SeqCst);
                let mut ended = end.0.lock().unwrap();
                while !*ended {
                    ended = end.1.wait(ended).unwrap();
                }
                Ok(vec![([127, 0, 0, 1], port).into()])
            })
        };
        for replaced in 0..100 {
            let _replaced = Resolver::start("metrics.test", 1, Duration::from_secs(30), Arc::clone(&lookup));
            // Each that may have a thread gets it before the next comes.
            let until = Instant::now() + Duration::from_secs(60);
            while calls.load(SeqCst) < (replaced + 1).min(MAX_LEFT as u64) {
                assert!(Instant::now() < until);
                thread::sleep(Duration::from_millis(1));
            }
        }
        assert_eq!(calls.load(SeqCst), MAX_LEFT as u64);
        let mut last = Resolver::start("metrics.test", 1, Duration::from_secs(30), lookup);
        assert_eq!(last.answer().error.as_deref(), Some("earlier lookups have not ended: the name server is silent"));
        // Once they have ended, the last of all is looked up.
        *end.0.lock().unwrap() = true;
        end.1.notify_all();
        let until = Instant::now() + Duration::from_secs(60);
        while last.answer().addresses.is_empty() {
            assert!(Instant::now() < until);
            last.begin();
            thread::sleep(Duration::from_millis(1));
        }
    }
}
