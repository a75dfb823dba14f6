//! Archive policies: which aggregates of a metric are kept, how finely, for how long, and the size that follows.

use crate::method::{Kind, Method, resolve};
use crate::{Error, Nanos, SECOND};
use serde::{Deserialize, Serialize};

const DAY: Nanos = 86_400 * SECOND;
/// Most points that a definition may keep: 30 years of seconds. A metric of more is a mistake in a unit.
pub const MAX_POINTS: u64 = 1_000_000_000;
/// Most buckets that one object holds.
pub(crate) const LONGEST_STRETCH: u64 = 32_768;
/// Fewest and most of them.
const STRETCHES: (u64, u64) = (1024, LONGEST_STRETCH);

/// One resolution of a policy: buckets of `granularity`, of which the last `points` are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// Length of a bucket, in nanoseconds.
    pub granularity: Nanos,
    /// Buckets that are kept, counted back from the last point; `None` keeps all.
    pub points: Option<u64>,
    /// Buckets in one stored object. It never changes, so that a policy with more points finds its objects.
    pub(crate) stretch: u64,
}

impl Definition {
    /// Returns a definition from two or three of its parts, as Gnocchi does: with a timespan that is no multiple, the timespan is
    /// cut down; a granularity alone keeps everything.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the reason.
    pub fn new(granularity: Option<Nanos>, points: Option<u64>, timespan: Option<Nanos>) -> Result<Definition, Error> {
        let invalid = |reason: &str| Error::Invalid(reason.into());
        if points == Some(0) {
            return Err(invalid("Number of points should be > 0"));
        }
        let (granularity, points) = match (granularity, points, timespan) {
            (Some(granularity), _, _) if granularity <= 0 => return Err(invalid("Granularity should be > 0")),
            (Some(granularity), Some(points), Some(timespan)) => {
                if i128::from(granularity) * i128::from(points) != i128::from(timespan) {
                    return Err(invalid("timespan ≠ granularity × points"));
                }
                (granularity, Some(points))
            }
            (Some(granularity), Some(points), None) => (granularity, Some(points)),
            (Some(granularity), None, Some(timespan)) => match timespan / granularity {
                points if points <= 0 => return Err(invalid("Calculated number of points is < 0")),
                points => (granularity, Some(points as u64)),
            },
            (Some(granularity), None, None) => (granularity, None),
            (None, Some(points), Some(timespan)) => match timespan / points.min(i64::MAX as u64) as i64 {
                granularity if granularity <= 0 => return Err(invalid("Granularity should be > 0")),
                granularity => (granularity, Some(points)),
            },
            _ => return Err(invalid("At least two of granularity/points/timespan must be provided")),
        };
        if let Some(points) = points {
            if points > MAX_POINTS {
                return Err(Error::Invalid(format!(
                    "{points} points are too many: at most {MAX_POINTS} are kept of a granularity"
                )));
            }
            if i64::try_from(points).ok().and_then(|points| granularity.checked_mul(points)).is_none() {
                return Err(invalid("a timespan of more than 292 years cannot be kept"));
            }
        }
        let stretch = (points.unwrap_or(0) / 64).next_power_of_two().clamp(STRETCHES.0, STRETCHES.1);
        Ok(Definition { granularity, points, stretch })
    }

    /// Returns how far back from the last bucket this definition reaches, in nanoseconds; `None` for ever.
    pub fn timespan(&self) -> Option<Nanos> {
        self.points.map(|points| self.granularity * points as i64)
    }

    /// Returns the first bucket that is kept when the last point is at `last`.
    pub(crate) fn oldest_bucket(&self, last: Nanos) -> i64 {
        match self.points {
            Some(points) => (last.div_euclid(self.granularity) - points as i64 + 1).max(0),
            None => 0,
        }
    }
}

/// A named set of definitions, methods, and how late a point may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The name, unique in an archive.
    pub name: String,
    /// Blocks of the coarsest granularity, before the current one, in which late points are still accepted.
    pub back_window: u32,
    /// Resolutions, finest first.
    definitions: Vec<Definition>,
    /// Codes of the methods, sorted.
    methods: Vec<u8>,
    /// Granularities in the order in which they were told.
    #[serde(default)]
    told: Vec<Nanos>,
    /// How long a metric is kept that gets no measure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time_to_live: Option<Nanos>,
}

/// The size of one metric, full to its last point, known before it is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Aggregates kept: points times methods, over all definitions. `None` where a definition keeps all.
    pub aggregates: Option<u64>,
    /// Most bytes that they take on disk, whatever the values. Gauges of two decimals take about a quarter.
    pub bytes: Option<u64>,
}

