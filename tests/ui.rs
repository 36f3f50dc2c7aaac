//! The compiler's messages: what goes wrong, where, and how to mend it. Wording is behaviour; the golden texts are for the pinned compiler.

#[test]
fn mistakes_are_explained() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    // Beside these lies a lock file.
    cases.compile_fail("tests/ui/locked/*.rs");
}
