//! The command: what it prints, where, and with which status.

#[path = "support/instant.rs"]
mod instant;
mod support;

use std::ffi::OsString;
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;
use support::Folder;

const ARGUMENTS: &str = "FERROMETER_COLLECTOR_COMMAND";

/// The child: the command, with the arguments of its environment, one a line. Standard output is a file, because the test's own lines
/// are on it.
#[test]
#[ignore = "is the child of the tests below"]
fn child() {
    let Some(arguments) = std::env::var_os(ARGUMENTS) else { return };
    let arguments = arguments.into_string().unwrap();
    let arguments = ["collector"].into_iter().chain(arguments.lines()).map(OsString::from);
    let code = ferrometer_collector::command::run_with(arguments);
    std::process::exit(match format!("{code:?}") {
        text if text.contains("(0)") => 0,
        text if text.contains("(1)") => 1,
        _ => 2,
    });
}

struct Place {
    folder: Folder,
    url: String,
}

impl Place {
    /// A folder with both files, for a server that answers at once.
    fn new(name: &str) -> Place {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/api/v1", listener.local_addr().unwrap());
        instant::serve(listener, vec!["a".into(), "b".into()], Duration::ZERO);
        let place = Place { folder: Folder::new(name), url };
        place.folder.write("metrics.yml", "metrics: {cpu: {unit: x, groupby: [id]}, mem: {unit: y, mutate: NUMBOOL}}");
        place.conf("");
        place
    }

    fn conf(&self, more: &str) {
        let url = &self.url;
        let conf = format!(
            "[collect]\nperiod = 60\nwait_periods = 0\nscope_key = namespace\nmetrics_conf = metrics.yml\n[fetcher_prometheus]\nmetric = up\n\
             scope_attribute = namespace\n[collector_prometheus]\nprometheus_url = {url}\n{more}\n"
        );
        self.folder.write("cloudkitty.conf", conf);
    }

    /// Runs the command, and returns its status, its lines of data points, and what it said.
    fn run(&self, arguments: &str) -> (i32, Vec<String>, String) {
        let config = format!("--config={}/cloudkitty.conf", self.folder.0.display());
        let arguments = [config].into_iter().chain(arguments.split(' ').filter(|a| !a.is_empty()).map(str::to_owned));
        let ran = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--ignored", "--nocapture"])
            .env(ARGUMENTS, arguments.collect::<Vec<_>>().join("\n"))
            .current_dir(&self.folder.0)
            .output()
            .unwrap();
        let out = String::from_utf8(ran.stdout).unwrap();
        let lines = out.lines().filter(|l| !l.is_empty() && *l != "running 1 test").map(str::to_owned).collect();
        (ran.status.code().unwrap(), lines, String::from_utf8(ran.stderr).unwrap())
    }

    fn lines(&self, name: &str) -> usize {
        std::fs::read_to_string(self.folder.0.join(name)).unwrap().lines().count()
    }
}

#[test]
fn one_period_is_printed_exactly() {
    let place = Place::new("command-one");
    let (status, lines, said) = place.run("--scope s --begin 1548853200");
    assert_eq!((status, said.as_str()), (0, ""));
    let day = r#""week_of_the_year":"04","day_of_the_year":"30","month":"1","year":"2019""#;
    let period = r#""period":{"begin":"2019-01-30T13:00:00+00:00","end":"2019-01-30T13:01:00+00:00"}"#;
    assert_eq!(
        lines,
        [
            format!(
                r#"{{"metric":"cpu",{period},"vol":{{"unit":"x","qty":25814221}},"groupby":{{"namespace":"s","id":"v",{day}}},"metadata":{{}}}}"#
            ),
            format!(
                r#"{{"metric":"mem",{period},"vol":{{"unit":"y","qty":1}},"groupby":{{"namespace":"s",{day}}},"metadata":{{}}}}"#
            ),
        ]
    );
}

