//! `tap`: listens as a statsd server would, and says of each line what it is.
//!
//! | file | idea |
//! |---|---|
//! | `judge` | one line: which servers read it, and why others do not |
//! | `counts` | how many there were, of what, from whom |
//! | `recording` | what was heard, kept in a file and sent again |

mod counts;
mod judge;
mod recording;

use crate::address::{Address, hear};
use crate::outcome::{Failure, Result};
use crate::text::{number, read_duration, visible, visible_bytes};
use clap::Args;
use counts::Counts;
use ferrometer_statsd_input::{Datagrams, Hears, Peer};
use judge::{DIALECTS, Judged, judge};
use recording::{Pace, Recorder, open, replay};
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime};

/// Datagrams that wait to be shown; further ones wait in the socket, and are lost there as a server would lose them.
const WAITING: usize = 4096;

/// Arguments of the command.
#[derive(Debug, Args)]
pub(crate) struct Command {
    /// Where to listen, or with --replay where to send: PORT, HOST:PORT, udp://…, tcp://…, unix:PATH, unix-stream:PATH.
    #[arg(value_name = "ADDR", default_value = "udp://127.0.0.1:8125", value_parser = Address::parse)]
    address: Address,
    /// Keeps what is heard in a new file.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Bytes that such a file may have.
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30)]
    record_bytes: u64,
    /// Sends a file: a recording, or plain lines.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["record", "count", "within", "summary", "dialect"])]
    replay: Option<PathBuf>,
    /// How many times faster than it was recorded it is sent; 0 for as fast as possible.
    #[arg(long, value_name = "TIMES", default_value_t = 1.0, requires = "replay", value_parser = at_least_zero)]
    speed: f64,
    /// Lines a second, of a file of plain lines.
    #[arg(long, value_name = "LINES", default_value_t = 10_000.0, requires = "replay", value_parser = above_zero)]
    rate: f64,
    /// Ends after this many lines.
    #[arg(long, value_name = "LINES")]
    count: Option<u64>,
    /// Ends after this time.
    #[arg(long = "for", value_name = "TIME", value_parser = read_duration)]
    within: Option<Duration>,
    /// Shows the summary alone.
    #[arg(long)]
    summary: bool,
    /// Shows bad lines alone.
    #[arg(long)]
    bad: bool,
    /// Names and senders in the summary.
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    top: usize,
    /// Calls every line bad that this server does not read: etsy, dogstatsd, telegraf, gnocchi, collectd, plain or tagged.
    #[arg(long, value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(DIALECTS))]
    dialect: Option<String>,
}

fn at_least_zero(text: &str) -> std::result::Result<f64, String> {
    text.parse()
        .ok()
        .filter(|value: &f64| (0.0..=1e6).contains(value))
        .ok_or_else(|| "expected a number from 0 to 1000000".into())
}

fn above_zero(text: &str) -> std::result::Result<f64, String> {
    text.parse()
        .ok()
        .filter(|value: &f64| (0.001..=1e9).contains(value))
        .ok_or_else(|| "expected a number from 0.001 to 1000000000".into())
}

/// Hands what a socket hears to the thread that prints.
struct Queue {
    to: SyncSender<(String, Vec<u8>)>,
    closed: Arc<AtomicU64>,
    lost: Arc<AtomicU64>,
}

impl Hears for Queue {
    fn datagrams(&self, datagrams: &Datagrams) {
        for (from, bytes) in datagrams.iter() {
            if self.to.send((from.to_string(), bytes.to_vec())).is_err() {
                return;
            }
        }
    }

    fn lines(&self, from: Peer, _: SystemTime, lines: &[u8]) {
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            if self.to.send((from.to_string(), line.to_vec())).is_err() {
                return;
            }
        }
    }

    fn too_long(&self, _: Peer, _: &[u8]) {
        self.closed.fetch_add(1, Relaxed);
    }

    fn refused(&self, _: Peer) {
        self.closed.fetch_add(1, Relaxed);
    }

    fn lost(&self, datagrams: u64) {
        self.lost.fetch_add(datagrams, Relaxed);
    }
}

