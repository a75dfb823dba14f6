//! `serve` as the conductor of a fleet: an agent configures itself from its table `[lookup]`, and follows when the file is changed.

use crate::common::{Serve, get, run, text};
use ferrometer::agent::Lookup;
use ferrometer::{Config, Logger, logger};
use ferrometer_testkit::{NEVER, Receiver, SOON, Scratch, alone, wait_until};
use std::time::Duration;

static METRICS: Logger = logger!("agent");

const UUID: &str = "1be26c0b-03f2-4d2e-ae87-c02d7f33c123";
const MAC: &str = "52:54:00:ab:cd:01";

fn file(port: u16, prefix: &str) -> String {
    format!(
        "data = \"data\"\n[http]\naddress = \"127.0.0.1:0\"\n[lookup]\nnodes = [\"{UUID}={MAC}\"]\n\
         [metrics]\nbackend = \"noop\"\nagent_backend = \"statsd\"\nagent_prepend_host = true\nagent_prepend_host_reverse = true\n\
         agent_prepend_uuid = true\nagent_global_prefix = \"{prefix}\"\n\
         [metrics_statsd]\nagent_statsd_host = \"127.0.0.1\"\nagent_statsd_port = {port}\n"
    )
}

#[test]
fn an_agent_configures_itself_from_a_server() {
    let _alone = alone();
    let statsd = Receiver::new();
    let serve = Serve::start("program-lookup", &file(statsd.port(), "fleet"));
    assert!(serve.places.iter().any(|place| place.ends_with("/v1/lookup")), "{:?}", serve.places);
    let (status, answer) = get(&serve.url(), &format!("/v1/lookup?node_uuid={UUID}"));
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((status, answer["node"]["uuid"].as_str()), (200, Some(UUID)));
    assert_eq!(answer["config"]["metrics_statsd"]["statsd_port"], statsd.port());
    assert_eq!(get(&serve.url(), "/v1/lookup?node_uuid=00000000-0000-0000-0000-000000000000").0, 404);

    // The agent records from its first line on, and knows its own address of hardware alone.
    let base = Config::new().host("agent7.example.com").statsd_interval(Duration::from_millis(20));
    let url = format!("{}/v1/lookup", serve.url());
    let agent = Lookup::new(url, MAC).base(base).interval(NEVER).init().unwrap();
    let handle = METRICS.counter("starts");
    handle.add(3);
    assert!(agent.wait_configured(SOON));
    assert!(agent.flush(SOON).complete);
    let name = |prefix: &str| format!("{prefix}.com.example.agent7.{UUID}.agent.starts");
    assert_eq!(statsd.lines(1), [format!("{}:3|c", name("fleet"))]);

    // The operator changes the file; the agent is told at its next lookup, and the handle follows.
    std::fs::write(serve.scratch.path().join("serve.toml"), file(statsd.port(), "moved")).unwrap();
    serve.signal("HUP");
    wait_until("the new file", || serve.log().contains("the file was read again\n"));
    let before = agent.status().lookups;
    agent.look_up();
    wait_until("the lookup", || agent.status().lookups > before);
    handle.add(4);
    let report = agent.shutdown(SOON);
    assert!(report.complete && report.ledgers.iter().all(ferrometer::Ledger::balances), "{:?}", report.ledgers);
    assert_eq!(statsd.lines(1), [format!("{}:4|c", name("moved"))]);
}

#[test]
fn a_lookup_that_has_nothing_to_tell_is_refused() {
    let scratch = Scratch::new("program-lookup-wrong");
    for (content, says) in [
        ("[lookup]\n", "no key that begins with agent_"),
        ("[lookup]\nnodes = [\"x\"]\n[metrics]\nagent_backend = \"statsd\"\n", "lookup.nodes: \"x\""),
        ("[lookup]\n[metrics]\nagent_prepend_uuid = 7\n", "metrics.agent_prepend_uuid"),
        ("[lookup]\nnode = []\n", "did you mean \"nodes\"?"),
    ] {
        let file = scratch.file("serve.toml", content);
        let data = scratch.path().join("data");
        let ran = run(["serve", "--config", text(&file), "--data", text(&data)]);
        assert!(ran.code == 2 && ran.err.contains(says), "{content} {ran:?}");
    }
}