impl Policy {
    /// Returns a policy of these definitions and methods.
    ///
    /// # Errors
    /// [`Error::Invalid`] for no definition, no method, an empty name, or a granularity given twice.
    pub fn new(
        name: &str,
        back_window: u32,
        definitions: Vec<Definition>,
        methods: &[Method],
    ) -> Result<Policy, Error> {
        if name.is_empty() {
            return Err(Error::Invalid("an archive policy needs a name".into()));
        }
        let mut policy = Policy {
            name: name.into(),
            back_window,
            definitions: Vec::new(),
            methods: methods.iter().map(|m| m.code()).collect(),
            told: Vec::new(),
            time_to_live: None,
        };
        policy.methods.sort_unstable();
        policy.methods.dedup();
        policy.set_definitions(definitions)?;
        Ok(policy)
    }

    fn set_definitions(&mut self, mut definitions: Vec<Definition>) -> Result<(), Error> {
        let told = definitions.iter().map(|definition| definition.granularity).collect();
        definitions.sort_by_key(|definition| definition.granularity);
        if definitions.is_empty() {
            return Err(Error::Invalid("an archive policy needs at least one definition".into()));
        }
        if let Some(pair) = definitions.windows(2).find(|pair| pair[0].granularity == pair[1].granularity) {
            let seconds = pair[0].granularity as f64 / 1e9;
            return Err(Error::Invalid(format!("More than one archive policy uses granularity `{seconds:?}'")));
        }
        self.definitions = definitions;
        self.told = told;
        Ok(())
    }

    /// Returns this policy with another time to live: a metric whose latest measure is older is removed, with its aggregates. None keeps metrics for
    /// ever.
    ///
    /// # Errors
    /// [`Error::Invalid`] for one that is not positive.
    pub fn with_time_to_live(mut self, life: Option<Nanos>) -> Result<Policy, Error> {
        if life.is_some_and(|life| life <= 0) {
            return Err(Error::Invalid("a time to live should be > 0".into()));
        }
        self.time_to_live = life;
        Ok(self)
    }

    /// Returns how long a metric is kept that gets no measure; none for ever.
    pub fn time_to_live(&self) -> Option<Nanos> {
        self.time_to_live
    }

    /// Returns the resolutions, finest first.
    pub fn definitions(&self) -> &[Definition] {
        &self.definitions
    }

    /// Returns the resolutions in the order in which they were told.
    pub fn as_told(&self) -> impl Iterator<Item = &Definition> {
        self.told.iter().filter_map(|granularity| self.definition(*granularity))
    }

    /// Returns the resolution with this granularity.
    pub fn definition(&self, granularity: Nanos) -> Option<&Definition> {
        self.definitions.iter().find(|definition| definition.granularity == granularity)
    }

    /// Returns the methods, in a fixed order.
    pub fn methods(&self) -> Vec<Method> {
        self.methods.iter().filter_map(|code| Method::from_code(*code)).collect()
    }

    /// Returns true when this method is kept.
    pub fn keeps(&self, method: Method) -> bool {
        self.methods.binary_search(&method.code()).is_ok()
    }

    /// Returns true when some method needs differences of points.
    pub fn has_rate(&self) -> bool {
        self.methods.last().is_some_and(|code| code & 0x80 != 0)
    }

    /// Returns the length of the coarsest bucket.
    pub fn coarsest(&self) -> Nanos {
        self.definitions.last().map_or(1, |definition| definition.granularity)
    }

    /// Returns the earliest time stamp that is accepted when the last point is at `last`: the start of the coarsest bucket, less the
    /// back window, less one more block where differences are kept.
    pub fn accept_from(&self, last: Nanos) -> Nanos {
        let block = self.coarsest();
        let blocks = i64::from(self.back_window) + i64::from(self.has_rate());
        (last.div_euclid(block) * block).saturating_sub(block.saturating_mul(blocks)).max(0)
    }

    /// Returns this policy with other numbers of points and another back window.
    ///
    /// # Errors
    /// [`Error::PolicyChange`] where the granularities are not the ones of this policy.
    pub fn resized(&self, definitions: Vec<Definition>, back_window: Option<u32>) -> Result<Policy, Error> {
        let mut changed = self.clone();
        let refuse = |reason: String| Error::PolicyChange(self.name.clone(), reason);
        if definitions.len() != self.definitions.len() {
            return Err(refuse("Cannot add or drop granularities".into()));
        }
        changed.set_definitions(definitions)?;
        for (old, new) in self.definitions.iter().zip(&mut changed.definitions) {
            if old.granularity != new.granularity {
                let seconds = old.granularity as f64 / 1e9;
                return Err(refuse(format!("{seconds:?} granularity interval was changed")));
            }
            new.stretch = old.stretch;
        }
        changed.back_window = back_window.unwrap_or(self.back_window);
        Ok(changed)
    }

