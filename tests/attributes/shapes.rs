//! Functions of every shape keep what they are: lifetimes, generics, patterns, methods, `impl Trait`. Each shape twice: with guards in
//! front of the body, and with the body captured.

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

    #[allow(clippy::boxed_local)] // the shape of the receiver is what is tested
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
