//! Hostile keys: any is taken, and none takes memory without end. In a process of its own, since it fills the registry up to its limits.

use ferrometer_core::{flush, install, remove};
use ferrometer_metrics_bridge::Bridge;
use ferrometer_testkit::{NEVER, Record, Recorder, SOON, alone};
use metrics::{Label, counter, with_local_recorder};

/// Runs `body` with a recording backend, and returns what arrived.
fn recorded(body: impl FnOnce()) -> Record {
    let recorder = Recorder::default();
    install("record", Box::new(recorder.clone()), NEVER).unwrap();
    body();
    assert!(flush(SOON).complete);
    remove("record", SOON).unwrap();
    recorder.record()
}

#[test]
fn any_key_is_taken_and_none_takes_memory_without_end() {
    let _alone = alone();
    let bridge = Bridge::new().logger("hostile");
    let got = recorded(|| {
        with_local_recorder(&bridge, || {
            let long = "x".repeat(100_000);
            for name in ["", ".", "a:1|c\nb", "\0", "界", "%s%n", "a{b=\"c\"}", &long] {
                counter!(name.to_owned()).increment(1);
                counter!("named", vec![Label::new(name.to_owned(), name.to_owned())]).increment(1);
            }
            for n in 0..50_000u32 {
                counter!("many", "n" => n.to_string()).increment(1);
            }
            let labels: Vec<Label> = (0..1000).map(|n| Label::new(n.to_string(), "v")).collect();
            counter!("labelled", labels).increment(1);
        });
    });
    // Past the limits of the core there is an overflow series; no call is lost.
    assert_eq!(got.counters.values().sum::<i64>(), 8 + 8 + 50_000 + 1);
}
