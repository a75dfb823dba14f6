//! Tests of `init`'s report through `tracing`: what is in force and where it came from, and what was probably meant for it and is not looked at.

use ferrometer::{Config, init};
use ferrometer_testkit::alone;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Takes down the lines of this crate.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Text<'a>(&'a mut String);

impl Visit for Text<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "ferrometer"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = event.metadata().level().to_string();
        event.record(&mut Text(&mut line));
        self.0.lock().unwrap().push(line);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The lines of one `init`.
fn told(config: Config) -> Vec<String> {
    told_beside(config, None)
}

/// The lines of one `init` in a program that has installed a backend of its own.
fn told_beside(config: Config, own: Option<&str>) -> Vec<String> {
    let _alone = alone();
    if let Some(own) = own {
        ferrometer::install(own, ferrometer_testkit::backend::sink(), std::time::Duration::from_secs(60)).unwrap();
    }
    let lines = Lines::default();
    let metrics = tracing::subscriber::with_default(lines.clone(), || init(config)).unwrap();
    // They are told on another thread, which `init` does not wait for for ever; a slow machine may need longer.
    let begun = std::time::Instant::now();
    while !lines.0.lock().unwrap().iter().any(|line| line.starts_with("INFO")) {
        assert!(begun.elapsed().as_secs() < 60, "nothing was told");
        std::thread::yield_now();
    }
    // It ends all backends, the program's own too.
    drop(metrics);
    let lines = lines.0.lock().unwrap();
    lines.iter().filter(|line| line.starts_with("INFO") || line.contains("probably")).cloned().collect()
}

const PROBABLY: &str = "WARN the configuration is probably not what was meant hint=";

#[test]
fn what_is_in_force_is_told_with_its_sources() {
    assert_eq!(told(Config::new()), ["INFO recording is off from=the program alone, no file and no variable"]);
    let config = Config::new().backend("statsd").statsd_host("127.0.0.1");
    assert_eq!(
        told(config),
        ["INFO metrics are in force backends=statsd from=the program alone, no file and no variable"]
    );
    let variables = [("FERROMETER_BACKEND", "statsd"), ("FERROMETER_STATSD_HOST", "127.0.0.1"), ("PATH", "/bin")];
    assert_eq!(
        told(Config::from_env_with(variables).unwrap()),
        ["INFO metrics are in force backends=statsd from=FERROMETER_BACKEND, FERROMETER_STATSD_HOST"]
    );
    assert_eq!(
        told(Config::from_toml("[metrics]\nbackend = \"noop\"\n").unwrap()),
        ["INFO recording is off from=configuration"]
    );
}

#[test]
fn backends_that_the_program_installed_are_not_passed_over() {
    let lines = told_beside(Config::new(), Some("own"));
    let expected = "INFO the configuration has no backend; those that the program installed go on installed=own \
                    from=the program alone, no file and no variable";
    assert_eq!(lines, [expected]);
}

#[test]
fn a_variable_that_looks_like_ours_is_told_while_recording_is_off() {
    let off = Config::from_env_with([("METRICS_BACKEND", "statsd"), ("METRICS_COLOUR", "red")]).unwrap();
    assert_eq!(off, Config::new());
    let hint = "environment variable METRICS_BACKEND is not looked at; did you mean FERROMETER_BACKEND?";
    let off = told(off);
    assert_eq!(off.len(), 2, "{off:?}");
    assert_eq!(off[0], format!("{PROBABLY}{hint}"));
    let on = [("METRICS_BACKEND", "x"), ("FERROMETER_BACKEND", "statsd"), ("FERROMETER_STATSD_HOST", "127.0.0.1")];
    assert_eq!(told(Config::from_env_with(on).unwrap()).len(), 1);
}

