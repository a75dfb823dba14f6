//! Values from a TOML file.
//!
//! The file may be a program's own: only `[metrics]` and `[metrics_statsd]` are ours, and all else is left alone, unless
//! it looks like a slip for one of ours, which would otherwise switch recording off in silence.
//!
//! One walk over the document that finds all of its mistakes; hence the length.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::absent::absent;
use super::document::{Places, Source};
#[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
use super::draft::peer_problem;
use super::draft::{Draft, name_problem, shown, view_problem};
use super::error::{Error, Place, Problem, clean};
use super::for_agents::PREFIX;
use super::kind::Kind;
use super::origin::Given;
#[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
use super::peer::Peer;
use super::rule::Rule;
use super::settings::keys;
use super::suggest::{self, distance, nearest};
use super::syntax;
use super::table::{Key, split};
use super::value::Value;
use super::view::View;

const LOGGERS: &str = "metrics.loggers";
#[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
const PEERS: &str = "metrics.pull_cache.peers";
const VIEWS: &str = "metrics.views";

/// Our tables at the top, each with the number of slips within which another name is taken for it.
const TOP: [(&str, usize); 2] = [("metrics", 2), ("metrics_statsd", 3)];

/// Our tables below `[metrics]`, which are not accepted as `[metrics_statsd]` is.
const BELOW: [&str; 5] = ["pull_cache", "prometheus", "limits", "loggers", "views"];

/// Reads a document over the draft.
pub(super) fn read(draft: &mut Draft, source: Source<'_>, bytes: &[u8]) -> Result<(), Error> {
    let places = Places::new(source, bytes);
    let text = syntax::text(bytes).map_err(|(at, what)| Error::Syntax(Problem::new(places.at(at), "", what)))?;
    let document = DeTable::parse(text).map_err(|error| {
        let (at, what) = syntax::describe(text, &error, &|at| places.at(at).to_string());
        Error::Syntax(Problem::new(places.at(at), "", what))
    })?;
    draft.config.origin.file = Some(clean(places.name()));
    Reader { draft, places, text }.document(document.get_ref());
    Ok(())
}

type Name<'i> = Spanned<DeString<'i>>;
type Content<'i> = Spanned<DeValue<'i>>;

struct Reader<'a> {
    draft: &'a mut Draft,
    places: Places<'a>,
    text: &'a str,
}

