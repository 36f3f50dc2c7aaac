//! [`Packed`]: a list of records that keeps them encoded, one behind the other. However many texts its records have, it is one allocation.

use std::{fmt, marker::PhantomData};

use rkyv::{
    Place,
    ser::allocator::Arena,
    vec::{ArchivedVec, VecResolver},
};

use crate::{
    buffer::{LIMIT_MAX_RECORD_SIZE, PushError},
    dynamic::Value,
    encode::{encode, root_size},
    impls::check_list_size,
    record::{EncodeError, Encoder, Record, ViewOf},
    schema::Schema,
};

/// In front of each archive that is not plain: how many bytes it has.
type Size = u32;
const SIZE_BYTES: usize = size_of::<Size>();

/// A list of records, encoded: for state that has many small lists. It stands for a `Vec<T>`, whose schema and archive it has.
pub struct Packed<T: Record> {
    /// `[ size: u32 ][ archive, its root last ]` for each record; of plain ones the roots alone.
    bytes: Vec<u8>,
    len: usize,
    record: PhantomData<fn(T)>,
}

/// What encodes for [`Packed::push`]: memory that is used again.
#[derive(Default)]
pub struct Packer {
    arena: Option<Arena>,
    bytes: Vec<u8>,
}

impl<T: Record> Packed<T> {
    /// How many records there are.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there are none.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Empties the list. Its memory stays.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.len = 0;
    }

    /// The encoded records. Two lists of one type have the same bytes if they have the same records, in one order.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends a record.
    ///
    /// # Errors
    ///
    /// Fails if its archive has more than [`LIMIT_MAX_RECORD_SIZE`] bytes; the list is then as it was before.
    #[inline]
    pub fn push(&mut self, packer: &mut Packer, view: T::View<'_>) -> Result<(), PushError> {
        let Packer { arena, bytes } = packer;
        let arena = arena.get_or_insert_with(|| Arena::with_capacity(0));
        bytes.clear();
        encode::<T>(view, bytes, arena, LIMIT_MAX_RECORD_SIZE)?;
        let head = if T::PLAIN { 0 } else { SIZE_BYTES };
        if self.bytes.is_empty() {
            // Most lists have one record.
            self.bytes.reserve_exact(head + bytes.len());
        }
        if !T::PLAIN {
            self.bytes.extend_from_slice(&(bytes.len() as Size).to_ne_bytes());
        }
        self.bytes.extend_from_slice(bytes);
        self.len += 1;
        Ok(())
    }

    /// Appends all records of another list, in order.
    pub fn append(&mut self, other: &Self) {
        self.bytes.extend_from_slice(&other.bytes);
        self.len += other.len;
    }

    /// All records, in order.
    #[inline(always)]
    pub fn iter(&self) -> PackedIter<'_, T> {
        PackedIter { list: PackedView::Packed(self), at: 0, next: 0 }
    }

    /// Reads records by their numbers, each fast that follows the last one read.
    pub fn reader(self) -> PackedReader<T> {
        PackedReader { list: self, at: 0, next: 0 }
    }

    /// Where the archive of the record at this position begins, and where it ends.
    #[inline(always)]
    fn extent(&self, next: usize) -> (usize, usize) {
        if T::PLAIN {
            return (next, next + root_size::<T>());
        }
        let begin = next + SIZE_BYTES;
        let mut size = [0; SIZE_BYTES];
        size.copy_from_slice(&self.bytes[next..begin]);
        (begin, begin + Size::from_ne_bytes(size) as usize)
    }

    /// The record at a position, and the position of the one behind it.
    ///
    /// # Safety
    ///
    /// `next` is 0 or came from this function on this list, and is not the end of its bytes, unless the records have none.
    #[inline(always)]
    unsafe fn at(&self, next: usize) -> (T::View<'_>, usize) {
        let (_, end) = self.extent(next);
        // SAFETY: by the caller an archive lies at the position, as `push` put it there with its size in front, or into the list that `append` has taken it from, so it
        // ends at `end` with its root. It was encoded by `encode::<T>` in bytes of its own, so its relative pointers lead to bytes of it wherever it is, and it has
        // alignment 1. Bytes only change by `push` and `append`, which need the list for themselves.
        let archived = unsafe { &*self.bytes.as_ptr().add(end - root_size::<T>()).cast::<T::Archived>() };
        (T::view_archived(archived), end)
    }
}

impl<T: Record> Default for Packed<T> {
    fn default() -> Self {
        Self { bytes: Vec::new(), len: 0, record: PhantomData }
    }
}

impl<T: Record> Clone for Packed<T> {
    fn clone(&self) -> Self {
        Self { bytes: self.bytes.clone(), len: self.len, record: PhantomData }
    }
}

/// Reads a [`Packed`] by numbers.
pub struct PackedReader<T: Record> {
    list: Packed<T>,
    /// The number of the record at position `next`.
    at: usize,
    next: usize,
}

