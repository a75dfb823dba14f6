//! The attributes on `async fn`, on functions that return a future, and under `#[async_trait]`: measured from the first
//! poll until ready or dropped.
//!
//! Four modules, one for each kind of function, share one set-up; hence the length.

#[path = "support/capture.rs"]
mod support;

use std::cell::Cell;
use std::future::{Future, IntoFuture, poll_fn, ready};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ferrometer::{Logger, counter, gauge, get_logger, logger, timer};
use support::{block_on, capture, capture_async, off, panics};

static METRICS: Logger = logger!();

/// Polls once, to be dropped half-way.
fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

async fn pause() {
    let mut first = true;
    poll_fn(|context| {
        if std::mem::take(&mut first) {
            context.waker().wake_by_ref();
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
}

fn is_send<T: Send>(value: T) -> T {
    value
}

mod endings {
    use super::*;

    #[timer("work")]
    #[timer("labelled", outcome)]
    #[counter("entered")]
    #[counter("err", on = "err")]
    #[counter("cancelled", on = "cancelled")]
    async fn work(what: &str) -> Result<u32, std::num::ParseIntError> {
        pause().await;
        if what == "return" {
            return Ok(1);
        }
        assert_ne!(what, "panic", "as asked");
        let number = what.parse()?;
        Ok(number)
    }

    #[test]
    fn every_ending_is_recorded() {
        let seen = capture(|| {
            assert_eq!(block_on(is_send(work("return"))), Ok(1));
            assert_eq!(block_on(work("3")), Ok(3));
            assert!(block_on(work("x")).is_err());
            assert!(panics(|| drop(block_on(work("panic")))));
            assert!(poll_once(work("5")).is_pending());
            drop(work("never polled"));
        });
        assert_eq!(seen.timer("work"), 5);
        assert_eq!(seen.counter("entered"), 5);
        assert_eq!(seen.counter("err"), 1);
        assert_eq!(seen.counter("cancelled"), 1);
        for (outcome, times) in [("ok", 2), ("err", 1), ("panic", 1), ("cancelled", 1)] {
            assert_eq!(seen.timer_with("labelled", &[("outcome", outcome)]), times, "{outcome}");
        }
    }

    /// In place, with blocks inside that have exits of their own; and captured, for what the macro hides.
    macro_rules! leaves {
        ($name:ident $metric:literal $($hidden:tt)*) => {
            #[allow(clippy::needless_question_mark)] // the exits are what is tested
            #[timer($metric, outcome)]
            async fn $name(text: &str, words: Vec<&str>) -> Result<usize, std::num::ParseIntError> {
                let inner = async {
                    "x".parse::<u32>()?;
                    return Ok::<u32, std::num::ParseIntError>(1);
                };
                assert!(inner.await.is_err());
                for word in words {
                    let wait = async move || pause().await;
                    wait().await;
                    if word == "return" {
                        return Ok(1);
                    }
                    let _: u32 = word.parse()?;
                }
                $($hidden)*
                pause().await;
                Ok(text.parse::<usize>()?)
            }
        };
    }
    macro_rules! hidden {
        ($text:expr) => {
            if $text == "hidden" {
                return Ok(7);
            }
        };
    }
    leaves!(in_place "in.place");
    leaves!(captured "captured" hidden!("hidden"););

    #[test]
    fn each_exit_is_the_function_s_own() {
        let seen = capture(|| {
            assert_eq!(block_on(is_send(in_place("3", vec!["1"]))), Ok(3));
            assert_eq!(block_on(in_place("3", vec!["1", "return", "x"])), Ok(1));
            assert!(block_on(in_place("3", vec!["x"])).is_err());
            assert!(block_on(in_place("x", vec![])).is_err());
            assert!(poll_once(in_place("5", vec![])).is_pending());
            assert_eq!(block_on(captured("3", vec!["1"])), Ok(7));
        });
        for (outcome, times) in [("ok", 2), ("err", 2), ("panic", 0), ("cancelled", 1)] {
            assert_eq!(seen.timer_with("in.place", &[("outcome", outcome)]), times, "{outcome}");
        }
        assert_eq!(seen.timer_with("captured", &[("outcome", "ok")]), 1);
    }

    #[timer("slow", outcome)]
    #[timer("slow.plain")]
    async fn slow() {
        tokio::time::sleep(Duration::from_millis(30)).await;
    }

    #[test]
    fn time_runs_from_the_first_poll() {
        let mut most = 0.0;
        let seen = capture_async(async {
            let future = slow();
            // Time that a busy machine adds to the future is in that of the wait for it, too.
            tokio::time::sleep(Duration::from_millis(400)).await;
            let begun = std::time::Instant::now();
            future.await;
            most = begun.elapsed().as_secs_f64() * 1000.0;
        });
        for name in ["slow", "slow.plain"] {
            let took = seen.longest(name);
            assert!((29.0..=most).contains(&took), "{name}: {took} of {most}");
        }
    }

    #[timer("for.ever", outcome)]
    async fn for_ever() -> ! {
        loop {
            pause().await;
        }
    }

    #[gauge("async.gauge")]
    async fn level(some: bool) -> Option<u8> {
        pause().await;
        some.then_some(3)
    }

    #[test]
    fn never_and_gauge() {
        let seen = capture(|| {
            assert!(poll_once(for_ever()).is_pending());
            block_on(level(true));
            block_on(level(false));
        });
        assert_eq!(seen.timer_with("for.ever", &[("outcome", "cancelled")]), 1);
        assert_eq!(seen.gauge("async.gauge"), Some(3.0));
    }
}

mod shapes {
    use super::*;

    struct Service {
        metrics: Logger,
        items: Vec<u32>,
    }

    impl Service {
        #[timer(self.metrics)]
        #[counter(self.metrics, outcome)]
        async fn first(&mut self) -> Option<&mut u32> {
            pause().await;
            let first = self.items.first_mut()?;
            Some(first)
        }

        #[gauge(self.metrics)]
        async fn last(&mut self) -> &u32 {
            pause().await;
            self.items.last_mut().unwrap()
        }

        #[timer(outcome)]
        async fn pinned(self: Pin<&mut Self>) -> usize {
            self.items.len()
        }

        #[timer(outcome)]
        async fn consumed(self) -> Vec<u32> {
            self.items
        }
    }

    #[timer(outcome)]
    async fn coerced(up: bool) -> Box<dyn Fn(u32) -> u32 + Send> {
        if up {
            return Box::new(|n| n + 1);
        }
        Box::new(|n| n - 1)
    }

    #[timer(outcome)]
    async fn nested_impl<'a, T: Copy>(items: &'a [T]) -> Result<impl Iterator<Item = T> + use<'a, T>, String> {
        if items.is_empty() {
            return Err("empty".into());
        }
        Ok(items.iter().copied())
    }

    #[counter(outcome)]
    #[timer]
    async unsafe fn read(pointer: &*const u32) -> u32 {
        // SAFETY: the caller gives a pointer to a live `u32`.
        unsafe { **pointer }
    }

    trait Fetch {
        #[timer(prefix = "Fetch", outcome)]
        async fn fetch(&self) -> u32 {
            self.get().await + 1
        }
        async fn get(&self) -> u32;
    }

    impl Fetch for u32 {
        #[counter]
        async fn get(&self) -> u32 {
            *self
        }
    }

    #[test]
    fn all_of_them() {
        let seen = capture_async(async {
            let mut service = Service { metrics: get_logger("service"), items: vec![1, 2] };
            *service.first().await.unwrap() += 1;
            assert_eq!(*service.last().await, 2);
            assert_eq!(Pin::new(&mut service).pinned().await, 2);
            assert_eq!(service.consumed().await, [2, 2]);
            assert_eq!(coerced(true).await(1), 2);
            assert_eq!(coerced(false).await(1), 0);
            assert_eq!(nested_impl(&[1, 2]).await.unwrap().sum::<i32>(), 3);
            assert!(nested_impl::<u8>(&[]).await.is_err());
            let value = 8;
            // SAFETY: the pointer is made from a reference.
            assert_eq!(unsafe { read(&std::ptr::from_ref(&value)).await }, 8);
            assert_eq!(4.fetch().await, 5);
        });
        assert_eq!(seen.timer("first.time"), 1);
        assert_eq!(seen.counter_with("first.count", &[("outcome", "ok")]), 1);
        assert_eq!(seen.logger("first.time"), Some("service"));
        assert_eq!(seen.gauge("last"), Some(2.0));
        assert_eq!(seen.timer_with("pinned.time", &[("outcome", "ok")]), 1);
        assert_eq!(seen.timer_with("nested_impl.time", &[("outcome", "err")]), 1);
        assert_eq!(seen.counter("read.count"), 1);
        assert_eq!(seen.timer("Fetch.fetch.time"), 1);
        assert_eq!(seen.counter("get.count"), 1);
    }
}

mod returned {
    use super::*;

    thread_local! {
        static BUILT: Cell<u32> = const { Cell::new(0) };
    }

    fn built() {
        BUILT.set(BUILT.get() + 1);
    }

    #[allow(clippy::manual_async_fn)]
    #[timer("block", outcome)]
    #[counter("block.entered")]
    fn block(ok: bool) -> impl Future<Output = Result<u32, &'static str>> + Send {
        async move {
            pause().await;
            if !ok {
                return Err("as asked");
            }
            Ok(1)
        }
    }

    #[timer("prepared", outcome)]
    #[timer("prepared.plain")]
    fn prepared<'a>(text: &'a str) -> impl Future<Output = usize> + Send + 'a {
        built();
        let length = text.len();
        async move {
            pause().await;
            length
        }
    }

    #[counter("unpin", on = "ok")]
    fn unpin(n: u32) -> impl Future<Output = u32> + Unpin {
        if n > 5 {
            return ready(5);
        }
        ready(n)
    }

    #[timer("boxed", outcome)]
    #[gauge("boxed.value")]
    fn boxed(n: u32) -> Pin<Box<dyn Future<Output = u32> + Send>> {
        built();
        if n == 0 {
            return Box::pin(ready(0));
        }
        Box::pin(async move {
            pause().await;
            n
        })
    }

    #[timer("boxed.block")]
    fn boxed_block<'a>(n: &'a mut u32) -> Pin<Box<dyn Future<Output = &'a mut u32> + Send + 'a>> {
        Box::pin(async move {
            pause().await;
            n
        })
    }

    #[timer("boxed.opaque", outcome)]
    fn boxed_opaque() -> Pin<Box<impl Future<Output = ()>>> {
        Box::pin(pause())
    }

    #[timer(metrics, "own.logger")]
    fn own_logger(metrics: &Logger) -> impl Future<Output = ()> + use<> {
        let _ = metrics;
        ready(())
    }

    trait Get {
        fn get(&self) -> impl Future<Output = u32> + Send;
    }

    impl Get for u32 {
        #[timer("trait.impl.future", outcome)]
        fn get(&self) -> impl Future<Output = u32> + Send {
            ready(*self)
        }
    }

    // No future: what is measured is the call.
    #[timer("into.future")]
    fn into_future() -> impl IntoFuture<Output = u32> {
        ready(1)
    }

    #[test]
    fn the_future_is_measured() {
        let seen = capture_async(async {
            assert_eq!(is_send(block(true)).await, Ok(1));
            assert!(block(false).await.is_err());
            assert_eq!(prepared("abc").await, 3);
            assert_eq!(unpin(9).await, 5);
            assert_eq!(boxed(0).await, 0);
            assert_eq!(boxed(7).await, 7);
            *boxed_block(&mut 1).await += 1;
            boxed_opaque().await;
            own_logger(&get_logger("own")).await;
            assert_eq!(3.get().await, 3);
        });
        assert_eq!(seen.timer_with("block", &[("outcome", "ok")]), 1);
        assert_eq!(seen.timer_with("block", &[("outcome", "err")]), 1);
        assert_eq!(seen.counter("block.entered"), 2);
        assert_eq!(seen.timer_with("prepared", &[("outcome", "ok")]), 1);
        assert_eq!(seen.timer("prepared.plain"), 1);
        assert_eq!(seen.counter("unpin"), 1);
        assert_eq!(seen.timer_with("boxed", &[("outcome", "ok")]), 2);
        assert_eq!(seen.gauge("boxed.value"), Some(7.0));
        assert_eq!(seen.timer("boxed.block"), 1);
        assert_eq!(seen.timer("boxed.opaque"), 1);
        assert_eq!(seen.timer("own.logger"), 1);
        assert_eq!(seen.logger("own.logger"), Some("own"));
        assert_eq!(seen.timer("trait.impl.future"), 1);
    }

    #[test]
    fn the_call_only_builds() {
        let before = BUILT.get();
        let seen = capture(|| {
            drop(block(true));
            drop(prepared("x"));
            drop(boxed(1));
            drop(boxed_opaque());
        });
        assert!(seen.is_empty());
        assert_eq!(BUILT.get() - before, 2);

        let seen = capture(|| {
            assert!(poll_once(block(true)).is_pending());
            assert!(poll_once(boxed(1)).is_pending());
            let _ = into_future();
        });
        assert_eq!(seen.timer_with("block", &[("outcome", "cancelled")]), 1);
        assert_eq!(seen.timer_with("boxed", &[("outcome", "cancelled")]), 1);
        assert_eq!(seen.timer("into.future"), 1);
    }

    #[test]
    fn off_records_nothing() {
        off(|| {
            block_on(async {
                assert_eq!(boxed(1).await, 1);
                assert_eq!(prepared("x").await, 1);
            });
        });
        assert!(capture(|| ()).is_empty());
    }
}

