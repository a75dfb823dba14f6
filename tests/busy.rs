//! `#[timer(busy)]` and `time_future(…).busy()`: the whole time, the time in polls, the time between them, the polls and what was cancelled, each
//! exactly once for each future.

#[path = "support/capture.rs"]
mod support;

use ferrometer::{Logger, counter, get_logger, logger, timer};
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use support::{block_on, capture, off, panics};

static METRICS: Logger = logger!();

/// Is pending this many times, and works for a while in each poll.
fn pauses(times: u32, work: Duration) -> impl Future<Output = u32> + Send {
    let mut left = times;
    poll_fn(move |context| {
        let begun = Instant::now();
        while begun.elapsed() < work {
            std::hint::spin_loop();
        }
        if left == 0 {
            return Poll::Ready(times);
        }
        left -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
}

fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn is_send<T: Send>(value: T) -> T {
    value
}

/// Polls to the end, and is away for a while between two polls.
fn poll_slowly<F: Future>(future: F, away: Duration) -> F::Output {
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::sleep(away),
        }
    }
}

#[timer(busy)]
async fn fetch(times: u32) -> Result<u32, String> {
    let paused = pauses(times, Duration::ZERO).await;
    if times == 7 {
        return Err("seven".to_owned());
    }
    assert_ne!(times, 9, "as asked");
    let text: Result<u32, std::num::ParseIntError> = "1".parse();
    Ok(paused + text.map_err(|error| error.to_string())?)
}

#[test]
fn each_ending_is_recorded_once_and_every_poll() {
    let seen = capture(|| {
        assert_eq!(block_on(is_send(fetch(3))), Ok(4));
        assert!(block_on(fetch(7)).is_err());
        assert!(panics(|| drop(block_on(fetch(9)))));
        assert!(poll_once(fetch(5)).is_pending());
        drop(fetch(1));
    });
    for part in ["fetch.time", "fetch.busy", "fetch.idle"] {
        assert_eq!(seen.timer(part), 4, "{part}");
    }
    assert_eq!(seen.counter("fetch.polls"), 4 + 8 + 10 + 1);
    assert_eq!(seen.counter("fetch.cancelled"), 1);
}

#[test]
fn busy_and_idle_are_the_whole() {
    let work = Duration::from_millis(20);
    let seen = capture(|| {
        poll_slowly(METRICS.timer("both").time_future(pauses(2, work)).busy(), work);
    });
    let (whole, busy, idle) = (seen.longest("both"), seen.longest("both.busy"), seen.longest("both.idle"));
    // Three polls and two pauses between them, each at least as long as it was asked to be.
    assert!(busy >= 59.0 && idle >= 39.0, "{busy} {idle}");
    assert!((whole - busy - idle).abs() < 0.001, "{whole} {busy} {idle}");
    assert_eq!((seen.counter("both.polls"), seen.timer("both.busy")), (3, 1));
}

#[test]
fn a_handle_names_its_parts_behind_its_own_name() {
    let seen = capture(|| {
        let timer = get_logger("handle").with("k", "v").timer("ship.time");
        assert_eq!(block_on(timer.time_future(pauses(1, Duration::ZERO)).busy()), 1);
        assert_eq!(block_on(timer.time_future(pauses(2, Duration::ZERO))), 2);
        // One that panics is none that was cancelled, also when it is dropped later.
        let broken = Box::pin(timer.time_future(poll_fn::<(), _>(|_| panic!("as asked"))).busy());
        let mut broken = std::panic::AssertUnwindSafe(broken);
        assert!(panics(|| assert!(poll_once(broken.as_mut()).is_pending())));
        drop(broken);
        assert!(poll_once(timer.time_future(pending::<()>()).busy()).is_pending());
        assert!(poll_once(timer.time_future(pending::<()>())).is_pending());
    });
    let labels = [("k", "v")];
    assert_eq!(seen.timer_with("ship.time", &labels), 5);
    assert_eq!(seen.timer_with("ship.busy", &labels), 3);
    assert_eq!(seen.timer_with("ship.idle", &labels), 3);
    assert_eq!(seen.counter_with("ship.polls", &labels), 4);
    assert_eq!(seen.counter_with("ship.cancelled", &labels), 1);
    assert_eq!(seen.logger("ship.polls"), Some("handle"));
}

struct Shop {
    metrics: Logger,
    name: String,
}

