//! Spans and events of `tracing` arrive as timers and counters: equal to an independent count, across threads, await points and filters.

use ferrometer_core::{Limits, LoggerRule, Naming, configure, flush, install, remove};
use ferrometer_testkit::{NEVER, Record, Recorder, SOON, alone};
use ferrometer_tracing_layer::Layer;
use std::collections::BTreeMap;
use std::time::Duration;
use tracing::instrument::WithSubscriber;
use tracing::{Instrument, info_span};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt};
use tracing_subscriber::registry;

/// Runs `body` with a recording backend, and returns what arrived.
fn recorded(body: impl FnOnce()) -> Record {
    let recorder = Recorder::default();
    install("record", Box::new(recorder.clone()), NEVER).unwrap();
    body();
    assert!(flush(SOON).complete);
    remove("record", SOON).unwrap();
    recorder.record()
}

fn counts<T: Copy>(pairs: &[(&str, T)]) -> BTreeMap<String, T> {
    pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

#[test]
fn a_span_is_three_timers_and_an_event_a_counter() {
    let _alone = alone();
    let got = recorded(|| {
        tracing::subscriber::with_default(registry().with(Layer::new()), || {
            for turn in 0..5 {
                let _span = info_span!(target: "shop::api", "handle", turn).entered();
                tracing::warn!(target: "shop::api", "slow");
            }
            tracing::error!(target: "shop::db", "broken");
            // Ferrometer's own diagnostics are no events of the program.
            tracing::error!(target: "ferrometer_core::pipeline", "own");
            let _own = info_span!(target: "ferrometer", "own").entered();
        });
    });
    assert_eq!(
        got.values,
        counts(&[("shop.api.handle.busy", 5), ("shop.api.handle.idle", 5), ("shop.api.handle.time", 5)])
    );
    assert_eq!(got.counters, counts(&[("shop.api.events level=warn", 5), ("shop.db.events level=error", 1)]));
}

#[test]
fn listed_fields_are_labels_and_others_are_not() {
    let _alone = alone();
    let long = "é".repeat(1000);
    let got = recorded(|| {
        let layer = Layer::new().busy(false).events(false).label("method").label("status").label("method");
        tracing::subscriber::with_default(registry().with(layer), || {
            let span = info_span!(target: "labels", "get", method = "GET", status = tracing::field::Empty, path = "/x");
            span.record("status", 200);
            drop(span);
            drop(info_span!(target: "labels", "get", method = %"a b\n|c", path = "/y"));
            drop(info_span!(target: "labels", "get", method = "", status = ?Some(1)));
            drop(info_span!(target: "labels", "get", method = long));
        });
    });
    let cut = format!("labels.get.time method={}", "é".repeat(128));
    assert_eq!(
        got.values,
        counts(&[
            ("labels.get.time method=GET status=200", 1),
            ("labels.get.time method=a b\n|c", 1),
            ("labels.get.time status=Some(1)", 1),
            (&cut, 1),
        ])
    );
}

#[test]
fn filters_and_layers_stay_apart() {
    let _alone = alone();
    let got = recorded(|| {
        let warnings = Layer::new().busy(false).with_filter(LevelFilter::WARN);
        let one_target = Layer::new()
            .busy(false)
            .events(false)
            .with_filter(Targets::new().with_target("apart::b", LevelFilter::INFO));
        tracing::subscriber::with_default(registry().with(warnings).with(one_target), || {
            drop(info_span!(target: "apart::a", "span"));
            drop(info_span!(target: "apart::b", "span"));
            drop(tracing::error_span!(target: "apart::b", "span"));
            tracing::info!(target: "apart::b", "quiet");
            tracing::error!(target: "apart::b", "loud");
        });
    });
    assert_eq!(got.values, counts(&[("apart.b.span.time", 3)]));
    assert_eq!(got.counters, counts(&[("apart.b.events level=error", 1)]));
}

#[test]
fn off_measures_nothing_and_a_span_begun_off_is_not_recorded() {
    let _alone = alone();
    let subscriber = registry().with(Layer::new());
    let got = tracing::subscriber::with_default(subscriber, || {
        let before = info_span!(target: "offon", "before");
        let got = recorded(|| {
            drop(before);
            drop(info_span!(target: "offon", "during"));
        });
        drop(info_span!(target: "offon", "after"));
        got
    });
    let names: Vec<_> = got.values.keys().collect();
    assert_eq!(names, ["offon.during.busy", "offon.during.idle", "offon.during.time"]);
}

#[test]
fn spans_across_await_points_and_threads_are_counted_once() {
    let _alone = alone();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap();
    let got = recorded(|| {
        runtime.block_on(
            async {
                let tasks = (0..200u64).map(|n| {
                    let work = async move {
                        for _ in 0..3 {
                            tokio::time::sleep(Duration::from_millis(n % 3)).await;
                            tracing::info!(target: "awaits", "step");
                        }
                    };
                    tokio::spawn(work.instrument(info_span!(target: "awaits", "task")).with_current_subscriber())
                });
                for task in tasks.collect::<Vec<_>>() {
                    task.await.unwrap();
                }
            }
            .with_subscriber(registry().with(Layer::new())),
        );
    });
    assert_eq!(got.values, counts(&[("awaits.task.busy", 200), ("awaits.task.idle", 200), ("awaits.task.time", 200)]));
    assert_eq!(got.counters, counts(&[("awaits.events level=info", 600)]));
}

#[test]
fn a_rate_takes_its_share() {
    let _alone = alone();
    let got = recorded(|| {
        let layer = Layer::new().busy(false).sample_rate(0.1);
        tracing::subscriber::with_default(registry().with(layer), || {
            (0..10_000).for_each(|_| drop(info_span!(target: "sampled", "span")));
        });
    });
    // 10,000 draws of 0.1: 8 standard deviations are 240.
    let count = got.values["sampled.span.time"];
    assert!((760..=1240).contains(&count), "{count}");
}

#[test]
fn without_a_rate_a_rule_of_the_configuration_has_its_say() {
    let _alone = alone();
    let rule = LoggerRule::new("ruled").sample_rate(Some(0.1));
    configure(Naming::default(), Limits::default(), vec![rule]);
    let got = recorded(|| {
        tracing::subscriber::with_default(registry().with(Layer::new().busy(false)), || {
            (0..10_000).for_each(|_| drop(info_span!(target: "ruled", "span")));
        });
    });
    configure(Naming::default(), Limits::default(), Vec::new());
    let count = got.values["ruled.span.time"];
    assert!((760..=1240).contains(&count), "{count}");
}
