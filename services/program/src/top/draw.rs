//! The views as lines of text. They fit 80 columns, and say nothing by colour alone.

use super::model::{Program, Row, ledger};
use super::state::{State, View};
use crate::text::{bytes, moment, number, visible};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How things look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) has_color: bool,
    /// For a terminal without UTF-8.
    pub(crate) is_ascii: bool,
}

impl Look {
    fn style(self, color: Color) -> Style {
        if self.has_color { Style::new().fg(color) } else { Style::new() }
    }

    fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Draws values as heights.
    pub(crate) fn sparkline(self, values: &[f64], width: usize) -> String {
        let letters: &[char] = if self.is_ascii {
            &['_', '.', '-', '=', '*', '#']
        } else {
            &['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']
        };
        let shown = &values[values.len().saturating_sub(width)..];
        let finite = || shown.iter().copied().filter(|value| value.is_finite());
        let (least, most) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
        // Heights begin at zero, unless that would make them all alike.
        let floor = if least >= 0.0 && least < most / 2.0 { 0.0 } else { least };
        let height = |value: f64| {
            let part = if most > floor { (value - floor) / (most - floor) } else { 0.0 };
            letters[((part * (letters.len() - 1) as f64).round().max(0.0) as usize).min(letters.len() - 1)]
        };
        let drawn: String = shown.iter().map(|value| if value.is_finite() { height(*value) } else { ' ' }).collect();
        format!("{}{drawn}", " ".repeat(width.saturating_sub(shown.len())))
    }
}

/// Cuts a text to a width, with a mark where it was cut.
fn cut(text: &str, width: usize, look: Look) -> String {
    if text.width() <= width {
        return format!("{text}{}", " ".repeat(width - text.width()));
    }
    let mark = if look.is_ascii { '~' } else { '…' };
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide + 1 > width {
            break;
        }
        out.push(c);
        used += wide;
    }
    out.push(mark);
    format!("{out}{}", " ".repeat(width.saturating_sub(used + 1)))
}

/// Draws everything.
pub(crate) fn draw(frame: &mut Frame<'_>, programs: &[Program], rows: &[Row], state: &mut State, look: Look, now: i64) {
    let area = frame.area();
    let width = usize::from(area.width);
    let mut lines = head(programs, rows.len(), state, look, width, now);
    let foot = foot(programs, rows, state, look, width);
    let room = usize::from(area.height).saturating_sub(lines.len() + foot.len());
    match state.view {
        View::Metrics => lines.extend(list(rows, state, look, width, room, programs.len() > 1)),
        View::Ledger => lines.extend(ledger_lines(programs, look, width, now).into_iter().take(room)),
        View::Cardinality => lines.extend(cardinality_lines(programs, look, width).into_iter().take(room)),
        View::Help => lines.extend(HELP.iter().take(room).map(|line| Line::raw(*line))),
    }
    let body = usize::from(area.height).saturating_sub(foot.len());
    lines.resize(body, Line::raw(""));
    lines.extend(foot);
    for (y, line) in (0..area.height).zip(lines) {
        frame.render_widget(line, Rect { x: area.x, y: area.y + y, width: area.width, height: 1 });
    }
}

fn head(programs: &[Program], rows: usize, state: &State, look: Look, width: usize, now: i64) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let order = if state.is_reversed { ", reversed" } else { "" };
    let paused = if state.is_paused { "  PAUSED" } else { "" };
    let title = format!("ferrometer top  {rows} metrics, by {}{order}{paused}", state.sort.word());
    lines.push(Line::styled(cut(&title, width, look), look.strong()));
    for (at, program) in programs.iter().enumerate() {
        let number = if programs.len() > 1 { format!("{} ", at + 1) } else { String::new() };
        let (text, style) = match (&program.failure, program.newest) {
            (Some(failure), _) => (format!("! {number}{}", visible(failure)), look.style(Color::Red)),
            (None, Some(newest)) => {
                let age = (now - newest).max(0);
                let (name, series) = (visible(&program.name).into_owned(), program.series.len());
                let more = if program.left_out > 0 { ", more are not shown" } else { "" };
                (format!("  {number}{name}  {series} series, {age} s old{more}"), look.style(Color::Green))
            }
            (None, None) => (format!("  {number}{}  no generation yet", visible(&program.name)), Style::new()),
        };
        // A failing program is seen however many there are.
        if lines.len() < 6 || program.failure.is_some() {
            lines.push(Line::styled(cut(&text, width, look), style));
        }
    }
    lines
}

