//! Views: metrics that are renamed, dropped, described, or shown without some of their labels, by patterns of their names.

use super::kind::Kind::{Keys, Name, Pattern, Rate};
use super::kind::{bounds_above, length};
use super::setting::{Field, FromGiven, Setting};
use super::table::{Fallback, Fields, Key, settings, with_defaults};

/// Each series is compared with every view when it is registered.
const MOST_VIEWS: usize = 256;

settings! {
    /// A view of the metrics whose names fit a pattern, as `[[metrics.views]]` describes it.
    ///
    /// ```
    /// use ferrometer::config::{Config, View};
    ///
    /// let config = Config::new()
    ///     .view(View::new("nova.*.requests").rename("nova.http_requests").drop_labels(["user"]))
    ///     .view(View::new("nova.debug.*").dropped(true));
    /// assert!(config.validate().is_ok());
    /// ```
    #[derive(Debug, Clone, PartialEq)]
    [""] View of View at () fills () {
        /// Names that the view is about, each `logger.metric` without prefix, host and labels. A `*` stands for any text, dots too.
        pattern: String = unset "none; it is needed" as "match" in Pattern, eg "nova.*.requests";
        /// Drops the metrics: they are not recorded.
        drop: bool = false, eg true, set dropped(bool);
        /// The new name; a `*` in it is the text of the pattern's star of the same number. Metrics of one kind that get one name and have equal labels become one.
        rename: Option<String> = unset "the name stays" in Name, eg "nova.*.http_requests", set rename(into String);
        /// Keys of the labels that go. What differs in them alone becomes one: counters are summed, timers and histograms merged, and of a gauge the value set last
        /// counts.
        drop_labels: Vec<String> = unset "none" in Keys, eg ["user"], set drop_labels(list);
        /// Keys of the only labels that stay.
        keep_labels: Vec<String> = unset "all stay" in Keys, eg ["method", "status"], set keep_labels(list);
        /// The rate for calls that give none of their own; it wins over that of a logger's rule.
        sample_rate: Option<f64> = unset "that of the logger's rule" in Rate, eg 0.1, set sample_rate(f64);
        /// The unit, whatever the program says.
        unit: Option<String> = unset "what the program says" in length(1, 64), eg "bytes", set unit(into String);
        /// The description, whatever the program says.
        description: Option<String> = unset "what the program says" in length(1, 1024), eg "Requests by method.", set description(into String);
        /// Upper bounds of the buckets of timers, in seconds, and of histograms, in the unit of what is recorded: at `/metrics`, for OTLP with explicit bounds,
        /// and for remote write with classic histograms. They win over those of the backend.
        buckets: Vec<f64> = unset "those of the backend" in bounds_above(None), eg [0.01, 0.1, 1.0], set buckets(into Vec<f64>);
        /// Offers exemplars for the counters, timers and histograms among them, or not, whatever `metrics.exemplars` says.
        exemplars: Option<bool> = unset "what `metrics.exemplars` says", eg true, set exemplars(bool);
    }
}

impl View {
    /// A view that changes nothing yet, of the names that a pattern fits.
    pub fn new(pattern: impl Into<String>) -> Self {
        View { pattern: pattern.into(), ..with_defaults(View::bare(), View::KEYS) }
    }

    /// Returns the fault of this view, behind as many others, if it has one.
    pub(super) fn fault(&self, before: usize) -> Option<String> {
        let stars = |text: &str| text.bytes().filter(|byte| *byte == b'*').count();
        let mut says =
            View::KEYS.iter().filter(|key| key.get(self) != key.default.value(&key.kind)).map(|key| key.path);
        let (changes, more) = (says.clone().any(|key| key != "match"), says.any(|key| key != "match" && key != "drop"));
        if self.pattern.is_empty() {
            return Some("has no `match`".to_owned());
        }
        if !changes {
            return Some("changes nothing: it has `match` alone".to_owned());
        }
        if self.drop && more {
            return Some("has `drop` and more; of what is dropped nothing else can be said".to_owned());
        }
        if !self.drop_labels.is_empty() && !self.keep_labels.is_empty() {
            return Some("has `drop_labels` and `keep_labels`; keep one of them".to_owned());
        }
        if let Some(rename) = &self.rename {
            let (new, old) = (stars(rename), stars(&self.pattern));
            if new > old {
                return Some(format!(
                    "has {new} stars in `rename` and {old} in `match`; each needs one to take its text from"
                ));
            }
            if ferrometer_core::is_at_or_below(rename, "ferrometer") {
                return Some("has a `rename` among ferrometer's own metrics".to_owned());
            }
        }
        (before >= MOST_VIEWS).then(|| format!("is one more than {MOST_VIEWS}"))
    }

    /// The key of the view with this number, from 0.
    pub(super) fn path(at: usize) -> String {
        format!("metrics.views[{at}]")
    }
}

/// The view as the core takes it.
impl From<&View> for ferrometer_core::View {
    fn from(view: &View) -> ferrometer_core::View {
        let mut core = ferrometer_core::View::new(&view.pattern).dropped(view.drop).sample_rate(view.sample_rate);
        core.rename.clone_from(&view.rename);
        core.unit.clone_from(&view.unit);
        core.description.clone_from(&view.description);
        core.buckets = (!view.buckets.is_empty()).then(|| view.buckets.clone());
        core.exemplars = view.exemplars;
        match (view.drop_labels.is_empty(), view.keep_labels.is_empty()) {
            (false, _) => core.drop_labels(&view.drop_labels),
            (true, false) => core.keep_labels(&view.keep_labels),
            (true, true) => core,
        }
    }
}
