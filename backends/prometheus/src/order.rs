//! The order of things by a comparison. All that is sorted here is sorted by this function: the standard library's is compiled for each
//! comparison that it is given, and is as much code as all of `/metrics` in one format.

use std::cmp::Ordering;

/// Returns the numbers below `len` in the order that `compare` finds for them; equals stay as they are.
pub(crate) fn order(len: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    order.sort_by(|a, b| compare(*a, *b));
    order
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn numbers_are_in_order_and_equals_as_they_were() {
        let of = ["b", "a", "", "b", "a"];
        assert_eq!(order(of.len(), &|a, b| of[a].cmp(of[b])), [2, 1, 4, 0, 3]);
        assert!(order(0, &|_, _| unreachable!()).is_empty());
    }
}
