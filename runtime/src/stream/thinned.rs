//! `.throttle(..)` and `.sample(..)`: fewer records, in a time or in all.

use millstream_core::{
    key::{combine, mix},
    rate::Rate,
};

use super::{Chain, Pipeline, Planned, Stream};
use crate::{
    failure::Location,
    graph::OperatorInfo,
    operators::{fused::Then, sample::Sample, throttle::Throttled},
};

/// What `.throttle(..)` takes: a [`Rate`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no rate",
    label = "so many in which time?",
    note = "a rate is so many records in a time: `1_000.per_second()`, `.per_minute()` or `.per_hour()`"
)]
pub trait IsRate {
    #[doc(hidden)]
    fn rate(self) -> Rate;
}

impl IsRate for Rate {
    fn rate(self) -> Rate {
        self
    }
}

/// Puts a throttle behind a stream.
pub(super) fn throttle<S: Stream>(stream: S, rate: Rate, location: Location) -> Planned<S, Throttled<S::Out>> {
    let mut draft = stream.new_draft();
    stream.end_at(&draft, 0);
    if rate.count() == 0 {
        let mistake = format!("{location}: `throttle({rate})` would let nothing through: let it be 1 or more");
        draft.graph().borrow_mut().mistake(mistake);
    }
    let index = draft.operator(OperatorInfo::new("throttle", "", location).detail(rate.to_string()));
    Pipeline::new(Throttled::new(rate, index), draft)
}

/// Puts a sample behind a stream. Each has a seed of its own, so that one of another is one of all.
pub(super) fn sample<S: Stream>(
    stream: S,
    fraction: f64,
    location: Location,
) -> Planned<S, Then<S::Plan, Sample<S::Out>>> {
    let Chain { plan, draft } = stream.into_chain();
    if let Some(mistake) = Sample::<S::Out>::mistake(fraction) {
        draft.graph().borrow_mut().mistake(format!("{location}: {mistake}"));
    }
    let [chain, operator] = draft.place();
    let seed = combine(mix(chain), mix(operator));
    let Chain { plan, draft } = Chain { plan, draft }.then(Sample::new(fraction, seed), location);
    Pipeline::new(plan, draft)
}