impl Reader<'_> {
    fn document(&mut self, document: &DeTable<'_>) {
        // In this order, so that a conflict is reported at the second place, the alias.
        for (ours, _) in TOP {
            if let Some((key, value)) = document.get_key_value(ours) {
                self.descend(ours, key, value);
            }
        }
        if !TOP.iter().any(|(ours, _)| document.contains_key(*ours)) {
            let hint =
                format!("{} has no table [metrics], so nothing in it sets metrics up", clean(self.places.name()));
            self.draft.config.origin.strange_tables.push(hint);
        }
        for (key, value) in in_order(document) {
            self.stranger(key, value);
            self.look_alike(key, value);
        }
    }

    /// Reports a name at the top that looks like a slip for one of ours.
    fn stranger(&mut self, key: &Name<'_>, value: &Content<'_>) {
        let name: &str = key.get_ref();
        if TOP.iter().any(|(ours, _)| *ours == name) {
            return;
        }
        let lower = name.to_ascii_lowercase();
        let slip = TOP.iter().find(|(ours, slips)| lower.len() <= 2 * ours.len() && distance(&lower, ours) <= *slips);
        if let Some((ours, _)) = slip {
            let place = self.at(key.span());
            return self.draft.problem(Problem::new(place, name, format!(": unknown table; did you mean [{ours}]?")));
        }
        let below =
            lower.strip_prefix("metrics").map(|rest| rest.trim_start_matches(['_', '-', '.']).replace('-', "_"));
        if let Some(table) = below.filter(|below| BELOW.contains(&below.as_str())) {
            let place = self.at(key.span());
            let quotes = if lower.contains('.') { ", without quotes" } else { "" };
            let text = format!(": unknown table; did you mean [metrics.{table}]{quotes}?");
            return self.draft.problem(Problem::new(place, name, text));
        }
        // A key that was meant for [metrics] but stands above it. `host` is too common a word to be taken for ours,
        // and a `backend` may be anything: it is ours if its value is.
        let path = format!("metrics.{name}");
        let Some(ours) = keys().find(|known| known.path == path) else {
            return;
        };
        let meant = match name {
            "host" => false,
            "backend" => ours.kind.check(&plain(value.get_ref())).is_ok(),
            _ => true,
        };
        if meant {
            let place = self.at(key.span());
            self.draft.problem(Problem::new(place, name, ": stands outside of any table; it belongs under [metrics]"));
        }
    }

    /// A table at the top that is called like one of ours below `[metrics]`, or like this crate. It may be the program's own.
    fn look_alike(&mut self, key: &Name<'_>, value: &Content<'_>) {
        if !value.get_ref().is_table() {
            return;
        }
        let name: &str = key.get_ref();
        let lower = name.to_ascii_lowercase().replace('-', "_");
        let path = format!("metrics.{lower}");
        let meant = match lower.as_str() {
            "ferrometer" => "metrics",
            _ if lower != "metrics" && is_table(&path) => &path,
            _ => return,
        };
        let place = self.at(key.span());
        let hint = format!("{place}: the table [{}] is not looked at; did you mean [{meant}]?", clean(name));
        self.draft.config.origin.strange_tables.push(hint);
    }

    /// Goes through a table of ours, from top to bottom.
    fn descend(&mut self, path: &str, key: &Name<'_>, value: &Content<'_>) {
        let Some(table) = self.table(path, key, value) else {
            return;
        };
        for (key, value) in in_order(table) {
            let name: &str = key.get_ref();
            let full = format!("{path}.{name}");
            #[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
            if full == PEERS {
                self.peers(key, value);
                continue;
            }
            if full == LOGGERS {
                self.loggers(key, value);
            } else if full == VIEWS {
                self.views(key, value);
            } else if is_table(&full) {
                self.descend(&full, key, value);
            } else if let Some(absent) = absent(|table| path == "metrics" && table == name)
                && let Some(table) = value.get_ref().as_table()
            {
                let place = self.at(key.span());
                self.draft.pass_over(place, absent, &|key| table.contains_key(key));
            } else {
                self.leaf(path, name, &full, key, value);
            }
        }
    }

    fn leaf(&mut self, path: &str, name: &str, full: &str, key: &Name<'_>, value: &Content<'_>) {
        let found = keys().find(|known| known.path == full || known.alias == Some(full));
        let Some(found) = found.filter(|_| !name.as_bytes().contains(&b'.')) else {
            if let Some(theirs) = name.strip_prefix(PREFIX) {
                return self.leaf_for_agents(path, theirs, full, key, value);
            }
            let place = self.at(key.span());
            // In a file that is all mistakes, the first ones are told.
            let meant = if self.draft.has_many_problems() { String::new() } else { meant(path, name) };
            return self.draft.problem(Problem::new(place, full, format!(": unknown key{meant}")));
        };
        let place = self.at(value.span());
        let shown = self.shown(value);
        let plain = match (&found.kind, value.get_ref()) {
            (Kind::Pairs { .. }, DeValue::Table(table)) => pairs(table),
            _ => plain(value.get_ref()),
        };
        if let Some(first) = self.draft.place_here(found.path).cloned() {
            // The other place was read already. Saying the same twice is no conflict.
            let before =
                found.get(&self.draft.config).filter(|before| found.kind.check(&plain).is_ok_and(|now| now != *before));
            if let Some(before) = before {
                let what = format!(" = {shown}: conflicts with {} = {before} ({first}); keep one of them", found.path);
                return self.draft.problem(Problem::new(place, full, what));
            }
        }
        self.draft.give(found, full, &plain, &shown, place);
    }

    /// A key with the prefix `agent_`. `name` is it without.
    fn leaf_for_agents(&mut self, path: &str, name: &str, full: &str, key: &Name<'_>, value: &Content<'_>) {
        let theirs = format!("{path}.{name}");
        let found = keys().find(|known| known.path == theirs || known.alias == Some(theirs.as_str()));
        let Some(found) = found.filter(|_| !name.contains('.')) else {
            let here = keys().flat_map(|known| [Some(known.path), known.alias]).flatten().map(split);
            let meant = nearest(name, here.filter(|(table, _)| *table == path).map(|(_, word)| word));
            let meant = meant.map_or_else(String::new, |word| format!("; did you mean `{PREFIX}{word}`?"));
            let place = self.at(key.span());
            return self.draft.problem(Problem::new(place, full, format!(": unknown key{meant}")));
        };
        let (place, shown, plain) = (self.at(value.span()), self.shown(value), plain(value.get_ref()));
        // The other place was read already, and the environment is not yet.
        let before = self.draft.config.agent.get(found.path);
        if before.is_some_and(|before| found.kind.check(&plain).is_ok_and(|now| now != *before)) {
            let (table, word) = split(found.path);
            let what = format!(" = {shown}: conflicts with {table}.{PREFIX}{word}; keep one of them");
            return self.draft.problem(Problem::new(place, full, what));
        }
        self.draft.tell(found, full, &plain, &shown, place);
    }

    fn loggers(&mut self, key: &Name<'_>, value: &Content<'_>) {
        let Some(table) = self.table(LOGGERS, key, value) else {
            return;
        };
        for (key, value) in in_order(table) {
            let mut rule = Rule::new(key.get_ref());
            let path = rule.path();
            let Some(table) = self.table(&path, key, value) else {
                continue;
            };
            let place = self.at(key.span());
            if let Some(problem) = name_problem(&rule, &self.draft.config.rules, place) {
                self.draft.problem(problem);
                continue;
            }
            for (key, value) in in_order(table) {
                self.row(Rule::KEYS, &mut rule, &path, (key, value), |rule, name| {
                    let whole = format!("{}.{name}", rule.logger);
                    let is_table = value.get_ref().is_table();
                    is_table.then(|| format!("; a logger's name is quoted: [{LOGGERS}.{whole:?}]"))
                });
            }
            self.draft.config.rules.push(rule);
        }
    }

    /// Returns the tables of an array; reports any other value.
    fn array<'v, 'i>(&mut self, path: &'static str, key: &Name<'_>, value: &'v Content<'i>) -> &'v [Content<'i>] {
        let place = self.at(key.span());
        let DeValue::Array(tables) = value.get_ref() else {
            let found = plain(value.get_ref()).type_name();
            let what =
                format!(": expected a list of tables, each begun with [[{path}]], found a value of type {found}");
            self.draft.problem(Problem::new(place, path, what));
            return &[];
        };
        self.draft.config.origin.given.push(Given { key: path, place, value: None });
        tables
    }

    fn views(&mut self, key: &Name<'_>, value: &Content<'_>) {
        for (at, value) in self.array(VIEWS, key, value).iter().enumerate() {
            let path = View::path(at);
            let Some(table) = self.table(&path, key, value) else {
                continue;
            };
            let place = self.at(value.span());
            let mut view = View::new("");
            let mut whole = true;
            for (key, value) in in_order(table) {
                whole &= self.row(View::KEYS, &mut view, &path, (key, value), |_, name| {
                    let meant = match name {
                        "labels" => "`drop_labels` or `keep_labels`",
                        "name" | "pattern" | "instrument_name" => "`match`",
                        "rate" => "`sample_rate`",
                        "bounds" | "boundaries" => "`buckets`",
                        _ => return None,
                    };
                    Some(format!("; did you mean {meant}?"))
                });
            }
            let before = self.draft.config.views.len();
            if let Some(problem) = view_problem(&view, before, place).filter(|_| whole) {
                self.draft.problem(problem);
                continue;
            }
            self.draft.config.views.push(view);
        }
    }

    #[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
    fn peers(&mut self, key: &Name<'_>, value: &Content<'_>) {
        for (at, value) in self.array(PEERS, key, value).iter().enumerate() {
            let path = Peer::path(at);
            let Some(table) = self.table(&path, key, value) else {
                continue;
            };
            // A table of an array has the span of its header.
            let place = self.at(value.span());
            let mut peer = Peer::default();
            let mut whole = true;
            for (key, value) in in_order(table) {
                whole &= self.row(Peer::KEYS, &mut peer, &path, (key, value), |_, _| None);
            }
            // A wrong key was reported already; to call it missing as well would be untrue.
            let problem = peer_problem(&peer, &self.draft.config.pull_cache.peers, place).filter(|_| whole);
            if let Some(problem) = problem {
                self.draft.problem(problem);
                continue;
            }
            self.draft.config.pull_cache.peers.push(peer);
        }
    }

    /// Takes one key of a rule or a peer. Returns `false` for a wrong one; `unknown` says more about a name that is no key.
    fn row<T>(
        &mut self,
        keys: &[Key<T>],
        row: &mut T,
        path: &str,
        (key, value): (&Name<'_>, &Content<'_>),
        unknown: impl Fn(&T, &str) -> Option<String>,
    ) -> bool {
        let name: &str = key.get_ref();
        let full = format!("{path}.{name}");
        let Some(found) = keys.iter().find(|known| known.path == name) else {
            let hint = unknown(row, name).unwrap_or_else(|| {
                let known: Vec<&str> = keys.iter().map(|known| known.path).collect();
                let near = || nearest(name, known.iter().copied()).map(|word| format!("`{word}`"));
                let words = suggest::key(name, &known).or_else(near);
                words.map_or_else(String::new, |words| format!("; did you mean {words}?"))
            });
            let place = self.at(key.span());
            self.draft.problem(Problem::new(place, full, format!(": unknown key{}", clean(&hint))));
            return false;
        };
        let plain = plain(value.get_ref());
        match found.kind.check(&plain) {
            Ok(checked) => {
                found.set(row, checked);
                true
            }
            Err(refused) => {
                let text = shown(&found.kind, &self.shown(value));
                let place = self.at(value.span());
                self.draft.problem(Problem::refused(place, &full, &text, &plain, refused));
                false
            }
        }
    }

    /// Returns the value as a table; reports any other value.
    fn table<'v, 'i>(&mut self, path: &str, key: &Name<'_>, value: &'v Content<'i>) -> Option<&'v DeTable<'i>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            // An array of tables has the span of one of its headers, so the key's place says more.
            let place = self.at(key.span());
            let found = plain(value.get_ref()).type_name();
            self.draft.problem(Problem::new(place, path, format!(": expected a table, found a value of type {found}")));
        }
        table
    }

    fn at(&self, span: Range<usize>) -> Place {
        self.places.at(span.start)
    }

    /// The value as the file writes it.
    fn shown(&self, value: &Content<'_>) -> String {
        let written = match value.get_ref() {
            // A table written as a header or with dots has no text of its own.
            DeValue::Table(_) => "{…}",
            _ => self.text.get(value.span()).unwrap_or_default(),
        };
        clean(written)
    }
}

