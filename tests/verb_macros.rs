//! `count!`, `set_gauge!`, `record!` and `time!`: what they record, what they evaluate, and where they can stand.
//!
//! One test for each property of the four macros; hence the length.

#[path = "support/capture.rs"]
mod support;

use std::cell::Cell;

use ferrometer::testing::Capture;
use ferrometer::{LabelValue, Logger, count, get_logger, logger, record, set_gauge, time};
use support::{block_on, capture, capture_async, off, on, panics};

static METRICS: Logger = logger!();

#[test]
fn count_adds() {
    let seen = capture(|| {
        count!(METRICS, "one");
        count!(METRICS, "some", 4);
        count!(METRICS, "some", -1,);
        count!(METRICS, "len", "abc".len());
        count!(METRICS, "rate", sample_rate = 1.0);
        count!(METRICS, "both", 2u8, sample_rate = 1);
        count!(METRICS, "swapped", sample_rate = 1, 3i64);
        count!(crate = ::ferrometer, METRICS, "path");
    });
    assert_eq!(seen.counter("one"), 1);
    assert_eq!(seen.counter("some"), 3);
    assert_eq!(seen.counter("len"), 3);
    assert_eq!(seen.counter("rate"), 1);
    assert_eq!(seen.counter("both"), 2);
    assert_eq!(seen.counter("swapped"), 3);
    assert_eq!(seen.counter("path"), 1);
    assert_eq!(seen.logger("one"), Some("verb_macros"));
}

#[test]
fn set_gauge_sets() {
    let seen = capture(|| {
        set_gauge!(METRICS, "level", 4);
        set_gauge!(METRICS, "level", -1.5);
        set_gauge!(METRICS, "len", [1, 2].len(), "kind" => "array");
    });
    assert_eq!(seen.gauge("level"), Some(-1.5));
    assert_eq!(seen.gauge_with("len", &[("kind", "array")]), Some(2.0));
}

#[test]
fn record_records() {
    let on = on();
    let capture = Capture::start();
    for rows in [3, 4] {
        record!(METRICS, "rows", rows);
        record!(METRICS, "rows.rate", f64::from(rows) / 2.0, sample_rate = 1);
        record!(METRICS, "rows.table", rows, "table" => "a", "fresh" => rows == 3);
        record!(METRICS, "rows.method", rows, "method" => Method::Put);
        record!(METRICS, "took", std::time::Duration::from_millis(1500), sample_rate = 0.5);
        record!(METRICS, "odd", rows % 2 == 1);
    }
    record!(METRICS, "rows", f64::NAN);
    capture.assert_histogram("verb_macros.rows", &[3.0, 4.0]);
    capture.assert_histogram("verb_macros.rows.rate", &[1.5, 2.0]);
    capture.assert_histogram("verb_macros.rows.table fresh=true table=a", &[3.0]);
    capture.assert_histogram("verb_macros.rows.table fresh=false table=a", &[4.0]);
    capture.assert_histogram("verb_macros.rows.method method=PUT", &[3.0, 4.0]);
    capture.assert_histogram("verb_macros.took", &[1.5, 1.5]);
    capture.assert_histogram("verb_macros.odd", &[1.0, 0.0]);
    drop((capture, on));

    let asked = Cell::new(0);
    let ask = || {
        asked.set(asked.get() + 1);
        1
    };
    off(|| record!(METRICS, "off", ask(), "label" => ask()));
    assert_eq!(asked.get(), 0);
}

#[test]
fn labels_can_be_whatever_is_shown() {
    let _on = on();
    let capture = Capture::start();
    let address = std::net::Ipv4Addr::LOCALHOST;
    for id in 0..3 {
        count!(METRICS, "shown", "peer" => %address, "id" => %format_args!("{id:03}"));
        set_gauge!(METRICS, "shown.level", id, "peer" => %&address);
        time!(METRICS, "shown.time", "peer" => %address, ());
        count!(METRICS, "shown.text", "text" => %"literal", "n" => %7);
    }
    for id in ["000", "001", "002"] {
        capture.assert_counter(&format!("verb_macros.shown id={id} peer=127.0.0.1"), 1);
    }
    capture.assert_gauge("verb_macros.shown.level peer=127.0.0.1", 2.0);
    capture.assert_timer_count("verb_macros.shown.time peer=127.0.0.1", 3);
    capture.assert_counter("verb_macros.shown.text n=7 text=literal", 3);
    METRICS.with("peer", format_args!("{address}")).counter("with").increment();
    capture.assert_counter("verb_macros.with peer=127.0.0.1", 1);
}

#[derive(Clone, Copy, Debug, PartialEq, LabelValue)]
enum Method {
    #[label("GET")]
    Get,
    #[label("PUT")]
    Put,
    Other,
}

#[derive(LabelValue)]
enum Status {
    Fine = 200,
    NotFound = 404,
}

