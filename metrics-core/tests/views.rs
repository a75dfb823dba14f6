//! Views: what is recorded under one name is found under another, with nothing lost on the way, whenever a view comes or goes.

mod support;

use ferrometer_core::*;
use proptest::prelude::*;
use std::time::Duration;
use support::{NEVER, Publish, SOON, alone, sink};

fn views(views: impl IntoIterator<Item = View>) {
    configure_with_views(Naming::default(), Limits::default(), vec![], views.into_iter().collect());
}

/// Every series with recordings below a logger, as text with its rate, and what was recorded: the net value, or the number of values.
fn recorded(below: &str) -> Vec<(String, i64)> {
    let snapshot = snapshot();
    let is_it = |t: &Total<'_>| is_at_or_below(t.series.logger_name(), below) && t.recordings > 0;
    let shown = |t: Total<'_>| {
        let value = match t.value {
            Value::Gauge(value) => value as i64,
            Value::InFlight(value) => value,
            Value::Distribution(d) => d.count() as i64,
            ref counter => counter.net().unwrap(),
        };
        (format!("{:?}", t.series), value)
    };
    let mut all: Vec<_> = snapshot.totals().iter().filter(is_it).map(shown).collect();
    all.sort();
    all
}

fn of(series: &[(&str, i64)]) -> Vec<(String, i64)> {
    series.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

/// A backend that has timer values one by one, and sees none of them.
fn singles() -> Box<dyn Backend> {
    let publish = |view: &mut SnapshotView<'_>| {
        view.all_sent();
        Ok(Delivery::default())
    };
    Box::new(Publish(publish, Wants::SINGLES))
}

#[test]
fn every_kind_goes_to_the_series_that_a_view_names() {
    let _alone = alone();
    for (number, backend) in [sink(), singles()].into_iter().enumerate() {
        install("a", backend, NEVER).unwrap();
        let base = format!("kinds{number}");
        views([View::new(&format!("{base}.*")).rename(format!("{base}.new.*")).drop_labels(["user"])]);
        for user in ["ann", "bob"] {
            let logger = get_logger(&base).with("user", user).with("city", "Oslo");
            let (counter, gauge, flight) = (logger.counter("c"), logger.gauge("g"), logger.in_flight("f"));
            let (timer, histogram) = (logger.timer("t"), logger.histogram("h"));
            counter.increment();
            counter.increment();
            counter.add(-1);
            counter.add(40);
            gauge.set(7);
            gauge.add(1);
            let guard = flight.enter();
            std::mem::forget(guard);
            timer.record(Duration::from_millis(3));
            timer.record(Duration::from_secs(3));
            timer.record_n(Duration::from_millis(3), 2);
            drop(timer.start());
            histogram.record(1.5);
            histogram.record_n(2, 3);
            histogram.record(f64::NAN);
            gauge.set(f64::INFINITY);
        }
        assert_eq!(
            recorded(&base),
            of(&[
                (&format!("counter {base}.new.c city=\"Oslo\""), 82),
                (&format!("gauge {base}.new.g city=\"Oslo\""), 8),
                (&format!("histogram {base}.new.h city=\"Oslo\""), 8),
                (&format!("in_flight {base}.new.f city=\"Oslo\""), 2),
                (&format!("timer {base}.new.t city=\"Oslo\""), 10),
            ])
        );
        let invalid = |s: &&Series| s.to_string() == format!("{base}.new.g city=Oslo");
        let snapshot = snapshot();
        let refused: u64 = snapshot.totals().iter().filter(|t| invalid(&t.series)).map(|t| t.invalid).sum();
        assert_eq!(refused, 2);
        assert!(remove("a", SOON).unwrap().balances());
    }
    views([]);
}

#[test]
fn a_view_that_comes_or_goes_has_the_handles_that_there_are_follow() {
    let _alone = alone();
    install("a", singles(), NEVER).unwrap();
    let logger = get_logger("follow").with("user", "ann");
    let (counter, gauge, timer, flight) =
        (logger.counter("c"), logger.gauge("g"), logger.timer("t"), logger.in_flight("f"));
    let record = || {
        counter.increment();
        gauge.set(1);
        timer.record(Duration::from_millis(1));
        (timer.start(), flight.enter())
    };
    let before = record();
    views([View::new("follow.*").drop_labels(["user"])]);
    assert!(counter.series().is_retired());
    // It ends where calls go now; what was in progress is counted down where it was counted up.
    drop(before);
    let within = record();
    views([View::new("follow.*").dropped(true)]);
    assert!(counter.series().is_retired());
    drop(within.0);
    drop(record());
    drop(within.1);
    views([]);
    assert!(!counter.series().is_retired());
    drop(record());
    assert_eq!(
        recorded("follow"),
        of(&[
            ("counter follow.c", 1),
            ("counter follow.c user=\"ann\"", 2),
            ("gauge follow.g", 1),
            ("gauge follow.g user=\"ann\"", 1),
            ("in_flight follow.f", 0),
            ("in_flight follow.f user=\"ann\"", 0),
            ("timer follow.t", 2),
            ("timer follow.t user=\"ann\"", 3),
        ])
    );
    assert!(remove("a", SOON).unwrap().balances());
}

