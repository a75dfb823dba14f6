//! The command: usage of one period, of a stretch of time, or of everything that is due.

mod failure;
mod store;

use crate::client::{Client, Limits};
use crate::collect::{Collector, Notice};
use crate::config::{Boundaries, Config, Fetcher, Format, Options, check_processors};
use crate::period::{iso, moment, month_start, now};
use crate::run::{self, Report, Task};
use crate::scope;
use crate::stderr_log;
use clap::Parser;
use failure::Failure;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use store::{Store, due};

/// Collects usage per scope and period from a Prometheus, by the metric definitions of CloudKitty.
///
/// With --begin one period, with --from and --to a stretch of time, else every period that is due, again and again.
#[derive(Debug, Parser)]
#[command(name = "collector", version)]
struct Alone {
    #[command(flatten)]
    args: Args,
}

/// Arguments of the command, for a program that has it as one of several.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// cloudkitty.conf, or a .toml file with the same keys.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Definitions, in the place of collect.metrics_conf.
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// Scope to collect, may be given several times. Without it scopes are fetched as [fetcher_prometheus] says.
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// Begin of one period: seconds since 1970, 2026-01-31 or 2026-01-31T13:00:00Z.
    #[arg(long, value_name = "MOMENT", conflicts_with_all = ["from", "to"])]
    begin: Option<String>,
    /// Begin of the first period.
    #[arg(long, value_name = "MOMENT")]
    from: Option<String>,
    /// End of the last period.
    #[arg(long, value_name = "MOMENT", requires = "from")]
    to: Option<String>,
    /// Prints each query and its address, and asks nothing.
    #[arg(long, requires = "begin", requires = "scope")]
    explain: bool,
    /// Collects what is due now, and ends.
    #[arg(long)]
    once: bool,
    /// Folder of the checkpoints.
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    /// File that data points are appended to; - is the standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Form of data points.
    #[arg(long, value_name = "FORM", value_parser = ["json", "csv"])]
    format: Option<String>,
    /// Name of this processor.
    #[arg(long, value_name = "NAME")]
    processor: Option<String>,
    /// Names of all processors, with commas between.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    processors: Option<Vec<String>>,
    /// Requests that are under way at once.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: Option<u16>,
    /// Periods that one request asks for where several are due.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=11_000))]
    periods_per_query: Option<u16>,
    /// Shows no progress bar.
    #[arg(long)]
    quiet: bool,
    /// Prints JSON alone, one value a line.
    #[arg(skip)]
    json: bool,
}

impl Args {
    /// Has everything that is printed be JSON, one value a line: data points, what `--explain` tells as `{"scope", "query", "url"}`, and an error that
    /// ends it as `{"error", "code"}`.
    #[must_use]
    pub fn json(mut self) -> Args {
        self.json = true;
        self.format.get_or_insert_with(|| "json".to_owned());
        self
    }
}

/// Runs the command with the arguments of this program. Returns 0, 1 where something was not collected, 2 for wrong arguments or files.
#[must_use]
pub fn main() -> ExitCode {
    run_with(std::env::args_os())
}

/// Runs the command with arguments, the first of which is the program's name. Warnings go to the standard error where the program has
/// set no subscriber of `tracing`.
#[must_use]
pub fn run_with(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match Alone::try_parse_from(arguments) {
        Ok(alone) => run(alone.args),
        Err(error) => {
            let _ = error.print();
            if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
        }
    }
}

/// Runs the command with arguments that are parsed. As for [`run_with`], warnings go to the standard error.
#[must_use]
pub fn run(args: Args) -> ExitCode {
    let _ = tracing::subscriber::set_global_default(stderr_log::StderrLog);
    let json = args.json;
    let told = |message: &str, code: u8| {
        match json {
            true => eprintln!("{}", serde_json::json!({"error": message, "code": code})),
            false => eprintln!("{message}"),
        }
        ExitCode::from(code)
    };
    match command(args) {
        Ok(complete) => ExitCode::from(u8::from(!complete)),
        Err(Failure::Usage(message)) => told(&message, 2),
        Err(Failure::Work(message)) => told(&message, 1),
        // The reader of the data points has gone.
        Err(Failure::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Failure::Io(error)) => told(&error.to_string(), 1),
    }
}

