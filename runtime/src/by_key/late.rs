//! What becomes of records that come too late: they are counted, and put out to whoever wants them.

use std::marker::PhantomData;

use millstream_core::{key::Key, record::Record};

use super::KeyedLogic;
use crate::{
    metrics::Counter,
    operator::{OpenContext, Push},
    process::{KeyedContext, Side, SideOutput},
};

/// The side output of late records; `.with_late()` hands it out.
pub struct Late<T>(PhantomData<fn() -> T>);

impl<T> Late<T> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Record> SideOutput for Late<T> {
    type Record = T;
}

/// The side outputs of what drops late records.
pub type LateOnly<T> = (Side<Late<T>>, ());

/// What leaves out records at or before the watermark.
#[diagnostic::on_unimplemented(
    message = "this drops no late records",
    label = "takes records however late they are",
    note = "`.with_late()` stands behind `.sort_by_time()`, `.deduplicate_first()` or `.window(..)`"
)]
pub trait DropsLate<T: Record>: KeyedLogic<T, Sides = LateOnly<T>> {}

/// How many were late: the metric `late_records`.
#[derive(Clone, Default)]
pub(super) struct LateRecords(Counter);

impl LateRecords {
    pub(super) fn open(cx: &OpenContext<'_>) -> Self {
        Self(cx.counter("late_records"))
    }

    /// True for a record that is late: it has been dealt with.
    #[inline(always)]
    pub(super) fn take<T: Record, K: Key, Out: Record, N: Push<Out>>(
        &self,
        record: T::View<'_>,
        cx: &mut KeyedContext<'_, '_, K, Out, N, LateOnly<T>>,
    ) -> bool {
        let late = cx.timestamp() <= cx.watermark();
        if late {
            self.0.add(1);
            cx.emit_to(Late::new(), record);
        }
        late
    }
}
