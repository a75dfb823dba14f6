//! `dump`: of a program that was killed, of one that runs, of damage; and what promtool makes of it.

use crate::common::{FAST, Serve, good, run, text};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A server that recorded for some generations, and was killed.
fn killed(name: &str) -> (Serve, PathBuf) {
    let mut serve = Serve::start(name, FAST);
    serve.send("shop.sales:2|c|#till:3\nshop.queue.depth:12.5|g\nshop.pay.time:125|ms");
    serve.wait_for("shop.sales");
    // A generation of another second.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    serve.send("shop.sales:3|c|#till:3");
    serve.wait_for("\"value\":5.0");
    serve.child.kill().unwrap();
    serve.wait();
    let folder = serve.scratch.path().join("data/cache");
    (serve, folder)
}

#[test]
fn a_program_that_was_killed_is_read_in_every_form() {
    let (_serve, folder) = killed("program-dump");
    let folder = text(&folder);
    let table = good(["dump", folder, "--name", "shop.*", "--newest"]);
    let sales = table.lines().find(|line| line.contains("shop.sales")).unwrap();
    assert_eq!(sales.split_whitespace().collect::<Vec<_>>(), ["shop.sales", "5", "derive", "till=3"]);
    let lines = good(["--json", "dump", folder, "--name", "shop.sales", "--label", "till=3"]);
    let values: Vec<f64> = lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["value"].as_f64().unwrap())
        .collect();
    assert!(values.len() >= 2 && values.is_sorted() && values.last() == Some(&5.0), "{values:?}");
    let csv = good(["dump", folder, "--format", "csv", "--name", "shop.queue.depth", "--newest"]);
    let mut csv = csv.split("\r\n");
    assert_eq!(csv.next(), Some("timestamp,id,metric,type,value,labels"));
    assert!(csv.next().unwrap().ends_with(",host,shop.queue.depth,gauge,12.5,"));
    let none = run(["dump", folder, "--name", "nothing"]);
    assert_eq!((none.code, none.out.as_str(), none.err.as_str()), (0, "", "note: no record fits\n"));
    let own = good(["dump", folder, "--format", "jsonl", "--without-own"]);
    assert!(own.contains("shop.sales") && !own.contains("ferrometer."));
}

#[test]
#[ignore = "needs promtool, of Debian's package prometheus"]
fn promtool_makes_blocks_of_it() {
    let (serve, folder) = killed("program-promtool");
    let openmetrics = good(["dump", text(&folder), "--format", "openmetrics"]);
    assert!(openmetrics.contains("# TYPE shop_sales counter\nshop_sales_total{till=\"3\"} "), "{openmetrics}");
    let file = serve.scratch.file("metrics.om", &openmetrics);
    let blocks = serve.scratch.path().join("blocks");
    let made = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([&file, &blocks])
        .output()
        .expect("promtool is missing: apt-get install prometheus");
    assert!(made.status.success(), "{made:?}");
    // A database has this folder too.
    std::fs::create_dir(blocks.join("wal")).unwrap();
    // The blocks hold what was dumped, sample by sample.
    let dumped = Command::new("promtool").args(["tsdb", "dump"]).arg(&blocks).output().unwrap();
    assert!(dumped.status.success(), "{dumped:?}");
    let dumped = String::from_utf8(dumped.stdout).unwrap();
    let samples = |text: &str| text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count();
    assert_eq!(samples(&dumped), samples(&openmetrics));
    let last = openmetrics.lines().rfind(|line| line.starts_with("shop_sales_total")).unwrap();
    let (_, at) = last.rsplit_once(' ').unwrap();
    assert!(dumped.contains(&format!("{{__name__=\"shop_sales_total\", till=\"3\"}} 5 {at}000")), "{dumped}");
}

#[test]
fn a_program_that_runs_is_read_over_http() {
    let serve = Serve::start("program-dump-http", FAST);
    serve.send("shop.sales:2|c");
    serve.wait_for("shop.sales");
    let url = serve.url();
    let line = good(["--json", "dump", &url, "--newest", "--name", "shop.*"]);
    let record: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((record["metric"].as_str(), record["value"].as_f64()), (Some("shop.sales"), Some(2.0)));
    // Without the scheme too, and with what stays of a history.
    let host = url.trim_start_matches("http://");
    assert!(good(["dump", host, "--format", "jsonl"]).contains("shop.sales"));
}

#[test]
fn what_is_no_cache_is_told() {
    let scratch = ferrometer_testkit::scratch::Scratch::new("program-dump-wrong");
    let ran = run(["dump", text(scratch.path())]);
    assert_eq!(ran.code, 4);
    assert!(ran.err.contains("there is no pull cache here") && ran.err.contains("http://HOST:PORT"), "{ran:?}");
    let ran = run(["dump", "http://127.0.0.1:1"]);
    assert_eq!((ran.code, ran.out.as_str()), (3, ""));
    let ran = run(["--json", "dump", "http://127.0.0.1:1"]);
    let error: serde_json::Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!(error["code"], 3);
    let ran = run(["--json", "dump", text(scratch.path()), "--format", "csv"]);
    assert_eq!(ran.code, 2);
}

#[test]
fn damage_is_told_and_what_is_whole_is_printed() {
    let (_serve, folder) = killed("program-dump-damage");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "ferro"));
    files.sort();
    // The end of the newest file is torn: what a program leaves that is killed.
    let newest = files.last().unwrap();
    let bytes = std::fs::read(newest).unwrap();
    std::fs::write(newest, &bytes[..bytes.len() - 3]).unwrap();
    let ran = run(["dump", text(&folder), "--format", "jsonl"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("the file ends within a generation") && ran.out.contains("shop.sales"), "{}", ran.err);
    // A byte in the middle is changed: damage.
    let mut changed = bytes;
    let middle = changed.len() / 2;
    changed[middle] ^= 0x55;
    std::fs::write(newest, changed).unwrap();
    let ran = run(["dump", text(&folder), "--format", "jsonl"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
}

#[test]
fn a_reader_who_goes_is_no_failure() {
    let (_serve, folder) = killed("program-dump-pipe");
    let mut child = crate::common::ferrometer()
        .args(["dump", text(&folder), "--format", "jsonl"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
