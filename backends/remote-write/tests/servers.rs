//! Against Prometheus, of the second major version and the third, and VictoriaMetrics.

use ferrometer_core::exemplars::{TraceContext, provide};
use ferrometer_core::{Cause, Limits, Naming, configure, configure_with_exemplars, flush, get_logger, install, remove};
use ferrometer_push_testkit::http::ask;
use ferrometer_push_testkit::program::{Program, low_port};
use ferrometer_push_testkit::prometheus::{Prometheus, Promql, Release};
use ferrometer_push_testkit::{NEVER, SOON, Scratch, alone, hard, wait_for};
use ferrometer_remote_write::{Auth, Histograms, RemoteWrite, Settings, Version};
use std::cell::Cell;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

/// Holds what a Prometheus shows beside what was recorded, and that series end with their backend.
fn keeps_what_was_recorded(server: &Prometheus, version: Version, names: [&str; 2]) {
    let (promql, [classic, native]) = (server.promql, names);
    for (name, histograms) in [(classic, Histograms::Classic), (native, Histograms::Native)] {
        let settings = Settings::new(server.write_url()).version(version).histograms(histograms).label("job", name);
        RemoteWrite::test_connection(&settings).unwrap();
        install("remote-write", Box::new(RemoteWrite::new(settings).unwrap()), NEVER).unwrap();
        let truth = hard::record(name, 2);
        assert!(flush(SOON).complete);
        promql.shows_hard(name, truth);
        match histograms {
            Histograms::Native => promql.shows_hard_natively(name, truth),
            _ => promql.shows_hard_in_buckets(name, truth),
        }
        std::thread::sleep(Duration::from_millis(1100));
        get_logger(name).send_counter("falls", 5);
        let ledger = remove("remote-write", SOON).unwrap();
        assert!(ledger.balances() && ledger.pending.is_zero(), "{ledger}");
        // The last value arrived before the end, and after it there is none.
        promql.settle(&format!("max_over_time({name}_falls_total[5m])"), truth.up as f64 + 5.0);
        wait_for(|| promql.query(&format!("{name}_falls_total")).is_empty().then_some(()), || "it does not end".into());
        assert!(promql.query(&format!("{{__name__=~\"{name}_.*\"}}")).is_empty());
    }
    // A counter never fell.
    assert_eq!(promql.value(&format!("sum(resets({classic}_falls_total[5m]))")), Some(0.0));
}

#[test]
#[ignore = "needs Debian's prometheus; scripts/test installs and runs it"]
fn prometheus_keeps_what_was_recorded_and_sees_series_end() {
    let _alone = alone();
    keeps_what_was_recorded(&Prometheus::start(Release::Installed, &[]), Version::Auto, ["rwc", "rwn"]);
}

/// Restricts what a Prometheus of the third version takes.
const ONLY: &str = "--web.remote-write-receiver.accepted-protobuf-messages";

#[test]
#[ignore = "needs Prometheus 3; scripts/test fetches and runs it"]
fn prometheus_3_takes_both_versions_and_each_alone() {
    let _alone = alone();
    let first = format!("{ONLY}=prometheus.WriteRequest");
    let second = format!("{ONLY}=io.prometheus.write.v2.Request");
    for (arguments, version, names) in [
        (vec![], Version::Auto, ["rwbc", "rwbn"]),
        (vec![], Version::V1, ["rwfc", "rwfn"]),
        // It answers 415 to any other: what arrived is of that version.
        (vec![second.as_str()], Version::Auto, ["rwsc", "rwsn"]),
        (vec![first.as_str()], Version::Auto, ["rwoc", "rwon"]),
    ] {
        keeps_what_was_recorded(&Prometheus::start(Release::Third, &arguments), version, names);
    }
    let server = Prometheus::start(Release::Third, &[&second]);
    let settings = Settings::new(server.write_url()).version(Version::V1);
    let said = RemoteWrite::test_connection(&settings).unwrap_err();
    assert!(said.contains("415"), "{said}");
}

