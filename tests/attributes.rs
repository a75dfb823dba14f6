//! `#[timer]`, `#[counter]` and `#[gauge]` on functions that are not async: what they record, and what they leave alone.

#[path = "ui/support.rs"]
mod support;

use std::cell::Cell;
use std::pin::Pin;
use std::time::Duration;

use ferrometer::{Logger, counter, gauge, get_logger, logger, timer};
use support::{capture, off, panics};

static METRICS: Logger = logger!();

mod names {
    use super::*;

    #[timer]
    #[counter]
    fn plain() {}

    #[gauge]
    fn level() -> u32 {
        7
    }

    #[timer("other.time")]
    fn positional() {}

    #[timer(name = "keyed.time")]
    fn keyed() {}

    #[timer(prefix = "Foo")]
    fn prefixed() {}

    #[timer("given", prefix = "Foo.Bar")]
    fn both() {}

    #[timer]
    fn r#match() {}

    #[timer]
    fn größe() {}

    #[timer(METRICS)]
    fn positional_logger() {}

    #[timer(METRICS, "with.name", sample_rate = 1, prefix = "p")]
    fn all_of_them() {}

    #[counter("n", logger = METRICS)]
    fn keyed_logger() {}

    #[test]
    fn defaults_and_arguments() {
        let seen = capture(|| {
            plain();
            level();
            positional();
            keyed();
            prefixed();
            both();
            r#match();
            größe();
            positional_logger();
            all_of_them();
            keyed_logger();
        });
        for timer in [
            "plain.time",
            "other.time",
            "keyed.time",
            "Foo.prefixed.time",
            "Foo.Bar.given",
            "match.time",
            "gr__e.time",
            "positional_logger.time",
            "p.with.name",
        ] {
            assert_eq!(seen.timer(timer), 1, "{timer}");
        }
        assert_eq!(seen.counter("plain.count"), 1);
        assert_eq!(seen.counter("n"), 1);
        assert_eq!(seen.gauge("level"), Some(7.0));
    }

    #[test]
    fn the_module_names_the_logger() {
        let seen = capture(|| {
            plain();
            positional_logger();
        });
        assert_eq!(seen.logger("plain.time"), Some("attributes.names"));
        assert_eq!(seen.logger("positional_logger.time"), Some("attributes"));
    }
}

mod loggers {
    use super::*;

    struct Service {
        metrics: Logger,
        evaluated: Cell<u32>,
        items: Vec<u32>,
    }

    impl Service {
        fn new() -> Service {
            Service { metrics: get_logger("service"), evaluated: Cell::new(0), items: vec![1, 2, 3] }
        }

        fn logger(&self) -> &Logger {
            self.evaluated.set(self.evaluated.get() + 1);
            &self.metrics
        }

        #[timer(self.metrics)]
        #[counter(self.metrics)]
        fn by_field(&self) {}

        #[timer(self.metrics)]
        fn by_field_mut(&mut self) -> &mut Vec<u32> {
            &mut self.items
        }

        #[counter(self.logger())]
        #[counter(self.logger(), "ended", on = "ok")]
        fn by_method(&self) {}

        // The body borrows all of `self` mutably, and what it returns still does.
        #[gauge(self.metrics)]
        fn last(&mut self) -> &u32 {
            self.items.last_mut().unwrap()
        }

        #[gauge(self.metrics)]
        #[timer(self.metrics, outcome)]
        fn consumed(self) -> usize {
            self.items.into_iter().map(|item| item as usize).sum()
        }
    }

    #[counter(metrics)]
    #[gauge(metrics)]
    fn by_argument(metrics: Logger) -> u32 {
        // Moved into the body, and gone when the gauge is set.
        let moved = metrics;
        u32::from(moved == get_logger("argument"))
    }

    #[timer(metrics, outcome)]
    fn by_reference(metrics: &Logger) {
        let _ = metrics;
    }

    #[timer(get_logger("made").clone())]
    fn by_value() {}

