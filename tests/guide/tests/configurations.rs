//! The configurations that the guide prints are accepted as they are printed.

use ferrometer::Config;

const PAGES: &[(&str, &str)] = &[
    ("first-hour.md", include_str!("../../../docs/guide/src/first-hour.md")),
    ("backends.md", include_str!("../../../docs/guide/src/backends.md")),
    ("exemplars.md", include_str!("../../../docs/guide/src/exemplars.md")),
    ("views.md", include_str!("../../../docs/guide/src/views.md")),
    ("sampling.md", include_str!("../../../docs/guide/src/sampling.md")),
    ("deploying.md", include_str!("../../../docs/guide/src/deploying.md")),
];

/// Returns the blocks of a language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    page.split(&fence[..]).skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect()
}

#[test]
fn each_toml_block_is_a_configuration() {
    let mut found = 0;
    for (name, page) in PAGES {
        for block in blocks(page, "toml") {
            Config::from_toml(block).unwrap_or_else(|error| panic!("{name}: {error}\n{block}"));
            found += 1;
        }
    }
    assert!(found >= 1);
}

#[test]
fn each_variable_is_known_and_takes_its_value() {
    let mut found = 0;
    for (name, page) in PAGES {
        let shell = page.lines().filter(|line| line.starts_with("Environment="));
        let shell = shell.filter_map(|line| line.strip_prefix("Environment=")?.split_once('='));
        let kubernetes = page.lines().filter_map(|line| {
            let rest = line.trim().strip_prefix("- { name: FERROMETER_")?;
            let (key, value) = rest.split_once(", value: ")?;
            Some((key, value.trim_end_matches(" }").trim_matches('"')))
        });
        // Kubernetes puts the pod's address there.
        let kubernetes =
            kubernetes.map(|(key, value)| (format!("FERROMETER_{key}"), value.replace("$(POD_IP)", "10.0.0.7")));
        let all: Vec<_> = shell.map(|(key, value)| (key.to_owned(), value.to_owned())).chain(kubernetes).collect();
        if !all.is_empty() {
            found += all.len();
            let pairs: Vec<(&str, &str)> = all.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            Config::from_env_with(pairs).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
    assert!(found >= 4, "{found}");
}
