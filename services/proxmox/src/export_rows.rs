//! Rows: what a record is called where there is no place for labels, and who may see it.
//!
//! Labels are folded into the name, `requests.method.GET`. Two records that come out alike cannot both be shown: the first keeps
//! the name, the other is left out, counted, and reported once.

use crate::params::Words;
use ferrometer_cache_api::{AUDIT, DATASTORE_AUDIT};
use ferrometer_core::name;
use ferrometer_core::object::HOST;
use ferrometer_http::Rights;
use ferrometer_pull_cache::{Columns, Identity, Labels, RecordType};
use serde::Serialize;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// One value as both write it, in the order of the fields.
#[derive(Serialize)]
pub(crate) struct Row<'a> {
    pub(crate) id: &'a str,
    pub(crate) metric: &'a str,
    pub(crate) timestamp: i64,
    #[serde(rename = "type")]
    pub(crate) kind: RecordType,
    pub(crate) value: f64,
}

/// How an answer looks at the rows.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// Id that is shown for `host`.
    pub(crate) host: Arc<str>,
    pub(crate) rights: Rights,
    pub(crate) words: Words,
}

impl View {
    /// Returns whether the caller may see what belongs to this id.
    pub(crate) fn sees(&self, id: &str) -> bool {
        let rights = &self.rights;
        match (self.words, id, id.strip_prefix("datastore/")) {
            (Words::Pve, ..) => rights.has(AUDIT, "/"),
            (Words::Pbs, HOST, _) => rights.has(AUDIT, "/system/status"),
            (Words::Pbs, _, Some(rest)) => {
                let store = rest.split('/').next().unwrap_or_default();
                rights.has(DATASTORE_AUDIT, &format!("/datastore/{store}"))
            }
            (Words::Pbs, ..) => false,
        }
    }
}

/// Rows that each column is shown as, if it is shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    names: Arc<[Name]>,
    visible: Vec<bool>,
    host: Arc<str>,
}

/// Treatment of a record's name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    /// It has no labels.
    Itself,
    Folded(Box<str>),
    /// It is too long, or belongs to another.
    Refused,
}

/// Kinds of columns.
pub(crate) enum Column<'a> {
    /// Its id and name.
    Row(&'a str, &'a str),
    /// The caller may not see it.
    Hidden,
    /// It has no name here.
    Refused,
}

impl Shown {
    /// Columns that came later than the answer are not in it.
    pub(crate) fn column<'a>(&'a self, column: usize, identity: &'a Identity) -> Column<'a> {
        if !self.visible.get(column).copied().unwrap_or(false) {
            return Column::Hidden;
        }
        let id = identity.object().unwrap_or(&self.host);
        match self.names.get(column) {
            Some(Name::Itself) => Column::Row(id, identity.metric()),
            Some(Name::Folded(name)) => Column::Row(id, name),
            Some(Name::Refused) | None => Column::Refused,
        }
    }
}

/// The names, kept until there are more columns.
#[derive(Debug, Default)]
pub(crate) struct Names {
    last: Mutex<Option<Known>>,
    reported: Mutex<Reported>,
}

/// The names of these columns.
type Known = (Weak<Columns>, Arc<[Name]>);

/// Reports made already.
#[derive(Debug, Default)]
struct Reported {
    name: bool,
    id: bool,
}

impl Names {
    pub(crate) fn shown(&self, columns: &Arc<Columns>, view: &View) -> Shown {
        let sees = |identity: &Arc<Identity>| view.sees(identity.id());
        let visible: Vec<bool> = columns.identities().iter().map(sees).collect();
        if view.words == Words::Pbs {
            let strange = columns.identities().iter().find(|i| i.id() != HOST && !i.id().starts_with("datastore/"));
            if let Some(strange) = strange {
                self.report(|told| &mut told.id, || {
                    format!("invalid metric object id: {:?}, as are perhaps others; only host and datastore/<name> are shown at status/metrics", strange.id())
                });
            }
        }
        Shown { names: self.names(columns), visible, host: Arc::clone(&view.host) }
    }