fn command(args: Args) -> Result<bool, Failure> {
    let config = configured(&args)?;
    for warning in &config.warnings {
        eprintln!("warning: {warning}");
    }
    let limits = limits(&config.options);
    let moment = |text: &Option<String>, name: &str| {
        let parsed = text.as_deref().map(moment).transpose();
        parsed.map_err(|message| Failure::Usage(format!("--{name}: {message}")))
    };
    let (begin, from, to) = (moment(&args.begin, "begin")?, moment(&args.from, "from")?, moment(&args.to, "to")?);
    let client = Client::new(&config.server, limits).map_err(|e| Failure::Usage(e.to_string()))?;
    let collector = Collector::new(client, config);
    let period = i64::from(collector.config().period);
    if let (true, Some(begin)) = (args.explain, begin) {
        return explain(&collector, &args.scope, begin + period, args.json);
    }
    if let Some((from, to)) = from.zip(to)
        && (to <= from || (to - from) % period != 0)
    {
        let found = format!("--from {} --to {}", iso(from), iso(to));
        return Err(Failure::Usage(format!("{found}: expected one or more whole periods of {period} seconds")));
    }
    if let Some(end) = begin.map(|b| b + period).or(to).filter(|end| *end > now()) {
        let message = format!("the period ends at {}, and this machine's clock says {}", iso(end), iso(now()));
        return Err(Failure::Usage(message));
    }
    let fetched = fetch_client(&collector, limits)?;
    let span = match (begin, from) {
        (Some(begin), _) => Some((begin, begin + period)),
        (None, Some(from)) => Some((from, to.unwrap_or_else(|| due(&collector, from)))),
        (None, None) => None,
    };
    let mut store = Store::open(collector.config(), limits)?;
    loop {
        // Without a stretch of time: of what became due since the last round, however long ago that was.
        let during = span.unwrap_or_else(|| {
            let from = store.checkpoints().1.and_then(|c| c.furthest()).unwrap_or_else(|| month_start(now()));
            (from, due(&collector, from))
        });
        let scopes = scopes(&args, &collector, fetched.as_ref(), during, span.is_none())?;
        let quiet = args.quiet || span.is_none();
        let complete = match store.shares() {
            true => shared(&collector, scopes, span, &mut store)?,
            false => {
                let tasks = store.tasks(&collector, scopes, span);
                collect(&collector, &tasks, &mut store, quiet)?
            }
        };
        if span.is_some() || args.once {
            return Ok(complete);
        }
        std::thread::sleep(Duration::from_secs((period as u64 / 10).clamp(1, 60)));
    }
}

/// Reads the files and lays the arguments over them.
fn configured(args: &Args) -> Result<Config, Failure> {
    let mut config = Config::load(&args.config, args.metrics.as_deref()).map_err(|e| Failure::Usage(e.to_string()))?;
    let options = &mut config.options;
    if let Some(state) = &args.state {
        options.state = Some(state.clone());
    }
    if let Some(output) = &args.output {
        options.output = Some(output.clone());
    }
    match args.format.as_deref() {
        Some("csv") => options.format = Format::Csv,
        Some(_) => options.format = Format::Json,
        None => {}
    }
    if let Some(processor) = &args.processor {
        options.processor.clone_from(processor);
    }
    if let Some(processors) = &args.processors {
        options.processors.clone_from(processors);
    }
    options.concurrency = args.concurrency.map_or(options.concurrency, usize::from);
    options.periods_per_query = args.periods_per_query.map_or(options.periods_per_query, usize::from);
    check_processors(&options.processor, &options.processors)
        .map_err(|e| Failure::Usage(format!("--processors: {e}")))?;
    Ok(config)
}

fn limits(options: &Options) -> Limits {
    Limits {
        max_reply_bytes: options.max_reply_bytes,
        retries: options.retries,
        connections: options.concurrency,
        ..Limits::default()
    }
}

/// Prints each definition's query and address.
fn explain(collector: &Collector, scopes: &[String], end: i64, json: bool) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    for scope in scopes {
        for (query, url) in collector.explain(scope, end) {
            match json {
                true => writeln!(out, "{}", serde_json::json!({"scope": scope, "query": query, "url": url}))?,
                false => writeln!(out, "{query}\n{url}")?,
            }
        }
    }
    let config = collector.config();
    if config.options.boundaries == Boundaries::Once && config.definitions.iter().any(|d| d.range_function.is_none()) {
        let millis = u64::from(config.period) * 1000 - 1;
        let (seconds, key) = (config.period, "boundaries = as_served");
        eprintln!(
            "note: a server whose ranges include both ends, as Prometheus 2, is asked for [{millis}ms] in the place of [{seconds}s]; {key} keeps it"
        );
    }
    Ok(true)
}

/// Makes a client of the fetcher's server.
fn fetch_client(collector: &Collector, limits: Limits) -> Result<Option<Client>, Failure> {
    match &collector.config().fetcher {
        Some(Fetcher::Prometheus { server, .. }) if **server != collector.config().server => {
            Client::new(server, limits).map(Some).map_err(|e| Failure::Usage(format!("fetcher_prometheus: {e}")))
        }
        _ => Ok(None),
    }
}

