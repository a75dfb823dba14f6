//! State of one process, in a `static`.

use once_cell::race::OnceBox;

/// State of one process, for a `static`: the child of a fork begins with one of its own.
///
/// The child has a copy of its parent's state, which may be locked for ever. It stays as it is, and can be looked at through
/// [`ancestors`](PerProcess::ancestors).
///
/// ```
/// use ferrometer_fork::PerProcess;
/// use std::sync::Mutex;
///
/// static OPENED: PerProcess<Mutex<Vec<String>>> = PerProcess::new();
/// OPENED.get().lock().unwrap().push("a".into());
/// assert_eq!(OPENED.get().lock().unwrap().len(), 1);
/// assert_eq!(OPENED.ancestors().count(), 0);
/// ```
#[derive(Debug)]
pub struct PerProcess<T>(Next<T>);

/// Nobody waits for it: what is half made at a fork would be so for ever in the child.
type Next<T> = OnceBox<Place<T>>;

#[derive(Debug)]
struct Place<T> {
    process: u32,
    state: T,
    child: Next<T>,
}

impl<T> PerProcess<T> {
    /// Creates state that no process has used yet.
    #[must_use]
    pub const fn new() -> PerProcess<T> {
        PerProcess(OnceBox::new())
    }

    /// Returns the states of the processes that this one was forked from, as they stood at the fork, with the numbers of those processes; the first one
    /// first. Their locks can be held for ever: only try them.
    pub fn ancestors(&self) -> impl Iterator<Item = (u32, &T)> {
        let here = std::process::id();
        let places = std::iter::successors(self.0.get(), |place| place.child.get());
        places.take_while(move |place| place.process != here).map(|place| (place.process, &place.state))
    }
}

impl<T: Default> PerProcess<T> {
    /// Returns the state of this process, made at its first use.
    pub fn get(&self) -> &T {
        let process = std::process::id();
        let mut next = &self.0;
        loop {
            let place = next.get_or_init(|| Box::new(Place { process, state: T::default(), child: OnceBox::new() }));
            if place.process == process {
                return &place.state;
            }
            next = &place.child;
        }
    }
}

impl<T> Default for PerProcess<T> {
    fn default() -> PerProcess<T> {
        PerProcess::new()
    }
}