/// The entries by their place in the file; the parser sorts them by name.
fn in_order<'v, 'i>(table: &'v DeTable<'i>) -> Vec<(&'v Name<'i>, &'v Content<'i>)> {
    let mut entries = Vec::with_capacity(table.len());
    for entry in table {
        entries.push(entry);
    }
    // By a number as problems are, so that there is one such sort.
    entries.sort_by_cached_key(|(key, _)| key.span().start as u64);
    entries
}

/// The tables below `[metrics]` that keys are in, as often as they have keys.
fn tables() -> impl Iterator<Item = &'static str> {
    keys().map(|key| split(key.path).0).filter(|table| table.starts_with("metrics."))
}

fn is_table(path: &str) -> bool {
    keys().any(|key| split(key.path).0 == path || key.alias.is_some_and(|alias| split(alias).0 == path))
}

/// "; did you mean …?", or nothing.
fn meant(table: &str, name: &str) -> String {
    let mut all = Vec::new();
    for key in keys() {
        all.push(split(key.path));
        if let Some(alias) = key.alias {
            all.push(split(alias));
        }
    }
    let mut here = Vec::new();
    for (its_table, word) in &all {
        if *its_table == table {
            here.push(*word);
        }
    }
    let keys = here.len();
    if table == "metrics" {
        here.extend_from_slice(&[
            "statsd",
            "prometheus",
            "pull_cache",
            "graphite",
            "influxdb",
            "otlp",
            "remote_write",
            "archive",
            "metric_servers",
            "limits",
            "loggers",
            "views",
        ]);
    }
    if let Some(words) = suggest::key(name, &here) {
        return format!("; did you mean {words}?");
    }
    // `host` under [metrics.statsd] or [metrics_statsd] is `statsd_host`; `dialect` under [metrics] belongs elsewhere.
    let backend = table.strip_prefix("metrics").unwrap_or(table);
    let backend = backend.strip_prefix('.').or_else(|| backend.strip_prefix('_')).unwrap_or(backend);
    let prefixed = format!("{backend}_{name}");
    if here[..keys].contains(&prefixed.as_str()) {
        return format!("; did you mean `{prefixed}`?");
    }
    // `statsd_dialect` under [metrics] is `dialect` under [metrics.statsd].
    if table == "metrics" {
        for its_table in tables() {
            let known: Vec<&str> = all.iter().filter(|(table, _)| *table == its_table).map(|(_, word)| *word).collect();
            let words = suggest::key_behind(its_table.strip_prefix("metrics.").unwrap_or_default(), name, &known);
            if let Some(words) = words {
                return format!("; did you mean {words} under [{its_table}]?");
            }
        }
    }
    for wanted in [prefixed.as_str(), name] {
        for (table, word) in &all {
            if *word == wanted {
                return format!("; did you mean `{word}` under [{table}]?");
            }
        }
    }
    nearest(name, here.iter().copied()).map_or_else(String::new, |word| format!("; did you mean `{word}`?"))
}

/// A table of texts as a list of `name=value`. Anything else stays a table, and is refused as such.
fn pairs(table: &DeTable<'_>) -> Value {
    let mut items = Vec::with_capacity(table.len());
    for (name, value) in in_order(table) {
        let name: &str = name.get_ref();
        match plain(value.get_ref()) {
            Value::Text(text) if !name.contains('=') => items.push(Value::text(format!("{name}={text}"))),
            _ => return Value::Other("table"),
        }
    }
    Value::List(items)
}

/// The value without its place.
fn plain(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::text(text.as_ref()),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Integer(number) => {
            let text = number.as_str();
            let saturated = if text.starts_with('-') { i128::MIN } else { i128::MAX };
            Value::Integer(i128::from_str_radix(text, number.radix()).unwrap_or(saturated))
        }
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Array(items) => {
            let mut list = Vec::with_capacity(items.len());
            for item in items {
                list.push(plain(item.get_ref()));
            }
            Value::List(list)
        }
        DeValue::Datetime(_) => Value::Other("date"),
        DeValue::Table(_) => Value::Other("table"),
    }
}
