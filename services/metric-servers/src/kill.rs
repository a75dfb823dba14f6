//! A process that is killed at each step of a change leaves the old state or the new one, and never a half of each: the file and the secret
//! belong together. The process is a copy of this test, which [`steps`](crate::steps) ends.

use crate::manage::{Change, MetricServers};
use crate::pipeline::Pipeline;
use crate::rule::Words;
use crate::settings::Settings;
use ferrometer_core::{Backend, Ledger};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// A program that takes every backend.
struct Takes;

impl Pipeline for Takes {
    fn put(&self, _: &str, _: Box<dyn Backend>) -> Result<Option<Ledger>, String> {
        Ok(None)
    }

    fn take(&self, _: &str) -> Option<Ledger> {
        None
    }

    fn ledger(&self, _: &str) -> Option<Ledger> {
        None
    }
}

fn open(dir: &Path) -> Arc<MetricServers> {
    MetricServers::open(&Settings::new(dir.join("status.cfg")), Arc::new(Takes)).unwrap()
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// UDP to this machine: such a connection can be tested without a server.
fn create(servers: &MetricServers) {
    let values = pairs(&[("server", "127.0.0.1"), ("port", "9"), ("token", "first-secret"), ("bucket", "one")]);
    servers.create(crate::kind::Kind::InfluxDb, "kept", values).unwrap();
}

fn change(servers: &MetricServers, what: &str) {
    match what {
        "create" => create(servers),
        "update" => {
            let set = pairs(&[("server", "127.0.0.1"), ("port", "9"), ("token", "second-secret"), ("bucket", "two")]);
            servers.update(Words::Pve, None, "kept", Change { set, ..Change::default() }).unwrap();
        }
        "secret" => {
            let set = pairs(&[("token", "second-secret")]);
            servers.update(Words::Pve, None, "kept", Change { set, ..Change::default() }).unwrap();
        }
        "forget" => {
            let change = Change { set: pairs(&[("bucket", "two")]), delete: vec!["token".into()], digest: None };
            servers.update(Words::Pve, None, "kept", change).unwrap();
        }
        _ => servers.delete(Words::Pve, None, "kept", None).unwrap(),
    }
}

/// Every file, but for the lock.
fn files(dir: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for dir in [dir.to_owned(), dir.join("priv/metricserver")] {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten().filter(|entry| entry.path().is_file()) {
            let name = entry.file_name().into_string().unwrap();
            if !name.ends_with(".lock") {
                all.insert(name, std::fs::read_to_string(entry.path()).unwrap());
            }
        }
    }
    all
}

#[test]
#[ignore = "the child of the test below"]
fn child() {
    let Ok(dir) = std::env::var("METRIC_SERVERS_DIR") else { return };
    let servers = open(Path::new(&dir));
    change(&servers, &std::env::var("METRIC_SERVERS_CHANGE").unwrap());
}

#[test]
fn a_process_that_is_killed_at_any_step_leaves_the_old_state_or_the_new_one() {
    let scratch = ferrometer_push_testkit::Scratch::new("metric-servers-kill");
    for what in ["create", "update", "secret", "forget", "delete"] {
        let run = |name: &str, at: Option<u32>| {
            let dir = scratch.path().join(format!("{what}-{name}"));
            std::fs::create_dir_all(&dir).unwrap();
            if what != "create" {
                create(&open(&dir));
            }
            let before = files(&dir);
            let mut child = Command::new(std::env::current_exe().unwrap());
            child.args(["--exact", "kill::child", "--ignored"]).env("METRIC_SERVERS_DIR", &dir);
            child.env("METRIC_SERVERS_CHANGE", what);
            if let Some(at) = at {
                child.env("METRIC_SERVERS_KILL_AT", at.to_string());
            }
            let output = child.output().unwrap();
            let left = files(&dir);
            // Anyone who comes next ends what was begun.
            drop(open(&dir));
            (output.status.success(), before, left, files(&dir))
        };
        let (done, old, _, new) = run("whole", None);
        assert!(done && old != new, "{what}");
        let (mut olds, mut news, mut at) = (0, 0, 1);
        loop {
            let (ended, before, _, after) = run(&at.to_string(), Some(at));
            assert_eq!(before, old);
            if ended {
                break;
            }
            // A draft may be left of the section file; the next change replaces it.
            let mut after = after;
            after.remove("status.cfg.tmp");
            assert!(after == old || after == new, "{what} killed at {at}: {after:?}\nold {old:?}\nnew {new:?}");
            olds += u32::from(after == old);
            news += u32::from(after == new);
            at += 1;
        }
        assert!(olds > 0 && news > 0 && at > 4, "{what}: {at} steps, {olds} old, {news} new");
    }
}
