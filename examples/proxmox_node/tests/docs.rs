//! `docs/metric-servers.md`: its lines of shell, run from a folder with the file that it shows, print what it says.

use ferrometer_testkit::Scratch;
use ferrometer_testkit::console::{blocks, run};

#[test]
#[ignore = "needs Debian's victoria-metrics and curl, and unshare"]
fn lines_of_the_page_print_what_it_says() {
    let page = include_str!("../../../docs/metric-servers.md");
    let toml = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let scratch = Scratch::new("docs-metric-servers");
    scratch.file("metrics.toml", toml);
    let steps = blocks(page).concat();
    assert!(steps.iter().filter(|step| !step.expected.is_empty()).count() >= 12, "{steps:?}");
    // The shell goes on when the program listens.
    let program = format!("exec '{}' metrics.toml", env!("CARGO_BIN_EXE_proxmox_node"));
    let mut ready = steps;
    let at = ready.iter().position(|step| step.command.contains("cargo run")).unwrap();
    ready[at].command.push_str("\nuntil curl -s localhost:9620/healthz >/dev/null && curl -s localhost:8428/health >/dev/null; do sleep 0.1; done");
    run(&ready, scratch.path(), &[("cargo", program), ("apt-get", String::new())]);
}
