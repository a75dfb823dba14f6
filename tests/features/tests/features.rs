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

#[test]
fn variables_of_what_is_not_compiled_in_are_passed_over_with_a_warning() {
    let given = |variables: &[(&str, &str)]| Config::from_env_with(variables.iter().copied());
    for (variable, table, feature) in [
        ("FERROMETER_GRAPHITE__SERVER", "graphite", "graphite"),
        ("FERROMETER_PULL_CACHE__HTTP", "pull_cache", "pull-cache"),
        ("FERROMETER_REMOTE_WRITE__WHAT", "remote_write", "remote-write"),
        ("FERROMETER_METRIC_SERVERS__INTERVAL", "metric_servers", "metric-servers"),
    ] {
        // Twice, and told of once.
        let config = given(&[("FERROMETER_BACKEND", "statsd"), (variable, "x"), (variable, "y")]).unwrap();
        let expected = format!(
            "environment variable {variable}: metrics.{table} has no effect: it needs the cargo feature \"{feature}\" of ferrometer"
        );
        assert_eq!(config.warnings(), [expected]);
    }
    // No table has this name.
    assert!(given(&[("FERROMETER_GRAPHITES__SERVER", "x")]).unwrap_err().to_string().contains("unknown variable"));
    let error = given(&[("FERROMETER_METRIC_SERVERS__PATH", "/x")]).unwrap_err().to_string();
    assert!(error.contains("metrics.metric_servers.path asks for") && error.contains("\"metric-servers\""), "{error}");
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
    fn tables_of_what_is_not_compiled_in_are_passed_over_with_a_warning() {
        let toml = "[metrics]\nbackend = \"statsd\"\n[metrics.influxdb]\ntoken = \"t\"\nwhat = 1\n[metrics.metric_servers]\ninterval = 7\n";
        let needs = |table: &str| {
            format!(" has no effect: it needs the cargo feature \"{}\" of ferrometer", table.replace('_', "-"))
        };
        let warnings = Config::from_toml(toml).unwrap().warnings();
        let expected = ["3:10: metrics.influxdb", "6:10: metrics.metric_servers"];
        let expected = expected.map(|at| format!("configuration:{at}{}", needs(at.rsplit('.').next().unwrap())));
        assert_eq!(warnings, expected);
        // Where metrics are off, there is nothing to have an effect on.
        assert_eq!(Config::from_toml(&toml.replace("statsd", "noop")).unwrap().warnings(), [""; 0]);
        let error = Config::from_toml("[metrics]\ninfluxdb = 1\n").unwrap_err().to_string();
        assert!(error.contains("metrics.influxdb: unknown key"), "{error}");
    }

    #[test]
    fn a_key_that_asks_for_what_is_not_compiled_in_is_an_error_naming_its_feature() {
        let error = Config::from_toml("[metrics]\nmetric_servers.path = \"/x\"\n").unwrap_err().to_string();
        assert_eq!(
            error,
            "configuration:2:1: metrics.metric_servers.path asks for what is not part of this build; enable the cargo feature \"metric-servers\" of ferrometer"
        );
        let peers = "[[metrics.pull_cache.peers]]\nname = \"pve2\"\nurl = \"http://pve2.example:9620\"\n";
        let error = Config::from_toml(peers).unwrap_err().to_string();
        assert!(error.contains("metrics.pull_cache.peers asks for") && error.contains("\"pull-cache\""), "{error}");
    }

    #[test]
    fn macros_files_and_statsd_are_there() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let toml = format!(
            "[metrics]\nbackend = \"statsd\"\nstatsd_host = \"127.0.0.1\"\nstatsd_port = {}\n",
            socket.local_addr().unwrap().port()
        );
        let metrics = init(Config::from_toml(&toml).unwrap()).unwrap();
        counted();
        drop(metrics);
        let mut buffer = [0; 2000];
        let len = socket.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], b"features.with_the_defaults.counted.count:1|c");
    }
}
