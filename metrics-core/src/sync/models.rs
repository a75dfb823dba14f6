//! Model checks: the interleavings of the hand-overs between threads, on the shipped modules themselves, compiled with
//! `--cfg ferrometer_loom`. `scripts/test` runs them.
//!
//! The writer is the model's main thread wherever a single writer loads and stores: loom looks for interleavings from the *last* access to an
//! atomic alone, and a writer that loads before it stores would hide a reader that came before it.
//!
//! One model for each hand-over; hence the length.

use crate::registry::append_table::{AppendTable, Hashed, Permit};
use crate::registry::hash_index::hash_of;
use crate::storage::bucket::{Scheme, SubSecond};
use crate::storage::cell_address::CellAddress;
use crate::storage::exemplar_slot::{ExemplarSlot, Written};
use crate::storage::histogram_cell::Dist;
use crate::storage::sample_ring::Ring;
use crate::storage::scalar_cell::{self, Writer};
use crate::storage::slab::{Budget, Slab};
use crate::storage::thread_slab::Slabs;
use crate::sync::Ordering::*;
use crate::sync::{AtomicU64, Mutex, Zero, lock};
use loom::sync::Arc;
use loom::thread;
use std::time::Duration;

struct Unlimited;
impl Budget for Unlimited {
    fn take(&self, _: usize) -> bool {
        true
    }
}

/// Loom counts what is leaked across executions of a model as its own; these are small.
fn leaked<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

#[test]
fn a_collector_sees_a_single_writers_cell_grow_and_loses_nothing() {
    loom::model(|| {
        let slab = Arc::new(Slab::new());
        let reader = {
            let slab = Arc::clone(&slab);
            thread::spawn(move || {
                // The count first, acquired, as the collector reads.
                let read = || slab.scalar(0).map_or((0, 0), |c| (c.calls.load(Acquire), c.inc.load(Relaxed)));
                let (first, second) = (read(), read());
                assert!(first.0 <= second.0 && first.1 <= second.1);
                // The value holds at least the counted recordings.
                assert!(first.1 >= 2 * first.0 && second.1 >= 2 * second.0, "{first:?} {second:?}");
            })
        };
        let cell = slab.ensure_scalar(0, &Unlimited).unwrap();
        cell.count(2, Writer::Single);
        cell.count(2, Writer::Single);
        reader.join().unwrap();
        assert_eq!((cell.inc.load(Relaxed), cell.calls.load(Relaxed)), (4, 2));
    });
}

#[test]
fn ones_grow_beside_the_cell_and_a_gauge_that_was_set_has_its_value() {
    loom::model(|| {
        let slab = Arc::new(Slab::new());
        let gauge = Arc::new(loom::sync::atomic::AtomicU64::new(0));
        let reader = {
            let (slab, gauge) = (Arc::clone(&slab), Arc::clone(&gauge));
            thread::spawn(move || {
                let sets = slab.unit_count(CellAddress::scalar(0)).map_or(0, |ones| ones.load(Acquire));
                assert!(gauge.load(Relaxed) >= sets * 5);
            })
        };
        let ones = slab.ensure_unit_count(0, &Unlimited).unwrap();
        for value in [5, 10] {
            gauge.store(value, Relaxed);
            scalar_cell::increment_unit(ones);
        }
        slab.ensure_scalar(0, &Unlimited).unwrap().count(3, Writer::Single);
        reader.join().unwrap();
        assert_eq!(slab.unit_count(CellAddress::scalar(0)).unwrap().load(Relaxed), 2);
        assert!(slab.unit_count(CellAddress::NONE).is_none() && slab.dist(CellAddress::NONE).is_none());
    });
}

#[test]
fn two_threads_growing_the_shared_slab_share_one_chunk() {
    loom::model(|| {
        let slab = Arc::new(Slab::new());
        let count = |slab: &Slab| slab.ensure_scalar(1, &Unlimited).unwrap().count(1, Writer::Shared);
        let other = {
            let slab = Arc::clone(&slab);
            thread::spawn(move || count(&slab))
        };
        count(&slab);
        other.join().unwrap();
        let cell = slab.scalar(1).unwrap();
        assert_eq!((cell.inc.load(Relaxed), cell.calls.load(Relaxed)), (2, 2));
    });
}