impl<T: Record> PackedReader<T> {
    /// The list.
    #[inline(always)]
    pub fn list(&self) -> &Packed<T> {
        &self.list
    }

    /// Gives the list back.
    pub fn into_list(self) -> Packed<T> {
        self.list
    }

    /// The record of a number. Going back begins at the front again.
    #[inline(always)]
    pub fn get(&mut self, index: usize) -> Option<T::View<'_>> {
        if index >= self.list.len {
            return None;
        }
        if index < self.at {
            (self.at, self.next) = (0, 0);
        }
        while self.at < index {
            self.next = self.list.extent(self.next).1;
            self.at += 1;
        }
        // SAFETY: `next` is the position of record `at`: both began at 0, and went on together by whole records of this list, which cannot change in here. There is a
        // record at it, since `index` is below their number.
        let (view, _) = unsafe { self.list.at(self.next) };
        Some(view)
    }
}

/// The view of a [`Packed`], wherever its records are.
pub enum PackedView<'a, T: Record> {
    /// In a list.
    Packed(&'a Packed<T>),
    /// In a sealed buffer.
    Archived(&'a [T::Archived]),
}

impl<T: Record> Clone for PackedView<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Record> Copy for PackedView<'_, T> {}

impl<'a, T: Record> PackedView<'a, T> {
    /// How many records there are.
    pub fn len(self) -> usize {
        match self {
            Self::Packed(list) => list.len,
            Self::Archived(records) => records.len(),
        }
    }

    /// True if there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// All records, in order.
    pub fn iter(self) -> PackedIter<'a, T> {
        PackedIter { list: self, at: 0, next: 0 }
    }
}

impl<T: Record> fmt::Debug for PackedView<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Goes through the views of a list's records.
pub struct PackedIter<'a, T: Record> {
    list: PackedView<'a, T>,
    at: usize,
    next: usize,
}

impl<T: Record> Clone for PackedIter<'_, T> {
    fn clone(&self) -> Self {
        Self { list: self.list, at: self.at, next: self.next }
    }
}

impl<'a, T: Record> Iterator for PackedIter<'a, T> {
    type Item = T::View<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<T::View<'a>> {
        let at = self.at;
        let view = match self.list {
            PackedView::Packed(list) if at < list.len => {
                // SAFETY: `next` is the position of record `at`: both began at 0, and went on together by whole records of this list, which is borrowed. There is a record
                // at it, since `at` is below their number.
                let (view, next) = unsafe { list.at(self.next) };
                self.next = next;
                view
            }
            PackedView::Packed(_) => return None,
            PackedView::Archived(records) => T::view_archived(records.get(at)?),
        };
        self.at += 1;
        Some(view)
    }

    #[inline(always)]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.list.len() - self.at;
        (left, Some(left))
    }
}

impl<T: Record> ExactSizeIterator for PackedIter<'_, T> {}

impl<'a, T: Record> IntoIterator for &'a Packed<T> {
    type Item = T::View<'a>;
    type IntoIter = PackedIter<'a, T>;

    fn into_iter(self) -> PackedIter<'a, T> {
        self.iter()
    }
}

// SAFETY: as of `Vec<T>`: rkyv writes the records, each through `T`, and notes where; the length that `finish` notes is that of the view they came from.
unsafe impl<T: Record> Record for Packed<T> {
    type Archived = ArchivedVec<T::Archived>;
    type Resolver = VecResolver;
    type View<'a> = PackedView<'a, T>;

    const SCHEMA: &'static Schema = &Schema::List(T::SCHEMA);
    const PLAIN: bool = false;

    #[inline(always)]
    fn view(&self) -> PackedView<'_, T> {
        PackedView::Packed(self)
    }

    #[inline(always)]
    fn view_archived(archived: &Self::Archived) -> PackedView<'_, T> {
        PackedView::Archived(archived.as_slice())
    }

    fn from_view(view: PackedView<'_, T>) -> Self {
        if let PackedView::Packed(list) = view {
            return list.clone();
        }
        let (mut packed, mut packer) = (Self::default(), Packer::default());
        for record in view.iter() {
            packed.push(&mut packer, record).expect("a record fits that is part of an archive");
        }
        packed
    }

    fn from_value(value: Value<'_>) -> Option<Self> {
        let (mut packed, mut packer) = (Self::default(), Packer::default());
        for record in value.elements()? {
            packed.push(&mut packer, T::from_value(record)?.view()).ok()?;
        }
        Some(packed)
    }

    #[inline]
    fn write(view: PackedView<'_, T>, out: &mut Encoder<'_>) -> Result<VecResolver, EncodeError> {
        check_list_size(view.len(), size_of::<T::Archived>())?;
        ArchivedVec::serialize_from_iter::<ViewOf<'_, T>, _, _>(view.iter().map(ViewOf::<T>), out)
    }

    #[inline]
    fn finish(view: PackedView<'_, T>, resolver: VecResolver, out: Place<Self::Archived>) {
        ArchivedVec::resolve_from_len(view.len(), resolver, out);
    }
}
