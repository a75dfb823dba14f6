//! Every example runs to its end, and shows what it promises.

mod support;

use std::collections::BTreeSet;
use std::process::Output;
use support::example;

fn run(name: &str, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = example(name).args(arguments).output().unwrap();
    let (out, err) = (String::from_utf8(stdout).unwrap(), String::from_utf8_lossy(&stderr).into_owned());
    assert!(status.success(), "{name}: {status}\n{out}\n{err}");
    format!("{out}{err}")
}

#[test]
fn the_quickstart_prints_a_table_and_a_generation() {
    let out = run("quickstart", &[env!("CARGO_MANIFEST_DIR")]);
    let json = &out[out.find("\n[\n").unwrap()..];
    let records: Vec<serde_json::Value> = serde_json::from_str(json.trim()).unwrap();
    let hashed: f64 = out.split_whitespace().nth(1).unwrap().parse().unwrap();
    let record = |name: &str| records.iter().find(|r| r["metric"] == name).unwrap_or_else(|| panic!("{name}: {out}"));
    assert_eq!(record("quickstart.files")["value"].as_f64(), Some(hashed));
    assert_eq!(record("quickstart.files")["type"], "derive");
    assert!(out.lines().any(|l| l.starts_with("quickstart.files ") && l.contains("counter")), "{out}");
}

#[test]
fn the_quickstart_says_what_is_wrong_with_its_arguments() {
    for (arguments, expected) in [
        (&["--sevre"][..], "unknown option --sevre"),
        (&["--config"], "--config needs a file"),
        (&["--config", "/no/such.toml"], "/no/such.toml: cannot be read"),
        (&["/no/such/directory"], "/no/such/directory: "),
    ] {
        let output = example("quickstart").args(arguments).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && err.contains(expected), "{arguments:?}: {err}");
    }
}

#[test]
fn every_other_example_runs_and_shows_something() {
    let directory = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples")).unwrap();
    let names: BTreeSet<String> = directory
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter_map(|n| n.strip_suffix(".rs").map(str::to_owned))
        // It serves until it is stopped, and has tests of its own, as has the node of a cluster, which is a package.
        .filter(|n| n != "quickstart")
        .collect();
    for (name, expected) in [
        ("axum_service", "shop_http_requests_total{method=\"GET\",route=\"/orders/{id}\",status=\"2xx\"} 2"),
        ("worker", "recorded ="),
        ("state_machine", "  manageable -> available  "),
        ("own_backend", "shop.sold +3 -0"),
        ("last_half_hour", "crash.rounds"),
        ("own_service", "an order of 6 bytes"),
    ] {
        assert!(names.contains(name), "{name} is not in examples/");
        let out = run(name, &[]);
        assert!(out.contains(expected), "{name} does not show {expected:?}:\n{out}");
    }
    assert_eq!(names.len(), 6, "an example without a test: {names:?}");
}

#[test]
fn the_last_half_hour_shows_what_was_before_the_crash() {
    let scratch = ferrometer_testkit::Scratch::new("crash");
    let directory = scratch.path().join("cache");
    let status = example("last_half_hour").arg("--crash").arg(&directory).status().unwrap();
    assert!(!status.success(), "it crashes");
    let shown = run("last_half_hour", &[directory.to_str().unwrap()]);
    let line = |name: &str| {
        let line = shown.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {shown}"));
        line.split_whitespace().skip(1).map(|n| n.parse::<f64>().unwrap()).collect::<Vec<_>>()
    };
    let (rounds, held) = (line("crash.rounds "), line("crash.held.bytes "));
    assert!(rounds[1] > rounds[0], "{shown}");
    // Both come from one snapshot, but there is no order across series: rounds may be between, not those of a second before.
    assert!(held[1] / 10_000.0 > rounds[0], "{shown}");
    let output = example("last_half_hour").arg(scratch.path().join("nothing")).output().unwrap();
    assert!(!output.status.success());
}

/// Starts an example, waits until it has said this, sends it the signal of Ctrl-C, and returns all that it said.
#[cfg(target_os = "linux")]
fn interrupt(name: &str, arguments: &[&str], after: &str) -> String {
    use std::io::{BufRead, BufReader, Read};
    use std::process::Stdio;
    let mut child = example(name).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    while !said.contains(after) {
        assert!(out.read_line(&mut said).unwrap() > 0, "{name} ended after: {said}");
    }
    // It has said so a moment before it takes the signal.
    let takes_it = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
        u64::from_str_radix(caught, 16).unwrap() >> (libc::SIGINT - 1) & 1 == 1
    };
    ferrometer_testkit::wait_until("the signal to be taken", takes_it);
    // SAFETY: a signal to the child made above.
    assert_eq!(unsafe { libc::kill(child.id().cast_signed(), libc::SIGINT) }, 0);
    out.read_to_string(&mut said).unwrap();
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    assert!(status.success(), "{name}: {status}\n{said}");
    said + &String::from_utf8_lossy(&stderr)
}

#[cfg(target_os = "linux")]
#[test]
fn services_end_in_order_at_ctrl_c_and_print_their_account() {
    let any = "127.0.0.1:0";
    let shop = interrupt("axum_service", &["--serve", any, any], "its metrics:");
    assert!(shop.contains("everything was delivered\npull-cache: "), "{shop}");
    let scratch = ferrometer_testkit::Scratch::new("examples");
    let config = scratch.path().join("metrics.toml");
    std::fs::create_dir_all(scratch.path().join("files")).unwrap();
    std::fs::write(scratch.path().join("files/one"), "1").unwrap();
    std::fs::write(
        &config,
        "[metrics]\nbackend = 'pull-cache'\n[metrics.pull_cache]\nhttp = true\naddress = '127.0.0.1:0'\n",
    )
    .unwrap();
    let (files, config) = (scratch.path().join("files"), config.to_str().unwrap());
    let said = interrupt("quickstart", &[files.to_str().unwrap(), "--serve", "--config", config], "look at http://");
    assert!(
        said.lines().last().is_some_and(|last| last.starts_with("pull-cache: ") && last.contains("+ 0 pending")),
        "{said}"
    );
}
