//! `Timestamp` and `Window`: the view is the value, the archive its milliseconds.

use std::cmp::Ordering;

use rkyv::{Place, munge::munge, primitive::ArchivedI64, tuple::ArchivedTuple2};

use crate::{
    dynamic::Value,
    key::{Key, combine, mix},
    record::{EncodeError, Encoder, Record},
    schema::{Field, Schema},
    time::{Timestamp, Window},
    view::View,
};

// SAFETY: `finish` writes the whole of the archive, which has no pointers; `write` puts out nothing.
unsafe impl Record for Timestamp {
    type Archived = ArchivedI64;
    type Resolver = ();
    type View<'a> = Timestamp;

    const SCHEMA: &'static Schema = &Schema::Primitive("Timestamp");
    const PLAIN: bool = true;

    #[inline(always)]
    fn view(&self) -> Timestamp {
        *self
    }

    #[inline(always)]
    fn view_archived(archived: &ArchivedI64) -> Timestamp {
        Timestamp::from_millis(archived.to_native())
    }

    #[inline(always)]
    fn from_view(view: Timestamp) -> Timestamp {
        view
    }

    fn from_value(value: Value<'_>) -> Option<Timestamp> {
        if let Value::Timestamp(at) = value { Some(at) } else { None }
    }

    #[inline(always)]
    fn write(_: Timestamp, _: &mut Encoder<'_>) -> Result<(), EncodeError> {
        Ok(())
    }

    #[inline(always)]
    fn finish(view: Timestamp, (): (), out: Place<ArchivedI64>) {
        out.write(ArchivedI64::from_native(view.millis()));
    }
}

impl View for Timestamp {
    type Record = Timestamp;
}

impl Key for Timestamp {
    type KeyProof = ();

    const CARRY_HASH: bool = false;

    #[inline(always)]
    fn same(a: Timestamp, b: Timestamp) -> bool {
        a == b
    }

    #[inline(always)]
    fn compare(a: Timestamp, b: Timestamp) -> Ordering {
        a.cmp(&b)
    }

    #[inline(always)]
    fn hash(view: Timestamp) -> u64 {
        mix(view.millis() as u64)
    }
}

// SAFETY: `finish` writes both ends; the archive has no pointers, and `write` puts out nothing.
unsafe impl Record for Window {
    type Archived = ArchivedTuple2<ArchivedI64, ArchivedI64>;
    type Resolver = ();
    type View<'a> = Window;

    const SCHEMA: &'static Schema = &Schema::Struct(
        "Window",
        &[Field { name: "start", schema: Timestamp::SCHEMA }, Field { name: "end", schema: Timestamp::SCHEMA }],
    );
    const PLAIN: bool = true;

    #[inline(always)]
    fn view(&self) -> Window {
        *self
    }

    #[inline(always)]
    fn view_archived(archived: &Self::Archived) -> Window {
        Window { start: Timestamp::view_archived(&archived.0), end: Timestamp::view_archived(&archived.1) }
    }

    #[inline(always)]
    fn from_view(view: Window) -> Window {
        view
    }

    fn from_value(value: Value<'_>) -> Option<Window> {
        let mut parts = value.parts()?;
        Some(Window { start: Record::from_value(parts.next()?)?, end: Record::from_value(parts.next()?)? })
    }

    #[inline(always)]
    fn write(_: Window, _: &mut Encoder<'_>) -> Result<(), EncodeError> {
        Ok(())
    }

    #[inline(always)]
    fn finish(view: Window, (): (), out: Place<Self::Archived>) {
        munge!(let ArchivedTuple2(start, end) = out);
        Timestamp::finish(view.start, (), start);
        Timestamp::finish(view.end, (), end);
    }
}

impl View for Window {
    type Record = Window;
}

impl Key for Window {
    type KeyProof = ();

    const CARRY_HASH: bool = false;

    #[inline(always)]
    fn same(a: Window, b: Window) -> bool {
        a == b
    }

    #[inline(always)]
    fn compare(a: Window, b: Window) -> Ordering {
        a.cmp(&b)
    }

    #[inline(always)]
    fn hash(view: Window) -> u64 {
        combine(combine(mix(2), Timestamp::hash(view.start)), Timestamp::hash(view.end))
    }
}
