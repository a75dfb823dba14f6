//! The configurations that the guide prints are accepted as they are printed.

use ferrometer::Config;
use std::path::Path;

/// Returns the name below the guide's folder and the text of each page.
fn pages() -> Vec<(String, String)> {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/src");
    let mut found = Vec::new();
    for folder in ["", "migrate/"] {
        for entry in std::fs::read_dir(guide.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "md") {
                let name = path.file_name().unwrap().to_string_lossy();
                found.push((format!("{folder}{name}"), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(found.len() > 10, "{found:?}");
    found
}

/// Returns the blocks of a language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    page.split(&fence[..]).skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect()
}

#[test]
fn each_toml_block_is_a_configuration() {
    let mut found = 0;
    for (name, page) in &pages() {
        for block in blocks(page, "toml") {
            Config::from_toml(block).unwrap_or_else(|error| panic!("{name}: {error}\n{block}"));
            found += 1;
        }
    }
    assert!(found >= 3, "{found}");
}

#[test]
fn each_variable_is_known_and_takes_its_value() {
    let mut found = 0;
    for (name, page) in &pages() {
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

#[test]
fn each_page_is_in_the_book_and_its_programs_are_tests() {
    let pages = pages();
    let (_, summary) = pages.iter().find(|(name, _)| name == "SUMMARY.md").unwrap();
    for (name, page) in pages.iter().filter(|(name, _)| name != "SUMMARY.md") {
        assert!(summary.contains(&format!("({name})")), "{name} is not in the book");
        let tested = include_str!("../src/lib.rs").contains(&format!("= \"{name}\""));
        assert!(tested || !page.contains("```rust"), "{name}: its programs are no tests");
    }
}
