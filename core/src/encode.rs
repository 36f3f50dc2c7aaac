//! How a record's archive is appended to bytes: the one place where archives come into being.

use rkyv::{
    Place,
    rancor::Strategy,
    ser::{Serializer, allocator::Arena},
};

use crate::{buffer::PushError, record::Record, scratch::Scratch};

/// The size of a record's root. Roots need no alignment: the format is rkyv's unaligned one.
pub(crate) const fn root_size<T: Record>() -> usize {
    assert!(align_of::<T::Archived>() == 1, "archives are unaligned");
    size_of::<T::Archived>()
}

/// Appends the archive of a record that has at most `limit` bytes; where its root is, which is at its end.
///
/// # Errors
///
/// Fails if the record is larger; what has been appended by then is to be truncated.
#[inline(always)]
pub(crate) fn encode<T: Record>(
    view: T::View<'_>,
    bytes: &mut Vec<u8>,
    arena: &mut Arena,
    limit: usize,
) -> Result<usize, PushError> {
    let start = bytes.len();
    let mut serializer = Serializer::new(&mut *bytes, Scratch::new(arena), ());
    let resolver = T::write(view, Strategy::wrap(&mut serializer)).map_err(PushError::Encode)?;
    let root = bytes.len();
    // Before the root is written, since its pointers reach no further than the bound allows.
    let size = root + root_size::<T>() - start;
    if !T::PLAIN && size > limit {
        return Err(PushError::TooLarge { size, limit });
    }
    bytes.reserve(root_size::<T>());
    // SAFETY: the vector has room for `root_size` more bytes, which is the size of an `Archived`; its alignment is 1 (asserted above),
    // so any address will do. The bytes are zeroed before they become a `Place`, and stay initialised since a `Place` never
    // takes uninitialised ones; only then are they counted into the length. If `finish` panics, they are not.
    unsafe {
        let place = bytes.as_mut_ptr().add(root);
        place.write_bytes(0, root_size::<T>());
        T::finish(view, resolver, Place::new_unchecked(root, place.cast::<T::Archived>()));
        bytes.set_len(root + root_size::<T>());
    }
    Ok(root)
}
