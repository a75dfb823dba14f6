//! Views: what a configuration makes of the metrics that a program records. A view renames them, takes labels away, drops them, or says more of them.
//!
//! A view is looked at when a series is registered and when the configuration changes, never when something is recorded.

use crate::naming::name::{Pattern, push_dotted};
use crate::registry::label_set::{LABEL_ROOM, Label, LabelSet};

/// A rule for the metrics whose names fit a pattern.
///
/// The name is `logger.metric`, gated as every name is, without prefix, host and labels. Views are applied in their order, each to what the one before
/// left, and ferrometer's own metrics have none.
///
/// ```
/// use ferrometer_core::View;
///
/// let view = View::new("nova.*.requests").rename("nova.http_requests").drop_labels(["user"]);
/// assert!(view.matches("nova.api.requests") && !view.matches("nova.api.errors"));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct View {
    /// Names that it is about.
    pub pattern: Pattern,
    /// `true`: nothing is recorded.
    pub drop: bool,
    /// The new name; each `*` in it is the text of the pattern's star of the same number. Empty parts are skipped; a name of which nothing is left changes nothing.
    pub rename: Option<String>,
    /// Labels that stay.
    pub labels: ViewLabels,
    /// The sample rate of calls that give none, in (0, 1].
    pub sample_rate: Option<f64>,
    /// The unit, whatever the program declares; empty for none.
    pub unit: Option<String>,
    /// The description, whatever the program declares; empty for none.
    pub description: Option<String>,
    /// Upper bounds of the buckets of timers (in seconds) and histograms, for backends with such buckets.
    pub buckets: Option<Vec<f64>>,
    /// Has counters, timers and histograms offer [exemplars](crate::exemplars); `None` for what is said of all.
    pub exemplars: Option<bool>,
}

/// Labels of a metric that a [`View`] lets stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ViewLabels {
    /// All of them.
    #[default]
    All,
    /// Those with one of these keys.
    Keep(Vec<String>),
    /// Those with another key than these.
    Drop(Vec<String>),
}

impl ViewLabels {
    fn keeps(&self, key: &str) -> bool {
        match self {
            ViewLabels::All => true,
            ViewLabels::Keep(keys) => keys.iter().any(|kept| kept == key),
            ViewLabels::Drop(keys) => keys.iter().all(|dropped| dropped != key),
        }
    }
}

impl View {
    /// Returns a view that changes nothing yet, of the names that a pattern fits; each `*` in it stands for any text.
    #[must_use]
    pub fn new(pattern: &str) -> View {
        View {
            pattern: Pattern::new(pattern),
            drop: false,
            rename: None,
            labels: ViewLabels::All,
            sample_rate: None,
            unit: None,
            description: None,
            buckets: None,
            exemplars: None,
        }
    }

    /// Returns `true` for a name that the view is about.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.pattern.matches(name)
    }

    /// Has nothing recorded, or lets it be recorded.
    #[must_use]
    pub fn dropped(mut self, drop: bool) -> View {
        self.drop = drop;
        self
    }

    /// Sets the new name; see [the field](View::rename).
    #[must_use]
    pub fn rename(mut self, name: impl Into<String>) -> View {
        self.rename = Some(name.into());
        self
    }

    /// Lets no labels stay but those with one of these keys.
    #[must_use]
    pub fn keep_labels(mut self, keys: impl IntoIterator<Item = impl Into<String>>) -> View {
        self.labels = ViewLabels::Keep(keys.into_iter().map(Into::into).collect());
        self
    }

    /// Takes the labels with these keys away. What is recorded with any of their values is one series: counters and in-flight counts are summed, timers and
    /// histograms merged, and of a gauge the value that was set last stays.
    #[must_use]
    pub fn drop_labels(mut self, keys: impl IntoIterator<Item = impl Into<String>>) -> View {
        self.labels = ViewLabels::Drop(keys.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the sample rate of calls that give none, in (0, 1]. It wins over that of a [rule for the logger](crate::LoggerRule).
    #[must_use]
    pub fn sample_rate(mut self, rate: impl Into<Option<f64>>) -> View {
        self.sample_rate = rate.into();
        self
    }

    /// Sets the unit; see [the field](View::unit).
    #[must_use]
    pub fn unit(mut self, unit: impl Into<String>) -> View {
        self.unit = Some(unit.into());
        self
    }

    /// Sets the description; see [the field](View::description).
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> View {
        self.description = Some(text.into());
        self
    }

    /// Sets the upper bounds of buckets, finite and in rising order; see [the field](View::buckets).
    #[must_use]
    pub fn buckets(mut self, bounds: impl Into<Vec<f64>>) -> View {
        self.buckets = Some(bounds.into());
        self
    }

    /// Has counters, timers and histograms offer exemplars, or not; see [the field](View::exemplars).
    #[must_use]
    pub fn exemplars(mut self, exemplars: impl Into<Option<bool>>) -> View {
        self.exemplars = exemplars.into();
        self
    }
}

/// The words of views about one metric. They come before those of the program.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Words {
    pub(crate) unit: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) buckets: Option<Vec<f64>>,
}

/// Result of all views together for one metric.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Viewed {
    pub(crate) dropped: bool,
    /// The name, gated; whether it is new.
    pub(crate) name: String,
    pub(crate) is_renamed: bool,
    /// The labels that stay, where some do not.
    pub(crate) labels: Option<Vec<Label>>,
    pub(crate) rate: Option<f64>,
    pub(crate) exemplars: Option<bool>,
    pub(crate) words: Words,
}

