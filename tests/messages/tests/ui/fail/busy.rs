//! `busy` where there are no polls to measure, or where not every call is recorded.

use ferrometer::timer;

#[timer(busy)]
fn plain() {}

#[timer(busy)]
async fn never() -> ! {
    loop {
        std::future::ready(()).await;
    }
}

#[timer(busy, sample_rate = 0.1)]
async fn sampled() {}

#[timer("ends", outcome, busy)]
async fn ends() {}

#[timer(busy = true)]
async fn value() {}

#[timer(busy)]
#[timer("again", busy)]
async fn twice() {}

#[timer(busy)]
async fn another_type() -> u32 {
    "text"
}

fn main() {}