/// Returns the named scopes, or those that the fetcher finds, less those of other processors.
///
/// The fetcher is asked for the scopes of the periods that are to be collected, because some of them may be gone by now.
fn scopes(
    args: &Args,
    collector: &Collector,
    fetched: Option<&Client>,
    (from, to): (i64, i64),
    and_now: bool,
) -> Result<Vec<String>, Failure> {
    let config = collector.config();
    let mut scopes = match &config.fetcher {
        _ if !args.scope.is_empty() => args.scope.clone(),
        Some(fetcher) => {
            let client = fetched.unwrap_or(collector.client());
            let failed = |e| Failure::Work(format!("scopes cannot be fetched: {e}"));
            let mut scopes = scope::fetch_during(fetcher, client, from, to).map_err(failed)?;
            if and_now {
                scopes.extend(scope::fetch(fetcher, client, now()).map_err(failed)?);
            }
            scopes
        }
        None => {
            let message = "no scope is named: expected --scope, or [fetcher_prometheus] metric in the configuration";
            return Err(Failure::Usage(message.into()));
        }
    };
    scopes.sort();
    scopes.dedup();
    if scopes.is_empty() {
        eprintln!("warning: the fetcher found no scopes");
    }
    let Options { processor, processors, .. } = &config.options;
    let owned = |s: &String| scope::owner(s, processors).is_none_or(|owner| owner == processor);
    Ok(scopes.into_iter().filter(owned).collect())
}

/// Collects what can be claimed, until there is nothing left to claim; of a stretch of time, until everybody is done with it.
#[cfg(feature = "leases")]
fn shared(
    collector: &Collector,
    mut scopes: Vec<String>,
    span: Option<(i64, i64)>,
    store: &mut Store,
) -> Result<bool, Failure> {
    let at_once = collector.config().options.concurrency * 4;
    let mut complete = true;
    if let Some(leases) = &mut store.leases {
        leases.add(&scopes)?;
    }
    loop {
        let to = span.map_or_else(|| due(collector, month_start(now())), |(_, to)| to);
        let Some(leases) = &mut store.leases else { return Ok(complete) };
        let claimed = leases.claim(&scopes, to, at_once)?;
        if claimed.is_empty() {
            if span.is_none() || leases.remaining(&scopes, to)? == 0 {
                return Ok(complete);
            }
            std::thread::sleep(Duration::from_millis(500));
            continue;
        }
        let tasks = store.tasks(collector, claimed.clone(), span);
        match collect(collector, &tasks, store, true) {
            Ok(done) => {
                complete &= done;
                // A scope that failed is not tried again in this round.
                let claimed: std::collections::HashSet<_> = claimed.into_iter().collect();
                scopes.retain(|scope| !claimed.contains(scope));
            }
            Err(Failure::Io(error)) if crate::leases::is_lost(&error) => eprintln!("warning: {error}"),
            Err(failure) => return Err(failure),
        }
        if let Some(leases) = &mut store.leases {
            leases.release()?;
        }
    }
}

#[cfg(not(feature = "leases"))]
fn shared(_: &Collector, _: Vec<String>, _: Option<(i64, i64)>, _: &mut Store) -> Result<bool, Failure> {
    Ok(true)
}

/// Collects tasks, with a bar where somebody watches.
fn collect(collector: &Collector, tasks: &[Task], store: &mut Store, quiet: bool) -> Result<bool, Failure> {
    let period = i64::from(collector.config().period);
    let total: i64 = tasks.iter().map(|t| (t.to - t.from).max(0) / period).sum();
    let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr_with_hz(4));
    if quiet || total < 2 {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} periods of scopes, {per_sec}, {eta} left") {
        bar.set_style(style);
    }
    let (sink, checkpoints) = store.checkpoints();
    let report = run::run(collector, tasks, sink, checkpoints, &mut |periods| bar.inc(periods));
    bar.finish_and_clear();
    let report = report?;
    tell(&report);
    Ok(report.failed == 0)
}

/// Says what was not collected, and why.
fn tell(report: &Report) {
    for (cause, count) in &report.notices {
        eprintln!("{count} × {cause}");
    }
    let shown: Vec<&Notice> = report.examples.iter().take(5).collect();
    for notice in &shown {
        eprintln!("  {notice}");
    }
    for failure in &report.failures {
        eprintln!("error: {failure}");
    }
    if report.failed > report.failures.len() as u64 {
        eprintln!("error: {} scopes failed", report.failed);
    }
}