#[test]
fn a_run_that_is_repeated_adds_nothing() {
    let place = Place::new("command-repeat");
    let run = |to: &str| place.run(&format!("--from 2026-01-01 --to {to} --state state --output out.csv --format csv"));
    assert_eq!(run("2026-01-01T01:00:00").0, 0);
    assert_eq!(place.lines("out.csv"), 1 + 60 * 2 * 2);
    assert_eq!(run("2026-01-01T01:00:00").0, 0);
    assert_eq!(place.lines("out.csv"), 1 + 60 * 2 * 2);
    assert_eq!(run("2026-01-01T01:30:00").0, 0);
    assert_eq!(place.lines("out.csv"), 1 + 90 * 2 * 2);
    // Lines that a crash left behind what was committed are taken back.
    let path = place.folder.0.join("out.csv");
    let whole = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{whole}2026-01-01T01:30")).unwrap();
    assert_eq!(run("2026-01-01T01:30:00").0, 0);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let (status, _, said) = run("2026-01-01T01:30:00");
    assert!(status == 1 && said.contains("it was changed by somebody else"), "{status} {said}");
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_full_disk_did_not_take_is_collected_again() {
    let place = Place::new("command-full");
    let run = |output: &str| {
        place.run(&format!("--from 2026-01-01 --to 2026-01-01T01:00:00 --state state --output {output}"))
    };
    let (status, _, said) = run("/dev/full");
    assert!(status == 1 && said.contains("No space left"), "{status} {said}");
    assert_eq!(run("out.jsonl").0, 0);
    assert_eq!(place.lines("out.jsonl"), 60 * 2 * 2);
}

#[test]
fn what_is_due_is_collected_once() {
    let place = Place::new("command-once");
    place.conf("[collect]\nperiod = 3600");
    let (status, _, said) = place.run("--once --state state --output out.jsonl");
    assert_eq!(status, 0, "{said}");
    let first = place.lines("out.jsonl");
    let now = ferrometer_collector::period::now();
    let hours = (now - ferrometer_collector::period::month_start(now)) / 3600;
    // Two scopes, two metrics; the hour may have ended since.
    assert!([hours * 4, (hours - 1).max(0) * 4].contains(&(first as i64)), "{first} lines of {hours} hours");
    assert_eq!(place.run("--once --state state --output out.jsonl").0, 0);
    let again = place.lines("out.jsonl") - first;
    assert!([0, 4].contains(&again), "{again}");
}

#[test]
fn wrong_arguments_are_told() {
    let place = Place::new("command-wrong");
    let soon = ferrometer_collector::period::now() + 3600;
    for (arguments, says) in [
        (
            "--begin yesterday --scope s".to_owned(),
            "--begin: \"yesterday\" is no moment: expected seconds since 1970, 2026-01-31 or 2026-01-31T13:00:00Z",
        ),
        (format!("--begin {soon} --scope s"), "the period ends at "),
        ("--from 2026-01-02 --to 2026-01-01".to_owned(), "expected one or more whole periods of 60 seconds"),
        ("--from 2026-01-01 --to 2026-01-01T00:00:30".to_owned(), "expected one or more whole periods of 60 seconds"),
        ("--explain".to_owned(), "--begin <MOMENT>"),
        ("--begni 1".to_owned(), "--begin"),
        ("--processors a,b --once".to_owned(), "--processors: \"main\", the name of this processor, is not among a, b"),
        ("--metrics absent.yml --once".to_owned(), "absent.yml: cannot be read: "),
    ] {
        let (status, lines, said) = place.run(&arguments);
        assert!(status == 2 && lines.is_empty() && said.contains(says), "{arguments}: {status} {said}");
    }
    place.folder.write(
        "cloudkitty.conf",
        "[collect]\nmetrics_conf = metrics.yml\n[collector_prometheus]\nprometheus_url = http://h/api/v1\n",
    );
    let (status, _, said) = place.run("--once");
    assert_eq!(
        (status, said.as_str()),
        (2, "no scope is named: expected --scope, or [fetcher_prometheus] metric in the configuration\n")
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_bar_shows_on_a_terminal_how_far_a_backfill_is() {
    let place = Place::new("command-bar");
    let arguments = format!(
        "--config={}/cloudkitty.conf --from 2026-01-01 --to 2026-01-02 --periods-per-query 2 --state state --output out.jsonl",
        place.folder.0.display()
    );
    // `script` gives the command a terminal.
    let ran = Command::new("script")
        .args([
            "-qec",
            &format!("'{}' child --exact --ignored --nocapture", std::env::current_exe().unwrap().display()),
            "typescript",
        ])
        .env(ARGUMENTS, arguments.replace(' ', "\n"))
        .current_dir(&place.folder.0)
        .stdin(std::process::Stdio::null())
        .output()
        .expect("script is needed (Debian: bsdutils)");
    assert!(ran.status.success(), "{ran:?}");
    assert_eq!(place.lines("out.jsonl"), 1440 * 2 * 2);
    let shown = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(shown.contains("/2880 periods of scopes, ") && shown.contains(" left"), "{shown:?}");
}

#[test]
fn what_is_not_safe_is_told_at_each_start() {
    let place = Place::new("command-unsafe");
    place.conf("prometheus_user = foo\nprometheus_password = hunter2");
    let (_, _, said) = place.run("--scope s --begin 1548853200");
    assert!(
        said.starts_with("warning: credentials are sent without encryption") && said.matches("warning").count() == 1,
        "{said}"
    );
    assert!(!said.contains("hunter2"));
    let insecure = |more: &str| {
        place.folder.write("ca.pem", rcgen::generate_simple_self_signed(["h".to_owned()]).unwrap().cert.pem());
        let conf = "[collect]\nmetrics_conf = metrics.yml\n[collector_prometheus]\nprometheus_url = https://127.0.0.1:9/api/v1\ninsecure = true\n";
        place.folder.write("cloudkitty.conf", format!("{conf}{more}[ferrometer]\nretries = 0\n"));
        place.run("--scope s --begin 1548853200")
    };
    let (status, _, said) = insecure("");
    assert_eq!((status, said.matches("warning: insecure: any certificate is accepted").count()), (1, 1), "{said}");
    let (_, _, said) = insecure("cafile = ca.pem\n");
    assert_eq!(said.matches("warning: cafile and insecure are both set; cafile wins").count(), 1, "{said}");
}
