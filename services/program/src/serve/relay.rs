//! Lines of statsd on their way: into the archive, and recorded as if the server had measured them itself, so that the cache, the page and the
//! backends of `[metrics]` have them.
//!
//! | line | recorded as |
//! |---|---|
//! | `c`, `m` | a counter; what is left of a whole number is kept for the next line |
//! | `g` | a gauge; with a sign it is changed |
//! | `ms` | a timer; with a rate it counts as often as it stands for |
//! | `h`, `d` | a histogram |
//! | tags, in any dialect | labels |

use ferrometer::{Counter, Gauge, Histogram, Logger, Timer, count, get_logger, logger};
use ferrometer_gnocchi::Statsd;
use ferrometer_statsd_input::{Datagrams, Hears, Kind, Line, Peer, Sample};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// The server's own account of statsd.
static SERVER: Logger = logger!("server.statsd");

/// Series that are remembered; lines of further ones are looked up each time.
const REMEMBERED: usize = 100_000;
/// A value with a rate counts so often at most.
const MOST_TIMES: f64 = 1000.0;
/// Milliseconds of the longest duration: 31 years.
const LONGEST_MS: f64 = 1e12;

/// See the [module](self).
pub(crate) struct Relay {
    archive: Option<Arc<Statsd>>,
    recorder: Option<Mutex<Recorder>>,
}

#[derive(Default)]
struct Recorder {
    known: HashMap<String, Series>,
    key: String,
}

#[derive(Clone, Copy)]
enum Handle {
    Counter(Counter),
    Gauge(Gauge),
    Timer(Timer),
    Histogram(Histogram),
}

struct Series {
    handle: Handle,
    /// Remainder of a counter that is no whole number.
    rest: f64,
}

impl Relay {
    pub(crate) fn new(archive: Option<Arc<Statsd>>, records: bool) -> Relay {
        Relay { archive, recorder: records.then(Mutex::default) }
    }

    fn record(&self, bytes: &[u8]) {
        let Some(recorder) = &self.recorder else { return };
        let mut recorder = recorder.lock().unwrap_or_else(PoisonError::into_inner);
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
            count!(SERVER, "lines");
            let recorded = std::str::from_utf8(line).ok().and_then(|text| {
                let line = Line::parse(text.trim()).ok()?;
                recorder.line(&line)
            });
            if recorded.is_none() {
                count!(SERVER, "unreadable");
            }
        }
    }
}

impl Recorder {
    /// Records a line; `None` for one that cannot be.
    fn line(&mut self, line: &Line<'_>) -> Option<()> {
        let samples: Option<Vec<Vec<f64>>> =
            line.samples().map(|sample| sample.numbers().collect::<Result<_, _>>().ok()).collect();
        for (sample, values) in line.samples().zip(samples?) {
            self.sample(line, sample, &values)?;
        }
        Some(())
    }

    fn sample(&mut self, line: &Line<'_>, sample: &Sample<'_>, values: &[f64]) -> Option<()> {
        let kind = match sample.kind()? {
            Kind::Counter => "c",
            Kind::Gauge => "g",
            Kind::Timer => "ms",
            Kind::Histogram | Kind::Distribution => "h",
            _ => return None,
        };
        self.key.clear();
        self.key.extend([kind, "|", line.name, "|", line.tag_field.unwrap_or_default()]);
        if !self.known.contains_key(self.key.as_str()) {
            let series = Series { handle: handle(line, kind), rest: 0.0 };
            if self.known.len() >= REMEMBERED {
                let mut series = series;
                return series.add(sample, values);
            }
            self.known.insert(self.key.clone(), series);
        }
        self.known.get_mut(self.key.as_str())?.add(sample, values)
    }
}

impl Series {
    fn add(&mut self, sample: &Sample<'_>, values: &[f64]) -> Option<()> {
        let times = (1.0 / sample.rate).round().clamp(1.0, MOST_TIMES) as u32;
        for value in values {
            match self.handle {
                Handle::Counter(counter) => {
                    let whole = value / sample.rate + self.rest;
                    let rounded = whole.round();
                    if rounded.abs() >= 9e15 {
                        return None;
                    }
                    self.rest = whole - rounded;
                    counter.add(rounded as i64);
                }
                Handle::Gauge(gauge) if sample.is_signed() => gauge.add(*value),
                Handle::Gauge(gauge) => gauge.set(*value),
                Handle::Timer(timer) => {
                    if !(0.0..=LONGEST_MS).contains(value) {
                        return None;
                    }
                    let duration = Duration::from_secs_f64(value / 1000.0);
                    (0..times).for_each(|_| timer.record(duration));
                }
                Handle::Histogram(histogram) => (0..times).for_each(|_| histogram.record(*value)),
            }
        }
        Some(())
    }
}

/// Makes the series of a line, with its tags as labels.
fn handle(line: &Line<'_>, kind: &str) -> Handle {
    let name = line.bare_name();
    let labels: Vec<(&str, &str)> = line.tags().map(|(key, value)| (key, value.unwrap_or("true"))).collect();
    let (logger, metric) = name.rsplit_once('.').unwrap_or(("", name));
    let logger = get_logger(logger).with_all(&labels);
    let metric = metric.to_owned();
    match kind {
        "c" => Handle::Counter(logger.counter(metric)),
        "g" => Handle::Gauge(logger.gauge(metric)),
        "ms" => Handle::Timer(logger.timer(metric)),
        _ => Handle::Histogram(logger.histogram(metric)),
    }
}

impl Hears for Relay {
    fn datagrams(&self, datagrams: &Datagrams) {
        if let Some(archive) = &self.archive {
            archive.datagrams(datagrams);
        }
        datagrams.iter().for_each(|(_, bytes)| self.record(bytes));
    }

    fn lines(&self, from: Peer, at: SystemTime, lines: &[u8]) {
        if let Some(archive) = &self.archive {
            archive.lines(from, at, lines);
        }
        self.record(lines);
    }

    fn too_long(&self, from: Peer, beginning: &[u8]) {
        count!(SERVER, "too_long");
        match &self.archive {
            // It tells the line.
            Some(archive) => archive.too_long(from, beginning),
            None => tracing::warn!(%from, "a line of statsd was skipped: it is longer than a line may be"),
        }
    }

    fn refused(&self, from: Peer) {
        count!(SERVER, "too_many_connections");
        if let Some(archive) = &self.archive {
            archive.refused(from);
        }
    }

    fn lost(&self, datagrams: u64) {
        count!(SERVER, "datagrams_lost", datagrams);
        match &self.archive {
            Some(archive) => archive.lost(datagrams),
            None => tracing::warn!(
                datagrams,
                "the system threw statsd datagrams away: they came faster than they were read"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferrometer::testing::Capture;

    #[test]
    fn lines_are_recorded_as_they_are_meant() {
        let capture = Capture::start();
        let relay = Relay::new(None, true);
        let lines = "a.b:1.5|c\na.b:1.5|c\na.c:2|c|@0.1\na.g:10|g\na.g:-3|g\na.t:250|ms|@0.5\na.h:7|h|#zone:x\nbad\na.s:u|s\na.c:x|c\n";
        relay.record(lines.as_bytes());
        assert_eq!(capture.counter("a.b"), 3);
        assert_eq!(capture.counter("a.c"), 20);
        assert_eq!(capture.gauge("a.g"), Some(7.0));
        assert_eq!(capture.counter("server.statsd.lines"), 10);
        assert_eq!(capture.counter("server.statsd.unreadable"), 3);
    }
}
