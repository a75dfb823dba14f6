//! Statsd datagrams into the metrics of one resource, named `key|type` as gnocchi-statsd names them.
//!
//! | type | measure |
//! |---|---|
//! | `c` | the sum of values divided by their rates, one for each flush |
//! | `g` | the last value, one for each flush; `+1` and `-1` change it |
//! | `ms`, `h`, `d` | every value, at the time it came, under `key\|ms`; with a rate the value counts once |
//!
//! [`StatsdSettings::exact`] makes it do what gnocchi-statsd does: signs of gauges are those of the value, and of timers the last
//! value of a flush is kept alone.

use crate::statsd_line::{StatsdLine, StatsdSample};
use ferrometer_archive::search::{Filter, Page};
use ferrometer_archive::time::now;
use ferrometer_archive::{Archive, Batch, Error, Metric, Nanos, Point, Resource};
use std::collections::HashMap;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Most names of a flush, and most timer values; further lines are dropped and counted.
const MOST_NAMES: usize = 200_000;
const MOST_VALUES: usize = 2_000_000;
/// Longest name of a metric.
const LONGEST: usize = 255;

/// Settings of the statsd daemon.
#[derive(Clone, Debug)]
pub struct StatsdSettings {
    /// The resource that gets the metrics; it is made when it is not there.
    pub resource: Uuid,
    /// Who makes resource and metrics.
    pub creator: String,
    /// The archive policy of the metrics; without, the rules choose by name.
    pub policy: Option<String>,
    /// Time between flushes.
    pub flush: Duration,
    /// Do what gnocchi-statsd does.
    pub exact: bool,
}

/// Account of a statsd daemon, in lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatsdCounts {
    /// Lines that became part of a measure.
    pub taken: u64,
    /// Lines that are no statsd.
    pub unreadable: u64,
    /// Lines of a type that there is no measure for.
    pub unknown_type: u64,
    /// Lines beyond the limits of a flush.
    pub beyond_limits: u64,
    /// Measures that the archive did not take.
    pub refused: u64,
}

#[derive(Default)]
struct Gathered {
    counters: HashMap<String, f64>,
    /// Values that stay over flushes, and true for those that changed.
    gauges: HashMap<String, (f64, bool)>,
    timers: HashMap<String, Vec<Point>>,
    values: usize,
    counts: StatsdCounts,
    ids: HashMap<String, Uuid>,
}

/// Statsd lines on their way into an archive.
pub struct Statsd {
    archive: Arc<Archive>,
    settings: StatsdSettings,
    gathered: Mutex<Gathered>,
}

/// Takes a line apart; `None` for one that is no statsd, or whose name no metric can have.
fn parse(line: &str) -> Option<StatsdLine<'_>> {
    let line = StatsdLine::parse(line).ok()?;
    (line.name.len() <= LONGEST && !line.name.contains('/')).then_some(line)
}

impl Statsd {
    /// Returns a daemon that hears nothing yet.
    pub fn new(archive: Arc<Archive>, settings: StatsdSettings) -> Statsd {
        Statsd { archive, settings, gathered: Mutex::default() }
    }

    /// Takes a datagram: lines, of which each stands for itself.
    pub fn receive(&self, datagram: &[u8], at: Nanos) {
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        for line in datagram.split(|byte| *byte == b'\n').filter(|line| !line.iter().all(u8::is_ascii_whitespace)) {
            let taken = std::str::from_utf8(line).ok().map(str::trim).and_then(parse);
            match taken {
                Some(line) => self.take(&mut gathered, &line, at),
                None => gathered.counts.unreadable += 1,
            }
        }
    }

    fn take(&self, gathered: &mut Gathered, line: &StatsdLine<'_>, at: Nanos) {
        let mut samples = Vec::with_capacity(line.samples.len());
        for sample in &line.samples {
            let kind = match sample.kind {
                "c" => "c",
                "g" => "g",
                "ms" | "h" | "d" => "ms",
                _ => {
                    gathered.counts.unknown_type += 1;
                    return;
                }
            };
            let Ok(values) = sample.numbers() else {
                gathered.counts.unreadable += 1;
                return;
            };
            samples.push((kind, sample, values));
        }
        for (kind, sample, values) in samples {
            if !self.add(gathered, line.name, kind, sample, &values, at) {
                gathered.counts.beyond_limits += 1;
                return;
            }
        }
        gathered.counts.taken += 1;
    }

    /// Adds the values of a sample; returns `false` where they are beyond the limits of a flush.
    fn add(
        &self,
        gathered: &mut Gathered,
        name: &str,
        kind: &str,
        sample: &StatsdSample<'_>,
        values: &[f64],
        at: Nanos,
    ) -> bool {
        let key = format!("{name}|{kind}");
        let names = gathered.counters.len() + gathered.gauges.len() + gathered.timers.len();
        let known = match kind {
            "c" => gathered.counters.contains_key(&key),
            "g" => gathered.gauges.contains_key(&key),
            _ => gathered.timers.contains_key(&key),
        };
        if (!known && names >= MOST_NAMES) || (kind == "ms" && gathered.values >= MOST_VALUES) {
            return false;
        }
        match kind {
            "c" => *gathered.counters.entry(key).or_default() += values.iter().sum::<f64>() / sample.rate,
            "g" => {
                let gauge = gathered.gauges.entry(key).or_default();
                let signed = sample.is_signed() && !self.settings.exact;
                for value in values {
                    *gauge = (if signed { gauge.0 + value } else { *value }, true);
                }
            }
            _ => {
                gathered.values += values.len();
                let points = gathered.timers.entry(key).or_default();
                for value in values {
                    // A nanosecond apart, so that none replaces another.
                    let next = points.last().map_or(at, |last| at.max(last.at + 1));
                    points.push(Point { at: next, value: *value });
                }
            }
        }
        true
    }

