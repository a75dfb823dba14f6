//! Gnocchi's own client, `gnocchiclient` 7.2 from PyPI, against this API: every command but `benchmark`, which ends itself while it
//! hands work to its processes, whatever the server.

mod common;

use common::Api;
use ferrometer_gnocchi::Settings;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

#[test]
#[ignore = "needs gnocchiclient from PyPI: GNOCCHI_CLIENT=…/bin/gnocchi"]
fn the_commands_of_the_client_work() {
    let client = std::env::var("GNOCCHI_CLIENT").expect("GNOCCHI_CLIENT names the client");
    let api = Api::new(Settings { prefix: "/gnocchi".into(), max_limit: 3, ..Settings::default() });
    let endpoint = format!("http://{}/gnocchi", api.server.local_addr());
    let run = |line: &str, more: &[&str]| {
        let mut command = Command::new(&client);
        command.args(line.split(' ')).args(more);
        command.env("OS_AUTH_TYPE", "gnocchi-basic").env("GNOCCHI_USER", "admin").env("GNOCCHI_ENDPOINT", &endpoint);
        let output = command.output().expect("the client runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{line} {more:?}: {}{text}", String::from_utf8_lossy(&output.stderr));
        text
    };
    let json = |line: &str, more: &[&str]| -> Value {
        let text = run(&format!("{line} -f json"), more);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{line}: {error}: {text}"))
    };
    json(
        "archive-policy create short -b 1 -m mean -m max -m count",
        &["-d", "granularity:1s,points:86400", "-d", "granularity:1m,timespan:7d"],
    );
    assert_eq!(json("archive-policy show short", &[])["back_window"], 1);
    json("archive-policy update short", &["-d", "granularity:1s,points:1000", "-d", "granularity:1m,timespan:7d"]);
    assert_eq!(json("archive-policy list", &[]).as_array().unwrap().len(), 5);
    json("archive-policy-rule create r1 -a short -m disk.*", &[]);
    json("archive-policy-rule show r1", &[]);
    assert_eq!(json("archive-policy-rule list", &[]).as_array().unwrap().len(), 2);

    json("resource-type create instance", &["-a", "host:string:true:max_length=64", "-a", "vcpus:number:false"]);
    json("resource-type update instance -a zone:string:false", &[]);
    json("resource-type show instance", &[]);
    assert_eq!(json("resource-type list", &[]).as_array().unwrap().len(), 2);
    json("resource create my-vm -t instance -a host:a -a vcpus:2 -n cpu:short", &[]);
    json("resource update my-vm -t instance -a host:b -n disk.io:short", &[]);
    assert_eq!(json("resource show my-vm -t instance", &[])["host"], "b");
    assert_eq!(json("resource list -t instance", &[]).as_array().unwrap().len(), 1);
    assert_eq!(json("resource history my-vm -t instance", &[]).as_array().unwrap().len(), 2);
    assert_eq!(json("resource search -t instance", &["host=b"]).as_array().unwrap().len(), 1);

    for i in 0..7 {
        json(&format!("metric create m{i} -a short"), &[]);
    }
    // More than a page of three: the client follows the links.
    assert_eq!(json("metric list", &[]).as_array().unwrap().len(), 9);
    json("metric show cpu -r my-vm", &[]);
    run(
        "measures add cpu -r my-vm",
        &["-m", "2014-10-06T14:33:57@43.1", "-m", "2014-10-06T14:34:12@12", "-m", "2014-10-06T14:34:20@2"],
    );
    let measures = json("measures show cpu -r my-vm --utc --granularity 60 --aggregation max --refresh", &[]);
    assert_eq!(measures[1]["value"], 12.0);
    let batch = std::env::temp_dir().join(format!("ferrometer-client-{}.json", std::process::id()));
    let id = json("metric show cpu -r my-vm", &[])["id"].as_str().unwrap().to_owned();
    std::fs::write(&batch, format!("{{\"{id}\": [{{\"timestamp\": 1412606400, \"value\": 3}}]}}")).unwrap();
    run("measures batch-metrics", &[batch.to_str().unwrap()]);
    std::fs::write(&batch, "{\"my-vm\": {\"new\": {\"archive_policy_name\": \"short\", \"measures\": [{\"timestamp\": 1412606400, \"value\": 3}]}}}").unwrap();
    run("measures batch-resources-metrics --create-metrics", &[batch.to_str().unwrap()]);
    std::fs::remove_file(&batch).unwrap();
    let sum = json(
        "aggregates --granularity 60",
        &["(aggregate sum (metric cpu mean))", "id = my-vm", "--resource-type", "instance"],
    );
    assert_eq!(sum.as_array().unwrap().len(), 3);
    json(
        "aggregates --granularity 60 --groupby host",
        &["(aggregate sum (metric cpu mean))", "id = my-vm", "--resource-type", "instance"],
    );
    run("measures aggregation -m cpu --query host=b --resource-type instance --aggregation mean --granularity 60", &[]);
    run("metric delete cpu -r my-vm", &[]);
    run("capabilities list", &[]);
    run("status", &[]);
    run("server version", &[]);
    run("archive-policy-rule update r1 -n r2", &[]);
    run("archive-policy-rule delete r2", &[]);
    run("resource batch delete", &["--type", "instance", "host=b"]);
    json("resource create other -n x:low", &[]);
    run("resource delete other", &[]);
    run("archive-policy create gone -d granularity:1s,points:5", &[]);
    run("archive-policy delete gone", &[]);
    run("resource-type delete instance", &[]);
}

#[test]
#[ignore = "needs gnocchiclient from PyPI: GNOCCHI_CLIENT=…/bin/gnocchi"]
fn programs_that_live_on_gnocchi_find_what_they_look_for() {
    let client = std::env::var("GNOCCHI_CLIENT").expect("GNOCCHI_CLIENT names the client");
    let python = Path::new(&client).with_file_name("python");
    let cors = vec!["http://grafana.example.org".to_owned()];
    let api = Api::new(Settings { prefix: "/gnocchi".into(), cors, ..Settings::default() });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/projects.py");
    let mut command = Command::new(python);
    command.arg(script).arg(format!("http://{}/gnocchi", api.server.local_addr()));
    let output = command.output().expect("Python runs");
    let [out, err] = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    assert!(output.status.success(), "{out}{err}");
}
