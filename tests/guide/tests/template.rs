//! The template for `cargo generate`: its program compiles and records, its configuration and its rendered manifest are read.

use ferrometer::testing::Capture;
use ferrometer::{Config, get_logger};
use std::path::Path;
use std::process::Command;

/// The template's program, as it stands there: nothing in it is a placeholder.
#[path = "../../../templates/worker/src/main.rs"]
#[allow(dead_code)]
mod worker;

#[test]
fn its_program_records_what_it_does() {
    let capture = Capture::start();
    let logger = get_logger("worker");
    assert_eq!((worker::measured_job(&logger, 2), worker::measured_job(&logger, 0)), (Ok(4), Err(worker::Nothing)));
    for outcome in ["ok", "err"] {
        capture.assert_counter(&format!("worker.jobs outcome={outcome}"), 1);
        capture.assert_timer_count(&format!("worker.job.time outcome={outcome}"), 1);
    }
    assert_eq!(capture.in_flight("worker.jobs.running"), 0);
}

#[test]
fn its_configuration_is_accepted() {
    let config = Config::from_toml(include_str!("../../../templates/worker/metrics.toml")).unwrap();
    assert_eq!(config.backends(), ["prometheus"]);
    assert!(config.process_interval.is_some());
}

#[test]
fn its_manifest_is_one_when_it_has_a_name() {
    let template = include_str!("../../../templates/worker/Cargo.toml");
    let rendered = template.replace("{{project-name}}", "rendered-worker");
    assert!(rendered != template && !rendered.contains("{{"), "{rendered}");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rendered-worker");
    std::fs::create_dir_all(folder.join("src")).unwrap();
    // Outside of the workspace around it.
    std::fs::write(folder.join("Cargo.toml"), format!("{rendered}\n[workspace]\n")).unwrap();
    std::fs::write(folder.join("src/main.rs"), include_str!("../../../templates/worker/src/main.rs")).unwrap();
    let read = |folder: &Path| -> String {
        let mut cargo = Command::new(env!("CARGO"));
        let output = cargo
            .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let metadata = read(&folder);
    assert!(metadata.contains("\"name\":\"rendered-worker\"") && metadata.contains("src/main.rs"), "{metadata}");
    // Each feature that it asks for is one of the facade.
    let facade = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml")).unwrap();
    for feature in ["prometheus", "process-metrics"] {
        assert!(rendered.contains(&format!("\"{feature}\"")), "{rendered}");
        assert!(facade.lines().any(|line| line.starts_with(&format!("{feature} = "))), "{feature}");
    }
}
