//! Asking programs, each on a thread of its own, so that one that does not answer holds up no other.

use super::model::{About, Cardinality};
use crate::outcome::{Failure, Result};
use crate::records::{Line, Record};
use crate::remote::Remote;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::Duration;

/// How far back the first question goes, in seconds.
const BACK: i64 = 600;
/// Records of one answer that are read.
const MOST: usize = 2_000_000;
/// Rounds between two questions about units and meanings.
const ABOUT_EVERY: u32 = 15;

/// News of one program.
pub(crate) enum News {
    Records(Vec<Record>),
    About(BTreeMap<String, About>),
    Cardinality(Cardinality),
    Failure(String),
}

#[derive(Deserialize)]
struct Instruments {
    instruments: Vec<Instrument>,
}

#[derive(Deserialize)]
struct Instrument {
    name: String,
    kind: String,
    #[serde(default)]
    unit: Option<String>,
    #[serde(default)]
    description: Option<String>,
}

/// One program, and how far it was read.
pub(crate) struct Poll {
    remote: Remote,
    newest: Option<i64>,
}

impl Poll {
    pub(crate) fn new(remote: Remote) -> Poll {
        Poll { remote, newest: None }
    }

    /// Returns the generations since the last call; of the first call, those of the last ten minutes.
    pub(crate) fn records(&mut self) -> Result<Vec<Record>> {
        let since = match self.newest {
            Some(newest) => newest,
            None => {
                let newest = self.read("/v1/metrics?limit=1")?.iter().map(|record| record.timestamp).max();
                match newest {
                    Some(newest) => newest - BACK,
                    None => return Ok(Vec::new()),
                }
            }
        };
        // The newest generation may have been replaced within its second; the one before is read once more.
        let records = self.read(&format!("/v1/metrics?history=1&start-time={}", since - 1))?;
        self.newest = records.iter().map(|record| record.timestamp).max().or(self.newest);
        Ok(records)
    }

    fn read(&self, path: &str) -> Result<Vec<Record>> {
        let answer = self.remote.get(path, &[("Accept", "application/x-ndjson")])?;
        let mut records = Vec::new();
        for line in answer.lines() {
            if let Line::Record(record) = Line::parse(&line?, self.remote.base())? {
                if records.len() >= MOST {
                    return Err(Failure::Unreachable("the answer has more than two million records".to_owned()));
                }
                records.push(record);
            }
        }
        Ok(records)
    }

    /// Returns units and meanings.
    pub(crate) fn about(&self) -> Result<BTreeMap<String, About>> {
        let all: Instruments = self.remote.json("/v1/instruments")?;
        let about = |one: Instrument| {
            let (unit, description) = (one.unit.unwrap_or_default(), one.description.unwrap_or_default());
            (one.name, About { kind: one.kind, unit, description })
        };
        Ok(all.instruments.into_iter().map(about).collect())
    }

    /// Returns the names and labels with the most series.
    pub(crate) fn cardinality(&self) -> Result<Cardinality> {
        self.remote.json("/v1/cardinality")
    }

    /// Asks again and again, and hands what is new to the view, until it has gone.
    pub(crate) fn spawn(mut self, at: usize, every: Duration, to: SyncSender<(usize, News)>) -> Result {
        let run = move || {
            let mut round = 0_u32;
            loop {
                let mut news = vec![match self.records() {
                    Ok(records) => News::Records(records),
                    Err(failure) => News::Failure(words(&failure)),
                }];
                if round.is_multiple_of(ABOUT_EVERY) {
                    news.extend(self.about().map(News::About));
                    news.extend(self.cardinality().map(News::Cardinality));
                }
                round = round.wrapping_add(1);
                for one in news {
                    if to.send((at, one)).is_err() {
                        return;
                    }
                }
                thread::sleep(every);
            }
        };
        let begun = thread::Builder::new().name("top".into()).spawn(run);
        begun.map(drop).map_err(|error| Failure::Io(format!("no thread to ask a program: {error}")))
    }
}

pub(crate) fn words(failure: &Failure) -> String {
    match failure {
        Failure::Found(why) | Failure::Usage(why) | Failure::Unreachable(why) | Failure::Io(why) => why.clone(),
        Failure::Told | Failure::Gone => String::new(),
    }
}
