//! `top`: the metrics of one or more programs in the terminal, as they change.
//!
//! | file | idea |
//! |---|---|
//! | `poll` | asks the programs |
//! | `model` | what is known of them |
//! | `state` | what the reader has chosen |
//! | `draw` | lines of text |

mod draw;
mod model;
mod poll;
mod state;

use crate::outcome::{Failure, Result};
use crate::remote::Access;
use crate::text::read_duration;
use clap::Args;
use draw::{Look, draw};
use model::{Program, Sort, ledger, rows};
use poll::{News, Poll, words};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use serde_json::json;
use signal_hook::consts::SIGTERM;
use state::{State, View};
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// News that wait to be shown.
const WAITING: usize = 16;
/// How long a key is waited for before the picture is drawn again.
const LOOK: Duration = Duration::from_millis(250);
/// Programs at a time.
const MOST_PROGRAMS: usize = 64;

/// Arguments of the command. Without colour where NO_COLOR is set, in plain letters where the terminal's language has no UTF-8.
#[derive(Debug, Args)]
pub(crate) struct Command {
    /// Addresses of programs that serve a pull cache.
    #[arg(value_name = "URL", env = "FERROMETER_URL", value_delimiter = ',', default_value = "http://127.0.0.1:9620")]
    urls: Vec<String>,
    /// Time between two questions.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = read_duration)]
    every: Duration,
    /// Shows only metrics that have these words.
    #[arg(long, value_name = "TEXT", default_value = "")]
    search: String,
    /// Order of the list.
    #[arg(long, value_enum, default_value_t = Sort::Name)]
    sort: Sort,
    /// Shows ferrometer's own metrics too.
    #[arg(long)]
    own: bool,
    /// Prints one picture, and ends: for a pipe, or a terminal that can do nothing. --json does so too.
    #[arg(long)]
    once: bool,
    /// Begins with the ledger.
    #[arg(long)]
    ledger: bool,
    /// Begins with the names and labels that have the most series.
    #[arg(long, conflicts_with = "ledger")]
    cardinality: bool,
    /// Columns of the picture of --once.
    #[arg(long, value_name = "COLUMNS", default_value_t = 80, value_parser = clap::value_parser!(u16).range(20..=500))]
    width: u16,
    #[command(flatten)]
    access: Access,
}

/// Runs the command.
pub(crate) fn run(command: &Command, is_json: bool) -> Result {
    if command.urls.len() > MOST_PROGRAMS {
        return Err(Failure::Usage(format!("at most {MOST_PROGRAMS} programs are shown at a time")));
    }
    let polls = command.urls.iter().map(|url| command.access.open(url).map(Poll::new)).collect::<Result<Vec<_>>>()?;
    let mut programs: Vec<Program> = command.urls.iter().map(|url| Program::new(url)).collect();
    let mut state = State::new(command.sort, command.search.clone(), command.own);
    if command.ledger {
        state.view = View::Ledger;
    }
    if command.cardinality {
        state.view = View::Cardinality;
    }
    if command.once || is_json {
        return once(command, is_json, polls, &mut programs, &mut state);
    }
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(Failure::Usage("this is no terminal; --once prints one picture, --json all rows".to_owned()));
    }
    let stop = Arc::new(AtomicBool::new(false));
    // SIGHUP keeps its meaning, the end: a terminal that is gone cannot be restored, and waiting for its keys would never sleep.
    signal_hook::flag::register(SIGTERM, Arc::clone(&stop)).map_err(|error| Failure::Io(error.to_string()))?;
    let (to, news) = sync_channel(WAITING);
    for (at, poll) in polls.into_iter().enumerate() {
        poll.spawn(at, command.every, to.clone())?;
    }
    let mut terminal =
        ratatui::try_init().map_err(|error| Failure::Io(format!("the terminal cannot be used: {error}")))?;
    let result = watch(&mut terminal, &news, &mut programs, &mut state, &stop);
    ratatui::restore();
    result.map_err(|error| Failure::Io(format!("the terminal cannot be used: {error}")))
}