/// Runs the command.
pub(crate) fn run(command: &Command, is_json: bool) -> Result {
    let stop = Arc::new(AtomicBool::new(false));
    // Opened before signals are only remembered: a pipe may be waited for.
    let replayed = command.replay.as_deref().map(|path| open(path).map(|file| (path, file))).transpose()?;
    for signal in [SIGINT, SIGTERM] {
        // The second one ends it at once, whatever is waited for.
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop))
            .map_err(|error| Failure::Io(error.to_string()))?;
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(|error| Failure::Io(error.to_string()))?;
    }
    if let Some((path, file)) = replayed {
        let pace = Pace { speed: command.speed, rate: command.rate };
        let (datagrams, bytes) = replay((path, file), &command.address, pace, &stop)?;
        let to = command.address.to_string();
        return match is_json {
            true => Ok(writeln!(io::stdout(), "{}", json!({"sent": datagrams, "bytes": bytes, "to": to}))?),
            false => Ok(writeln!(io::stdout(), "{datagrams} datagrams, {} sent to {to}", crate::text::bytes(bytes))?),
        };
    }
    listen(command, is_json, &stop)
}

fn listen(command: &Command, is_json: bool, stop: &AtomicBool) -> Result {
    let cannot = |error: io::Error| {
        Failure::Io(format!("{} cannot be listened on: {error}", visible(&command.address.to_string())))
    };
    let bound = command.address.bind().map_err(cannot)?;
    let mut recorder =
        command.record.as_deref().map(|path| Recorder::create(path, command.record_bytes)).transpose()?;
    eprintln!("listening on {}", visible(&bound.place()));
    let (to, heard) = sync_channel(WAITING);
    let closed = Arc::new(AtomicU64::new(0));
    let lost = Arc::new(AtomicU64::new(0));
    let queue = Queue { to, closed: Arc::clone(&closed), lost: Arc::clone(&lost) };
    let listening = hear(bound, Arc::new(queue)).map_err(cannot)?;
    let mut counts = Counts::new();
    let mut out = io::stdout().lock();
    let end = command.within.map(|within| Instant::now() + within);
    let is_over = |counts: &Counts| {
        let is_late = end.is_some_and(|end| Instant::now() >= end);
        stop.load(Relaxed) || is_late || command.count.is_some_and(|count| counts.lines >= count)
    };
    let mut result = Ok(());
    while result.is_ok() && !is_over(&counts) {
        match heard.recv_timeout(Duration::from_millis(50)) {
            Ok((from, bytes)) => result = take(command, is_json, &from, &bytes, &mut counts, &mut recorder, &mut out),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    // The receiver goes first, so that nobody waits for room in the queue.
    drop(heard);
    drop(listening);
    (counts.closed, counts.lost) = (closed.load(Relaxed), lost.load(Relaxed));
    recorder.map_or(Ok(()), Recorder::end)?;
    result?;
    match is_json {
        true => writeln!(out, "{}", counts.json(command.top))?,
        false => counts.write(&mut out, command.top)?,
    }
    if counts.bad > 0 { Err(Failure::Told) } else { Ok(()) }
}

fn take(
    command: &Command,
    is_json: bool,
    from: &str,
    bytes: &[u8],
    counts: &mut Counts,
    recorder: &mut Option<Recorder>,
    out: &mut dyn Write,
) -> Result {
    counts.datagrams += 1;
    counts.bytes += bytes.len() as u64;
    if let Some(writer) = recorder
        && !writer.add(bytes)?
    {
        eprintln!("note: the recording is full, and ends here");
        recorder.take().map_or(Ok(()), Recorder::end)?;
    }
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        counts.lines += 1;
        counts.senders.add(from.rsplit_once(':').map_or(from, |(host, _)| host));
        let shown = Shown::new(line, command.dialect.as_deref());
        if let Some(why) = &shown.bad {
            counts.bad += 1;
            counts.reasons.add(why);
        }
        if let Some(name) = shown.name() {
            counts.names.add(name);
        }
        if command.summary || (command.bad && shown.bad.is_none()) {
            continue;
        }
        match is_json {
            true => writeln!(out, "{}", shown.json(from))?,
            false => writeln!(out, "{}", shown.text())?,
        }
        if command.count.is_some_and(|count| counts.lines >= count) {
            break;
        }
    }
    out.flush()?;
    Ok(())
}

/// One line, as it is shown.
struct Shown<'a> {
    bytes: &'a [u8],
    judged: Judged<'a>,
    bad: Option<String>,
}