#[test]
#[ignore = "needs Prometheus 3; scripts/test fetches and runs it"]
fn prometheus_3_that_takes_the_second_version_alone_gets_what_it_missed() {
    let _alone = alone();
    let only = format!("{ONLY}=io.prometheus.write.v2.Request");
    let mut server = Prometheus::start(Release::Third, &[&only]);
    let (scratch, interval) = (Scratch::new("rw-spooled"), Duration::from_millis(50));
    let kept = || std::fs::read_dir(scratch.path()).map_or(0, |files| files.count());
    // It is away from the start, when nothing is known of it, and then as the server of 2.0 that it was.
    for (name, is_known) in [("rwspool", false), ("rwspooled", true)] {
        let mut settings = Settings::new(server.write_url()).label("job", name);
        settings.spool = Some(scratch.path().to_owned());
        let logger = get_logger(name);
        if !is_known {
            server.stop();
        }
        install("remote-write", Box::new(RemoteWrite::new(settings).unwrap()), interval).unwrap();
        if is_known {
            logger.send_counter("first", 1);
            assert!(flush(SOON).complete);
            server.stop();
        }
        for n in 1..=3 {
            logger.send_counter("c", 1);
            let had = kept();
            // One may have begun before.
            wait_for(|| (kept() > had + 1).then_some(()), || format!("{n}: {} bodies", kept()));
            // Samples of one series have times that differ.
            std::thread::sleep(Duration::from_millis(20));
        }
        server.start_again();
        wait_for(|| (kept() == 0).then_some(()), || format!("{} bodies are left", kept()));
        assert!(flush(SOON).complete);
        let ledger = remove("remote-write", SOON).unwrap();
        assert!(ledger.balances() && ledger.dropped_in_all().is_zero(), "{ledger}");
        server.promql.settle(&format!("max_over_time({name}_c_total[5m])"), 3.0);
        server.promql.settle(&format!("min_over_time({name}_c_total[5m])"), 1.0);
    }
}

fn keeps_exemplars(server: &Prometheus, names: [&str; 2]) {
    let [classic, native] = names;
    // Once for the process; the other test's is this one.
    let _ = provide(|| TraceContext::new(TRACE.get(), (TRACE.get() >> 64) as u64));
    configure_with_exemplars(Naming::default(), Limits::default(), vec![], vec![], true);
    for (name, histograms) in [(classic, Histograms::Classic), (native, Histograms::Native)] {
        let settings = Settings::new(server.write_url()).histograms(histograms);
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
        let stored = || server.promql.exemplars(&format!("{{__name__=~\"{name}_.*\"}}"));
        expected.sort_by(|a, b| a.partial_cmp(b).unwrap());
        wait_for(|| (stored() == expected).then_some(()), || format!("{:?}, not {expected:?}", stored()));
        let ledger = remove("remote-write", SOON).unwrap();
        assert!(ledger.balances() && ledger.dropped_in_all().is_zero(), "{ledger}");
    }
    configure(Naming::default(), Limits::default(), vec![]);
}

#[test]
#[ignore = "needs Debian's prometheus; scripts/test installs and runs it"]
fn prometheus_keeps_exemplars() {
    let _alone = alone();
    keeps_exemplars(&Prometheus::start(Release::Installed, &[]), ["rwxc", "rwxn"]);
}

#[test]
#[ignore = "needs Prometheus 3; scripts/test fetches and runs it"]
fn prometheus_3_keeps_exemplars() {
    let _alone = alone();
    keeps_exemplars(&Prometheus::start(Release::Third, &[]), ["rwyc", "rwyn"]);
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
    let server = Prometheus::with_web(Release::Installed, &format!("basic_auth_users:\n  me: {hash}\n"), &[]);
    let url = server.write_url();
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
    let promql = Promql { port };
    promql.shows_hard("rwvm", truth);
    promql.settle("rwvm_took_seconds_count", truth.timed as f64);
    promql.settle("rwvm_took_seconds_sum * 1000", truth.millis as f64);
    assert!(remove("remote-write", SOON).unwrap().balances());
}
