//! [`Panes`]: the window operator itself, apart from how records reach it and results leave.

use std::marker::PhantomData;

use millstream_core::{
    key::Key,
    record::Record,
    time::{Timestamp, Window},
};
use millstream_state::{
    row::{ByEntry, ByKey, entry_hash},
    table::Table,
};

use super::{
    Admits, Contents, Kind, RecordAssigner, Trigger, TriggerContext, TriggerResult, Unfired, WindowContext,
    merging::{Placed, place, went_into},
    timers::PaneTimers,
};
use crate::{
    failure::Failure,
    operator::{OpenContext, Push},
    operators::fused::Handler,
    process::{Hashed, Moment, Opening, StateTable, Stored, TimerDomain},
    windows::Clock,
};

/// The state that has what windows hold and what their triggers and functions remember.
const PANES_STATE: &str = "panes";
/// The state that has the windows in flight of each key, of a kind that merges.
const IN_FLIGHT_STATE: &str = "in-flight";

/// What there is of a key and window: what it holds, the state of the trigger, and that of the function.
type Pane<T, Tr, C> = (Option<<C as Contents<T>>::Kept>, <Tr as Trigger<T>>::State, <C as Contents<T>>::State);
/// What identifies a pane.
type PaneKey<T, C> = ByEntry<<C as Contents<T>>::Key, Window>;

/// What an operator has to be given.
pub(super) struct Rules<W, Tr, C, H> {
    pub(super) windows: W,
    pub(super) trigger: Tr,
    pub(super) contents: C,
    /// What happens to windows that are rejected.
    pub(super) handler: H,
    /// For how long windows that are over still take elements.
    pub(super) lateness_ms: i64,
}

/// The panes of a subtask, with the rules by which they fire.
pub(super) struct Panes<T: Record, W: RecordAssigner<T>, Tr: Trigger<T>, C: Contents<T>, H> {
    windows: W,
    held: Held<T, W, Tr, C, H>,
}

/// Everything but the assigner, which is asked while this changes.
struct Held<T: Record, W, Tr: Trigger<T>, C: Contents<T>, H> {
    trigger: Tr,
    contents: C,
    handler: H,
    lateness_ms: i64,
    panes: Stored<Table<PaneKey<T, C>, Pane<T, Tr, C>>>,
    /// The windows of each key that have not ended for good; only of a kind that merges.
    in_flight: Option<Stored<Table<ByKey<C::Key>, Vec<Window>>>>,
    timers: PaneTimers<C::Key>,
    windows: PhantomData<fn(W)>,
}

impl<T, W, Tr, C, H> Panes<T, W, Tr, C, H>
where
    T: Record,
    W: RecordAssigner<T>,
    W::Kind: Admits<T, Tr>,
    Tr: Trigger<T>,
    C: Contents<T>,
    H: Handler<(C::Key, Window), C::Error>,
{
    pub(super) fn open(rules: Rules<W, Tr, C, H>, cx: &Opening<'_>, open: &OpenContext<'_>) -> Result<Self, Failure> {
        let Rules { windows, trigger, mut contents, handler, lateness_ms } = rules;
        contents.open(open)?;
        let in_flight = <W::Kind as Kind<T, W>>::MERGES.then(|| Stored::open(IN_FLIGHT_STATE, cx));
        let panes = Stored::open(PANES_STATE, cx);
        let timers = PaneTimers::open(cx, open);
        let held = Held { trigger, contents, handler, lateness_ms, panes, in_flight, timers, windows: PhantomData };
        Ok(Self { windows, held })
    }

    /// Takes a record; false if it is late. It is if each of its windows has ended for good, and its own time is that far behind the watermark.
    #[inline]
    pub(super) fn take<N: Push<C::Out>>(
        &mut self,
        key: Hashed<'_, C::Key>,
        record: T::View<'_>,
        at: Timestamp,
        moment: Moment,
        next: &mut N,
    ) -> Result<bool, Failure> {
        let Self { windows, held } = self;
        let time = if W::CLOCK == Clock::Processing { moment.wall } else { at };
        let (mut taken, mut result) = (false, Ok(()));
        windows.assign(record, time, |window| {
            if result.is_ok() {
                match held.add(key, window, record, at, moment, next) {
                    Ok(added) => taken |= added,
                    Err(failure) => result = Err(failure),
                }
            }
        });
        result.map(|()| taken || W::CLOCK == Clock::Processing || held.stays_until(at) > moment.watermark)
    }

    /// Removes the first timer that is due.
    pub(super) fn pop(&mut self, domain: TimerDomain, until: Timestamp) -> Option<(C::Key, Timestamp, Window)> {
        self.held.timers.pop(domain, until)
    }

    /// A timer has fired.
    pub(super) fn on_timer<N: Push<C::Out>>(
        &mut self,
        key: Hashed<'_, C::Key>,
        window: Window,
        domain: TimerDomain,
        at: Timestamp,
        moment: Moment,
        next: &mut N,
    ) -> Result<(), Failure> {
        self.held.on_timer(key, window, domain, at, moment, next)
    }

    /// For when the first timer in processing time is set.
    pub(super) fn first_processing(&self) -> Option<Timestamp> {
        self.held.timers.first_processing()
    }

    pub(super) fn for_each<'a>(&'a mut self, visit: &mut dyn FnMut(&'a mut dyn StateTable)) {
        visit(&mut self.held.panes);
        if let Some(in_flight) = &mut self.held.in_flight {
            visit(in_flight);
        }
        visit(self.held.timers.table());
    }

    /// What happens to windows that are rejected.
    pub(super) fn handler(&mut self) -> &mut H {
        &mut self.held.handler
    }

    /// True if no more windows should be rejected for now.
    #[inline(always)]
    pub(super) fn is_full(&self) -> bool {
        self.held.handler.is_full()
    }

    pub(super) fn measure(&self) {
        self.held.timers.measure();
    }
}

