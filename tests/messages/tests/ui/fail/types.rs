//! The compiler's own errors point at what the user wrote.
use ferrometer::{Logger, count, counter, gauge, logger, set_gauge, time, timer};

static METRICS: Logger = logger!();

#[timer]
fn guarded() -> u32 {
    "text"
}

#[timer(outcome)]
fn captured() -> u32 {
    "text"
}

#[timer(outcome)]
fn captured_return(early: bool) -> u32 {
    if early {
        return "text";
    }
    1
}

#[timer(outcome)]
fn nothing_returned() -> u32 {
    let _ = 1;
}

#[timer(outcome)]
fn question() -> u32 {
    "1".parse::<u32>()?
}

#[timer(outcome)]
async fn asynchronous() -> u32 {
    "text"
}

#[timer(outcome)]
async fn asynchronous_question() -> Option<u32> {
    Ok::<u32, ()>(1)?;
    None
}

#[timer(outcome)]
fn no_future() -> impl std::future::Future<Output = u32> {
    5
}

#[gauge]
fn text() -> String {
    String::new()
}

#[gauge]
async fn async_text() -> Option<&'static str> {
    None
}

#[timer("text")]
#[counter(5 + 5)]
fn no_logger() {}

fn main() {
    count!(METRICS, "x", 1.5);
    count!(METRICS, "x", "one");
    set_gauge!(METRICS, "x", "one");
    count!(METRICS, "x", "key" => "5");
    count!(1 + 1, "x");
    let _: u32 = time!(METRICS, "x", { "text" });
}
