//! Against rotel, a collector; and the official classes for Python, which read our bytes.

use ferrometer_core::exemplars::{TraceContext, provide};
use ferrometer_core::{Limits, Naming, View, configure_with_exemplars, flush, get_logger, install, remove};
use ferrometer_otlp::{Encoding, Histograms, Otlp, Settings};
use ferrometer_push_testkit::program::{Program, low_port};
use ferrometer_push_testkit::{NEVER, SOON, Scratch, alone, hard, wait_for, with_view};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A program of the environment that `INTEROP_OTLP` names.
fn installed(path: &str) -> PathBuf {
    let root = std::env::var("INTEROP_OTLP").expect("INTEROP_OTLP is not set: run scripts/test, which installs it");
    let found = PathBuf::from(root).join(path);
    assert!(found.exists(), "{found:?} is not there: run scripts/test, which installs it");
    found
}

/// Reads a request with the official classes and prints what each point says.
const SCRIPT: &str = r#"
import sys, json
from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest as R
body = sys.stdin.buffer.read()
r = json_format.Parse(body, R()) if sys.argv[1] == "json" else R.FromString(body)
for rm in r.resource_metrics:
    for sm in rm.scope_metrics:
        for m in sm.metrics:
            kind = m.WhichOneof("data")
            for p in getattr(m, kind).data_points:
                a = {x.key: x.value.string_value for x in p.attributes}
                v = p.as_int if kind == "sum" else p.as_double if kind == "gauge" else p.count
                print(json.dumps([m.name, m.unit, kind, a, v, getattr(p, "sum", 0) if kind.endswith("istogram") else 0]))
"#;

