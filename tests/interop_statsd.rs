//! Against the real Etsy statsd: what it holds afterwards is what was recorded, to the unit.

mod support;

use ferrometer::{Config, get_logger, init};
use ferrometer_testkit::{SOON, Scratch, alone};
use serde_json::{Value, json};
use std::thread;
use std::time::Duration;
use support::{Etsy, example};

fn statsd(port: u16) -> Config {
    Config::new().backend("statsd").statsd_host("127.0.0.1").statsd_port(port)
}

fn numbers(value: &Value) -> Vec<f64> {
    let mut all: Vec<f64> = value.as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    all.sort_by(f64::total_cmp);
    all
}

#[test]
#[ignore = "needs the Etsy statsd; scripts/test installs and runs it"]
fn the_quickstart_reports_its_work_to_the_unit() {
    let etsy = Etsy::start("quickstart", false);
    let work = Scratch::new("quickstart-files");
    let (files, directories) = (80usize, 8usize);
    let mut bytes = 0;
    for i in 0..files {
        let content = vec![b'x'; i * 1000];
        bytes += content.len();
        work.file(&format!("d{}/f{i}", i % directories), &content);
    }
    let config = work.path().with_extension("toml");
    std::fs::write(&config, format!("[metrics]\nbackend = \"statsd\"\nstatsd_port = {}\n", etsy.port)).unwrap();
    let output = example("quickstart").arg(work.path()).arg("--config").arg(&config).output().unwrap();
    std::fs::remove_file(&config).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    etsy.settle();
    let (counters, gauges, timers) = (etsy.dump("counters"), etsy.dump("gauges"), etsy.dump("timers"));
    assert_eq!(counters["quickstart.files"], json!(files));
    assert_eq!(counters["quickstart.bytes"], json!(bytes));
    assert_eq!(counters["quickstart.files.by_size.size.empty"], json!(1));
    assert_eq!(counters["quickstart.files.by_size.size.small"], json!(65));
    assert_eq!(counters["quickstart.files.by_size.size.large"], json!(14));
    assert_eq!(counters["statsd.bad_lines_seen"], json!(0));
    assert_eq!(gauges["quickstart.queue.depth"], json!(0));
    assert_eq!(gauges["quickstart.files.open"], json!(0));
    assert_eq!(gauges["quickstart.walk.found"], json!(files));
    assert_eq!(numbers(&timers["quickstart.walk.time"]).len(), directories + 1);
    assert_eq!(numbers(&timers["quickstart.file.time.outcome.ok"]).len(), files);
    let sizes: Vec<f64> = (0..files).map(|i| (i * 1000) as f64).collect();
    assert_eq!(numbers(&timers["quickstart.file.size"]), sizes);
}