/// Widths of the columns, from the right: the curve, the rate, the value.
fn columns(width: usize) -> (usize, usize, usize) {
    match width {
        0..=59 => (0, 10, 11),
        60..=99 => (16, 10, 11),
        _ => (30, 12, 13),
    }
}

fn list(rows: &[Row], state: &mut State, look: Look, width: usize, room: usize, many: bool) -> Vec<Line<'static>> {
    let (curve, rate, value) = columns(width);
    let name = width.saturating_sub(curve + rate + value + 3);
    let mut lines = Vec::new();
    let heads = format!(
        "{}{:>value$} {:>rate$}  {}",
        cut("METRIC", name, look),
        "VALUE",
        "PER SECOND",
        if curve > 0 { "LAST" } else { "" }
    );
    lines.push(Line::styled(cut(&heads, width, look), Style::new().add_modifier(Modifier::UNDERLINED)));
    let height = room.saturating_sub(1);
    state.settle(rows.len(), height);
    for (at, row) in rows.iter().enumerate().skip(state.first).take(height) {
        let number_of = if many { format!("{} ", row.program + 1) } else { String::new() };
        let of = if row.id == "host" { String::new() } else { format!("{} ", row.id) };
        let labels = if row.labels.is_empty() { String::new() } else { format!(" {{{}}}", row.labels) };
        let full = format!("{number_of}{}", visible(&format!("{of}{}{labels}", row.metric)));
        let shown = format!(
            "{}{:>value$} {:>rate$}  ",
            cut(&full, name, look),
            number(row.value),
            row.rate.map(number).unwrap_or_default()
        );
        let mark = if at == state.chosen { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
        let drawn = look.sparkline(&row.drawn, curve);
        lines.push(Line::from(vec![Span::styled(shown, mark), Span::styled(drawn, look.style(Color::Cyan))]));
    }
    if rows.is_empty() {
        let why = if state.search.is_empty() { "  nothing is recorded yet" } else { "  no metric has this text" };
        lines.push(Line::raw(why));
    }
    lines
}

/// The chosen metric, and the keys.
fn foot(programs: &[Program], rows: &[Row], state: &State, look: Look, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if state.view == View::Metrics
        && let Some(row) = rows.get(state.chosen.min(rows.len().saturating_sub(1)))
    {
        let about = programs.get(row.program).map(|program| program.about(&row.metric)).unwrap_or_default();
        let labels = if row.labels.is_empty() { String::new() } else { format!(" {{{}}}", row.labels) };
        let full = format!("{} {}{labels} = {}", row.id, row.metric, row.value);
        let size =
            if about.unit == "bytes" { format!(" ({})", bytes(row.value.max(0.0) as u64)) } else { String::new() };
        let parts = [about.kind, format!("{}{size}", about.unit), about.description];
        let told: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        lines.push(Line::styled(cut(&visible(&full), width, look), look.strong()));
        lines.push(Line::raw(cut(&visible(&told.join("; ")), width, look)));
    }
    let keys = if state.is_searching {
        format!("search: {}_   Enter keeps it, Esc ends it", visible(&state.search))
    } else if !state.search.is_empty() {
        format!("search: {}   / changes it, Esc ends it, q quits", visible(&state.search))
    } else {
        "q quit  / search  s sort  r reverse  l ledger  c series  o own  p pause  ? help".to_owned()
    };
    lines.push(Line::styled(cut(&keys, width, look), Style::new().add_modifier(Modifier::REVERSED)));
    lines
}

const HELP: [&str; 17] = [
    "",
    "  q, Esc        ends the view",
    "  / text        shows metrics that have all its words, in name, id or labels",
    "  s             sorts by name, value, rate",
    "  r             turns the order round",
    "  arrows, j, k  choose a metric; PgUp, PgDn, Home, End go further",
    "  l             the ledger: what became of every recording",
    "  c             the names and labels with the most series",
    "  o             shows ferrometer's own metrics too",
    "  p             holds the picture",
    "",
    "  PER SECOND is the change of a total between its last two generations.",
    "  LAST draws the last values, of a total the last rates.",
    "  A line with ! says why a program does not answer.",
    "",
    "  ?, Esc        back",
    "",
];