    #[test]
    fn expressions() {
        let seen = capture(|| {
            let mut service = Service::new();
            service.by_field();
            service.by_field_mut().push(4);
            service.by_method();
            assert_eq!(*service.last(), 4);
            assert_eq!(service.evaluated.get(), 2);
            assert_eq!(service.consumed(), 10);
            by_argument(get_logger("argument"));
            by_reference(&get_logger("reference"));
            by_value();
        });
        assert_eq!(seen.timer("by_field.time"), 1);
        assert_eq!(seen.counter("by_field.count"), 1);
        assert_eq!(seen.timer("by_field_mut.time"), 1);
        assert_eq!(seen.counter("by_method.count"), 1);
        assert_eq!(seen.counter("ended"), 1);
        assert_eq!(seen.gauge("last"), Some(4.0));
        assert_eq!(seen.gauge("consumed"), Some(10.0));
        assert_eq!(seen.timer_with("consumed.time", &[("outcome", "ok")]), 1);
        assert_eq!(seen.gauge("by_argument"), Some(1.0));
        assert_eq!(seen.counter("by_argument.count"), 1);
        assert_eq!(seen.logger("by_field.time"), Some("service"));
        assert_eq!(seen.logger("by_argument"), Some("argument"));
        assert_eq!(seen.logger("by_reference.time"), Some("reference"));
        assert_eq!(seen.logger("by_value.time"), Some("made"));
    }

    #[test]
    fn not_evaluated_while_off() {
        off(|| {
            let service = Service::new();
            service.by_method();
            assert_eq!(service.evaluated.get(), 0);
        });
    }
}

mod endings {
    use super::*;

    #[timer]
    #[timer("labelled", outcome)]
    #[timer("slow.errors", on = "err")]
    #[counter]
    #[counter("entered", on = "entry")]
    #[counter("ok", on = "ok")]
    #[counter("err", on = "err")]
    #[counter("panic", on = "panic")]
    #[counter("cancelled", on = "cancelled")]
    #[counter("ended", outcome)]
    #[counter("failed", on = "err", outcome)]
    fn work(what: &str) -> Result<u32, std::num::ParseIntError> {
        if what == "return" {
            return Ok(1);
        }
        assert_ne!(what, "panic", "as asked");
        let number: u32 = what.parse()?;
        Ok(number)
    }

    #[test]
    fn every_ending_is_recorded() {
        let seen = capture(|| {
            assert_eq!(work("return"), Ok(1));
            assert_eq!(work("3"), Ok(3));
            assert!(work("x").is_err());
            assert!(panics(|| drop(work("panic"))));
        });
        assert_eq!(seen.timer("work.time"), 4);
        assert_eq!(seen.timer_with("labelled", &[("outcome", "ok")]), 2);
        assert_eq!(seen.timer_with("labelled", &[("outcome", "err")]), 1);
        assert_eq!(seen.timer_with("labelled", &[("outcome", "panic")]), 1);
        assert_eq!(seen.timer_with("slow.errors", &[]), 1);
        assert_eq!(seen.counter("work.count"), 4);
        assert_eq!(seen.counter("entered"), 4);
        assert_eq!(seen.counter("ok"), 2);
        assert_eq!(seen.counter("err"), 1);
        assert_eq!(seen.counter("panic"), 1);
        assert_eq!(seen.counter("cancelled"), 0);
        assert_eq!(seen.counter_with("ended", &[("outcome", "ok")]), 2);
        assert_eq!(seen.counter_with("ended", &[("outcome", "err")]), 1);
        assert_eq!(seen.counter_with("ended", &[("outcome", "panic")]), 1);
        assert_eq!(seen.counter_with("failed", &[("outcome", "err")]), 1);
        assert_eq!(seen.counter("failed"), 1);
    }

    #[timer("option", outcome)]
    fn option(some: bool) -> Option<u32> {
        some.then_some(1)
    }

    #[test]
    fn what_is_no_result_is_ok() {
        let seen = capture(|| {
            option(true);
            option(false);
        });
        assert_eq!(seen.timer_with("option", &[("outcome", "ok")]), 2);
    }