fn look() -> Look {
    let has_color = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let named = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let language = named.unwrap_or_default().to_lowercase();
    let is_dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
    Look { has_color: has_color && !is_dumb, is_ascii: !(language.contains("utf-8") || language.contains("utf8")) }
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn take(programs: &mut [Program], at: usize, news: News) {
    let Some(program) = programs.get_mut(at) else { return };
    match news {
        News::Records(records) => {
            program.failure = None;
            program.take(records);
        }
        News::About(about) => program.about = about,
        News::Cardinality(cardinality) => program.cardinality = Some(cardinality),
        News::Failure(why) => program.failure = Some(why),
    }
}

fn watch(
    terminal: &mut ratatui::DefaultTerminal,
    news: &Receiver<(usize, News)>,
    programs: &mut [Program],
    state: &mut State,
    stop: &AtomicBool,
) -> io::Result<()> {
    let look = look();
    while !stop.load(Relaxed) {
        while !state.is_paused
            && let Ok((at, one)) = news.try_recv()
        {
            take(programs, at, one);
        }
        let shown = rows(programs, &state.search, state.sort, state.is_reversed, state.shows_own);
        terminal.draw(|frame| draw(frame, programs, &shown, state, look, now()))?;
        if !event::poll(LOOK)? {
            continue;
        }
        if let Event::Key(key) = event::read()?
            && key.kind != KeyEventKind::Release
            && !state.key(key)
        {
            break;
        }
    }
    Ok(())
}

/// Asks every program once, and prints.
fn once(command: &Command, is_json: bool, polls: Vec<Poll>, programs: &mut [Program], state: &mut State) -> Result {
    let mut failed = None;
    for (at, mut poll) in polls.into_iter().enumerate() {
        match poll.records() {
            Ok(records) => take(programs, at, News::Records(records)),
            Err(failure) => {
                take(programs, at, News::Failure(words(&failure)));
                failed = Some(failure);
            }
        }
        if let Ok(about) = poll.about() {
            take(programs, at, News::About(about));
        }
        if let Ok(cardinality) = poll.cardinality() {
            take(programs, at, News::Cardinality(cardinality));
        }
    }
    let shown = rows(programs, &state.search, state.sort, state.is_reversed, state.shows_own);
    let mut out = io::stdout().lock();
    if is_json {
        let (accounts, limits) = ledger(programs);
        let cardinality: Vec<_> = programs
            .iter()
            .filter_map(|program| Some(json!({"program": program.name, "found": program.cardinality.as_ref()?})))
            .collect();
        writeln!(
            out,
            "{}",
            json!({"metrics": shown, "ledger": accounts, "limits": limits, "cardinality": cardinality})
        )?;
    } else {
        // As high as it needs to be.
        let lines = shown.len() + 3 * programs.len() + 8;
        let height =
            u16::try_from(if state.view == View::Metrics { lines } else { 40 + lines.min(200) }).unwrap_or(u16::MAX);
        let backend = TestBackend::new(command.width, height.min(u16::MAX / command.width.max(1)));
        let mut terminal = match Terminal::new(backend) {
            Ok(terminal) => terminal,
            Err(error) => match error {},
        };
        let drawn = terminal.draw(|frame| draw(frame, programs, &shown, state, look(), now())).map(drop);
        if let Err(error) = drawn {
            match error {}
        }
        let buffer = terminal.backend().buffer();
        let line = |y: u16| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol().to_owned()).collect::<String>();
        // The last line tells keys, which do nothing here.
        let mut lines: Vec<String> = (0..buffer.area.height.saturating_sub(1)).map(line).collect();
        lines.iter_mut().for_each(|line| line.truncate(line.trim_end().len()));
        lines.dedup_by(|a, b| a.is_empty() && b.is_empty());
        lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    }
    failed.map_or(Ok(()), Err)
}
