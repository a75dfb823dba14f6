//! The archive backend by configuration: into an archive of this process, and what is wrong with its keys.
#![cfg(all(feature = "config-file", feature = "archive-embedded"))]

use ferrometer::archive::engine::search::Page;
use ferrometer::archive::engine::{Archive, Range};
use ferrometer::config::{ArchiveCounters, Config};
use ferrometer_testkit::alone;
use std::time::Duration;

fn refused(toml: &str) -> String {
    match Config::from_toml(toml) {
        Ok(config) => ferrometer::init(config).expect_err(toml).to_string(),
        Err(error) => error.to_string(),
    }
}

/// Returns the sum of all measures of the counter `config.archive.c`.
fn counted(archive: &Archive) -> f64 {
    let metrics = archive.metrics(None, &Page::default()).unwrap();
    let counter = metrics.iter().find(|metric| metric.name.as_deref() == Some("config.archive.c")).unwrap();
    let hour = Duration::from_secs(3600).as_nanos() as i64;
    let sums = archive.measures(counter.id, "sum".parse().unwrap(), hour, Range::default()).unwrap();
    sums.iter().map(|point| point.value).sum()
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
        assert!(metrics.flush(Duration::from_secs(60)).complete);
        assert_eq!(counted(&metrics.archive().unwrap()), f64::from(round * (round + 1) / 2));
        let report = metrics.shutdown(Duration::from_secs(60));
        assert!(report.ledgers.iter().all(|ledger| ledger.balances() && ledger.pending.is_zero()), "{report:?}");
        assert!(directory.join("index.sqlite").exists() && directory.join("lock").exists());
    }
    let _ = std::fs::remove_dir_all(&directory);
}

#[test]
fn a_guard_has_the_archive_as_long_as_its_backend() {
    let _alone = alone();
    let directory = std::env::temp_dir().join(format!("ferrometer-config-archive-asked-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    let config = Config::new().backend("archive").archive(|archive| archive.path = Some(directory.clone()));
    let first = ferrometer::init(config.clone()).unwrap();
    let archive = first.archive().unwrap();
    // A directory has one archive.
    let second = ferrometer::init(config).unwrap();
    assert!(std::sync::Arc::ptr_eq(&archive, &second.archive().unwrap()));
    drop(archive);
    let third = ferrometer::init(Config::new().backend("statsd")).unwrap();
    // The thread of the backend ends by itself.
    let begun = std::time::Instant::now();
    while [&first, &second, &third].iter().any(|metrics| metrics.archive().is_some()) {
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(third);
    let _ = std::fs::remove_dir_all(&directory);
}

/// Runs curl, which prints the body and the status.
#[cfg(feature = "archive-api")]
fn curl(arguments: &[&str]) -> (String, String) {
    let output = std::process::Command::new("curl").args(["-s", "-w", "\n%{http_code}"]).args(arguments).output();
    let text = String::from_utf8(output.expect("curl runs").stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (body.to_owned(), status.to_owned())
}

#[cfg(feature = "archive-api")]
#[test]
fn a_program_serves_its_own_archive() {
    let _alone = alone();
    let directory = std::env::temp_dir().join(format!("ferrometer-config-archive-api-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    let toml = format!(
        "[metrics]\nbackend = 'archive'\narchive.path = '{}'\narchive.policy = 'high'\narchive.resource = 'shop'\narchive.api = true\n\
         pull_cache.address = '127.0.0.1:0'\n",
        directory.display()
    );
    let soon = Duration::from_secs(60);
    let metrics = ferrometer::init(Config::from_toml(&toml).unwrap()).unwrap();
    ferrometer::get_logger("config.archive").send_counter("served", 42);
    assert!(metrics.flush(soon).complete);
    let base = format!("http://{}/gnocchi/v1", metrics.http_address().unwrap());
    let ask = |path: &str| {
        let (body, status) = curl(&["-u", "admin:", &format!("{base}/{path}")]);
        assert_eq!(status, "200", "{path}: {body}");
        serde_json::from_str::<serde_json::Value>(&body).unwrap()
    };
    let found = ask("resource/generic");
    let shop = found.as_array().unwrap().iter().find(|one| one["original_resource_id"] == "shop").unwrap();
    let id = shop["metrics"]["config.archive.served"].as_str().unwrap();
    let rows = ask(&format!("metric/{id}/measures?aggregation=sum&granularity=3600"));
    let sum: f64 = rows.as_array().unwrap().iter().map(|row| row[2].as_f64().unwrap()).sum();
    assert_eq!(sum, 42.0, "{rows}");
    assert_eq!(ask("status")["storage"]["summary"]["measures"], 0);
    // Measures that others push are taken too.
    let measures = r#"[{"timestamp": 1700000000, "value": 8}]"#;
    let json = ["-u", "admin:", "-H", "Content-Type: application/json", "-d", measures];
    let (body, status) = curl(&[&json[..], &[&format!("{base}/metric/{id}/measures")]].concat());
    assert_eq!(status, "202", "{body}");
    drop(metrics.shutdown(soon));

    // Tokens of the endpoint are asked for.
    let file = directory.join("tokens");
    std::fs::write(&file, "page=plain:correct-horse-battery-staple\n").unwrap();
    let tokens = format!("{toml}pull_cache.tokens_file = '{}'\n", file.display());
    let metrics = ferrometer::init(Config::from_toml(&tokens).unwrap()).unwrap();
    let metric = format!("http://{}/gnocchi/v1/metric/{id}", metrics.http_address().unwrap());
    assert_eq!(curl(&["-u", "admin:", &metric]).1, "401");
    let (body, status) = curl(&["-H", "Authorization: Bearer correct-horse-battery-staple", &metric]);
    assert_eq!(status, "200", "{body}");
    drop(metrics.shutdown(soon));
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
        #[cfg(feature = "archive-api")]
        ("archive.api = true", "metrics.archive.api = \"true without a path\": expected `path` beside it"),
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