impl<'a> Shown<'a> {
    fn new(bytes: &'a [u8], dialect: Option<&str>) -> Shown<'a> {
        let judged = judge(bytes);
        let bad = match &judged {
            Judged::Bad(why) => Some(why.clone()),
            Judged::Event(what) => {
                dialect.filter(|d| *d != "dogstatsd").map(|d| format!("{d}: a DogStatsD {what} is not read"))
            }
            Judged::Metric { refused, .. } => {
                let found = refused.iter().find(|(name, _)| Some(*name) == dialect);
                found.map(|(name, why)| format!("{name}: {why}"))
            }
        };
        Shown { bytes, judged, bad }
    }

    fn name(&self) -> Option<&str> {
        match &self.judged {
            Judged::Metric { line, .. } => Some(line.name),
            _ => None,
        }
    }

    /// The dialects that read it; `all`, or `all but` where that is shorter.
    fn readers(&self) -> String {
        let Judged::Metric { refused, .. } = &self.judged else { return "dogstatsd".to_owned() };
        let refused: Vec<&str> = refused.iter().map(|(name, _)| *name).collect();
        match refused.len() {
            0 => "all".to_owned(),
            1 | 2 => format!("all but {}", refused.join(", ")),
            _ => DIALECTS.into_iter().filter(|name| !refused.contains(name)).collect::<Vec<_>>().join(", "),
        }
    }

    fn text(&self) -> String {
        if let Some(why) = &self.bad {
            return format!("BAD   {}   <- {}", visible_bytes(self.bytes), visible(why));
        }
        match &self.judged {
            Judged::Metric { line, .. } => {
                let values = line.samples().map(|sample| {
                    let rate = sample.rate_text.map(|_| format!(" @{}", number(sample.rate))).unwrap_or_default();
                    format!("{}{rate}", visible(sample.values))
                });
                let values = values.collect::<Vec<_>>().join(" ");
                let kind = line.samples().next().map_or("", |sample| sample.letters);
                let tags = line.tag_field.map(|tags| format!("  #{}", visible(tags))).unwrap_or_default();
                format!("{:<4}  {:<32}  {values:>10}{tags}  [{}]", visible(kind), visible(line.name), self.readers())
            }
            Judged::Event(what) => format!("{what}: {}  [{}]", visible_bytes(self.bytes), self.readers()),
            Judged::Bad(_) => String::new(),
        }
    }

    fn json(&self, from: &str) -> serde_json::Value {
        let line = visible_bytes(self.bytes);
        let mut out = json!({"from": from, "line": line, "bad": self.bad});
        if let Judged::Metric { line, refused } = &self.judged {
            let samples = line.samples().map(|s| json!({"values": s.values, "type": s.letters, "rate": s.rate}));
            out["name"] = json!(line.name);
            out["samples"] = samples.collect();
            out["tags"] = json!(line.tag_field);
            let reads = |name: &&str| !refused.iter().any(|(no, _)| no == name);
            out["dialects"] = DIALECTS.into_iter().filter(reads).collect();
            let reasons = refused.iter().map(|(name, why)| ((*name).to_owned(), json!(why)));
            out["refused"] = serde_json::Value::Object(reasons.collect());
        }
        out
    }
}
