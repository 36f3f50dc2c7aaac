//! `Vec<T>`: the view is a [`VecView`], over owned elements, archived ones, or views of them.

use std::{cmp::Ordering, fmt, slice};

use rkyv::{
    Place,
    vec::{ArchivedVec, VecResolver},
};

use super::check_list_size;
use crate::{
    dynamic::Value,
    key::{Key, combine, mix},
    record::{EncodeError, Encoder, Record, ViewOf},
    schema::Schema,
    view::View,
};

/// The elements of a list, wherever they are.
pub enum VecView<'a, T: Record> {
    /// Elements that user code built.
    Owned(&'a [T]),
    /// Elements in a sealed buffer.
    Archived(&'a [T::Archived]),
    /// Elements that were read from a text: views that borrow from it.
    Views(&'a [T::View<'a>]),
}

impl<T: Record> Clone for VecView<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Record> Copy for VecView<'_, T> {}

impl<'a, T: Record> VecView<'a, T> {
    /// How many elements there are.
    #[inline(always)]
    pub fn len(self) -> usize {
        match self {
            Self::Owned(elements) => elements.len(),
            Self::Archived(elements) => elements.len(),
            Self::Views(elements) => elements.len(),
        }
    }

    /// True if there are none.
    #[inline(always)]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The element at a position.
    #[inline(always)]
    pub fn get(self, index: usize) -> Option<T::View<'a>> {
        match self {
            Self::Owned(elements) => elements.get(index).map(T::view),
            Self::Archived(elements) => elements.get(index).map(T::view_archived),
            Self::Views(elements) => elements.get(index).copied(),
        }
    }

    /// The first element.
    pub fn first(self) -> Option<T::View<'a>> {
        self.get(0)
    }

    /// The last element.
    pub fn last(self) -> Option<T::View<'a>> {
        self.get(self.len().checked_sub(1)?)
    }

    /// All elements, in order.
    #[inline(always)]
    pub fn iter(self) -> VecIter<'a, T> {
        match self {
            Self::Owned(elements) => VecIter::Owned(elements.iter()),
            Self::Archived(elements) => VecIter::Archived(elements.iter()),
            Self::Views(elements) => VecIter::Views(elements.iter()),
        }
    }

    /// An owned copy.
    pub fn to_vec(self) -> Vec<T> {
        self.iter().map(T::from_view).collect()
    }
}

impl<'a> VecView<'a, u8> {
    /// The elements of a `Vec<u8>` as a slice: bytes are archived as they are.
    #[inline(always)]
    pub fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Owned(bytes) | Self::Archived(bytes) | Self::Views(bytes) => bytes,
        }
    }
}

impl<T: Record> fmt::Debug for VecView<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a, T: Record> PartialEq for VecView<'a, T>
where
    T::View<'a>: PartialEq,
{
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a, T: Record> IntoIterator for VecView<'a, T> {
    type Item = T::View<'a>;
    type IntoIter = VecIter<'a, T>;

    fn into_iter(self) -> VecIter<'a, T> {
        self.iter()
    }
}

/// Goes through the views of a list's elements.
pub enum VecIter<'a, T: Record> {
    /// Elements that user code built.
    Owned(slice::Iter<'a, T>),
    /// Elements in a sealed buffer.
    Archived(slice::Iter<'a, T::Archived>),
    /// Elements that were read from a text.
    Views(slice::Iter<'a, T::View<'a>>),
}

impl<T: Record> Clone for VecIter<'_, T> {
    fn clone(&self) -> Self {
        match self {
            Self::Owned(elements) => Self::Owned(elements.clone()),
            Self::Archived(elements) => Self::Archived(elements.clone()),
            Self::Views(elements) => Self::Views(elements.clone()),
        }
    }
}

impl<'a, T: Record> Iterator for VecIter<'a, T> {
    type Item = T::View<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<T::View<'a>> {
        match self {
            Self::Owned(elements) => elements.next().map(T::view),
            Self::Archived(elements) => elements.next().map(T::view_archived),
            Self::Views(elements) => elements.next().copied(),
        }
    }

    #[inline(always)]
    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Owned(elements) => elements.size_hint(),
            Self::Archived(elements) => elements.size_hint(),
            Self::Views(elements) => elements.size_hint(),
        }
    }
}

impl<'a, T: Record> DoubleEndedIterator for VecIter<'a, T> {
    #[inline(always)]
    fn next_back(&mut self) -> Option<T::View<'a>> {
        match self {
            Self::Owned(elements) => elements.next_back().map(T::view),
            Self::Archived(elements) => elements.next_back().map(T::view_archived),
            Self::Views(elements) => elements.next_back().copied(),
        }
    }
}

impl<T: Record> ExactSizeIterator for VecIter<'_, T> {}

// SAFETY: rkyv writes the elements, each through `T`, and notes where; the length that `finish` notes is that of the view they came from.
unsafe impl<T: Record> Record for Vec<T> {
    type Archived = ArchivedVec<T::Archived>;
    type Resolver = VecResolver;
    type View<'a> = VecView<'a, T>;

    const SCHEMA: &'static Schema = &Schema::List(T::SCHEMA);
    const PLAIN: bool = false;

    #[inline(always)]
    fn view(&self) -> VecView<'_, T> {
        VecView::Owned(self)
    }

    #[inline(always)]
    fn view_archived(archived: &Self::Archived) -> VecView<'_, T> {
        VecView::Archived(archived.as_slice())
    }

    fn from_view(view: VecView<'_, T>) -> Self {
        view.to_vec()
    }

    fn from_value(value: Value<'_>) -> Option<Self> {
        value.elements()?.map(T::from_value).collect()
    }

    #[inline]
    fn write(view: VecView<'_, T>, out: &mut Encoder<'_>) -> Result<VecResolver, EncodeError> {
        check_list_size(view.len(), size_of::<T::Archived>())?;
        ArchivedVec::serialize_from_iter::<ViewOf<'_, T>, _, _>(view.iter().map(ViewOf::<T>), out)
    }

    #[inline]
    fn finish(view: VecView<'_, T>, resolver: VecResolver, out: Place<Self::Archived>) {
        ArchivedVec::resolve_from_len(view.len(), resolver, out);
    }
}

impl<T: Record> View for VecView<'static, T> {
    type Record = Vec<T>;
}

/// Lists compare element by element; a list comes after its own beginnings.
impl<T: Key> Key for Vec<T> {
    type KeyProof = ();

    const CARRY_HASH: bool = true;

    fn same(a: VecView<'_, T>, b: VecView<'_, T>) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| T::same(a, b))
    }

    fn compare(a: VecView<'_, T>, b: VecView<'_, T>) -> Ordering {
        let unequal = a.iter().zip(b).map(|(a, b)| T::compare(a, b)).find(|order| order.is_ne());
        unequal.unwrap_or_else(|| a.len().cmp(&b.len()))
    }

    fn hash(view: VecView<'_, T>) -> u64 {
        view.iter().fold(mix(view.len() as u64), |hash, element| combine(hash, T::hash(element)))
    }
}
