//! Configuration files: none panics; one that is accepted is valid, and written down and read again it is the same; one that is refused says
//! where or names a key, in lines fit for a log.

#![no_main]

use ferrometer::Config;
use ferrometer::config::Error;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Config::from_toml(text) {
        Ok(config) => {
            config.validate().expect("what was loaded is valid");
            let written = config.to_toml();
            let again = Config::from_toml(&written).unwrap_or_else(|e| panic!("{e}\n{written}"));
            assert_eq!(again, config, "{written}");
            assert_eq!(again.to_toml(), written);
        }
        Err(error) => {
            let message = error.to_string();
            assert!(!message.trim().is_empty());
            for line in message.lines() {
                assert!(line.len() < 1500 && !line.chars().any(char::is_control), "{line:?}");
            }
            match &error {
                Error::Syntax(_) => assert!(message.starts_with("configuration:"), "{message}"),
                Error::Invalid(problems) => assert!(problems.iter().all(|p| !p.key().is_empty()), "{message}"),
                other => panic!("not an error of a text: {other}"),
            }
        }
    }
    // Uses that text as the value of a variable.
    for key in
        ["BACKEND", "STATSD_HOST", "STATSD__INTERVAL", "PULL_CACHE__TOKENS", "PULL_CACHE__ADDRESS", "GLOBAL_PREFIX"]
    {
        if let Ok(config) = Config::from_env_with([(format!("FERROMETER_{key}"), text)]) {
            config.validate().expect("what was loaded is valid");
            let written = config.to_toml();
            assert_eq!(Config::from_toml(&written).unwrap_or_else(|e| panic!("{e}\n{written}")), config);
        }
    }
});
