//! A virtual machine is moved to a host whose CPUs count at another rate: the next collection sees it, and timers are read from the system's clock.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

#[path = "support/counter.rs"]
#[allow(dead_code)]
mod counter;
#[path = "support/subscriber.rs"]
mod subscriber;
mod support;

use counter::Counter;
use ferrometer_core::*;
use std::sync::mpsc::channel;
use std::thread::sleep;
use std::time::{Duration, Instant};
use subscriber::Subscriber;
use support::{SOON, alone, sink};

#[test]
fn a_counter_at_another_rate_is_given_up_and_told_once() {
    let _alone = alone();
    let (send, lines) = channel();
    tracing::subscriber::set_global_default(Subscriber(move |line| {
        let _ = send.send(line);
    }))
    .unwrap();
    counter::set(Counter::True);
    counter::trap();
    install("slower", sink(), Duration::from_millis(50)).unwrap();
    let timer = get_logger("slower").timer("t");
    // A measurement beside the system's clock: as a share of what it is at least and at most. Where the thread was kept from running between the
    // two clocks, half of the time may lie between those as well, and nothing is said.
    let measure = || loop {
        let outer = Instant::now();
        let guard = timer.start();
        let inner = Instant::now();
        sleep(Duration::from_millis(20));
        let (least, measured) = (inner.elapsed(), guard.stop());
        let most = outer.elapsed();
        if most.as_secs_f64() < 1.5 * least.as_secs_f64() {
            break (measured.as_secs_f64() / least.as_secs_f64(), measured.as_secs_f64() / most.as_secs_f64());
        }
    };
    let is_right = |(of_least, of_most): (f64, f64)| of_least > 0.98 && of_most < 1.02;
    counter::wait_until_used(|| drop(timer.start()));
    for _ in 0..3 {
        assert!(is_right(measure()));
    }
    counter::set(Counter::Half);
    let end = Instant::now() + SOON;
    while !is_right(measure()) {
        assert!(Instant::now() < end, "timers are still wrong");
    }
    // They stay right, and there was one line about it where the counter had been used at all.
    for _ in 0..10 {
        assert!(is_right(measure()));
    }
    remove("slower", SOON);
    let told: Vec<String> =
        lines.try_iter().filter(|line| line.contains("the CPU's counter cannot be believed")).collect();
    assert_eq!(told.len(), usize::from(counter::may_be_believed()), "{told:?}");
}
