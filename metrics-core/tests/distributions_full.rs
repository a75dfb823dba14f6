//! More timers than there can be, where the configured limit is far above: the limit that is reached is told as what it is.

#[path = "support/subscriber.rs"]
mod foreign;
mod support;

use ferrometer_core::*;
use foreign::Subscriber;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use support::{SOON, alone, sink};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[test]
fn a_full_table_of_distributions_is_told_under_its_own_name() {
    let _alone = alone();
    tracing::subscriber::set_global_default(Subscriber(|line| LINES.lock().unwrap().push(line))).unwrap();
    configure(Naming::default(), Limits::default().max_instruments(100_000), Vec::new());
    install("a", sink(), Duration::from_millis(20)).unwrap();
    let logger = get_logger("many");
    let most = Limits::MAX_DISTRIBUTIONS;
    for i in 0..most + 100 {
        let timer = logger.timer(format!("t{i}"));
        assert_eq!(timer.series().logger_name() == "ferrometer.overflow", i >= most, "{i}");
    }
    logger.histogram("h").record(1);
    // Other kinds have room.
    assert_eq!(logger.counter("c").series().logger_name(), "many");
    assert_eq!((refused().distributions, refused().instruments), (101, 0));

    let own = |name: &str| {
        let snapshot = snapshot();
        let is_it = |t: &Total<'_>| t.series.logger_name() == "ferrometer" && t.series.metric_name() == name;
        snapshot.totals().iter().find(is_it).map(|total| match total.value {
            Value::Gauge(value) => value,
            Value::Counter { increments, .. } => increments as f64,
            _ => panic!("{name}"),
        })
    };
    let until = Instant::now() + SOON;
    while own("limits.distributions.refused") != Some(101.0) || LINES.lock().unwrap().is_empty() {
        assert!(Instant::now() < until, "{:?}", LINES.lock().unwrap());
        flush(SOON);
    }
    assert_eq!(own("limits.distributions.max"), Some(most as f64));
    assert!(own("limits.distributions.used") >= Some(most as f64));
    assert_eq!(own("limits.instruments.refused"), None);
    let lines = LINES.lock().unwrap().clone();
    let says = "the limit of 15232 timers and histograms, which no key sets, is reached";
    assert!(lines.iter().any(|line| line.contains(says)), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("max_instruments")), "{lines:?}");

    // A configured limit that is reached first is told as that one.
    configure(Naming::default(), Limits::default().max_instruments(100), Vec::new());
    logger.histogram("refused").record(1);
    logger.send_counter("refused", 1);
    assert_eq!((refused().distributions, refused().instruments), (101, 2));
    remove("a", SOON);
}