    #[timer]
    fn sleeps() {
        std::thread::sleep(Duration::from_millis(20));
    }

    #[test]
    fn the_time_is_the_body_s() {
        let seen = capture(sleeps);
        assert!(seen.longest("sleeps.time") >= 20.0);
    }

    #[timer("never", outcome)]
    #[counter("never.panics", on = "panic")]
    #[counter]
    fn never() -> ! {
        panic!("as asked")
    }

    #[test]
    fn functions_that_never_return() {
        let seen = capture(|| {
            assert!(panics(|| never()));
        });
        assert_eq!(seen.timer_with("never", &[("outcome", "panic")]), 1);
        assert_eq!(seen.counter("never.panics"), 1);
        assert_eq!(seen.counter("never.count"), 1);
    }

    #[gauge("number")]
    fn number(kind: u8) -> Result<Option<f64>, &'static str> {
        match kind {
            0 => Ok(Some(1.5)),
            1 => Ok(None),
            2 => Err("no number"),
            _ => panic!("as asked"),
        }
    }

    fn assert_number(kind: u8) {
        assert_eq!(number(kind).is_err(), kind == 2);
    }

    #[test]
    fn a_gauge_takes_numbers_only() {
        assert_eq!(capture(|| assert_number(0)).gauge("number"), Some(1.5));
        assert!(capture(|| assert_number(1)).is_empty());
        assert!(capture(|| assert_number(2)).is_empty());
        assert!(capture(|| assert!(panics(|| assert_number(3)))).is_empty());
    }

    #[test]
    fn off_records_nothing() {
        off(|| {
            assert_eq!(work("1"), Ok(1));
            assert_eq!(number(0), Ok(Some(1.5)));
        });
        assert!(capture(|| ()).is_empty());
    }
}

/// Each shape twice: with guards in front of the body, and with the body captured.
mod shapes {
    use super::*;
    use std::fmt::{Debug, Display};

    struct Tree<T> {
        items: Vec<T>,
    }

    impl<T: Clone + Debug> Tree<T>
    where
        T: PartialOrd,
    {
        #[timer(prefix = "Tree")]
        fn first(&mut self) -> Option<&mut T> {
            self.items.first_mut()
        }

        #[timer(prefix = "Tree", outcome)]
        fn first_captured(&mut self) -> Option<&mut T> {
            let first = self.items.first_mut()?;
            Some(first)
        }

        #[counter(on = "ok")]
        fn into_first(mut self) -> T {
            self.items.remove(0)
        }

        #[timer(outcome)]
        fn pinned(self: Pin<&mut Self>) -> usize
        where
            T: Unpin,
        {
            self.get_mut().items.len()
        }

        #[counter(outcome)]
        fn associated(items: Vec<T>) -> Self {
            Self { items }
        }

        #[timer(outcome)]
        fn boxed(self: Box<Self>) -> Box<dyn Debug>
        where
            T: 'static,
        {
            Box::new(self.items)
        }
    }

    #[counter(on = "ok")]
    fn longest<'a>(left: &'a mut String, right: &'a mut String) -> &'a mut String {
        if left.len() > right.len() {
            return left;
        }
        right
    }

    #[timer(outcome)]
    fn elided(text: &str) -> Result<&str, String> {
        text.split(' ').next().ok_or_else(|| "empty".to_owned())
    }

