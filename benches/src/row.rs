//! A row: one thing that is measured, in a process of its own.

pub use crate::run::Run;
use crate::run::Timing;

/// Whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ferrometer.
    Ours,
    /// Another library.
    #[cfg_attr(not(feature = "peers"), allow(dead_code))]
    Peer,
    /// A minimal program that does only that.
    Floor,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Ours => "ours",
            Kind::Peer => "peer",
            Kind::Floor => "floor",
        }
    }
}

/// Result of a row: times, or figures of its own, each with a name.
#[derive(Default)]
pub struct Sample {
    pub figures: Vec<(&'static str, f64)>,
}

impl Sample {
    pub fn with(mut self, name: &'static str, value: f64) -> Sample {
        self.figures.push((name, value));
        self
    }
}

impl From<Timing> for Sample {
    fn from(t: Timing) -> Sample {
        Sample::default()
            .with("wall_ns", t.wall_ns)
            .with("cpu_ns", t.cpu_ns)
            .with("mops", t.mops)
            .with("parallel", t.parallel)
    }
}

#[derive(Clone, Copy)]
pub struct Row {
    /// `group.subject`, unique.
    pub name: &'static str,
    pub kind: Kind,
    pub group: &'static str,
    pub what: &'static str,
    /// The numbers of threads it is run with.
    pub threads: &'static [usize],
    /// For each thread, for about 50 ms.
    pub iterations: u64,
    /// True if more iterations are the same work for longer.
    pub scales: bool,
    /// How many samples of it at most; 0: as many as of the others.
    pub samples: usize,
    pub run: fn(&Run) -> Sample,
}

const THREADS: &[usize] = &[1, 2, 4];

impl Row {
    const fn new(
        kind: Kind,
        group: &'static str,
        name: &'static str,
        what: &'static str,
        run: fn(&Run) -> Sample,
    ) -> Row {
        Row { name, kind, group, what, threads: &[1], iterations: 5_000_000, scales: true, samples: 0, run }
    }
    pub const fn ours(group: &'static str, name: &'static str, what: &'static str, run: fn(&Run) -> Sample) -> Row {
        Row::new(Kind::Ours, group, name, what, run)
    }
    #[cfg(feature = "peers")]
    pub const fn peer(group: &'static str, name: &'static str, what: &'static str, run: fn(&Run) -> Sample) -> Row {
        Row::new(Kind::Peer, group, name, what, run)
    }
    pub const fn floor(group: &'static str, name: &'static str, what: &'static str, run: fn(&Run) -> Sample) -> Row {
        Row::new(Kind::Floor, group, name, what, run)
    }
    /// On 1, 2 and 4 threads.
    pub const fn threaded(mut self) -> Row {
        self.threads = THREADS;
        self
    }
    /// On these numbers of threads.
    pub const fn on(mut self, threads: &'static [usize]) -> Row {
        self.threads = threads;
        self
    }
    pub const fn iterations(mut self, iterations: u64) -> Row {
        self.iterations = iterations;
        self
    }
    /// This many, and neither more nor fewer.
    pub const fn exactly(mut self, iterations: u64) -> Row {
        self.iterations = iterations;
        self.scales = false;
        self
    }
    pub const fn samples(mut self, samples: usize) -> Row {
        self.samples = samples;
        self
    }
}

/// Ends the process unless a total is what it must be.
pub fn expect(what: &str, found: u64, expected: u64) {
    assert!(found == expected, "{what}: {found} instead of {expected}");
}
