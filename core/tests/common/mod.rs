//! Encodes a view and reads it back, checked, without the sealed buffers that do so in jobs.

use millstream_core::{
    record::{EncodeError, Record, ViewOf},
    scratch::Scratch,
};
use rkyv::{
    SerializeUnsized,
    api::access_with_context,
    rancor::{Error, Strategy},
    ser::{Serializer, allocator::Arena},
    validation::{Validator, archive::ArchiveValidator},
};

/// The archive of a view, its root at the end.
pub(crate) fn try_encode<T: Record>(view: T::View<'_>) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = Vec::new();
    let mut arena = Arena::new();
    let mut serializer = Serializer::new(&mut bytes, Scratch::new(&mut arena), ());
    ViewOf::<T>(view).serialize_unsized(Strategy::wrap(&mut serializer))?;
    Ok(bytes)
}

/// The archive of a view that is known to have one.
pub(crate) fn encode<T: Record>(view: T::View<'_>) -> Vec<u8> {
    try_encode::<T>(view).expect("the view can be encoded")
}

/// The archive in the bytes, after a check of all of them.
pub(crate) fn access<T: Record>(bytes: &[u8]) -> Result<&T::Archived, Error> {
    let mut validator = Validator::new(ArchiveValidator::new(bytes), ());
    access_with_context::<T::Archived, _, Error>(bytes, &mut validator)
}
