//! What becomes of bad records: the policy of a source, as its reader sees it.

use millstream_core::time::Timestamp;

use super::super::fused::{Handler, OnError};
use crate::{
    bad_record::{BadRecord, BadRecordView},
    failure::Failure,
    graph::OperatorInfo,
    source::Rejects,
    task::context::ChainContext,
};

/// The job fails, with the place of the bad record in the message. The default.
#[derive(Debug, Clone, Copy)]
pub struct FailBad;

impl OnError<BadRecord, ()> for FailBad {
    type Handler = FailBad;
    fn open(&self, _: &mut ChainContext<'_>, _: &OperatorInfo) -> Result<FailBad, Failure> {
        Ok(FailBad)
    }
}

impl Handler<BadRecord, ()> for FailBad {
    #[cold]
    fn handle(&mut self, bad: BadRecordView<'_>, _: Timestamp, (): ()) -> Result<(), Failure> {
        Err(Failure::new(format!("{}, line {}: {}", bad.origin, bad.line, bad.reason)))
    }
}

/// A policy, as a reader sees it.
pub(super) struct Rejected<H>(pub(super) H);

impl<H: Handler<BadRecord, ()>> Rejects for Rejected<H> {
    fn tells(&self) -> bool {
        H::READS
    }

    fn reject(&mut self, bad: BadRecordView<'_>) -> Result<(), Failure> {
        self.0.handle(bad, Timestamp::MIN, ())
    }

    fn is_full(&self) -> bool {
        self.0.is_full()
    }
}
