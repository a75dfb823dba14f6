//! Creating, changing, removing and testing servers: lock, exists, check, secret, test of the connection, write, apply. Where one of these
//! fails, everything is as before, the secret included.
//!
//! The changes stand side by side, since they differ in few of these steps; hence the length.

use crate::kind::Kind;
use crate::pipeline::Pipeline;
use crate::plan::Plan;
use crate::rule::Words;
use crate::running::Running;
use crate::section_file::{Section, SectionFile};
use crate::settings::{OpenError, Settings};
use crate::steps::step;
use crate::store::{State, Store, Writer};
use ferrometer_core::warn;
use ferrometer_push::{Destinations, Secret};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// Why a request is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Parameters, and what is wrong with each.
    Parameters(Vec<(String, String)>),
    /// In upstream's words.
    Said(String),
}

impl Failure {
    pub(crate) fn said(text: impl Into<String>) -> Failure {
        Failure::Said(text.into())
    }
}

/// A change of a section that is there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Change {
    /// Checked values.
    pub(crate) set: Vec<(String, String)>,
    pub(crate) delete: Vec<String>,
    pub(crate) digest: Option<String>,
}

/// Metric servers, managed over HTTP. Mount [`Management`](crate::Management) and [`Status`](crate::Status) of it.
pub struct MetricServers {
    store: Store,
    destinations: Destinations,
    running: Running,
    max_servers: usize,
    /// Another one is in force: nothing is changed here any more.
    is_retired: AtomicBool,
}

impl fmt::Debug for MetricServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricServers").field("path", &self.store.path()).finish_non_exhaustive()
    }
}

impl Settings {
    /// Counts the servers that the file describes now, and the most memory in bytes that they take in a program with `series` series. A file that cannot
    /// be read describes none.
    #[must_use]
    pub fn described(&self, series: usize) -> (usize, usize) {
        let store = Store::new(self.path.clone(), self.secrets.clone());
        let state = store.read().unwrap_or_default();
        let sections = state.file.sections().filter(|section| section.is_enabled());
        sections.fold((0, 0), |(count, bytes), section| {
            let plan = Plan::of(section, None, &Destinations::default());
            (count + 1, bytes + plan.map_or(0, |plan| plan.max_bytes(series)))
        })
    }
}

impl MetricServers {
    /// Opens the section file, which need not be there, and ends what a process that was killed had begun. No server is at work before
    /// [`start`](MetricServers::start).
    ///
    /// # Errors
    /// [`OpenError`]: a setting is out of its range, or the file cannot be used.
    pub fn open(settings: &Settings, pipeline: Arc<dyn Pipeline>) -> Result<Arc<MetricServers>, OpenError> {
        if !(1..=256).contains(&settings.max_servers) {
            let (found, allowed) = (settings.max_servers.to_string(), "1 to 256".to_owned());
            return Err(OpenError::Setting { setting: "max_servers", found, allowed });
        }
        let destinations = Destinations::new(&settings.allowed_destinations).map_err(|invalid| OpenError::Setting {
            setting: invalid.setting,
            found: invalid.found,
            allowed: invalid.allowed,
        })?;
        let store = Store::new(settings.path.clone(), settings.secrets.clone());
        let wrong = |cause| OpenError::File { path: settings.path.clone(), cause };
        drop(store.lock().map_err(wrong)?);
        store.read().map_err(|cause| OpenError::File { path: settings.path.clone(), cause })?;
        let is_retired = AtomicBool::new(false);
        let running = Running::new(pipeline);
        Ok(Arc::new(MetricServers { store, destinations, running, max_servers: settings.max_servers, is_retired }))
    }

