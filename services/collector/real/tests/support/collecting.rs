//! The collector as a process of its own, this test binary itself, and what it has to leave in an archive.

use super::instant;
use super::support::Folder;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The first moment that is collected.
pub const BEGIN: i64 = 1_767_225_600;
const ARGUMENTS: &str = "FERROMETER_COLLECTOR_ARCHIVE_ARGUMENTS";

/// The collector, with the arguments of its environment, one a line.
pub fn run() {
    let Some(arguments) = std::env::var_os(ARGUMENTS) else { return };
    let arguments = arguments.into_string().unwrap();
    let arguments = ["collector"].into_iter().chain(arguments.lines()).map(OsString::from);
    let code = ferrometer_collector::command::run_with(arguments);
    std::process::exit(i32::from(code != std::process::ExitCode::SUCCESS));
}

pub fn scopes() -> Vec<String> {
    let plain = (0..6).map(|n| format!("scope-{n}"));
    plain.chain(["we\"ird/%2F".to_owned(), "x\ny".to_owned(), "ü, {}".to_owned()]).collect()
}

/// Writes both files for a server that answers at once, and an archive.
pub fn files(folder: &Folder, archive: &str, delay: Duration) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/api/v1", listener.local_addr().unwrap());
    instant::serve(listener, scopes(), delay);
    folder.write(
        "metrics.yml",
        "metrics: {cpu: {unit: core, groupby: [id]}, mem: {unit: GiB, alt_name: m/em, metadata: [flavor]}}",
    );
    let conf = format!(
        "[collect]\nmetrics_conf = metrics.yml\nperiod = 3600\nscope_key = namespace\n[collector_prometheus]\nprometheus_url = {url}\n\
         [fetcher_prometheus]\nmetric = up\nscope_attribute = namespace\n[ferrometer]\nconcurrency = 3\nperiods_per_query = 5\nretries = 3\n\
         [ferrometer_archive]\n{archive}\n"
    );
    folder.write("cloudkitty.conf", conf);
}

pub fn collect(folder: &Folder, hours: i64, state: &str) -> Child {
    let arguments = [
        format!("--config={}/cloudkitty.conf", folder.0.display()),
        format!("--state={}/{state}", folder.0.display()),
        format!("--from={BEGIN}"),
        format!("--to={}", BEGIN + hours * 3600),
        "--quiet".into(),
    ];
    Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--ignored", "--nocapture"])
        .env(ARGUMENTS, arguments.join("\n"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

pub fn done(mut child: Child) {
    assert!(child.wait().unwrap().success());
}

/// Asserts that every scope, metric and hour is in the archive once, with its quantity.
pub fn everything_once(get: &dyn Fn(&str) -> Value, hours: i64) {
    let resources = get("resource/ferrometer_usage?limit=1000");
    let resources = resources.as_array().unwrap();
    let mut found: BTreeMap<(String, String), usize> = BTreeMap::new();
    for resource in resources {
        let scope = resource["project_id"].as_str().unwrap();
        assert_eq!(resource["label_namespace"], scope);
        for (name, id) in resource["metrics"].as_object().unwrap() {
            assert!(
                match name.as_str() {
                    "cpu" => resource["label_id"] == "v" && resource["label_flavor"].is_null(),
                    "m%2Fem" => resource["label_flavor"] == "v" && resource["label_id"].is_null(),
                    _ => false,
                },
                "{resource}"
            );
            let measures = get(&format!("metric/{}/measures?aggregation=sum&refresh=true", id.as_str().unwrap()));
            let measures = measures.as_array().unwrap();
            for (n, measure) in measures.iter().enumerate() {
                let begin: jiff::Timestamp = measure[0].as_str().unwrap().parse().unwrap();
                assert_eq!(begin.as_second(), BEGIN + n as i64 * 3600);
                // The quantity is the minutes until the period's end.
                assert_eq!(measure[2].as_f64(), Some(((begin.as_second() + 3600) / 60) as f64));
            }
            assert_eq!(found.insert((scope.to_owned(), name.clone()), measures.len()), None, "twice");
        }
    }
    assert_eq!(found.len(), scopes().len() * 2);
    assert!(found.values().all(|n| *n as i64 == hours), "{found:?}");
    let metric = get("metric?limit=1");
    assert_eq!(metric[0]["archive_policy"]["name"], "ferrometer-3600");
}
