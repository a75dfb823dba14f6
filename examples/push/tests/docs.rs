//! `docs/push.md`: its lines of shell, run from an empty folder against the real servers, print what it says.

use ferrometer_testkit::Scratch;
use ferrometer_testkit::console::{blocks, run};

/// Runs the block below a title. `cargo run` is this package's program, which waits until its server listens.
fn lines_below(title: &str, more: &[(&str, String)]) {
    let page = include_str!("../../../docs/push.md");
    let part = page.split("\n### ").find(|part| part.starts_with(title)).unwrap();
    let [block] = &blocks(part)[..] else { panic!("{title}: one block") };
    let program = format!(
        "while [ \"$1\" != -- ]; do shift; done; shift\n\
         case $1 in remote-write) port=9090;; otlp) port=4318;; influxdb) port=8428;; graphite) port=2003;; esac\n\
         until (: </dev/tcp/127.0.0.1/$port) 2>/dev/null; do sleep 0.1; done\n\
         [ $port != 9090 ] || until curl -s 127.0.0.1:9090/-/ready | grep -q Ready; do sleep 0.1; done\n\
         exec '{}' \"$@\"",
        env!("CARGO_BIN_EXE_push")
    );
    // Everything that it would install is there.
    let programs = [&[("cargo", program), ("apt-get", String::new())], more].concat();
    run(block, Scratch::new(&format!("docs-push-{}", title.len())).path(), &programs);
}

#[test]
#[ignore = "needs Debian's prometheus and curl, and unshare"]
fn prometheus() {
    lines_below("Prometheus", &[]);
}

#[test]
#[ignore = "needs rotel of PyPI, in the environment INTEROP_OTLP, and unshare"]
fn opentelemetry() {
    let environment = std::env::var("INTEROP_OTLP").expect("INTEROP_OTLP");
    let make = format!(
        "mkdir -p \"$3/bin\" && ln -s \"$(find '{environment}/' -name rotel-agent)\" \"$3/rotel-agent\" && ln -s /bin/true \"$3/bin/pip\""
    );
    lines_below("OpenTelemetry", &[("python3", make)]);
}

#[test]
#[ignore = "needs Debian's victoria-metrics and curl, and unshare"]
fn victoria_metrics() {
    lines_below("VictoriaMetrics", &[]);
}

#[test]
#[ignore = "needs Debian's graphite-carbon, and unshare"]
fn graphite() {
    lines_below("Graphite", &[]);
}
