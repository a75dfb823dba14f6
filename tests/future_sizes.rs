//! An attribute makes a future at most 32 bytes larger at each level, whatever the future holds and however its body is left. Sizes are those the
//! compiler chose: they are the same on every run. `cargo test --test future_sizes -- --nocapture` prints the table.

use ferrometer::{counter, gauge, timer};
use std::future::{Future, ready};

/// The most bytes that one attribute adds to one future.
const BOUND: usize = 32;

type Answer = Result<u64, String>;

/// Makes each function twice, without an attribute and with one, and gives the sizes of both futures.
macro_rules! sizes {
    ($($what:literal: #[$($attribute:tt)*] ($($argument:ident: $ty:ty = $value:expr),*) -> $output:ty $body:block)*) => {
        vec![$({
            #[allow(clippy::unused_async)]
            async fn plain($($argument: $ty),*) -> $output $body
            #[$($attribute)*]
            #[allow(clippy::unused_async)]
            async fn measured($($argument: $ty),*) -> $output $body
            ($what, size_of_val(&plain($($value),*)), size_of_val(&measured($($value),*)))
        }),*]
    };
}

/// A chain of functions, each of which awaits the next, and the sizes of the first one's future.
macro_rules! chain {
    ([$($attribute:tt)*] $argument:ident: $ty:ty = $value:expr; $last:ident $($name:ident)*) => {{
        async fn $last($argument: $ty) -> Answer {
            ready(()).await;
            let _kept = $argument;
            Ok(1)
        }
        chain!(@each [$($attribute)*] $argument $ty, $last $($name)*);
        chain!(@size $value; $($name)*)
    }};
    (@each [$($attribute:tt)*] $argument:ident $ty:ty, $next:ident $name:ident $($rest:ident)*) => {
        $($attribute)*
        async fn $name($argument: $ty) -> Answer {
            let answer = $next($argument).await?;
            Ok(answer + 1)
        }
        chain!(@each [$($attribute)*] $argument $ty, $name $($rest)*);
    };
    (@each [$($attribute:tt)*] $argument:ident $ty:ty, $next:ident) => {};
    (@size $value:expr; $name:ident) => { size_of_val(&$name($value)) };
    (@size $value:expr; $name:ident $($rest:ident)+) => { chain!(@size $value; $($rest)+) };
}

/// A future that is handed from function to function.
async fn inner() -> Answer {
    let kept = [1u8; 40];
    ready(()).await;
    Ok(kept.len() as u64)
}

macro_rules! passed_on {
    ([$($attribute:tt)*]) => {{
        $($attribute)*
        async fn pass(future: impl Future<Output = Answer>) -> Answer {
            let answer = future.await?;
            if answer > 3 {
                return Err("large".to_owned());
            }
            Ok(answer)
        }
        [size_of_val(&pass(inner())), size_of_val(&pass(pass(inner()))), size_of_val(&pass(pass(pass(inner()))))]
    }};
}

#[track_caller]
fn expect(what: &str, plain: usize, measured: usize, levels: usize) {
    println!("| {what} | {plain} | {measured} | {:.1} |", (measured.saturating_sub(plain)) as f64 / levels as f64);
    assert!(measured <= plain + BOUND * levels, "{what}: {measured} bytes, {plain} without");
}

#[test]
fn one_attribute_adds_at_most_32_bytes_a_level() {
    println!("| future | plain | measured | more a level |\n|---|--:|--:|--:|");
    let all = sizes! {
        "a timer": #[timer] (n: u8 = 1) -> u8 { ready(n).await }
        "a timer of a large argument": #[timer] (bytes: [u8; 1000] = [0; 1000]) -> usize {
            ready(()).await;
            bytes.len()
        }
        "a counter": #[counter] (n: u32 = 1) -> u32 { ready(n).await }
        "a counter of errors": #[counter(on = "err")] (n: u32 = 1) -> Answer {
            Ok(u64::from(ready(n).await))
        }
        "an outcome": #[timer(outcome)] (n: u8 = 1) -> u8 { ready(n).await }
        "an outcome with `?`": #[timer(outcome)] (text: String = "1".into()) -> Answer {
            let number = ready(text.parse::<u64>()).await.map_err(|error| error.to_string())?;
            Ok(number)
        }
        "an outcome with `return`": #[timer(outcome)] (bytes: [u16; 500] = [0; 500]) -> Answer {
            for byte in bytes {
                if ready(byte).await == 3 {
                    return Err("three".to_owned());
                }
            }
            Ok(0)
        }
        "a sampled outcome with a macro": #[timer(sample_rate = 0.1, outcome)] (n: u64 = 1) -> Answer {
            let text = format!("{}", ready(n).await);
            let number = text.parse::<u64>().map_err(|error| error.to_string())?;
            Ok(number + 1)
        }
        "polls": #[timer(busy)] (n: u8 = 1) -> u8 { ready(n).await }
        "polls of large arguments": #[timer(busy)] (bytes: [u8; 1000] = [0; 1000], text: String = "1".into()) -> Answer {
            ready(()).await;
            Ok(bytes.len() as u64 + text.parse::<u64>().map_err(|error| error.to_string())?)
        }
        "a gauge": #[gauge] (n: u64 = 1) -> u64 { ready(n).await }
    };
    for (what, plain, measured) in all {
        expect(what, plain, measured, 1);
    }
    let plain = chain!([] bytes: [u64; 8] = [0; 8]; z a b c d e f g h);
    let timed = chain!([#[timer]] bytes: [u64; 8] = [0; 8]; z a b c d e f g h);
    let outcome = chain!([#[timer(outcome)]] bytes: [u64; 8] = [0; 8]; z a b c d e f g h);
    let errors = chain!([#[counter(on = "err")]] bytes: [u64; 8] = [0; 8]; z a b c d e f g h);
    expect("eight levels, timed", plain, timed, 8);
    expect("eight levels with outcome", plain, outcome, 8);
    expect("eight levels, errors counted", plain, errors, 8);
    let polls = chain!([#[timer(busy)]] bytes: [u64; 8] = [0; 8]; z a b c d e f g h);
    expect("eight levels, polls measured", plain, polls, 8);
    let timer = ferrometer::get_logger("sizes").timer("time");
    expect("a future that is timed", size_of_val(&inner()), size_of_val(&timer.time_future(inner())), 1);
    expect(
        "a future that is timed with its polls",
        size_of_val(&inner()),
        size_of_val(&timer.time_future(inner()).busy()),
        1,
    );
    let (plain, timed, outcome) = (passed_on!([]), passed_on!([#[timer]]), passed_on!([#[timer(outcome)]]));
    for levels in 1..=3 {
        // A future that is handed on is held as the argument it came as and as what is awaited: its growth counts twice a level.
        let held = (1 << levels) - 1;
        expect(&format!("passed on {levels} times, timed"), plain[levels - 1], timed[levels - 1], held);
        expect(&format!("passed on {levels} times, with outcome"), plain[levels - 1], outcome[levels - 1], held);
    }
}

#[test]
fn stacked_attributes_add_at_most_32_bytes_each() {
    let all = sizes! {
        "a timer and a counter": #[timer] (n: u64 = 1) -> Answer { Ok(ready(n).await) }
    };
    #[timer(outcome)]
    #[counter(on = "err")]
    #[counter]
    async fn stacked(n: u64) -> Answer {
        Ok(ready(n).await)
    }
    expect("three attributes", all[0].1, size_of_val(&stacked(1)), 3);
}