#[test]
fn labels_of_few_values_are_told_apart() {
    assert_eq!(<Method as LabelValue>::VALUES, ["GET", "PUT", "other"]);
    let other = get_logger("verb_macros.other");
    let seen = capture(|| {
        for i in 0..60 {
            let method = [Method::Get, Method::Put, Method::Other][i % 3];
            let status = if i % 4 == 0 { Status::NotFound } else { Status::Fine };
            count!(METRICS, "fixed", i % 2 + 1, "method" => method, "status" => &status);
            set_gauge!(METRICS, "level", i, "method" => &&method);
            time!(METRICS, "time", "status" => status, ());
            // Another logger at the same place.
            let logger = if i % 2 == 0 { &METRICS } else { &other };
            count!(*logger, "both", "method" => method);
            // A text beside them, and more than are numbered.
            count!(METRICS, "mixed", "method" => method, "text" => "x");
            count!(METRICS, "many", "a" => method, "b" => method, "c" => method, "d" => method, "e" => method);
        }
    });
    let of = |method, status| seen.counter_with("fixed", &[("method", method), ("status", status)]);
    for method in Method::VALUES {
        assert_eq!((of(method, "fine"), of(method, "not_found")), (25, 5));
    }
    assert_eq!(seen.gauge_with("level", &[("method", "other")]), Some(59.0));
    assert_eq!(seen.timer_with("time", &[("status", "not_found")]), 15);
    assert_eq!(seen.counter_with("both", &[("method", "PUT")]), 10);
    assert_eq!(seen.counter_with("other.both", &[("method", "PUT")]), 10);
    assert_eq!(seen.counter_with("mixed", &[("method", "PUT"), ("text", "x")]), 20);
    let five = ["a", "b", "c", "d", "e"].map(|key| (key, "GET"));
    assert_eq!(seen.counter_with("many", &five), 20);
}

#[test]
fn one_place_in_a_generic_function_serves_many_types() {
    #[derive(LabelValue)]
    enum Colour {
        Red,
        Blue,
    }
    // As many values as `Status`, and other texts.
    fn hit<T: LabelValue>(value: &T) {
        count!(METRICS, "generic", "of" => value);
    }
    let seen = capture(|| {
        for _ in 0..3 {
            hit(&Status::Fine);
            hit(&Colour::Red);
            hit(&Colour::Blue);
            hit(&Method::Get);
        }
    });
    for value in ["fine", "red", "blue", "GET"] {
        assert_eq!(seen.counter_with("generic", &[("of", value)]), 3, "{value}");
    }
}

#[test]
fn literals_in_a_call_stand_for_themselves() {
    // As many literals, at places of their own, in one function and in one macro.
    macro_rules! hit {
        ($name:literal, $value:literal) => {
            count!(METRICS, $name, 1, "k" => $value, "l" => "")
        };
    }
    fn of<T: LabelValue>(value: &T) {
        count!(METRICS, "of", "k" => "v", "of" => value, "l" => "w");
    }
    let other = get_logger("verb_macros.other");
    let seen = capture(|| {
        for i in 0..6 {
            hit!("hit", "a");
            hit!("hit", "b");
            let logger = if i % 2 == 0 { &METRICS } else { &other };
            count!(*logger, "both", i, "k" => "v");
            set_gauge!(METRICS, "level", i, "k" => "v");
            time!(METRICS, "time", "k" => "v", ());
            of(&Status::Fine);
            of(&Method::Put);
            let text = i.to_string();
            count!(METRICS, "text", "k" => "v", "i" => text, "l" => "w");
            count!(METRICS, "five", "a" => "1", "b" => "2", "c" => "3", "d" => "4", "e" => "5");
            count!(METRICS, "six", "a" => "1", "b" => "2", "c" => "3", "d" => "4", "e" => "5", "f" => text);
        }
    });
    for value in ["a", "b"] {
        assert_eq!(seen.counter_with("hit", &[("k", value), ("l", "")]), 6);
    }
    assert_eq!(seen.counter_with("both", &[("k", "v")]), 6);
    assert_eq!(seen.counter_with("other.both", &[("k", "v")]), 9);
    assert_eq!(seen.gauge_with("level", &[("k", "v")]), Some(5.0));
    assert_eq!(seen.timer_with("time", &[("k", "v")]), 6);
    for value in ["fine", "PUT"] {
        assert_eq!(seen.counter_with("of", &[("k", "v"), ("l", "w"), ("of", value)]), 6);
    }
    let five = [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4"), ("e", "5")];
    assert_eq!(seen.counter_with("five", &five), 6);
    for i in ["0", "5"] {
        assert_eq!(seen.counter_with("text", &[("i", i), ("k", "v"), ("l", "w")]), 1);
        assert_eq!(seen.counter_with("six", &[&five[..], &[("f", i)]].concat()), 1);
    }
}

#[test]
fn a_value_that_lies_about_its_number_is_looked_up_by_its_text() {
    struct Odd(usize);
    impl LabelValue for Odd {
        const VALUES: &'static [&'static str] = &["zero", "one"];
        fn index(&self) -> usize {
            self.0
        }
    }
    impl AsRef<str> for Odd {
        fn as_ref(&self) -> &str {
            "odd"
        }
    }
    let seen = capture(|| {
        for i in [0, 1, 2, usize::MAX, 0] {
            count!(METRICS, "odd", "i" => Odd(i), "j" => Odd(0));
        }
    });
    let of = |i| seen.counter_with("odd", &[("i", i), ("j", "zero")]);
    assert_eq!((of("zero"), of("one"), of("odd")), (2, 1, 2));
}