    fn names(&self, columns: &Arc<Columns>) -> Arc<[Name]> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // As long as the weak reference is there, no others can stand at the same address.
        match &*last {
            Some((weak, names)) if Weak::ptr_eq(weak, &Arc::downgrade(columns)) => Arc::clone(names),
            _ => {
                let identities = columns.identities();
                let (names, refused) = fold(identities.iter().map(|i| (i.metric(), i.labels(), i.id())));
                *last = Some((Arc::downgrade(columns), Arc::clone(&names)));
                drop(last);
                if let Some(refused) = refused.map(|at| &identities[at]) {
                    self.report(|told| &mut told.name, || {
                        format!(
                            "{:?} with labels {:?} has no name of its own on the routes of Proxmox, where labels are folded into it, \
                             and is not shown there, as are perhaps others",
                            refused.metric(), refused.labels()
                        )
                    });
                }
                names
            }
        }
    }

    fn report(&self, which: impl Fn(&mut Reported) -> &mut bool, message: impl FnOnce() -> String) {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        let told = std::mem::replace(which(&mut reported), true);
        drop(reported);
        if !told {
            let message = format!("pull cache: {}", message());
            ferrometer_core::warn(&message, &message);
        }
    }
}

/// The names of all columns, each given by its metric, labels and id; and the first that has none.
fn fold<'a>(columns: impl Iterator<Item = (&'a str, &'a Labels, &'a str)> + Clone) -> (Arc<[Name]>, Option<usize>) {
    let folded = |(metric, labels, _): (&str, &Labels, &str)| {
        if labels.is_empty() {
            return Name::Itself;
        }
        let mut out = metric.to_owned();
        labels.iter().for_each(|(key, value)| ferrometer_export::push_folded_label(&mut out, key, value));
        if name::check(&out).is_ok() { Name::Folded(out.into()) } else { Name::Refused }
    };
    let mut names: Vec<Name> = columns.clone().map(folded).collect();
    let mut taken = HashSet::new();
    let mut refused = Vec::new();
    for (at, ((metric, _, id), name)) in columns.zip(&names).enumerate() {
        let text = match name {
            Name::Itself => metric,
            Name::Folded(text) => text,
            Name::Refused => continue,
        };
        if !taken.insert((id, text)) {
            refused.push(at);
        }
    }
    drop(taken);
    refused.into_iter().for_each(|at| names[at] = Name::Refused);
    let first = names.iter().position(|name| *name == Name::Refused);
    (names.into(), first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_folded_and_what_comes_out_alike_is_shown_once() {
        fn labels<'a>(labels: &[(&'a str, &'a str)]) -> Labels {
            Labels::of_record(labels.iter().copied())
        }
        let long = "x".repeat(600);
        let (two, none, one) = (labels(&[("k", "v w"), ("b", "1.2")]), labels(&[]), labels(&[("k", &long)]));
        let all = [
            ("a", &two, HOST),
            ("a.b.1_2-e94218cc.k.v_w-8fc791f4", &none, HOST),
            ("a.b.1_2-e94218cc.k.v_w-8fc791f4", &none, "qemu/1"),
            ("a", &one, HOST),
            ("a", &none, HOST),
        ];
        let (names, refused) = fold(all.into_iter());
        let expected = [
            Name::Folded("a.b.1_2-e94218cc.k.v_w-8fc791f4".into()),
            Name::Refused,
            Name::Itself,
            Name::Refused,
            Name::Itself,
        ];
        assert_eq!(*names, expected);
        assert_eq!(refused, Some(1));
    }

    #[test]
    fn who_sees_what() {
        let view = |words, list: &str| View {
            host: "h".into(),
            rights: Rights::parse(list, &[AUDIT, DATASTORE_AUDIT]).unwrap(),
            words,
        };
        for (words, list, id, expected) in [
            (Words::Pbs, "Sys.Audit@/", "host", true),
            (Words::Pbs, "Sys.Audit@/system/status", "host", true),
            (Words::Pbs, "Sys.Audit@/datastore", "host", false),
            (Words::Pbs, "Sys.Audit@/", "datastore/a", false),
            (Words::Pbs, "Datastore.Audit@/datastore/a", "datastore/a", true),
            (Words::Pbs, "Datastore.Audit@/datastore/a", "datastore/a/s3", true),
            (Words::Pbs, "Datastore.Audit@/datastore/a", "datastore/ab", false),
            (Words::Pbs, "Datastore.Audit@/", "datastore/b/s3", true),
            (Words::Pbs, "Datastore.Audit@/datastore/a/s3", "datastore/a/s3", false),
            (Words::Pbs, "Sys.Audit@/;Datastore.Audit@/", "qemu/100", false),
            (Words::Pve, "Sys.Audit@/", "qemu/100", true),
            (Words::Pve, "Sys.Audit@/nodes", "node/a", false),
        ] {
            assert_eq!(view(words, list).sees(id), expected, "{list} {id}");
        }
        assert!(!View { host: "h".into(), rights: Rights::Reader, words: Words::Pbs }.sees("host"));
    }
}
