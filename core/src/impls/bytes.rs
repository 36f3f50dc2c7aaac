//! [`ByteString`]: bytes without a meaning to Millstream; the view is `&[u8]`.

use std::{cmp::Ordering, fmt, ops::Deref};

use rkyv::{
    Place,
    vec::{ArchivedVec, VecResolver},
};
use xxhash_rust::xxh3::xxh3_64;

use super::check_list_size;
use crate::{
    dynamic::Value,
    key::Key,
    record::{EncodeError, Encoder, Record},
    schema::Schema,
    view::View,
};

/// Bytes. Unlike those of a `Vec<u8>`, which go element by element as in every list, they are encoded by one copy, and the view is `&[u8]`.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteString(pub Vec<u8>);

impl Deref for ByteString {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for ByteString {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for ByteString {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

/// As a byte string literal: `b"\x00ab"`.
impl fmt::Debug for ByteString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

// SAFETY: rkyv writes and resolves the slice; the length that `finish` notes is that of the slice that `write` put out.
unsafe impl Record for ByteString {
    type Archived = ArchivedVec<u8>;
    type Resolver = VecResolver;
    type View<'a> = &'a [u8];

    const SCHEMA: &'static Schema = &Schema::Primitive("ByteString");
    const PLAIN: bool = false;

    #[inline(always)]
    fn view(&self) -> &[u8] {
        &self.0
    }

    #[inline(always)]
    fn view_archived(archived: &ArchivedVec<u8>) -> &[u8] {
        archived.as_slice()
    }

    #[inline]
    fn from_view(view: &[u8]) -> Self {
        Self(view.to_vec())
    }

    fn from_value(value: Value<'_>) -> Option<Self> {
        if let Value::Bytes(bytes) = value { Some(bytes.into()) } else { None }
    }

    #[inline]
    fn write(view: &[u8], out: &mut Encoder<'_>) -> Result<VecResolver, EncodeError> {
        check_list_size(view.len(), 1)?;
        ArchivedVec::serialize_from_slice(view, out)
    }

    #[inline]
    fn finish(view: &[u8], resolver: VecResolver, out: Place<ArchivedVec<u8>>) {
        ArchivedVec::resolve_from_len(view.len(), resolver, out);
    }
}

impl View for &'static [u8] {
    type Record = ByteString;
}

impl Key for ByteString {
    type KeyProof = ();

    const CARRY_HASH: bool = true;

    #[inline(always)]
    fn same(a: &[u8], b: &[u8]) -> bool {
        a == b
    }

    #[inline(always)]
    fn compare(a: &[u8], b: &[u8]) -> Ordering {
        a.cmp(b)
    }

    #[inline]
    fn hash(view: &[u8]) -> u64 {
        xxh3_64(view)
    }
}
