//! The macros add no warnings to the user's code, clippy's included (`cargo clippy` on this file).
#![deny(warnings, missing_docs, unused, rust_2018_idioms, let_underscore, unreachable_pub)]
#![deny(unused_qualifications, single_use_lifetimes, unused_results, elided_lifetimes_in_paths)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery)]
#![allow(clippy::missing_const_for_fn, reason = "fires on the test's own empty functions")]
#![forbid(unsafe_code)]

use std::future::Future;
use std::pin::Pin;

use ferrometer::{Logger, count, counter, gauge, logger, set_gauge, time, timer};

static METRICS: Logger = logger!();

#[timer]
fn single_expression(n: u32) -> u32 {
    n + 1
}

#[rustfmt::skip]
#[allow(clippy::redundant_pub_crate)]
mod one_line {
    use super::{Future, Pin, counter, timer};

    #[timer]
    pub(super) fn plain() -> u32 { 1 }

    #[timer(outcome)]
    pub(super) fn captured() -> u32 { 1 }

    #[timer]
    pub(super) async fn asynchronous() -> u32 { std::future::ready(1).await }

    #[counter(outcome)]
    pub(super) async fn asynchronous_captured() -> u32 { std::future::ready(1).await }

    #[timer]
    pub(super) fn boxed() -> Pin<Box<dyn Future<Output = u32> + Send>> { Box::pin(async move { std::future::ready(1).await }) }

    #[timer(outcome)]
    pub(super) fn boxed_captured() -> Pin<Box<dyn Future<Output = u32> + Send>> { Box::pin(async move { std::future::ready(1).await }) }
}

#[timer(outcome)]
fn single_expression_captured(n: u32) -> u32 {
    n + 1
}

#[timer]
#[counter]
fn items_first() -> u32 {
    const ONE: u32 = 1;
    use std::cmp::max;
    fn two() -> u32 {
        2
    }
    max(ONE, two())
}

#[timer(METRICS, outcome)]
#[counter(METRICS, on = "err")]
#[gauge(METRICS)]
fn items_first_captured(text: &str) -> Result<u32, std::num::ParseIntError> {
    const ONE: u32 = 1;
    let number: u32 = text.parse()?;
    Ok(number + ONE)
}

#[timer(outcome)]
fn unit() {
    println!();
}

#[timer(outcome)]
fn empty() {}

#[timer]
fn empty_guarded() {}

#[timer(outcome)]
fn infallible(n: u32) -> Result<u32, std::convert::Infallible> {
    Ok(n)
}

#[timer(outcome)]
fn uninhabited() -> std::convert::Infallible {
    panic!("never")
}

#[counter(on = "panic")]
fn never() -> ! {
    panic!("never")
}

#[timer(outcome)]
async fn async_uninhabited() -> std::convert::Infallible {
    std::future::pending().await
}

#[timer(outcome)]
async fn async_never() -> ! {
    std::future::pending().await
}

#[timer(outcome)]
async fn async_unit() {
    std::future::ready(()).await;
}

#[timer]
#[gauge]
async fn async_number(n: u32) -> Result<u32, String> {
    if n == 0 {
        return Err("zero".to_owned());
    }
    Ok(std::future::ready(n).await)
}

type Complex<'a> = Result<Vec<(u32, &'a str)>, Box<dyn std::error::Error + Send + Sync>>;

#[timer(outcome)]
async fn async_complex(text: &str) -> Complex<'_> {
    let number = text.parse()?;
    Ok(vec![(std::future::ready(number).await, text)])
}

#[allow(clippy::type_complexity)]
#[counter(on = "ok")]
async fn async_written_out(
    text: &str,
) -> Result<Vec<(u32, Option<Box<dyn Fn(&str) -> u32 + Send>>)>, Box<dyn std::error::Error + Send + Sync>> {
    Ok(vec![(std::future::ready(text.parse()?).await, None)])
}

#[timer(outcome)]
#[gauge]
fn returned(n: u32) -> impl Future<Output = u32> + Send {
    let m = n + 1;
    async move { std::future::ready(m).await }
}

#[allow(clippy::manual_async_fn)]
#[timer]
fn returned_block(n: u32) -> impl Future<Output = u32> + Send {
    async move { std::future::ready(n).await }
}

#[timer(outcome)]
fn returned_boxed<'a>(text: &'a str) -> Pin<Box<dyn Future<Output = usize> + Send + 'a>> {
    Box::pin(async move { std::future::ready(text.len()).await })
}

#[timer(outcome)]
fn returned_other_box(text: &str) -> Pin<Box<dyn Future<Output = usize> + Send + '_>> {
    let length = text.len();
    Box::pin(std::future::ready(length))
}

/// A service.
#[derive(Debug)]
pub struct Service {
    metrics: Logger,
    items: Vec<u32>,
}

impl Service {
    /// The first item.
    #[timer(self.metrics, prefix = "Service")]
    #[must_use]
    pub fn first(&self) -> Option<&u32> {
        self.items.first()
    }

    /// The last item.
    #[gauge(self.metrics, prefix = "Service")]
    #[counter(self.metrics)]
    #[timer(self.metrics, outcome)]
    pub fn last(&mut self) -> Option<&u32> {
        let last = self.items.last_mut()?;
        Some(last)
    }

    /// All items.
    #[timer(outcome)]
    #[must_use]
    pub fn into_items(mut self) -> Vec<u32> {
        self.items.sort_unstable();
        self.items
    }
}

fn verbs(n: u32) -> Result<u32, std::num::ParseIntError> {
    count!(METRICS, "x");
    count!(METRICS, "x", n, sample_rate = 0.5, "key" => "label");
    count!(METRICS, "x", "key" => n.to_string());
    set_gauge!(METRICS, "y", n);
    set_gauge!(METRICS, "y", 3, "key" => String::new());
    let parsed: u32 = time!(METRICS, "t", { "1".parse()? });
    time!(METRICS, "t", "key" => "label", {
        println!();
    });
    if n > 5 {
        time!(METRICS, "t", { return Ok(n) });
    }
    Ok(time!(METRICS, "t", sample_rate = 1, parsed + n))
}

fn drive<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}

fn main() {
    let numbers =
        [single_expression(1), single_expression_captured(1), items_first(), items_first_captured("1").unwrap()];
    assert_eq!(numbers, [2; 4]);
    assert_eq!([one_line::plain(), one_line::captured()], [1; 2]);
    assert_eq!(drive(one_line::asynchronous()), drive(one_line::asynchronous_captured()));
    assert_eq!(drive(one_line::boxed()), drive(one_line::boxed_captured()));
    unit();
    empty();
    empty_guarded();
    assert_eq!(infallible(1), Ok(1));
    let _: [fn() -> std::convert::Infallible; 1] = [uninhabited];
    let _: fn() -> ! = never;
    assert!(drive(async_uninhabited()).is_none());
    assert!(drive(async_never()).is_none());
    drive(async_unit()).unwrap();
    assert_eq!(drive(async_number(1)), Some(Ok(1)));
    assert!(drive(async_complex("1")).unwrap().is_ok());
    assert!(drive(async_written_out("1")).unwrap().is_ok());
    assert_eq!(drive(returned(1)), Some(2));
    assert_eq!(drive(returned_block(1)), Some(1));
    assert_eq!(drive(returned_boxed("a")), Some(1));
    assert_eq!(drive(returned_other_box("a")), Some(1));
    let mut service = Service { metrics: logger!(), items: vec![1] };
    assert!(service.first().is_some() && service.last().is_some());
    assert_eq!(service.into_items(), [1]);
    assert_eq!(verbs(1), Ok(2));
}
