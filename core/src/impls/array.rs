//! `[T; N]`: the view is an array of views.

use std::{array, cmp::Ordering};

use rkyv::Place;

use crate::{
    dynamic::Value,
    key::{Key, combine, mix},
    record::{EncodeError, Encoder, Record},
    schema::Schema,
    view::View,
};

// SAFETY: `finish` writes each of the elements, in the place that `T` asks for and with the resolver that `T` made for it.
unsafe impl<T: Record, const N: usize> Record for [T; N] {
    type Archived = [T::Archived; N];
    type Resolver = [T::Resolver; N];
    type View<'a> = [T::View<'a>; N];

    const SCHEMA: &'static Schema = &Schema::Array(T::SCHEMA, N);
    const PLAIN: bool = T::PLAIN;

    #[inline(always)]
    fn view(&self) -> [T::View<'_>; N] {
        self.each_ref().map(T::view)
    }

    #[inline(always)]
    fn view_archived(archived: &[T::Archived; N]) -> [T::View<'_>; N] {
        archived.each_ref().map(T::view_archived)
    }

    #[inline(always)]
    fn from_view(view: [T::View<'_>; N]) -> Self {
        view.map(T::from_view)
    }

    fn from_value(value: Value<'_>) -> Option<Self> {
        value.elements()?.map(T::from_value).collect::<Option<Vec<_>>>()?.try_into().ok()
    }

    #[inline(always)]
    fn write(view: [T::View<'_>; N], out: &mut Encoder<'_>) -> Result<Self::Resolver, EncodeError> {
        let mut resolvers = array::from_fn(|_| None);
        for (resolver, element) in resolvers.iter_mut().zip(view) {
            *resolver = Some(T::write(element, out)?);
        }
        Ok(resolvers.map(|resolver| resolver.expect("the loop above fills every place")))
    }

    #[inline(always)]
    fn finish(view: [T::View<'_>; N], resolver: Self::Resolver, out: Place<Self::Archived>) {
        for (i, (element, resolver)) in view.into_iter().zip(resolver).enumerate() {
            // SAFETY: `i` counts the elements of an array of length `N`.
            let out = unsafe { out.index(i) };
            T::finish(element, resolver, out);
        }
    }
}

impl<V: View, const N: usize> View for [V; N] {
    type Record = [V::Record; N];
}

impl<T: Key, const N: usize> Key for [T; N] {
    type KeyProof = ();

    const CARRY_HASH: bool = N > 1 || (N == 1 && T::CARRY_HASH);

    #[inline(always)]
    fn same(a: [T::View<'_>; N], b: [T::View<'_>; N]) -> bool {
        a.into_iter().zip(b).all(|(a, b)| T::same(a, b))
    }

    #[inline(always)]
    fn compare(a: [T::View<'_>; N], b: [T::View<'_>; N]) -> Ordering {
        let unequal = a.into_iter().zip(b).map(|(a, b)| T::compare(a, b)).find(|order| order.is_ne());
        unequal.unwrap_or(Ordering::Equal)
    }

    #[inline(always)]
    fn hash(view: [T::View<'_>; N]) -> u64 {
        view.into_iter().fold(mix(N as u64), |hash, element| combine(hash, T::hash(element)))
    }
}
