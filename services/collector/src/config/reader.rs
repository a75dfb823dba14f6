//! Typed reading of a map: each key once, with a message that says what is allowed, and a word about keys that nobody reads.

use super::tree::{Entry, Node, Value};
use crate::error::{Problems, clean, hint, nearest};
use std::path::PathBuf;

/// A map that is being read.
pub(crate) struct Reader<'a> {
    path: String,
    entries: &'a [Entry],
    known: Vec<&'static str>,
}

impl<'a> Reader<'a> {
    pub fn new(path: impl Into<String>, entries: &'a [Entry]) -> Self {
        Reader { path: path.into(), entries, known: Vec::new() }
    }

    pub fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Returns the value of a key; keys that were asked for are known. `key =` without a value counts as absent.
    pub fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        self.known.push(key);
        let node = &self.entries.iter().find(|e| e.key == key)?.node;
        (!matches!(node.value, Value::Null)).then_some(node)
    }

    pub fn line(&self, key: &str) -> usize {
        self.entries.iter().find(|e| e.key == key).map_or(0, |e| e.node.line)
    }

    fn refused(&self, problems: &mut Problems, key: &str, node: &Node, expected: &str) {
        problems.push(node.line, self.path(key), format!("found {}, expected {expected}", node.value.shown()));
    }

    /// Returns a text that is not empty; in an INI file an empty one is an absent one.
    pub fn text(&mut self, key: &'static str, problems: &mut Problems) -> Option<String> {
        let node = self.node(key)?;
        match &node.value {
            Value::Text(text) if !text.is_empty() => Some(text.clone()),
            _ => {
                self.refused(problems, key, node, "a string that is not empty");
                None
            }
        }
    }

    /// Returns a text of a file whose every value is text, or nothing where it is empty.
    pub fn option(&mut self, key: &'static str, problems: &mut Problems) -> Option<String> {
        let node = self.node(key)?;
        match &node.value {
            Value::Text(text) if text.is_empty() => None,
            Value::Text(text) => Some(text.clone()),
            Value::Number(text) => Some(text.clone()),
            _ => {
                self.refused(problems, key, node, "a string");
                None
            }
        }
    }

    /// Returns a path.
    pub fn file(&mut self, key: &'static str, problems: &mut Problems) -> Option<PathBuf> {
        self.option(key, problems).map(PathBuf::from)
    }

    /// Returns a text whose value no message shows.
    pub fn secret(&mut self, key: &'static str, problems: &mut Problems) -> Option<String> {
        let node = self.node(key)?;
        match &node.value {
            Value::Text(text) | Value::Number(text) => Some(text.clone()).filter(|t| !t.is_empty()),
            _ => {
                problems.push(node.line, self.path(key), "expected a string (its value is not shown)");
                None
            }
        }
    }

    /// Returns a whole number of a range.
    pub fn whole(&mut self, key: &'static str, min: u64, max: u64, unit: &str, problems: &mut Problems) -> Option<u64> {
        let node = self.node(key)?;
        let number = match &node.value {
            Value::Text(text) | Value::Number(text) => text.trim().parse().ok().filter(|n| (min..=max).contains(n)),
            _ => None,
        };
        if number.is_none() {
            self.refused(problems, key, node, &format!("a whole number{unit} from {min} to {max}"));
        }
        number
    }

    /// Returns a number of seconds, with fractions.
    pub fn seconds(&mut self, key: &'static str, max: f64, problems: &mut Problems) -> Option<f64> {
        let node = self.node(key)?;
        let number = match &node.value {
            Value::Text(text) | Value::Number(text) => text.trim().parse().ok().filter(|n: &f64| *n > 0.0 && *n <= max),
            _ => None,
        };
        if number.is_none() {
            self.refused(problems, key, node, &format!("seconds, more than 0 and at most {max}"));
        }
        number
    }

    /// Returns a boolean, in each of the forms that oslo.config takes.
    pub fn boolean(&mut self, key: &'static str, problems: &mut Problems) -> Option<bool> {
        let node = self.node(key)?;
        let value = match &node.value {
            Value::Bool(value) => Some(*value),
            Value::Text(text) | Value::Number(text) => match text.trim().to_lowercase().as_str() {
                "true" | "1" | "on" | "yes" => Some(true),
                "false" | "0" | "off" | "no" => Some(false),
                _ => None,
            },
            _ => None,
        };
        if value.is_none() {
            self.refused(problems, key, node, "true, 1, yes, on, false, 0, no or off");
        }
        value
    }

    /// Returns the index of one of several words.
    pub fn word(&mut self, key: &'static str, words: &[&str], problems: &mut Problems) -> Option<usize> {
        let node = self.node(key)?;
        let Value::Text(text) = &node.value else {
            self.refused(problems, key, node, &format!("one of {}", words.join(", ")));
            return None;
        };
        let found = words.iter().position(|w| w == text);
        if found.is_none() {
            let expected = format!("one of {}{}", words.join(", "), hint(text, words.iter().copied()));
            self.refused(problems, key, node, &expected);
        }
        found
    }

    /// Returns a list of texts, or what an INI file has in its place: words with commas between.
    pub fn words(&mut self, key: &'static str, problems: &mut Problems) -> Option<Vec<String>> {
        match self.node(key).map(|n| &n.value) {
            Some(Value::Text(text)) => {
                Some(text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect())
            }
            _ => self.list(key, problems),
        }
    }

    /// Returns a list of texts that are not empty.
    pub fn list(&mut self, key: &'static str, problems: &mut Problems) -> Option<Vec<String>> {
        let node = self.node(key)?;
        let items = match &node.value {
            Value::List(items) => items,
            _ => {
                self.refused(problems, key, node, "a list of strings that are not empty");
                return None;
            }
        };
        let mut texts = Vec::new();
        for item in items {
            match &item.value {
                Value::Text(text) if !text.is_empty() => texts.push(text.clone()),
                _ => {
                    self.refused(problems, key, item, "a list of strings that are not empty");
                    return None;
                }
            }
        }
        Some(texts)
    }

    /// Reports the keys that nothing asked for. One that resembles a known key is a problem; any other is a problem only where
    /// `strict`, and else returned to be warned of.
    pub fn finish(self, strict: bool, problems: &mut Problems) -> Vec<String> {
        let mut unknown = Vec::new();
        for entry in self.entries.iter().filter(|e| !self.known.contains(&e.key.as_str())) {
            let path = self.path(&entry.key);
            if let Some(meant) = nearest(&entry.key, self.known.iter().copied()) {
                problems.push(entry.line, path, format!("is no key here; did you mean \"{meant}\"?"));
            } else if strict {
                let message = format!("is no key here; allowed are {}", self.known.join(", "));
                problems.push(entry.line, path, message);
            } else {
                let file = clean(&problems.file().to_string_lossy());
                unknown.push(format!("{file}:{}: {}: is not read by this collector", entry.line, clean(&path)));
            }
        }
        unknown
    }
}
