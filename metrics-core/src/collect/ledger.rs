//! The ledger: where every recording went, for each backend.
//!
//! `recorded = sent + pending + superseded + dropped`, in recordings and, for counters, in value. Every term is counted at its own
//! place: recorded from the snapshot's totals, sent and dropped where the backend says so, pending by walking its cursor.

use std::fmt;
use std::ops::{AddAssign, Index, IndexMut};

/// An amount of recordings, and for counters of value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Amount {
    /// How many recordings.
    pub recordings: u64,
    /// The sum of counter increments.
    pub increments: u64,
    /// The sum of counter decrements, as a positive number.
    pub decrements: u64,
}

impl Amount {
    /// Recordings without a counter's value.
    #[must_use]
    pub const fn new(recordings: u64) -> Amount {
        Amount { recordings, increments: 0, decrements: 0 }
    }

    /// Adds a counter's value: the sum of its increments, and that of its decrements as a positive number.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// let amount = ferrometer::Amount::new(3).with_value(10, 4);
    /// assert_eq!(amount.to_string(), "3 recordings (+10 -4)");
    /// ```
    #[must_use]
    pub const fn with_value(mut self, increments: u64, decrements: u64) -> Amount {
        self.increments = increments;
        self.decrements = decrements;
        self
    }

    pub(crate) fn minus(self, other: Amount) -> Amount {
        Amount {
            recordings: self.recordings.wrapping_sub(other.recordings),
            increments: self.increments.wrapping_sub(other.increments),
            decrements: self.decrements.wrapping_sub(other.decrements),
        }
    }

    /// Returns whether the amount is zero.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Amount::default()
    }
}

impl fmt::Display for Amount {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} recording{}", self.recordings, if self.recordings == 1 { "" } else { "s" })?;
        match (self.increments, self.decrements) {
            (0, 0) => Ok(()),
            (up, 0) => write!(f, " (+{up})"),
            (0, down) => write!(f, " (-{down})"),
            (up, down) => write!(f, " (+{up} -{down})"),
        }
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Amount) {
        self.recordings = self.recordings.wrapping_add(other.recordings);
        self.increments = self.increments.wrapping_add(other.increments);
        self.decrements = self.decrements.wrapping_add(other.decrements);
    }
}

/// Why a recording was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// NaN, an infinity, or a value the format cannot hold.
    Invalid,
    /// The rendered name is empty or longer than 512 bytes.
    Name,
    /// The rendered name belongs to another instrument.
    Collision,
    /// One line is larger than a datagram may be.
    TooLarge,
    /// The transport refused it for good.
    Transport,
    /// The server refused it for good: an answer of 4xx that no further attempt changes.
    Refused,
    /// The backend was removed, or the program ended, before it was delivered. When the deadline cuts off a delivery in progress, all of
    /// that delivery is here, though a part of it may have gone out.
    Removed,
}

impl Cause {
    /// Every cause.
    pub const ALL: &'static [Cause] = &[
        Cause::Invalid,
        Cause::Name,
        Cause::Collision,
        Cause::TooLarge,
        Cause::Transport,
        Cause::Refused,
        Cause::Removed,
    ];

    /// The cause's name in metrics and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Cause::Invalid => "invalid",
            Cause::Name => "name",
            Cause::Collision => "collision",
            Cause::TooLarge => "too_large",
            Cause::Transport => "transport",
            Cause::Refused => "refused",
            Cause::Removed => "removed",
        }
    }
}

