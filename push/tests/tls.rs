//! The client over TLS: a certificate that is right, and each way in which one is wrong. Nothing is written where it is.

use ferrometer_push::{Http, HttpSettings, Verdict};
use ferrometer_push_testkit::Scratch;
use ferrometer_push_testkit::tls::TlsServer;
use std::time::{Duration, Instant};

fn settings(server: &TlsServer) -> HttpSettings {
    let mut settings = HttpSettings::new(format!("https://localhost:{}/write", server.port));
    settings.headers = vec![("Authorization".into(), "Token hush".into())];
    settings
}

fn post(settings: &HttpSettings) -> Result<Verdict, String> {
    let http = Http::new(settings).unwrap();
    let reply = http.post(&[("Content-Type", "text/plain")], b"payload", Instant::now() + Duration::from_secs(30))?;
    Ok(http.verdict(&reply))
}

#[test]
fn a_certificate_of_a_trusted_authority_is_taken() {
    let server = TlsServer::start("localhost", 2100);
    let scratch = Scratch::new("push-tls-good");
    let mut settings = settings(&server);
    settings.ca = Some(scratch.file("ca.pem", &server.pem));
    assert_eq!(post(&settings), Ok(Verdict::Accepted));
    let arrived = String::from_utf8(server.arrived.lock().unwrap().clone()).unwrap();
    assert!(
        arrived.starts_with("POST /write HTTP/1.1\r\n") && arrived.to_lowercase().contains("authorization: token hush")
    );
}

#[test]
fn wrong_certificates_get_nothing_and_the_error_says_which() {
    let scratch = Scratch::new("push-tls-bad");
    let (other, expired, stranger) = (
        TlsServer::start("other.example", 2100),
        TlsServer::start("localhost", 2010),
        TlsServer::start("localhost", 2100),
    );
    for (server, ca, word) in [
        (&other, Some(&other), "NotValidForName"),
        (&expired, Some(&expired), "xpired"),
        (&stranger, None, "UnknownIssuer"),
        // Both call their issuer by one name.
        (&stranger, Some(&other), "BadSignature"),
    ] {
        let mut settings = settings(server);
        settings.ca = ca.map(|ca| scratch.file("ca.pem", &ca.pem));
        let said = post(&settings).unwrap_err();
        let squeezed: String = said.split_whitespace().collect();
        assert!(squeezed.to_lowercase().contains(&word.to_lowercase()), "{word}: {said}");
        assert!(!said.contains("hush"), "{said}");
        assert!(server.connections() > 0 && server.arrived.lock().unwrap().is_empty());
        // And by request all the same.
        settings.verify_certificate = false;
        assert_eq!(post(&settings), Ok(Verdict::Accepted), "{word}");
        server.arrived.lock().unwrap().clear();
    }
}

#[test]
fn a_file_of_authorities_that_has_none_is_refused() {
    let scratch = Scratch::new("push-tls-ca");
    for content in ["", "no certificate", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n"] {
        let mut settings = HttpSettings::new("https://localhost/");
        settings.ca = Some(scratch.file("ca.pem", content));
        assert_eq!(Http::new(&settings).unwrap_err().setting, "ca", "{content:?}");
    }
    let mut settings = HttpSettings::new("https://localhost/");
    settings.ca = Some(scratch.path().to_owned());
    assert_eq!(Http::new(&settings).unwrap_err().setting, "ca");
}