#[test]
#[ignore = "needs the Etsy statsd; scripts/test installs and runs it"]
fn hard_cases_arrive_as_they_were_recorded() {
    let _alone = alone();
    let etsy = Etsy::start("hard", false);
    let metrics = init(
        statsd(etsy.port).global_prefix("g").host("host.example.com").prepend_host(true).prepend_host_reverse(true),
    )
    .unwrap();
    let logger = get_logger("hard");
    logger.send_counter("plain", 42);
    logger.send_counter("plain", -2);
    logger.send_counter("negative", -7);
    logger.send_counter("large", 1u64 << 52);
    logger.send_gauge("fraction", 0.1);
    logger.send_gauge("tiny", 1e-7);
    logger.send_gauge("negative", -12.5);
    // Set to a negative value while the server holds another: not a decrement.
    logger.send_gauge("moving", 100);
    assert!(metrics.flush(SOON).complete);
    logger.send_gauge("moving", -3);
    assert!(metrics.flush(SOON).complete);
    for nanos in [1, 125_000_000, 1_234_567, 999_999_999_999] {
        logger.send_timer("digits", Duration::from_nanos(nanos));
    }
    logger.send_histogram("rows", 12.25);
    logger.with("method", "GET").with("path", "/a b|c:d\n#e@f").send_counter("labelled", 3);
    for hostile in
        ["a:1|c\ninjected:1|c", "b|g", "c@0.1", "d#tag", "e\u{0}", "f é", "|@0.5", "..", "injected:5|c|@Infinity"]
    {
        logger.send_counter(hostile.to_owned(), 1);
    }
    logger.send_gauge("nan", f64::NAN);
    // A sampled counter: the server computes hits ÷ rate.
    let sampled = logger.counter("sampled").sampled(0.25);
    for _ in 0..40_000 {
        sampled.increment();
    }
    assert!(metrics.flush(SOON).complete);
    let hits = ferrometer::snapshot()
        .totals()
        .iter()
        .find(|t| t.series.metric_name() == "sampled" && t.series.rate() < 1.0)
        .unwrap()
        .recordings;
    etsy.settle();
    let (counters, gauges, timers) = (etsy.dump("counters"), etsy.dump("gauges"), etsy.dump("timers"));
    let name = |n: &str| format!("g.com.example.host.hard.{n}");
    for (metric, expected) in [
        ("plain", 40),
        ("negative", -7),
        ("large", 1i64 << 52),
        ("labelled.method.GET.path._a_b_c_d__e_f-13d5f5b4", 3),
        ("a_1_c_injected_1_c", 1),
        ("b_g", 1),
        ("c_0.1", 1),
        ("d_tag", 1),
        ("e_", 1),
        ("f__", 1),
        ("__0.5", 1),
        ("injected_5_c__Infinity", 1),
        ("sampled", hits as i64 * 4),
    ] {
        assert_eq!(counters[name(metric)], json!(expected), "{metric}");
    }
    assert!(((hits * 4) as f64 - 40_000.0).abs() < 6.0 * (40_000.0f64 * 0.25 * 0.75).sqrt() * 4.0, "{hits}");
    // `..` has no part of its own: it counts under the logger's name.
    assert_eq!(counters["g.com.example.host.hard"], json!(1));
    for (metric, expected) in [("fraction", 0.1), ("tiny", 1e-7), ("negative", -12.5), ("moving", -3.0)] {
        assert_eq!(gauges[name(metric)].as_f64(), Some(expected), "{metric}");
    }
    assert_eq!(numbers(&timers[name("digits")]), [0.000001, 1.234567, 125.0, 999_999.999999]);
    assert_eq!(numbers(&timers[name("rows")]), [12.25]);
    assert_eq!(counters["statsd.bad_lines_seen"], json!(0));
    let foreign = |dump: &Value| -> Vec<String> {
        let keys = dump.as_object().unwrap().keys();
        keys.filter(|k| !k.starts_with("g.com.example.host.") && !k.starts_with("statsd.")).cloned().collect()
    };
    for dump in [&counters, &gauges, &timers] {
        assert_eq!(foreign(dump), Vec::<String>::new(), "nothing was injected");
    }
    let report = metrics.shutdown(SOON);
    assert!(report.ledgers[0].balances(), "{}", report.ledgers[0]);
}

#[test]
#[ignore = "needs the Etsy statsd; scripts/test installs and runs it"]
fn a_server_that_is_killed_and_comes_back_gets_what_it_missed() {
    let _alone = alone();
    let mut etsy = Etsy::start("killed", false);
    let metrics = init(statsd(etsy.port).statsd_interval(Duration::from_millis(20))).unwrap();
    let counter = get_logger("killed").counter("c");
    counter.add(5);
    assert!(metrics.flush(SOON).complete);
    etsy.settle();
    assert_eq!(etsy.dump("counters")["killed.c"], json!(5));
    etsy.kill();
    // The datagram that finds out is not lost.
    get_logger("killed").send_counter("probe", 1);
    thread::sleep(Duration::from_millis(100));
    for _ in 0..50 {
        counter.add(1);
        thread::sleep(Duration::from_millis(10));
    }
    let ledger = &ferrometer::ledgers()[0];
    assert!(ledger.balances() && ledger.pending.increments > 0 && ledger.errors > 0, "{ledger}");
    etsy.restart();
    thread::sleep(Duration::from_millis(100));
    assert!(metrics.flush(SOON).complete);
    etsy.settle();
    assert_eq!(etsy.dump("counters")["killed.c"], json!(50));
    assert_eq!(etsy.dump("counters")["killed.probe"], json!(1));
    let report = metrics.shutdown(SOON);
    assert!(report.ledgers[0].balances());
}