    #[timer(outcome)]
    fn underscore<'a>(text: &'a str) -> impl Iterator<Item = char> + 'a {
        text.chars().rev()
    }

    #[timer(outcome)]
    fn nested_impl(numbers: &[u32]) -> Result<impl Iterator<Item = u32> + '_, String> {
        if numbers.is_empty() {
            return Err("empty".into());
        }
        Ok(numbers.iter().copied())
    }

    // The type is what makes the two closures one: the body needs the coercion.
    #[timer(outcome)]
    fn coerced(up: bool) -> Box<dyn Fn(u32) -> u32> {
        if up {
            return Box::new(|n| n + 1);
        }
        Box::new(move |n| n - u32::from(!up))
    }

    #[counter(on = "ok")]
    fn slice() -> &'static [u32] {
        &[1, 2, 3]
    }

    #[timer(outcome)]
    fn patterns((a, [b, ..]): (u32, [u32; 3]), _: String, mut total: u32) -> u32 {
        total += a + b;
        total
    }

    #[timer(outcome)]
    fn impl_argument(shown: impl Display + Clone) -> String {
        shown.to_string()
    }

    #[timer]
    #[counter(outcome)]
    unsafe fn read(pointer: *const u32) -> u32 {
        // SAFETY: the caller gives a pointer to a live `u32`.
        unsafe { *pointer }
    }

    #[timer]
    #[counter(outcome)]
    extern "C" fn callback(n: u32) -> u32 {
        n * 2
    }

    #[counter(on = "ok")]
    fn const_generic<const N: usize>(array: [u8; N]) -> usize {
        array.len() + N
    }

    #[timer(outcome)]
    fn recursive(n: u32) -> u32 {
        if n == 0 { 0 } else { 1 + recursive(n - 1) }
    }

    #[timer(outcome)]
    fn unit() {
        #![allow(unused_must_use)]
        "1".parse::<u32>();
    }

    // The lock is a temporary of the last expression.
    #[timer]
    fn locked(mutex: &std::sync::Mutex<u32>) -> u32 {
        *mutex.lock().unwrap()
    }

    #[counter(outcome)]
    fn locked_captured(mutex: &std::sync::Mutex<Vec<u32>>) -> Option<u32> {
        mutex.lock().unwrap().first().copied()
    }

    #[timer]
    fn items_first() -> u32 {
        const ANSWER: u32 = 42;
        fn helper() -> u32 {
            ANSWER
        }
        helper()
    }

    trait Shape {
        #[timer(prefix = "Shape")]
        #[counter(prefix = "Shape", outcome)]
        fn area(&self) -> f64 {
            self.side() * self.side()
        }
        fn side(&self) -> f64;
    }

    struct Square(f64);

    impl Shape for Square {
        #[gauge]
        fn side(&self) -> f64 {
            self.0
        }
    }

    macro_rules! measured {
        ($vis:vis fn $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty $body:block, $metric:literal, $rate:literal, $logger:expr) => {
            #[timer($logger, $metric, sample_rate = $rate, outcome)]
            #[counter($logger, $metric, sample_rate = $rate)]
            $vis fn $name($($arg: $ty),*) -> $ret $body
        };
    }
    measured!(
        pub fn from_macro(n: u32) -> Result<u32, String> {
            if n > 9 {
                return Err("big".into());
            }
            Ok(n)
        },
        "from.macro",
        1.0,
        METRICS
    );

    #[test]
    fn all_of_them() {
        let seen = capture(|| {
            let mut tree = Tree::associated(vec![1, 2, 3]);
            *tree.first().unwrap() += 1;
            *tree.first_captured().unwrap() += 1;
            assert_eq!(Pin::new(&mut tree).pinned(), 3);
            assert_eq!(tree.into_first(), 3);
            assert_eq!(format!("{:?}", Box::new(Tree::associated(vec!["a"])).boxed()), "[\"a\"]");

            let (mut left, mut right) = ("left".to_owned(), "right".to_owned());
            longest(&mut left, &mut right).push('!');
            assert_eq!(right, "right!");
            assert_eq!(elided("a b").unwrap(), "a");
            assert_eq!(underscore("abc").collect::<String>(), "cba");
            assert_eq!(nested_impl(&[1, 2]).unwrap().sum::<u32>(), 3);
            assert!(nested_impl(&[]).is_err());
            assert_eq!(coerced(true)(1), 2);
            assert_eq!(coerced(false)(1), 0);
            assert_eq!(slice().len(), 3);
            assert_eq!(patterns((1, [2, 0, 0]), String::new(), 4), 7);
            assert_eq!(impl_argument(5), "5");
            // SAFETY: the pointer is made from a reference.
            assert_eq!(unsafe { read(&8) }, 8);
            assert_eq!(callback(4), 8);
            assert_eq!(const_generic([0; 4]), 8);
            assert_eq!(recursive(3), 3);
            unit();
            assert_eq!(items_first(), 42);
            assert_eq!(locked(&3.into()), 3);
            assert_eq!(locked_captured(&vec![3].into()), Some(3));
            assert!((Square(2.0).area() - 4.0).abs() < f64::EPSILON);
            assert!(from_macro(10).is_err());
        });
        assert_eq!(seen.timer("Tree.first.time"), 1);
        assert_eq!(seen.timer_with("Tree.first_captured.time", &[("outcome", "ok")]), 1);
        assert_eq!(seen.counter("into_first.count"), 1);
        assert_eq!(seen.timer("pinned.time"), 1);
        // One static for all instances of a generic function.
        assert_eq!(seen.counter("associated.count"), 2);
        assert_eq!(seen.timer_with("nested_impl.time", &[("outcome", "err")]), 1);
        assert_eq!(seen.timer("recursive.time"), 4);
        assert_eq!(seen.counter("read.count"), 1);
        assert_eq!(seen.counter("callback.count"), 1);
        assert_eq!(seen.timer("Shape.area.time"), 1);
        assert_eq!(seen.counter("Shape.area.count"), 1);
        assert_eq!(seen.gauge("side"), Some(2.0));
        assert_eq!(seen.timer_with("from.macro", &[("outcome", "err")]), 1);
        assert_eq!(seen.counter("from.macro"), 1);
    }
}

