//! How much a seeded suite may spend. At the desk and in CI it tries a few seeds; `cargo xtask full` sets [`VARIABLE`] to `full`, and it tries many.

/// The environment variable that chooses: `full` for the long suites; anything else, or nothing, for the short ones.
pub const VARIABLE: &str = "MILLSTREAM_TEST_BUDGET";

/// `full` if the long suites were asked for, else `short`.
pub fn choose<T>(short: T, full: T) -> T {
    if std::env::var_os(VARIABLE).is_some_and(|budget| budget == "full") { full } else { short }
}
