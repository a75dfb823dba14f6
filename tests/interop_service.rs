//! A service as many are: it records through the `metrics` crate and by itself, has spans of `tracing` across await points and traces of OpenTelemetry, on a
//! tokio runtime under load. A real Prometheus, an OpenTelemetry collector and a statsd server get its numbers, and each has what an independent count has.
#![cfg(all(
    feature = "opentelemetry-context",
    feature = "metrics-bridge",
    feature = "tracing-layer",
    feature = "tokio",
    feature = "otlp"
))]

#[path = "support/prometheus.rs"]
mod prometheus;
mod support;

use ferrometer::metrics_bridge::Bridge;
use ferrometer::tokio::{RuntimeMetrics, TaskMetrics};
use ferrometer::{Config, get_logger, init};
use ferrometer_testkit::{SOON, Scratch, alone, wait_until};
use opentelemetry::Context;
use opentelemetry::trace::{FutureExt, SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use prometheus::{Prometheus, low_port};
use serde_json::json;
use std::collections::HashMap;
use std::fs::File;
use std::future::Future;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::pin::pin;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;
use support::Etsy;
use tracing::Instrument;
use tracing_subscriber::layer::SubscriberExt;

const METHODS: [&str; 3] = ["GET", "PUT", "DELETE"];
const REQUESTS: u64 = 600;

/// The count of the test's own: with other means than the program's.
#[derive(Default)]
struct Counted {
    requests: HashMap<&'static str, u64>,
    bytes: u64,
    rows: u64,
    polls: AtomicU64,
    /// The method and the duration of each trace that is kept.
    traces: Mutex<HashMap<String, (&'static str, Duration)>>,
}

/// Counts the polls of a future.
async fn polled<F: Future>(counted: &Counted, future: F) -> F::Output {
    let mut future = pin!(future);
    std::future::poll_fn(|context| -> Poll<F::Output> {
        counted.polls.fetch_add(1, SeqCst);
        future.as_mut().poll(context)
    })
    .await
}

/// One request: it waits, records in between, and says how long its work took.
async fn request(number: u64, method: &'static str, work: Duration) {
    for _ in 0..number % 5 {
        tokio::task::yield_now().await;
    }
    // As a library would, which knows nothing of ferrometer.
    metrics::counter!("svc.requests", "method" => method).increment(1);
    metrics::counter!("svc.bytes").increment(number);
    tokio::time::sleep(Duration::from_micros(number % 700)).await;
    metrics::histogram!("svc.rows").record((number % 40) as f64);
    tracing::warn!(target: "svc", "one more");
    tokio::task::yield_now().await;
    get_logger("svc").with("method", method).send_timer("work", work);
}

/// The context of a request, as a propagator makes it: every third trace is not kept.
fn context(number: u64) -> (Context, Option<String>) {
    let trace = (u128::from(number) << 64) | 0xfeed;
    let is_kept = !number.is_multiple_of(3);
    let flags = if is_kept { TraceFlags::SAMPLED } else { TraceFlags::default() };
    let span = SpanContext::new(TraceId::from(trace), SpanId::from(number), flags, true, TraceState::NONE);
    (Context::new().with_remote_span_context(span), is_kept.then(|| format!("{trace:032x}")))
}

/// rotel, which logs what it receives. `INTEROP_OTLP` names its environment; `scripts/test` installs it.
struct Rotel {
    process: Child,
    log: PathBuf,
    port: u16,
    _scratch: Scratch,
}

impl Rotel {
    fn start() -> Rotel {
        let root = std::env::var("INTEROP_OTLP").expect("INTEROP_OTLP is not set: run scripts/test, which installs it");
        let packages = PathBuf::from(root).join("lib").read_dir().unwrap().next().unwrap().unwrap().path();
        let (scratch, port) = (Scratch::new("service-rotel"), low_port());
        let log = scratch.path().join("log");
        let process = Command::new(packages.join("site-packages/rotel/rotel-agent"))
            .args(["start", "--otlp-http-endpoint", &format!("127.0.0.1:{port}")])
            .args(["--otlp-grpc-endpoint", &format!("127.0.0.1:{}", low_port())])
            .args(["--exporter", "blackhole", "--debug-log", "metrics", "--debug-log-verbosity", "detailed"])
            .stdout(File::create(&log).unwrap())
            .stderr(File::create(scratch.path().join("errors")).unwrap())
            .spawn()
            .expect("rotel runs: scripts/test installs it");
        wait_until("rotel listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Rotel { process, log, port, _scratch: scratch }
    }

    /// The newest word about a metric; its points stand behind it.
    fn about(&self, metric: &str) -> Option<String> {
        let log = std::fs::read_to_string(&self.log).unwrap();
        let rest = &log[log.rfind(&format!("-> Name: {metric}\n"))?..];
        Some(rest[..rest[1..].find("-> Name: ").map_or(rest.len(), |end| end + 1)].to_owned())
    }

    /// The sum of what the points of a metric have behind a word.
    fn sum(&self, metric: &str, word: &str) -> u64 {
        let about = self.about(metric).unwrap_or_default();
        about.lines().filter_map(|line| line.trim().strip_prefix(word)?.parse::<u64>().ok()).sum()
    }
}

impl Drop for Rotel {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
#[ignore = "needs Prometheus, the PyPI package rotel and the Etsy statsd; scripts/test installs and runs it"]
fn a_services_numbers_are_those_of_an_independent_count_in_three_servers() {
    let _alone = alone();
    let (etsy, rotel) = (Etsy::start("service", false), Rotel::start());
    let address = SocketAddr::from(([127, 0, 0, 1], low_port()));
    let config = format!(
        "[metrics]\nbackend = [\"prometheus\", \"otlp\", \"statsd\"]\nstatsd_port = {}\nexemplars = true\n\
         [metrics.prometheus]\naddress = \"{address}\"\ninterval = \"1s\"\n\
         [metrics.otlp]\nurl = \"http://127.0.0.1:{}/v1/metrics\"\ninterval = \"1h\"\n",
        etsy.port, rotel.port
    );
    let metrics = init(Config::from_toml(&config).unwrap()).unwrap();
    Bridge::new().install().unwrap();
    let layer = ferrometer::tracing_layer::Layer::new().label("method");
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
    let prometheus = Prometheus::start("service", false, address);

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap();
    let health = RuntimeMetrics::start("svc", runtime.handle(), Duration::from_millis(100));
    let tasks = health.tasks("request");
    let mut counted = Counted::default();
    for number in 1..=REQUESTS {
        *counted.requests.entry(METHODS[number as usize % 3]).or_default() += 1;
        counted.bytes += number;
        counted.rows += number % 40;
    }
    let counted = Arc::new(counted);
    runtime.block_on(async {
        let begin = |number: u64| {
            let (method, work) = (METHODS[number as usize % 3], Duration::from_micros(number * 37));
            let (context, kept) = context(number);
            if let Some(trace) = kept {
                counted.traces.lock().unwrap().insert(trace, (method, work));
            }
            let counted = Arc::clone(&counted);
            let span = tracing::info_span!(target: "svc", "request", method);
            let one = async move {
                let request = request(number, method, work).with_context(context).instrument(span);
                polled(&counted, request).await;
            };
            tokio::spawn(TaskMetrics::instrument(&tasks, one))
        };
        for request in (1..=REQUESTS).map(begin).collect::<Vec<_>>() {
            request.await.unwrap();
        }
    });

    // Prometheus.
    for (method, count) in &counted.requests {
        let of_method = |metric: &str| format!("{metric}{{method='{method}'}}");
        prometheus.settle(&of_method("svc_requests_total"), *count as f64);
        prometheus.settle(&of_method("svc_work_seconds_count"), *count as f64);
        prometheus.settle(&of_method("svc_request_time_seconds_count"), *count as f64);
    }
    prometheus.settle("svc_bytes_total", counted.bytes as f64);
    prometheus.settle("svc_rows_sum", counted.rows as f64);
    prometheus.settle("svc_events_total{level='warn'}", REQUESTS as f64);
    for (metric, count) in [("started", REQUESTS), ("finished", REQUESTS), ("polls", counted.polls.load(SeqCst))] {
        prometheus.settle(&format!("tokio_task_{metric}_total{{task='request'}}"), count as f64);
    }
    let work: f64 = (1..=REQUESTS).map(|number| number as f64 * 37e-6).sum();
    let sum = prometheus.value("sum(svc_work_seconds_sum)").unwrap();
    assert!((sum - work).abs() < 1e-9, "{sum}, not {work}");

    // Its exemplars are traces that are kept, and what was recorded in each.
    let traces = counted.traces.lock().unwrap();
    for (metric, least) in [("svc_requests_total", 1), ("svc_work_seconds_bucket", 3)] {
        let mut found = 0;
        wait_until("exemplars in Prometheus", || {
            let target = format!("/api/v1/query_exemplars?query={metric}&start=0&end=4000000000");
            let data = prometheus.api(&target);
            found = 0;
            for series in data.as_array().unwrap() {
                for exemplar in series["exemplars"].as_array().unwrap() {
                    let trace = exemplar["labels"]["trace_id"].as_str().unwrap();
                    let (method, work) = traces.get(trace).unwrap_or_else(|| panic!("{trace} is not kept"));
                    assert_eq!(series["seriesLabels"]["method"], **method, "{exemplar}");
                    let span = u64::from_str_radix(exemplar["labels"]["span_id"].as_str().unwrap(), 16).unwrap();
                    assert_eq!(format!("{:032x}", (u128::from(span) << 64) | 0xfeed), trace);
                    let value: f64 = exemplar["value"].as_str().unwrap().parse().unwrap();
                    if metric == "svc_work_seconds_bucket" {
                        assert!((value - work.as_secs_f64()).abs() < 1e-12, "{exemplar}");
                        let le = series["seriesLabels"]["le"].as_str().unwrap();
                        assert!(le == "+Inf" || value <= le.parse().unwrap(), "{exemplar} at {le}");
                    } else {
                        assert!(value == 1.0, "{exemplar}");
                    }
                    found += 1;
                }
            }
            found >= least
        });
    }
    drop(traces);

    // The collector.
    drop(health);
    assert!(metrics.flush(SOON).complete);
    wait_until("rotel has all", || rotel.sum("svc.requests", "Value: ") == REQUESTS);
    assert_eq!(rotel.sum("svc.bytes", "Value: "), counted.bytes);
    assert_eq!(rotel.sum("svc.work", "Count: "), REQUESTS);
    assert_eq!(rotel.sum("svc.rows", "Count: "), REQUESTS);
    assert_eq!(rotel.sum("svc.events", "Value: "), REQUESTS);
    assert_eq!(rotel.sum("tokio.task.polls", "Value: "), counted.polls.load(SeqCst));
    let about = rotel.about("svc.requests").unwrap();
    assert!(METHODS.iter().all(|method| about.contains(&format!("method: Str({method})"))), "{about}");

    // The statsd server.
    etsy.settle();
    let (counters, timers) = (etsy.dump("counters"), etsy.dump("timers"));
    let values = |name: &str| timers[name].as_array().map_or(0, Vec::len) as u64;
    for (method, count) in &counted.requests {
        assert_eq!(counters[format!("svc.requests.method.{method}")], json!(count));
        assert_eq!(values(&format!("svc.work.method.{method}")), *count);
        assert_eq!(values(&format!("svc.request.time.method.{method}")), *count);
    }
    assert_eq!(counters["svc.bytes"], json!(counted.bytes));
    assert_eq!(values("svc.rows"), REQUESTS);
    assert_eq!(counters["svc.events.level.warn"], json!(REQUESTS));
    assert_eq!(counters["tokio.task.polls.runtime.svc.task.request"], json!(counted.polls.load(SeqCst)));
    assert_eq!(counters["statsd.bad_lines_seen"], json!(0));
}
