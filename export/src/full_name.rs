//! Full names of series, rendered under a configuration's [`Naming`].

use ferrometer_core::{Naming, Series, name};

/// Returns the full name of a series with its labels folded in: `[prefix.][host.]logger.metric.key.value…`. Every part has passed
/// the gate for names. The [object](Series::object) is the first label, `.object.qemu_100`.
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
    name::push_labels(&mut out, series.labels_with_object());
    out
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
