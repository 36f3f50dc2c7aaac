//! Credit as the sender of a channel sees it: how much it has appended, and how much the receiver lets it send.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    task::{Context, Poll},
};

use futures::task::AtomicWaker;

use crate::wire::Grant;

/// By how much a sender may exceed its credit before its thread has to wait, in bytes. Fused operators cannot pause in the middle of a record.
pub const OVERDRAFT_BYTES: usize = 1 << 20;
/// What a batch costs besides its bytes: allocations, counts and its place in queues. Without it records of no size, or buffers of one small
/// record each, would take memory and no credit.
pub const BATCH_OVERHEAD_BYTES: usize = 128;
/// What a watermark costs, in bytes.
const WATERMARK_COST_BYTES: usize = 16;

/// What a batch takes of the credit, in bytes: the same at both ends.
pub fn cost_bytes(body_bytes: usize, watermarks: usize) -> u64 {
    (body_bytes + watermarks * WATERMARK_COST_BYTES + BATCH_OVERHEAD_BYTES) as u64
}

/// What sender, writer and reader know of one channel. All numbers are costs in bytes since the channel was opened.
#[derive(Debug, Default)]
pub(crate) struct Credit {
    /// What the task has handed over.
    appended: AtomicU64,
    /// What the receiver has read.
    released: AtomicU64,
    /// How far the sender may go. Zero until the receiver has accepted the channel.
    limit: AtomicU64,
    /// Nobody will read any more: senders are never held up, what they send is dropped.
    ended: AtomicBool,
    task: AtomicWaker,
}

impl Credit {
    pub(crate) fn append(&self, cost: u64) {
        self.appended.fetch_add(cost, SeqCst);
    }

    pub(crate) fn appended(&self) -> u64 {
        self.appended.load(SeqCst)
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit.load(SeqCst)
    }

    /// Takes what the receiver grants. If that is less than before, gives the limit that holds then: what has been sent stays within it.
    pub(crate) fn grant(&self, grant: Grant, sent: u64) -> Option<u64> {
        let before = self.limit();
        let lowered = grant.limit < before;
        // What was sent may exceed the limit by a batch.
        let limit = if lowered { grant.limit.max(sent).min(before) } else { grant.limit };
        self.released.store(grant.released, SeqCst);
        self.limit.store(limit, SeqCst);
        if self.has_room() {
            self.task.wake();
        }
        lowered.then_some(limit)
    }

    pub(crate) fn end(&self) {
        self.ended.store(true, SeqCst);
        self.task.wake();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(SeqCst)
    }

    pub(crate) fn has_room(&self) -> bool {
        self.appended() < self.limit() || self.has_ended()
    }

    pub(crate) fn is_overdrawn(&self) -> bool {
        self.appended() >= self.limit().saturating_add(OVERDRAFT_BYTES as u64) && !self.has_ended()
    }

    /// True if all that was handed over has been read.
    pub(crate) fn is_settled(&self) -> bool {
        self.released.load(SeqCst) == self.appended() && self.limit() > 0
    }

    /// How much may be under way at once, as far as is known, in bytes.
    pub(crate) fn window(&self) -> u64 {
        self.limit().saturating_sub(self.released.load(SeqCst))
    }

    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_room() {
            return Poll::Ready(());
        }
        self.task.register(cx.waker());
        if self.has_room() { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_may_grant_anything() {
        let credit = Credit::default();
        assert_eq!(credit.grant(Grant { released: 0, limit: u64::MAX }, 0), None);
        credit.append(7);
        assert!(credit.has_room() && !credit.is_overdrawn());
        assert_eq!(credit.grant(Grant { released: 0, limit: 5 }, 7), Some(7), "what was sent stays within it");
    }
}
