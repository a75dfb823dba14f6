//! Which families a reader asks for.

/// Names of families, or of single samples in them; everything when none is given.
///
/// A name fits a family when it is the family's name in one of the formats (`shop_sales`, `shop_sales_total`) or that of one of its
/// samples (`shop_checkout_seconds_count`). The family comes whole, so that a histogram stays one.
///
/// ```
/// # mod ferrometer { pub use ferrometer_core::*; pub use ferrometer_prometheus as prometheus; }
/// use ferrometer::prometheus::Filter;
/// let filter: Filter = ["shop_sales_total", "shop_checkout_seconds"].into_iter().collect();
/// assert!(!filter.is_all());
/// assert!(Filter::default().is_all());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Sorted, each once.
    names: Vec<String>,
}

impl Filter {
    /// Returns whether everything is asked for.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.names.is_empty()
    }

    /// A reader asks for few names, so that their places are found one by one.
    fn add(&mut self, name: String) {
        if let Err(place) = self.names.binary_search(&name) {
            self.names.insert(place, name);
        }
    }

    /// Returns whether one of these suffixes of a family's name makes a name that is asked for.
    pub(crate) fn fits(&self, family: &str, suffixes: &[&str]) -> bool {
        // Names that begin alike stand together.
        let from = self.names.partition_point(|name| name.as_str() < family);
        self.names[from..].iter().map_while(|name| name.strip_prefix(family)).any(|rest| suffixes.contains(&rest))
    }
}

impl<S: Into<String>> FromIterator<S> for Filter {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Filter {
        let mut filter = Filter::default();
        names.into_iter().for_each(|name| filter.add(name.into()));
        filter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_as_a_whole() {
        let filter: Filter = ["a_total", "b", "b_bucket_x", "c_count"].into_iter().collect();
        assert!(filter.fits("a", &["_total"]) && filter.fits("a_total", &[""]) && filter.fits("b", &["", "_sum"]));
        assert!(filter.fits("c", &["_sum", "_count"]));
        assert!(!filter.fits("a", &[""]) && !filter.fits("b_bucket", &[""]) && !filter.fits("", &["_total"]));
    }
}
