//! [`Elements`]: all that a window holds, in the order in which it came.

use std::{iter::Map, marker::PhantomData, slice};

use millstream_core::{record::Record, time::Timestamp};

/// The elements of a window, in the order in which they came.
pub struct Elements<'a, T>(&'a [(Timestamp, T)]);

impl<T> Clone for Elements<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Elements<'_, T> {}

impl<'a, T: Record> Elements<'a, T> {
    pub(crate) fn new(elements: &'a [(Timestamp, T)]) -> Self {
        Self(elements)
    }

    /// How many there are.
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// True if there are none: an evictor may leave none.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The one that came first.
    pub fn first(self) -> Option<T::View<'a>> {
        self.0.first().map(|(_, element)| element.view())
    }

    /// The one that came last.
    pub fn last(self) -> Option<T::View<'a>> {
        self.0.last().map(|(_, element)| element.view())
    }

    /// All elements.
    pub fn iter(self) -> ElementsIter<'a, T> {
        fn view<T: Record>((_, element): &(Timestamp, T)) -> T::View<'_> {
            element.view()
        }
        self.0.iter().map(view::<T>)
    }

    /// All elements, each with its time.
    pub fn with_times(self) -> impl DoubleEndedIterator<Item = (T::View<'a>, Timestamp)> + ExactSizeIterator {
        self.0.iter().map(|(at, element)| (element.view(), *at))
    }
}

/// Goes through the elements of a window.
pub type ElementsIter<'a, T> = Map<slice::Iter<'a, (Timestamp, T)>, fn(&'a (Timestamp, T)) -> <T as Record>::View<'a>>;

impl<'a, T: Record> IntoIterator for Elements<'a, T> {
    type Item = T::View<'a>;
    type IntoIter = ElementsIter<'a, T>;

    fn into_iter(self) -> ElementsIter<'a, T> {
        self.iter()
    }
}

/// What a window function takes: [`All<T>`], or a record that is the result of an aggregate.
pub trait WindowInput: 'static {
    /// As it gets it.
    type View<'a>: Copy;
}

impl<R: Record> WindowInput for R {
    type View<'a> = R::View<'a>;
}

/// All elements of a window: what a function in `.apply_with(..)` takes, as [`Elements`].
pub struct All<T>(PhantomData<fn() -> T>);

impl<T: Record> WindowInput for All<T> {
    type View<'a> = Elements<'a, T>;
}
