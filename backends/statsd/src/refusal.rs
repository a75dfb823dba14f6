//! Outcomes of handing something to the kernel: taken for sure, perhaps refused, or not taken and why.

/// Why something was not taken.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It never will be: larger than the transport carries.
    TooLarge,
    /// Not now.
    NotNow(NotNow),
}

#[derive(Debug, Default)]
pub(crate) struct NotNow {
    pub(crate) reason: String,
    /// Bytes that a stream took.
    pub(crate) taken: usize,
    /// The stream is still there: what was begun can be ended.
    pub(crate) is_open: bool,
    /// The datagrams that were handed over last, and are not [surely](Sent::Surely) sent, are refused too.
    pub(crate) with_the_last: bool,
}

/// How far it is known that a datagram was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The server was there, or cannot be asked.
    Surely,
    /// A refusal may still be on its way.
    Unknown,
}

pub(crate) fn not_now(reason: impl Into<String>) -> Refusal {
    Refusal::NotNow(NotNow { reason: reason.into(), ..NotNow::default() })
}
