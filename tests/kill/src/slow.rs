//! [`slow`]: a source that takes its time, so that a job over little input can be killed in its midst.

use std::{sync::Arc, time::Duration};

use millstream::{
    env::{Env, Instant},
    failure::Failure,
    prelude::*,
    source::{Boundedness, Emit, Emitted, Fetched, Source, SourceContext, SplitReader},
    stream::Replayable,
};

/// The source, with a rest before each fetch of a subtask. Threads do not rest: barriers pass meanwhile.
pub(crate) fn slow<S>(source: S, rest: Duration) -> Slow<S> {
    Slow { source, rest }
}

pub(crate) struct Slow<S> {
    source: S,
    rest: Duration,
}

impl<S: Source> Source for Slow<S> {
    type Out = S::Out;
    type Time = S::Time;
    type Split = S::Split;
    type Enumerator = S::Enumerator;
    type Reader = SlowReader<S::Reader>;

    fn name(&self) -> String {
        self.source.name()
    }
    fn boundedness(&self) -> Boundedness {
        self.source.boundedness()
    }
    fn splits(&self) -> Boundedness {
        self.source.splits()
    }
    fn check(&self, cx: &SourceContext) -> Result<(), Failure> {
        self.source.check(cx)
    }
    fn enumerator(&self, cx: &SourceContext) -> Result<S::Enumerator, Failure> {
        self.source.enumerator(cx)
    }
    fn reader(&self, cx: &SourceContext) -> Result<SlowReader<S::Reader>, Failure> {
        Ok(SlowReader { reader: self.source.reader(cx)?, env: Arc::clone(cx.env()), rest: self.rest, until: None })
    }
}

impl<S: Replayable> Replayable for Slow<S> {}

pub(crate) struct SlowReader<R> {
    reader: R,
    env: Arc<dyn Env>,
    rest: Duration,
    /// When the present rest is over. Kept here since the future of a fetch may be dropped.
    until: Option<Instant>,
}

impl<R: SplitReader> SplitReader for SlowReader<R> {
    type Out = R::Out;
    type Split = R::Split;

    fn open(&mut self, split: R::Split) -> Result<(), Failure> {
        self.reader.open(split)
    }

    async fn fetch(&mut self) -> Result<Fetched, Failure> {
        let until = *self.until.get_or_insert_with(|| self.env.now() + self.rest);
        self.env.sleep_until(until).await;
        let fetched = self.reader.fetch().await?;
        self.until = None;
        Ok(fetched)
    }

    fn emit<N: Push<R::Out>>(&mut self, out: &mut Emit<'_, R::Out, N>) -> Result<Emitted, Failure> {
        self.reader.emit(out)
    }

    fn position(&self) -> R::Split {
        self.reader.position()
    }
}
