//! Choices of the reader of the view, and the keys that change them.

use super::model::Sort;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Which of the views is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    Metrics,
    Ledger,
    Cardinality,
    Help,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) view: View,
    pub(crate) sort: Sort,
    pub(crate) is_reversed: bool,
    pub(crate) search: String,
    pub(crate) is_searching: bool,
    pub(crate) shows_own: bool,
    pub(crate) is_paused: bool,
    /// The row that is chosen.
    pub(crate) chosen: usize,
    /// The first row on the screen.
    pub(crate) first: usize,
    /// Rows on the screen, as last drawn.
    pub(crate) height: usize,
}

/// Letters of the longest search.
const LONGEST_SEARCH: usize = 200;

impl State {
    pub(crate) fn new(sort: Sort, search: String, shows_own: bool) -> State {
        State {
            view: View::Metrics,
            sort,
            is_reversed: false,
            search,
            is_searching: false,
            shows_own,
            is_paused: false,
            chosen: 0,
            first: 0,
            height: 10,
        }
    }

    /// Takes a key. Returns `false` when the view is to end.
    pub(crate) fn key(&mut self, key: KeyEvent) -> bool {
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        if is_control && key.code == KeyCode::Char('c') {
            return false;
        }
        if self.is_searching {
            match key.code {
                KeyCode::Enter => self.is_searching = false,
                KeyCode::Esc => {
                    self.is_searching = false;
                    self.search.clear();
                }
                KeyCode::Backspace => drop(self.search.pop()),
                KeyCode::Char('u') if is_control => self.search.clear(),
                KeyCode::Char(letter) if !is_control && !letter.is_control() && self.search.len() < LONGEST_SEARCH => {
                    self.search.push(letter);
                }
                _ => {}
            }
            (self.chosen, self.first) = (0, 0);
            return true;
        }
        match key.code {
            KeyCode::Char('q') => return false,
            KeyCode::Esc if self.view != View::Metrics => self.view = View::Metrics,
            KeyCode::Esc if !self.search.is_empty() => self.search.clear(),
            KeyCode::Esc => return false,
            KeyCode::Char('/') => {
                self.view = View::Metrics;
                self.is_searching = true;
            }
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Char('r') => self.is_reversed = !self.is_reversed,
            KeyCode::Char('o') => self.shows_own = !self.shows_own,
            KeyCode::Char('p') => self.is_paused = !self.is_paused,
            KeyCode::Char('l') => self.view = if self.view == View::Ledger { View::Metrics } else { View::Ledger },
            KeyCode::Char('c') => {
                self.view = if self.view == View::Cardinality { View::Metrics } else { View::Cardinality };
            }
            KeyCode::Char('?' | 'h') => self.view = if self.view == View::Help { View::Metrics } else { View::Help },
            KeyCode::Up | KeyCode::Char('k') => self.chosen = self.chosen.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.chosen = self.chosen.saturating_add(1),
            KeyCode::PageUp => self.chosen = self.chosen.saturating_sub(self.height),
            KeyCode::PageDown => self.chosen = self.chosen.saturating_add(self.height),
            KeyCode::Home | KeyCode::Char('g') => self.chosen = 0,
            KeyCode::End | KeyCode::Char('G') => self.chosen = usize::MAX,
            _ => {}
        }
        true
    }

    /// Brings the chosen row onto the screen.
    pub(crate) fn settle(&mut self, rows: usize, height: usize) {
        self.height = height.max(1);
        self.chosen = self.chosen.min(rows.saturating_sub(1));
        self.first = self.first.min(self.chosen).max((self.chosen + 1).saturating_sub(self.height));
        self.first = self.first.min(rows.saturating_sub(self.height));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(state: &mut State, code: KeyCode) -> bool {
        state.key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn a_search_takes_letters_that_are_keys_elsewhere() {
        let mut state = State::new(Sort::Name, String::new(), false);
        press(&mut state, KeyCode::Char('/'));
        for letter in "sqr".chars() {
            assert!(press(&mut state, KeyCode::Char(letter)));
        }
        assert_eq!((state.search.as_str(), state.sort, state.is_reversed), ("sqr", Sort::Name, false));
        press(&mut state, KeyCode::Enter);
        press(&mut state, KeyCode::Char('s'));
        assert_eq!((state.search.as_str(), state.sort), ("sqr", Sort::Value));
        assert!(press(&mut state, KeyCode::Esc));
        assert_eq!(state.search, "");
        assert!(!press(&mut state, KeyCode::Esc));
        assert!(!state.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
    }

    #[test]
    fn the_chosen_row_stays_on_the_screen() {
        let mut state = State::new(Sort::Name, String::new(), false);
        press(&mut state, KeyCode::End);
        state.settle(100, 10);
        assert_eq!((state.chosen, state.first), (99, 90));
        press(&mut state, KeyCode::PageUp);
        state.settle(100, 10);
        assert_eq!((state.chosen, state.first), (89, 89));
        state.settle(3, 10);
        assert_eq!((state.chosen, state.first), (2, 0));
        state.settle(0, 10);
        assert_eq!((state.chosen, state.first), (0, 0));
    }
}