#[test]
fn rates_hold_under_the_new_name() {
    let _alone = alone();
    install("a", sink(), NEVER).unwrap();
    views([View::new("rates.*").drop_labels(["user"]).sample_rate(0.25)]);
    for user in ["ann", "bob"] {
        let logger = get_logger("rates").with("user", user);
        let (counter, own) = (logger.counter("c"), logger.counter("own").sampled(0.5));
        let timer = logger.timer("t");
        for _ in 0..4000 {
            counter.increment();
            own.increment();
            drop(timer.start());
        }
        // Counters that mirror others are never sampled.
        logger.counter("mirror").absolute(100);
    }
    let snapshot = snapshot();
    let by_name = |name: &str| {
        let is_it =
            |t: &Total<'_>| t.series.logger_name() == "rates" && t.series.metric_name() == name && t.recordings > 0;
        let all: Vec<_> = snapshot.totals().iter().filter(is_it).collect();
        assert_eq!(all.len(), 1, "{name}: {all:?}");
        all[0].clone()
    };
    for (name, rate) in [("c", 0.25), ("own", 0.5)] {
        let total = by_name(name);
        assert_eq!((total.series.rate(), total.series.labels().len()), (rate, 0));
        assert_eq!(total.increments(), (8000, 0), "{name}");
        assert!(total.recordings < 8000);
    }
    let timer = by_name("t");
    assert_eq!((timer.series.rate(), timer.series.labels().len()), (0.25, 0));
    assert!((1000..3000).contains(&timer.recordings), "{}", timer.recordings);
    assert_eq!(by_name("mirror").value.net(), Some(200));
    assert!(remove("a", SOON).unwrap().balances());
    views([]);
}

#[test]
fn names_that_lead_to_names_end() {
    let _alone = alone();
    install("a", sink(), NEVER).unwrap();
    // Each application makes the name longer; it is applied once, to what the program records.
    for _ in 0..20 {
        views([View::new("deep.*").rename("deep.x.*")]);
        get_logger("deep").send_counter("c", 1);
        get_logger("deep").send_counter("x.c", 10);
    }
    assert_eq!(recorded("deep"), of(&[("counter deep.x.c", 20), ("counter deep.x.x.c", 200)]));
    let longest = snapshot()
        .totals()
        .iter()
        .filter(|t| t.series.to_string().starts_with("deep."))
        .map(|t| t.series.to_string().matches("x.").count())
        .max();
    assert_eq!(longest, Some(2));
    // Two names that change places.
    views([
        View::new("swap.a").rename("swap.tmp"),
        View::new("swap.b").rename("swap.a"),
        View::new("swap.tmp").rename("swap.b"),
    ]);
    get_logger("swap").send_counter("a", 1);
    get_logger("swap").send_counter("b", 10);
    get_logger("swap").send_counter("a", 100);
    assert_eq!(recorded("swap"), of(&[("counter swap.a", 10), ("counter swap.b", 101)]));
    assert!(["a", "b"].iter().all(|name| !get_logger("swap").counter(*name).series().is_retired()));
    assert!(remove("a", SOON).unwrap().balances());
    views([]);
}

/// However a name is divided between logger and metric, it is one: else a backend would refuse all but one of them.
#[test]
fn what_is_shown_under_one_name_is_one_series_whichever_loggers_it_comes_from() {
    let _alone = alone();
    install("a", sink(), NEVER).unwrap();
    let to = |name: &str| View::new(name).rename("one.api.http.hits");
    views([to("one.api.hits"), to("one.web.hits"), to("one.own.*")]);
    get_logger("one.api").send_counter("hits", 1);
    get_logger("one.web").send_counter("hits", 10);
    get_logger("one.api").send_counter("http.hits", 100);
    get_logger("one").send_counter("own.a", 1000);
    assert_eq!(recorded("one"), of(&[("counter one.api.http.hits", 1111)]));
    // One that the program has by itself is taken, and no other is made.
    get_logger("two").send_counter("api.http.hits", 1);
    views([View::new("two.web.hits").rename("two.api.http.hits")]);
    get_logger("two.web").send_counter("hits", 10);
    get_logger("two").send_counter("api.http.hits", 100);
    let snapshot = snapshot();
    let shown = snapshot.totals().iter().filter(|t| t.recordings > 0 && t.series.to_string() == "two.api.http.hits");
    assert_eq!(shown.map(|t| t.value.net()).collect::<Vec<_>>(), [Some(111)]);
    assert!(remove("a", SOON).unwrap().balances());
    views([]);
}

