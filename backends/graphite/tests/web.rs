//! Against graphite-web, which reads what carbon-cache keeps: what its `render` answers is what Grafana draws, to the last bit, with and without tags.

mod carbon;

use ferrometer_core::{flush, install, remove};
use ferrometer_graphite::{Graphite, Proto, Settings};
use ferrometer_push_testkit::http::{ask, encoded};
use ferrometer_push_testkit::program::{Program, low_port};
use ferrometer_push_testkit::{NEVER, SOON, Scratch, alone, hard, wait_for};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// Debian's own Python, for which its packages are.
const PYTHON: &str = "/usr/bin/python3";

/// A graphite-web at a port, over the metrics that a carbon-cache keeps below `data`.
fn graphite_web(name: &str, port: u16, query: u16, data: &Path) -> Program {
    let scratch = Scratch::new(name);
    let settings = format!(
        "from graphite.settings import *\nSECRET_KEY = 'of a test'\nSTORAGE_DIR = LOG_DIR = '{dir}'\nSTANDARD_DIRS = ['{data}']\n\
         CARBONLINK_HOSTS = ['127.0.0.1:{query}']\nALLOWED_HOSTS = ['*']\n\
         DATABASES = {{'default': {{'ENGINE': 'django.db.backends.sqlite3', 'NAME': '{dir}/web.db', 'OPTIONS': {{'timeout': 60}}}}}}\n",
        dir = scratch.path().display(),
        data = data.display(),
    );
    scratch.file("web_settings.py", &settings);
    let django = || {
        let mut command = Command::new(PYTHON);
        command.args(["-m", "django"]).env("PYTHONPATH", scratch.path()).env("DJANGO_SETTINGS_MODULE", "web_settings");
        command
    };
    let made = django().args(["migrate", "--run-syncdb"]).output().expect("Debian's python3 runs");
    assert!(made.status.success(), "scripts/test installs graphite-web: {}", String::from_utf8_lossy(&made.stderr));
    let mut command = django();
    command.args(["runserver", "--noreload", &format!("127.0.0.1:{port}")]);
    Program::start(scratch, &mut command, port)
}

/// Returns the series that a target stands for.
fn render(web: u16, target: &str) -> Vec<Value> {
    let address = SocketAddr::from(([127, 0, 0, 1], web));
    let path = format!("/render?format=json&noNullPoints=true&from=-30min&target={}", encoded(target));
    let (_, body) = ask(address, "GET", &path);
    serde_json::from_str::<Vec<Value>>(&body).unwrap_or_default()
}

/// Returns the last value of a series.
fn last(series: &Value) -> Option<f64> {
    series["datapoints"].as_array()?.iter().filter_map(|point| point[0].as_f64()).next_back()
}

/// Waits until a target is one series whose last value is this one.
fn settles(web: u16, target: &str, expected: f64) {
    let get = || render(web, target).first().and_then(last);
    wait_for(|| (get() == Some(expected)).then_some(()), || format!("{target}: {:?} {expected}", get()));
}

#[test]
#[ignore = "needs Debian's graphite-carbon and graphite-web; scripts/test installs and runs them"]
fn what_is_drawn_is_what_was_recorded() {
    let _alone = alone();
    let (port, query, web) = (low_port(), low_port(), low_port());
    let carbon = carbon::start("web-carbon", port, query, Some(web));
    let _web = graphite_web("web", web, query, &carbon.scratch.path().join("data"));
    for tags in [false, true] {
        let name = if tags { "tagged" } else { "plain" };
        let settings = Settings::new("127.0.0.1").port(port).proto(Proto::Tcp).path("").tags(tags);
        install("graphite", Box::new(Graphite::new(settings).unwrap()), NEVER).unwrap();
        let truth = hard::record(name, 2);
        assert!(flush(SOON).complete);

        settles(web, &format!("{name}.falls"), truth.up as f64);
        settles(web, &format!("{name}.falls.decrements"), truth.down as f64);
        settles(web, &format!("{name}.took.count"), truth.timed as f64);
        settles(web, &format!("{name}.took.sum"), truth.millis as f64);
        for (metric, value) in hard::GAUGES {
            settles(web, &format!("{name}.{metric}"), value);
        }
        let kinds = if tags { format!("seriesByTag('name={name}.hard')") } else { format!("{name}.hard.kind.*") };
        let sum = || render(web, &kinds).iter().filter_map(last).sum::<f64>();
        wait_for(|| (sum() == truth.counted as f64).then_some(()), || format!("{} {truth:?}", sum()));
        let shown = render(web, &kinds);
        assert_eq!(shown.len(), hard::VALUES.len(), "unequal labels stay apart: {shown:?}");
        if tags {
            for expected in ["plain", "a,b=c", "quo\"te", "back\\slash", "é€😀", "{brace}"] {
                assert!(shown.iter().any(|series| series["tags"]["kind"] == expected), "{expected:?} of {shown:?}");
            }
        }
        let ledger = remove("graphite", SOON).unwrap();
        assert!(ledger.balances(), "{ledger}");
    }
}