#[test]
#[ignore = "needs the PyPI package opentelemetry-proto; scripts/test installs and runs it"]
fn the_official_classes_read_what_is_sent() {
    let python = installed("bin/python");
    let _alone = alone();
    for histograms in [Histograms::Exponential, Histograms::Explicit] {
        for (encoding, word) in [(Encoding::Protobuf, "protobuf"), (Encoding::Json, "json")] {
            let name = format!("opy.{word}.{histograms:?}");
            let settings = Settings::new("http://localhost/v1/metrics").encoding(encoding).histograms(histograms);
            let mut backend = Otlp::new(settings).unwrap();
            let record = hard::record;
            let truth = std::sync::Arc::new(std::sync::Mutex::new(hard::Truth::default()));
            let (to, own) = (std::sync::Arc::clone(&truth), name.clone());
            let shown = with_view(move || *to.lock().unwrap() = record(&own, 2), move |view| backend.preview(view));
            let truth = *truth.lock().unwrap();
            let mut command = Command::new(&python);
            command.args(["-c", SCRIPT, word]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            child.stdin.take().unwrap().write_all(&shown[0].plain).unwrap();
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let text = String::from_utf8(output.stdout).unwrap();
            let points: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let of = |metric: &str| {
                let full = format!("{name}.{metric}");
                points.iter().filter(move |p| p[0] == full.as_str()).cloned().collect::<Vec<_>>()
            };
            let sum: u64 = of("hard").iter().map(|p| p[4].as_u64().unwrap()).sum();
            assert_eq!(sum, truth.counted);
            for value in hard::VALUES {
                assert!(of("hard").iter().any(|p| p[3]["kind"] == value), "{value:?}");
            }
            assert_eq!(
                (of("falls")[0][4].as_u64(), of("falls.decrements")[0][4].as_u64()),
                (Some(truth.up), Some(truth.down))
            );
            let took = &of("took")[0];
            assert_eq!((took[1].as_str(), took[4].as_u64()), (Some("s"), Some(truth.timed)));
            assert_eq!((took[5].as_f64().unwrap() * 1000.0).round(), truth.millis as f64);
            for (metric, value) in hard::GAUGES {
                assert_eq!(of(metric)[0][4].as_f64(), Some(value), "{metric}");
            }
        }
    }
}

/// Reads a request with the official classes and prints its exemplars. JSON has ids in hexadecimal digits, which `json_format` takes for base64.
const EXEMPLARS: &str = r#"
import sys, json
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest as R
for rm in R.FromString(sys.stdin.buffer.read()).resource_metrics:
    for sm in rm.scope_metrics:
        for m in sm.metrics:
            for p in getattr(m, m.WhichOneof("data")).data_points:
                for e in getattr(p, "exemplars", []):
                    value = e.as_int if e.WhichOneof("value") == "as_int" else e.as_double
                    print(json.dumps([m.name, e.trace_id.hex(), e.span_id.hex(), value, e.time_unix_nano <= p.time_unix_nano]))
"#;

#[test]
#[ignore = "needs the PyPI package opentelemetry-proto; scripts/test installs and runs it"]
fn the_official_classes_read_exemplars() {
    let python = installed("bin/python");
    let _alone = alone();
    provide(|| TraceContext::new(0xab << 64 | 1, 0xcd)).unwrap();
    configure_with_exemplars(
        Naming::default(),
        Limits::default(),
        vec![],
        vec![View::new("opx.*").exemplars(true)],
        false,
    );
    for histograms in [Histograms::Exponential, Histograms::Explicit] {
        let name = format!("opx.{histograms:?}");
        let settings = Settings::new("http://localhost/v1/metrics").histograms(histograms);
        let mut backend = Otlp::new(settings).unwrap();
        let own = name.clone();
        let record = move || {
            get_logger(&own).send_counter("c", 3);
            get_logger(&own).send_timer("t", Duration::from_millis(250));
            get_logger(&own).send_histogram("h", -2.5);
        };
        let shown = with_view(record, move |view| backend.preview(view));
        let mut command = Command::new(&python);
        command.args(["-c", EXEMPLARS]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(&shown[0].plain).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let mut found: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        found.sort_by_key(|exemplar| exemplar[0].to_string());
        let (trace, span) = ("00000000000000ab0000000000000001", "00000000000000cd");
        let expected = [("c", serde_json::json!(3)), ("h", serde_json::json!(-2.5)), ("t", serde_json::json!(0.25))];
        let expected =
            expected.map(|(metric, value)| serde_json::json!([format!("{name}.{metric}"), trace, span, value, true]));
        assert_eq!(found, expected);
    }
}

#[test]
#[ignore = "needs the PyPI package rotel; scripts/test installs and runs it"]
fn a_collector_receives_what_was_recorded() {
    let packages = installed("lib").read_dir().unwrap().next().unwrap().unwrap().path();
    let agent = packages.join("site-packages/rotel/rotel-agent");
    let _alone = alone();
    let (http, grpc) = (low_port(), low_port());
    let mut command = Command::new(agent);
    command
        .arg("start")
        .args([
            "--otlp-http-endpoint",
            &format!("127.0.0.1:{http}"),
            "--otlp-grpc-endpoint",
            &format!("127.0.0.1:{grpc}"),
        ])
        .args(["--exporter", "blackhole", "--debug-log", "metrics", "--debug-log-verbosity", "detailed"]);
    let program = Program::start(Scratch::new("rotel"), &mut command, http);
    for (encoding, histograms, name) in [
        (Encoding::Protobuf, Histograms::Exponential, "orotel.pe"),
        (Encoding::Protobuf, Histograms::Explicit, "orotel.px"),
        (Encoding::Json, Histograms::Exponential, "orotel.je"),
        (Encoding::Json, Histograms::Explicit, "orotel.jx"),
    ] {
        let settings =
            Settings::new(format!("http://127.0.0.1:{http}/v1/metrics")).encoding(encoding).histograms(histograms);
        Otlp::test_connection(&settings).unwrap();
        install("otlp", Box::new(Otlp::new(settings).unwrap()), NEVER).unwrap();
        let truth = hard::record(name, 2);
        assert!(flush(SOON).complete);
        let ledger = remove("otlp", SOON).unwrap();
        assert!(ledger.balances() && ledger.pending.is_zero(), "{ledger}");
        // Each metric is logged with its points behind it.
        let section = |metric: &str| {
            let log = program.log();
            let at = log.find(&format!("-> Name: {name}.{metric}\n"))?;
            let rest = &log[at..];
            let end = rest[1..].find("-> Name: ").map_or(rest.len(), |end| end + 1);
            Some(rest[..end].to_owned())
        };
        let has = |metric: &str, text: String| {
            wait_for(
                || section(metric).filter(|s| s.contains(&text)),
                || format!("{metric}: {text} in {:?}", section(metric)),
            );
        };
        has("falls", format!("Value: {}", truth.up));
        has("falls.decrements", format!("Value: {}", truth.down));
        // rotel 0.0.1a15 reads neither kind of histogram from JSON, without a word; the official classes do.
        if encoding == Encoding::Protobuf {
            has("took", format!("Count: {}", truth.timed));
        }
        has("third", "Value: 0.333".to_owned());
        let section = section("hard").unwrap();
        let sum: u64 =
            section.lines().filter_map(|line| line.trim().strip_prefix("Value: ")?.parse::<u64>().ok()).sum();
        assert_eq!(sum, truth.counted, "{section}");
    }
}