#[test]
fn value_and_labels_are_evaluated_once_and_in_order() {
    let order = std::cell::RefCell::new(Vec::new());
    let step = |name: &'static str| {
        order.borrow_mut().push(name);
        name
    };
    let seen = capture(|| {
        count!(METRICS, "order", step("value").len(), "a" => step("first"), "b" => step("second"));
    });
    assert_eq!(*order.borrow(), ["value", "first", "second"]);
    assert_eq!(seen.counter_with("order", &[("a", "first"), ("b", "second")]), 5);
}

#[test]
fn labels_are_text() {
    let owned = "POST".to_owned();
    let seen = capture(|| {
        count!(METRICS, "x", "method" => "GET", "route" => format!("/{}", 1));
        count!(METRICS, "x", 3, "method" => owned, "route" => &owned[..1], sample_rate = 1);
        let value = time!(METRICS, "t", "method" => &owned, sample_rate = 1, owned.len());
        assert_eq!(value, 4);
        count!(METRICS, "cow", "a-b_C9" => std::borrow::Cow::Borrowed("v"));
    });
    assert_eq!(seen.counter_with("x", &[("method", "GET"), ("route", "/1")]), 1);
    assert_eq!(seen.counter_with("x", &[("method", "POST"), ("route", "P")]), 3);
    assert_eq!(seen.timer_with("t", &[("method", "POST")]), 1);
    assert_eq!(seen.counter_with("cow", &[("a-b_C9", "v")]), 1);
    // It was only borrowed.
    drop(owned);
}

#[test]
fn arguments_are_whole_expressions() {
    let (left, right, seen_before) = ("a".to_owned(), "b".to_owned(), false);
    let seen = capture(|| {
        count!(METRICS, "sum", 1 + 2, "key" => left + &right);
        let timed = time!(
            METRICS,
            "match",
            match seen_before {
                true => 1,
                false => 2,
            } + 1
        );
        assert_eq!(timed, 3);
        let cast = time!(METRICS, "cast", { 300u32 } as u8);
        assert_eq!(cast, 44);
    });
    assert_eq!(seen.counter_with("sum", &[("key", "ab")]), 3);
    assert_eq!(seen.timer("match") + seen.timer("cast"), 2);
}

#[test]
fn off_evaluates_nothing_but_what_is_timed() {
    let evaluated = Cell::new(0);
    let touch = || {
        evaluated.set(evaluated.get() + 1);
        1
    };
    let metrics = || {
        touch();
        get_logger("x")
    };
    let label = || {
        touch();
        "label"
    };
    let timed = Cell::new(0);

    let record = || {
        count!(METRICS, "c", touch());
        count!(metrics(), "c");
        count!(METRICS, "c", "key" => label());
        set_gauge!(METRICS, "g", touch());
        set_gauge!(METRICS, "g", 1, "key" => label());
        set_gauge!(metrics(), "g", 1);
        time!(METRICS, "t", timed.set(timed.get() + 1));
        time!(metrics(), "t", timed.set(timed.get() + 1));
        time!(METRICS, "t", "key" => label(), { timed.set(timed.get() + 1) });
    };
    off(record);
    assert_eq!((evaluated.get(), timed.get()), (0, 3));
    let seen = capture(record);
    assert_eq!((evaluated.get(), timed.get()), (8, 6));
    assert_eq!(seen.counter("c"), 3);
    assert_eq!(seen.timer("t"), 3);
}

#[test]
fn any_expression_that_is_a_logger() {
    struct Owner {
        metrics: Logger,
    }
    impl Owner {
        fn metrics(&self) -> &Logger {
            &self.metrics
        }
    }
    let owner = Owner { metrics: get_logger("owner") };
    let reference = &owner.metrics;
    let seen = capture(|| {
        count!(owner.metrics, "a");
        count!(owner.metrics(), "a");
        count!(&owner.metrics, "a");
        count!(reference, "a");
        count!(get_logger("owner"), "a");
        time!(owner.metrics(), "b", ());
    });
    assert_eq!(seen.counter("a"), 5);
    assert_eq!(seen.timer("b"), 1);
    assert_eq!(seen.logger("b"), Some("owner"));
}

