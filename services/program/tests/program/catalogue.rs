//! `catalogue`: the metrics of a program, written down and compared.

use crate::common::{FAST, Serve, good, run, text};
use ferrometer_testkit::wait::wait_until;

#[test]
fn what_vanished_or_changed_fails() {
    let serve = Serve::start("program-catalogue", FAST);
    serve.send("shop.sales:2|c|#till:3\nshop.pay:125|ms");
    serve.wait_for("shop.pay.count");
    serve.wait_for("server.statsd.lines");
    let url = serve.url();
    let markdown = good(["catalogue", &url]);
    assert!(markdown.contains("| `shop.sales` | counter |  | `till` |  |\n"), "{markdown}");
    assert!(
        markdown.contains("| `shop.pay` | timer | ms |  |  |\n") && !markdown.contains("ferrometer."),
        "{markdown}"
    );
    wait_until("its own", || good(["catalogue", &url, "--own"]).contains("`ferrometer.backend.pull-cache.sent`"));
    let file = serve.scratch.file("metrics.md", format!("# Metrics\n\n{markdown}"));
    assert_eq!(good(["catalogue", &url, "--check", text(&file)]), "no metric vanished, and none changed\n");
    let json = serve.scratch.file("metrics.json", good(["--json", "catalogue", &url]));
    good(["catalogue", &url, "--check", text(&json)]);
    // One that is not there any more, and one that was something else.
    let row = "| `shop.sales` | counter |";
    let changed = markdown.replace(row, "| `shop.gone` | counter |  |  |  |\n| `shop.sales` | gauge |");
    let file = serve.scratch.file("metrics.md", changed);
    let ran = run(["catalogue", &url, "--check", text(&file)]);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.out, "vanished  shop.gone (counter)\nchanged   shop.sales: was a gauge, is a counter\n");
    let ran = run(["--json", "catalogue", &url, "--check", text(&file)]);
    let differences: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert!(ran.code == 1 && differences["vanished"][0] == "shop.gone (counter)");
    // New ones are told.
    let less: String = markdown.lines().filter(|line| !line.starts_with(row)).map(|line| format!("{line}\n")).collect();
    let file = serve.scratch.file("metrics.md", less);
    assert!(good(["catalogue", &url, "--check", text(&file)]).starts_with("new       shop.sales (counter)\n"));
    let file = serve.scratch.file("metrics.md", "nothing");
    assert_eq!(run(["catalogue", &url, "--check", text(&file)]).code, 2);
}
