//! Keys with the prefix `agent_`: a conductor's options for its agents, in file and environment, checked as its own are.

use ferrometer::Config;

#[cfg(feature = "config-file")]
fn refused(text: &str) -> String {
    Config::from_toml(text).unwrap_err().to_string()
}

#[cfg(feature = "config-file")]
#[test]
fn the_documents_options_load_beside_the_conductors_own() {
    let text = r#"
        [metrics]
        backend = "noop"
        prepend_host = false
        agent_backend = "statsd"
        agent_prepend_host = true
        agent_prepend_host_reverse = true
        agent_prepend_uuid = true
        agent_global_prefix = "fleet"
        agent_lookup_interval = "10s"
        [metrics_statsd]
        agent_statsd_host = "metrics.example.com"
        agent_statsd_port = 9125
        [metrics.influxdb]
        agent_token = "s3cr3t"
    "#;
    let config = Config::from_toml(text).unwrap();
    // They are nobody's but the agents'.
    assert_eq!((config.backends(), config.statsd_port, config.prepend_uuid), (&["noop".to_owned()][..], 8125, false));
    assert!(!format!("{config:?}").contains("s3cr3t"));
    assert_eq!(Config::from_toml(&config.to_toml()).unwrap(), config);
    assert_ne!(Config::from_toml(&text.replace("fleet", "other")).unwrap(), config);
}

#[cfg(feature = "config-file")]
#[test]
fn what_is_wrong_with_them_is_told_as_with_others() {
    for (text, expected) in [
        (
            "[metrics]\nagent_backend = \"statd\"\n",
            "configuration:2:17: metrics.agent_backend = \"statd\" (string): expected \"noop\", ",
        ),
        (
            "[metrics]\nagent_prepend_uid = true\n",
            "configuration:2:1: metrics.agent_prepend_uid: unknown key; did you mean `agent_prepend_uuid`?",
        ),
        (
            "[metrics_statsd]\nagent_statsd_port = 0\n",
            "configuration:2:21: metrics_statsd.agent_statsd_port = 0 (integer): expected an integer from 1 to 65535",
        ),
        (
            "[metrics]\nagent_statsd_port = 1\n[metrics_statsd]\nagent_statsd_port = 2\n",
            "configuration:4:21: metrics_statsd.agent_statsd_port = 2: conflicts with metrics.agent_statsd_port; keep one of them",
        ),
        ("[metrics.statsd]\nagent_ = 2\n", "configuration:2:1: metrics.statsd.agent_: unknown key"),
        (
            "[metrics.influxdb]\nagent_token = \"a b\"\n",
            "configuration:2:15: metrics.influxdb.agent_token = (not shown) (string): expected ",
        ),
        (
            "[metrics]\nuuid = \"1BE26C0B03F24D2EAE87C02D7F33C123\"\n",
            "configuration:2:8: metrics.uuid = \"1BE26C0B03F24D2EAE87C02D7F33C123\" (string): expected a UUID of the form \
             1be26c0b-03f2-4d2e-ae87-c02d7f33c123, or nothing; did you mean \"1be26c0b-03f2-4d2e-ae87-c02d7f33c123\"?",
        ),
        ("[metrics]\nuuid = \"node-7\"\n", "configuration:2:8: metrics.uuid = \"node-7\" (string): expected a UUID"),
    ] {
        let said = refused(text);
        assert!(said.starts_with(expected), "{said}");
    }
}

#[test]
fn variables_have_the_prefix_before_the_last_part() {
    let with = |name: &str, value: &str| Config::from_env_with([(name.to_owned(), value.to_owned())]);
    for (name, value) in [("FERROMETER_AGENT_BACKEND", "statsd"), ("FERROMETER_STATSD__AGENT_INTERVAL", "2s")] {
        let config = with(name, value).unwrap();
        assert_ne!(config, Config::new(), "{name}");
        assert_eq!(config.backends(), ["noop"]);
    }
    let said = with("FERROMETER_AGENT_STATSD_PORT", "x").unwrap_err().to_string();
    let expected = "environment variable FERROMETER_AGENT_STATSD_PORT: metrics.agent_statsd_port = \"x\" (string): expected an integer";
    assert!(said.starts_with(expected), "{said}");
    assert!(with("FERROMETER_AGENT_BAKCEND", "noop").is_err());
}

#[test]
fn a_uuid_in_names_is_needed_where_it_is_wanted() {
    let error = ferrometer::init(Config::new().backend("statsd").prepend_uuid(true)).unwrap_err().to_string();
    assert_eq!(error, "metrics.prepend_uuid is set and metrics.uuid is not; they are needed together");
    let error = Config::new().uuid("{1be26c0b-03f2-4d2e-ae87-c02d7f33c123}").validate().unwrap_err().to_string();
    assert!(error.ends_with("did you mean \"1be26c0b-03f2-4d2e-ae87-c02d7f33c123\"?"), "{error}");
    let uuid = "1be26c0b-03f2-4d2e-ae87-c02d7f33c123";
    let config = Config::new().backend("statsd").global_prefix("g").host("h.example").prepend_host(true);
    let metrics = ferrometer::init(config.prepend_host_reverse(true).prepend_uuid(true).uuid(uuid)).unwrap();
    drop(metrics);
    // Known and not wanted: not in names.
    drop(ferrometer::init(Config::new().backend("statsd").uuid(uuid)).unwrap());
}
