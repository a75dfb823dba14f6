//! One list of requests, to a real Gnocchi and to this one; and what Ceilometer, Aodh, CloudKitty and Grafana find in the real one.
//!
//! Each test has a Gnocchi of its own, by `scripts/with-gnocchi`.

mod common;

use common::Api;
use ferrometer_gnocchi::Settings;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Requests that are answered differently: a reason, and indented behind it the beginnings of requests.
const DIFFERENCES: &str = include_str!("real/differences");

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real").join(name)
}

/// Runs a line of the shell beside a real Gnocchi, which is at `$GNOCCHI_URL`; returns what it prints.
fn beside_gnocchi(line: &str, arguments: &[&Path]) -> String {
    let starter = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/with-gnocchi");
    let mut command = Command::new(starter);
    command.args(["sh", "-c", line, "sh"]).args(arguments);
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let [out, err] = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    assert!(output.status.success(), "{command:?}: {out}{err}");
    out
}

#[test]
#[ignore = "needs Gnocchi 4.7.1 of PyPI and PostgreSQL: scripts/with-gnocchi"]
fn answers_differ_where_it_is_said_and_nowhere_else() {
    let api = Api::new(Settings::default());
    let ours = format!("http://{}", api.server.local_addr());
    let told =
        beside_gnocchi("exec python3 \"$1\" \"$GNOCCHI_URL\" \"$2\"", &[&script("compare.py"), Path::new(&ours)]);
    let known: Vec<&str> = DIFFERENCES.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    // The two answers stand behind a request that is answered differently.
    let is_request =
        |line: &&str| ["GET /", "POST /", "PATCH /", "DELETE /"].iter().any(|begin| line.starts_with(begin));
    let differ = told.lines().filter(is_request);
    let unknown: Vec<&str> = differ.clone().filter(|line| !known.iter().any(|known| line.starts_with(known))).collect();
    assert!(unknown.is_empty(), "{unknown:#?}\n{told}");
    assert!(told.contains("281 requests"), "{told}");
    println!("{} of 281 answers differ", differ.count());
}

#[test]
#[ignore = "needs Gnocchi 4.7.1 of PyPI and PostgreSQL, scripts/with-gnocchi, and GNOCCHI_CLIENT=…/bin/gnocchi"]
fn programs_find_in_the_real_one_what_they_find_here() {
    let client = std::env::var("GNOCCHI_CLIENT").expect("GNOCCHI_CLIENT names the client");
    let python = Path::new(&client).with_file_name("python");
    beside_gnocchi("exec \"$1\" \"$2\" \"$GNOCCHI_URL\"", &[&python, &script("projects.py")]);
}