    /// Hands what has come to the archive.
    ///
    /// # Errors
    /// Those of the archive; then the measures of this flush are counted as refused.
    pub fn flush(&self, at: Nanos) -> Result<(), Error> {
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        let mut measures: Vec<(String, Vec<Point>)> = Vec::new();
        measures.extend(gathered.counters.drain().map(|(name, value)| (name, vec![Point { at, value }])));
        for (name, (value, changed)) in &mut gathered.gauges {
            if std::mem::take(changed) {
                measures.push((name.clone(), vec![Point { at, value: *value }]));
            }
        }
        for (name, mut points) in gathered.timers.drain() {
            if self.settings.exact {
                points = points.last().map(|last| Point { at, value: last.value }).into_iter().collect();
            }
            measures.push((name, points));
        }
        gathered.values = 0;
        if measures.is_empty() {
            return Ok(());
        }
        let count: usize = measures.iter().map(|(_, points)| points.len()).sum();
        let mut ids = std::mem::take(&mut gathered.ids);
        // Lines that come meanwhile do not wait for the disk.
        drop(gathered);
        let result = self.place(measures, &mut ids).and_then(|batch| self.archive.append(batch));
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        // After an error the metrics are looked for again: one may have been removed.
        gathered.ids = if result.is_ok() { ids } else { HashMap::new() };
        gathered.counts.refused += if result.is_err() { count as u64 } else { 0 };
        result
    }

    /// Finds or makes the metrics.
    fn place(&self, measures: Vec<(String, Vec<Point>)>, ids: &mut HashMap<String, Uuid>) -> Result<Batch, Error> {
        let resource = self.settings.resource;
        if measures.iter().any(|(name, _)| !ids.contains_key(name)) {
            self.make_resource()?;
            let known =
                self.archive.metrics(Some(&Filter::is("resource_id", resource.to_string())), &Page::default())?;
            ids.extend(known.into_iter().filter_map(|metric| Some((metric.name?, metric.id))));
            let mut new = Vec::new();
            for (name, _) in measures.iter().filter(|(name, _)| !ids.contains_key(name)) {
                let policy = match &self.settings.policy {
                    Some(policy) => policy.clone(),
                    None => self.archive.policy_for(Some(name))?,
                };
                let creator = self.settings.creator.clone();
                new.push(Metric {
                    id: Uuid::new_v4(),
                    creator,
                    name: Some(name.clone()),
                    unit: None,
                    policy,
                    resource: Some(resource),
                });
            }
            self.archive.add_metrics(&new)?;
            ids.extend(new.into_iter().filter_map(|metric| Some((metric.name?, metric.id))));
        }
        Ok(measures.into_iter().filter_map(|(name, points)| Some((*ids.get(&name)?, points))).collect())
    }

    fn make_resource(&self) -> Result<(), Error> {
        let id = self.settings.resource;
        if self.archive.index().resource("generic", id)?.is_some() {
            return Ok(());
        }
        let at = now() / 1000 * 1000;
        let resource = Resource {
            id,
            kind: "generic".into(),
            original_id: id.to_string(),
            creator: self.settings.creator.clone(),
            user: None,
            project: None,
            started_at: at,
            ended_at: None,
            revision_start: at,
            revision_end: None,
            revision: -1,
            attributes: serde_json::Map::new(),
        };
        match self.archive.add_resource(&resource, &[]) {
            Err(Error::ResourceExists(_)) => Ok(()),
            other => other,
        }
    }

    /// Returns the account.
    pub fn counts(&self) -> StatsdCounts {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner).counts
    }

    /// Hears a socket on a thread, until the guard is dropped, which flushes.
    ///
    /// # Errors
    /// [`Error::Io`] when the socket or the thread refuses.
    pub fn listen(self: Arc<Self>, socket: UdpSocket) -> Result<Listening, Error> {
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopped);
        let thread = std::thread::Builder::new().name("statsd".into()).spawn(move || {
            let mut datagram = vec![0; 65_536];
            let mut flushed = Instant::now();
            let mut before = StatsdCounts::default();
            while !stop.load(Ordering::Relaxed) {
                if let Ok(length) = socket.recv(&mut datagram) {
                    self.receive(&datagram[..length], now());
                }
                if flushed.elapsed() >= self.settings.flush {
                    flushed = Instant::now();
                    if let Err(error) = self.flush(now()) {
                        tracing::warn!(%error, "the archive did not take the measures of a flush");
                    }
                    let counts = self.counts();
                    if (counts.unreadable, counts.unknown_type, counts.beyond_limits)
                        != (before.unreadable, before.unknown_type, before.beyond_limits)
                    {
                        tracing::warn!(?counts, "statsd lines were dropped");
                    }
                    before = counts;
                }
            }
            if let Err(error) = self.flush(now()) {
                tracing::warn!(%error, "the archive did not take the measures of the last flush");
            }
        })?;
        Ok(Listening { stopped, thread: Some(thread) })
    }
}

/// A daemon that hears its socket; dropping it ends that.
pub struct Listening {
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
