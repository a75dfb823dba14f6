//! A wrong certificate, an expired one, a wrong token: nothing is written, and the error says which.

mod support;

use ferrometer_push_testkit::tls::TlsServer;
use ferrometer_push_testkit::{Scratch, alone};
use std::process::Command;
use support::Served;

/// The servers of the parent: port and the word that the error has to hold, or nothing where the certificate is right.
const CASES: &str = "METRIC_SERVERS_TLS";

#[test]
fn certificates_are_verified_before_anything_is_written() {
    // The system's authorities are those of this variable, which a process reads once: a child has its own.
    let all = [("localhost", 2100, ""), ("other.example", 2100, "notvalidforname"), ("localhost", 2010, "xpired")];
    let (mut cases, mut trusted) = (String::new(), String::new());
    for (name, until, word) in all {
        let TlsServer { port, pem, .. } = TlsServer::start(name, until);
        cases.push_str(&format!("{port}={word};"));
        trusted.push_str(&pem);
    }
    // Its authority only calls itself as a trusted one does.
    cases.push_str(&format!("{}=badsignature", TlsServer::start("localhost", 2100).port));
    let scratch = Scratch::new("ms-tls-trusted");
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "child", "--ignored", "--nocapture"]).env(CASES, cases);
    let output = child.env("SSL_CERT_FILE", scratch.file("trusted.pem", &trusted)).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("4 cases"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[ignore = "the child of the test above"]
fn child() {
    let Ok(cases) = std::env::var(CASES) else { return };
    let _alone = alone();
    let served = Served::start("ms-tls");
    for case in cases.split(';') {
        let (port, word) = case.split_once('=').unwrap();
        let body = format!("type=influxdb&server=localhost&port={port}&influxdbproto=https&token=hush-hush&timeout=20");
        let answer = served.pve("POST", "one", &body);
        assert!(!answer.body.contains("hush"), "{answer:?}");
        if word.is_empty() {
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(served.pve("DELETE", "one", "").status, 200);
            continue;
        }
        let squeezed: String = answer.message().to_lowercase().split_whitespace().collect();
        assert!(answer.status == 500 && squeezed.contains(word), "{word}: {answer:?}");
        assert_eq!((served.file().as_str(), served.secret("one")), ("", None));
        let answer = served.pve("POST", "one", &format!("type=opentelemetry&server=localhost&port={port}"));
        let squeezed: String = answer.message().to_lowercase().split_whitespace().collect();
        assert!(squeezed.starts_with("connectiontestfailed:") && squeezed.contains(word), "{word}: {answer:?}");
        // By request all the same.
        assert_eq!(served.pve("POST", "by-request", &format!("{body}&verify-certificate=0")).status, 200);
        assert_eq!(served.pve("DELETE", "by-request", "").status, 200);
    }
    println!("{} cases", cases.split(';').count());
}
