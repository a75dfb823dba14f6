//! Samples of many processes, and what is taken from them.

use crate::drive::PARALLEL;
use crate::row::Row;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::{Command, Stdio};

#[derive(Default)]
pub struct Results {
    samples: BTreeMap<(String, usize), Vec<Value>>,
    /// How many samples were left out.
    pub rejected: BTreeMap<(String, usize), usize>,
    /// Rows that ended with an error, and the error.
    pub failed: BTreeMap<String, String>,
    /// Instructions for each iteration, net of the loop.
    pub instructions: BTreeMap<String, f64>,
    /// Figures that come from no row.
    pub other: BTreeMap<String, f64>,
}

impl Results {
    /// Takes one sample, in a process of its own; whether it can be used.
    pub fn sample(&mut self, row: &Row, threads: usize, iterations: u64) -> bool {
        let bench = std::env::current_exe().expect("this program");
        let mut command = Command::new(bench);
        command.args(["run", row.name, "--threads", &threads.to_string(), "--iterations", &iterations.to_string()]);
        let output = command.stdin(Stdio::null()).output().expect("a process");
        let key = (row.name.to_owned(), threads);
        let line =
            String::from_utf8_lossy(&output.stdout).lines().last().and_then(|l| serde_json::from_str::<Value>(l).ok());
        match line.filter(|l| output.status.success() && l["ok"] == true) {
            Some(line) if threads > 1 && line["parallel"].as_f64().is_some_and(|p| p < PARALLEL) => {
                *self.rejected.entry(key).or_default() += 1;
                false
            }
            Some(line) => {
                self.samples.entry(key).or_default().push(line);
                true
            }
            None => {
                let error = String::from_utf8_lossy(&output.stderr).lines().take(3).collect::<Vec<_>>().join(" ");
                self.failed.insert(format!("{} on {threads}", row.name), error);
                false
            }
        }
    }

    pub fn count(&self, row: &str, threads: usize) -> usize {
        self.samples.get(&(row.to_owned(), threads)).map_or(0, Vec::len)
    }

    fn values(&self, row: &str, threads: usize, figure: &str) -> Vec<f64> {
        let samples = self.samples.get(&(row.to_owned(), threads));
        let mut values: Vec<f64> = samples.into_iter().flatten().filter_map(|s| s[figure].as_f64()).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    pub fn min(&self, row: &str, threads: usize, figure: &str) -> Option<f64> {
        self.values(row, threads, figure).first().copied()
    }

    pub fn max(&self, row: &str, threads: usize, figure: &str) -> Option<f64> {
        self.values(row, threads, figure).last().copied()
    }

    pub fn median(&self, row: &str, threads: usize, figure: &str) -> Option<f64> {
        let values = self.values(row, threads, figure);
        values.get(values.len() / 2).copied()
    }

    /// The best peer of several: the least of their minima.
    pub fn least(&self, rows: &[&str], threads: usize, figure: &str) -> Option<f64> {
        rows.iter().filter_map(|r| self.min(r, threads, figure)).min_by(f64::total_cmp)
    }

    /// The best peer of several: the most of their maxima.
    pub fn most(&self, rows: &[&str], threads: usize, figure: &str) -> Option<f64> {
        rows.iter().filter_map(|r| self.max(r, threads, figure)).max_by(f64::total_cmp)
    }
}