impl<T, W, Tr, C, H> Held<T, W, Tr, C, H>
where
    T: Record,
    W: RecordAssigner<T>,
    W::Kind: Admits<T, Tr>,
    Tr: Trigger<T>,
    C: Contents<T>,
    H: Handler<(C::Key, Window), C::Error>,
{
    /// Until when the windows of a moment are kept.
    fn stays_until(&self, at: Timestamp) -> Timestamp {
        Timestamp::from_millis(at.millis().saturating_add(self.lateness_ms))
    }

    /// When a window ends for good; [`Timestamp::MAX`] for one that never does.
    fn cleanup_time(&self, window: Window) -> Timestamp {
        match W::CLOCK {
            _ if window.end == Timestamp::MAX => Timestamp::MAX,
            Clock::Event => self.stays_until(window.max_timestamp()),
            Clock::Processing => window.max_timestamp(),
        }
    }

    const CLEANUP_DOMAIN: TimerDomain = match W::CLOCK {
        Clock::Event => TimerDomain::EventTime,
        Clock::Processing => TimerDomain::ProcessingTime,
    };

    fn is_late(&self, window: Window, watermark: Timestamp) -> bool {
        W::CLOCK == Clock::Event && self.cleanup_time(window) <= watermark
    }

    /// Adds a record to a window, or to the one that this becomes; false if that is late.
    #[inline]
    fn add<N: Push<C::Out>>(
        &mut self,
        key: Hashed<'_, C::Key>,
        window: Window,
        record: T::View<'_>,
        at: Timestamp,
        moment: Moment,
        next: &mut N,
    ) -> Result<bool, Failure> {
        let Some(window) = self.placed(key, window, moment) else { return Ok(false) };
        self.with_pane(key, window, moment, next, |trigger, contents, pane, cx| {
            contents.add(&mut pane.0, record, at);
            trigger.on_element(record, at, &mut pane.1, cx)
        })?;
        let cleanup = self.cleanup_time(window);
        // The end of time never comes.
        if cleanup < Timestamp::MAX {
            self.timers.set(key, Self::CLEANUP_DOMAIN, cleanup, window);
        }
        Ok(true)
    }

    /// The window that takes the elements of a new one: itself, or what it merges to. `None` if that is late.
    #[inline(always)]
    fn placed(&mut self, key: Hashed<'_, C::Key>, window: Window, moment: Moment) -> Option<Window> {
        let Some(in_flight) = &self.in_flight else {
            return (!self.is_late(window, moment.watermark)).then_some(window);
        };
        let known = in_flight.get(key.hash, key.key).map_or(&[][..], Vec::as_slice);
        let placed = place(known, window);
        let (Placed::Within(result) | Placed::Merged(result)) = placed else {
            let late = self.is_late(window, moment.watermark);
            return (!late).then(|| self.join(key, window));
        };
        if self.is_late(result, moment.watermark) {
            return None;
        }
        if placed != Placed::Within(result) {
            self.merge(key, result, moment);
        }
        Some(result)
    }

    /// Takes the next window out of those in flight that goes into `result`.
    fn next_merged(&mut self, key: Hashed<'_, C::Key>, result: Window) -> Option<Window> {
        let windows = self.in_flight.as_mut()?.get_mut(key.hash, key.key)?;
        let place = windows.iter().position(|window| went_into(result, window))?;
        Some(windows.remove(place))
    }

    /// Enters a window among those in flight.
    fn join(&mut self, key: Hashed<'_, C::Key>, window: Window) -> Window {
        if let Some(in_flight) = &mut self.in_flight {
            let windows = in_flight.entry(key.hash, key.key, Vec::new);
            windows.insert(windows.partition_point(|known| known.start < window.start), window);
        }
        window
    }

    /// Makes one pane of those whose windows go into `result`.
    fn merge(&mut self, key: Hashed<'_, C::Key>, result: Window, moment: Moment) {
        let mut pane = blank::<T, Tr, C>();
        while let Some(window) = self.next_merged(key, result) {
            let cleanup = self.cleanup_time(window);
            self.timers.delete(key, Self::CLEANUP_DOMAIN, cleanup, window);
            let pane_of = self.panes.remove(row_hash(key, window), (key.key, window));
            let (kept, mut state, _) = pane_of.unwrap_or_else(blank::<T, Tr, C>);
            if let Some(kept) = kept {
                self.contents.merge(&mut pane.0, kept);
            }
            <W::Kind as Admits<T, Tr>>::merge(&self.trigger, &mut pane.1, &state);
            self.trigger.clear(&mut state, &mut TriggerContext { key, window, moment, timers: &mut self.timers });
        }
        let mut cx = TriggerContext { key, window: result, moment, timers: &mut self.timers };
        <W::Kind as Admits<T, Tr>>::on_merge(&self.trigger, &mut pane.1, &mut cx);
        self.panes.entry(row_hash(key, result), (key.key, result), || pane);
        self.join(key, result);
    }

    fn on_timer<N: Push<C::Out>>(
        &mut self,
        key: Hashed<'_, C::Key>,
        window: Window,
        domain: TimerDomain,
        at: Timestamp,
        moment: Moment,
        next: &mut N,
    ) -> Result<(), Failure> {
        // A timer that a trigger has left behind of a window that went into another one.
        if let Some(in_flight) = &self.in_flight
            && !in_flight.get(key.hash, key.key).is_some_and(|windows| windows.contains(&window))
        {
            return Ok(());
        }
        self.with_pane(key, window, moment, next, |trigger, _, pane, cx| match domain {
            TimerDomain::EventTime => trigger.on_event_time(at, &mut pane.1, cx),
            TimerDomain::ProcessingTime => trigger.on_processing_time(at, &mut pane.1, cx),
        })?;
        if domain == Self::CLEANUP_DOMAIN && at == self.cleanup_time(window) {
            self.clear(key, window, moment);
        }
        Ok(())
    }

    /// Lets something happen to a pane, and does what the trigger says. A pane of which nothing is left is removed.
    #[inline]
    fn with_pane<N: Push<C::Out>>(
        &mut self,
        key: Hashed<'_, C::Key>,
        window: Window,
        moment: Moment,
        next: &mut N,
        happen: impl FnOnce(&Tr, &C, &mut Pane<T, Tr, C>, &mut TriggerContext<'_, '_, C::Key>) -> TriggerResult,
    ) -> Result<(), Failure> {
        let Self { trigger, contents, handler, panes, timers, .. } = self;
        let row = row_hash(key, window);
        let ((owned, _), pane) = panes.entry_and_key(row, (key.key, window), blank::<T, Tr, C>);
        let result = happen(trigger, contents, pane, &mut TriggerContext { key, window, moment, timers });
        if result.fires() && pane.0.is_some() {
            let mut cx = WindowContext { key: owned, window, moment, next, out: PhantomData };
            match contents.fire(&mut pane.0, &mut pane.2, &mut cx) {
                Ok(()) => {}
                Err(Unfired::Failed(failure)) => return Err(failure),
                Err(Unfired::Rejected(error)) => {
                    handler.handle((owned.view(), window), window.max_timestamp(), error)?;
                }
            }
        }
        if result.purges() {
            pane.0 = None;
        }
        if pane.0.is_none() && size_of::<C::State>() == 0 && trigger.is_blank(&pane.1) {
            panes.remove(row, (key.key, window));
        }
        Ok(())
    }

    /// A window ends for good.
    fn clear(&mut self, key: Hashed<'_, C::Key>, window: Window, moment: Moment) {
        let pane = self.panes.remove(row_hash(key, window), (key.key, window));
        let (_, mut state, function_state) = pane.unwrap_or_else(blank::<T, Tr, C>);
        self.trigger.clear(&mut state, &mut TriggerContext { key, window, moment, timers: &mut self.timers });
        self.contents.clear(key.key, window, function_state);
        if let Some(in_flight) = &mut self.in_flight {
            let windows = in_flight.entry(key.hash, key.key, Vec::new);
            windows.retain(|known| *known != window);
            if windows.is_empty() {
                in_flight.remove(key.hash, key.key);
            }
        }
    }
}

/// A pane that holds nothing.
fn blank<T: Record, Tr: Trigger<T>, C: Contents<T>>() -> Pane<T, Tr, C> {
    (None, Tr::State::default(), C::State::default())
}

/// The hash of a pane's row.
#[inline(always)]
fn row_hash<K: Key>(key: Hashed<'_, K>, window: Window) -> u64 {
    entry_hash(key.hash, Window::hash(window))
}