#[test]
fn a_distribution_cell_is_published_whole() {
    loom::model(|| {
        let slab = Arc::new(Slab::new());
        let writer = {
            let slab = Arc::clone(&slab);
            thread::spawn(move || {
                slab.ensure_dist(0, Scheme::Nanos, &Unlimited).unwrap().record_nanos(1, Writer::Shared)
            })
        };
        if let Some(cell) = slab.dist_of(0) {
            assert!(cell.scheme() == Scheme::Nanos && cell.buckets().len() == 2);
        }
        slab.ensure_dist(0, Scheme::Nanos, &Unlimited).unwrap().record_nanos(1, Writer::Shared);
        writer.join().unwrap();
        let cell = slab.dist_of(0).unwrap();
        assert_eq!((cell.sum(), cell.buckets()[1].load(Relaxed)), (2, 2));
    });
}

/// Returns the contents of a distribution's cell: the number of values, their sum and the greatest, as the scheme keeps them.
fn held(cell: Dist<'_>) -> (u64, u64, u64) {
    (cell.buckets().iter().map(|b| b.load(Relaxed)).sum(), cell.sum(), cell.max())
}

/// A collector reads twice while `record` writes: what it sees only grows. What is held in the end. Bits of floats that are not negative
/// grow as the floats do.
fn grows(scheme: Scheme, record: fn(Dist<'_>)) -> (u64, u64, u64) {
    let slab = Arc::new(Slab::new());
    let cell = slab.ensure_dist(0, scheme, &Unlimited).unwrap();
    // Nothing recorded yet: the greatest of a histogram is below all then.
    let max = |max| if max == f64::NEG_INFINITY.to_bits() { 0 } else { max };
    let reader = {
        let slab = Arc::clone(&slab);
        thread::spawn(move || {
            let cell = slab.dist_of(0).unwrap();
            let (first, second) = (held(cell), held(cell));
            let grows = first.0 <= second.0 && first.1 <= second.1 && max(first.2) <= max(second.2);
            assert!(grows, "{first:?} {second:?}");
        })
    };
    record(cell);
    reader.join().unwrap();
    held(cell)
}

#[test]
fn a_collector_sees_a_single_writers_distribution_grow_and_loses_nothing() {
    loom::model(|| {
        let found = grows(Scheme::Nanos, |cell| {
            [9, 20]
                .into_iter()
                .for_each(|n| cell.record_sub_second(SubSecond::duration(Duration::from_nanos(n)).unwrap()));
        });
        assert_eq!(found, (2, 29, 20));
    });
}

#[test]
fn a_collector_sees_a_single_writers_histogram_grow_and_loses_nothing() {
    loom::model(|| {
        let found = grows(Scheme::Float, |cell| {
            [1.5, 2.5].into_iter().for_each(|value| assert!(cell.record_normal(value)));
        });
        assert_eq!(found, (2, 4f64.to_bits(), 2.5f64.to_bits()));
    });
}

#[test]
fn threads_that_share_a_histogram_lose_nothing_of_its_sum() {
    loom::model(|| {
        let slab = Arc::new(Slab::new());
        let record = |slab: &Slab, value: f64| {
            slab.dist_of(0).unwrap().record_float(value, Writer::Shared);
        };
        slab.ensure_dist(0, Scheme::Float, &Unlimited).unwrap();
        let other = {
            let slab = Arc::clone(&slab);
            thread::spawn(move || record(&slab, 2.0))
        };
        // Huge ones go to the same part of the sum, whatever was before.
        let huge = 2f64.powi(50);
        record(&slab, huge);
        record(&slab, -huge);
        other.join().unwrap();
        assert_eq!(held(slab.dist_of(0).unwrap()), (3, 2f64.to_bits(), huge.to_bits()));
    });
}

#[test]
fn a_slab_changes_hands_with_its_values() {
    loom::model(|| {
        let slabs = Arc::new(Slabs::new());
        let work = |slabs: &Slabs| {
            // One slab for all: a thread that comes while it is taken gets none.
            let Some(slab) = slabs.acquire(lock(slabs.lists()), 1, || Some(leaked(Slab::new()))) else { return 0 };
            slab.ensure_scalar(0, &Unlimited).unwrap().count(1, Writer::Single);
            slabs.release(slab);
            1
        };
        let total = |slabs: &Slabs| -> u64 {
            slabs.all().iter().filter_map(|s| s.scalar(0)).map(|c| c.inc.load(Relaxed)).sum()
        };
        let other = {
            let slabs = Arc::clone(&slabs);
            thread::spawn(move || work(&slabs))
        };
        let mine = work(&slabs);
        let seen = total(&slabs);
        let theirs = other.join().unwrap();
        assert!(seen >= mine);
        assert_eq!(total(&slabs), mine + theirs);
        assert_eq!(slabs.all().len(), 1);
    });
}

#[test]
fn slabs_that_two_threads_leave_at_once_are_both_found() {
    loom::model(|| {
        let slabs = Arc::new(Slabs::new());
        let acquire = |slabs: &Slabs| slabs.acquire(lock(slabs.lists()), 2, || Some(leaked(Slab::new())));
        let (mine, theirs) = (acquire(&slabs).unwrap(), acquire(&slabs).unwrap());
        let other = {
            let slabs = Arc::clone(&slabs);
            thread::spawn(move || {
                theirs.ensure_scalar(0, &Unlimited).unwrap().count(1, Writer::Single);
                slabs.release(theirs);
            })
        };
        mine.ensure_scalar(0, &Unlimited).unwrap().count(1, Writer::Single);
        slabs.release(mine);
        // One of them, whatever the other thread does now: its values are seen by the thread that writes it next.
        let first = acquire(&slabs).unwrap();
        first.ensure_scalar(0, &Unlimited).unwrap().count(1, Writer::Single);
        other.join().unwrap();
        let second = acquire(&slabs).unwrap();
        assert!(!std::ptr::eq(first, second) && acquire(&slabs).is_none());
        assert_eq!([first, second].map(|slab| slab.scalar(0).unwrap().inc.load(Relaxed)), [2, 1]);
    });
}

#[test]
fn a_collector_that_sees_a_hit_sees_the_misses_before_it() {
    loom::model(|| {
        let slab = Arc::new(Slab::new());
        let reader = {
            let slab = Arc::clone(&slab);
            thread::spawn(move || {
                let read = || {
                    let ones = slab.unit_count(CellAddress::scalar(0)).map_or(0, |ones| ones.load(Acquire));
                    (ones, slab.scalar(0).map_or(0, |cell| cell.skipped.load(Relaxed)))
                };
                let (first, second) = (read(), read());
                assert!(first.0 <= second.0 && first.1 <= second.1);
                // The misses before a hit are there when the hit is.
                assert!(second.1 >= 2 * second.0 && second.1 <= 4, "{second:?}");
            })
        };
        let (ones, cell) = (slab.ensure_unit_count(0, &Unlimited).unwrap(), slab.ensure_scalar(0, &Unlimited).unwrap());
        for _ in 0..2 {
            scalar_cell::add(&cell.skipped, 2, Writer::Single);
            scalar_cell::increment_unit(ones);
        }
        reader.join().unwrap();
    });
}

/// Returns a hash of a small key: the key says where a search begins, and is the tag too.
fn hash_of_key(key: u64) -> u64 {
    hash_of(key as u32 | (key as u32) << 24)
}

impl Hashed for u64 {
    fn hash(&self) -> u64 {
        hash_of_key(*self)
    }
}

/// A permit for a table that one thread alone puts values in.
fn permit() -> Permit {
    // SAFETY: as above; where there are two threads, one permit is behind a lock.
    unsafe { Permit::new() }
}

#[test]
fn a_name_registered_by_two_threads_is_one_through_growth() {
    loom::model(|| {
        // The registry's lock, in small.
        let table: Arc<AppendTable<u64>> = Arc::new(AppendTable::new());
        let writer = Arc::new(Mutex::new(permit()));
        let insert = |table: &AppendTable<u64>, writer: &Mutex<Permit>, key: u64| -> *const u64 {
            let find = || table.get(hash_of_key(key), |v| *v == key);
            find().unwrap_or_else(|| {
                let mut permit = lock(writer);
                find().unwrap_or_else(|| table.push(&mut permit, hash_of_key(key), key).unwrap())
            })
        };
        let other = {
            let (table, writer) = (Arc::clone(&table), Arc::clone(&writer));
            thread::spawn(move || insert(&table, &writer, 7) as usize)
        };
        let mine = insert(&table, &writer, 7) as usize;
        // Two keys, in either order: the table of two places grows.
        insert(&table, &writer, 8);
        assert_eq!(table.get(hash_of_key(7), |v| *v == 7).map(|v| std::ptr::from_ref(v) as usize), Some(mine));
        assert_eq!(other.join().unwrap(), mine);
        assert_eq!(table.get(hash_of_key(8), |v| *v == 8), Some(&8));
    });
}

impl Hashed for Made {
    fn hash(&self) -> u64 {
        hash_of_key(self.0.load(Relaxed))
    }
}

/// A value whose making another thread could miss: loom sees only what is atomic.
struct Made(loom::sync::atomic::AtomicU64);

fn made(key: u64) -> Made {
    let made = Made(loom::sync::atomic::AtomicU64::new(0));
    made.0.store(key, Relaxed);
    made
}

#[test]
fn a_reader_walks_a_table_that_grows_under_it() {
    loom::model(|| {
        let table: Arc<AppendTable<Made>> = Arc::new(AppendTable::new());
        let put = |table: &AppendTable<Made>, key: u64| {
            table.push(&mut permit(), hash_of_key(key), made(key)).unwrap();
        };
        put(&table, 1);
        let reader = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                // Whatever is found under a key is whole.
                for key in [1, 3] {
                    let found = table.get(hash_of_key(key), |_| true).map(|v| v.0.load(Relaxed));
                    assert!(found == Some(key) || (key != 1 && found.is_none()), "{key}: {found:?}");
                }
            })
        };
        // The table of two places grows.
        put(&table, 2);
        put(&table, 3);
        reader.join().unwrap();
    });
}

