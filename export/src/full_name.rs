//! Full names of series, rendered under a configuration's [`Naming`].

use crate::folded::push_folded_labels;
use ferrometer_core::{Naming, Series};

/// Returns the full name of a series with its labels folded in: `[prefix.][host.]logger.metric.key.value…`. Every part has passed
/// the gate for names. The [object](Series::object) is the first label, `.object.qemu_100`. Values that differ stay apart: see [`push_folded_labels`].
///
/// ```
/// use ferrometer_core::{Naming, get_logger};
///
/// let series = get_logger("shop").with("till", "3").counter("sales").series();
/// assert_eq!(ferrometer_export::folded_name(&Naming::default(), series), "shop.sales.till.3");
/// ```
#[must_use]
pub fn folded_name(naming: &Naming, series: &Series) -> String {
    let mut out = full_name(naming, series);
    push_folded_labels(&mut out, naming, series);
    out
}

/// Returns the labels of a series, and behind them those of the whole process whose keys it has not itself. The
/// [object](Series::object) is none of them.
///
/// ```
/// use ferrometer_core::{Naming, get_logger};
///
/// let labels = ["zone", "till"].map(|key| (key.to_owned(), "b".to_owned()));
/// let naming = Naming::default().labels(labels.into());
/// let series = get_logger("shop").with("till", "3").counter("sales").series();
/// let shown: Vec<_> = ferrometer_export::labels(&naming, series).collect();
/// assert_eq!(shown, [("till", "3"), ("zone", "b")]);
/// ```
pub fn labels<'a>(naming: &'a Naming, series: &'a Series) -> impl Iterator<Item = (&'a str, &'a str)> + Clone {
    let of_process = naming.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let missing = of_process.filter(|(key, _)| !series.labels().any(|(own, _)| own == *key));
    // Texts that live as long as the naming's.
    fn shorter<'a>((key, value): (&'static str, &'static str)) -> (&'a str, &'a str) {
        (key, value)
    }
    series.labels().map(shorter).chain(missing)
}

/// Returns the [`labels`] of a series, and before them its object as a label `object` where there is one: for formats that have no other
/// place for it.
pub fn labels_with_object<'a>(
    naming: &'a Naming,
    series: &'a Series,
) -> impl Iterator<Item = (&'a str, &'a str)> + Clone {
    series.object().map(|object| ("object", object)).into_iter().chain(labels(naming, series))
}

/// Returns the full name of a series without its labels: `[prefix.][host.]logger.metric`, gated.
///
/// ```
/// use ferrometer_core::{Naming, get_logger};
///
/// let series = get_logger("shop").with("till", "3").counter("sales").series();
/// assert_eq!(ferrometer_export::full_name(&Naming::default(), series), "shop.sales");
/// ```
#[must_use]
pub fn full_name(naming: &Naming, series: &Series) -> String {
    naming.render(series.logger_name(), series.metric_name())
}
