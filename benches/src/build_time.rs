//! Duration of a user's build: clean release builds of small programs, and 1,000 functions with an attribute.

use crate::results::Results;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Whose it is, and what is built. A program that is built clean is built with everything below it.
pub const WHAT: &[(&str, &str, &str)] = &[
    ("build.empty", "floor", "clean: nothing but a macro on `syn` (`full`) and `quote`"),
    ("build.lean", "ours", "clean: core, macros and statsd, without file configuration"),
    ("build.default", "ours", "clean: default features"),
    ("build.tracing", "peer", "clean: tracing with its attribute, nothing that receives"),
    ("build.dogstatsd", "peer", "clean: metrics and metrics-exporter-dogstatsd"),
    ("build.cadence", "peer", "clean: cadence, which has no attributes and no registry"),
    ("build.prometheus_client", "peer", "clean: prometheus-client"),
    ("build.timer", "ours", "1,000 async functions under `#[timer]`, everything below built before"),
    ("build.instrument", "peer", "1,000 async functions under `#[tracing::instrument]`, likewise"),
];

const TRACING: &str = "tracing = \"=0.1.44\"";

fn facade(more: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace above");
    format!("ferrometer = {{ path = {path:?}{more} }}")
}

/// Measures, and writes seconds into the results.
pub fn measure(results: &mut Results) {
    let root = std::env::temp_dir().join(format!("ferrometer-build-{}", std::process::id()));
    let lean = facade(", default-features = false, features = [\"macros\", \"statsd\"]");
    let user = "use ferrometer::{Logger, counter, logger};\nstatic METRICS: Logger = logger!();\n#[counter]\nfn work() { METRICS.send_gauge(\"x\", 1) }\nfn main() { work() }\n";
    let clean = [
        // As a macro's dependency, which is what users of attributes pay: cargo does not optimise those, and a plain dependency it does.
        ("build.empty", "onsyn = { path = \"onsyn\" }".to_owned(), "fn main() {}\n"),
        ("build.lean", lean.clone(), user),
        ("build.default", facade(""), user),
        ("build.tracing", TRACING.to_owned(), "fn main() {}\n"),
        (
            "build.dogstatsd",
            "metrics = \"=0.24.6\"\nmetrics-exporter-dogstatsd = \"=0.9.8\"".to_owned(),
            "fn main() {}\n",
        ),
        ("build.cadence", "cadence = \"=1.8.0\"".to_owned(), "fn main() {}\n"),
        ("build.prometheus_client", "prometheus-client = \"=0.25.2\"".to_owned(), "fn main() {}\n"),
    ];
    let attributes = [
        ("build.timer", lean, functions("ferrometer::timer")),
        ("build.instrument", TRACING.to_owned(), functions("tracing::instrument(skip_all)")),
    ];
    for (name, dependencies, program) in &clean {
        let seconds = project(&root, name, dependencies, program).and_then(|p| fastest(2, || p.build(true)));
        keep(results, name, seconds);
    }
    for (name, dependencies, program) in &attributes {
        let seconds = project(&root, name, dependencies, program).and_then(|p| {
            p.build(true)?;
            fastest(3, || p.build(false))
        });
        keep(results, name, seconds);
    }
    let _ = fs::remove_dir_all(root);
}

fn keep(results: &mut Results, name: &str, seconds: Option<f64>) {
    match seconds {
        Some(seconds) => drop(results.other.insert(name.to_owned(), seconds)),
        None => drop(results.failed.insert(name.to_owned(), "did not build".into())),
    }
}

fn fastest(times: usize, mut build: impl FnMut() -> Option<f64>) -> Option<f64> {
    (0..times).filter_map(|_| build()).min_by(f64::total_cmp)
}

/// A program of 1,000 async functions under an attribute.
fn functions(attribute: &str) -> String {
    let mut text = String::new();
    for i in 0..1000 {
        let _ = writeln!(
            text,
            "#[{attribute}]\npub async fn f{i}(x: u64) -> Result<u64, String> {{ if x == {i} {{ return Err(String::new()) }} std::future::ready(x + {i}).await; Ok(x) }}"
        );
    }
    text.push_str("fn main() {\n");
    for i in 0..1000 {
        // As a trait object, so that polling it is compiled.
        let _ = writeln!(
            text,
            "    std::hint::black_box(Box::pin(f{i}({i})) as std::pin::Pin<Box<dyn Future<Output = Result<u64, String>>>>);"
        );
    }
    text.push_str("}\n");
    text
}

struct Project(PathBuf);

fn project(root: &Path, name: &str, dependencies: &str, program: &str) -> Option<Project> {
    let dir = root.join(name);
    fs::create_dir_all(dir.join("src")).ok()?;
    let manifest = format!(
        "[package]\nname = \"user\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n{dependencies}\n"
    );
    fs::write(dir.join("Cargo.toml"), manifest).ok()?;
    fs::write(dir.join("src/main.rs"), program).ok()?;
    if dependencies.contains("onsyn") {
        fs::create_dir_all(dir.join("onsyn/src")).ok()?;
        let manifest = "[package]\nname = \"onsyn\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[lib]\nproc-macro = true\n[dependencies]\nsyn = { version = \"3\", features = [\"full\"] }\nquote = \"1\"\n";
        fs::write(dir.join("onsyn/Cargo.toml"), manifest).ok()?;
        fs::write(dir.join("onsyn/src/lib.rs"), "").ok()?;
    }
    let project = Project(dir);
    project.cargo(&["fetch"])?;
    Some(project)
}

impl Project {
    fn cargo(&self, args: &[&str]) -> Option<()> {
        let output = Command::new("cargo")
            .args(args)
            .current_dir(&self.0)
            .env("CARGO_TARGET_DIR", self.0.join("target"))
            .output()
            .ok()?;
        if !output.status.success() {
            eprintln!("{}", String::from_utf8_lossy(&output.stderr));
        }
        output.status.success().then_some(())
    }

    /// Seconds of a release build: of everything, or of the program alone.
    fn build(&self, clean: bool) -> Option<f64> {
        if clean {
            let _ = fs::remove_dir_all(self.0.join("target"));
        } else {
            let main = self.0.join("src/main.rs");
            let text = fs::read_to_string(&main).ok()?;
            fs::write(&main, text + "// once more\n").ok()?;
        }
        let start = Instant::now();
        self.cargo(&["build", "--release", "--offline"])?;
        Some(start.elapsed().as_secs_f64())
    }
}
