//! Sizes of stripped programs above an empty one, and how long their clean builds take: ours, those of others, and floors.
//!
//! A floor does the least of what ours does, on the same libraries, beside crates that are as many as ours and empty: what is above it is our own code.

use super::{Measured, at};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Names the row, the dependencies and the program.
type Program = (&'static str, String, &'static str);

const USER: &str = "use ferrometer::{Config, Logger, counter, init, logger};\nstatic METRICS: Logger = logger!();\n#[counter]\nfn work() { METRICS.send_gauge(\"x\", 1) }\nfn main() { let _metrics = init(Config::new().backend(\"statsd\")).expect(\"statsd\"); work() }\n";
const SERVES: &str = "use ferrometer::{Config, Logger, counter, init, logger};\nstatic METRICS: Logger = logger!();\n#[counter]\nfn work() { METRICS.send_gauge(\"x\", 1) }\nfn main() { let _metrics = init(Config::new().backend(\"prometheus\")).expect(\"a port\"); work() }\n";
const DOGSTATSD: &str = "fn main() { metrics_exporter_dogstatsd::DogStatsDBuilder::default().with_remote_address(\"127.0.0.1:8125\").expect(\"an address\").install().expect(\"dogstatsd\"); metrics::counter!(\"x\").increment(1) }\n";
const METRICS_HTTP: &str = "fn main() { metrics_exporter_prometheus::PrometheusBuilder::new().install().expect(\"a port\"); metrics::counter!(\"x\").increment(1) }\n";

const OTLP: &str = "use ferrometer::{Config, Logger, counter, init, logger};\nstatic METRICS: Logger = logger!();\n#[counter]\nfn work() { METRICS.send_gauge(\"x\", 1) }\nfn main() { let _metrics = init(Config::new().backend(\"otlp\")).expect(\"otlp\"); work() }\n";
/// With its own crate, which can be had without TLS.
const OTLP_PLAIN: &str = "use ferrometer::{Logger, counter, logger};\nstatic METRICS: Logger = logger!();\n#[counter]\nfn work() { METRICS.send_gauge(\"x\", 1) }\nfn main() { let otlp = ferrometer_otlp::Otlp::new(ferrometer_otlp::Settings::new(\"http://localhost:4318/v1/metrics\")).expect(\"otlp\"); ferrometer::install(\"otlp\", Box::new(otlp), std::time::Duration::from_secs(10)).expect(\"a backend\"); work() }\n";
const OFF: &str = "use ferrometer::{Logger, counter, logger};\nstatic METRICS: Logger = logger!();\n#[counter]\nfn work() { METRICS.send_gauge(\"x\", 1) }\nfn main() { work() }\n";
const PROMETHEUS: &str = "fn main() { let counter = prometheus::register_int_counter!(\"x\", \"x\").expect(\"a counter\"); counter.inc(); println!(\"{}\", prometheus::TextEncoder::new().encode_to_string(&prometheus::gather()).expect(\"a text\")) }\n";
const OTEL: &str = "use opentelemetry::metrics::MeterProvider as _;\nfn main() { let exporter = opentelemetry_otlp::MetricExporter::builder().with_http().build().expect(\"an exporter\"); let provider = opentelemetry_sdk::metrics::SdkMeterProvider::builder().with_periodic_exporter(exporter).build(); provider.meter(\"x\").u64_counter(\"x\").build().add(1, &[]); }\n";