#[test]
#[ignore = "needs the Etsy statsd; scripts/test installs and runs it"]
fn lines_over_tcp_are_read_by_the_server() {
    let _alone = alone();
    let etsy = Etsy::start("tcp", true);
    let file = Scratch::new("tcp-config");
    let config = format!(
        "[metrics]\nbackend = \"statsd\"\nstatsd_port = {}\n[metrics.statsd]\ntransport = \"tcp\"\n",
        etsy.port
    );
    let metrics = init(file.file("metrics.toml", config.as_bytes())).unwrap();
    let logger = get_logger("overtcp");
    for i in 0..300 {
        logger.send_counter(format!("c{i}"), i);
        logger.send_gauge(format!("g{i}"), -i);
    }
    assert!(metrics.flush(SOON).complete);
    etsy.settle();
    let (counters, gauges) = (etsy.dump("counters"), etsy.dump("gauges"));
    for i in 1..300 {
        assert_eq!(counters[format!("overtcp.c{i}")], json!(i));
        assert_eq!(gauges[format!("overtcp.g{i}")], json!(-i));
    }
    assert_eq!(counters["statsd.bad_lines_seen"], json!(0));
    assert!(metrics.shutdown(SOON).complete);
}

#[test]
#[ignore = "needs the Etsy statsd; scripts/test installs and runs it"]
fn many_threads_and_swapped_configurations_add_up() {
    let _alone = alone();
    let etsy = Etsy::start("swaps", false);
    let config = || statsd(etsy.port).statsd_interval(Duration::from_millis(10));
    let mut metrics = init(config()).unwrap();
    let workers: Vec<_> = (0..4)
        .map(|_| {
            thread::spawn(|| {
                let counter = get_logger("swaps").counter("c");
                for i in 0..200_000 {
                    counter.increment();
                    if i % 1000 == 0 {
                        thread::sleep(Duration::from_micros(200));
                    }
                }
            })
        })
        .collect();
    for _ in 0..40 {
        thread::sleep(Duration::from_millis(3));
        // The old guard does nothing any more; the old backend hands over at one snapshot.
        metrics = init(config()).unwrap();
    }
    workers.into_iter().for_each(|w| w.join().unwrap());
    let report = metrics.shutdown(SOON);
    assert!(report.complete && report.ledgers[0].balances(), "{}", report.ledgers[0]);
    etsy.settle();
    assert_eq!(etsy.dump("counters")["swaps.c"], json!(800_000));
}

/// A gauge and a count in flight that do not change stay at a server that forgets.
#[test]
#[ignore = "needs the Etsy statsd; scripts/test installs and runs it"]
fn a_server_that_forgets_idle_state_is_told_again() {
    let _alone = alone();
    let etsy = Etsy::forgetful("forgetful");
    let metrics = init(statsd(etsy.port).statsd_interval(Duration::from_millis(100))).unwrap();
    let logger = get_logger("forgetful");
    let _open = logger.in_flight("open").enter();
    logger.send_gauge("size", 64);
    // Four flushes: without being told again, the server forgets both at the second.
    thread::sleep(Duration::from_secs(4));
    let until = std::time::Instant::now() + SOON;
    loop {
        let gauges = etsy.dump("gauges");
        if gauges["forgetful.open"] == json!(1) && gauges["forgetful.size"] == json!(64) {
            break;
        }
        assert!(std::time::Instant::now() < until, "{gauges}");
        thread::sleep(Duration::from_millis(50));
    }
    drop(metrics);
}
