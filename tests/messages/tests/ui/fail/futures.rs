//! Futures that promise what the one around them cannot keep.

use ferrometer::timer;
use std::fmt::Debug;
use std::future::{Future, Ready, ready};

trait FusedFuture: Future {}
impl<T> FusedFuture for Ready<T> {}

#[timer]
fn fused() -> impl Future<Output = u32> + FusedFuture {
    ready(1)
}

#[timer]
fn cloned() -> impl Future<Output = u32> + Send + Clone {
    ready(1)
}

#[timer(outcome)]
fn shown() -> impl Future<Output = u32> + Debug {
    ready(1)
}

fn main() {}