    /// Installs every enabled server of the file. One that is wrong is left out, and what is wrong with it is in the log and in the status.
    pub fn start(&self) {
        let state = match self.store.read() {
            Ok(state) => state,
            Err(error) => return warn("metric servers", &format!("{}: {error}", self.store.path().display())),
        };
        let path = self.store.path().display();
        for damaged in state.file.damaged() {
            let name = if damaged.id.is_empty() { String::new() } else { format!(" '{}'", damaged.id) };
            let what = format!("{path} line {}: section{name} is not used: {}", damaged.line, damaged.why);
            warn(&format!("metric server{name}"), &what);
        }
        for (at, section) in state.file.sections().filter(|section| section.is_enabled()).enumerate() {
            let started = match at {
                at if at >= self.max_servers => Err(format!("there are more than {} servers", self.max_servers)),
                _ => self.plan(section, None).and_then(|plan| self.running.put(&section.id, plan.backend()?)),
            };
            if let Err(why) = started {
                warn(
                    &format!("metric server {}", section.id),
                    &format!("{path}: server '{}' is left out: {why}", section.id),
                );
                self.running.fault(&section.id, why);
            }
        }
    }

    /// Removes the backends of all servers, each after its last delivery. The file stays.
    pub fn stop(&self) {
        self.retire();
        for id in self.running.installed() {
            self.running.disable(&id);
        }
    }

    /// Changes nothing any more, and leaves the backends to another one that takes them over by their names.
    pub fn retire(&self) {
        self.is_retired.store(true, SeqCst);
    }

    /// Returns the names of the backends that are installed, `server-<id>` each.
    #[must_use]
    pub fn backends(&self) -> Vec<String> {
        self.running.installed().iter().map(|id| crate::running::backend_name(id)).collect()
    }

    pub(crate) fn running(&self) -> &Running {
        &self.running
    }

    pub(crate) fn read(&self) -> Result<State, Failure> {
        self.store.read().map_err(|error| self.unreadable(&error))
    }

    fn unreadable(&self, error: &std::io::Error) -> Failure {
        let name = self.store.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        Failure::said(format!("can't use '{name}' - {error}\n"))
    }

