//! `top`: one picture, several programs, and the view in a real terminal.

use crate::common::{FAST, Serve, good, run};
use ferrometer_testkit::wait::wait_until;
use std::process::Command;

#[test]
fn one_picture_shows_metrics_rates_and_the_ledger() {
    let serve = Serve::start("program-top", FAST);
    serve.send("shop.sales:2|c|#till:3\nshop.queue.depth:12.5|g");
    serve.wait_for("shop.queue.depth");
    let url = serve.url();
    let picture = good(["top", &url, "--once", "--search", "shop"]);
    assert!(picture.starts_with("ferrometer top  2 metrics, by name\n"), "{picture}");
    assert!(picture.contains("\nshop.queue.depth                               12.5 "), "{picture}");
    assert!(picture.contains("\nshop.sales {till=3} "), "{picture}");
    assert!(picture.lines().all(|line| line.chars().count() <= 80), "{picture}");
    wait_until("the ledger", || good(["top", &url, "--once", "--ledger"]).contains("\npull-cache  "));
    // The labels of the lines that came are told, and nothing else has such a label.
    let picture = good(["top", &url, "--once", "--cardinality"]);
    assert!(picture.contains("\nLABEL ") && picture.contains("\ntill "), "{picture}");
    let json: serde_json::Value = serde_json::from_str(&good(["--json", "top", &url, "--sort", "value"])).unwrap();
    assert!(
        json["metrics"]
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["metric"] == "shop.queue.depth" && row["value"] == 12.5)
    );
    assert!(json["ledger"].as_array().unwrap().iter().any(|account| account["backend"] == "pull-cache"));
    // One that is away is told, and the other is shown.
    let ran = run(["top", &url, "http://127.0.0.1:1", "--once"]);
    assert_eq!(ran.code, 3);
    assert!(ran.out.contains("\n! 2 http://127.0.0.1:1/v1/metrics?limit=1: nobody answers there\n"), "{}", ran.out);
    assert!(ran.out.contains("\n1 shop.sales"), "{}", ran.out);
    let ran = run(["top", &url]);
    assert!(ran.code == 2 && ran.err.contains("--once"), "{ran:?}");
}

struct Tmux(String);

impl Tmux {
    fn run(&self, arguments: &[&str]) -> String {
        let output = Command::new("tmux")
            .args(["-L", &self.0])
            .args(arguments)
            .output()
            .expect("tmux is missing: apt-get install tmux");
        String::from_utf8(output.stdout).unwrap()
    }

    fn screen(&self) -> String {
        self.run(&["capture-pane", "-p", "-t", "top"])
    }

    fn wait(&self, needle: &str) {
        wait_until(needle, || self.screen().contains(needle));
    }

    fn press(&self, keys: &[&str]) {
        self.run(&[&["send-keys", "-t", "top"], keys].concat());
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.run(&["kill-server"]);
    }
}

#[test]
#[ignore = "needs tmux"]
fn a_terminal_of_eighty_columns_shows_it_and_keys_work() {
    let serve = Serve::start("program-top-tmux", FAST);
    serve.send("shop.sales:2|c|#till:3\nshop.queue.depth:12.5|g");
    serve.wait_for("shop.queue.depth");
    let tmux = Tmux(format!("ferrometer-{}", std::process::id()));
    let command = format!(
        "env NO_COLOR=1 LC_ALL=C.UTF-8 {} top {} --every 100ms; echo ended; sleep 600",
        env!("CARGO_BIN_EXE_ferrometer"),
        serve.url()
    );
    tmux.run(&["new-session", "-d", "-s", "top", "-x", "80", "-y", "24", &command]);
    tmux.wait("shop.sales {till=3}");
    assert!(tmux.screen().contains("q quit  / search"));
    // New metrics are shown.
    serve.send("shop.new:1|c");
    tmux.wait("shop.new");
    tmux.press(&["/", "queue", "Enter"]);
    tmux.wait("1 metrics, by name");
    assert!(!tmux.screen().contains("shop.sales"));
    tmux.press(&["Escape"]);
    tmux.wait("shop.sales");
    tmux.press(&["l"]);
    tmux.wait("SUPERSEDED");
    tmux.press(&["?"]);
    tmux.wait("ends the view");
    tmux.press(&["?", "s"]);
    tmux.wait("by value");
    // A program that goes is told, and what it said last stays.
    serve.signal("KILL");
    tmux.wait("! http://");
    tmux.press(&["q"]);
    tmux.wait("ended");
    // The terminal is as it was.
    assert!(!tmux.screen().contains("METRIC"));
}