    /// Returns the size of a metric of this policy when it is full.
    ///
    /// ```
    /// use ferrometer_archive::Policy;
    /// let low = &Policy::defaults()[1];
    /// assert_eq!(low.cost().aggregates, Some(8_640 * 6));
    /// assert!(low.cost().bytes.unwrap() < 600_000);
    /// ```
    pub fn cost(&self) -> Cost {
        let methods = self.methods.len() as u64;
        let mut cost = Cost { aggregates: Some(0), bytes: Some(0) };
        for definition in &self.definitions {
            // An object that ends where the policy begins is kept whole, and so is the one in progress.
            let kept = definition.points.map(|points| points + 2 * definition.stretch);
            let objects = definition.points.map(|points| points.div_ceil(definition.stretch) + 2);
            let row = 8 * methods + methods.div_ceil(8) + 4;
            cost.aggregates = cost.aggregates.zip(definition.points).map(|(sum, points)| sum + points * methods);
            cost.bytes = cost
                .bytes
                .zip(kept.zip(objects))
                .map(|(sum, (kept, objects))| sum + kept * row + objects * (128 + 16 * methods));
        }
        cost
    }

    /// Returns the policies that a new archive has: `bool`, `low`, `medium` and `high`.
    pub fn defaults() -> [Policy; 4] {
        let usual = resolve::<&str>(&[]).unwrap_or_default();
        let policy = |name: &str, back_window, spans: &[(Nanos, Nanos)], methods: &[Method]| {
            let definition =
                |(granularity, span): &(Nanos, Nanos)| Definition::new(Some(*granularity), None, Some(*span));
            let mut policy = Policy {
                name: name.into(),
                back_window,
                definitions: spans.iter().filter_map(|span| definition(span).ok()).collect(),
                methods: methods.iter().map(|method| method.code()).collect(),
                told: spans.iter().map(|(granularity, _)| *granularity).collect(),
                time_to_live: None,
            };
            policy.methods.sort_unstable();
            policy
        };
        let (minute, hour) = (60 * SECOND, 3600 * SECOND);
        [
            policy("bool", 3600, &[(SECOND, 365 * DAY)], &[Method::of(Kind::Last)]),
            policy("low", 0, &[(5 * minute, 30 * DAY)], &usual),
            policy("medium", 0, &[(minute, 7 * DAY), (hour, 365 * DAY)], &usual),
            policy("high", 0, &[(SECOND, hour), (minute, 7 * DAY), (hour, 365 * DAY)], &usual),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_parts_give_the_third() {
        let of = |g: Option<i64>, p, t: Option<i64>| Definition::new(g.map(|s| s * SECOND), p, t.map(|s| s * SECOND));
        let seven = of(Some(7), None, Some(60)).unwrap();
        assert_eq!((seven.points, seven.timespan()), (Some(8), Some(56 * SECOND)));
        assert_eq!(of(None, Some(48), Some(86_400)).unwrap().granularity, 1800 * SECOND);
        assert_eq!(of(Some(1), None, None).unwrap().timespan(), None);
        for (g, p, t, words) in [
            (Some(1), Some(3), Some(4), "timespan ≠ granularity × points"),
            (Some(0), Some(3), None, "Granularity should be > 0"),
            (Some(60), None, Some(7), "Calculated number of points is < 0"),
            (None, Some(3), None, "At least two of"),
            (None, Some(u64::MAX), Some(10), "Granularity should be > 0"),
            (Some(1), Some(1_000_000_001), None, "too many"),
            (Some(86_400), Some(1_000_000_000), None, "292 years"),
        ] {
            let error = of(g, p, t).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_resized_policy_keeps_its_granularities_and_objects() {
        let short = Policy::new(
            "short",
            0,
            vec![Definition::new(Some(SECOND), Some(1000), None).unwrap()],
            &[Method::of(Kind::Mean)],
        )
        .unwrap();
        let more = short.resized(vec![Definition::new(Some(SECOND), Some(1_000_000), None).unwrap()], Some(3)).unwrap();
        assert_eq!(
            (more.definitions[0].points, more.definitions[0].stretch, more.back_window),
            (Some(1_000_000), 1024, 3)
        );
        let other = short.resized(vec![Definition::new(Some(2 * SECOND), Some(10), None).unwrap()], None).unwrap_err();
        assert_eq!(
            other.to_string(),
            "Archive policy short does not support change: 1.0 granularity interval was changed"
        );
        assert_eq!(
            short.resized(vec![], None).unwrap_err().to_string(),
            "Archive policy short does not support change: Cannot add or drop granularities"
        );
    }

    #[test]
    fn late_points_are_accepted_in_the_back_window_and_one_block_more_for_rates() {
        let minute = 60 * SECOND;
        let last = 10 * minute + 30 * SECOND;
        let policy = |window, kind, rate| {
            Policy::new(
                "p",
                window,
                vec![Definition::new(Some(minute), Some(9), None).unwrap()],
                &[Method { rate, kind }],
            )
            .unwrap()
        };
        assert_eq!(policy(0, Kind::Mean, false).accept_from(last), 10 * minute);
        assert_eq!(policy(2, Kind::Mean, false).accept_from(last), 8 * minute);
        assert_eq!(policy(2, Kind::Mean, true).accept_from(last), 7 * minute);
        assert_eq!(policy(u32::MAX, Kind::Mean, true).accept_from(last), 0);
    }
}