#[test]
fn an_entry_that_moves_when_the_table_grows_is_found_at_every_moment() {
    loom::model(|| {
        let table: Arc<AppendTable<Made>> = Arc::new(AppendTable::new());
        let put = |table: &AppendTable<Made>, key: u64| {
            table.push(&mut permit(), hash_of_key(key), made(key)).unwrap();
        };
        // In the second place of two, and in the fourth of four.
        put(&table, 3);
        let reader = {
            let table = Arc::clone(&table);
            thread::spawn(move || table.get(hash_of_key(3), |_| true).map(|v| v.0.load(Relaxed)))
        };
        let before = table.places();
        // The place that is left is taken by the second of these.
        put(&table, 2);
        put(&table, 1);
        assert!(table.places() > before);
        assert_eq!(reader.join().unwrap(), Some(3));
        assert_eq!(
            [1, 2, 3].map(|key| table.get(hash_of_key(key), |_| true).map(|v| v.0.load(Relaxed))),
            [Some(1), Some(2), Some(3)]
        );
    });
}

#[test]
fn an_entry_put_in_a_free_place_is_whole() {
    // The third entry takes a free one of four slots, and begins a chunk; the fifth takes one of eight, in a chunk that is there.
    for last in [3, 5] {
        loom::model(move || {
            let table: Arc<AppendTable<Made>> = Arc::new(AppendTable::new());
            let put = |table: &AppendTable<Made>, key: u64| {
                table.push(&mut permit(), hash_of_key(key), made(key)).unwrap();
            };
            (1..last).for_each(|key| put(&table, key));
            let before = table.places();
            let reader = {
                let table = Arc::clone(&table);
                thread::spawn(move || table.get(hash_of_key(last), |_| true).map(|v| v.0.load(Relaxed)))
            };
            put(&table, last);
            assert_eq!(table.places(), before, "it grew, and shows nothing");
            let found = reader.join().unwrap();
            assert!(found.is_none() || found == Some(last), "{found:?}");
        });
    }
}