    fn writer(&self) -> Result<Writer<'_>, Failure> {
        let writer = self.store.lock().map_err(|error| self.unreadable(&error))?;
        if self.is_retired.load(SeqCst) {
            return Err(Failure::said("another configuration has taken over; try again\n"));
        }
        Ok(writer)
    }

    /// The settings of a section, with its secret: the given one, or the one that is kept.
    fn plan(&self, section: &Section, secret: Option<&Option<Secret>>) -> Result<Plan, String> {
        let secret = match (secret, section.kind.secret()) {
            (_, None) => None,
            (Some(given), _) => given.clone(),
            (None, Some(_)) => self.store.secret(&section.id).map_err(|error| format!("its secret: {error}"))?,
        };
        Plan::of(section, secret.as_ref(), &self.destinations)
    }

    /// Creates a server. `values` are checked, the secret among them.
    pub(crate) fn create(&self, kind: Kind, id: &str, values: Vec<(String, String)>) -> Result<(), Failure> {
        let writer = self.writer()?;
        let state = self.read()?;
        if state.file.has(id) {
            return Err(Failure::said(match kind.words() {
                Words::Pve => format!("Metric server '{id}' already exists\n"),
                Words::Pbs => format!("metric server '{id}' already exists."),
            }));
        }
        if state.file.sections().count() >= self.max_servers {
            return Err(Failure::said(format!(
                "there are {} metric servers, and that is the limit\n",
                self.max_servers
            )));
        }
        let (section, secret) = described(kind, id, values)?;
        let mut file = state.file.clone();
        file.put(section.clone());
        step();
        // Also where there is none: one that was left behind by others must not become this server's.
        self.carry_out(&writer, &state, &file, &section, Some(secret))
    }

    /// Changes a server.
    pub(crate) fn update(&self, words: Words, kind: Option<Kind>, id: &str, change: Change) -> Result<(), Failure> {
        let writer = self.writer()?;
        let state = self.read()?;
        check_digest(&state, words, change.digest.as_deref())?;
        let mut section = self.find(&state.file, words, kind, id)?.clone();
        let (kind, sensitive) = (section.kind, section.kind.secret());
        let mut secret = None;
        // A secret in the section itself goes where secrets are.
        if let Some(kept) = sensitive.and_then(|key| section.values.remove(key)) {
            secret = Some(Some(Secret::new(kept)));
        }
        if let Some((key, _)) = change.set.iter().find(|(key, _)| kind.option(key).is_none()) {
            return Err(Failure::said(format!("unexpected property '{key}'\n")));
        }
        let is_set = |key: &str| change.set.iter().any(|(set, _)| set == key);
        for key in &change.delete {
            let option = kind.option(key).ok_or_else(|| Failure::said(format!("no such option '{key}'\n")))?;
            if option.is_required {
                return Err(Failure::said(format!("unable to delete required option '{key}'\n")));
            }
            let is_secret = sensitive == Some(key.as_str());
            if words == Words::Pve && is_set(key) && !is_secret {
                return Err(Failure::said(format!("cannot set and delete property '{key}' at the same time!\n")));
            }
            if is_secret {
                secret = Some(None);
            }
            section.values.remove(key);
        }
        for (key, value) in change.set {
            match sensitive == Some(key.as_str()) {
                true => secret = Some(Some(Secret::new(value))),
                false => drop(section.values.insert(key, value)),
            }
        }
        complete(&section)?;
        let mut file = state.file.clone();
        file.put(section.clone());
        self.carry_out(&writer, &state, &file, &section, secret)
    }

    /// Removes a server, a damaged one too.
    pub(crate) fn delete(
        &self,
        words: Words,
        kind: Option<Kind>,
        id: &str,
        digest: Option<&str>,
    ) -> Result<(), Failure> {
        let writer = self.writer()?;
        let state = self.read()?;
        check_digest(&state, words, digest)?;
        let unknown = || {
            Failure::said(match words {
                Words::Pve => format!("no such server '{id}'\n"),
                Words::Pbs => format!("name '{id}' does not exist."),
            })
        };
        let mut file = state.file.clone();
        let is_of = |section: &Section| kind.is_none_or(|kind| kind == section.kind) && section.kind.words() == words;
        if state.file.get(id).is_some_and(|section| !is_of(section)) || !file.remove(id) {
            return Err(unknown());
        }
        let secret = self.store.secret(id).map_err(|error| self.unreadable(&error))?;
        let staged = secret.is_some().then_some(id);
        let written =
            staged.map_or(Ok(()), |id| writer.stage(id, None)).and_then(|()| writer.commit(&state, &file, staged));
        written.map_err(|error| {
            writer.discard(id);
            self.unreadable(&error)
        })?;
        self.running.forget(id);
        Ok(())
    }

    /// Tests the connection of a server that is there.
    pub(crate) fn test(&self, id: &str) -> Result<(), Failure> {
        let state = self.read()?;
        let section = state.file.get(id).ok_or_else(|| Failure::said(format!("no such server '{id}'\n")))?;
        self.test_section(section, None)
    }

    /// Tests the connection of a server that is not there yet. Nothing is kept.
    pub(crate) fn test_new(&self, kind: Kind, id: &str, values: Vec<(String, String)>) -> Result<(), Failure> {
        // Its own values alone: a secret that is kept goes to no other server than its own.
        let (section, secret) = described(kind, id, values)?;
        self.test_section(&section, Some(&secret))
    }

    fn test_section(&self, section: &Section, secret: Option<&Option<Secret>>) -> Result<(), Failure> {
        let wrong = |why: String| refused(section, &why);
        let plan = self.plan(section, secret).map_err(wrong)?;
        plan.backend().map_err(wrong)?;
        plan.test().map_err(|why| untested(section, &why))
    }

    pub(crate) fn find<'f>(
        &self,
        file: &'f SectionFile,
        words: Words,
        kind: Option<Kind>,
        id: &str,
    ) -> Result<&'f Section, Failure> {
        if let Some(damaged) = file.damage_of(id) {
            let why = format!("server '{id}' is damaged (line {}): {}\n", damaged.line, damaged.why);
            return Err(Failure::said(why));
        }
        let found = file.get(id).filter(|section| section.kind.words() == words);
        match (found, kind) {
            (None, None) => Err(Failure::said(format!("no such server '{id}'\n"))),
            (None, Some(kind)) => Err(Failure::said(format!("no such {} '{id}'", kind.name()))),
            (Some(section), Some(kind)) if section.kind != kind => {
                let found = section.kind.name();
                Err(Failure::said(format!("got unexpected type '{found}' for {} '{id}'", kind.name())))
            }
            (Some(section), _) => Ok(section),
        }
    }

    /// Secret, test, write, apply. `secret`: the new one (or that there is none any more), unless it stays.
    fn carry_out(
        &self,
        writer: &Writer<'_>,
        state: &State,
        file: &SectionFile,
        section: &Section,
        secret: Option<Option<Secret>>,
    ) -> Result<(), Failure> {
        let id = section.id.as_str();
        let before = self.store.secret(id).map_err(|error| self.unreadable(&error))?;
        // A secret that stays as it is needs no file.
        let secret = secret.filter(|new| *new != before);
        let staged = secret.is_some().then_some(id);
        let outcome = (|| {
            if let Some(secret) = &secret {
                writer.stage(id, secret.as_ref()).map_err(|error| self.unreadable(&error))?;
            }
            let now = secret.clone().unwrap_or_else(|| before.clone());
            let plan = self.plan(section, Some(&now)).map_err(|why| refused(section, &why))?;
            let backend = plan.backend().map_err(|why| refused(section, &why))?;
            if section.is_enabled() {
                plan.test().map_err(|why| untested(section, &why))?;
            }
            step();
            writer.commit(state, file, staged).map_err(|error| self.unreadable(&error))?;
            Ok(backend)
        })();
        let backend = outcome.inspect_err(|_| writer.discard(id))?;
        step();
        if !section.is_enabled() {
            self.running.disable(id);
            return Ok(());
        }
        self.running.put(id, backend).map_err(|why| {
            // The system gave no thread. The files are put back; where even that fails, the next start tells.
            let undo = || {
                let now = self.store.read()?;
                if staged.is_some() {
                    writer.stage(id, before.as_ref())?;
                }
                writer.commit(&now, &state.file, staged)
            };
            let undone = undo()
                .map_or_else(|error| format!("; and the file could not be put back: {error}"), |()| String::new());
            Failure::said(format!("server '{id}' could not be started: {why}{undone}\n"))
        })
    }
}

