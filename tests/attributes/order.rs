//! Arguments and locals are dropped in the order in which they are without an attribute.

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
