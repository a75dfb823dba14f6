//! `collect`: the collector's command, under this program's name.

use crate::common::{good, run, text};
use ferrometer_testkit::scratch::Scratch;

#[test]
fn queries_are_explained_without_a_server() {
    let scratch = Scratch::new("program-collect");
    scratch.file("metrics.yml", "metrics: {cpu: {unit: x, groupby: [id]}}");
    let config = scratch.file(
        "cloudkitty.conf",
        "[collect]\nperiod = 3600\nscope_key = namespace\nmetrics_conf = metrics.yml\n[collector_prometheus]\nprometheus_url = http://127.0.0.1:9/api/v1\n",
    );
    let out = good(["collect", "--config", text(&config), "--scope", "s", "--begin", "1548853200", "--explain"]);
    assert!(out.starts_with("max(max_over_time(cpu{") && out.contains("http://127.0.0.1:9/api/v1/query"), "{out}");
    let said =
        good(["--json", "collect", "--config", text(&config), "--scope", "s", "--begin", "1548853200", "--explain"]);
    let told: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(out.starts_with(told["query"].as_str().unwrap()) && out.contains(told["url"].as_str().unwrap()), "{said}");
    assert_eq!(told["scope"], "s");
    let ran = run(["collect", "--config", "absent.conf", "--once"]);
    assert!(ran.code == 2 && ran.err.contains("absent.conf"), "{ran:?}");
    let ran = run(["--json", "collect", "--config", "absent.conf", "--once"]);
    let told: serde_json::Value = serde_json::from_str(&ran.err).unwrap();
    assert!(ran.code == 2 && told["code"] == 2 && told["error"].as_str().unwrap().contains("absent.conf"), "{ran:?}");
}