#[test]
fn a_file_that_sets_nothing_up_is_told_with_what_was_meant() {
    for (toml, hints) in [
        ("", &["configuration has no table [metrics], so nothing in it sets metrics up"][..]),
        (
            "[server]\nport = 1\n\n[statsd]\nhost = \"a\"\n\n[pull-cache]\nhttp = true\n\n[ferrometer]\nx = 1\n",
            &[
                "configuration has no table [metrics], so nothing in it sets metrics up",
                "configuration:4:2: the table [statsd] is not looked at; did you mean [metrics.statsd]?",
                "configuration:7:2: the table [pull-cache] is not looked at; did you mean [metrics.pull_cache]?",
                "configuration:10:2: the table [ferrometer] is not looked at; did you mean [metrics]?",
            ][..],
        ),
        ("server = 1\nstatsd = \"x\"\n[metrics]\n[metrics.statsd]\ninterval = 1\n", &[][..]),
    ] {
        let lines = told(Config::from_toml(toml).unwrap());
        let mut expected: Vec<String> = hints.iter().map(|hint| format!("{PROBABLY}{hint}")).collect();
        expected.push("INFO recording is off from=configuration".to_owned());
        assert_eq!(lines, expected, "{toml}");
    }
}

#[test]
fn what_a_dropped_guard_could_not_deliver_is_told() {
    let _alone = alone();
    let nowhere = std::env::temp_dir().join(format!("ferrometer-report-nowhere-{}", std::process::id()));
    let nowhere = nowhere.to_str().unwrap();
    let variables = [
        ("FERROMETER_BACKEND", "statsd"),
        ("FERROMETER_STATSD__TRANSPORT", "unix"),
        ("FERROMETER_STATSD__PATH", nowhere),
        ("FERROMETER_SHUTDOWN_DEADLINE", "50ms"),
    ];
    let lines = Lines::default();
    tracing::subscriber::with_default(lines.clone(), || {
        let metrics = init(Config::from_env_with(variables).unwrap()).unwrap();
        ferrometer::get_logger("report.undelivered").send_counter("c", 3);
        drop(metrics);
    });
    let begun = std::time::Instant::now();
    let told = loop {
        let lines = lines.0.lock().unwrap().clone();
        if let Some(told) = lines.iter().find(|line| line.contains("not everything was delivered")) {
            break told.clone();
        }
        assert!(begun.elapsed().as_secs() < 60, "nothing was told: {lines:?}");
        std::thread::yield_now();
    };
    let ledger = "ledger=statsd: 1 recorded = 0 sent (0 merged) + 0 pending + 0 superseded + 1 dropped removed=1";
    assert_eq!(told, format!("WARN not everything was delivered in time when the metrics ended {ledger}"));
}

#[test]
fn a_subscriber_that_waits_does_not_hold_up_init() {
    use std::sync::mpsc;
    use std::time::Duration;

    struct Waiting(Mutex<mpsc::Receiver<()>>);
    impl Subscriber for Waiting {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target() == "ferrometer"
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, _: &Event<'_>) {
            let waited = self.0.lock().unwrap().recv_timeout(Duration::from_secs(60));
            assert_ne!(waited, Err(mpsc::RecvTimeoutError::Timeout), "init waited");
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }
    let (go, gate) = mpsc::channel();
    // It comes back, though the line is still on its way.
    let metrics = tracing::subscriber::with_default(Waiting(Mutex::new(gate)), || init(Config::new())).unwrap();
    assert_eq!(go.send(()), Ok(()));
    drop((go, metrics));
}

#[cfg(all(feature = "pull-cache", not(feature = "proxmox")))]
#[test]
fn peers_need_the_feature_that_asks_them() {
    use ferrometer::config::Peer;

    let config = Config::new().backend("pull-cache").peer(Peer::new("node2", "https://10.0.0.2:9620"));
    assert_eq!(
        init(config).unwrap_err().to_string(),
        "metrics.pull_cache.peers asks for what is not part of this build; enable the cargo feature \"proxmox\" of ferrometer"
    );
}
