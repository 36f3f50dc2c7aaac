//! Numbers, `bool` and `char`: the view is the value, the archive its little-endian bytes.

use std::cmp::Ordering;

use rkyv::{
    Place,
    primitive::{
        ArchivedChar, ArchivedF32, ArchivedF64, ArchivedI16, ArchivedI32, ArchivedI64, ArchivedI128, ArchivedU16,
        ArchivedU32, ArchivedU64, ArchivedU128,
    },
};

use crate::{
    dynamic::Value,
    key::{Key, combine, mix},
    record::{EncodeError, Encoder, Record},
    schema::Schema,
    view::View,
};

/// A record that is its own view: its type, its archive, and the ways between the two.
macro_rules! scalar {
    ($($type:ty as $archived:ty: $read:expr, $make:expr, $kind:ident;)*) => { $(
        // SAFETY: `finish` writes the whole of the archive, which has no pointers; `write` puts out nothing.
        unsafe impl Record for $type {
            type Archived = $archived;
            type Resolver = ();
            type View<'a> = $type;

            const SCHEMA: &'static Schema = &Schema::Primitive(stringify!($type));
            const PLAIN: bool = true;

            #[inline(always)]
            fn view(&self) -> $type {
                *self
            }

            #[inline(always)]
            fn view_archived(archived: &$archived) -> $type {
                $read(*archived)
            }

            #[inline(always)]
            fn from_view(view: $type) -> $type {
                view
            }

            fn from_value(value: Value<'_>) -> Option<$type> {
                if let Value::$kind(value) = value { value.try_into().ok() } else { None }
            }

            #[inline(always)]
            fn write(_: $type, _: &mut Encoder<'_>) -> Result<(), EncodeError> {
                Ok(())
            }

            #[inline(always)]
            fn finish(view: $type, (): (), out: Place<$archived>) {
                out.write($make(view));
            }
        }

        impl View for $type {
            type Record = $type;
        }
    )* };
}

scalar! {
    u8 as u8: std::convert::identity, std::convert::identity, Unsigned;
    i8 as i8: std::convert::identity, std::convert::identity, Signed;
    bool as bool: std::convert::identity, std::convert::identity, Bool;
    u16 as ArchivedU16: ArchivedU16::to_native, ArchivedU16::from_native, Unsigned;
    u32 as ArchivedU32: ArchivedU32::to_native, ArchivedU32::from_native, Unsigned;
    u64 as ArchivedU64: ArchivedU64::to_native, ArchivedU64::from_native, Unsigned;
    u128 as ArchivedU128: ArchivedU128::to_native, ArchivedU128::from_native, Unsigned;
    i16 as ArchivedI16: ArchivedI16::to_native, ArchivedI16::from_native, Signed;
    i32 as ArchivedI32: ArchivedI32::to_native, ArchivedI32::from_native, Signed;
    i64 as ArchivedI64: ArchivedI64::to_native, ArchivedI64::from_native, Signed;
    i128 as ArchivedI128: ArchivedI128::to_native, ArchivedI128::from_native, Signed;
    f32 as ArchivedF32: ArchivedF32::to_native, ArchivedF32::from_native, F32;
    f64 as ArchivedF64: ArchivedF64::to_native, ArchivedF64::from_native, F64;
    char as ArchivedChar: ArchivedChar::to_native, ArchivedChar::from_native, Char;
}

/// Keys that are a single number; `as u64` extends the sign of signed ones.
macro_rules! key {
    ($hash:expr; $($type:ty)*) => { $(
        impl Key for $type {
            type KeyProof = ();

            const CARRY_HASH: bool = false;

            #[inline(always)]
            fn same(a: $type, b: $type) -> bool {
                a == b
            }

            #[inline(always)]
            fn compare(a: $type, b: $type) -> Ordering {
                a.cmp(&b)
            }

            #[inline(always)]
            fn hash(view: $type) -> u64 {
                $hash(view)
            }
        }
    )* };
}

key! { mix; u64 }
key! { |view| mix(view as u64); u8 u16 u32 i8 i16 i32 i64 bool char }
key! { |view| combine(mix(view as u64), mix((view >> 64) as u64)); u128 i128 }
