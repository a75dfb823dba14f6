//! A wrong certificate, an expired one, a wrong token: nothing is written, and the error says which.

mod support;

use ferrometer_push_testkit::{Scratch, alone};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use support::Served;

/// A server that answers 204 to everything, with a certificate of its own for a name, valid until then. Returns its port and the certificate.
fn serve(name: &str, until: i32) -> (u16, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], private).unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            std::thread::spawn(move || {
                let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
                if matches!(stream.read(&mut [0; 4096]), Ok(1..)) {
                    let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
                    let _ = stream.flush();
                }
            });
        }
    });
    (port, certificate.pem())
}

/// The servers of the parent: port and the word that the error has to hold, or nothing where the certificate is right.
const CASES: &str = "METRIC_SERVERS_TLS";

#[test]
fn certificates_are_verified_before_anything_is_written() {
    // The system's authorities are those of this variable, which a process reads once: a child has its own.
    let all = [("localhost", 2100, ""), ("other.example", 2100, "notvalidforname"), ("localhost", 2010, "xpired")];
    let (mut cases, mut trusted) = (String::new(), String::new());
    for (name, until, word) in all {
        let (port, pem) = serve(name, until);
        cases.push_str(&format!("{port}={word};"));
        trusted.push_str(&pem);
    }
    // Of an authority that only calls itself as a trusted one does.
    cases.push_str(&format!("{}=badsignature", serve("localhost", 2100).0));
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
