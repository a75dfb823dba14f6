//! A real Prometheus that is written to: the one that is installed, or the third major version, which takes remote write 2.0.

use crate::http::{ask, encoded};
use crate::program::{Program, low_port};
use crate::{Scratch, hard, wait_for};
use serde_json::Value;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::process::Command;

/// Which program is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// `prometheus` of the path.
    Installed,
    /// The program that `PROMETHEUS_3` names.
    Third,
}

/// A running Prometheus that scrapes nothing. It ends when this is dropped.
pub struct Prometheus {
    program: Program,
    command: Command,
    /// Its answers.
    pub promql: Promql,
}

/// A server on loopback that is asked in PromQL: a Prometheus, or one that speaks its API.
#[derive(Clone, Copy, Debug)]
pub struct Promql {
    /// The port that it listens at.
    pub port: u16,
}

impl Prometheus {
    /// Starts one that takes remote write, with native histograms and exemplars, and further arguments.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(release: Release, arguments: &[&str]) -> Prometheus {
        Prometheus::with_web(release, "", arguments)
    }

    /// Starts one with the content of a file for `--web.config.file`.
    ///
    /// # Panics
    /// When it does not start.
    pub fn with_web(release: Release, web: &str, arguments: &[&str]) -> Prometheus {
        let program = match release {
            Release::Installed => OsString::from("prometheus"),
            Release::Third => std::env::var_os("PROMETHEUS_3")
                .expect("PROMETHEUS_3 names no Prometheus: run scripts/test, which fetches it"),
        };
        let scratch = Scratch::new("written-prometheus");
        let config = scratch.file("prometheus.yml", "global: {scrape_interval: 1h}\n");
        let web = scratch.file("web.yml", web);
        let port = low_port();
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--web.config.file={}", web.display()))
            .arg(format!("--storage.tsdb.path={}", scratch.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args(["--web.enable-remote-write-receiver", "--enable-feature=native-histograms,exemplar-storage"])
            .args(arguments);
        let program = Program::start(scratch, &mut command, port);
        let server = Prometheus { program, command, promql: Promql { port } };
        server.wait();
        server
    }

    /// Waits until it is ready: it listens before. One with a password says so instead.
    fn wait(&self) {
        let ready = || Some(ask(self.promql.address(), "GET", "/-/ready").0).filter(|s| [200, 401].contains(s));
        wait_for(ready, || self.program.log());
    }

    /// Ends it. What it stored stays.
    pub fn stop(&mut self) {
        self.program.stop();
    }

    /// Starts it again, with what it stored.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&mut self) {
        self.program.start_again(&mut self.command, self.promql.port);
        self.wait();
    }

    /// Returns the address that remote write goes to.
    pub fn write_url(&self) -> String {
        format!("http://127.0.0.1:{}/api/v1/write", self.promql.port)
    }
}

impl Promql {
    fn address(self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    fn data(self, target: &str) -> Value {
        let (_, body) = ask(self.address(), "GET", target);
        let mut answer: Value = serde_json::from_str(&body).unwrap_or_else(|why| panic!("{why}: {body}"));
        answer["data"].take()
    }

    /// Returns the series that a query finds.
    ///
    /// # Panics
    /// When the answer is no JSON.
    pub fn query(self, text: &str) -> Vec<Value> {
        let data = self.data(&format!("/api/v1/query?query={}", encoded(text)));
        data["result"].as_array().cloned().unwrap_or_default()
    }

    /// Returns the value of the first series that a query finds.
    pub fn value(self, text: &str) -> Option<f64> {
        self.query(text).first().and_then(|result| result["value"][1].as_str()?.parse().ok())
    }

    /// Waits until a query has this value.
    ///
    /// # Panics
    /// When it does not come to it.
    pub fn settle(self, text: &str, expected: f64) {
        let near = |got: f64| (got - expected).abs() <= expected.abs() * 1e-12;
        wait_for(
            || self.value(text).filter(|got| near(*got)),
            || format!("{text}: {:?}, not {expected}", self.value(text)),
        );
    }

    /// Waits until everything is there that [`hard::record`] recorded under a name, but for its timer.
    ///
    /// # Panics
    /// When it does not come, or a label's value is another one.
    pub fn shows_hard(self, name: &str, truth: hard::Truth) {
        self.settle(&format!("sum({name}_hard_total)"), truth.counted as f64);
        self.settle(&format!("count({name}_hard_total)"), hard::VALUES.len() as f64);
        self.settle(&format!("{name}_falls_total"), truth.up as f64);
        self.settle(&format!("{name}_falls_decrements_total"), truth.down as f64);
        for (metric, value) in hard::GAUGES {
            self.settle(&format!("{name}_{metric}"), value);
        }
        let found: Vec<String> = self
            .query(&format!("{name}_hard_total"))
            .iter()
            .map(|result| result["metric"]["kind"].as_str().unwrap_or_default().to_owned())
            .collect();
        for value in hard::VALUES {
            assert!(found.iter().any(|kind| kind == value), "{value:?} of {found:?}");
        }
    }

    /// Waits until a native histogram is there that has what [`hard::record`] timed.
    ///
    /// # Panics
    /// When it does not come.
    pub fn shows_hard_natively(self, name: &str, truth: hard::Truth) {
        self.settle(&format!("histogram_count({name}_took_seconds)"), truth.timed as f64);
        self.settle(&format!("histogram_sum({name}_took_seconds) * 1000"), truth.millis as f64);
        let median = self.value(&format!("histogram_quantile(0.5, {name}_took_seconds)")).unwrap_or_default();
        assert!((0.045..0.056).contains(&median), "{median}");
    }

    /// Waits until a histogram with buckets is there that has what [`hard::record`] timed.
    ///
    /// # Panics
    /// When it does not come.
    pub fn shows_hard_in_buckets(self, name: &str, truth: hard::Truth) {
        self.settle(&format!("{name}_took_seconds_count"), truth.timed as f64);
        self.settle(&format!("{name}_took_seconds_sum * 1000"), truth.millis as f64);
        self.settle(&format!("{name}_took_seconds_bucket{{le='+Inf'}}"), truth.timed as f64);
        let median = self.value(&format!("histogram_quantile(0.5, {name}_took_seconds_bucket)")).unwrap_or_default();
        assert!((0.04..0.06).contains(&median), "{median}");
    }

    /// Returns the exemplars of the series that a selector finds: trace, span and value, in order.
    pub fn exemplars(self, selector: &str) -> Vec<((String, String), f64)> {
        let data = self.data(&format!("/api/v1/query_exemplars?query={}&start=0&end=4000000000", encoded(selector)));
        let series = data.as_array().cloned().unwrap_or_default();
        let all = series.iter().flat_map(|series| series["exemplars"].as_array().cloned().unwrap_or_default());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut all: Vec<_> = all
            .map(|found| {
                let ids = (text(&found["labels"]["trace_id"]), text(&found["labels"]["span_id"]));
                (ids, text(&found["value"]).parse::<f64>().unwrap_or(f64::NAN))
            })
            .collect();
        all.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        all
    }
}