impl fmt::Display for Cause {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for Cause {}

/// The dropped recordings by cause: `ledger.dropped[Cause::Transport]`. Zero for a cause without any.
///
/// ```
/// # use ferrometer_core as ferrometer;
/// use ferrometer::{Amount, Cause, Dropped};
///
/// let mut dropped = Dropped::default();
/// dropped[Cause::Name] += Amount::new(3);
/// assert_eq!(dropped[Cause::Name].recordings, 3);
/// assert!(dropped[Cause::Invalid].is_zero());
/// assert_eq!(dropped.iter().collect::<Vec<_>>(), [(Cause::Name, Amount::new(3))]);
/// assert_eq!(format!("{dropped:?}"), "{Name: Amount { recordings: 3, increments: 0, decrements: 0 }}");
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped([Amount; Cause::ALL.len()]);

impl Dropped {
    /// The causes for which something was dropped, in the order of [`Cause::ALL`], each with its amount.
    pub fn iter(&self) -> impl Iterator<Item = (Cause, Amount)> {
        let all = Cause::ALL.iter().map(|cause| (*cause, self[*cause]));
        all.filter(|(_, amount)| !amount.is_zero())
    }

    /// Everything, whatever the cause.
    #[must_use]
    pub fn in_all(&self) -> Amount {
        let mut all = Amount::default();
        self.0.iter().for_each(|amount| all += *amount);
        all
    }

    /// Returns whether nothing was dropped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

/// The amount of each cause that has any.
impl fmt::Debug for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// The number of recordings of each cause that has any: `name=3 transport=1`; `nothing` where none was dropped.
impl fmt::Display for Dropped {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "";
        for (cause, amount) in self.iter() {
            write!(f, "{before}{cause}={}", amount.recordings)?;
            before = " ";
        }
        if before.is_empty() { f.write_str("nothing") } else { Ok(()) }
    }
}

impl Index<Cause> for Dropped {
    type Output = Amount;

    fn index(&self, cause: Cause) -> &Amount {
        &self.0[cause as usize]
    }
}

impl IndexMut<Cause> for Dropped {
    fn index_mut(&mut self, cause: Cause) -> &mut Amount {
        &mut self.0[cause as usize]
    }
}

/// The account of one backend, as of its last delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ledger {
    /// The backend's name.
    pub backend: String,
    /// Everything recorded since the backend was installed.
    pub recorded: Amount,
    /// Accepted by the kernel or the store. UDP cannot promise that it arrived.
    pub sent: Amount,
    /// The part of `sent` that went out as one value with a weight, because single values were no longer held.
    pub merged: u64,
    /// Recorded and not yet sent; the next delivery has it.
    pub pending: Amount,
    /// Gauge values replaced by a later one before they were sent.
    pub superseded: Amount,
    /// Not delivered, by cause.
    pub dropped: Dropped,
    /// Deliveries that ended without an error.
    pub deliveries: u64,
    /// Deliveries that ended with an error.
    pub errors: u64,
    /// Deliveries that panicked.
    pub panics: u64,
    /// Datagrams, writes or whatever the backend sends at once.
    pub packets: u64,
    /// Bytes sent.
    pub bytes: u64,
}

impl Ledger {
    /// Everything dropped, whatever the cause.
    #[must_use]
    pub fn dropped_in_all(&self) -> Amount {
        self.dropped.in_all()
    }

    /// Returns whether `recorded = sent + pending + superseded + dropped`.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// use ferrometer::{Amount, Cause, Ledger};
    ///
    /// let mut ledger = Ledger::default();
    /// ledger.recorded = Amount::new(5);
    /// ledger.sent = Amount::new(4);
    /// assert!(!ledger.balances());
    /// ledger.dropped[Cause::Name] = Amount::new(1);
    /// assert!(ledger.balances());
    /// assert_eq!(ledger.dropped.to_string(), "name=1");
    /// ```
    #[must_use]
    pub fn balances(&self) -> bool {
        let mut all = self.sent;
        all += self.pending;
        all += self.superseded;
        all += self.dropped_in_all();
        all == self.recorded
    }
}

impl fmt::Display for Ledger {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} recorded = {} sent ({} merged) + {} pending + {} superseded + {} dropped",
            self.backend,
            self.recorded.recordings,
            self.sent.recordings,
            self.merged,
            self.pending.recordings,
            self.superseded.recordings,
            self.dropped_in_all().recordings
        )?;
        if self.dropped.is_empty() { Ok(()) } else { write!(f, " {}", self.dropped) }
    }
}
