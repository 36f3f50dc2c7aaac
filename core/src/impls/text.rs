//! `String`: the view is `&str`.

use std::cmp::Ordering;

use rkyv::{
    Place,
    string::{ArchivedString, StringResolver},
};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    dynamic::Value,
    key::Key,
    record::{EncodeError, Encoder, Record},
    schema::Schema,
    view::View,
};

// SAFETY: rkyv writes and resolves the string; the text that `finish` points to is the text that `write` put out.
unsafe impl Record for String {
    type Archived = ArchivedString;
    type Resolver = StringResolver;
    type View<'a> = &'a str;

    const SCHEMA: &'static Schema = &Schema::Primitive("String");
    const PLAIN: bool = false;

    #[inline(always)]
    fn view(&self) -> &str {
        self
    }

    #[inline(always)]
    fn view_archived(archived: &ArchivedString) -> &str {
        archived.as_str()
    }

    #[inline]
    fn from_view(view: &str) -> Self {
        view.to_owned()
    }

    fn from_value(value: Value<'_>) -> Option<Self> {
        if let Value::Text(text) = value { Some(text.to_owned()) } else { None }
    }

    #[inline]
    fn write(view: &str, out: &mut Encoder<'_>) -> Result<StringResolver, EncodeError> {
        ArchivedString::serialize_from_str(view, out)
    }

    #[inline]
    fn finish(view: &str, resolver: StringResolver, out: Place<ArchivedString>) {
        ArchivedString::resolve_from_str(view, resolver, out);
    }
}

impl View for &'static str {
    type Record = String;
}

impl Key for String {
    type KeyProof = ();

    const CARRY_HASH: bool = true;

    #[inline(always)]
    fn same(a: &str, b: &str) -> bool {
        a == b
    }

    #[inline(always)]
    fn compare(a: &str, b: &str) -> Ordering {
        a.cmp(b)
    }

    #[inline]
    fn hash(view: &str) -> u64 {
        xxh3_64(view.as_bytes())
    }
}
