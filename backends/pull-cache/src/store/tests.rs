//! The order of generations, what falls out, and that what comes out is what went in.

use super::*;
use crate::record::{Head, Identity, Part, RecordType};
use ferrometer_export::Labels;
use proptest::prelude::*;

/// Half an hour, which the tests of the number never reach.
const WINDOW: i64 = i64::MAX;

fn store(keep: usize, seconds: &[i64]) -> Store {
    within(keep, WINDOW, seconds)
}

fn within(keep: usize, window: i64, seconds: &[i64]) -> Store {
    let mut store = Store::new(keep, window);
    seconds.iter().for_each(|s| drop(store.push(*s, Row::default())));
    store
}

fn stamps(history: History) -> Vec<i64> {
    history.map(|g| g.timestamp()).collect()
}

fn all(store: &Store) -> Vec<i64> {
    stamps(store.view().history(None))
}

#[test]
fn the_newest_and_as_many_old_ones_as_asked_for_are_kept() {
    assert_eq!(all(&store(2, &[0, 1, 2, 3])), [1, 2, 3]);
    assert_eq!(all(&store(0, &[0, 1])), [1]);
    assert_eq!(all(&store(usize::MAX, &[0, 1])), [0, 1]);
    assert_eq!(all(&store(3, &(0..100).collect::<Vec<_>>())).len(), 4);
    assert_eq!(store(2, &[]).view().window(), None);
    assert_eq!(store(2, &[5, 6, 7, 8]).view().window(), Some((6, 8)));
}

#[test]
fn what_is_older_than_the_window_falls_out() {
    assert_eq!(all(&within(100, 10, &[0, 5, 10])), [0, 5, 10]);
    assert_eq!(all(&within(100, 10, &[0, 5, 11])), [5, 11]);
    assert_eq!(all(&within(100, 10, &[0, 5, 11, 1000])), [1000]);
    assert_eq!(all(&within(1, 10, &[0, 5, 10])), [5, 10]);
    assert_eq!(all(&within(100, 0, &[0, 5])), [5]);
}

#[test]
fn history_is_strict_and_the_future_is_empty() {
    let store = store(10, &[10, 20, 30]);
    for (start, expected) in
        [(i64::MIN, vec![10, 20, 30]), (9, vec![10, 20, 30]), (10, vec![20, 30]), (29, vec![30]), (30, vec![])]
    {
        let history = store.view().history(Some(start));
        assert_eq!(history.window(), Some((10, 30)));
        assert_eq!(stamps(history), expected, "{start}");
    }
    assert!(store.view().history(Some(i64::MAX)).next().is_none());
}

#[test]
fn a_store_that_went_on_and_what_was_before_become_one() {
    let columns = |store: &mut Store, names: &[usize]| {
        names.iter().map(|n| store.table().column(&identity(*n, 1.0))).collect::<Vec<_>>()
    };
    let one = |store: &mut Store, second: i64, names: &[usize]| {
        let mut row = Row::default();
        let columns = columns(store, names);
        columns.iter().zip(names).for_each(|(column, n)| row.set(*column as usize, *n as f64 + second as f64));
        drop(store.push(second, row));
    };
    let says = |store: &Store| store.view().history(None).map(|g| (g.timestamp(), said(&g))).collect::<Vec<_>>();
    let mut whole = Store::new(5, WINDOW);
    let (mut before, mut went_on) = (Store::new(5, WINDOW), Store::new(5, WINDOW));
    for (second, names) in [(10, vec![1, 2]), (20, vec![2, 3])] {
        one(&mut whole, second, &names);
        one(&mut before, second, &names);
    }
    went_on.follow(Some(20));
    // The clock stands before all that.
    for (second, names) in [(3, vec![9, 2]), (4, vec![1])] {
        one(&mut whole, second, &names);
        one(&mut went_on, second, &names);
    }
    let old = columns(&mut went_on, &[9, 2, 1]);
    let numbers = before.catch_up(&mut went_on);
    assert_eq!(says(&before), says(&whole));
    assert_eq!(before.view().window(), Some((10, 22)));
    let new: Vec<_> = old.iter().map(|column| numbers[*column as usize]).collect();
    assert_eq!(new, columns(&mut before, &[9, 2, 1]));
    // A generation of the same second takes the place of the one that was made there.
    assert_eq!((before.place(4), before.timestamp(4), before.timestamp(5)), (Place::Replace, 22, 23));

    // The earlier generation was newer than anybody knew: the one made here stays where it was seen.
    let (mut before, mut went_on) = (store(5, &[10, 20, 30]), Store::new(5, WINDOW));
    went_on.follow(Some(10));
    drop(went_on.push(20, Row::default()));
    let seen = went_on.view().window();
    before.catch_up(&mut went_on);
    assert_eq!((all(&before), before.view().newest().map(|g| g.timestamp())), (vec![10, 20], seen.map(|(_, to)| to)));
}

#[test]
fn the_same_second_takes_the_place_of_the_newest() {
    let store = store(10, &[10, 10, 11, 11, 11]);
    assert_eq!(all(&store), [10, 11]);
    assert_eq!((store.place(11), store.place(12), store.place(10)), (Place::Replace, Place::New, Place::New));
}

