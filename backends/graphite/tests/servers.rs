//! Against carbon-cache, read with `whisper-fetch`, and VictoriaMetrics.

mod carbon;

use ferrometer_core::{flush, get_logger, install, remove};
use ferrometer_export::push_folded_label;
use ferrometer_graphite::{Graphite, Proto, Settings};
use ferrometer_push_testkit::http::{ask, encoded};
use ferrometer_push_testkit::program::{Program, low_port};
use ferrometer_push_testkit::{NEVER, SOON, Scratch, alone, hard, wait_for};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Starts a carbon-cache at a port that it returns.
fn carbon(name: &str) -> (Program, u16) {
    let port = low_port();
    (carbon::start(name, port, low_port(), None), port)
}

/// The last value of a metric that `whisper-fetch` shows.
fn last(data: &Path, name: &str) -> Option<f64> {
    let file = data.join("data").join(format!("{}.wsp", name.replace('.', "/")));
    let output =
        Command::new("whisper-fetch").arg(file).output().expect("whisper-fetch runs: scripts/test installs it");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok()).next_back()
}

#[test]
#[ignore = "needs Debian's graphite-carbon; scripts/test installs and runs it"]
fn carbon_keeps_what_was_recorded() {
    let _alone = alone();
    for (proto, name) in [(Proto::Udp, "carbon-udp"), (Proto::Tcp, "carbon-tcp")] {
        let (program, port) = carbon(name);
        let settings = Settings::new("127.0.0.1").port(port).proto(proto).path(name);
        install("graphite", Box::new(Graphite::new(settings).unwrap()), NEVER).unwrap();
        let truth = hard::record(name, 3);
        assert!(flush(SOON).complete);
        let at = program.scratch.path();
        let get = |metric: &str| last(at, &format!("{name}.{name}.{metric}"));
        let settle = |metric: &str, expected: f64| {
            wait_for(
                || (get(metric) == Some(expected)).then_some(()),
                || format!("{metric}: {:?} {expected}", get(metric)),
            );
        };
        settle("falls", truth.up as f64);
        settle("falls.decrements", truth.down as f64);
        settle("took.count", truth.timed as f64);
        settle("took.sum", truth.millis as f64);
        for (metric, value) in hard::GAUGES {
            // `whisper-fetch` prints six decimals.
            let near = |got: f64| (got - value).abs() <= 1e-6_f64.max(value.abs() * 1e-12);
            wait_for(|| get(metric).filter(|got| near(*got)), || format!("{metric}: {:?} {value}", get(metric)));
        }
        let sum: f64 = hard::VALUES
            .iter()
            .map(|value| {
                let mut metric = String::from("hard");
                push_folded_label(&mut metric, "kind", value);
                wait_for(|| get(&metric), || metric.clone())
            })
            .sum();
        assert_eq!(sum, truth.counted as f64);
        let ledger = remove("graphite", SOON).unwrap();
        assert!(ledger.balances(), "{ledger}");
    }
}

#[test]
#[ignore = "needs Debian's victoria-metrics; scripts/test installs and runs it"]
fn victoria_metrics_keeps_tags() {
    let _alone = alone();
    let (http, graphite) = (low_port(), low_port());
    let scratch = Scratch::new("graphite-vm");
    let mut command = Command::new("victoria-metrics");
    command
        .arg(format!("-storageDataPath={}", scratch.path().join("data").display()))
        .arg("-search.latencyOffset=0s")
        .arg(format!("-httpListenAddr=127.0.0.1:{http}"))
        .arg(format!("-graphiteListenAddr=127.0.0.1:{graphite}"));
    let _program = Program::start(scratch, &mut command, http);
    let settings = Settings::new("127.0.0.1").port(graphite).tags(true).path("");
    install("graphite", Box::new(Graphite::new(settings).unwrap()), NEVER).unwrap();
    let truth = hard::record("gvm", 2);
    assert!(flush(SOON).complete);
    let address = SocketAddr::from(([127, 0, 0, 1], http));
    let query = |query: &str| {
        ask(address, "GET", "/internal/force_flush");
        let (_, body) = ask(address, "GET", &format!("/api/v1/query?query={}", encoded(query)));
        let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
        answer["data"]["result"].as_array().cloned().unwrap_or_default()
    };
    let value = |text: &str| query(text).first().and_then(|r| r["value"][1].as_str()?.parse::<f64>().ok());
    let sum = "sum({__name__=\"gvm.hard\"})";
    let expected = truth.counted as f64;
    wait_for(|| (value(sum) == Some(expected)).then_some(()), || format!("{:?} {expected}", value(sum)));
    let kinds = query("{__name__=\"gvm.hard\"}");
    let found: Vec<&str> = kinds.iter().filter_map(|r| r["metric"]["kind"].as_str()).collect();
    assert_eq!(found.len(), hard::VALUES.len(), "{found:?}");
    for expected in
        ["two_words-a3493fcc", "a,b=c", "semi_colon-2ec97a9b", "quo\"te", "back\\slash", "_tilde-af8ad7ed", "é€😀"]
    {
        assert!(found.contains(&expected), "{expected:?} of {found:?}");
    }
    remove("graphite", SOON);
}

#[test]
#[ignore = "needs Debian's graphite-carbon; scripts/test installs and runs it"]
fn a_restart_of_carbon_loses_nothing() {
    let _alone = alone();
    let (program, port) = carbon("carbon-again");
    let settings = Settings::new("127.0.0.1").port(port).proto(Proto::Tcp).path("r");
    install("graphite", Box::new(Graphite::new(settings).unwrap()), Duration::from_millis(200)).unwrap();
    get_logger("again").send_counter("c", 5);
    let at = program.scratch.path().to_owned();
    wait_for(|| (last(&at, "r.again.c") == Some(5.0)).then_some(()), || program.log());
    drop(program);
    get_logger("again").send_counter("c", 2);
    std::thread::sleep(Duration::from_millis(600));
    let program = carbon::start("carbon-again", port, low_port(), None);
    wait_for(|| (last(&at, "r.again.c") == Some(7.0)).then_some(()), || program.log());
    let ledger = remove("graphite", SOON).unwrap();
    assert!(ledger.balances() && ledger.pending.is_zero() && ledger.sent.increments == 7, "{ledger}");
}