/// A section of checked values, and the secret among them.
fn described(kind: Kind, id: &str, values: Vec<(String, String)>) -> Result<(Section, Option<Secret>), Failure> {
    let (mut section, mut secret) = (Section::new(kind, id), None);
    for (key, value) in values {
        if kind.option(&key).is_none() {
            return Err(Failure::said(format!("unexpected property '{key}'\n")));
        }
        match kind.secret() == Some(key.as_str()) {
            true => secret = Some(Secret::new(value)),
            false => drop(section.values.insert(key, value)),
        }
    }
    complete(&section)?;
    Ok((section, secret))
}

fn complete(section: &Section) -> Result<(), Failure> {
    let mut options = section.kind.options().iter();
    match options.find(|option| option.is_required && section.get(option.name).is_none_or(str::is_empty)) {
        Some(option) => Err(Failure::said(format!("missing value for required option '{}'\n", option.name))),
        None => Ok(()),
    }
}

fn check_digest(state: &State, words: Words, given: Option<&str>) -> Result<(), Failure> {
    let Some(given) = given.filter(|given| !given.is_empty()) else { return Ok(()) };
    let now = if words == Words::Pve { state.sha1() } else { state.sha256() };
    if given.eq_ignore_ascii_case(&now) {
        return Ok(());
    }
    let said = "detected modified configuration - file changed by other user? Try again.";
    Err(Failure::said(if words == Words::Pve { format!("{said}\n") } else { said.to_owned() }))
}

/// Settings that no backend can work with.
fn refused(section: &Section, why: &str) -> Failure {
    Failure::said(format!("server '{}' cannot work as it is described: {}\n", section.id, why.trim_end()))
}

/// A connection that could not be tested.
fn untested(section: &Section, why: &str) -> Failure {
    Failure::said(match section.kind {
        Kind::InfluxDbHttp | Kind::InfluxDbUdp => {
            format!("could not connect to {}: {why}", crate::plan::destination(section))
        }
        Kind::OpenTelemetry => format!("Connection test failed: {why}\n"),
        Kind::Graphite | Kind::InfluxDb => format!("{why}\n"),
    })
}
