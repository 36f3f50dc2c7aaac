//! The examples as a user starts them: what they write from their sample data, and what they say when something is broken.
#![allow(clippy::disallowed_methods, reason = "the tests start programs and write files as a user does")]

mod broken;
mod program;
mod sales;
