//! Lints are heard under an attribute as without: an expectation that nothing fulfils is an error. Clippy's are looked for by `cargo clippy`.
#![deny(warnings, unfulfilled_lint_expectations)]
#![warn(clippy::unused_async, clippy::needless_return)]

use ferrometer::{counter, gauge, timer};

#[expect(unconditional_recursion)]
#[timer(outcome)]
fn endless() -> u32 {
    endless()
}

#[expect(unconditional_recursion, clippy::only_used_in_recursion)]
#[gauge]
fn endless_gauge(n: u32) -> u32 {
    endless_gauge(n + 1)
}

#[timer(outcome)]
#[expect(clippy::unused_async)]
async fn idle() -> u32 {
    3
}

#[timer(outcome)]
#[expect(clippy::needless_return)]
fn returns() -> u32 {
    return 3;
}

#[gauge]
#[counter(on = "ok")]
#[expect(clippy::needless_return)]
fn returns_from_arms(n: u32) -> u32 {
    match n {
        0 => return 3,
        _ => return n,
    }
}

#[timer(outcome)]
#[expect(unused_variables)]
async fn unused() -> Result<(), ()> {
    let unused = std::future::ready(3).await;
    Err(())?;
    Ok(())
}

#[expect(unreachable_code)]
#[counter(on = "panic")]
fn unreachable(n: u32) -> u32 {
    if n > 3 {
        return 3;
        println!("never");
    }
    n
}

/// Lints that a crate may forbid.
mod explicit {
    #![deny(clippy::implicit_return)]
    #![allow(clippy::needless_return, clippy::unused_async)]
    use ferrometer::{counter, gauge, timer};
    use std::future::Future;

    #[timer(outcome)]
    pub(super) async fn unit() {}

    #[timer(outcome)]
    pub(super) fn captured(n: u32) -> Result<u32, String> {
        return Ok(n);
    }

    #[gauge]
    pub(super) fn depth(n: u32) -> u32 {
        return n;
    }

    #[counter(on = "ok")]
    pub(super) async fn counted(n: u32) -> u32 {
        if n > 3 {
            return 4;
        }
        return std::future::ready(n).await;
    }

    #[timer]
    pub(super) fn wrapped(n: u32) -> impl Future<Output = u32> {
        return std::future::ready(n);
    }
}

/// No warning of ours: bodies that never end, or that end in no value.
mod endless_bodies {
    #![allow(clippy::unused_async)]
    use ferrometer::timer;

    #[timer(outcome)]
    pub(super) fn panics() -> Result<u32, String> {
        panic!("always")
    }

    #[timer(outcome)]
    pub(super) fn loops() -> Result<u32, String> {
        loop {
            if std::env::args().count() > 1000 {
                return Err(String::new());
            }
        }
    }

    #[timer(outcome)]
    pub(super) async fn unimplemented() -> Option<u32> {
        unimplemented!()
    }
}

#[test]
fn what_is_expected_above_was_heard() {
    let _ = (endless, endless_gauge, idle(), returns(), returns_from_arms(1), unused(), unreachable(1));
    let _ = (explicit::unit(), explicit::captured(1), explicit::depth(1), explicit::counted(1), explicit::wrapped(1));
    let _ = (endless_bodies::panics, endless_bodies::loops, endless_bodies::unimplemented());
}
