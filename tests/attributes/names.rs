//! Tests of the names of an attribute's instruments.

use super::*;

#[timer]
#[counter]
fn plain() {}

#[gauge]
fn level() -> u32 {
    7
}

#[timer("other.time")]
fn positional() {}

#[timer(name = "keyed.time")]
fn keyed() {}

#[timer(prefix = "Foo")]
fn prefixed() {}

#[timer("given", prefix = "Foo.Bar")]
fn both() {}

#[timer]
fn r#match() {}

#[timer]
fn größe() {}

#[timer(METRICS)]
fn positional_logger() {}

#[timer(METRICS, "with.name", sample_rate = 1, prefix = "p")]
fn all_of_them() {}

#[counter("n", logger = METRICS)]
fn keyed_logger() {}

#[test]
fn defaults_and_arguments() {
    let seen = capture(|| {
        plain();
        level();
        positional();
        keyed();
        prefixed();
        both();
        r#match();
        größe();
        positional_logger();
        all_of_them();
        keyed_logger();
    });
    for timer in [
        "plain.time",
        "other.time",
        "keyed.time",
        "Foo.prefixed.time",
        "Foo.Bar.given",
        "match.time",
        "gr__e.time",
        "positional_logger.time",
        "p.with.name",
    ] {
        assert_eq!(seen.timer(timer), 1, "{timer}");
    }
    assert_eq!(seen.counter("plain.count"), 1);
    assert_eq!(seen.counter("n"), 1);
    assert_eq!(seen.gauge("level"), Some(7.0));
}

#[test]
fn the_module_names_the_logger() {
    let seen = capture(|| {
        plain();
        positional_logger();
    });
    assert_eq!(seen.logger("plain.time"), Some("attributes.names"));
    assert_eq!(seen.logger("positional_logger.time"), Some("attributes"));
}