fn cardinality_lines(programs: &[Program], look: Look, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let under = Style::new().add_modifier(Modifier::UNDERLINED);
    let name_width = width.saturating_sub(22).max(8);
    let row = |name: &str, values: &str, series: &str| {
        let line = format!("{}{values:>11}{series:>11}", cut(&visible(name), name_width, look));
        cut(&line, width, look)
    };
    for program in programs {
        let Some(found) = &program.cardinality else {
            let why = format!("{} does not tell how many series its names have", program.name);
            lines.push(Line::raw(cut(&visible(&why), width, look)));
            continue;
        };
        if programs.len() > 1 {
            lines.push(Line::styled(cut(&visible(&program.name), width, look), look.strong()));
        }
        let count = |value: u64| number(value as f64);
        lines.push(Line::styled(row("NAME", "", "SERIES"), under));
        lines.extend(found.names.iter().map(|one| Line::raw(row(&one.name, "", &count(one.series)))));
        lines.push(Line::raw(row("all", "", &count(found.series))));
        lines.push(Line::raw(""));
        lines.push(Line::styled(row("LABEL", "VALUES", "SERIES"), under));
        let labels = found.labels.iter();
        lines.extend(labels.map(|one| Line::raw(row(&one.label, &count(one.values), &count(one.series)))));
        lines.push(Line::raw(""));
    }
    lines
}

