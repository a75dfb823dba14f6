//! `#[measured]` and the argument `error` of attributes: what they record of each way a call can end.

#[path = "support/capture.rs"]
mod support;

use ferrometer::testing::Capture;
use ferrometer::{Logger, counter, logger, measured, timer};
use std::future::pending;
use std::task::{Context, Waker};
use support::{block_on, off, on, panics};

static METRICS: Logger = logger!("shop");

#[derive(Debug)]
enum Error {
    Parse(#[allow(dead_code)] std::num::ParseIntError),
    Odd,
}

impl Error {
    fn kind(&self) -> &'static str {
        match self {
            Error::Parse(_) => "parse",
            Error::Odd => "odd",
        }
    }

    fn code(&self) -> u16 {
        if matches!(self, Error::Odd) { 409 } else { 400 }
    }
}

impl From<std::num::ParseIntError> for Error {
    fn from(error: std::num::ParseIntError) -> Error {
        Error::Parse(error)
    }
}

#[measured(METRICS, "halve", error = Error::kind)]
fn halve(text: &str, capture: Option<&Capture>) -> Result<i32, Error> {
    if let Some(capture) = capture {
        assert_eq!(capture.in_flight("shop.halve.in_flight"), 1);
    }
    let number: i32 = text.parse()?;
    if number < 0 {
        panic!("negative");
    }
    if number % 2 == 1 { Err(Error::Odd) } else { Ok(number / 2) }
}

#[test]
fn each_end_is_counted_timed_and_no_longer_in_flight() {
    let _on = on();
    let capture = Capture::start();
    assert_eq!(halve("8", Some(&capture)).unwrap(), 4);
    assert!(matches!(halve("3", Some(&capture)), Err(Error::Odd)));
    assert!(matches!(halve("x", None), Err(Error::Parse(_))));
    assert!(panics(|| drop(halve("-2", None))));
    for labels in ["outcome=ok", "error=odd outcome=err", "error=parse outcome=err", "outcome=panic"] {
        capture.assert_counter(&format!("shop.halve.count {labels}"), 1);
        capture.assert_timer_count(&format!("shop.halve.time {labels}"), 1);
    }
    capture.assert_counter("shop.halve.count outcome=err", 0);
    assert_eq!(capture.in_flight("shop.halve.in_flight"), 0);
}

#[measured(prefix = "Api", "route" => route, error = |error: &Error| error.code())]
async fn serve(route: &str, text: &str) -> Result<i32, Error> {
    tokio::task::yield_now().await;
    if text.is_empty() {
        pending::<()>().await;
    }
    Ok(text.parse::<i32>()?)
}

#[test]
fn futures_are_measured_from_their_first_poll() {
    let _on = on();
    let capture = Capture::start();
    assert_eq!(block_on(serve("/a", "1")).unwrap(), 1);
    assert!(block_on(serve("/a", "x")).is_err());
    drop(serve("/a", "1"));
    let mut hangs = Box::pin(serve("/b", ""));
    let mut context = Context::from_waker(Waker::noop());
    assert!(hangs.as_mut().poll(&mut context).is_pending());
    assert_eq!(capture.in_flight("measured.Api.serve.in_flight route=/b"), 1);
    drop(hangs);
    for labels in ["outcome=ok route=/a", "error=400 outcome=err route=/a", "outcome=cancelled route=/b"] {
        capture.assert_counter(&format!("measured.Api.serve.count {labels}"), 1);
        capture.assert_timer_count(&format!("measured.Api.serve.time {labels}"), 1);
    }
    for route in ["/a", "/b"] {
        assert_eq!(capture.in_flight(&format!("measured.Api.serve.in_flight route={route}")), 0);
    }
}

#[counter(METRICS, "plain.errors", on = "err", error = Error::kind)]
#[timer(METRICS, "plain.time", error = Error::kind)]
fn plain(odd: bool) -> Result<(), Error> {
    if odd {
        return Err(Error::Odd);
    }
    Ok(())
}

struct Shop;

impl Shop {
    #[measured]
    fn never_fails(&self) -> u8 {
        1
    }

    #[measured(METRICS)]
    fn boxed(&self) -> std::pin::Pin<Box<dyn Future<Output = u8> + Send + '_>> {
        Box::pin(async move { self.never_fails() })
    }
}

#[test]
fn the_kind_is_a_label_of_errors_alone() {
    let _on = on();
    let capture = Capture::start();
    plain(true).unwrap_err();
    plain(false).unwrap();
    capture.assert_counter("shop.plain.errors error=odd", 1);
    capture.assert_counter("shop.plain.errors", 0);
    capture.assert_timer_count("shop.plain.time error=odd", 1);
    capture.assert_timer_count("shop.plain.time", 1);
    assert_eq!(block_on(Shop.boxed()), 1);
    capture.assert_counter("shop.boxed.count outcome=ok", 1);
    capture.assert_timer_count("measured.never_fails.time outcome=ok", 1);
}

#[test]
fn nothing_is_asked_while_recording_is_off() {
    off(|| {
        #[measured(METRICS, error = |_: &Error| -> &str { panic!("asked") })]
        fn fails() -> Result<(), Error> {
            let _: i32 = "x".parse()?;
            Ok(())
        }
        assert!(fails().is_err());
    });
}
