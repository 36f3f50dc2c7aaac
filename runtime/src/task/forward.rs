//! [`Forward`]: what a head passes on once it has put out what comes before.

use millstream_core::time::Timestamp;

use crate::operator::Signal;

/// A watermark whose windows are being put out, and whether the input has fallen silent behind it. Were that passed on at once, receivers would not wait for
/// the windows that are still to come, and find them late.
#[derive(Debug, Default)]
pub(crate) struct Forward {
    watermark: Option<Timestamp>,
    idle: bool,
}

impl Forward {
    /// A watermark waits. It replaces one that has waited: what both make due is put out in its order.
    pub(crate) fn watermark(&mut self, at: Timestamp) {
        self.watermark = Some(at);
    }

    /// Takes a signal that has to wait, too; gives others back, to be passed on at once.
    pub(crate) fn hold(&mut self, signal: Signal) -> Option<Signal> {
        match signal {
            Signal::Idle | Signal::Active if self.watermark.is_some() => {
                self.idle = matches!(signal, Signal::Idle);
                None
            }
            signal => Some(signal),
        }
    }

    /// Everything has been put out: what is to be passed on now, in order.
    pub(crate) fn release(&mut self) -> impl Iterator<Item = Signal> + use<> {
        let watermark = self.watermark.take().map(Signal::Watermark);
        let idle = std::mem::take(&mut self.idle).then_some(Signal::Idle);
        watermark.into_iter().chain(idle)
    }
}

#[cfg(test)]
mod tests {
    use Signal::{Active, Idle, Watermark};

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn released(forward: &mut Forward) -> String {
        format!("{:?}", forward.release().collect::<Vec<_>>())
    }

    #[test]
    fn silence_waits_behind_a_watermark_and_nothing_else_does() {
        let mut forward = Forward::default();
        assert!(forward.hold(Idle).is_some());
        assert!(forward.hold(Active).is_some());
        forward.watermark(at(5));
        assert!(forward.hold(Idle).is_none());
        assert!(forward.hold(Signal::Tick(at(1))).is_some());
        assert_eq!(released(&mut forward), format!("{:?}", [Watermark(at(5)), Idle]));
        assert_eq!(released(&mut forward), "[]");
    }

    #[test]
    fn an_input_that_is_back_was_never_away() {
        let mut forward = Forward::default();
        forward.watermark(at(5));
        assert!(forward.hold(Idle).is_none());
        assert!(forward.hold(Active).is_none());
        forward.watermark(at(6));
        assert_eq!(released(&mut forward), format!("{:?}", [Watermark(at(6))]));
    }
}
