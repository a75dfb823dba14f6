//! Against Prometheus and VictoriaMetrics.

use ferrometer_core::exemplars::{TraceContext, provide};
use ferrometer_core::{Cause, Limits, Naming, configure, configure_with_exemplars, flush, get_logger, install, remove};
use ferrometer_push_testkit::http::{ask, encoded};
use ferrometer_push_testkit::program::{Program, low_port};
use ferrometer_push_testkit::{NEVER, SOON, Scratch, alone, hard, wait_for};
use ferrometer_remote_write::{Auth, Histograms, RemoteWrite, Settings};
use std::cell::Cell;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

fn prometheus(web: &str) -> (Program, u16) {
    let scratch = Scratch::new("remote-write-prometheus");
    let config = scratch.file("prometheus.yml", "global: {scrape_interval: 1h}\n");
    let web = scratch.file("web.yml", web);
    let port = low_port();
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--web.config.file={}", web.display()))
        .arg(format!("--storage.tsdb.path={}", scratch.path().join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .args(["--web.enable-remote-write-receiver", "--enable-feature=native-histograms,exemplar-storage"]);
    let program = Program::start(scratch, &mut command, port);
    // It listens before it is ready; one with a password says so instead.
    let ready =
        || Some(ask(SocketAddr::from(([127, 0, 0, 1], port)), "GET", "/-/ready").0).filter(|s| [200, 401].contains(s));
    wait_for(ready, || program.log());
    (program, port)
}

fn query(port: u16, text: &str) -> Vec<serde_json::Value> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let (_, body) = ask(address, "GET", &format!("/api/v1/query?query={}", encoded(text)));
    let answer: serde_json::Value = serde_json::from_str(&body).unwrap_or_else(|why| panic!("{why}: {body}"));
    answer["data"]["result"].as_array().cloned().unwrap_or_default()
}

fn value(port: u16, text: &str) -> Option<f64> {
    query(port, text).first().and_then(|result| result["value"][1].as_str()?.parse().ok())
}

fn settle(port: u16, text: &str, expected: f64) {
    let near = |got: f64| (got - expected).abs() <= expected.abs() * 1e-12;
    wait_for(
        || value(port, text).filter(|got| near(*got)),
        || format!("{text}: {:?}, not {expected}", value(port, text)),
    );
}

fn check(port: u16, name: &str, truth: hard::Truth) {
    settle(port, &format!("sum({name}_hard_total)"), truth.counted as f64);
    settle(port, &format!("count({name}_hard_total)"), hard::VALUES.len() as f64);
    settle(port, &format!("{name}_falls_total"), truth.up as f64);
    settle(port, &format!("{name}_falls_decrements_total"), truth.down as f64);
    for (metric, value) in hard::GAUGES {
        settle(port, &format!("{name}_{metric}"), value);
    }
    let found: Vec<String> = query(port, &format!("{name}_hard_total"))
        .iter()
        .map(|result| result["metric"]["kind"].as_str().unwrap_or_default().to_owned())
        .collect();
    for value in hard::VALUES {
        assert!(found.iter().any(|kind| kind == value), "{value:?} of {found:?}");
    }
}

#[test]
#[ignore = "needs Debian's prometheus; scripts/test installs and runs it"]
fn prometheus_keeps_what_was_recorded_and_sees_series_end() {
    let _alone = alone();
    let (_program, port) = prometheus("");
    let url = format!("http://127.0.0.1:{port}/api/v1/write");
    for (name, histograms) in [("rwc", Histograms::Classic), ("rwn", Histograms::Native)] {
        let settings = Settings::new(&url).histograms(histograms).label("job", name);
        RemoteWrite::test_connection(&settings).unwrap();
        install("remote-write", Box::new(RemoteWrite::new(settings).unwrap()), NEVER).unwrap();
        let truth = hard::record(name, 2);
        assert!(flush(SOON).complete);
        check(port, name, truth);
        if histograms == Histograms::Classic {
            settle(port, &format!("{name}_took_seconds_count"), truth.timed as f64);
            settle(port, &format!("{name}_took_seconds_sum * 1000"), truth.millis as f64);
            settle(port, &format!("{name}_took_seconds_bucket{{le='+Inf'}}"), truth.timed as f64);
            let median = value(port, &format!("histogram_quantile(0.5, {name}_took_seconds_bucket)")).unwrap();
            assert!((0.04..0.06).contains(&median), "{median}");
        } else {
            settle(port, &format!("histogram_count({name}_took_seconds)"), truth.timed as f64);
            settle(port, &format!("histogram_sum({name}_took_seconds) * 1000"), truth.millis as f64);
            let median = value(port, &format!("histogram_quantile(0.5, {name}_took_seconds)")).unwrap();
            assert!((0.045..0.056).contains(&median), "{median}");
        }
        std::thread::sleep(Duration::from_millis(1100));
        get_logger(name).send_counter("falls", 5);
        let ledger = remove("remote-write", SOON).unwrap();
        assert!(ledger.balances() && ledger.pending.is_zero(), "{ledger}");
        // The last value arrived before the end, and after it there is none.
        settle(port, &format!("max_over_time({name}_falls_total[5m])"), truth.up as f64 + 5.0);
        wait_for(|| query(port, &format!("{name}_falls_total")).is_empty().then_some(()), || "it does not end".into());
        assert!(query(port, &format!("{{__name__=~\"{name}_.*\"}}")).is_empty());
    }
    // A counter never fell.
    assert_eq!(value(port, "sum(resets(rwc_falls_total[5m]))"), Some(0.0));
}

#[test]
#[ignore = "needs Debian's prometheus; scripts/test installs and runs it"]
fn prometheus_keeps_exemplars() {
    let _alone = alone();
    let (_program, port) = prometheus("");
    provide(|| TraceContext::new(TRACE.get(), (TRACE.get() >> 64) as u64)).unwrap();
    configure_with_exemplars(Naming::default(), Limits::default(), vec![], vec![], true);
    for (name, histograms) in [("rwxc", Histograms::Classic), ("rwxn", Histograms::Native)] {
        let settings = Settings::new(format!("http://127.0.0.1:{port}/api/v1/write")).histograms(histograms);
        install("remote-write", Box::new(RemoteWrite::new(settings).unwrap()), NEVER).unwrap();
        let logger = get_logger(name);
        // This version makes the series of a native histogram behind its exemplars: those of a first delivery find none.
        logger.send_timer("t", Duration::from_millis(1));
        assert!(flush(SOON).complete);
        let mut expected = Vec::new();
        for round in 1..=3u128 {
            TRACE.set(round << 64 | 5);
            logger.send_counter("c", round as u64);
            logger.send_timer("t", Duration::from_millis(round as u64));
            let ids = (format!("{:032x}", TRACE.replace(0)), format!("{round:016x}"));
            expected.extend([(ids.clone(), round as f64), (ids, round as f64 / 1e3)]);
            assert!(flush(SOON).complete);
            // Those of one series come in the order of their times, which have milliseconds.
            std::thread::sleep(Duration::from_millis(2));
        }
        let stored = || {
            let matcher = encoded(&format!("{{__name__=~\"{name}_.*\"}}"));
            let target = format!("/api/v1/query_exemplars?query={matcher}&start=0&end=4000000000");
            let (_, body) = ask(SocketAddr::from(([127, 0, 0, 1], port)), "GET", &target);
            let answer: serde_json::Value = serde_json::from_str(&body).unwrap_or_else(|why| panic!("{why}: {body}"));
            let series = answer["data"].as_array().cloned().unwrap_or_default();
            let all = series.iter().flat_map(|series| series["exemplars"].as_array().unwrap().clone());
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            let mut all: Vec<_> = all
                .map(|found| {
                    let ids = (text(&found["labels"]["trace_id"]), text(&found["labels"]["span_id"]));
                    (ids, text(&found["value"]).parse::<f64>().unwrap())
                })
                .collect();
            all.sort_by(|a, b| a.partial_cmp(b).unwrap());
            all
        };
        expected.sort_by(|a, b| a.partial_cmp(b).unwrap());
        wait_for(|| (stored() == expected).then_some(()), || format!("{:?}, not {expected:?}", stored()));
        let ledger = remove("remote-write", SOON).unwrap();
        assert!(ledger.balances() && ledger.dropped_in_all().is_zero(), "{ledger}");
    }
    configure(Naming::default(), Limits::default(), vec![]);
}

thread_local! {
    static TRACE: Cell<u128> = const { Cell::new(0) };
}

#[test]
#[ignore = "needs Debian's prometheus; scripts/test installs and runs it"]
fn prometheus_refuses_who_has_no_password() {
    let _alone = alone();
    // `test`, by bcrypt.
    let hash = "$2b$12$hNf2lSsxfm0.i4a.1kVpSOVyBCfIB51VRjgBUyv6kdnyTlgWj81Ay";
    let (_program, port) = prometheus(&format!("basic_auth_users:\n  me: {hash}\n"));
    let url = format!("http://127.0.0.1:{port}/api/v1/write");
    let basic = |password: &str| Auth::Basic { user: "me".into(), password: password.into() };
    for (auth, is_right) in [(Auth::None, false), (basic("wrong"), false), (basic("test"), true)] {
        let settings = Settings::new(&url).auth(auth);
        let tested = RemoteWrite::test_connection(&settings);
        assert_eq!(tested.is_ok(), is_right, "{tested:?}");
        if let Err(said) = tested {
            assert!(said.contains("401") && !said.contains("wrong"), "{said}");
        }
        install("remote-write", Box::new(RemoteWrite::new(settings).unwrap()), NEVER).unwrap();
        get_logger("rwauth").send_counter("c", 4);
        flush(SOON);
        let ledger = remove("remote-write", SOON).unwrap();
        assert!(ledger.balances(), "{ledger}");
        let (sent, refused) = (ledger.sent.increments, ledger.dropped[Cause::Refused].increments);
        assert_eq!((sent, refused), if is_right { (4, 0) } else { (0, 4) }, "{ledger}");
    }
}

#[test]
#[ignore = "needs Debian's victoria-metrics; scripts/test installs and runs it"]
fn victoria_metrics_keeps_what_was_recorded() {
    let _alone = alone();
    let port = low_port();
    let scratch = Scratch::new("remote-write-vm");
    let mut command = Command::new("victoria-metrics");
    command
        .arg(format!("-storageDataPath={}", scratch.path().join("data").display()))
        .arg("-search.latencyOffset=0s")
        .arg(format!("-httpListenAddr=127.0.0.1:{port}"));
    let _program = Program::start(scratch, &mut command, port);
    let settings = Settings::new(format!("http://127.0.0.1:{port}/api/v1/write"));
    install("remote-write", Box::new(RemoteWrite::new(settings).unwrap()), NEVER).unwrap();
    let truth = hard::record("rwvm", 2);
    assert!(flush(SOON).complete);
    ask(SocketAddr::from(([127, 0, 0, 1], port)), "GET", "/internal/force_flush");
    check(port, "rwvm", truth);
    settle(port, "rwvm_took_seconds_count", truth.timed as f64);
    settle(port, "rwvm_took_seconds_sum * 1000", truth.millis as f64);
    assert!(remove("remote-write", SOON).unwrap().balances());
}
