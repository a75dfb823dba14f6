//! Help, completions, the manual page; arguments that are wrong.

use crate::common::{Ran, ferrometer, good, run};
use ferrometer_testkit::scratch::Scratch;

const COMMANDS: [&str; 9] = ["serve", "top", "tap", "dump", "check", "catalogue", "servers", "collect", "archive"];

#[test]
fn every_command_has_help_and_the_codes_are_told() {
    let all = good(["--help"]);
    for command in COMMANDS {
        assert!(all.contains(&format!("\n  {command}")), "{command}");
        let help = good([command, "--help"]);
        assert!(help.contains("Usage: ferrometer") && help.contains("--json"), "{help}");
    }
    for code in 0..=4 {
        assert!(all.contains(&format!("\n  {code}  ")), "{code}");
    }
}

#[test]
fn wrong_arguments_are_json_where_that_is_asked_for() {
    for (arguments, says) in [
        (["--json", "nosuch"], "unrecognized subcommand 'nosuch'"),
        (["check", "--json"], "the following required arguments were not provided:\n  <FILE>"),
    ] {
        let ran = run(arguments);
        let told: serde_json::Value = serde_json::from_str(&ran.err).unwrap();
        assert_eq!((ran.code, &told), (2, &serde_json::json!({"error": says, "code": 2})));
    }
}

/// A device that is always full is Linux' own.
#[cfg(target_os = "linux")]
#[test]
fn help_that_cannot_be_written_is_no_success() {
    for arguments in [&["--help"][..], &["top", "--help"], &["--version"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ran: Ran = ferrometer().args(arguments).stdout(full).output().unwrap().into();
        assert!(ran.code == 4 && ran.err.contains("the output cannot be written"), "{ran:?}");
    }
}

#[test]
fn completions_and_pages_are_made() {
    for shell in ["bash", "zsh", "fish"] {
        let script = good(["completions", shell]);
        assert!(COMMANDS.iter().all(|command| script.contains(command)), "{shell}");
    }
    assert!(good(["man"]).contains(".TH ferrometer 1"));
    let scratch = Scratch::new("program-man");
    good(["man", "--directory", scratch.path().to_str().unwrap()]);
    for page in ["ferrometer.1", "ferrometer-serve.1", "ferrometer-archive-policy.1"] {
        assert!(scratch.path().join(page).exists(), "{page}");
    }
}

#[test]
fn a_wrong_argument_ends_with_2_and_says_what_was_meant() {
    for (arguments, says) in [
        (vec!["chekc"], "check"),
        (vec!["serve", "--confg", "x"], "--config"),
        (vec!["tap", "nowhere"], "expected PORT, HOST:PORT"),
        (vec!["tap", "--dialect", "etsi"], "etsy"),
        (vec!["dump"], "<DIR|URL>"),
        (vec!["dump", "ftp://x"], "is no address of a program"),
        (vec!["dump", "x", "--since", "yesterday"], "expected seconds since 1970"),
        (vec!["servers", "add", "x", "--type", "graphit", "--server", "h", "--port", "1"], "did you mean graphite?"),
        (vec!["servers", "set", "x", "-o", "token=secret"], "--server-token-file"),
        (vec!["archive", "measures", "add", "x", "NaN"], "is no measure"),
        (vec!["archive", "policy", "add", "x", "--keep", "60"], "GRANULARITY:TIMESPAN"),
        (vec!["top", "--every", "2"], "a number with its unit"),
    ] {
        let ran = run(arguments.iter().copied());
        assert_eq!(ran.code, 2, "{arguments:?} {ran:?}");
        assert!(ran.err.contains(says) && ran.out.is_empty(), "{arguments:?} {ran:?}");
    }
}
