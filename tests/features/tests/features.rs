//! Tests that a feature that is not compiled in is an error that names it, and that one that is needs nothing more.

use ferrometer::{Config, get_logger, init};

#[test]
fn recording_needs_no_feature() {
    let capture = ferrometer::testing::Capture::start();
    get_logger("bare").send_counter("c", 2);
    capture.assert_counter("bare.c", 2);
    drop(capture);
    drop(init(Config::new()).unwrap());
}

#[test]
fn a_backend_that_is_not_compiled_in_is_an_error_naming_its_feature() {
    let error = init(Config::new().backend("pull-cache")).unwrap_err().to_string();
    assert_eq!(
        error,
        "metrics.backend: \"pull-cache\" is not part of this build; enable the cargo feature \"pull-cache\" of ferrometer"
    );
}

#[cfg(not(feature = "defaults"))]
#[test]
fn without_features_there_is_no_statsd() {
    let error = init(Config::new().backend("statsd")).unwrap_err().to_string();
    assert!(error.contains("enable the cargo feature \"statsd\""), "{error}");
}

#[cfg(feature = "defaults")]
mod with_the_defaults {
    use super::*;

    #[ferrometer::counter]
    fn counted() {}

    #[test]
    fn macros_files_and_statsd_are_there() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let toml = format!("[metrics]\nbackend = \"statsd\"\nstatsd_host = \"127.0.0.1\"\nstatsd_port = {}\n", socket.local_addr().unwrap().port());
        let metrics = init(Config::from_toml(&toml).unwrap()).unwrap();
        counted();
        drop(metrics);
        let mut buffer = [0; 2000];
        let len = socket.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], b"features.with_the_defaults.counted.count:1|c");
    }
}
