//! [`Record`]: data that can flow. A record in flight is a *view*, wherever its bytes are.

use std::fmt::Debug;

use rkyv::{
    Archive, Place, Portable, Serialize,
    bytecheck::CheckBytes,
    rancor::{self, Strategy},
    ser::Serializer,
    validation::{Validator as RkyvValidator, archive::ArchiveValidator},
};

use crate::{dynamic::Value, schema::Schema, scratch::Scratch};

/// What encodes views: rkyv's serializer over a plain byte vector.
pub type Encoder<'e> = Strategy<Serializer<&'e mut Vec<u8>, Scratch<'e>, ()>, EncodeError>;

/// Why a view could not be encoded. It carries no text in release builds; whoever encodes adds the record type and size.
pub type EncodeError = rancor::Error;

/// What checks archived bytes that came from outside this process.
pub type Validator<'c> = Strategy<RkyvValidator<ArchiveValidator<'c>, ()>, rancor::Error>;

/// Data that can flow through a job: `#[derive(Record)]` implements it.
///
/// A record has three shapes. The *owned* value is what user code builds. The *archive* is its bytes in a sealed
/// buffer (rkyv, unaligned, little endian, 32-bit relative pointers). The *view* is what operators see: a small `Copy`
/// value of integers and borrowed slices that can be had from either of the two, so every operator is written once and
/// reads network buffers without copying.
///
/// # Safety
///
/// Archives made in this process are read back without a check. After `write` and `finish` the place must hold a valid
/// `Archived`, of which every relative pointer leads to bytes that `write` put out; and where [`Record::PLAIN`] is true, `write` puts
/// out no bytes at all.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a record, so it cannot flow through a stream",
    label = "not a record",
    note = "put `#[derive(Record)]` on the type; for a type of another crate use `#[record(with = Adapter)]` on the field",
    note = "records own their data: return `String` rather than `&str`, `list.to_vec()` rather than a view of a list, or use an annotated function (`#[map]` with `.then(..)`) to borrow"
)]
pub unsafe trait Record: Sized + Send + 'static {
    /// The bytes of the record in a buffer.
    type Archived: Portable + for<'c> CheckBytes<Validator<'c>>;
    /// Where `write` put the parts that lie outside the archived root.
    type Resolver;
    /// The record as operators see it.
    type View<'a>: Copy + Debug;

    /// Names and types, for formats, plans and compatibility checks.
    const SCHEMA: &'static Schema;
    /// A hash of [`Record::SCHEMA`], all nesting included: two versions of a type differ in it.
    const HASH: u64 = Self::SCHEMA.hash();
    /// True if the archive has a fixed width and no pointers, so that encoding is a few stores.
    const PLAIN: bool;

    /// The view of an owned record.
    fn view(&self) -> Self::View<'_>;
    /// The view of an archived record.
    fn view_archived(archived: &Self::Archived) -> Self::View<'_>;
    /// An owned record. The only function of a record that allocates.
    fn from_view(view: Self::View<'_>) -> Self;
    /// An owned record from a value that was read without the type, of the type's own schema or of one that
    /// [fits](crate::dynamic::StoredSchema::check): a type that has a version makes itself from the version before where that is what is stored. `None`
    /// if the value is of another schema, or if entries of a map became one.
    fn from_value(value: Value<'_>) -> Option<Self>;

    /// True for the `None` of an option, which aggregates leave out.
    #[inline(always)]
    fn is_none(_: Self::View<'_>) -> bool {
        false
    }

    /// Puts out what lies outside the root (the text of strings, the elements of lists).
    ///
    /// # Errors
    ///
    /// Fails if a relative pointer does not fit into 32 bits.
    fn write(view: Self::View<'_>, out: &mut Encoder<'_>) -> Result<Self::Resolver, EncodeError>;
    /// Writes the root.
    fn finish(view: Self::View<'_>, resolver: Self::Resolver, out: Place<Self::Archived>);
}

/// A view as rkyv sees it: the one type that implements rkyv's `Archive` and `Serialize` for views, since views such as
/// `&str` are foreign types.
pub struct ViewOf<'a, T: Record>(pub T::View<'a>);

impl<T: Record> Clone for ViewOf<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Record> Copy for ViewOf<'_, T> {}

impl<T: Record> Archive for ViewOf<'_, T> {
    type Archived = T::Archived;
    type Resolver = T::Resolver;

    fn resolve(&self, resolver: Self::Resolver, out: Place<Self::Archived>) {
        T::finish(self.0, resolver, out)
    }
}

impl<'e, T: Record> Serialize<Encoder<'e>> for ViewOf<'_, T> {
    fn serialize(&self, out: &mut Encoder<'e>) -> Result<Self::Resolver, EncodeError> {
        T::write(self.0, out)
    }
}

/// Carries a type of another crate inside a record: `#[record(with = Adapter)]` on the field.
///
/// ```ignore
/// struct UuidBytes;
/// impl Adapter for UuidBytes {
///     type Foreign = Uuid;
///     type As = [u8; 16];
///     fn view(id: &Uuid) -> [u8; 16] { *id.as_bytes() }
///     fn from_view(bytes: [u8; 16]) -> Uuid { Uuid::from_bytes(bytes) }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not carry a type of another crate",
    label = "not an adapter",
    note = "`#[record(with = ..)]` names a type of yours that implements `Adapter`: which type it carries (`Foreign`), and as which record (`As`)"
)]
pub trait Adapter {
    /// The type of the field.
    type Foreign;
    /// The record that stands for it, in views and in archives.
    type As: Record;
    /// The view of a foreign value.
    fn view(foreign: &Self::Foreign) -> <Self::As as Record>::View<'_>;
    /// The foreign value of a view.
    fn from_view(view: <Self::As as Record>::View<'_>) -> Self::Foreign;
}
