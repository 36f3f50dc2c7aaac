//! What becomes of a window that a function rejects.

use std::fmt::Display;

use millstream_core::{
    key::Key,
    record::Record,
    time::{Timestamp, Window},
};

use crate::{
    failure::Failure,
    graph::OperatorInfo,
    operators::fused::{Handler, OnError},
    task::context::ChainContext,
};

/// Why nothing has come out of a window that fires.
pub enum Unfired<E> {
    /// The job fails.
    Failed(Failure),
    /// The function has said no; what then happens is the operator's policy.
    Rejected(E),
}

impl<E> From<Failure> for Unfired<E> {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// The job fails, with the key and the window in the message. The default.
#[derive(Debug, Clone, Copy)]
pub struct FailWindow;

impl<K: Key, E: Display> OnError<(K, Window), E> for FailWindow {
    type Handler = Self;

    fn open(&self, _: &mut ChainContext<'_>, _: &OperatorInfo) -> Result<Self, Failure> {
        Ok(Self)
    }
}

impl<K: Key, E: Display> Handler<(K, Window), E> for FailWindow {
    #[cold]
    fn handle(
        &mut self,
        (key, window): <(K, Window) as Record>::View<'_>,
        _: Timestamp,
        error: E,
    ) -> Result<(), Failure> {
        Err(Failure::new(format!(
            "{error}\n  key: {key:?}, window: {window}\n  to go on without such windows use `.skip_errors()` or `.divert_errors()` behind `.apply(..)`"
        )))
    }
}
