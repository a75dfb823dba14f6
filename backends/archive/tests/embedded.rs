//! Into an archive of this process: what is recorded can be asked for, and the account says so.

use ferrometer_archive::search::{Filter, Page};
use ferrometer_archive::{Archive, Range, SECOND};
use ferrometer_archive_backend::{ArchiveBackend, Counters, Settings};
use ferrometer_core::{Cause, flush, get_logger, install, ledgers, remove};
use ferrometer_push_testkit::{NEVER, SOON, Scratch, alone, hard};
use std::sync::Arc;
use std::time::Duration;

fn start(settings: Settings) -> Arc<Archive> {
    let backend = ArchiveBackend::new(settings).unwrap();
    let archive = backend.archive().unwrap();
    install("archive", Box::new(backend), NEVER).unwrap();
    archive
}

/// The aggregates of the metrics whose names begin so, at the coarsest granularity, added up.
fn total(archive: &Archive, name: &str, method: &str) -> f64 {
    let metrics = archive.metrics(Some(&Filter::And(Vec::new())), &Page::default()).unwrap();
    let own = metrics.iter().filter(|metric| metric.name.as_ref().is_some_and(|other| other.starts_with(name)));
    let points = own.flat_map(|metric| {
        archive.measures(metric.id, method.parse().unwrap(), 300 * SECOND, Range::default()).unwrap()
    });
    points.map(|point| point.value).sum()
}

#[test]
fn what_is_kept_is_what_was_recorded() {
    let _alone = alone();
    let scratch = Scratch::new("archive-embedded");
    let archive = start(Settings::embedded(scratch.path()).resource("shop"));
    let mut truth = hard::record("ea", 1);
    assert!(flush(SOON).complete);
    let more = hard::record("ea", 2);
    let busy = get_logger("ea").in_flight("busy").enter();
    assert!(flush(SOON).complete);
    drop(busy);
    (truth.counted, truth.timed, truth.millis) =
        (truth.counted + more.counted, truth.timed + more.timed, truth.millis + more.millis);
    assert_eq!(total(&archive, "ea.hard", "sum"), truth.counted as f64);
    assert_eq!(total(&archive, "ea.falls", "sum"), (truth.up + more.up - truth.down - more.down) as f64);
    assert_eq!(total(&archive, "ea.took.count", "sum"), truth.timed as f64);
    assert!((total(&archive, "ea.took.sum", "sum") - truth.millis as f64).abs() < 1e-6);
    assert!(total(&archive, "ea.took.max", "max") >= 99.0);
    assert_eq!(total(&archive, "ea.busy", "max"), 1.0);
    for (name, value) in hard::GAUGES {
        assert_eq!(total(&archive, &format!("ea.{name}"), "max"), value, "{name}");
    }
    let ledger = remove("archive", SOON).unwrap();
    assert!(ledger.balances() && ledger.pending.is_zero(), "{ledger}");
    assert_eq!(ledger.dropped_in_all().recordings, 3 * hard::INVALID, "{ledger}");
}

#[test]
fn a_later_process_goes_on_with_the_same_metrics() {
    let _alone = alone();
    let scratch = Scratch::new("archive-later");
    for round in 1..=2u64 {
        let archive = start(Settings::embedded(scratch.path()).resource("shop"));
        get_logger("el").send_counter("c", 5);
        assert!(flush(SOON).complete);
        assert_eq!(total(&archive, "el.c", "sum"), 5.0 * round as f64);
        remove("archive", SOON).unwrap();
    }
}

#[test]
fn a_metric_that_was_removed_is_made_anew() {
    let _alone = alone();
    let scratch = Scratch::new("archive-removed");
    let archive = start(Settings::embedded(scratch.path()).policy("high"));
    get_logger("er").send_counter("c", 5);
    get_logger("er").send_counter("other", 1);
    assert!(flush(SOON).complete);
    let metrics = archive.metrics(Some(&Filter::is("name", "er.c")), &Page::default()).unwrap();
    assert_eq!(metrics[0].policy, "high");
    archive.remove_metric(metrics[0].id).unwrap();
    get_logger("er").send_counter("c", 7);
    assert!(flush(SOON).complete);
    let metrics = archive.metrics(Some(&Filter::is("name", "er.c")), &Page::default()).unwrap();
    let hours = archive.measures(metrics[0].id, "sum".parse().unwrap(), 3600 * SECOND, Range::default()).unwrap();
    assert_eq!(hours.iter().map(|point| point.value).sum::<f64>(), 7.0);
    let ledger = remove("archive", SOON).unwrap();
    assert!(ledger.balances() && ledger.pending.is_zero(), "{ledger}");
}

#[test]
fn totals_only_grow_and_names_that_are_too_long_are_dropped() {
    let _alone = alone();
    let scratch = Scratch::new("archive-totals");
    let archive = start(Settings::embedded(scratch.path()).counters(Counters::Total));
    let long = "n".repeat(300);
    for _ in 0..2 {
        get_logger("et").send_counter("c", 5);
        get_logger("et").send_counter(long.as_str().to_owned(), 1);
        get_logger("et").send_timer("t", Duration::from_millis(4));
        assert!(flush(SOON).complete);
    }
    assert_eq!((total(&archive, "et.c", "max"), total(&archive, "et.t.count", "max")), (10.0, 2.0));
    let ledger = ledgers().into_iter().find(|ledger| ledger.backend == "archive").unwrap();
    assert_eq!(ledger.dropped[Cause::Name].recordings, 2, "{ledger}");
    remove("archive", SOON);
}

#[test]
fn a_backend_that_replaces_another_goes_on_with_its_archive() {
    let _alone = alone();
    let scratch = Scratch::new("archive-replaced");
    let archive = start(Settings::embedded(scratch.path()));
    let second = ArchiveBackend::new(Settings::embedded(scratch.path())).unwrap();
    assert!(Arc::ptr_eq(&archive, &second.archive().unwrap()));
    remove("archive", SOON);
}

#[test]
fn a_directory_that_another_has_open_is_named() {
    let _alone = alone();
    let scratch = Scratch::new("archive-twice");
    let _first = Archive::open(scratch.path(), ferrometer_archive::Options::default()).unwrap();
    let error = ArchiveBackend::new(Settings::embedded(scratch.path())).unwrap_err();
    assert!(error.setting == "path" && error.found.contains("open in another process"), "{error}");
    let other = Scratch::new("archive-policy");
    let error = ArchiveBackend::new(Settings::embedded(other.path()).policy("nope")).unwrap_err();
    assert!(error.setting == "policy" && error.allowed.contains("bool, high, low, medium"), "{error}");
}