/// Counts when it is dropped.
struct Dropped(Arc<AtomicU32>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

impl Shop {
    #[timer(self.metrics, "borrowed.time", busy, "shelf" => self.name.len())]
    #[counter(self.metrics, "entered")]
    #[timer(self.metrics, "ends", outcome)]
    async fn borrowed<'a>(&'a mut self, other: &str) -> Result<&'a str, ()> {
        pauses(1, Duration::ZERO).await;
        self.name.push_str(other);
        Ok(&self.name)
    }

    #[timer(busy)]
    async fn consumed(mut self, (left, _): (u32, u32), mut more: u32) -> Box<dyn Fn() -> u32 + Send> {
        more += left;
        self.name.clear();
        Box::new(move || more)
    }

    #[timer(busy)]
    async fn unused(self: &Shop, _: Dropped, _kept: Dropped) {
        pauses(1, Duration::ZERO).await;
    }
}

trait Fetch {
    async fn fetch<T: Into<u64> + Copy>(&self, of: &[T]) -> u64;
}

impl Fetch for Shop {
    #[timer(prefix = "Fetch", busy)]
    async fn fetch<T: Into<u64> + Copy>(&self, of: &[T]) -> u64 {
        pauses(1, Duration::ZERO).await;
        of.iter().map(|one| (*one).into()).sum()
    }
}

#[async_trait::async_trait]
trait Boxed {
    async fn boxed(&self, text: &str) -> usize;
}

#[async_trait::async_trait]
impl Boxed for Shop {
    #[timer(busy)]
    async fn boxed(&self, text: &str) -> usize {
        pauses(2, Duration::ZERO).await;
        text.len()
    }
}

#[allow(clippy::manual_async_fn)]
#[timer(busy)]
fn block(n: u32) -> impl Future<Output = u32> + Send {
    async move { pauses(n, Duration::ZERO).await }
}

#[timer(busy)]
fn built(n: u32) -> impl Future<Output = u32> + Send {
    pauses(n, Duration::ZERO)
}

#[timer(busy)]
fn pinned(n: u32) -> Pin<Box<dyn Future<Output = u32> + Send>> {
    if n == 0 {
        return Box::pin(async { 0 });
    }
    Box::pin(pauses(n, Duration::ZERO))
}

#[test]
fn every_shape_of_a_function_is_measured_and_stays_what_it_was() {
    let drops = Arc::new(AtomicU32::new(0));
    let seen = capture(|| {
        let mut shop = Shop { metrics: get_logger("shop"), name: "ab".to_owned() };
        assert_eq!(block_on(is_send(shop.borrowed("c"))), Ok("abc"));
        assert_eq!(block_on(shop.fetch(&[1u32, 2])), 3);
        assert_eq!(block_on(shop.boxed("four")), 4);
        let unused = shop.unused(Dropped(Arc::clone(&drops)), Dropped(Arc::clone(&drops)));
        assert_eq!(drops.load(Relaxed), 0, "arguments live as long as the future, used or not");
        block_on(unused);
        assert_eq!(drops.load(Relaxed), 2);
        assert_eq!(block_on(shop.consumed((1, 2), 3))(), 4);
        assert_eq!((block_on(block(1)), block_on(built(2)), block_on(pinned(3)), block_on(pinned(0))), (1, 2, 3, 0));
    });
    let shelf = [("shelf", "2")];
    assert_eq!(seen.timer_with("borrowed.busy", &shelf), 1);
    assert_eq!(seen.counter_with("borrowed.polls", &shelf), 2);
    assert_eq!((seen.counter("entered"), seen.timer_with("ends", &[("outcome", "ok")])), (1, 1));
    assert_eq!((seen.timer("Fetch.fetch.idle"), seen.counter("Fetch.fetch.polls")), (1, 2));
    for (name, polls) in [("boxed", 3), ("unused", 2), ("consumed", 1), ("block", 2), ("built", 3), ("pinned", 5)] {
        assert_eq!(seen.counter(&format!("{name}.polls")), polls, "{name}");
    }
}

#[test]
fn nothing_is_recorded_while_recording_is_off() {
    off(|| assert_eq!(block_on(fetch(2)), Ok(3)));
    let seen = capture(|| {});
    assert_eq!((seen.timer("fetch.time"), seen.counter("fetch.polls")), (0, 0));
}
