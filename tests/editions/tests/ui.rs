//! Messages of the macros in edition 2015.

extern crate trybuild;

#[test]
fn ui() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