#[test]
fn a_clock_set_back_neither_hides_nor_reorders_anything() {
    let mut store = store(10, &[100, 110]);
    let mut seen = 110;
    for (second, expected) in [(50, 111), (60, 112), (60, 112), (112, 113), (120, 120), (-5, 121), (i64::MIN, 122)] {
        let place = store.place(second);
        store.push(second, Row::default());
        assert_eq!(store.view().newest().unwrap().timestamp(), expected);
        let newer = stamps(store.view().history(Some(seen)));
        assert_eq!(newer.len(), usize::from(place == Place::New), "{second}");
        seen = expected;
    }
    store.push(i64::MAX, Row::default());
    store.push(0, Row::default());
    assert_eq!(store.view().newest().unwrap().timestamp(), i64::MAX);
}

#[test]
fn a_walk_can_be_made_on_any_thread() {
    let history = store(3, &[1, 2, 3]).view().history(Some(1));
    assert_eq!(std::thread::spawn(move || stamps(history)).join().unwrap(), [2, 3]);
}

#[test]
fn a_walk_sees_what_was_there_when_it_began() {
    let mut store = store(3, &[1, 2, 3, 4]);
    let mut walk = store.view().history(None);
    assert_eq!(walk.next().unwrap().timestamp(), 1);
    (10..30).for_each(|s| drop(store.push(s, Row::default())));
    assert_eq!(stamps(walk), [2, 3, 4]);
    assert_eq!(all(&store), [26, 27, 28, 29]);
}

pub(crate) fn identity(number: usize, rate: f64) -> Arc<Identity> {
    let part = [Part::Value, Part::Total, Part::Quantile][number % 3];
    let metric = format!("m{}.{}", number * 7 % 11, number);
    let object = (number % 4 > 1).then(|| format!("qemu/{}", number % 3));
    let head = Head::new(&metric, object.as_deref(), RecordType::Gauge, part, rate);
    Arc::new(Identity::new(Arc::new(head), Labels::default()))
}

/// Any float that is finite, and those that programs record.
fn value() -> impl Strategy<Value = f64> {
    let bits = any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |v| v.is_finite());
    prop_oneof![
        bits,
        (-1000i64..1000).prop_map(|n| n as f64),
        any::<i64>().prop_map(|n| n as f64),
        (0u64..1 << 50).prop_map(|n| n as f64 / 1e6),
        (0u64..1 << 50).prop_map(|n| n as f64 / 1e6 / 0.1),
        (0i64..100_000, 0i32..13).prop_map(|(n, e)| n as f64 / 10f64.powi(e)),
        (0u32..1 << 20).prop_map(|n| f64::from(n) * 4096.0),
        any::<f32>().prop_filter("finite", |v| v.is_finite()).prop_map(f64::from),
        prop::sample::select(vec![0.0, -0.0, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, 9007199254740993.0]),
    ]
}

/// A generation: the step of the clock, and what some of the columns say.
pub(crate) type Step = (i64, Vec<(usize, f64)>);

pub(crate) fn steps(longest: usize) -> impl Strategy<Value = Vec<Step>> {
    let clock = prop_oneof![8 => 1i64..20, 1 => -1000i64..1000, 1 => Just(0), 1 => Just(1i64 << 55)];
    let said = prop_oneof![
        prop::collection::vec((0usize..40, value()), 0..40),
        // Repeats the same values.
        prop::collection::vec((0usize..40, (0i64..3).prop_map(|n| n as f64)), 0..40),
    ];
    prop::collection::vec((clock, said), 1..longest)
}

type Expected = Vec<(String, u64)>;

pub(crate) fn said(generation: &Generation) -> Expected {
    generation.records().map(|r| (r.metric.to_owned(), r.value.to_bits())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_generation_comes_out_bit_by_bit(steps in steps(60), keep in 0usize..30, rate in 0.001f64..1.0) {
        let mut store = Store::new(keep, WINDOW);
        let mut shared = View::default();
        let (mut second, mut expected) = (1000i64, Vec::<(i64, Expected)>::new());
        for (step, values) in &steps {
            second = second.saturating_add(*step);
            let mut row = Row::default();
            for (number, value) in values {
                row.set(store.table().column(&identity(*number, rate)) as usize, *value);
            }
            let place = store.place(second);
            let change = store.push(second, row);
            if place == Place::Replace {
                expected.pop();
            }
            expected.push((change.newest().timestamp(), said(change.newest())));
            let mut last: std::collections::BTreeMap<String, u64> = Default::default();
            last.extend(values.iter().map(|(n, v)| (identity(*n, rate).metric().to_string(), v.to_bits())));
            prop_assert_eq!(&expected.last().unwrap().1, &last.into_iter().collect::<Vec<_>>());
            drop(shared.apply(change));
        }
        let kept = &expected[expected.len().saturating_sub(keep + 1)..];
        for view in [store.view(), &shared] {
            let got: Vec<_> = view.history(None).map(|g| (g.timestamp(), said(&g))).collect();
            prop_assert_eq!(got.as_slice(), kept);
        }
        let middle = kept[kept.len() / 2].0;
        let after: Vec<_> = shared.history(Some(middle)).map(|g| (g.timestamp(), said(&g))).collect();
        prop_assert_eq!(after.as_slice(), &kept[kept.len() / 2 + 1..]);
        prop_assert!(kept.windows(2).all(|w| w[0].0 < w[1].0));
    }
}
