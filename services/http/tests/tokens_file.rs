//! A file of tokens that is changed, emptied, removed and brought back while the server runs.

mod support;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};
use support::{Client, MS, frame};

const TOKEN: &str = "Authorization: Bearer 0123456789abcdef-the-token\r\n";
const LINE: &str = "one=plain:0123456789abcdef-the-token\n";
const SOON: Duration = Duration::from_secs(60);

#[test]
fn a_file_that_is_removed_or_emptied_lets_nobody_in() {
    let path = std::env::temp_dir().join(format!("ferrometer-tokens-file-{}", std::process::id()));
    fs::write(&path, LINE).unwrap();
    let server = frame().tokens_file(&path).reload_interval(Duration::ZERO).serve().unwrap();
    let status = || Client::to(&server).ask("GET", "/small/hello", TOKEN, "").status;
    // A reading that takes long is not waited for: the change is seen by a later request.
    let becomes = |expected: u16, what: &str| {
        let end = Instant::now() + SOON;
        while status() != expected {
            assert!(Instant::now() < end, "{what}: never {expected}");
            thread::sleep(10 * MS);
        }
    };
    assert_eq!(status(), 200);
    for (what, gone) in [("empty", Some("")), ("remarks", Some("# nobody\n\n")), ("removed", None)] {
        match gone {
            Some(text) => fs::write(&path, text).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        becomes(401, what);
        assert_eq!(Client::to(&server).get("/healthz").status, 200);
        fs::write(&path, LINE).unwrap();
        becomes(200, "brought back");
    }
    // A mistake is no revocation: what was in force stays.
    fs::write(&path, "one=nothing\n").unwrap();
    (0..3).for_each(|_| assert_eq!(status(), 200));
    fs::remove_file(&path).unwrap();
}