mod stacking {
    use super::*;

    // In the order of the source, or qualified, or renamed: the same.
    #[ferrometer::timer("a")]
    #[::ferrometer::counter("b", on = "ok")]
    #[doc = "kept"]
    #[gauge("c")]
    #[timer("d")]
    #[inline]
    fn stacked() -> u32 {
        1
    }

    use ferrometer::{counter as tally, gauge as level, timer as clock};

    #[clock("e", outcome)]
    #[tally("f", outcome)]
    #[level("g")]
    fn renamed() -> u32 {
        2
    }

    mod reexported {
        pub use ferrometer as metrics;
    }

    #[reexported::metrics::timer("h", crate = reexported::metrics)]
    #[reexported::metrics::counter("i", outcome, crate = reexported::metrics)]
    fn through_a_path() {}

    #[test]
    fn several_on_one_function() {
        let seen = capture(|| {
            stacked();
            renamed();
            through_a_path();
        });
        for timer in ["a", "d", "e", "h"] {
            assert_eq!(seen.timer(timer), 1, "{timer}");
        }
        for counter in ["b", "f", "i"] {
            assert_eq!(seen.counter(counter), 1, "{counter}");
        }
        assert_eq!(seen.gauge("c"), Some(1.0));
        assert_eq!(seen.gauge("g"), Some(2.0));
    }
}

mod order {
    use super::*;
    use std::cell::RefCell;

    struct Noisy<'a>(&'a RefCell<Vec<&'static str>>, &'static str);

    impl Drop for Noisy<'_> {
        fn drop(&mut self) {
            self.0.borrow_mut().push(self.1);
        }
    }

    #[timer]
    #[counter]
    fn guarded(first: Noisy<'_>, second: Noisy<'_>) {
        let _local = Noisy(first.0, "local");
        let _ = &second;
    }

    fn unmeasured(first: Noisy<'_>, second: Noisy<'_>) {
        let _local = Noisy(first.0, "local");
        let _ = &second;
    }

    #[test]
    fn drops_as_without() {
        let (with, without) = (RefCell::default(), RefCell::default());
        capture(|| guarded(Noisy(&with, "first"), Noisy(&with, "second")));
        unmeasured(Noisy(&without, "first"), Noisy(&without, "second"));
        assert_eq!(with, without);
    }
}
