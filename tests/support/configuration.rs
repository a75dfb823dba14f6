//! Helpers of the tests of the configuration's messages.

#![allow(dead_code)]

use ferrometer::config::Config;

pub const DURATION: &str = r#"seconds as a number, or a string such as "500ms", "10s", "1m""#;

/// Returns the message for a file that must be refused.
pub fn message(toml: &str) -> String {
    match Config::from_toml(toml) {
        Ok(config) => panic!("{toml:?} was taken: {config:?}"),
        Err(error) => error.to_string(),
    }
}

/// One key under `[metrics]`, which stands on line 2.
pub fn metrics(cases: &[(&str, &str)]) {
    for (line, expected) in cases {
        assert_eq!(message(&format!("[metrics]\n{line}\n")), format!("configuration:2:{expected}"), "\n{line}");
    }
}

pub fn variables(cases: &[(&str, &str, &str)]) {
    for (name, value, expected) in cases {
        let message = Config::from_env_with([(name, value)]).unwrap_err().to_string();
        assert_eq!(message, format!("environment variable {name}: {expected}"), "\n{name}={value}");
    }
}