#[test]
fn a_list_is_whole_while_it_grows() {
    loom::model(|| {
        let table: Arc<AppendTable<Made>> = Arc::new(AppendTable::new());
        let put = |table: &AppendTable<Made>, key: u64| {
            table.push(&mut permit(), hash_of_key(key), made(key)).unwrap();
        };
        put(&table, 1);
        let reader = {
            let table = Arc::clone(&table);
            thread::spawn(move || table.iter().map(|v| v.0.load(Relaxed)).collect::<Vec<_>>())
        };
        // The third begins a chunk.
        put(&table, 2);
        put(&table, 3);
        let seen = reader.join().unwrap();
        assert!((1..=3).contains(&seen.len()) && seen.iter().copied().eq(1..=seen.len() as u64), "{seen:?}");
        assert_eq!(table.len(), 3);
    });
}

#[test]
fn a_ring_hands_over_each_value_once_in_order_or_refuses_it() {
    loom::model(|| {
        let ring = Arc::new(Ring::new(2));
        let collector = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || {
                let mut seen = Vec::new();
                ring.drain(|slot, bits| seen.push((slot, bits)));
                seen
            })
        };
        let kept: Vec<u64> = (1..=3u64).filter(|v| ring.push(*v as u32, v * 10)).collect();
        let mut seen = collector.join().unwrap();
        ring.drain(|slot, bits| seen.push((slot, bits)));
        assert_eq!(seen, kept.iter().map(|v| (*v as u32, v * 10)).collect::<Vec<_>>());
        assert!(kept.len() >= 2);
    });
}

