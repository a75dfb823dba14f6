//! Declarations of a program about its metrics: each reaches each instrument of the name, whichever comes first; the first word stays, a
//! different one is reported once, and all of it is bounded.

#[path = "support/subscriber.rs"]
mod subscriber;

use ferrometer_core::{Unit, get_logger};
use std::sync::Mutex;
use subscriber::Subscriber;

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn lines() -> Vec<String> {
    std::mem::take(&mut LINES.lock().unwrap())
}

#[test]
fn declarations() {
    tracing::subscriber::set_global_default(Subscriber(|line| LINES.lock().unwrap().push(line))).unwrap();
    many_threads_declare_and_register_at_once();
    let logger = get_logger("declared");
    let said =
        |series: &ferrometer_core::Series| (series.unit().unwrap_or(""), series.description().unwrap_or("").to_owned());

    // Before the first use, after it, for each kind, and for labels that come later.
    logger.describe("before", Unit::Bytes, "Said before.");
    let after = logger.gauge("after").series();
    assert_eq!(said(after), ("", String::new()));
    logger.describe("after", Unit::Ratio, "Said after.");
    assert_eq!(said(after), ("ratio", "Said after.".into()));
    for series in [
        logger.counter("before").series(),
        logger.histogram("before").series(),
        logger.with("label", "x").gauge("before").series(),
        get_logger("declared").timer("before").series(),
    ] {
        assert_eq!(said(series), ("bytes", "Said before.".into()), "{series:?}");
    }
    // Nothing else is meant.
    assert_eq!(said(get_logger("other").gauge("before").series()), ("", String::new()));
    assert_eq!(said(logger.child("before").gauge("before").series()), ("", String::new()));

    // An equal declaration, and one that completes it, is no conflict.
    logger.describe("before", Unit::Bytes, "Said before.");
    logger.describe("parts", Unit::None, "");
    logger.describe("parts", Unit::Volts, "");
    logger.describe("parts", Unit::None, "Completed.");
    logger.describe("parts", Unit::None, "");
    assert_eq!(said(logger.gauge("parts").series()), ("volts", "Completed.".into()));
    assert_eq!(lines(), Vec::<String>::new());

    // The first word stays, and the other is reported once for each name.
    for _ in 0..3 {
        logger.describe("before", Unit::Grams, "Said before.");
        logger.describe("parts", Unit::Volts, "Otherwise.");
    }
    let handle = logger.gauge("handle").unit("rows").description("By the handle.");
    logger.describe("handle", Unit::Other("columns"), "By name.");
    assert_eq!(said(handle.series()), ("rows", "By the handle.".into()));
    assert_eq!(said(logger.counter("before").series()), ("bytes", "Said before.".into()));
    let reported = lines();
    assert_eq!(reported.len(), 3, "{reported:?}");
    for name in ["before", "parts", "handle"] {
        assert!(reported.iter().any(|l| l.starts_with(&format!("\"{name}\" of \"declared\" is described twice"))));
    }

    // Long texts are cut, long names and too many of them refused, and said so in one line.
    logger.describe("long", Unit::None, &"é".repeat(5000));
    assert_eq!(logger.gauge("long").series().description().map(|t| t.chars().count()), Some(1024));
    logger.describe(&"n".repeat(513), Unit::Bytes, "");
    (0..6000).for_each(|i| logger.describe(&format!("many{i}"), Unit::Bytes, ""));
    assert_eq!(logger.gauge("many0").series().unit(), Some("bytes"));
    assert_eq!(logger.gauge("many5999").series().unit(), None);
    let reported = lines();
    assert!(reported.len() == 1 && reported[0].contains("at most 4096 are kept"), "{reported:?}");
    // Descriptions that are there can still be completed and used.
    logger.describe("many0", Unit::Bytes, "Said late.");
    assert_eq!(logger.gauge("many0").series().description(), Some("Said late."));
}

/// Comes first: the table is one for the process, and full afterwards.
fn many_threads_declare_and_register_at_once() {
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for i in 0..300 {
                    let logger = get_logger(&format!("race{i}"));
                    if (thread + i) % 2 == 0 {
                        logger.describe("x", Unit::Joules, "Energy.");
                    } else {
                        let _ = logger.gauge("x");
                    }
                }
            });
        }
    });
    for i in 0..300 {
        let series = get_logger(&format!("race{i}")).gauge("x").series();
        assert_eq!((series.unit(), series.description()), (Some("joules"), Some("Energy.")), "{i}");
    }
}