#[test]
fn words_of_a_view_come_before_those_of_the_program_and_go_with_it() {
    let _alone = alone();
    let logger = get_logger("words");
    logger.describe("c", Unit::Bytes, "of the program");
    let counter = logger.counter("c").series();
    let histogram = logger.histogram("h").series();
    let words = |series: &Series| (series.unit(), series.description(), series.buckets());
    let own = (Some("bytes"), Some("of the program"), None);
    assert_eq!(words(counter), own);
    let view = View::new("words.*").unit("rows").description("of a view").buckets([1.0, 2.0]);
    views([view.clone()]);
    assert_eq!(words(counter), (Some("rows"), Some("of a view"), None));
    assert_eq!(words(histogram), (Some("rows"), Some("of a view"), Some(&[1.0, 2.0][..])));
    views([view.rename("words.new").unit("")]);
    assert_eq!(words(counter), own);
    let timer = logger.timer("t").series();
    assert!(timer.is_retired());
    let new = get_logger("words").timer("new").series();
    assert_eq!(words(new), (None, Some("of a view"), Some(&[1.0, 2.0][..])));
    views([]);
    assert_eq!((words(counter), words(histogram)), (own, (None, None, None)));
}

#[test]
fn past_a_cap_what_a_view_renames_is_in_the_overflow_series() {
    let _alone = alone();
    install("a", sink(), NEVER).unwrap();
    let counter = get_logger("caps").with("user", "ann").counter("c");
    let before = refused().instruments + refused().label_sets;
    let full = Limits::default().max_instruments(0).max_label_sets(0);
    let drops = View::new("caps.*").rename("caps.new").drop_labels(["user"]);
    configure_with_views(Naming::default(), full, vec![], vec![drops]);
    counter.increment();
    assert!(refused().instruments + refused().label_sets > before);
    assert_eq!(recorded("caps"), []);
    assert!(recorded("ferrometer.overflow").iter().any(|(name, value)| name.contains("counter") && *value >= 1));
    assert!(remove("a", SOON).unwrap().balances());
    views([]);
}

#[test]
fn ferrometers_own_metrics_have_no_views() {
    let _alone = alone();
    views([View::new("*").rename("own.*").dropped(true)]);
    install("a", sink(), NEVER).unwrap();
    assert!(flush(SOON).complete);
    let snapshot = snapshot();
    assert!(snapshot.totals().iter().any(|t| t.series.is_internal()));
    assert!(snapshot.totals().iter().all(|t| !t.series.is_internal() || !t.series.is_retired()));
    assert!(remove("a", SOON).unwrap().balances());
    views([]);
}

#[derive(Clone, Debug)]
enum Step {
    Record { user: u8, by: i8, rate: bool },
    Configure(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..4u8, any::<i8>(), any::<bool>()).prop_map(|(user, by, rate)| Step::Record { user, by, rate }),
        1 => (0..6u8).prop_map(Step::Configure),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The sum over all series is what was recorded, whatever views come and go in between; only a view that drops takes something away.
    #[test]
    fn nothing_is_lost_between_names(steps in prop::collection::vec(step(), 1..80), number in any::<u64>()) {
        let _alone = alone().then(release);
        hold();
        let base = format!("law{number}");
        let configuration = |which: u8| {
            let all = View::new(&format!("{base}.*"));
            match which {
                0 => vec![],
                1 => vec![all.drop_labels(["user"])],
                2 => vec![all.rename(format!("{base}.new"))],
                3 => vec![all.rename(format!("{base}.b.*")).keep_labels(["none"])],
                4 => vec![all.clone().drop_labels(["user"]), all.rename(format!("{base}.a.*"))],
                _ => vec![all.dropped(true)],
            }
        };
        let (mut sum, mut values, mut on) = (0i64, 0i64, true);
        let users = ["a", "b", "c", "d"].map(|user| get_logger(&base).with("user", user));
        for step in steps {
            match step {
                Step::Record { user, by, rate } => {
                    let logger = &users[usize::from(user)];
                    let counter = logger.counter("c");
                    // A rate of 1 is a series of its own.
                    if rate { counter.sampled(1.0).add(by) } else { counter.add(by) }
                    logger.histogram("h").record(by);
                    if on {
                        sum += i64::from(by);
                        values += 1;
                    }
                }
                Step::Configure(which) => {
                    views(configuration(which));
                    on = which != 5;
                }
            }
        }
        let all = recorded(&base);
        let of_kind = |kind: &str| all.iter().filter(|(name, _)| name.starts_with(kind)).map(|(_, v)| v).sum::<i64>();
        prop_assert_eq!((of_kind("counter"), of_kind("histogram")), (sum, values), "{:?}", all);
        views([]);
    }
}
