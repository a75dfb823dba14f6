//! `catalogue`: the metrics of a program, written down, compared and drawn.

use crate::common::{FAST, Prometheus, Serve, get, good, run, text};
use ferrometer::{Logger, Unit, count, describe, logger, time};
use ferrometer_testkit::wait::wait_until;
use std::hint::black_box;
use std::process::Command;
use std::time::Duration;

static SHOP: Logger = logger!("catalogued.shop");

/// Call sites of this program, which is the one that is looked at. They never run.
#[inline(never)]
fn sites(till: &str, logger: &Logger) {
    count!(SHOP, "sales", sample_rate = 0.25, "till" => till);
    count!(SHOP, "sales", 2, "shelf" => 7);
    time!(SHOP, "pay", { black_box(till) });
    count!(logger, "of.a.local");
    describe!(SHOP, "sales", Unit::Other("pieces"), "Pieces | sold.");
}

#[test]
fn what_vanished_or_changed_fails() {
    let serve = Serve::start("program-catalogue", FAST);
    serve.send("shop.sales:2|c|#till:3\nshop.pay:125|ms");
    serve.wait_for("shop.pay.count");
    serve.wait_for("server.statsd.lines");
    let url = serve.url();
    let markdown = good(["catalogue", &url]);
    assert!(markdown.contains("| `shop.sales` | counter |  | `till` |  |  |  |\n"), "{markdown}");
    assert!(
        markdown.contains("| `shop.pay` | timer | ms |  |  |  |  |\n") && !markdown.contains("ferrometer."),
        "{markdown}"
    );
    wait_until("its own", || good(["catalogue", &url, "--own"]).contains("`ferrometer.backend.pull-cache.sent`"));
    let file = serve.scratch.file("metrics.md", format!("# Metrics\n\n{markdown}"));
    assert_eq!(good(["catalogue", &url, "--check", text(&file)]), "no metric vanished, and none changed\n");
    let json = serve.scratch.file("metrics.json", good(["--json", "catalogue", &url]));
    good(["catalogue", &url, "--check", text(&json)]);
    // One that is not there any more, and one that was something else.
    let row = "| `shop.sales` | counter |";
    let changed = markdown.replace(row, "| `shop.gone` | counter |  |  |  |  |  |\n| `shop.sales` | gauge |");
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

/// Rates of a macro, of a sampled logger and of a rule, told by a program that runs: this one.
#[test]
fn a_running_program_tells_its_rates() {
    static RATED: Logger = logger!("catalogued.rated");
    let config = ferrometer::Config::new()
        .backend_list(["pull-cache"])
        .pull_cache_http(true)
        .pull_cache_interval(Duration::from_secs(1))
        .pull_cache_address("127.0.0.1:0".parse().unwrap());
    let metrics = ferrometer::init(config).unwrap();
    let url = format!("http://{}", metrics.http_address().unwrap());
    count!(RATED, "sales", sample_rate = 0.25);
    count!(RATED, "sales");
    count!(RATED, "all", sample_rate = 1.0);
    RATED.counter("plain").add(1);
    RATED.sampled(0.5).timer("pay").record(Duration::from_millis(1));
    let markdown = good_when("its rates", || {
        let found = good(["catalogue", &url]);
        found.contains("`catalogued.rated.pay`").then_some(found)
    });
    let rate = |name: &str| {
        let row = markdown.lines().find(|line| line.starts_with(&format!("| `catalogued.rated.{name}` |"))).unwrap();
        row.split(" | ").nth(4).unwrap().to_owned()
    };
    assert_eq!(
        (rate("sales"), rate("pay"), rate("plain"), rate("all")),
        ("0.25".into(), "0.5".into(), String::new(), String::new()),
        "{markdown}"
    );
    // Another rate later is added, and told by --check.
    let scratch = ferrometer_testkit::scratch::Scratch::new("program-catalogue-rates");
    let file = scratch.file("metrics.md", &markdown);
    assert_eq!(good(["catalogue", &url, "--check", text(&file)]), "no metric vanished, and none changed\n");
    RATED.sampled(0.125).counter("sales").add(1);
    let told = good_when("the other rate", || {
        let ran = run(["catalogue", &url, "--check", text(&file)]);
        (ran.code == 1).then_some(ran.out)
    });
    assert_eq!(told, "changed   catalogued.rated.sales: rate was \"0.25\", is \"0.125, 0.25\"\n");
}

fn good_when(what: &str, mut ask: impl FnMut() -> Option<String>) -> String {
    let mut found = None;
    wait_until(what, || {
        found = ask();
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn the_file_of_a_program_lists_what_never_ran() {
    black_box(sites as fn(&str, &Logger));
    let program = std::env::current_exe().unwrap();
    let program = text(&program);
    let lines = include_str!("catalogue.rs").lines();
    let line = |of: &str| lines.clone().position(|line| line.contains(of)).unwrap() + 1;
    let file = file!();
    let markdown = good(["catalogue", program]);
    let expected = format!(
        "| `catalogued.shop.sales` | counter | pieces | `shelf`, `till` | 0.25 | Pieces \\| sold. | `{file}:{}`, `{file}:{}` |\n",
        line("\"sales\", sample_rate"),
        line("\"sales\", 2"),
    );
    assert!(markdown.contains(&expected), "{markdown}\n{expected}");
    let timer = format!("| `catalogued.shop.pay` | timer | ms |  |  |  | `{file}:{}` |\n", line("\"pay\", {"));
    assert!(markdown.contains(&timer), "{markdown}");
    assert!(markdown.contains("| `<logger>.of.a.local` | counter |"), "{markdown}");

    let scratch = ferrometer_testkit::scratch::Scratch::new("program-catalogue-file");
    // A stripped program has the same metrics.
    let stripped = scratch.path().join("stripped");
    let status = Command::new("strip")
        .arg("-o")
        .arg(&stripped)
        .arg(program)
        .status()
        .expect("strip, of binutils, as the linker is");
    assert!(status.success());
    assert_eq!(good(["catalogue", text(&stripped)]), markdown);

    let committed = scratch.file("METRICS.md", format!("# Metrics\n\n{markdown}"));
    let unchanged = "no metric vanished, and none changed\n";
    assert_eq!(good(["catalogue", program, "--check", text(&committed)]), unchanged);
    // An edit above moves a site and changes no metric.
    let committed = scratch.file("METRICS.md", markdown.replace(&format!("{file}:"), "elsewhere.rs:1"));
    assert_eq!(good(["catalogue", program, "--check", text(&committed)]), unchanged);
    let json = scratch.file("metrics.json", good(["--json", "catalogue", program]));
    assert_eq!(good(["catalogue", program, "--check", text(&json)]), unchanged);
    let changed = markdown
        .replace("| `shelf`, `till` | 0.25 |", "| `till` | 0.5 |")
        .replace("`catalogued.shop.pay` | timer |", "`catalogued.shop.pays` | timer |");
    let committed = scratch.file("METRICS.md", changed);
    let ran = run(["catalogue", program, "--check", text(&committed)]);
    assert_eq!(ran.code, 1);
    let told = "vanished  catalogued.shop.pays (timer)\n\
        changed   catalogued.shop.sales: labels was \"till\", is \"shelf, till\"\n\
        changed   catalogued.shop.sales: rate was \"0.5\", is \"0.25\"\n\
        new       catalogued.shop.pay (timer)\n";
    assert_eq!(ran.out, told);

    let none = scratch.file("none", "no program");
    let ran = run(["catalogue", text(&none)]);
    assert!(ran.code == 4 && ran.err.contains("has no call site"), "{ran:?}");
    assert_eq!(run(["catalogue", "./not/there"]).code, 4);
}

#[test]
#[ignore = "needs prometheus, of Debian's package prometheus"]
fn every_panel_of_a_dashboard_has_something_to_show() {
    let serve = Serve::start("program-catalogue-dashboard", FAST);
    let send = || serve.send("shop.api.sales:2|c|#till:3\nshop.api.pay:125|ms|#outcome:ok\nshop.depth:7|g\nlone:1|c");
    send();
    serve.wait_for("shop.api.pay.count");
    let url = serve.url();
    let prometheus = Prometheus::scraping(&serve, "");
    let port = prometheus.port;
    let ask = |query: &str| {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let (_, body) = get(&format!("http://127.0.0.1:{port}"), &format!("/api/v1/query?query={encoded}"));
        serde_json::from_str::<serde_json::Value>(&body).unwrap_or_default()
    };

    let dashboard: serde_json::Value = serde_json::from_str(&good(["catalogue", &url, "--dashboard"])).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut asked = 0;
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        for target in panel["targets"].as_array().unwrap() {
            let expr = target["expr"].as_str().unwrap();
            let query = expr.replace("$__rate_interval", "1m").replace("$job", "self").replace("$instance", ".*");
            assert!(!query.contains('$'), "{query}");
            // A rate needs two scrapes, between which something may happen.
            wait_until(expr, || {
                send();
                let answer = ask(&query);
                assert_ne!(answer["status"], "error", "{query}: {answer}");
                answer["data"]["result"].as_array().is_some_and(|result| !result.is_empty())
            });
            asked += 1;
        }
    }
    // Two counters have one each, a gauge too, a timer five; the server counts its lines.
    assert!(asked >= 8, "{asked}");
    let sales = panels.iter().find(|panel| panel["title"] == "shop.api.sales a second").unwrap();
    assert_eq!(sales["targets"][0]["legendFormat"], "{{till}}");
}