/// Libraries of others that a program of ours has in every form, and the macro crate's `syn` and `quote`.
const EVERY: &str = "onsyn = { path = \"onsyn\" }\ntracing = { version = \"0.1.40\", default-features = false, features = [\"std\"] }\nstrsim = \"0.11\"\nitoa = \"1\"";
/// As `config-file` has it.
const TOML: &str = "\ntoml = { version = \"1\", default-features = false, features = [\"std\", \"parse\"] }";
/// As the services' frame has them.
const AXUM: &str = "\naxum = { version = \"0.8\", default-features = false, features = [\"original-uri\"] }\nhyper = { version = \"1.4\", default-features = false, features = [\"http1\", \"server\"] }\nhyper-util = { version = \"0.1.10\", default-features = false, features = [\"tokio\", \"service\"] }\ntokio = { version = \"1.40\", default-features = false, features = [\"io-util\", \"net\", \"rt\", \"sync\", \"time\"] }";
/// As what pushes has them.
const PUSH: &str = "\nflate2 = { version = \"1.0.30\", default-features = false, features = [\"rust_backend\"] }\nhttpdate = \"1.0.3\"\nrustls = { version = \"0.23\", default-features = false, features = [\"ring\", \"std\", \"tls12\"] }\nureq = { version = \"3.5\", default-features = false, features = [\"rustls-no-provider\", \"platform-verifier\"] }\nzmij = \"1\"\nfs4 = \"1\"";
/// Empty crates of a floor: as many as ours.
const EMPTY: [&str; 6] = ["empty1", "empty2", "empty3", "empty4", "empty5", "empty6"];

/// The programs, in the order in which they are shown.
pub const NAMES: &[&str] = &[
    "size.empty",
    "size.syn",
    "size.off",
    "size.lean",
    "size.default",
    "size.http",
    "size.otlp",
    "size.otlp_plain",
    "size.dogstatsd",
    "size.metrics_http",
    "size.prometheus",
    "size.opentelemetry",
    "size.opentelemetry_tls",
    "size.floor.lean",
    "size.floor.default",
    "size.floor.http",
    "size.floor.axum",
    "size.floor.otlp",
    "size.empty.lto",
    "size.lean.lto",
    "size.http.lto",
    "size.dogstatsd.lto",
    "size.metrics_http.lto",
];

/// Ends the name of a row that is built with `lto = true` and one codegen unit, as who counts bytes builds.
const LTO: &str = ".lto";

fn programs() -> Vec<Program> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace above");
    let facade = |features: &str| {
        format!("ferrometer = {{ path = {path:?}, default-features = false, features = [{features}] }}")
    };
    let plain = format!("ferrometer-otlp = {{ path = {:?}, default-features = false }}", path.join("backends/otlp"));
    let otel = |more: &str| {
        let of = |name: &str, features: &str| {
            format!("{name} = {{ version = \"=0.33.1\", default-features = false, features = [{features}] }}\n")
        };
        let http = format!("\"metrics\", \"http-proto\", \"reqwest-blocking-client\"{more}");
        let api = of("opentelemetry", "\"metrics\"") + &of("opentelemetry_sdk", "\"metrics\"");
        api + &of("opentelemetry-otlp", &http)
    };
    let empty: String = EMPTY.iter().map(|name| format!("\n{name} = {{ path = \"{name}\" }}")).collect();
    let floor = |more: &str| format!("{EVERY}{empty}{more}");
    let mut programs = vec![
        ("size.floor.lean", floor(""), include_str!("floor/lean.rs")),
        ("size.floor.default", floor(TOML), include_str!("floor/default.rs")),
        ("size.floor.http", floor("\nhttparse = \"1\""), include_str!("floor/http.rs")),
        ("size.floor.axum", floor(AXUM), include_str!("floor/axum.rs")),
        ("size.floor.otlp", floor(PUSH), include_str!("floor/otlp.rs")),
        ("size.empty", String::new(), "fn main() {}\n"),
        ("size.syn", "onsyn = { path = \"onsyn\" }".to_owned(), "fn main() {}\n"),
        ("size.off", facade("\"macros\""), OFF),
        ("size.otlp", facade("\"macros\", \"otlp\""), OTLP),
        ("size.otlp_plain", format!("{}\n{plain}", facade("\"macros\"")), OTLP_PLAIN),
        ("size.lean", facade("\"macros\", \"statsd\""), USER),
        ("size.default", facade("\"macros\", \"statsd\", \"config-file\""), USER),
        ("size.http", facade("\"macros\", \"prometheus\""), SERVES),
        (
            "size.dogstatsd",
            "metrics = \"=0.24.6\"\nmetrics-exporter-dogstatsd = \"=0.9.8\"".to_owned(),
            DOGSTATSD,
        ),
        (
            "size.metrics_http",
            "metrics = \"=0.24.6\"\nmetrics-exporter-prometheus = { version = \"=0.18.3\", default-features = false, features = [\"http-listener\"] }"
                .to_owned(),
            METRICS_HTTP,
        ),
        ("size.prometheus", "prometheus = { version = \"=0.14.0\", default-features = false }".to_owned(), PROMETHEUS),
        ("size.opentelemetry", otel(""), OTEL),
        ("size.opentelemetry_tls", otel(", \"reqwest-rustls\""), OTEL),
    ];
    for name in NAMES.iter().copied() {
        let plain = name.strip_suffix(LTO).and_then(|plain| programs.iter().find(|program| program.0 == plain));
        if let Some((_, dependencies, program)) = plain.cloned() {
            programs.push((name, dependencies, program));
        }
    }
    programs
}