#[test]
#[allow(clippy::never_loop, reason = "which `continue` and `break` act on which loop is the question")]
fn time_is_where_it_stands() {
    fn question(text: &str) -> Result<u32, std::num::ParseIntError> {
        let number: u32 = time!(METRICS, "question", { text.parse()? });
        Ok(number + 1)
    }
    fn returns() -> u32 {
        time!(METRICS, "returns", {
            if METRICS == METRICS {
                return 5;
            }
        });
        6
    }
    let seen = capture(|| {
        assert_eq!(question("1"), Ok(2));
        assert!(question("x").is_err());
        assert_eq!(returns(), 5);

        let mut rounds = 0;
        let found = 'outer: loop {
            loop {
                rounds += 1;
                time!(METRICS, "breaks", {
                    if rounds < 3 {
                        continue;
                    }
                    break 'outer rounds;
                });
            }
        };
        assert_eq!(found, 3);

        let value;
        time!(METRICS, "assigns", value = 3);
        assert_eq!(value, 3);
        let text = time!(METRICS, "reference", &String::from("kept"));
        assert_eq!(text, "kept");
        assert!(panics(|| time!(METRICS, "panics", panic!("as asked"))));
        assert_eq!(time!(METRICS, "nested", 1 + time!(METRICS, "nested", 1)), 2);
        let moved = vec![1];
        let kept = time!(METRICS, "moves", moved);
        assert_eq!(kept, [1]);
    });
    for (timer, times) in [
        ("question", 2),
        ("returns", 1),
        ("breaks", 3),
        ("assigns", 1),
        ("reference", 1),
        ("panics", 1),
        ("nested", 2),
        ("moves", 1),
    ] {
        assert_eq!(seen.timer(timer), times, "{timer}");
    }
}

#[test]
fn await_inside() {
    async fn fetch() -> Result<u32, String> {
        let n = time!(METRICS, "await", {
            tokio::task::yield_now().await;
            Ok::<_, String>(1)
        })?;
        count!(METRICS, "awaited", std::future::ready(2).await);
        Ok(n)
    }
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    block_on(fetch()).unwrap();
    let seen = capture_async(async {
        assert_eq!(is_send(fetch()).await, Ok(1));
    });
    assert_eq!(seen.timer("await"), 1);
    assert_eq!(seen.counter("awaited"), 2);
}

#[test]
fn statements_and_expressions() {
    #[allow(clippy::let_unit_value)]
    let seen = capture(|| {
        let unit: () = count!(METRICS, "x");
        match Some(unit) {
            Some(()) => count!(METRICS, "x", 1 + 1),
            None => set_gauge!(METRICS, "y", 1),
        }
        let closure = || count!(METRICS, "x");
        closure();
        let _ = [count!(METRICS, "x"), set_gauge!(METRICS, "y", 1 + 1)];
        if time!(METRICS, "t", true) {
            count!(METRICS, "x")
        }
    });
    assert_eq!(seen.counter("x"), 6);
    assert_eq!(seen.gauge("y"), Some(2.0));
}

#[test]
fn names_do_not_clash() {
    // Whatever the expansion calls its own, these are the user's.
    #[allow(non_upper_case_globals)]
    static SITE: u32 = 20;
    let __ferrometer_timer = 1;
    let guard = 2;
    let seen = capture(|| {
        let sum = time!(METRICS, "sum", __ferrometer_timer + guard + SITE);
        assert_eq!(sum, 23);
        count!(METRICS, "site", SITE);
        set_gauge!(METRICS, "site", SITE + guard);
    });
    assert_eq!(seen.counter("site"), 20);
    assert_eq!(seen.gauge("site"), Some(22.0));
}

#[test]
fn inside_other_macros_and_generics() {
    macro_rules! hit {
        ($logger:expr, $name:literal, $value:expr, $key:literal => $label:expr, $rate:literal) => {
            count!($logger, $name, $value, sample_rate = $rate, $key => $label)
        };
    }
    macro_rules! timed {
        ($logger:path, $body:block) => {
            time!($logger, "timed", $body)
        };
    }
    fn generic<T: Into<f64>>(value: T) {
        set_gauge!(METRICS, "generic", value.into());
    }
    let seen = capture(|| {
        hit!(METRICS, "hit", 2, "key" => "label", 1);
        assert_eq!(timed!(METRICS, { 3 }), 3);
        generic(1.5f32);
        generic(2u8);
    });
    assert_eq!(seen.counter_with("hit", &[("key", "label")]), 2);
    assert_eq!(seen.timer("timed"), 1);
    assert_eq!(seen.gauge("generic"), Some(2.0));
}
