//! One run of a loop: how often on how many threads, and the time it took.

/// How a row is to be run.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub threads: usize,
    /// For each thread.
    pub iterations: u64,
}

/// Iterations of each thread before the clock starts. They are part of every total.
pub const WARM: u64 = 1000;

impl Run {
    /// How many operations all threads make, those before the clock included.
    pub fn total(&self) -> u64 {
        self.threads as u64 * (self.iterations + WARM)
    }
}

/// Time of a loop, for one operation.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// From the first thread's start to the last one's end, times threads, over operations.
    pub wall_ns: f64,
    /// CPU time of the threads.
    pub cpu_ns: f64,
    /// Million operations a second, of all threads together.
    pub mops: f64,
    /// The share of the cores' time that the threads had: well below 1, they did not run at the same time.
    pub parallel: f64,
}