mod with_async_trait {
    use super::*;

    struct Driver {
        metrics: Logger,
        name: String,
    }

    #[async_trait::async_trait]
    trait Drive: Sync {
        #[timer(prefix = "Drive", outcome)]
        #[counter(prefix = "Drive")]
        async fn by_default(&self) -> Result<usize, String> {
            let length = self.run("default").await?;
            Ok(length + 1)
        }

        async fn run(&self, what: &str) -> Result<usize, String>;

        async fn rename(&mut self, name: String) -> &str;

        async fn nothing(&self);

        async fn local(&self)
        where
            Self: Sized;
    }

    #[async_trait::async_trait]
    impl Drive for Driver {
        #[timer(self.metrics, outcome)]
        #[counter(METRICS, on = "err")]
        async fn run(&self, what: &str) -> Result<usize, String> {
            pause().await;
            if what.is_empty() {
                return Err(format!("{} has nothing to do", self.name));
            }
            Ok(what.len())
        }

        #[timer(self.metrics)]
        async fn rename(&mut self, name: String) -> &str {
            pause().await;
            self.name = name;
            &self.name
        }

        #[timer]
        async fn nothing(&self) {
            pause().await;
        }

        #[timer(outcome)]
        async fn local(&self) {}
    }

    #[test]
    fn the_body_is_measured() {
        let seen = capture_async(async {
            let mut driver = Driver { metrics: get_logger("driver"), name: "x".into() };
            assert_eq!(driver.by_default().await, Ok(8));
            assert!(driver.run("").await.is_err());
            assert_eq!(driver.rename("y".into()).await, "y");
            is_send(driver.nothing()).await;
            driver.local().await;
            drop(driver.run("never polled"));
            assert!(poll_once(driver.run("dropped")).is_pending());
        });
        assert_eq!(seen.timer_with("Drive.by_default.time", &[("outcome", "ok")]), 1);
        assert_eq!(seen.counter("Drive.by_default.count"), 1);
        for outcome in ["ok", "err", "cancelled"] {
            assert_eq!(seen.timer_with("run.time", &[("outcome", outcome)]), 1, "{outcome}");
        }
        assert_eq!(seen.logger("run.time"), Some("driver"));
        assert_eq!(seen.counter("run.count"), 1);
        assert_eq!(seen.timer("rename.time"), 1);
        assert_eq!(seen.timer("nothing.time"), 1);
        assert_eq!(seen.timer("local.time"), 1);
    }
}
