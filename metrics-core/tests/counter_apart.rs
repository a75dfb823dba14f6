//! The counters of two CPUs are apart, and nobody told the kernel: timers find it out, and are right.
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
fn a_thread_that_moves_between_such_cpus_measures_right() {
    let _alone = alone();
    let (send, lines) = channel();
    tracing::subscriber::set_global_default(Subscriber(move |line| {
        let _ = send.send(line);
    }))
    .unwrap();
    counter::set(Counter::Apart);
    counter::trap();
    let cpus: Vec<usize> = (0..64).filter(|cpu| counter::run_on(*cpu)).take(2).collect();
    let [first, second] = cpus[..] else { panic!("this test needs two CPUs that it may run on; it found {cpus:?}") };
    counter::run_on(first);
    install("apart", sink(), Duration::from_millis(20)).unwrap();
    let timer = get_logger("apart").timer("t");
    counter::wait_until_used(|| drop(timer.start()));
    for round in 0..12 {
        let outer = Instant::now();
        let guard = timer.start();
        let inner = Instant::now();
        sleep(Duration::from_millis(20));
        counter::run_on([second, first][round % 2]);
        let least = inner.elapsed();
        let measured = guard.stop();
        let most = outer.elapsed();
        // Where a stamp itself was from the wrong CPU, nobody knows more than that it is no later than now.
        assert!(measured <= most + Duration::from_millis(5), "round {round}: {measured:?} of {most:?}");
        if round > 0 {
            assert!(measured + Duration::from_millis(5) >= least, "round {round}: {measured:?} of {least:?}");
        }
    }
    remove("apart", SOON);
    let told: Vec<String> =
        lines.try_iter().filter(|line| line.contains("the CPU's counter cannot be believed")).collect();
    assert!(told.len() <= 1, "{told:?}");
}