fn ledger_lines(programs: &[Program], look: Look, width: usize, now: i64) -> Vec<Line<'static>> {
    let (accounts, limits) = ledger(programs);
    let mut lines = Vec::new();
    let under = Style::new().add_modifier(Modifier::UNDERLINED);
    let heads =
        format!("{:<22}{:>11}{:>10}{:>9}{:>12}{:>8}  LAST", "BACKEND", "SENT", "/s", "PENDING", "SUPERSEDED", "ERRORS");
    lines.push(Line::styled(cut(&heads, width, look), under));
    let many = programs.len() > 1;
    for account in &accounts {
        let name = if many { format!("{} {}", account.program, account.backend) } else { account.backend.clone() };
        let age = match account.last_success > 0.0 {
            true => format!("{} s", (now - account.last_success as i64).max(0)),
            false => "never".to_owned(),
        };
        let line = format!(
            "{}{:>11}{:>10}{:>9}{:>12}{:>8}  {age}",
            cut(&visible(&name), 22, look),
            number(account.sent),
            number(account.sent_per_second),
            number(account.pending),
            number(account.superseded),
            number(account.errors),
        );
        lines.push(Line::raw(cut(&line, width, look)));
        let dropped: Vec<String> =
            account.dropped.iter().map(|(cause, count)| format!("{cause} {}", number(*count))).collect();
        if !dropped.is_empty() {
            let text = format!("  ! dropped: {}", visible(&dropped.join(", ")));
            lines.push(Line::styled(cut(&text, width, look), look.style(Color::Red)));
        }
    }
    if accounts.is_empty() {
        lines.push(Line::raw("  no program tells an account"));
    }
    lines.push(Line::raw(""));
    let heads = format!("{:<22}{:>11}{:>10}{:>9}", "LIMIT", "USED", "MOST", "REFUSED");
    lines.push(Line::styled(cut(&heads, width, look), under));
    for limit in &limits {
        let name = if many { format!("{} {}", limit.program, limit.what) } else { limit.what.clone() };
        let is_full = limit.refused > 0.0;
        let mark = if is_full { "  ! some were refused" } else { "" };
        let name = cut(&visible(&name), 22, look);
        let line =
            format!("{name}{:>11}{:>10}{:>9}{mark}", number(limit.used), number(limit.max), number(limit.refused));
        let style = if is_full { look.style(Color::Red) } else { Style::new() };
        lines.push(Line::styled(cut(&line, width, look), style));
    }
    if let Some(newest) = programs.iter().filter_map(|program| program.newest).max() {
        lines.push(Line::raw(""));
        lines.push(Line::raw(cut(&format!("as of {}", moment(newest)), width, look)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::model::tests::{record, shop};
    use super::super::model::{Sort, rows};
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    fn screen(programs: &[Program], state: &mut State, look: Look, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let rows = rows(programs, &state.search.clone(), state.sort, state.is_reversed, state.shows_own);
        terminal.draw(|frame| draw(frame, programs, &rows, state, look, 1_700_000_042)).unwrap();
        let buffer = terminal.backend().buffer().clone();
        let line = |y| (0..width).map(|x| buffer[(x, y)].symbol().to_owned()).collect::<String>().trim_end().to_owned();
        (0..height).map(line).collect()
    }

    const PLAIN: Look = Look { has_color: false, is_ascii: false };

    #[test]
    fn the_list_fits_eighty_columns() {
        let mut state = State::new(Sort::Name, String::new(), false);
        let screen = screen(&[shop()], &mut state, PLAIN, 80, 10);
        assert_eq!(screen[0], "ferrometer top  2 metrics, by name");
        assert_eq!(screen[1], "  127.0.0.1:9620  6 series, 2 s old");
        assert_eq!(screen[2], "METRIC                                        VALUE PER SECOND  LAST");
        assert_eq!(screen[3], "shop.queue.depth                                  1                        █▇▅▄▂");
        assert_eq!(screen[4], "shop.sales                                      320         14              ▂▄▆█");
        assert_eq!(screen[7], "host shop.queue.depth = 1");
        assert_eq!(screen[9], "q quit  / search  s sort  r reverse  l ledger  c series  o own  p pause  ? help");
    }

    #[test]
    fn without_utf_8_and_in_forty_columns_it_is_read_as_well() {
        let mut state = State::new(Sort::Rate, "sales".into(), false);
        let screen = screen(&[shop()], &mut state, Look { has_color: false, is_ascii: true }, 40, 8);
        assert!(screen.iter().all(|line| line.is_ascii()), "{screen:?}");
        assert_eq!(screen[3], "shop.sales              320         14");
    }

    #[test]
    fn the_ledger_tells_what_was_dropped() {
        let mut state = State::new(Sort::Name, String::new(), false);
        state.key(KeyEvent::new(KeyCode::Char('l'), KeyModifiers::NONE));
        let screen = screen(&[shop()], &mut state, PLAIN, 80, 14);
        assert_eq!(screen[3], "statsd                        400        10        0           0       0  never");
        assert_eq!(screen[4], "  ! dropped: name 3");
        assert_eq!(screen[7], "loggers                         7      1000        0");
    }

    #[test]
    fn the_largest_names_and_labels_are_listed() {
        let mut program = shop();
        program.cardinality = serde_json::from_str(
            r#"{"series":1204,"names":[{"name":"shop.clicks","series":1200}],"labels":[{"label":"user","values":400,"series":1200}]}"#,
        )
        .unwrap();
        let mut state = State::new(Sort::Name, String::new(), false);
        state.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::NONE));
        let screen = screen(&[program, Program::new("x")], &mut state, PLAIN, 60, 16);
        assert_eq!(screen[4], "NAME                                                  SERIES");
        assert_eq!(screen[5], "shop.clicks                                             1200");
        assert_eq!(screen[8], "LABEL                                      VALUES     SERIES");
        assert_eq!(screen[9], "user                                          400       1200");
        assert_eq!(screen[11], "x does not tell how many series its names have");
    }

    #[test]
    fn hostile_names_reach_no_terminal() {
        let mut program = Program::new("http://evil\x1b[2J");
        program.take(vec![record("a\x1b]0;x\x07b\u{202e}", "gauge", 1, f64::NAN)]);
        program.failure = Some("bad\x1b[31m".into());
        let mut state = State::new(Sort::Name, String::new(), false);
        let screen = screen(&[program], &mut state, PLAIN, 80, 10).join("\n");
        assert!(!screen.contains(|c: char| c != '\n' && (c.is_control() || c == '\u{202e}')), "{screen:?}");
        assert!(screen.contains("\\u{1b}]0;x\\u{7}b\\u{202e}") && screen.contains("! bad\\u{1b}[31m"));
    }

    #[test]
    fn any_size_of_the_terminal_is_drawn() {
        for (width, height) in [(1, 1), (5, 2), (20, 3), (300, 60)] {
            for key in ['s', 'l', 'c', '?'] {
                let mut state = State::new(Sort::Name, String::new(), true);
                state.key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE));
                screen(&[shop(), Program::new("x")], &mut state, PLAIN, width, height);
            }
        }
    }
}
