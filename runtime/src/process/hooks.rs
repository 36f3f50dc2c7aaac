//! What emitted code calls: the results of hooks, and what absent state reads as.

use std::fmt::Display;

use crate::failure::Failure;

/// What `open`, `close` and the other hooks of a `#[process]` block may return.
#[diagnostic::on_unimplemented(
    message = "a hook of a process function returns `{Self}`",
    label = "neither nothing nor a `Result<(), _>`",
    note = "return nothing, or `Result<(), E>` with an error that can be displayed: it fails the job"
)]
pub trait HookResult {
    /// As a result with a failure.
    fn result(self) -> Result<(), Failure>;
}

impl HookResult for () {
    fn result(self) -> Result<(), Failure> {
        Ok(())
    }
}

impl<E: Display> HookResult for Result<(), E> {
    fn result(self) -> Result<(), Failure> {
        self.map_err(|error| Failure::new(error.to_string()))
    }
}

/// The result of a hook.
pub fn hook(returned: impl HookResult) -> Result<(), Failure> {
    returned.result()
}

/// What a field of state reads as before it is first written: its [`Default`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no default, which this state would read as before it is first written",
    label = "no default",
    note = "put `#[derive(Default)]` on the type, or write `impl Default` if the value is not that of its parts"
)]
pub trait Absent {
    /// The value.
    fn absent() -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Default> Absent for T {
    fn absent() -> Self {
        T::default()
    }
}
