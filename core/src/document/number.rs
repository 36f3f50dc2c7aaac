//! Documents that are numbers or `bool`.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserializer, Serializer,
    de::{Error, Unexpected, Visitor},
};

use super::{Document, ObjectKey, Scratch};

/// Takes any number that the wanted type can hold.
struct Number<T>(PhantomData<T>);

/// Integers: whole numbers in their range. As the key of an object they stand in quotes.
macro_rules! integer {
    ($($type:ident $read:ident $write:ident $wanted:literal;)*) => { $(
        impl<'t> Document<'t> for $type {
            #[inline]
            fn deserialize<D: Deserializer<'t>>(from: D, _: &'t Scratch) -> Result<$type, D::Error> {
                from.$read(Number(PhantomData::<$type>))
            }

            #[inline]
            fn serialize<S: Serializer>(view: $type, to: S) -> Result<S::Ok, S::Error> {
                to.$write(view)
            }
        }

        impl ObjectKey<'_> for $type {}

        impl Visitor<'_> for Number<$type> {
            type Value = $type;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($wanted)
            }

            #[inline]
            fn visit_u64<E: Error>(self, number: u64) -> Result<$type, E> {
                <$type>::try_from(number).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
            }

            #[inline]
            fn visit_i64<E: Error>(self, number: i64) -> Result<$type, E> {
                <$type>::try_from(number).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
            }

            #[inline]
            fn visit_u128<E: Error>(self, number: u128) -> Result<$type, E> {
                <$type>::try_from(number).map_err(|_| E::invalid_value(Unexpected::Other("integer"), &self))
            }

            #[inline]
            fn visit_i128<E: Error>(self, number: i128) -> Result<$type, E> {
                <$type>::try_from(number).map_err(|_| E::invalid_value(Unexpected::Other("integer"), &self))
            }
        }
    )* };
}

integer! {
    u8 deserialize_u8 serialize_u8 "a whole number from 0 to 255";
    u16 deserialize_u16 serialize_u16 "a whole number from 0 to 65535";
    u32 deserialize_u32 serialize_u32 "a whole number from 0 to 4294967295";
    u64 deserialize_u64 serialize_u64 "a whole number from 0 to 18446744073709551615";
    u128 deserialize_u128 serialize_u128 "a whole number from 0 to 2^128 - 1";
    i8 deserialize_i8 serialize_i8 "a whole number from -128 to 127";
    i16 deserialize_i16 serialize_i16 "a whole number from -32768 to 32767";
    i32 deserialize_i32 serialize_i32 "a whole number from -2147483648 to 2147483647";
    i64 deserialize_i64 serialize_i64 "a whole number from -9223372036854775808 to 9223372036854775807";
    i128 deserialize_i128 serialize_i128 "a whole number from -2^127 to 2^127 - 1";
}

/// Floating-point numbers: any number, rounded to the nearest. JSON has no text for NaN and the infinities, so they are written as `null`,
/// which reads back only where the field is an option, and then as `None`.
macro_rules! float {
    ($($type:ident $read:ident $write:ident;)*) => { $(
        impl<'t> Document<'t> for $type {
            #[inline]
            fn deserialize<D: Deserializer<'t>>(from: D, _: &'t Scratch) -> Result<$type, D::Error> {
                from.$read(Number(PhantomData::<$type>))
            }

            #[inline]
            fn serialize<S: Serializer>(view: $type, to: S) -> Result<S::Ok, S::Error> {
                to.$write(view)
            }
        }

        impl Visitor<'_> for Number<$type> {
            type Value = $type;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            #[inline]
            fn visit_f32<E: Error>(self, number: f32) -> Result<$type, E> {
                Ok(number as $type)
            }

            #[inline]
            fn visit_f64<E: Error>(self, number: f64) -> Result<$type, E> {
                Ok(number as $type)
            }

            #[inline]
            fn visit_u64<E: Error>(self, number: u64) -> Result<$type, E> {
                Ok(number as $type)
            }

            #[inline]
            fn visit_i64<E: Error>(self, number: i64) -> Result<$type, E> {
                Ok(number as $type)
            }
        }
    )* };
}

float! {
    f32 deserialize_f32 serialize_f32;
    f64 deserialize_f64 serialize_f64;
}

struct Truth;

impl Visitor<'_> for Truth {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`true` or `false`")
    }

    #[inline]
    fn visit_bool<E: Error>(self, truth: bool) -> Result<bool, E> {
        Ok(truth)
    }
}

impl<'t> Document<'t> for bool {
    #[inline]
    fn deserialize<D: Deserializer<'t>>(from: D, _: &'t Scratch) -> Result<bool, D::Error> {
        from.deserialize_bool(Truth)
    }

    #[inline]
    fn serialize<S: Serializer>(view: bool, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bool(view)
    }
}

impl ObjectKey<'_> for bool {}
