//! Processors that are killed at any moment: in the end each scope, metric and period is in the outputs exactly once.
//!
//! The processors are this test binary itself.

#![cfg(unix)]

#[path = "support/instant.rs"]
mod instant;
mod support;

use std::collections::HashMap;
use std::ffi::OsString;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::Folder;

const ARGUMENTS: &str = "FERROMETER_COLLECTOR_ARGUMENTS";
const BEGIN: i64 = 1_700_000_000 - 1_700_000_000 % 60;
const PERIODS: i64 = 90;

/// The child: the command, with the arguments of its environment, one a line.
#[test]
#[ignore = "is the child of the tests below"]
fn child() {
    let Some(arguments) = std::env::var_os(ARGUMENTS) else { return };
    let arguments = arguments.into_string().unwrap();
    let arguments = ["collector"].into_iter().chain(arguments.lines()).map(OsString::from);
    let code = ferrometer_collector::command::run_with(arguments);
    std::process::exit(i32::from(code != std::process::ExitCode::SUCCESS));
}

fn processor(folder: &Path, name: &str, all: &str, to: i64) -> Child {
    let arguments = [
        format!("--config={}/cloudkitty.conf", folder.display()),
        format!("--state={}/state", folder.display()),
        format!("--output={}/{name}.jsonl", folder.display()),
        format!("--processor={name}"),
        format!("--processors={all}"),
        format!("--from={BEGIN}"),
        format!("--to={to}"),
        "--quiet".into(),
    ];
    Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--ignored", "--nocapture"])
        .env(ARGUMENTS, arguments.join("\n"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn done(mut child: Child) {
    assert!(child.wait().unwrap().success());
}

fn scopes() -> Vec<String> {
    let plain = (0..24).map(|n| format!("scope-{n}"));
    plain.chain(["we\"ird".to_owned(), "a\\b".to_owned(), "x\ny".to_owned(), "ü, {}".to_owned()]).collect()
}

/// Kills one of two processors again and again, then lets them finish, a third join and one go.
fn kills(times: i64) {
    let folder = Folder::new(&format!("kill-{times}"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/api/v1", listener.local_addr().unwrap());
    instant::serve(listener, scopes(), Duration::from_millis(1));
    folder.write("metrics.yml", "metrics: {cpu: {unit: x, groupby: [id]}, mem: {unit: y, metadata: [flavor]}}");
    folder.write(
        "cloudkitty.conf",
        format!(
            "[collect]\nmetrics_conf = metrics.yml\nperiod = 60\nscope_key = namespace\n[collector_prometheus]\nprometheus_url = {url}\n\
             [fetcher_prometheus]\nmetric = up\nscope_attribute = namespace\n[ferrometer]\nconcurrency = 3\nperiods_per_query = 7\n"
        ),
    );
    let mut random = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos() as u64 | 1;
    let mut draw = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    let mut to = BEGIN;
    let mut killed_at_work = 0;
    for _ in 0..times {
        to += PERIODS * 60;
        let mut pair = vec![processor(&folder.0, "a", "a,b", to), processor(&folder.0, "b", "a,b", to)];
        let mut victim = pair.swap_remove(draw(2) as usize);
        std::thread::sleep(Duration::from_millis(10 + draw(250)));
        killed_at_work += i64::from(victim.try_wait().unwrap().is_none());
        let _ = victim.kill();
        let _ = victim.wait();
        done(pair.remove(0));
    }
    let both = [processor(&folder.0, "a", "a,b", to), processor(&folder.0, "b", "a,b", to)];
    both.into_iter().for_each(done);
    // One joins: it goes on where the others stopped with its scopes. Then one goes.
    to += PERIODS * 60;
    ["a", "b", "c"].map(|name| processor(&folder.0, name, "a,b,c", to)).into_iter().for_each(done);
    to += PERIODS * 60;
    ["a", "c"].map(|name| processor(&folder.0, name, "a,c", to)).into_iter().for_each(done);

    assert!(killed_at_work > 0, "none of {times} was killed at work");
    let mut seen: HashMap<(String, String, String), u32> = HashMap::new();
    for name in ["a", "b", "c"] {
        let text = std::fs::read_to_string(folder.0.join(format!("{name}.jsonl"))).unwrap();
        for line in text.lines() {
            let point: serde_json::Value = serde_json::from_str(line).unwrap();
            let of = |a: &str, b: &str| point[a][b].as_str().unwrap().to_owned();
            let end: jiff::Timestamp = of("period", "end").parse().unwrap();
            assert_eq!(point["vol"]["qty"].to_string(), (end.as_second() / 60).to_string());
            let metric = point["metric"].as_str().unwrap().to_owned();
            *seen.entry((of("groupby", "namespace"), metric, of("period", "begin"))).or_default() += 1;
        }
    }
    assert!(seen.values().all(|n| *n == 1), "{:?}", seen.iter().find(|(_, n)| **n != 1));
    assert_eq!(seen.len() as i64, scopes().len() as i64 * 2 * (to - BEGIN) / 60);
}

#[test]
fn processors_that_are_killed_a_few_times() {
    kills(5);
}

#[test]
#[ignore = "takes a minute"]
fn processors_that_are_killed_fifty_times() {
    kills(50);
}