// Loom has no loads that see later stores, so that `tail` is released after the reading of an entry is not something it can find missing: it
// checks here that nothing is overwritten in program order.
#[test]
fn a_place_given_back_is_not_written_before_it_was_read() {
    loom::model(|| {
        let ring = Arc::new(Ring::new(1));
        assert!(ring.push(1, 10));
        let writer = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || ring.push(2, 20))
        };
        let mut seen = Vec::new();
        ring.drain(|slot, bits| seen.push((slot, bits)));
        assert_eq!(seen[0], (1, 10));
        let second = writer.join().unwrap();
        ring.drain(|slot, bits| seen.push((slot, bits)));
        assert_eq!(seen.len(), 1 + usize::from(second));
    });
}

/// An exemplar of which all parts say the same.
fn all_of(number: u64) -> Written {
    Written { bits: number, time: number, trace: u128::from(number) << 64 | u128::from(number), span: number }
}

#[test]
fn an_exemplar_is_taken_whole_and_after_its_recording() {
    loom::model(|| {
        let slot = Arc::new(ExemplarSlot::zero());
        let cells = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let record = |number: usize| {
            let (slot, cells) = (Arc::clone(&slot), Arc::clone(&cells));
            move || {
                cells[number - 1].store(1, Relaxed);
                slot.offer(|| Some(all_of(number as u64)));
            }
        };
        let (first, second) = (thread::spawn(record(1)), thread::spawn(record(2)));
        let take = || {
            if let Some(written) = slot.take() {
                assert_eq!(written, all_of(written.bits));
                assert_eq!(cells[written.bits as usize - 1].load(Relaxed), 1, "the collector reads the cells behind");
                return 1;
            }
            0
        };
        let taken = take();
        first.join().unwrap();
        second.join().unwrap();
        // At least one of them found the place free, and none is taken twice.
        assert!((1..=2).contains(&(taken + take() + take())));
    });
}

#[test]
fn a_place_that_asked_too_often_asks_again_after_a_collection_whatever_comes_between() {
    loom::model(|| {
        let slot = Arc::new(ExemplarSlot::zero());
        let recorder = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || {
                slot.offer(|| None);
                slot.offer(|| None);
            })
        };
        assert_eq!(slot.take(), None);
        recorder.join().unwrap();
        assert_eq!(slot.take(), None);
        slot.offer(|| Some(all_of(1)));
        assert_eq!(slot.take(), Some(all_of(1)));
    });
}