impl Viewed {
    /// Applies views to a metric of a logger.
    pub(crate) fn new(views: &[View], logger: &str, metric: &str, labels: LabelSet) -> Viewed {
        let mut given = String::new();
        push_dotted(&mut given, logger);
        push_dotted(&mut given, metric);
        Viewed::of(views, given, labels.list(&mut { LABEL_ROOM }))
    }

    fn of(views: &[View], given: String, labels: &[Label]) -> Viewed {
        let (mut viewed, mut name) = (Viewed::default(), given.clone());
        for view in views {
            let Some(stars) = view.pattern.stars(&name) else { continue };
            if view.drop {
                return Viewed { dropped: true, ..Viewed::default() };
            }
            let renamed = view.rename.as_deref().map(|rename| fill(rename, &stars));
            if let Some(renamed) = renamed.filter(|renamed| !renamed.is_empty()) {
                name = renamed;
            }
            if labels.iter().any(|(key, _)| !view.labels.keeps(key)) {
                viewed.labels.get_or_insert_with(|| labels.to_vec()).retain(|(key, _)| view.labels.keeps(key));
            }
            viewed.rate = view.sample_rate.or(viewed.rate);
            viewed.exemplars = view.exemplars.or(viewed.exemplars);
            let words = &mut viewed.words;
            words.unit = view.unit.clone().or(words.unit.take());
            words.text = view.description.clone().or(words.text.take());
            words.buckets = view.buckets.clone().or(words.buckets.take());
        }
        (viewed.is_renamed, viewed.name) = (name != given, name);
        viewed
    }
}

/// Puts the texts of stars into a name.
fn fill(rename: &str, stars: &[&str]) -> String {
    let (mut filled, mut stars) = (String::new(), stars.iter());
    for (at, piece) in rename.split('*').enumerate() {
        if at > 0 {
            filled.push_str(stars.next().copied().unwrap_or_default());
        }
        filled.push_str(piece);
    }
    let mut gated = String::new();
    push_dotted(&mut gated, &filled);
    gated
}

/// Returns each way to divide a name between a logger and a metric: the last dot first, and no logger last. All of them render alike.
pub(crate) fn divisions(name: &str) -> impl Iterator<Item = (&str, &str)> + Clone {
    name.rmatch_indices('.').map(|(at, _)| (&name[..at], &name[at + 1..])).chain([("", name)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LABELS: &[Label] = &[("city", "Oslo"), ("user", "ann")];

    fn of(views: &[View], name: &str) -> Viewed {
        Viewed::of(views, name.to_owned(), LABELS)
    }

    fn name(views: &[View], given: &str) -> String {
        of(views, given).name
    }

    #[test]
    fn views_are_applied_in_their_order_each_to_what_the_one_before_left() {
        let chain = [View::new("a").rename("b"), View::new("b").rename("c")];
        assert_eq!((name(&chain, "a"), name(&chain, "b"), name(&chain, "c")), ("c".into(), "c".into(), "c".into()));
        let circle = [View::new("a").rename("b"), View::new("b").rename("a")];
        assert_eq!(of(&circle, "a"), Viewed { name: "a".into(), ..Viewed::default() });
        assert_eq!(name(&circle, "b"), "a");
        let drops = [View::new("b").dropped(true), View::new("a").rename("b")];
        assert!(of(&drops, "b").dropped && !of(&drops, "a").dropped);
    }

    #[test]
    fn stars_of_a_new_name_are_those_of_the_pattern() {
        for (pattern, rename, given, expected) in [
            ("old.*", "new.*", "old.api.hits", "new.api.hits"),
            ("*.v1.*", "*.*", "shop.v1.sold", "shop.sold"),
            ("a*", "*", "ab", "b"),
            ("a*", "*", "a", "a"),
            ("*", "x.*", "a.b", "x.a.b"),
            ("a.*", "b.*.c", "a.x", "b.x.c"),
            ("a", "..b..c|d..", "a", "b.c_d"),
        ] {
            assert_eq!(name(&[View::new(pattern).rename(rename)], given), expected, "{pattern} {rename}");
        }
    }

    #[test]
    fn the_last_word_counts_and_labels_only_go() {
        let views = [
            View::new("*").unit("bytes").sample_rate(0.5).drop_labels(["user"]),
            View::new("*").unit("").description("d").keep_labels(["user", "city"]),
            View::new("other").unit("rows"),
        ];
        let viewed = of(&views, "a");
        assert_eq!(viewed.words, Words { unit: Some(String::new()), text: Some("d".into()), buckets: None });
        assert_eq!((viewed.rate, viewed.labels), (Some(0.5), Some(vec![("city", "Oslo")])));
        assert_eq!(of(&[View::new("*").keep_labels(["city", "user"])], "a"), of(&[], "a"));
    }

    #[test]
    fn a_name_is_divided_at_each_of_its_dots() {
        assert_eq!(divisions("a.b.c").collect::<Vec<_>>(), [("a.b", "c"), ("a", "b.c"), ("", "a.b.c")]);
        assert_eq!(divisions("a").collect::<Vec<_>>(), [("", "a")]);
    }

    proptest! {
        #[test]
        fn a_new_name_is_gated(pattern in "[ab.*]{0,6}", rename in "\\PC{0,12}", given in "[ab.]{0,8}") {
            let mut gated = String::new();
            push_dotted(&mut gated, &given);
            let new = name(&[View::new(&pattern).rename(rename)], &gated);
            let mut again = String::new();
            push_dotted(&mut again, &new);
            prop_assert_eq!(again, new);
        }
    }
}
