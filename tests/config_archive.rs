//! The archive backend by configuration: into an archive of this process, and what is wrong with its keys.
#![cfg(all(feature = "config-file", feature = "archive-embedded"))]

use ferrometer::config::{ArchiveCounters, Config};
use ferrometer_testkit::alone;
use std::time::Duration;

fn refused(toml: &str) -> String {
    match Config::from_toml(toml) {
        Ok(config) => ferrometer::init(config).expect_err(toml).to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_is_recorded_is_in_the_directory() {
    let _alone = alone();
    let directory = std::env::temp_dir().join(format!("ferrometer-config-archive-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    let toml = format!(
        "[metrics]\nbackend = 'archive'\narchive.path = '{}'\narchive.policy = 'high'\narchive.memory = 1048576\n",
        directory.display()
    );
    let config = Config::from_toml(&toml).unwrap();
    assert!(config.max_bytes() > Config::new().backend("statsd").max_bytes());
    assert_eq!(config.archive.counters, ArchiveCounters::Delta);
    // Twice: the second process of the same directory goes on with it.
    for round in 1..=2 {
        let metrics = ferrometer::init(config.clone()).unwrap();
        ferrometer::get_logger("config.archive").send_counter("c", round);
        let report = metrics.shutdown(Duration::from_secs(30));
        assert!(report.ledgers.iter().all(|ledger| ledger.balances() && ledger.pending.is_zero()), "{report:?}");
        assert!(directory.join("index.sqlite").exists() && directory.join("lock").exists());
    }
    let _ = std::fs::remove_dir_all(&directory);
}

#[test]
fn keys_that_do_not_go_together_are_named() {
    let _alone = alone();
    for (keys, words) in [
        (
            "archive.url = 'http://h'\narchive.path = '/x'",
            "metrics.archive.url = \"http://h beside a path\": expected either `url`",
        ),
        (
            "archive.bearer = 'hush'\narchive.password = 'hush'",
            "metrics.archive.bearer = \"(a token beside a password)\"",
        ),
        ("archive.url = 'h:1'", "metrics.archive.url = \"h:1"),
        (
            "archive.resource = 'a/b'",
            "metrics.archive.resource = \"a/b\": expected a text of 1 to 255 characters, without `/`",
        ),
        ("archive.spool = '/x'", "metrics.archive.spool = \"/x\": expected none while `counters` is `delta`"),
        ("archive.counters = 'totl'", "expected \"delta\" or \"total\"; did you mean \"total\"?"),
        ("archive.memory = 1", "metrics.archive.memory = 1 (integer): expected an integer from 1048576"),
        ("archive.pth = '/x'", "metrics.archive.pth: unknown key; did you mean `path`?"),
        ("archve.path = '/x'", "did you mean `archive`?"),
    ] {
        let got = refused(&format!("[metrics]\nbackend = 'archive'\n{keys}\n"));
        assert!(got.contains(words) && !got.contains("hush"), "{got}\n{words}");
    }
}
