//! Scale: what collecting, delivering, scraping, starting and idling cost as series and threads become many.
//!
//! A point is a row at a number of series, a number of threads and a share of the series that changes. Each is measured in a process of its own.
//! Figures are CPU time and bytes, which a busy machine hardly changes; the few that are elapsed time say so.

mod cost;
mod goals;
mod life;
mod memory;
mod page;
mod size;
pub mod work;

use crate::row::Sample;
use serde_json::Value;
use std::process::{Command, Stdio};

/// The coordinates of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    pub series: u64,
    pub threads: usize,
    /// How many of 1,000 series change from one collection to the next.
    pub changed: u64,
}

/// A row of points.
#[derive(Clone, Copy)]
pub struct Row {
    pub name: &'static str,
    pub what: &'static str,
    pub points: &'static [At],
    pub run: fn(&At) -> Sample,
}

pub const fn at(series: u64) -> At {
    At { series, threads: 1, changed: 10 }
}

/// The curve over series alone.
pub const SERIES: &[At] = &[at(10), at(1_000), at(100_000), at(1_000_000)];

/// The curves over series, threads and changes.
pub const ALL: &[At] = &[
    at(10),
    at(1_000),
    at(100_000),
    at(1_000_000),
    At { series: 100_000, threads: 64, changed: 10 },
    At { series: 100_000, threads: 1_024, changed: 10 },
    At { series: 1_000_000, threads: 1, changed: 1 },
    At { series: 1_000_000, threads: 1, changed: 1_000 },
];

/// One point, measured.
pub struct Measured {
    pub row: &'static str,
    pub at: At,
    pub figures: Value,
}

impl Measured {
    pub fn get(&self, figure: &str) -> Option<f64> {
        self.figures[figure].as_f64()
    }
}

fn rows() -> Vec<Row> {
    [memory::ROWS, cost::ROWS, life::ROWS].concat()
}

/// Measures one point in this process, and prints its figures.
pub fn point(name: &str, series: u64, threads: usize, changed: u64) -> bool {
    let Some(row) = rows().into_iter().find(|row| row.name == name) else {
        let names: Vec<&str> = rows().iter().map(|row| row.name).collect();
        eprintln!("no row of scale is called {name:?}; there are {}", names.join(", "));
        return false;
    };
    let mut line = serde_json::json!({ "ok": true });
    for (figure, value) in (row.run)(&At { series, threads, changed }).figures {
        line[figure] = value.into();
    }
    println!("{line}");
    true
}

/// Measures one point in a process of its own.
fn measure(row: &Row, at: At) -> Result<Measured, String> {
    let mut command = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
    let of = [("--series", at.series), ("--threads", at.threads as u64), ("--changed", at.changed)];
    command.args(["point", row.name]);
    for (name, n) in of {
        command.args([name, &n.to_string()]);
    }
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figures = text.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok());
    match figures.filter(|figures| output.status.success() && figures["ok"] == true) {
        Some(figures) => Ok(Measured { row: row.name, at, figures }),
        None => Err(String::from_utf8_lossy(&output.stderr).lines().take(3).collect::<Vec<_>>().join(" ")),
    }
}

/// Measures all points, prints curves and goals, and writes the page. `quick` leaves out what takes more than some seconds, and `only` all rows but those
/// that begin so: what is left out keeps the figures that the page has. Returns whether every point could be measured.
pub fn run(quick: bool, builds: bool, only: Option<&str>) -> bool {
    let (mut all, mut failed) = (page::kept(&rows()), Vec::new());
    let mut take = |measured: Measured| {
        all.retain(|known| (known.row, known.at) != (measured.row, measured.at));
        all.push(measured);
    };
    for row in rows().iter().filter(|row| only.is_none_or(|only| row.name.starts_with(only))) {
        for at in row.points.iter().filter(|at| !quick || (at.series <= 100_000 && at.threads <= 64)) {
            match measure(row, *at) {
                Ok(measured) => {
                    eprintln!("{} {at:?}: {}", row.name, measured.figures);
                    take(measured);
                }
                Err(error) => failed.push(format!("{} at {at:?}: {error}", row.name)),
            }
        }
    }
    if builds {
        size::measure(only, &mut failed).into_iter().for_each(&mut take);
    }
    let place = |measured: &Measured| {
        let row = rows().iter().position(|row| row.name == measured.row);
        let size = size::NAMES.iter().position(|name| *name == measured.row);
        (
            row.unwrap_or(usize::MAX),
            size,
            measured.at.series,
            measured.at.threads,
            measured.at.changed != 10,
            measured.at.changed,
        )
    };
    all.sort_by_key(place);
    println!("{}", page::curves(&rows(), &all));
    println!("{}", page::goals(&goals::judge(&all)));
    failed.iter().for_each(|failed| println!("FAILED: {failed}"));
    page::write(&rows(), &all);
    failed.is_empty()
}
