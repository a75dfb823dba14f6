//! Expansions where there is no `::std`, and where paths begin at the crate's own root. That this compiles is the test.
#![no_std]
#![deny(warnings)]

extern crate alloc;
extern crate ferrometer;

use alloc::boxed::Box;
use alloc::string::String;
use core::future::{ready, Future, Ready};
use core::pin::Pin;
use ferrometer::{count, counter, gauge, logger, set_gauge, time, timer, LabelValue, Logger};

static METRICS: Logger = logger!();

/// A label's values.
#[derive(Clone, Copy, LabelValue)]
pub enum Size {
    /// Up to a page.
    Small,
    /// More than that.
    Large,
}

/// Returns a future in a box.
#[timer(outcome)]
pub fn boxed(n: u32) -> Pin<Box<dyn Future<Output = Result<u32, String>>>> {
    let future: Ready<Result<u32, String>> = ready(Ok(n));
    Box::pin(future)
}

/// Returns a future that can be moved.
#[timer]
pub fn unpinned(n: u32) -> impl Future<Output = u32> + Unpin {
    ready(n)
}

/// Leaves in each way.
#[timer(METRICS, "parse.time", sample_rate = 0.5, outcome)]
#[counter(on = "err")]
#[counter]
pub fn parse(text: &str) -> Result<u32, core::num::ParseIntError> {
    if text.is_empty() {
        return Ok(0);
    }
    let number: u32 = text.parse()?;
    Ok(number)
}

/// Returns a number.
#[gauge]
pub fn depth(n: u32) -> u32 {
    n
}

/// Records where it stands.
pub fn verbs(size: Size, text: &str) -> usize {
    count!(METRICS, "counted", 2, "size" => size, "text" => text);
    set_gauge!(METRICS, "set", 0.5, "kind" => "literal");
    time!(METRICS, "timed", sample_rate = 0.1, { text.len() })
}