/// Measures all of them, or those whose names begin so: `bytes` of the stripped program, `cpu_s` of the clean build, the compiler's threads included, and
/// `elapsed_s`, which another machine or a busy one changes more.
pub fn measure(only: Option<&str>, failed: &mut Vec<String>) -> Vec<Measured> {
    let root = std::env::temp_dir().join(format!("ferrometer-size-{}", std::process::id()));
    let mut all = Vec::new();
    for (name, dependencies, program) in programs() {
        if !only.is_none_or(|only| name.starts_with(only)) {
            continue;
        }
        let more = if name.ends_with(LTO) { "lto = true\ncodegen-units = 1\n" } else { "" };
        match build(&root.join(name), &dependencies, program, more) {
            Ok((bytes, cpu, elapsed)) => {
                eprintln!("{name}: {bytes} bytes, {cpu:.1} s of CPU, {elapsed:.1} s elapsed");
                let figures = serde_json::json!({ "bytes": bytes, "cpu_s": cpu, "elapsed_s": elapsed });
                all.push(Measured { row: name, at: at(0), figures });
            }
            Err(error) => failed.push(format!("{name}: {error}")),
        }
    }
    let _ = fs::remove_dir_all(root);
    all
}

fn build(dir: &PathBuf, dependencies: &str, program: &str, more: &str) -> Result<(u64, f64, f64), String> {
    let write = |file: &str, text: &str| {
        let path = dir.join(file);
        path.parent().map(fs::create_dir_all).transpose().and_then(|_| fs::write(path, text)).map_err(|e| e.to_string())
    };
    let manifest = format!(
        "[package]\nname = \"user\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n[profile.release]\nstrip = true\n{more}[dependencies]\n{dependencies}\n"
    );
    write("Cargo.toml", &manifest)?;
    write("src/main.rs", program)?;
    if dependencies.contains("onsyn") {
        let manifest = "[package]\nname = \"onsyn\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[lib]\nproc-macro = true\n[dependencies]\nsyn = { version = \"3\", features = [\"full\"] }\nquote = \"1\"\n";
        write("onsyn/Cargo.toml", manifest)?;
        write("onsyn/src/lib.rs", "")?;
    }
    for name in EMPTY.into_iter().filter(|name| dependencies.contains(name)) {
        write(
            &format!("{name}/Cargo.toml"),
            &format!("[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n"),
        )?;
        write(&format!("{name}/src/lib.rs"), "")?;
    }
    cargo(dir, &["fetch"])?;
    let (before, start) = (children_cpu_s(), Instant::now());
    cargo(dir, &["build", "--release", "--offline"])?;
    let (cpu, elapsed) = (children_cpu_s() - before, start.elapsed().as_secs_f64());
    let bytes = fs::metadata(dir.join("target/release/user")).map_err(|error| error.to_string())?.len();
    let _ = fs::remove_dir_all(dir);
    Ok((bytes, cpu, elapsed))
}

fn cargo(dir: &Path, args: &[&str]) -> Result<(), String> {
    let mut command = Command::new("cargo");
    command.args(args).current_dir(dir).env("CARGO_TARGET_DIR", dir.join("target"));
    let output = command.output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).lines().take(3).collect::<Vec<_>>().join(" ")),
    }
}

/// CPU time of all processes that this one has waited for, and of theirs.
fn children_cpu_s() -> f64 {
    // SAFETY: the struct is plain numbers, and the call writes it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert!(libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage) == 0, "no usage");
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}
