//! In-flight guards that cross the edge of a capture scope: each goes down where it went up.

mod support;

use ferrometer_core::__private::capture::{Store, enter};
use ferrometer_core::*;
use std::sync::Arc;
use std::thread;
use support::{NEVER, SOON, alone, sink};

/// The in-flight count of a series in the cells of all threads.
fn in_cells(of: InFlight) -> i64 {
    snapshot().totals().get(of.series().id()).map_or(0, |total| match total.value {
        Value::InFlight(count) => count,
        _ => panic!("no in-flight count"),
    })
}

/// How often a scope was called, and what is left in it.
fn in_scope(store: &Store) -> (u64, i64) {
    store
        .recorded()
        .iter()
        .fold((0, 0), |(calls, total), (_, captured)| (calls + captured.calls, total + captured.total))
}

#[test]
fn a_guard_goes_down_where_it_went_up() {
    let _alone = alone();
    // Threads with cells of their own, and without.
    for max_threads in [8, 0] {
        configure(Naming::default(), Limits::default().max_threads(max_threads), Vec::new());
        install("a", sink(), NEVER).unwrap();
        let name = format!("f{max_threads}");
        thread::spawn(move || {
            let count = get_logger("edges").in_flight(name);
            let outer = count.enter();
            let (store, inner_store) = (Arc::new(Store::default()), Arc::new(Store::default()));

            let scope = enter(&store);
            drop(outer);
            assert_eq!((in_cells(count), in_scope(&store)), (0, (0, 0)), "begun before a scope, ended in it");
            let inside = count.enter();
            let moved = count.enter();
            let nested = enter(&inner_store);
            let innermost = count.enter();
            assert_eq!((in_cells(count), in_scope(&store), in_scope(&inner_store)), (0, (2, 2), (1, 1)));
            drop(inside);
            assert_eq!((in_scope(&store), in_scope(&inner_store)), ((3, 1), (1, 1)), "ended in a scope within its own");
            thread::spawn(move || drop(moved)).join().unwrap();
            assert_eq!((in_cells(count), in_scope(&store)), (0, (4, 0)), "ended on a thread that is in no scope");
            drop(nested);
            drop(scope);
            drop(innermost);
            assert_eq!((in_cells(count), in_scope(&inner_store)), (0, (2, 0)), "ended behind its scope");

            let after = count.enter();
            assert_eq!(in_cells(count), 1);
            drop(after);
            assert_eq!(in_cells(count), 0);
        })
        .join()
        .unwrap();
        assert!(remove("a", SOON).unwrap().balances());
    }
    configure(Naming::default(), Limits::default(), Vec::new());
}

#[test]
fn the_cells_put_aside_for_a_scope_stay_so_when_a_guard_ends_in_it() {
    let _alone = alone();
    install("a", sink(), NEVER).unwrap();
    let (count, counter) = (get_logger("edges").in_flight("aside"), get_logger("edges").counter("aside.c"));
    counter.increment();
    let before = count.enter();
    let store = Arc::new(Store::default());
    let scope = enter(&store);
    drop(before);
    counter.increment();
    assert_eq!(in_scope(&store), (1, 1), "recorded beside the scope");
    drop(scope);
    assert_eq!(in_cells(count), 0);
    remove("a", SOON);
}
