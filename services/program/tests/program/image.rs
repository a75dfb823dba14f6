//! The image of `packaging/Dockerfile`, without Docker: its lines in an empty root, with the libraries that the binary of the tests is linked to.

use crate::common::{Serve, ferrometer, good, text};
use ferrometer_testkit::{Scratch, wait_until};
use std::path::Path;
use std::process::Command;

/// The value of an instruction.
fn line<'f>(file: &'f str, instruction: &str) -> &'f str {
    let mut found = file.lines().filter_map(|line| line.strip_prefix(instruction)?.strip_prefix(' '));
    found.next().unwrap_or_else(|| panic!("no {instruction}"))
}

/// Copies a file to the same place below a root.
fn put(from: &Path, root: &Path, to: &str) {
    let to = root.join(to.trim_start_matches('/'));
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::copy(from, to).unwrap();
}

#[test]
#[ignore = "needs root, for chroot"]
fn the_binary_serves_in_a_root_that_has_nothing_else() {
    let file = include_str!("../../../../packaging/Dockerfile");
    let scratch = Scratch::new("program-image");
    let root = scratch.path().join("root");
    let binary = ferrometer().get_program().to_owned();
    let (_, to) = line(file, "COPY").split_once(' ').unwrap();
    put(Path::new(&binary), &root, to);
    let libraries = Command::new("ldd").arg(&binary).output().unwrap();
    for library in String::from_utf8(libraries.stdout).unwrap().split_whitespace().filter(|word| word.starts_with('/'))
    {
        put(Path::new(library), &root, library);
    }
    let (user, volume) = (line(file, "USER"), line(file, "VOLUME"));
    let data = root.join(volume.trim_start_matches('/'));
    std::fs::create_dir_all(&data).unwrap();
    assert!(Command::new("chown").args([user, text(&data)]).status().unwrap().success());
    let words = |line: &str| serde_json::from_str::<Vec<String>>(line).unwrap();
    let command = [words(line(file, "ENTRYPOINT")), words(line(file, "CMD"))].concat();
    let config = root.join(command.last().unwrap().trim_start_matches('/'));
    std::fs::create_dir_all(config.parent().unwrap()).unwrap();
    let told = "[http]\naddress = \"127.0.0.1:0\"\n[statsd]\nlisten = [\"udp://127.0.0.1:0\"]\nflush = \"100ms\"\n\
        [gnocchi]\n[cache]\ninterval = \"1s\"\nhost_metrics = false\n[page]\n";
    std::fs::write(config, told).unwrap();
    let mut chroot = Command::new("chroot");
    let (variable, value) = line(file, "ENV").split_once('=').unwrap();
    chroot.arg(format!("--userspec={user}")).arg(&root).args(command).env_clear().env(variable, value);
    chroot.env("PATH", std::env::var_os("PATH").unwrap());
    let mut serve = Serve::spawn(scratch, chroot);
    serve.send("shop.sales:3|c");
    serve.wait_for("shop.sales");
    let api = format!("{}/gnocchi", serve.url());
    wait_until("a measure", || good(["archive", "--url", &api, "metric", "list"]).contains("shop.sales|c"));
    assert!(data.join("archive").is_dir() && data.join("cache").is_dir());
    serve.signal(line(file, "STOPSIGNAL").trim_start_matches("SIG"));
    assert_eq!(serve.wait(), 0, "{}", serve.log());
}
