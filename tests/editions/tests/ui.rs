//! What the macros say in edition 2015.

extern crate trybuild;

#[test]
fn ui() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
