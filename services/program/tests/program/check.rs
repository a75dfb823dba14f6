//! `check`: what a configuration means, and what is wrong.

use crate::common::{good, run, text};
use ferrometer_testkit::scratch::Scratch;

#[test]
fn names_and_bytes_of_every_backend_are_shown() {
    let scratch = Scratch::new("program-check");
    let file = scratch.file(
        "metrics.toml",
        r#"
[metrics]
backend = ["statsd", "graphite", "influxdb", "otlp", "remote-write", "pull-cache"]
global_prefix = "prod"
[metrics.statsd]
dialect = "dogstatsd"
[metrics.remote_write]
url = "http://127.0.0.1:9090/api/v1/write"
[metrics.loggers."shop.noise"]
enabled = false
"#,
    );
    let out = good(["check", "--without-env", text(&file)]);
    for expected in [
        "metrics.toml: good",
        "  statsd          to udp://localhost:8125, datagrams of at most 1432 bytes, as dogstatsd reads it, every 1s",
        "  graphite        to udp://localhost:2003, below \"proxmox\", every 10s",
        "  names           prod.<logger>.<metric>",
        "  rule            shop.noise and below: off",
        "  memory          at most ",
        "  prod.shop.sales:2|c|#till:3",
        "  prod.shop.pay.time:125:250|ms",
        "proxmox.prod.shop.queue.depth 12 ",
        "before they are compressed",
    ] {
        assert!(out.contains(expected), "{expected}\n{out}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&good(["--json", "check", "--without-env", text(&file), "--metric", "a.b:1|c"])).unwrap();
    let sample = json["sample"].as_array().unwrap();
    assert_eq!(sample.iter().map(|one| one["backend"].as_str().unwrap()).collect::<Vec<_>>().len(), 6);
    assert_eq!(sample[0]["bodies"][0]["text"], "prod.a.b:1|c");
    assert!(json["max_bytes"].as_u64().unwrap() > 1 << 20 && json["ok"] == true);
}

#[test]
fn what_serve_would_refuse_is_not_called_good() {
    let scratch = Scratch::new("program-check-serve");
    for (content, says) in [
        ("[http]\naddress = \"0.0.0.0:0\"\n[cache]\n", "other machines can reach it"),
        ("[gnocchi]\naddress = \"0.0.0.0:0\"\n", "other machines can reach it"),
        ("[gnocchi]\naddress = \"127.0.0.1:9620\"\n[cache]\n", "gnocchi.address is that of [http]"),
        ("[http]\ntokens = [\"x\"]\n[cache]\n", "tokens: token 1"),
        ("[http]\ntokens_file = \"/nowhere\"\n[cache]\n", "tokens_file: /nowhere"),
        ("[http]\ntls_cert = \"/nowhere\"\ntls_key = \"/nowhere\"\n[cache]\n", "tls_cert"),
        ("[http]\nallowed_hosts = [\"a b\"]\n[cache]\n", "\"a b\" is no host"),
        ("[statsd]\nlisten = [\"udp://127.0.0.1:8125\", \"8125\"]\n", "twice"),
        ("[http]\n", "the file asks for nothing"),
        ("[remote_write]\npath = \"/write\"\n[influx]\n", "[influx] is served there"),
        ("[remote_write]\npath = \"/metrics\"\n[cache]\n", "[cache] is served there"),
        ("[cache]\n[proxmox]\nnode = \"a b\"\n", "[proxmox]: node = \"a b\""),
        ("[cache]\n[proxmox]\npeers = [{ name = \"a\", url = \"x\" }]\n", "is no address of a server"),
        ("[metric_servers]\nmax_servers = 0\n", "metric_servers.max_servers = 0: expected 1 to 256"),
        ("[lookup]\n", "no key that begins with agent_"),
        ("[lookup]\nnodes = [\"x\"]\n[metrics]\nagent_backend = \"statsd\"\n", "lookup.nodes: \"x\""),
        (
            "[lookup]\nnodes = [\"1be26c0b-03f2-4d2e-ae87-c02d7f33c123=eth0\"]\n[metrics]\nagent_backend = \"statsd\"\n",
            "or MAC addresses",
        ),
        (
            "[lookup]\nnodes = [\"1be26c0b-03f2-4d2e-ae87-c02d7f33c123=52:54:00:ab:cd:01\", \
             \"2be26c0b-03f2-4d2e-ae87-c02d7f33c123=52-54-00-AB-CD-01\"]\n[metrics]\nagent_backend = \"statsd\"\n",
            "52:54:00:ab:cd:01 is there twice",
        ),
        (
            "[lookup]\nnodes = [\"1be26c0b-03f2-4d2e-ae87-c02d7f33c123\", \"1BE26C0B-03f2-4d2e-ae87-c02d7f33c123\"]\n\
             [metrics]\nagent_backend = \"statsd\"\n",
            "1be26c0b-03f2-4d2e-ae87-c02d7f33c123 is there twice",
        ),
        ("[cache]\n[metrics]\nbackend = \"prometheus\"\n", "the server has its own"),
        ("[statsd]\n[metrics]\nbackend = \"statsd\"\n", "would send to itself"),
    ] {
        let file = scratch.file("serve.toml", content);
        let checked = run(["check", "--without-env", text(&file)]);
        assert!(checked.code == 1 && checked.out.contains(says), "{content} {checked:?}");
        let data = scratch.path().join("data");
        let served = run(["serve", "--config", text(&file), "--data", text(&data)]);
        assert!(served.code == 2 && served.err.contains(says), "{content} {served:?}");
        // An operator sets keys, and calls no function.
        assert!(!checked.out.contains("::") && !served.err.contains("Frame::"), "{content} {served:?}");
    }
}

#[test]
fn what_is_wrong_is_told_and_ends_with_1() {
    let scratch = Scratch::new("program-check-wrong");
    for (content, says) in [
        ("[metrics]\nbackend = \"statd\"\n", "statsd"),
        ("[metrics]\nstatsd_port = 70000\n", "expected an integer from 1 to 65535"),
        ("[metrics\n", "metrics.toml"),
        (
            "[metrics]\nbackend = \"remote-write\"\n[metrics.remote_write]\nurl = \"ftp://x\"\n",
            "metrics.remote_write.url",
        ),
        ("[cache]\ngenerations = 0\n[metrics]\n", "1 to 100000 generations"),
        ("[cache]\ngenrations = 1\n", "did you mean \"generations\"?"),
    ] {
        let file = scratch.file("metrics.toml", content);
        let ran = run(["check", "--without-env", text(&file)]);
        assert_eq!(ran.code, 1, "{content} {ran:?}");
        assert!(ran.out.contains(says), "{content} {ran:?}");
        let ran = run(["--json", "check", "--without-env", text(&file)]);
        let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        assert!(ran.code == 1 && json["ok"] == false && !json["errors"][0].as_str().unwrap().is_empty());
    }
    let ran = run(["check", "absent.toml"]);
    assert_eq!((ran.code, ran.err.as_str()), (4, "error: absent.toml: No such file or directory (os error 2)\n"));
}

#[test]
fn what_was_probably_meant_is_a_warning_and_the_environment_counts() {
    let scratch = Scratch::new("program-check-env");
    let file = scratch.file("metrics.toml", "[ferrometer]\nbackend = \"statsd\"\n");
    let out = good(["check", "--without-env", text(&file)]);
    assert!(out.contains("warning: ") && out.contains("recording       off"), "{out}");
    let file = scratch.file("metrics.toml", "[metrics]\n");
    let output =
        crate::common::ferrometer().env("FERROMETER_BACKEND", "statsd").args(["check", text(&file)]).output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("  shop.sales.till.3:2|c\n"));
    let full = good(["check", "--full", "--without-env", text(&file)]);
    assert!(full.starts_with("[metrics]\nbackend = "), "{full}");
}

#[test]
fn a_policy_of_a_programs_own_archive_is_looked_for() {
    let scratch = Scratch::new("program-check-policy");
    let check = |policy: &str| {
        let path = scratch.path().join("archive");
        let toml =
            format!("[metrics]\nbackend = \"archive\"\n[metrics.archive]\npath = {path:?}\npolicy = \"{policy}\"\n");
        run(["check", "--without-env", text(&scratch.file("metrics.toml", &toml))])
    };
    let checked = check("mediun");
    let says = "metrics.archive.policy = \"mediun\": the archive's policies are \"bool\", \"high\", \"low\", \"medium\"; did you mean \"medium\"?";
    assert!(checked.code == 1 && checked.out.contains(says), "{checked:?}");
    assert_eq!(check("medium").code, 0);
    assert!(!scratch.path().join("archive").exists());
}

#[test]
fn the_file_of_the_server_is_checked_too() {
    let scratch = Scratch::new("program-check-serve");
    let file = scratch.file("serve.toml", good(["serve", "--example"]));
    let out = good(["check", "--without-env", text(&file)]);
    assert!(out.contains("The server\n") && out.contains("  gnocchi         http://127.0.0.1:9620/gnocchi\n"), "{out}");
    assert!(!out.contains("warning"), "{out}");
}
