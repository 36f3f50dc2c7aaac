//! Evictors: which elements a window forgets when it fires, before its function sees them or after. `.evictor(evictors::count(10))`, with `.apply(..)`.

mod count;
mod delta;
mod time;

use millstream_core::{
    record::Record,
    time::{Timestamp, Window},
};

pub use self::{
    count::{Count, count},
    delta::{Delta, delta},
    time::{Time, time},
};
use crate::process::Moment;

/// Removes elements from a window that fires. Elements are in the order in which they came, which need not be that of their times.
///
/// ```
/// use millstream_runtime::windows::evictors::{EvictionContext, Evicting, Evictor};
///
/// /// Negative numbers are forgotten before the function sees them.
/// #[derive(Clone)]
/// struct Positive;
///
/// impl Evictor<i64> for Positive {
///     fn before(&self, elements: &mut Evicting<'_, i64>, _: &EvictionContext) {
///         elements.retain(|n, _| n >= 0);
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an evictor for windows of `{T}`",
    label = "not an evictor for these records",
    note = "`.evictor(..)` takes `evictors::count(10)`, `evictors::time(1.minutes())`, `evictors::delta(..)`, or a type of yours that implements `Evictor<{T}>`"
)]
pub trait Evictor<T: Record>: Clone + Send + 'static {
    /// The window fires, and its function has not seen the elements yet. If none is left it is called all the same.
    fn before(&self, elements: &mut Evicting<'_, T>, cx: &EvictionContext) {
        let _ = (elements, cx);
    }

    /// The window's function has seen the elements.
    fn after(&self, elements: &mut Evicting<'_, T>, cx: &EvictionContext) {
        let _ = (elements, cx);
    }

    /// What is wrong with it, if anything is; the job is then not started.
    fn mistake(&self) -> Option<String> {
        None
    }
}

/// The elements of a window, to remove some of them.
pub struct Evicting<'a, T>(&'a mut Vec<(Timestamp, T)>);

impl<'a, T: Record> Evicting<'a, T> {
    pub(crate) fn new(elements: &'a mut Vec<(Timestamp, T)>) -> Self {
        Self(elements)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All elements with their times; [`Timestamp::MIN`] in a stream without event time.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (T::View<'_>, Timestamp)> + ExactSizeIterator {
        self.0.iter().map(|(at, element)| (element.view(), *at))
    }

    /// Removes the elements that the function does not want to keep.
    pub fn retain(&mut self, mut keep: impl FnMut(T::View<'_>, Timestamp) -> bool) {
        self.0.retain(|(at, element)| keep(element.view(), *at));
    }

    /// Removes so many elements from the beginning.
    pub fn remove_first(&mut self, elements: usize) {
        self.0.drain(..elements.min(self.0.len()));
    }
}

/// The window whose elements are evicted, and the moment.
#[derive(Debug, Clone, Copy)]
pub struct EvictionContext {
    window: Window,
    moment: Moment,
}

impl EvictionContext {
    pub(crate) fn new(window: Window, moment: Moment) -> Self {
        Self { window, moment }
    }

    /// The window.
    pub fn window(&self) -> Window {
        self.window
    }

    /// How far event time has come.
    pub fn watermark(&self) -> Timestamp {
        self.moment.watermark
    }

    /// Processing time: the clock on the wall.
    pub fn wall(&self) -> Timestamp {
        self.moment.wall
    }
}

/// Evicts nothing: what windows have that are given no evictor.
#[derive(Debug, Clone, Copy)]
pub struct KeepAll;

impl<T: Record> Evictor<T> for KeepAll {}

/// The two calls of an evictor that evicts by one rule, before the function or after.
macro_rules! by_one_rule {
    () => {
        fn before(&self, elements: &mut Evicting<'_, T>, _: &EvictionContext) {
            if !self.after {
                self.evict(elements);
            }
        }

        fn after(&self, elements: &mut Evicting<'_, T>, _: &EvictionContext) {
            if self.after {
                self.evict(elements);
            }
        }
    };
}
use by_one_rule;
